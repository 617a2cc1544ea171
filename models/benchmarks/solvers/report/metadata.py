"""Tables of the metadata of a run, whatever it has: machine, versions, settings, limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .document import Block, DataTable

LEVELS = ("name", "of", "option", "part")


def metadata_tables(metadata: Mapping[str, Any]) -> list[Block]:
    """Return a table of the plain values, and one for each value that is a mapping."""
    plain = {name: value for name, value in metadata.items() if not isinstance(value, Mapping)}
    tables: list[Block] = [_table("run", plain)] if plain else []
    tables += [
        _table(name, value)
        for name, value in metadata.items()
        if isinstance(value, Mapping) and value
    ]
    return tables or ["There is no metadata."]


def _table(title: str, values: Mapping[str, Any]) -> DataTable:
    """Return a table with one line a value, named by its path."""
    lines = list(_lines(values))
    depth = max((len(path) for path, _ in lines), default=1)
    rows = [(*path, *[""] * (depth - len(path)), text) for path, text in lines]
    caption = str(title).replace("_", " ")
    return DataTable((*LEVELS[:depth], "value"), rows, depth + 1, caption=caption)


def _lines(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, str]]:
    for name, value in values.items():
        path = (*above, str(name))
        if isinstance(value, Mapping) and value and len(path) < len(LEVELS):
            yield from _lines(value, path)
        elif isinstance(value, list | tuple):
            yield path, ", ".join(map(str, value))
        else:
            yield path, "-" if value in (None, {}, "") else str(value)
