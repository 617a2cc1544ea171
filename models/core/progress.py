"""Progress of long work: a bar, or a line with the elapsed time, after two seconds.

Progress is shown on the standard error of a terminal, or below the cell of a notebook. A process
shows one display at a time; a worker process shows none. A bar inside other work hides the line of
that work while it is shown.
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

PATIENCE = 2.0  # seconds before anything is shown
REFRESH = 0.5  # seconds between two updates in a notebook
Item = TypeVar("Item")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_display_allowed = ContextVar("display_allowed", default=True)
_current_line: ContextVar[_WorkLine | None] = ContextVar("current line of work", default=None)
_display_lock = threading.Lock()  # held by the display that is shown


@contextmanager
def no_progress() -> Iterator[None]:
    """Show no progress of the work inside the block."""
    token = _display_allowed.set(False)
    try:
        yield
    finally:
        _display_allowed.reset(token)


def _is_visible() -> bool:
    """Return whether a terminal or a notebook shows the output of this process."""
    if not _display_allowed.get() or multiprocessing.current_process().name != "MainProcess":
        return False
    return (sys.stderr is not None and sys.stderr.isatty()) or _in_notebook()


@functools.cache
def _in_notebook() -> bool:
    return Console().is_jupyter


class _Display:
    """A progress display of `rich`. While it is shown, the line of the surrounding work is hidden.

    Parameters
    ----------
    label : str
        Text before the columns.
    total : float or None
        Total of the work; None where it is unknown.
    *columns : rich.progress.ProgressColumn
        Columns after the label.
    """

    def __init__(self, label: str, total: float | None, *columns: ProgressColumn) -> None:
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            *columns,
            console=Console(file=sys.stderr),
            transient=True,
        )
        self.task, self.started = self.bar.add_task(label, total=total), time.monotonic()
        self.is_shown, self.surrounding = False, _current_line.get()
        self.text: _NotebookText | None = None

    def show(self) -> None:
        """Show the display if two seconds have passed and no other display is shown."""
        if self.is_shown or time.monotonic() - self.started <= PATIENCE or not _is_visible():
            return
        if self.surrounding is not None:
            self.surrounding.pause()
        if _display_lock.acquire(blocking=False):
            self.is_shown = True
            if _in_notebook():
                self.text = _NotebookText(self.bar)
            else:
                self.bar.start()

    def hide(self) -> None:
        """Remove the display."""
        if self.is_shown:
            self.is_shown = False
            if self.text is not None:
                self.text.clear()
            else:
                self.bar.stop()
            _display_lock.release()
        if self.surrounding is not None:
            self.surrounding.wait()


class _NotebookText:
    """A display as text below a notebook cell, updated twice a second; it needs no widgets."""

    def __init__(self, bar: Progress) -> None:
        from IPython.display import display

        self.bar, self.ended = bar, threading.Event()
        self.output = display(self._text(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self.thread = threading.Thread(target=self._update, daemon=True)
        self.thread.start()

    def clear(self) -> None:
        """Replace the text by an empty one."""
        self.ended.set()
        self.thread.join()
        self.output.update({"text/plain": ""}, raw=True)

    def _update(self) -> None:
        while not self.ended.wait(REFRESH):
            self.output.update(self._text(), raw=True)

    def _text(self) -> dict[str, str]:
        page = Console(file=io.StringIO(), width=100, force_jupyter=False)
        page.print(self.bar.get_renderable())
        return {"text/plain": page.file.getvalue().rstrip()}  # type: ignore[attr-defined]


class _WorkLine:
    """A line with the name and the elapsed time of work, shown by a timer of its own."""

    def __init__(self, label: str) -> None:
        self.label, self.lock, self.ended = label, threading.Lock(), False
        self.started = time.monotonic()
        self.display: _Display | None = None
        self.timer: threading.Timer | None = None
        self.wait()

    def wait(self) -> None:
        """Show the line two seconds from now."""
        with self.lock:
            if not self.ended and self.timer is None:
                self.timer = threading.Timer(PATIENCE, self._show)
                self.timer.daemon = True
                self.timer.start()

    def pause(self) -> None:
        """Hide the line until the next call of `wait`."""
        with self.lock:
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None
            if self.display is not None:
                self.display.hide()
                self.display = None

    def end(self) -> None:
        """Hide the line for good."""
        self.ended = True
        self.pause()

    def _show(self) -> None:
        with self.lock:
            if self.timer is not None and threading.current_thread() is self.timer:
                self.display = _Display(self.label, None, SpinnerColumn(), TimeElapsedColumn())
                self.display.started = self.display.bar.tasks[0].start_time = self.started
                self.display.show()


@contextmanager
def working(label: str) -> Iterator[None]:
    """Show a line with the elapsed time after two seconds, unless surrounding work has one."""
    if _current_line.get() is not None or not _is_visible():
        yield
        return
    line = _WorkLine(label)
    token = _current_line.set(line)
    try:
        yield
    finally:
        _current_line.reset(token)
        line.end()


@contextmanager
def printing() -> Iterator[None]:
    """Hide the line of the work in progress while the block prints."""
    line = _current_line.get()
    if line is not None:
        line.pause()
    try:
        yield
    finally:
        if line is not None:
            line.wait()


def reports_progress(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function that users call: it shows its name while it runs; see `working`."""

    @functools.wraps(function)
    def wrapped(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        with working(function.__qualname__.removesuffix(".__init__")):
            return function(*given, **named)

    return wrapped


class StatusLine:
    """A line with the work done so far, for work of unknown length; used in a ``with`` block."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.display = _Display(label, None, SpinnerColumn(), TimeElapsedColumn())

    def __enter__(self) -> Self:
        return self

    def step(self, done: str) -> None:
        """Update the line with the work done so far, such as ``"12 loads"``."""
        self.display.bar.update(self.display.task, description=f"{self.label}: {done}")
        self.display.show()

    def __exit__(self, *_: object) -> None:
        self.display.hide()


def track(
    items: Iterable[Item],
    label: str,
    weigh: Callable[[Item], int] = lambda _: 1,
    total: int | None = None,
) -> Iterator[Item]:
    """Yield the items; after two seconds, show a bar with the remaining time.

    Parameters
    ----------
    items : iterable
        Items of the work; an iterator needs a `total`.
    label : str
        Name of the items on the bar, such as ``"loads"``.
    weigh : callable, optional
        Function of an item that returns its part of the work; by default 1.
    total : int, optional
        Total of the work; by default the sum over the items.
    """
    whole = sum(map(weigh, items)) if total is None else total
    display = _Display(label, whole, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        for item in items:
            yield item
            display.bar.advance(display.task, weigh(item))
            display.show()
    finally:
        display.hide()
