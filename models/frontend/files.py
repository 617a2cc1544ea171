"""Writing files whole or not at all, and printing tables whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ..core.progress import printing

NOT_WRITTEN, INTERRUPTED = 3, 130  # exit codes
out, err = Console(emoji=False), Console(stderr=True)


def write(path: Path, make: Callable[[Path], object]) -> bool:
    """Write a file whole or not at all; return whether that failed."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make(part)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True) if path.parent.is_dir() else None
        complain(f"cannot write {path}:", f"{error.strerror or error}; choose another folder with --out")
        return True
    return False


def say(*what: Any, **how: Any) -> None:
    """Print on standard output; the line that says that work is under way goes once all is ready to be written."""
    with out.capture() as page:
        out.print(*what, **how)
    with printing():
        out.file.write(page.get())
        out.file.flush()


def complain(what: str, why: str) -> None:
    """Print one line on standard error, as it is: brackets are not markup, and a narrow terminal does not cut it."""
    with printing():
        err.print(Text.assemble((what, "bold red"), " ", why), soft_wrap=True)


def show(table: Table) -> None:
    """Print a table; where the terminal is too narrow, as several that repeat the first column: a number cut short says nothing."""
    first, *rest = table.columns
    room = out.width - 1 - _width(first)
    parts: list[list[Column]] = [[]]
    for column in rest:
        if parts[-1] and sum(map(_width, [*parts[-1], column])) > room:
            parts.append([])
        parts[-1].append(column)
    for i, columns in enumerate(parts):
        part = Table(
            title=None if i else table.title, caption=table.caption if i == len(parts) - 1 else None, box=table.box, padding=table.padding
        )
        for c in (first, *columns):
            part.add_column(c.header, justify=c.justify, no_wrap=c.no_wrap, overflow=c.overflow, min_width=c.min_width)
        for row, *cells in zip(table.rows, *(c.cells for c in (first, *columns)), strict=True):
            part.add_row(*cells, style=row.style, end_section=row.end_section)
        say(part)


def _width(column: Column) -> int:
    """Width that a column needs, with its padding and border: one that wraps needs its longest word, or less where a width is set."""
    texts = [Text.from_markup(str(cell)).plain for cell in (column.header, *column.cells)]
    parts = [part for text in texts for part in (text.splitlines() if column.no_wrap else text.split())]
    widest = max(map(cell_len, parts), default=0)
    return 3 + (column.min_width if column.min_width and not column.no_wrap else widest)


def say_written(folder: Path) -> None:
    """Print what is in the folder."""
    if folder.is_dir():
        say(Text(f"\nwritten to {folder}: " + ", ".join(sorted(p.name for p in folder.glob("*.*")))))
