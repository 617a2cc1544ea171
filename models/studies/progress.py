"""A progress bar that shows itself only when the work is long and somebody is watching."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE = 2.0  # seconds without a sign of life
Item = TypeVar("Item")


def track(items: Sequence[Item], label: str) -> Iterator[Item]:
    """Yield the items; after two seconds, draw a bar with the time left on a terminal's standard error."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started, bar = time.monotonic(), Progress(*columns, console=console, transient=True)
    task = bar.add_task(label, total=len(items))
    shown = False
    try:
        for item in items:
            yield item
            bar.advance(task)
            if not shown and console.is_terminal and time.monotonic() - started > PATIENCE:
                bar.start()
                shown = True
    finally:
        if shown:
            bar.stop()
