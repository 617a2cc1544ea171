"""Servers from a CSV file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.reading import Table
from ..latency.base import parameters
from ..latency.registry import family_named, names
from .csv_tables import Row, columns_of, read_rows, rows_of
from .fields import Folder, check_keys
from .units import Units

ALL_FAMILIES = ("name", "family", "service_time", "replicas")  # keys of a server of any family
TEXT = ("name", "family")
SHOWN = 6  # rows that a warning lists


def table_rows(
    given: Mapping[str, Any], folder: Folder, units: Units, key: str, more: Sequence[str] = ()
) -> list[tuple[str, Row]]:
    """Return the rows of a CSV file of servers, each with its place for messages.

    An empty cell leaves its field out, with a warning where the family of the server has the field.

    Parameters
    ----------
    given : mapping
        The table `key` of a scenario file, with ``file`` and, optionally, ``columns``.
    folder : Folder
        Folder that the path is relative to.
    units : Units
        Units of the scenario file; units in the names of columns must be the same.
    key : str
        Name of the table, such as ``"servers"``.
    more : sequence of str
        Further keys of a server; see `sojourn.models.frontend.servers.servers`.

    Raises
    ------
    ScenarioError
        On a file that cannot be read, or columns or cells that do not fit.
    """
    check_keys(given, ("file", "columns"), f"{key}.")
    path = folder.file(given["file"], f"{key}.file")
    expected = [*ALL_FAMILIES, *parameters(family_named("M/G/1"))]
    table = read_rows(path, given.get("columns"), f"{key}.file", expected, "server")
    families = _families(table, given)
    fields, files, texts = dict.fromkeys((*ALL_FAMILIES, *more)), set[str](), set(TEXT)
    times, rates = {"service_time", "delay"}, {"rate", *(k for k in more if k.endswith("_rate"))}
    for name in families:
        family = family_named(name)
        fields.update(dict.fromkeys((*parameters(family), *family.files)))
        files.update(family.files)
        texts.update(family.texts)
        times.update(family.times or ())
        rates.update(family.rates or ())
    named, header = given.get("columns", {}), table.header
    columns = columns_of(named, header, list(fields), units, tuple(times), tuple(rates), path, key)
    out, empty = [], dict[str, list[str]]()
    default_family = "M/G/1" if "cv" in columns else "M/M/1"
    for line, place, row in rows_of(path, table, columns, texts | files):
        out.append((place, row))
        name = str(row.get("family", default_family))
        for field in parameters(family_named(name)) if name in names() else ():
            if (
                field in columns
                and field not in row
                and not (field == "rate" and "service_time" in row)
            ):
                empty.setdefault(columns[field], []).append(str(line))
    for column, rows in empty.items():
        text = ", ".join(rows[:SHOWN]) + (", ..." if len(rows) > SHOWN else "")
        warnings.warn(
            f"{path}, column {column}: empty in row {text}, so the default holds there",
            stacklevel=2,
        )
    return out


def _families(table: Table, given: Mapping[str, Any]) -> list[str]:
    """Return the names of the known families in the file, and of the default families.

    An unknown family raises an error later, where its server is read.
    """
    columns, (header, lines) = given.get("columns", {}), table
    column = columns.get("family", "family") if isinstance(columns, dict) else "family"
    listed: dict[str, None] = {}
    if column in header:
        i = header.index(column)
        listed = dict.fromkeys(cells[i].strip() for _, cells in lines if i < len(cells))
    return [name for name in (*listed, "M/M/1", "M/G/1") if name in names()]
