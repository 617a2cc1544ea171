"""The one way in for files: regular files below a stated size, as text or as tables."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from typing import Any, NamedTuple

from ...reference.errors import InputError

MOST_BYTES = 64 * 2**20
"""Size above which a file is not read."""

MOST_ROWS = 1_000_000
"""Rows, the header among them, above which a table is not read."""

# a pipe without a writer does not wait for one, and a terminal does not become that of the process
AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}


class Table(NamedTuple):
    """A CSV file: its columns, and the cells of the lines below that are not blank, with their numbers."""

    header: list[str]
    rows: list[tuple[int, list[str]]]


def read_text(path: Any, field: str, remedy: str, error: type[InputError] = InputError) -> str:
    """Return the text of a regular file of at most 64 MiB, in UTF-8 with or without a byte order mark.

    Parameters
    ----------
    path : str or path
    field, remedy : str
        What a message says of a file that is not read; none has a line of the file.
    error : type
        What is raised.

    Raises
    ------
    InputError
        On what is no path, on no such file, a folder, a pipe, a device, more bytes, another encoding.
    """
    name: Any = None
    with suppress(
        Exception
    ):  # an integer is a file that somebody has open; an object may raise anything
        name = os.fspath(path)
    if not isinstance(name, str):
        raise error(field, path, "is not the path of a file", remedy)
    try:
        _refuse(os.stat(name))  # before it is opened, which may already do something to a device
        with open(name, "rb", opener=lambda name, flags: os.open(name, flags | AT_ONCE)) as file:
            _refuse(os.fstat(file.fileno()))  # of what is open, whatever the name has come to mean
            content = file.read(MOST_BYTES + 1) or b""
        _refuse_size(len(content))
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        problem = f"is not text in UTF-8, from line {content.count(10, 0, wrong.start) + 1} on"
    except (OSError, ValueError) as wrong:  # ValueError: a name that no file can have
        problem = f"cannot be read: {getattr(wrong, 'strerror', None) or wrong}"
    raise error(field, name, problem, remedy)


def _refuse(status: os.stat_result) -> None:
    """Raise OSError on what is not a regular file, or is too large."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"it is a {KINDS.get(stat.S_IFMT(status.st_mode), 'device')}, and not a file")
    _refuse_size(status.st_size)


def _refuse_size(size: int) -> None:
    if size > MOST_BYTES:
        raise OSError(f"it has {size:,} bytes or more, and files of up to {MOST_BYTES:,} are read")


def read_table(
    path: Any,
    field: str,
    remedy: str,
    tolerance: Collection[str],
    error: type[InputError] = InputError,
) -> Table:
    """Return a CSV file of at most 1,000,000 lines whose first one names one of the wanted columns, or more.

    So what a message quotes of a cell is that of a table. Other parameters as of `read_text`.

    Raises
    ------
    InputError
        As of `read_text`; and on what is not such a table.
    """
    rows: list[tuple[int, list[str]]] = []
    lines = csv.reader(io.StringIO(read_text(path, field, remedy, error), newline=""))
    try:
        for row in lines:
            if any(map(str.strip, row)):
                rows.append((lines.line_num, row))
                if len(rows) > MOST_ROWS:
                    raise csv.Error(f"more than {MOST_ROWS:,} rows")
    except csv.Error as wrong:
        problem = f"is not a table, from line {lines.line_num} on: {wrong}"
        raise error(field, os.fspath(path), problem, remedy) from None
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if not set(header) & set(tolerance):
        problem = f"has none of the columns {', '.join(tolerance)} in its first line"
        raise error(field, os.fspath(path), problem, remedy)
    return Table(header, rows[1:])
