"""Rows of a run in a folder: each on disk when its cell ends, and read again by the next run.

``rows.jsonl`` has a line for each cell: its row, and the conditions of its result. Of two lines of
a cell the later one counts. ``builds.jsonl`` has a line for each instance that was built.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, Self

from .....reference.errors import InputError
from ....studies.batch.files import as_folder, has_file, os_errors_as_input, read_file
from ....studies.batch.lock import lock
from ..problem import InstanceKey
from ..row import Row
from .work import Built, Cell

ROWS, BUILDS = "rows.jsonl", "builds.jsonl"
NUMBERS = tuple(field.name for field in fields(Row) if field.type == "float")


class Store:
    """The folder of a run; used in a ``with`` block, in which no other process works in it.

    Parameters
    ----------
    folder : path-like
        It is made where there is none.

    Attributes
    ----------
    rows : dict
        By the name of a cell: its row and the conditions of its result.
    builds : dict
        By the name of an instance: what it was built by, and its `Built`.

    Raises
    ------
    InputError
        Where the folder cannot be used, another process uses it, or its files are not of a run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = as_folder("out", folder)
        self.rows: dict[tuple[Any, ...], tuple[Row, Mapping[str, Any]]] = {}
        self.builds: dict[str, tuple[str, Built]] = {}

    def __enter__(self) -> Self:
        with os_errors_as_input("out", self.folder):
            self.instances.mkdir(parents=True, exist_ok=True)
            self.held = lock(self.folder)
        try:
            for line in _lines(self.folder, ROWS):
                row = row_of(line["row"])
                label = line["conditions"]["settings"]
                self.rows[*row.key, row.solver, label] = (row, line["conditions"])
            for line in _lines(self.folder, BUILDS):
                self.builds[line["name"]] = (line["by"], Built(**line["built"]))
            self.files = {name: _appended(self.folder, name) for name in (ROWS, BUILDS)}
        except BaseException:
            self.held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()
        self.held.close()

    @property
    def instances(self) -> Path:
        """Folder of the files of the instances."""
        return self.folder / "instances"

    def path(self, key: InstanceKey) -> Path:
        """Return the file of an instance."""
        return self.instances / f"{key.name}.npz"

    def built(self, key: InstanceKey, by: str) -> Built | None:
        """Return the result of a build by the same code, or None."""
        before, built = self.builds.get(key.name, ("", Built()))
        return built if before == by and (built.problem or self.path(key).is_file()) else None

    def add_build(self, key: InstanceKey, by: str, built: Built) -> None:
        """Keep the result of a build."""
        self.builds[key.name] = (by, built)
        self._write(BUILDS, {"name": key.name, "by": by, "built": built._asdict()})

    def row(self, cell: Cell, conditions: Mapping[str, Any]) -> Row | None:
        """Return the row of a cell under the same conditions, or None."""
        row, before = self.rows.get(cell.name, (None, None))
        return row if before == conditions else None

    def changes(self, cell: Cell, conditions: Mapping[str, Any]) -> list[str]:
        """Return the names of the conditions of a cell that have changed since it ran."""
        _, before = self.rows.get(cell.name, (None, {}))
        return [name for name in before if before[name] != conditions.get(name)]

    def add_row(self, cell: Cell, row: Row, conditions: Mapping[str, Any]) -> None:
        """Keep the row of a cell."""
        self.rows[cell.name] = (row, conditions)
        self._write(ROWS, {"row": plain_row(row), "conditions": conditions})

    def _write(self, name: str, line: Mapping[str, Any]) -> None:
        with os_errors_as_input("out", self.folder):
            self.files[name].write(json.dumps(line, allow_nan=False) + "\n")
            self.files[name].flush()


def plain_row(row: Row) -> dict[str, Any]:
    """Return the fields of a row; ``inf`` and ``nan`` are texts, because JSON lacks them."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def row_of(plain: Mapping[str, Any]) -> Row:
    """Return a row of `plain_row`."""
    numbers = {name: float(plain[name]) for name in NUMBERS if name in plain}
    return Row(**{**plain, **numbers})


def read_rows(folder: Path) -> list[Row]:
    """Return the rows of a run, also of one that goes on.

    Parameters
    ----------
    folder : path-like
        Folder of ``--out``.

    Raises
    ------
    InputError
        Where the folder is none of a run.
    """
    found: dict[tuple[Any, ...], Row] = {}
    for line in _lines(as_folder("folder", folder), ROWS):
        row = row_of(line["row"])
        found[*row.key, row.solver, line["conditions"]["settings"]] = row
    return list(found.values())


def _lines(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file; a last one that was not written to its end is left out."""
    if not has_file(folder, name):
        return
    *lines, _torn = read_file("out", folder, name).split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            yield dict(json.loads(line))
        except (ValueError, TypeError) as error:
            problem = f"line {number} of its {name} is not JSON: {error}"
            raise InputError("out", str(folder), problem, "remove that line") from None


def _appended(folder: Path, name: str) -> IO[str]:
    """Open a file to append lines, without a last line that was not written to its end."""
    path = folder / name
    if has_file(folder, name):
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
    return path.open("a", encoding="utf-8")
