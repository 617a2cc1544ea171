"""Servers from a CSV file, and files whose columns have names of their own."""

from __future__ import annotations

import difflib
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.reading import read_table
from ...frontend.fields import Folder, ScenarioError, check_keys
from ...frontend.units import RATES, TIMES, Units
from ...latency.base import parameters
from ...latency.registry import family_named, names

OWN = ("name", "family", "service_time", "replicas")
TEXT = ("name", "family")
SHOWN = 6  # rows that a warning names
UNIT = re.compile(rf"(?:^|[^A-Za-z0-9])({'|'.join([*TIMES, 'rps'])})\W*$")
"""Unit at the end of a column's name, as in ``p50_ms`` and ``latency (ms)``."""

Row = dict[str, Any]


def table_rows(given: Mapping[str, Any], folder: Folder, units: Units) -> list[tuple[str, Row]]:
    """Return the rows of the CSV file that a table `servers` names, each with the place that messages give it.

    An empty cell leaves its field out, with a warning where the family of that server takes the field.
    """
    check_keys(given, ("file", "columns"), "servers.")
    path = folder.file(given["file"], "servers.file")
    header, lines = _read(path, given.get("columns"))
    families = _families(header, lines, given)
    fields, files = dict.fromkeys(OWN), set[str]()
    times, rates = {"service_time", "delay"}, {"rate"}
    for name in families:
        family = family_named(name)
        fields.update(dict.fromkeys((*parameters(family), *family.files)))
        files.update(family.files)
        times.update(family.times or ())
        rates.update(family.rates or ())
    columns = _columns(
        given.get("columns", {}), header, list(fields), units, tuple(times), tuple(rates), path
    )
    out, empty = [], dict[str, list[str]]()
    plain = "M/G/1" if "cv" in columns else "M/M/1"
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
                    if field in TEXT or field in files
                    else _number(cell, f"{path}, row {line}, column {column}")
                )
        out.append((place, row))
        of = str(row.get("family", plain))
        for field in parameters(family_named(of)) if of in names() else ():
            if (
                field in columns
                and field not in row
                and not (field == "rate" and "service_time" in row)
            ):
                empty.setdefault(columns[field], []).append(str(line))
    for column, where in empty.items():
        text = ", ".join(where[:SHOWN]) + (", ..." if len(where) > SHOWN else "")
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
    """Return columns by field, each the name of one; a unit in a name must be the file's."""
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
        found = UNIT.search(column)
        unit = found[1] if found else ""
        wrong = (
            unit != units.delay and unit in TIMES
            if field in times
            else RATES.get(unit, unit) != units.time and field in rates
        )
        if unit and wrong:
            which = (
                f'units.delay = "{units.delay}"'
                if field in times
                else f'units.rate = "{units.rate}"'
            )
            problem = f"ends in a unit that is not that of the file, {which}"
            raise ScenarioError(
                f"{place}.{field}",
                column,
                problem,
                "change the units of the file, or convert and rename the column",
            )
    return {field: column.strip() for field, column in named.items()}


def _read(path: Path, named: object) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and lines of a file, each line with its number."""
    usual = (*OWN, *parameters(family_named("M/G/1")))
    others = (
        [column for column in named.values() if isinstance(column, str)]
        if isinstance(named, dict)
        else ()
    )
    remedy = "give a CSV file with a header line, then one line a server"
    header, lines = read_table(path, "servers.file", remedy, (*usual, *others), ScenarioError)
    if not lines:
        raise ScenarioError("servers.file", str(path), "has no row of a server", remedy)
    for column, count in Counter(header).items():
        if count > 1:
            raise ScenarioError(
                f"{path}, row 1", column, "names two columns", "give every column its own name"
            )
    return header, lines


def _families(
    header: Sequence[str], lines: Sequence[tuple[int, list[str]]], given: Mapping[str, Any]
) -> list[str]:
    """Known families among the servers: what is unknown is refused where its server is read."""
    columns = given.get("columns", {})
    column = columns.get("family", "family") if isinstance(columns, dict) else "family"
    i = header.index(column) if column in header else None
    found = (
        {} if i is None else dict.fromkeys(cells[i].strip() for _, cells in lines if i < len(cells))
    )
    return [name for name in (*found, "M/M/1", "M/G/1") if name in names()]


def _columns(
    named: object,
    header: Sequence[str],
    fields: Sequence[str],
    units: Units,
    times: Sequence[str],
    rates: Sequence[str],
    path: Path,
) -> dict[str, str]:
    """Column of each field; a column that is no field's is refused unless it is left out as ``{ region = false }``."""
    left_out = (
        {column for column, said in named.items() if said is False}
        if isinstance(named, dict)
        else set()
    )
    chosen = (
        {field: column for field, column in named.items() if field not in left_out}
        if isinstance(named, dict)
        else named
    )
    columns = check_columns(chosen, "servers.columns", fields, units, times, rates)
    for place, column in [
        *((f"servers.columns.{f}", c) for f, c in columns.items()),
        *((f"servers.columns.{c}", c) for c in sorted(left_out)),
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
            remedy = f'{guess} name its field, columns = {{ rate = "{column}" }}, or leave it out, columns = {{ "{column}" = false }}'
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
    try:
        return float(cell)
    except ValueError:
        raise ScenarioError(
            place, cell, "is not a number", "give a number, or leave the cell empty"
        ) from None
