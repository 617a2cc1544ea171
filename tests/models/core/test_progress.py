"""Progress displays: none for short work or without a terminal, and no effect on the items."""

import inspect
import io
import os
import threading
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
    """Show progress after 0.05 seconds: the clock thread does not use the clock of the test."""
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


# ---- the clock of the process


def clocks():
    """Return the running threads that show lines."""
    return [thread for thread in threading.enumerate() if thread.name == "sojourn progress"]


@progress.reports_progress
def work(seconds=0.0):
    time.sleep(seconds)


def wait_for_no_clock():
    for _ in range(1000):
        if not clocks():
            return
        time.sleep(0.01)
    raise AssertionError("the clock runs although nothing else does")


@pytest.mark.usefixtures("short_delay")
def test_all_calls_share_one_thread_that_ends_after_them(terminal, monkeypatch):
    wait_for_no_clock()
    started, start = [], threading.Thread.start
    monkeypatch.setattr(
        threading.Thread, "start", lambda thread: (started.append(thread), start(thread))
    )
    monkeypatch.setattr(progress, "PATIENCE", 1.0)
    for _ in range(100):
        work()
    assert started == clocks()
    assert [thread.daemon for thread in started] == [True]  # it does not keep the process alive
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    wait_for_no_clock()
    work()
    assert len(started) == 2
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("where", ["file", "inside"])
def test_without_a_terminal_there_is_no_thread(terminal, where):
    wait_for_no_clock()
    if where == "file":
        terminal.isatty = lambda: False
        work()
    else:
        with progress.no_progress():
            work()
    assert clocks() == []


@pytest.mark.usefixtures("short_delay")
def test_a_call_has_its_line_while_the_clock_runs_for_others(terminal):
    """The clock looks at a line when it is due, whenever its work began."""
    for _ in range(20):
        work(0.01)
    with progress.working("a long one"):
        wait_for(terminal, "a long one")
    assert "work" not in terminal.getvalue()


@pytest.mark.usefixtures("short_delay")
def test_work_in_another_thread_has_a_line(terminal):
    def long_work():
        with progress.working("in a thread"):
            wait_for(terminal, "in a thread")
            shown.set()

    shown, thread = threading.Event(), threading.Thread(target=long_work)
    with progress.no_progress():  # of this thread alone
        thread.start()
        thread.join()
    assert shown.is_set()
    assert progress._clock.lines == []


@pytest.mark.usefixtures("short_delay")
def test_ctrl_c_removes_the_line(terminal):
    def stopped():
        with progress.working("solving"):
            wait_for(terminal, "solving")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    shown = terminal.getvalue()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    assert progress._clock.lines == []
    wait_for_no_clock()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.usefixtures("short_delay")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_no_clock_of_its_parent(terminal):
    """A call that was running ends there, and a new one starts a clock of the child."""
    with progress.working("solving"):
        wait_for(terminal, "solving")
        child = os.fork()
        alone = not progress._clock.lines and not clocks()
        shown = terminal.getvalue()
    if child == 0:
        ended = terminal.getvalue() == shown  # the parent removes its line
        with progress.working("inside"):  # a clock may end as soon as no work is left
            own = clocks()
        os._exit(0 if alone and ended and own and not progress._clock.lines else 1)
    assert not alone
    assert terminal.getvalue() != shown
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_bar_that_was_not_shown_before_knows_the_speed(terminal, clock):
    """After 3 of 40 loads, of one second each, 37 seconds remain."""
    for i in progress.track(range(40), "loads"):
        if i == 3:
            break
        clock[0] += 1.0
    assert "0:00:37" in terminal.getvalue()
