"""A progress bar that shows itself only when the work is long and somebody is watching."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.status import Status

PATIENCE = 2.0  # seconds without a sign of life
Item = TypeVar("Item")
_watched = ContextVar("watched", default=True)


@contextmanager
def unwatched() -> Iterator[None]:
    """Show nothing of what is done inside: work that has its own bar over it, or that another process does."""
    before = _watched.set(False)
    try:
        yield
    finally:
        _watched.reset(before)


class Ticker:
    """A line that says what has been done, for work whose end is not known; after two seconds, on a terminal's standard error."""

    def __init__(self, label: str) -> None:
        self.label, self.started = label, time.monotonic()
        self.status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def step(self, done: str) -> None:
        """Say how far the work is."""
        if self.status is not None:
            self.status.update(f"{self.label}: {done}")
        elif _watched.get() and sys.stderr.isatty() and time.monotonic() - self.started > PATIENCE:
            self.status = Console(file=sys.stderr).status(f"{self.label}: {done}")
            self.status.start()

    def __exit__(self, *_: object) -> None:
        if self.status is not None:
            self.status.stop()


def track(items: Iterable[Item], label: str, weigh: Callable[[Item], int] = lambda _: 1, total: int | None = None) -> Iterator[Item]:
    """Yield the items; after two seconds, draw a bar with the time left on a terminal's standard error.

    `weigh` says how much an item counts for, and `total` how much all do, where the items are not there yet to be counted.
    """
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started, bar = time.monotonic(), Progress(*columns, console=console, transient=True)
    task = bar.add_task(label, total=sum(map(weigh, items)) if total is None else total)
    shown = False
    try:
        for item in items:
            yield item
            bar.advance(task, weigh(item))
            if not shown and _watched.get() and console.is_terminal and time.monotonic() - started > PATIENCE:
                bar.start()
                shown = True
    finally:
        if shown:
            bar.stop()
