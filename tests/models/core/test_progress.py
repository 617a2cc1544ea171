"""Progress displays: none for short work or without a terminal, and no effect on the items."""

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
    """A clock that only the test advances."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    screen = Terminal()
    # not sys.stderr itself: pytest restores it between the fixtures and the test
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


def test_long_work_shows_nothing_in_a_file(monkeypatch, clock):
    pipe = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=pipe))
    for _ in progress.track(range(5), "loads"):
        clock[0] += 1.0
    assert pipe.getvalue() == ""


def test_bar_is_removed_after_a_failure(terminal, clock):
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
        with progress.no_progress(), progress.StatusLine("steps") as status:
            for _ in progress.track(range(5), "loads"):
                clock[0] += 1.0
                status.step("some")
    assert "systems" in terminal.getvalue()
    assert "loads" not in terminal.getvalue()
    assert "steps" not in terminal.getvalue()


def test_iterator_needs_a_total(terminal, clock):
    for _ in progress.track(iter([2, 3, 3]), "systems", weigh=int, total=8):
        clock[0] += 1.5
    assert "5/8" in terminal.getvalue()


@pytest.fixture
def short_delay(monkeypatch):
    """Show progress after 0.05 seconds: a timer thread does not use the clock of the test."""
    monkeypatch.setattr(progress, "PATIENCE", 0.05)


def wait_for(screen, text):
    """Wait until the screen shows a text, at most ten seconds."""
    for _ in range(1000):
        if text in screen.getvalue():
            return
        time.sleep(0.01)
    raise AssertionError(f"{text} is not in {screen.getvalue()!r}")


@pytest.mark.usefixtures("short_delay")
def test_long_work_without_a_bar_has_a_line_with_the_time(terminal, capsys):
    with progress.working("solving"), progress.working("inside"):
        wait_for(terminal, "solving")
    shown = terminal.getvalue()
    assert "0:00:0" in shown
    assert "inside" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("short_delay")
def test_bar_replaces_the_line_of_surrounding_work_while_it_is_shown(terminal):
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


@pytest.mark.usefixtures("short_delay")
def test_line_is_hidden_while_something_is_printed(terminal):
    with progress.working("solving"):
        wait_for(terminal, "solving")
        with progress.printing():
            shown = terminal.getvalue()
            time.sleep(0.1)
            assert terminal.getvalue() == shown
            assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


@pytest.mark.usefixtures("short_delay")
@pytest.mark.parametrize("where", ["file", "inside", "worker"])
def test_nothing_is_shown_without_a_terminal(terminal, monkeypatch, where):
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


@pytest.mark.usefixtures("short_delay")
def test_notebook_shows_line_and_bar_as_text(monkeypatch):
    """Rich alone needs widgets in a notebook, which may not be installed."""
    texts = io.StringIO()
    handle = SimpleNamespace(update=lambda data, raw: texts.write(data["text/plain"] or "(gone)"))

    def display(data, raw, display_id):
        handle.update(data, raw)
        return handle

    monkeypatch.setattr(progress, "REFRESH", 0.01)
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=io.StringIO()))
    monkeypatch.setattr(IPython.display, "display", display)
    with progress.working("solving"):
        wait_for(texts, "solving")
        for _ in progress.track(range(3), "loads"):
            time.sleep(0.06)
    assert texts.getvalue().index("(gone)") < texts.getvalue().index("loads")
    assert texts.getvalue().endswith("(gone)")
    assert progress._display_lock.acquire(blocking=False)
    progress._display_lock.release()


@pytest.mark.usefixtures("short_delay")
def test_public_method_of_a_system_has_a_line(terminal):
    class Slow(System):
        max_load = 5.0

        def answer(self, load: float) -> float:
            """Return the load."""
            wait_for(terminal, "Slow.answer")
            return self.check_load(load)

    assert Slow().answer(3.0) == 3.0
    assert list(inspect.signature(Slow.answer).parameters) == ["self", "load"]
    assert Slow.answer.__doc__ == "Return the load."
