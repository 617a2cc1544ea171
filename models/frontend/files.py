"""Output: files written completely or not at all, and tables printed without cut numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ..core.progress import printing

MAX_WORD = 12  # words of at most this many letters are not broken
out, err = Console(emoji=False), Console(stderr=True)


def write(path: Path, make: Callable[[Path], object]) -> bool:
    """Write a file completely or not at all.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is made if necessary.
    make : callable
        Function that writes a file at the path that it is given.

    Returns
    -------
    bool
        Whether the file was written; if not, a message says why on standard error.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make(part)
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or error
        complain(f"cannot write {path}:", f"{reason}; choose another folder with --out")
        return False
    finally:
        with suppress(OSError):
            part.unlink()
    return True


def say(*what: Any, **options: Any) -> None:
    """Print on standard output by `rich`; the line of the work in progress is hidden first."""
    with out.capture() as page:
        out.print(*what, **options)
    with printing():
        out.file.write(page.get())
        out.file.flush()


def complain(what: str, why: str) -> None:
    """Print one line on standard error, without markup and without line breaks."""
    with printing():
        err.print(Text.assemble((visible(what), "bold red"), " ", visible(why)), soft_wrap=True)


def visible(text: str) -> str:
    """Return a text with the control characters escaped that a terminal would obey."""
    from ...reference.errors import escaped

    return escaped(text)


def show(table: Table) -> None:
    """Print a table, divided into several with the same first column if the terminal is narrow."""
    first, *rest = table.columns
    parts: list[list[Column]] = [[first]]
    for column in rest:
        if len(parts[-1]) > 1 and _width(table, [*parts[-1], column]) > out.width:
            parts.append([first])
        parts[-1].append(column)
    for i, columns in enumerate(parts):
        part = copy(table)
        part.columns = [replace(column, _index=j) for j, column in enumerate(columns)]
        part.title = None if i else table.title
        part.caption = table.caption if i == len(parts) - 1 else None
        # print the full width: a terminal below the width of one column wraps the lines itself
        width = _width(table, columns)
        part.width = width if width > out.width else None
        say(part, crop=False)


def _width(table: Table, columns: Iterable[Column]) -> int:
    """Return the width that columns need, with padding and border, in characters."""
    widths = [_least_width(column) + table.padding[1] + table.padding[3] + 1 for column in columns]
    return sum(widths) + 1


def _least_width(column: Column) -> int:
    """Return the least width of a column: its longest line, or word of a column that wraps."""
    texts = [Text.from_markup(str(cell)).plain for cell in (column.header, *column.cells)]
    if column.no_wrap:
        return max((cell_len(line) for text in texts for line in text.splitlines()), default=0)
    return min(
        MAX_WORD, max((cell_len(word) for text in texts for word in text.split()), default=0)
    )
