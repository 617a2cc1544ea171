"""The bar: silent when the work is short or nobody watches, and never in the way of the items."""

import inspect
import io
import time
from types import SimpleNamespace

import IPython.display
import pytest

from sojourn.models.core import progress
from sojourn.models.core.system import System


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time that goes by only when told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    screen = Terminal()
    # not sys.stderr: pytest puts its own back between the fixtures and the test
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=screen))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return screen


def test_all_items_in_order(capsys):
    assert list(progress.track([3, 1, 2], "work")) == [3, 1, 2]
    assert list(progress.track([], "work")) == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("clock")
def test_short_work_is_silent_on_a_terminal(terminal):
    list(progress.track(range(100), "work"))
    assert terminal.getvalue() == ""


def test_long_work_shows_a_bar_on_a_terminal(terminal, clock):
    for _ in progress.track(range(5), "loads"):
        clock[0] += 1.0
    assert "loads" in terminal.getvalue()
    assert "3/5" in terminal.getvalue()
    assert terminal.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_long_work_is_silent_in_a_file(monkeypatch, clock):
    pipe = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=pipe))
    for _ in progress.track(range(5), "loads"):
        clock[0] += 1.0
    assert pipe.getvalue() == ""


def test_bar_is_gone_after_a_failure(terminal, clock):
    def work():
        for i in progress.track(range(9), "loads"):
            clock[0] += 1.0
            if i == 5:
                raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        work()
    text = terminal.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_work_inside_other_work_draws_no_bar_of_its_own(terminal, clock):
    for _ in progress.track(range(5), "systems"):
        with progress.no_progress(), progress.StatusLine("steps") as ticker:
            for _ in progress.track(range(5), "loads"):
                clock[0] += 1.0
                ticker.step("some")
    assert "systems" in terminal.getvalue()
    assert "loads" not in terminal.getvalue()
    assert "steps" not in terminal.getvalue()


def test_items_that_are_still_to_come_are_counted_by_their_total(terminal, clock):
    for _ in progress.track(iter([2, 3, 3]), "systems", weigh=int, total=8):
        clock[0] += 1.5
    assert "5/8" in terminal.getvalue()


@pytest.fixture
def hasty(monkeypatch):
    """Little patience, as clocks of their own cannot be told to go by."""
    monkeypatch.setattr(progress, "PATIENCE", 0.05)


def wait_for(screen, text):
    """Wait until the screen says something, ten seconds at most."""
    for _ in range(1000):
        if text in screen.getvalue():
            return
        time.sleep(0.01)
    raise AssertionError(f"{text} is not in {screen.getvalue()!r}")


@pytest.mark.usefixtures("hasty")
def test_work_that_says_nothing_has_a_line_with_the_time(terminal, capsys):
    with progress.working("solving"), progress.working("inside"):
        wait_for(terminal, "solving")
    shown = terminal.getvalue()
    assert "0:00:0" in shown
    assert "inside" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("hasty")
def test_a_bar_within_takes_the_place_of_the_line_which_then_comes_back(terminal):
    with progress.working("solving"):
        wait_for(terminal, "solving")
        for _ in progress.track(range(3), "loads"):
            time.sleep(0.06)
        wait_for(terminal, "3/3")
        before = terminal.getvalue()
        wait_for(
            SimpleNamespace(getvalue=lambda: terminal.getvalue().removeprefix(before)), "solving"
        )
    during = before[before.index("loads") :]
    assert "solving" not in during


@pytest.mark.usefixtures("hasty")
def test_what_is_printed_comes_after_the_line_is_gone(terminal):
    with progress.working("solving"):
        wait_for(terminal, "solving")
        with progress.printing():
            shown = terminal.getvalue()
            time.sleep(0.1)
            assert terminal.getvalue() == shown
            assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("where", ["file", "inside", "worker"])
def test_nobody_watches(terminal, monkeypatch, where):
    if where == "file":
        terminal.isatty = lambda: False
    if where == "worker":
        monkeypatch.setattr(
            progress.multiprocessing,
            "current_process",
            lambda: SimpleNamespace(name="LokyProcess-1"),
        )
    with (
        progress.no_progress() if where == "inside" else progress.working("other"),
        progress.working("solving"),
    ):
        time.sleep(0.15)
        for _ in progress.track(range(2), "loads"):
            time.sleep(0.06)
    assert terminal.getvalue() == ""


@pytest.mark.usefixtures("hasty")
def test_a_notebook_has_both_as_text_below_its_cell(monkeypatch):
    """Rich itself shows them by widgets alone, which may not be installed."""
    texts = io.StringIO()
    handle = SimpleNamespace(update=lambda data, raw: texts.write(data["text/plain"] or "(gone)"))

    def display(data, raw, display_id):
        handle.update(data, raw)
        return handle

    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=io.StringIO()))
    monkeypatch.setattr(IPython.display, "display", display)
    with progress.working("solving"):
        wait_for(texts, "solving")
        for _ in progress.track(range(3), "loads"):
            time.sleep(0.06)
    assert texts.getvalue().index("(gone)") < texts.getvalue().index("loads")
    assert texts.getvalue().endswith("(gone)")
    assert progress._screen.acquire(blocking=False)
    progress._screen.release()


@pytest.mark.usefixtures("hasty")
def test_whatever_a_system_is_asked_has_a_line(terminal):
    class Slow(System):
        max_load = 5.0

        def answer(self, load: float) -> float:
            """Say the load."""
            wait_for(terminal, "Slow.answer")
            return self.check_load(load)

    assert Slow().answer(3.0) == 3.0
    assert list(inspect.signature(Slow.answer).parameters) == ["self", "load"]
    assert Slow.answer.__doc__ == "Say the load."
