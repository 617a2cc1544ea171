"""Servers from a CSV file, also from one whose columns have other names than the fields."""

from __future__ import annotations

import difflib
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.reading import read_table
from ..latency.base import parameters
from ..latency.registry import family_named, names
from .fields import Folder, ScenarioError, check_keys
from .units import RATES, TIMES, Units

ALL_FAMILIES = ("name", "family", "service_time", "replicas")  # keys of a server of any family
TEXT = ("name", "family")
SHOWN = 6  # rows that a warning lists
UNIT = re.compile(rf"(?:^|[^A-Za-z0-9])({'|'.join([*TIMES, 'rps'])})\W*$")
"""Unit at the end of a column's name, as in ``p50_ms`` and ``latency (ms)``."""

Row = dict[str, Any]


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
    header, lines = _read(path, given.get("columns"), f"{key}.file")
    families = _families(header, lines, given)
    fields, files, texts = dict.fromkeys((*ALL_FAMILIES, *more)), set[str](), set(TEXT)
    times, rates = {"service_time", "delay"}, {"rate", *(k for k in more if k.endswith("_rate"))}
    for name in families:
        family = family_named(name)
        fields.update(dict.fromkeys((*parameters(family), *family.files)))
        files.update(family.files)
        texts.update(family.texts)
        times.update(family.times or ())
        rates.update(family.rates or ())
    columns = _columns(
        given.get("columns", {}), header, list(fields), units, tuple(times), tuple(rates), path, key
    )
    out, empty = [], dict[str, list[str]]()
    default_family = "M/G/1" if "cv" in columns else "M/M/1"
    for line, cells in lines:
        place, row = f"{path}, row {line}: ", {}
        if len(cells) != len(header):
            raise ScenarioError(
                place.rstrip(": "),
                ",".join(cells),
                f"has {len(cells)} cells under {len(header)} columns",
                "correct that row",
            )
        for field, column in columns.items():
            cell = cells[header.index(column)].strip()
            if cell:
                row[field] = (
                    cell
                    if field in texts or field in files
                    else _number(cell, f"{path}, row {line}, column {column}")
                )
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


def check_columns(
    named: object,
    place: str,
    fields: Sequence[str],
    units: Units,
    times: Sequence[str] = (),
    rates: Sequence[str] = (),
) -> dict[str, str]:
    """Return the names of columns by field, after a check of the units in the names.

    Parameters
    ----------
    named : object
        A table from fields to names of columns.
    place : str
        Place of the table in the scenario file, for messages.
    fields : sequence of str
        Fields that may be named.
    units : Units
        Units of the scenario file.
    times, rates : sequence of str
        Fields that are times, and that are rates.

    Raises
    ------
    ScenarioError
        On a field or a name that does not fit, or a name that ends in another unit than the
        file's, as ``p50_ms`` in a file of seconds.
    """
    if not isinstance(named, dict):
        raise ScenarioError(
            place, named, "is not a table", 'write it as { rate = "mu" }: field, then column'
        )
    check_keys(named, fields, f"{place}.")
    for field, column in named.items():
        if not isinstance(column, str) or not column.strip():
            raise ScenarioError(
                f"{place}.{field}",
                column,
                "is not the name of a column",
                'give some text, such as "mu"',
            )
        match = UNIT.search(column)
        unit, is_time = match[1] if match else "", field in times
        other_time = unit in TIMES and unit != units.delay
        other_rate = field in rates and RATES.get(unit, unit) != units.time
        if unit and (other_time if is_time else other_rate):
            own = f'units.delay = "{units.delay}"' if is_time else f'units.rate = "{units.rate}"'
            problem = f"ends in a unit that is not that of the file, {own}"
            raise ScenarioError(
                f"{place}.{field}",
                column,
                problem,
                "change the units of the file, or convert and rename the column",
            )
    return {field: column.strip() for field, column in named.items()}


def _read(path: Path, named: object, place: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a file, and its lines, each with its number."""
    expected = [*ALL_FAMILIES, *parameters(family_named("M/G/1"))]
    if isinstance(named, dict):
        expected += [column for column in named.values() if isinstance(column, str)]
    remedy = "give a CSV file with a header line, then one line a server"
    header, lines = read_table(path, place, remedy, expected, ScenarioError)
    if not lines:
        raise ScenarioError(place, str(path), "has no row of a server", remedy)
    for column, count in Counter(header).items():
        if count > 1:
            raise ScenarioError(
                f"{path}, row 1", column, "names two columns", "give every column its own name"
            )
    return header, lines


def _families(
    header: Sequence[str], lines: Sequence[tuple[int, list[str]]], given: Mapping[str, Any]
) -> list[str]:
    """Return the names of the known families in the file, and of the default families.

    An unknown family raises an error later, where its server is read.
    """
    columns = given.get("columns", {})
    column = columns.get("family", "family") if isinstance(columns, dict) else "family"
    listed: dict[str, None] = {}
    if column in header:
        i = header.index(column)
        listed = dict.fromkeys(cells[i].strip() for _, cells in lines if i < len(cells))
    return [name for name in (*listed, "M/M/1", "M/G/1") if name in names()]


def _columns(
    named: object,
    header: Sequence[str],
    fields: Sequence[str],
    units: Units,
    times: Sequence[str],
    rates: Sequence[str],
    path: Path,
    key: str,
) -> dict[str, str]:
    """Return the column of each field.

    Every column must belong to a field, unless it is left out as ``columns = { region = false }``.
    """
    left_out, chosen = set[str](), named
    if isinstance(named, dict):
        left_out = {column for column, value in named.items() if value is False}
        chosen = {field: column for field, column in named.items() if field not in left_out}
    columns = check_columns(chosen, f"{key}.columns", fields, units, times, rates)
    for place, column in [
        *((f"{key}.columns.{f}", c) for f, c in columns.items()),
        *((f"{key}.columns.{c}", c) for c in sorted(left_out)),
    ]:
        if column not in header:
            near = difflib.get_close_matches(column, header, 1)
            remedy = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(header)}"
            raise ScenarioError(place, column, f"is not a column of {path}", remedy)
    for column in header:
        if column in left_out or column in columns.values():
            continue
        if column not in fields:
            near = difflib.get_close_matches(column, fields, 1)
            guess = (
                f"did you mean {near[0]}? Or" if near else f"the fields are {', '.join(fields)}; or"
            )
            remedy = (
                f'{guess} name its field, columns = {{ rate = "{column}" }}, '
                f'or leave it out, columns = {{ "{column}" = false }}'
            )
            raise ScenarioError(f"{path}, column {column}", column, "is not a known field", remedy)
        if column in columns:
            problem = f"is given in this column and in {columns[column]}"
            raise ScenarioError(
                f"{path}, column {column}",
                column,
                problem,
                f'leave one out: columns = {{ "{column}" = false }}',
            )
        columns[column] = column
    return columns


def _number(cell: str, place: str) -> float:
    """Return the number in a cell; ScenarioError where there is none."""
    try:
        return float(cell)
    except ValueError:
        raise ScenarioError(
            place, cell, "is not a number", "give a number, or leave the cell empty"
        ) from None
