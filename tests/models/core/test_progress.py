"""The bar: silent when the work is short or nobody watches, and never in the way of the items."""

import io
from types import SimpleNamespace

import pytest

from sojourn.models.core import progress


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
        with progress.unwatched(), progress.Ticker("steps") as ticker:
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
