"""What the command says of the comparison with peers and of the solver benchmark."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text

from ...reference.errors import InputError
from ..core.solution import finite
from ..frontend.files import INTERRUPTED, NOT_WRITTEN, err, out, write

if TYPE_CHECKING:
    from .solvers import Row

Item = TypeVar("Item")


def peers(limit: float | None, *, as_json: bool) -> int:
    """Compare, print; return the exit code."""
    from .other_tools import compare, table
    from .other_tools.compare import LIMIT

    seconds = LIMIT if limit is None else limit
    rows, interrupted = _until_interrupted(compare(limit=seconds))
    if as_json:
        _print_json([finite(vars(row)) for row in rows])
    else:
        out.print(table(rows, seconds))
    return INTERRUPTED if interrupted else 0


def solvers(sizes: str | None, settings: str, limit: float | None, path: Path | None, *, as_json: bool) -> int:
    """Ask all solvers, print, write; return the exit code."""
    from .solvers import compare, summaries, summary_table, table
    from .solvers.compare import LIMIT

    _check_path(path)
    asked = compare(sizes=None if sizes is None else _whole_numbers(sizes), settings=settings, limit=LIMIT if limit is None else limit)
    rows, interrupted = _until_interrupted(asked)
    failed = path is not None and write(path, lambda p: _save(rows, p))
    if as_json:
        _print_json({"summary": [finite(vars(s)) for s in summaries(rows)], "rows": [finite(row.to_dict()) for row in rows]})
    elif rows:
        out.print(summary_table(rows))
        out.print(table(rows))
        if path is not None and not failed:
            out.print(Text(f"written to {path}: {len(rows)} rows"))
    return INTERRUPTED if interrupted else NOT_WRITTEN if failed else 0


def _until_interrupted(rows: Iterable[Item]) -> tuple[list[Item], bool]:
    """Return the rows, and whether Ctrl-C ended them: those that there are by then are kept."""
    done: list[Item] = []
    try:
        with _chatter_to_stderr():
            for row in rows:
                done.append(row)
    except KeyboardInterrupt:
        err.print(f"interrupted after {len(done)} rows")
        return done, True
    return done, False


@contextmanager
def _chatter_to_stderr() -> Iterator[None]:
    """Send what solvers print past Python, such as the banner of HiGHS, to standard error: standard output is for the result."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _print_json(found: Any) -> None:
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


def _whole_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError("--sizes", text, "is not a list of whole numbers", "give numbers of servers such as 3,30,300") from None


def _check_path(path: Path | None) -> None:
    """Refuse before the work what could not be written after it."""
    if path is not None and path.suffix not in (".csv", ".nc"):
        raise InputError("--out", str(path), "is neither a .csv nor a .nc file", "give a name such as solvers.csv")


def _save(rows: list[Row], path: Path) -> None:
    """Write one row a question, as CSV or NetCDF by the name of the file."""
    from .solvers.dataset import to_dataset

    data = to_dataset(rows)
    if path.suffix == ".nc":
        data.to_netcdf(path, engine="scipy")
    else:
        data.to_dataframe().to_csv(path, index=False)
