"""Signs of life: a bar, or a line with the time spent, once work has taken two seconds and somebody watches.

They are shown on a terminal's standard error or below the cell of a notebook, one at a time in a process, and none in
a worker's.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PATIENCE = 2.0  # seconds without a sign of life
EVERY = 0.5  # seconds between two looks of a notebook
Item = TypeVar("Item")
Given = ParamSpec("Given")
Made = TypeVar("Made")
_watched = ContextVar("watched", default=True)
_line: ContextVar[_Line | None] = ContextVar("line of the work that is under way", default=None)
_screen = threading.Lock()  # of whoever shows something


@contextmanager
def no_progress() -> Iterator[None]:
    """Show nothing of what is done inside: work that has its own bar over it, or that another process does."""
    before = _watched.set(False)
    try:
        yield
    finally:
        _watched.reset(before)


def _seen() -> bool:
    """Whether somebody sees what this process shows."""
    if not _watched.get() or multiprocessing.current_process().name != "MainProcess":
        return False
    return (sys.stderr is not None and sys.stderr.isatty()) or _in_notebook()


@functools.cache
def _in_notebook() -> bool:
    return Console().is_jupyter


class _Shown:
    """A bar of `rich` that shows itself where it can, and what is over it gives way to."""

    def __init__(self, label: str, total: float | None, *columns: ProgressColumn) -> None:
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            *columns,
            console=Console(file=sys.stderr),
            transient=True,
        )
        self.task, self.started = self.bar.add_task(label, total=total), time.monotonic()
        self.on, self.over = False, _line.get()
        self.cell: _Cell | None = None

    def show(self) -> None:
        """Show it from two seconds on, if nothing else is shown."""
        if self.on or time.monotonic() - self.started <= PATIENCE or not _seen():
            return
        if self.over is not None:
            self.over.give_way()
        if _screen.acquire(blocking=False):
            self.on = True
            if _in_notebook():
                self.cell = _Cell(self.bar)
            else:
                self.bar.start()

    def hide(self) -> None:
        """Take it away."""
        if self.on:
            self.on = False
            if self.cell is not None:
                self.cell.clear()
            else:
                self.bar.stop()
            _screen.release()
        if self.over is not None:
            self.over.wait()


class _Cell:
    """What a notebook shows of a bar: text that is written again twice a second, without widgets that may not be installed."""

    def __init__(self, bar: Progress) -> None:
        from IPython.display import display

        self.bar, self.ended = bar, threading.Event()
        self.shown = display(self._text(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def clear(self) -> None:
        """Leave an empty text."""
        self.ended.set()
        self.thread.join()
        self.shown.update({"text/plain": ""}, raw=True)

    def _look(self) -> None:
        while not self.ended.wait(EVERY):
            self.shown.update(self._text(), raw=True)

    def _text(self) -> dict[str, str]:
        page = Console(file=io.StringIO(), width=100, force_jupyter=False)
        page.print(self.bar.get_renderable())
        return {"text/plain": page.file.getvalue().rstrip()}  # type: ignore[attr-defined]


class _Line:
    """That work is under way and for how long: shown by a clock of its own, for what cannot say how far it is."""

    def __init__(self, label: str) -> None:
        self.label, self.lock, self.ended = label, threading.Lock(), False
        self.started = time.monotonic()
        self.shown: _Shown | None = None
        self.clock: threading.Timer | None = None
        self.wait()

    def wait(self) -> None:
        """Show the line after two seconds from now."""
        with self.lock:
            if not self.ended and self.clock is None:
                self.clock = threading.Timer(PATIENCE, self._show)
                self.clock.daemon = True
                self.clock.start()

    def give_way(self) -> None:
        """Show nothing, until told to wait again."""
        with self.lock:
            if self.clock is not None:
                self.clock.cancel()
                self.clock = None
            if self.shown is not None:
                self.shown.hide()
                self.shown = None

    def end(self) -> None:
        """Show nothing any more."""
        self.ended = True
        self.give_way()

    def _show(self) -> None:
        with self.lock:
            if self.clock is not None and threading.current_thread() is self.clock:
                self.shown = _Shown(self.label, None, SpinnerColumn(), TimeElapsedColumn())
                self.shown.started = self.shown.bar.tasks[0].start_time = self.started
                self.shown.show()


@contextmanager
def working(label: str) -> Iterator[None]:
    """Say after two seconds that work is under way, unless what is inside shows a bar, or what is outside says it already."""
    if _line.get() is not None or not _seen():
        yield
        return
    line = _Line(label)
    token = _line.set(line)
    try:
        yield
    finally:
        _line.reset(token)
        line.end()


@contextmanager
def printing() -> Iterator[None]:
    """Keep the line of what is under way out of what is printed."""
    line = _line.get()
    if line is not None:
        line.give_way()
    try:
        yield
    finally:
        if line is not None:
            line.wait()


def reports_progress(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Make a function, or a method, of the user's say that it is at work, by its name; see `working`."""

    @functools.wraps(function)
    def works(*given: Given.args, **named: Given.kwargs) -> Made:
        with working(function.__qualname__.removesuffix(".__init__")):
            return function(*given, **named)

    return works


class StatusLine:
    """A line that says what has been done, for work whose end is not known."""

    def __init__(self, label: str) -> None:
        self.label, self.shown = label, _Shown(label, None, SpinnerColumn(), TimeElapsedColumn())

    def __enter__(self) -> Self:
        return self

    def step(self, done: str) -> None:
        """Say how far the work is."""
        self.shown.bar.update(self.shown.task, description=f"{self.label}: {done}")
        self.shown.show()

    def __exit__(self, *_: object) -> None:
        self.shown.hide()


def track(
    items: Iterable[Item],
    label: str,
    weigh: Callable[[Item], int] = lambda _: 1,
    total: int | None = None,
) -> Iterator[Item]:
    """Yield the items; after two seconds, draw a bar with the time left.

    `weigh` says how much an item counts for, and `total` how much all do, where the items are not there yet to be counted.
    """
    whole = sum(map(weigh, items)) if total is None else total
    shown = _Shown(label, whole, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        for item in items:
            yield item
            shown.bar.advance(shown.task, weigh(item))
            shown.show()
    finally:
        shown.hide()
