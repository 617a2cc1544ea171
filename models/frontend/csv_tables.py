"""CSV tables of scenario files, also those whose columns have other names than the fields."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...reference.plural import counted
from ..core.reading import Table, read_table
from ..core.suggest import suggest
from .fields import ScenarioError, check_keys
from .units import RATES, TIMES, Units

UNIT = re.compile(rf"(?:^|[^A-Za-z0-9])({'|'.join([*TIMES, 'rps'])})\W*$")
"""Unit at the end of a column's name, as in ``p50_ms`` and ``latency (ms)``."""

Row = dict[str, Any]


def read_rows(path: Path, named: object, place: str, expected: Sequence[str], word: str) -> Table:
    """Return the header and the lines of a CSV file with a line for each entry.

    Parameters
    ----------
    path : Path
        Path of the file.
    named : object
        The table from fields to names of columns in the scenario file; anything else is ignored.
    place : str
        Place of the file's name in the scenario file, for messages.
    expected : sequence of str
        Fields, of which the file must have at least one as a column.
    word : str
        Noun of an entry.

    Raises
    ------
    ScenarioError
        On a file that cannot be read, has no row, or has two columns of one name.
    """
    columns = list(expected)
    if isinstance(named, dict):
        columns += [column for column in named.values() if isinstance(column, str)]
    remedy = f"give a CSV file with a header line, then one line a {word}"
    table = read_table(path, place, remedy, columns, ScenarioError)
    if not table.rows:
        raise ScenarioError(place, str(path), f"has no row of a {word}", remedy)
    for column, count in Counter(table.header).items():
        if count > 1:
            raise ScenarioError(
                f"{path}, row 1", column, "names two columns", "give every column its own name"
            )
    return table


def check_columns(
    named: object,
    place: str,
    fields: Sequence[str],
    units: Units,
    times: Sequence[str] = (),
    rates: Sequence[str] = (),
    example: str = "rate",
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
    example : str
        Key of a field in the examples of messages.

    Raises
    ------
    ScenarioError
        On a field or a name that does not fit, or a name that ends in another unit than the
        file's, as ``p50_ms`` in a file of seconds.
    """
    if not isinstance(named, dict):
        remedy = f'write it as {{ {example} = "mu" }}: field, then column'
        raise ScenarioError(place, named, "is not a table", remedy)
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
    columns = {field: column.strip() for field, column in named.items()}
    fields_of = {column: field for field, column in reversed(columns.items())}
    for field, column in columns.items():
        if (other := fields_of[column]) != field:
            problem, remedy = f"is the column of {other} too", "give every field its own column"
            raise ScenarioError(f"{place}.{field}", column, problem, remedy)
    return columns


def columns_of(
    named: object,
    header: Sequence[str],
    fields: Sequence[str],
    units: Units,
    times: Sequence[str],
    rates: Sequence[str],
    path: Path,
    key: str,
    example: str = "rate",
) -> dict[str, str]:
    """Return the column of each field.

    Every column must belong to a field, unless it is left out as ``columns = { region = false }``.
    """
    left_out, chosen = set[str](), named
    if isinstance(named, dict):
        left_out = {column for column, value in named.items() if value is False}
        chosen = {field: column for field, column in named.items() if field not in left_out}
    columns = check_columns(chosen, f"{key}.columns", fields, units, times, rates, example)
    for place, column in [
        *((f"{key}.columns.{f}", c) for f, c in columns.items()),
        *((f"{key}.columns.{c}", c) for c in sorted(left_out)),
    ]:
        if column not in header:
            remedy = suggest(column, header, f"the columns are {', '.join(header)}")
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
                f'{guess} name its field, columns = {{ {example} = "{column}" }}, '
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


def rows_of(
    path: Path,
    table: Table,
    columns: Mapping[str, str],
    texts: Collection[str],
    needed: Collection[str] = (),
) -> Iterator[tuple[int, str, Row]]:
    """Yield the rows of a table: line, place for messages, and values by field.

    Parameters
    ----------
    path : Path
        Path of the file.
    table : Table
        Its header and lines.
    columns : mapping of str to str
        Column of each field.
    texts : collection of str
        Fields that are texts; others are numbers.
    needed : collection of str
        Fields whose cells must not be empty. An empty cell of another field leaves it out.

    Raises
    ------
    ScenarioError
        On a row with too few or too many cells, and a cell that is empty or not a number.
    """
    header, lines = table
    for line, cells in lines:
        place, row = f"{path}, row {line}: ", {}
        if len(cells) != len(header):
            raise ScenarioError(
                place.rstrip(": "),
                ",".join(cells),
                f"has {counted(len(cells), 'cell')} under {counted(len(header), 'column')}",
                "correct that row",
            )
        for field, column in columns.items():
            at, cell = f"{path}, row {line}, column {column}", cells[header.index(column)].strip()
            if cell:
                row[field] = cell if field in texts else _number(cell, at, field in needed)
            elif field in needed:
                what = "some text" if field in texts else "a number, 0 for none"
                raise ScenarioError(at, cell, "is empty", f"give {what}")
        yield line, place, row


def _number(cell: str, place: str, needed: bool) -> float:
    """Return the number in a cell; ScenarioError where there is none."""
    try:
        return float(cell)
    except ValueError:
        remedy = "give a number" + ("" if needed else ", or leave the cell empty")
        raise ScenarioError(place, cell, "is not a number", remedy) from None
