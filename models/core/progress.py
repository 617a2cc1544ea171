"""Progress of long work: a bar, or a line with the elapsed time, after two seconds.

Progress is shown on the standard error of a terminal, or below the cell of a notebook. A process
shows one display at a time; a worker process shows none. A bar inside other work hides the line of
that work while it is shown.
"""

from __future__ import annotations

import builtins
import functools
import io
import math
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

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
    if not hasattr(builtins, "get_ipython"):
        return False
    from rich.console import Console

    return Console().is_jupyter


class _Display:
    """A progress display. While it is shown, the line of the surrounding work is hidden.

    Most work ends before its display is shown, so `rich` is imported only then.

    Parameters
    ----------
    label : str
        Text before the columns.
    total : float, optional
        Total of the work; None where it is unknown.
    started : float, optional
        Start of the work; by default now.
    """

    def __init__(self, label: str, total: float | None, started: float | None = None) -> None:
        self.label, self.total, self.completed = label, total, 0.0
        self.started = time.monotonic() if started is None else started
        self.surrounding = _current_line.get()
        self.bar: Progress | None = None
        self.text: _NotebookText | None = None

    def update(self, label: str, completed: float = 0.0) -> None:
        """Change the text and the completed work; after two seconds, show the display."""
        self.label, self.completed = label, completed
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], description=label, completed=completed)
        elif time.monotonic() - self.started > PATIENCE and _is_visible():
            if self.surrounding is not None:
                self.surrounding.pause()
            self.show()

    def show(self) -> None:
        """Show the display unless another display is shown."""
        if _display_lock.locked():
            return
        bar = self._made()  # before the lock is taken: Ctrl-C may stop the import of rich
        if _display_lock.acquire(blocking=False):
            self.bar = bar
            if _in_notebook():
                self.text = _NotebookText(bar)
            else:
                bar.start()

    def hide(self) -> None:
        """Remove the display."""
        if self.bar is not None:
            if self.text is not None:
                self.text.clear()
            else:
                self.bar.stop()
            self.bar = None
            _display_lock.release()
        if self.surrounding is not None:
            self.surrounding.wait()

    def _made(self) -> Progress:
        """Return the display of `rich`, with the work that was completed before."""
        from rich import progress as rich
        from rich.console import Console

        columns: tuple[rich.ProgressColumn, ...]
        if self.total is None:
            columns = (rich.SpinnerColumn(), rich.TimeElapsedColumn())
        else:
            columns = (rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn())
        times = [self.started]
        bar = rich.Progress(
            rich.TextColumn("{task.description}", markup=False),
            *columns,
            console=Console(file=sys.stderr),
            transient=True,
            get_time=lambda: times[0] if times else time.monotonic(),
        )
        task = bar.add_task(self.label, total=self.total)
        bar.advance(task, 0.0)
        times.clear()
        bar.advance(task, self.completed)  # the speed is that since the start of the work
        return bar


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
        from rich.console import Console

        page = Console(file=io.StringIO(), width=100, force_jupyter=False)
        page.print(self.bar.get_renderable())
        return {"text/plain": page.file.getvalue().rstrip()}  # type: ignore[attr-defined]


class _WorkLine:
    """A line with the name and the elapsed time of work, shown by the clock of the process.

    Attributes
    ----------
    due : float
        Time from which the line is to be shown; infinite where it is shown or hidden.
    """

    __slots__ = ("display", "due", "label", "started", "token")

    def __init__(self, label: str) -> None:
        self.label, self.started = label, time.monotonic()
        self.due = self.started + PATIENCE
        self.display: _Display | None = None
        self.token: Token[_WorkLine | None] = _current_line.set(self)
        _clock.add(self)

    def wait(self) -> None:
        """Show the line two seconds from now, unless it is not hidden."""
        with _clock.lock:
            if self.due == math.inf and self.display is None:
                self.due = time.monotonic() + PATIENCE

    def pause(self) -> None:
        """Hide the line until the next call of `wait`."""
        with _clock.lock:
            self.due = math.inf
            if self.display is not None:
                self.display.hide()
                self.display = None

    def end(self) -> None:
        """Hide the line for good."""
        _current_line.reset(self.token)
        _clock.remove(self)
        self.pause()

    def show(self) -> None:
        """Show the line unless another display is shown; the clock calls it, with its lock."""
        self.due = math.inf
        if _is_visible():
            self.display = _Display(self.label, None, self.started)
            self.display.show()


class _Clock:
    """The thread that shows the lines of running work; it runs only while there are any.

    A call costs no thread of its own. Its line is due no earlier than the next look of the clock.

    Attributes
    ----------
    lines : list of _WorkLine
        The lines of running work, at most one a thread.
    runs : bool
        Whether the thread looks at the lines again.
    lock : threading.Lock
        Held while a line is shown or hidden, and while the thread is started or ends.
    """

    def __init__(self) -> None:
        self.lines: list[_WorkLine] = []
        self.runs, self.lock = False, threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Forget all lines: a forked process has no thread, and its parent removes the lines."""
        for line in self.lines:
            line.display = None
        self.lines, self.runs, self.lock = [], False, threading.Lock()

    def add(self, line: _WorkLine) -> None:
        """Add a line that is due in two seconds."""
        self.lines.append(line)
        if not self.runs:
            self._start()

    def remove(self, line: _WorkLine) -> None:
        """Remove a line."""
        with suppress(ValueError):  # a process was forked inside the work
            self.lines.remove(line)

    def _start(self) -> None:
        with self.lock, suppress(RuntimeError):  # no thread starts at the end of the process
            if not self.runs:
                threading.Thread(target=self._run, name="sojourn progress", daemon=True).start()
                self.runs = True

    def _run(self) -> None:
        """Show each line when it is due, and end when there are no lines."""
        while True:
            with self.lock:
                now = time.monotonic()
                for line in tuple(self.lines):
                    if line.due < now:
                        line.show()
                self.runs = False  # before the look at the lines: a line added later starts a clock
                if not self.lines:
                    return
                self.runs = True
                rest = min((line.due for line in tuple(self.lines)), default=now) - now
            time.sleep(min(max(rest, 0.001), PATIENCE))


_clock = _Clock()


def _line(label: str) -> _WorkLine | None:
    """Return a new line, or None inside work with a line, and where nothing can be shown."""
    if _current_line.get() is not None or not _display_allowed.get():
        return None
    return _WorkLine(label) if _clock.runs or _is_visible() else None


@contextmanager
def working(label: str) -> Iterator[None]:
    """Show a line with the elapsed time after two seconds, unless surrounding work has one."""
    line = _line(label)
    try:
        yield
    finally:
        if line is not None:
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
    label = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def wrapped(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        line = _line(label)
        if line is None:
            return function(*given, **named)
        try:
            return function(*given, **named)
        finally:
            line.end()

    return wrapped


class StatusLine:
    """A line with the work done so far, for work of unknown length; used in a ``with`` block."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.display = _Display(label, None)

    def __enter__(self) -> Self:
        return self

    def step(self, done: str) -> None:
        """Update the line with the work done so far, such as ``"12 loads"``."""
        self.display.update(f"{self.label}: {done}")

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
    display = _Display(label, sum(map(weigh, items)) if total is None else total)
    completed = 0
    try:
        for item in items:
            yield item
            completed += weigh(item)
            display.update(label, completed)
    finally:
        display.hide()
