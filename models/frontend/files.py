"""Writing files whole or not at all, and printing tables whole."""

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

WORD = 12  # letters of a word up to which it is not broken
out, err = Console(emoji=False), Console(stderr=True)


def write(path: Path, make: Callable[[Path], object]) -> bool:
    """Write a file whole or not at all; return whether that was possible."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make(part)
        os.replace(part, path)
    except OSError as error:
        complain(
            f"cannot write {path}:", f"{error.strerror or error}; choose another folder with --out"
        )
        return False
    finally:
        with suppress(OSError):
            part.unlink()
    return True


def say(*what: Any, **options: Any) -> None:
    """Print on standard output; the line that says that work is under way goes once all is ready to be written."""
    with out.capture() as page:
        out.print(*what, **options)
    with printing():
        out.file.write(page.get())
        out.file.flush()


def complain(what: str, why: str) -> None:
    """Print one line on standard error, as it is: brackets are not markup, and a narrow terminal does not cut it."""
    with printing():
        err.print(Text.assemble((visible(what), "bold red"), " ", visible(why)), soft_wrap=True)


def visible(text: str) -> str:
    """Return a text with what a terminal would obey escaped."""
    from ...reference.errors import escaped

    return escaped(text)


def show(table: Table) -> None:
    """Print a table; where the terminal is too narrow, as several that repeat the first column: a number cut short says nothing."""
    first, *rest = table.columns
    parts: list[list[Column]] = [[first]]
    for column in rest:
        if len(parts[-1]) > 1 and _width(table, [*parts[-1], column]) > out.width:
            parts.append([first])
        parts[-1].append(column)
    for i, columns in enumerate(parts):
        part = copy(table)
        part.columns = [replace(column, _index=j) for j, column in enumerate(columns)]
        part.title, part.caption = (
            None if i else table.title,
            table.caption if i == len(parts) - 1 else None,
        )
        # a terminal that is narrower than a name and a number wraps what it shows
        part.width = width if (width := _width(table, columns)) > out.width else None
        say(part, crop=False)


def _width(table: Table, columns: Iterable[Column]) -> int:
    """Width that columns need, with padding and border: one that wraps needs its longest word, up to a limit."""
    widths = [_longest(column) + table.padding[1] + table.padding[3] + 1 for column in columns]
    return sum(widths) + 1


def _longest(column: Column) -> int:
    texts = [Text.from_markup(str(cell)).plain for cell in (column.header, *column.cells)]
    if column.no_wrap:
        return max((cell_len(line) for text in texts for line in text.splitlines()), default=0)
    return min(WORD, max((cell_len(word) for text in texts for word in text.split()), default=0))
