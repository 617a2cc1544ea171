"""Reading of user files, as text or as tables: regular files below a size limit only."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from typing import Any, NamedTuple

from ...reference.errors import InputError

MAX_BYTES = 64 * 2**20
"""Largest size of a file, in bytes."""

MAX_ROWS = 1_000_000
"""Largest number of rows of a table, with its header."""

# do not wait for the writer of a pipe, and do not take a terminal as the controlling one
OPEN_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
FILE_TYPES = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}


class Table(NamedTuple):
    """A CSV file.

    Attributes
    ----------
    header : list of str
        Names of the columns, from the first line.
    rows : list of tuple of int and list of str
        Line number and cells of every further line that is not blank.
    """

    header: list[str]
    rows: list[tuple[int, list[str]]]


def read_text(path: Any, field: str, remedy: str, error: type[InputError] = InputError) -> str:
    """Return the text of a regular file of at most 64 MiB, UTF-8 with or without byte order mark.

    Parameters
    ----------
    path : str or path-like
        Path of the file.
    field, remedy : str
        Field and remedy of the error. No message quotes the contents of the file.
    error : type
        Class of the error.

    Raises
    ------
    InputError
        Where `path` is not a path, or there is no such file, or it is a folder, a pipe or a device,
        or it is too large, or it has another encoding.
    """
    name: Any = None
    # an integer, the descriptor of an open file, is not a path; an object may raise any error
    with suppress(Exception):
        name = os.fspath(path)
    if not isinstance(name, str):
        raise error(field, path, "is not the path of a file", remedy)
    try:
        _check_regular(os.stat(name))  # opening a device can already change its state
        with open(name, "rb", opener=lambda name, flags: os.open(name, flags | OPEN_FLAGS)) as file:
            _check_regular(os.fstat(file.fileno()))  # the name may denote another file by now
            content = file.read(MAX_BYTES + 1) or b""
        _check_size(len(content))
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        problem = f"is not text in UTF-8, from line {content.count(10, 0, cause.start) + 1} on"
    except (OSError, ValueError) as cause:  # ValueError: a name that no file can have
        problem = f"cannot be read: {getattr(cause, 'strerror', None) or cause}"
    raise error(field, name, problem, remedy)


def read_numbers(path: Any, field: str, remedy: str) -> list[float]:
    """Return the numbers in a text file, which are separated by white space.

    Parameters
    ----------
    path, field, remedy
        See `read_text`.

    Raises
    ------
    InputError
        As `read_text`, and where a word is not a number.
    """
    words = read_text(path, field, remedy).split()
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(field, path, "has a line without a number", remedy) from None


def _check_regular(status: os.stat_result) -> None:
    """Raise OSError unless a file is regular and small enough."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(
            f"it is a {FILE_TYPES.get(stat.S_IFMT(status.st_mode), 'device')}, and not a file"
        )
    _check_size(status.st_size)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise OSError(f"it has {size:,} bytes or more, and files of up to {MAX_BYTES:,} are read")


def read_table(
    path: Any,
    field: str,
    remedy: str,
    columns: Collection[str],
    error: type[InputError] = InputError,
) -> Table:
    """Return a CSV file of at most 1,000,000 lines.

    Parameters
    ----------
    path, field, remedy, error
        See `read_text`.
    columns : collection of str
        Known names of columns. The first line must have at least one of them; otherwise the file is
        not a table, and no message quotes its cells.

    Raises
    ------
    InputError
        As `read_text`, and where the file is not such a table.
    """
    rows: list[tuple[int, list[str]]] = []
    lines = csv.reader(io.StringIO(read_text(path, field, remedy, error), newline=""))
    try:
        for row in lines:
            if any(map(str.strip, row)):
                rows.append((lines.line_num, row))
                if len(rows) > MAX_ROWS:
                    raise csv.Error(f"more than {MAX_ROWS:,} rows")
    except csv.Error as cause:
        problem = f"is not a table, from line {lines.line_num} on: {cause}"
        raise error(field, os.fspath(path), problem, remedy) from None
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if not set(header) & set(columns):
        problem = f"has none of the columns {', '.join(columns)} in its first line"
        raise error(field, os.fspath(path), problem, remedy)
    return Table(header, rows[1:])
