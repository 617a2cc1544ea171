"""Tables of the General Modeling Network Specification: nodes, links and demand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

import numpy as np

from ....reference.errors import InputError
from ....reference.validation import as_path, as_positive, check_text
from ...core.reading import read_table
from .tables import Found, LinkTable, as_load_factor
from .tntp import without_closed

METRES = {
    "mile": 1609.344,
    "mi": 1609.344,
    "kilometer": 1000.0,
    "kilometre": 1000.0,
    "km": 1000.0,
    "meter": 1.0,
    "metre": 1.0,
    "m": 1.0,
    "feet": 0.3048,
    "foot": 0.3048,
    "ft": 0.3048,
}
SPEEDS = {"mph": "mile", "kph": "km", "kmh": "km", "km/h": "km", "mi/h": "mile"}  # per hour
MINUTES = 60.0  # of an hour
CORRECT = "correct the table"
NO = ("0", "false", "f", "no", "n")
# column of the table, and its name among the columns of DTALite and TAPLite
TIME, ALPHA, BETA = (
    ("vdf_fftt", "vdf_fftt1"),
    ("vdf_alpha", "vdf_alpha1"),
    ("vdf_beta", "vdf_beta1"),
)


class Sheet:
    """A CSV file as rows by column, with names of columns in small letters.

    Attributes
    ----------
    name : str
        Name of the file, for errors.
    rows : list of (str, dict of str to str)
        Place of each row, such as ``link.csv:2``, and its cells.
    """

    def __init__(self, path: str, required: tuple[str, ...], others: tuple[str, ...] = ()) -> None:
        self.name = os.path.basename(path)
        table = read_table(path, self.name, "give the folder of a GMNS network", required + others)
        header = [cell.lower() for cell in table.header]
        for column in required:
            if column not in header:
                problem = f"has no column {column}"
                raise InputError(self.name, ", ".join(header), problem, CORRECT)
        blank = dict.fromkeys(header, "")
        self.rows = [
            (f"{self.name}:{line}", blank | dict(zip(header, map(str.strip, cells), strict=False)))
            for line, cells in table.rows
        ]


def number(
    place: str, row: Mapping[str, str], names: tuple[str, ...], default: float | None = None
) -> float:
    """Return the number in the first of some columns that has one, 0 or more.

    Raises
    ------
    InputError
        Where the cell is not such a number, or is empty and there is no default.
    """
    for name in names:
        text = row.get(name, "")
        if text.lower() in ("", "nan", "null"):
            continue
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not 0 <= value < np.inf:
            problem = "is not a finite number of 0 or more"
            raise InputError(f"{place}: {name}", text, problem, CORRECT)
        return value
    if default is None:
        raise InputError(f"{place}: {names[0]}", "", "is missing", "give a number")
    return default


def read_gmns(
    folder: Any, load: Any, use: str | None, time_factor: float | None, load_factor: float
) -> Found:
    """Return the network of a folder; see `Network.from_gmns`."""
    path, scale = os.fspath(as_path("folder", folder)), as_load_factor(load_factor)
    use = None if use is None else check_text("use", use)
    factor = _time_factor(path, time_factor)
    nodes = Sheet(os.path.join(path, "node.csv"), ("node_id",))
    known, positions, zones = _nodes(nodes)
    links = without_closed(_links(path, known, use, factor))
    if load is None:
        load = _demand(path, zones, scale)
    elif scale != 1.0:
        problem = "is a factor of demand.csv, beside a load of your own"
        raise InputError("load_factor", scale, problem, "multiply the load, or leave it out")
    return Found(links, {"ends": links.ends, "load": load, "positions": positions})


def _nodes(
    sheet: Sheet,
) -> tuple[set[str], dict[str, tuple[float, float]], dict[str, list[str]]]:
    """Return all nodes, the coordinates of those that have them, and the nodes of each zone."""
    known, positions, zones = set[str](), {}, dict[str, list[str]]()
    for place, row in sheet.rows:
        node = row["node_id"]
        if node in known:
            raise InputError(f"{place}: node_id", node, "is the id of two nodes", CORRECT)
        known.add(node)
        if row.get("zone_id"):
            zones.setdefault(row["zone_id"], []).append(node)
        with suppress(ValueError):  # a node without coordinates is not drawn
            point = float(row.get("x_coord", "")), float(row.get("y_coord", ""))
            if all(map(isfinite, point)):
                positions[node] = point
    return known, positions, zones


def _links(path: str, known: set[str], use: str | None, factor: float) -> LinkTable:
    """Return the table of links; one that is not directed is two."""
    sheet = Sheet(os.path.join(path, "link.csv"), ("from_node_id", "to_node_id"))
    ends, values, places = [], [], []
    for place, row in sheet.rows:
        uses = {text.strip().lower() for text in row.get("allowed_uses", "").split(",")}
        if use is not None and not uses & {"", "all", use.lower()}:
            continue
        first, last = row["from_node_id"], row["to_node_id"]
        for column, node in (("from_node_id", first), ("to_node_id", last)):
            if node not in known:
                problem = "is not a node of node.csv"
                raise InputError(f"{place}: {column}", node, problem, CORRECT)
        numbers = _numbers(f"{place}, link {first} -> {last}", row, factor)
        both = [(first, last), (last, first)]
        for end in both if row.get("directed", "").lower() in NO else both[:1]:
            ends.append(end)
            values.append(list(numbers.values()))
            places.append(place)
    if not ends:
        raise InputError("link.csv", use, "has no link that allows this use", "give another use")
    columns = dict(zip(numbers, np.array(values).T.copy(), strict=True))
    return LinkTable(ends, columns, places)


def _numbers(link: str, row: Mapping[str, str], factor: float) -> dict[str, float]:
    """Return the numbers of a link by column; a link without lanes has a capacity of 0."""
    lanes = number(link, row, ("lanes",), 1.0)
    capacity = lanes * number(link, row, ("capacity",), 0.0 if not lanes else None)
    length = number(link, row, ("length",), 0.0)
    speed = number(link, row, ("free_speed",), 0.0)
    free_flow = number(link, row, TIME, -1.0)
    if free_flow < 0:
        if not speed and capacity:
            raise InputError(f"{link}: free_speed", speed, "is 0 or missing", "give a speed")
        free_flow = factor * number(link, row, ("length",)) / speed if speed else np.nan
    return {
        "free_flow": free_flow,
        "capacity": capacity,
        "b": number(link, row, ALPHA, 0.15),
        "power": number(link, row, BETA, 4.0),
        "length": length,
        "speed": speed,
        "lanes": lanes,
        "toll": number(link, row, ("toll",), 0.0),
    }


def _demand(path: str, zones: Mapping[str, list[str]], factor: float) -> dict[Any, float]:
    """Return the load of each pair of nodes; those within a zone and of 0 are left out."""
    columns = ("o_zone_id", "d_zone_id", "volume")
    out: dict[Any, float] = {}
    for place, row in Sheet(os.path.join(path, "demand.csv"), columns).rows:
        volume = number(place, row, ("volume",))
        pair = tuple(_zone(place, column, row[column], zones) for column in columns[:2])
        if volume > 0 and pair[0] != pair[1]:
            if pair in out:
                problem = "is a second load for the same pair of zones"
                raise InputError(f"{place}: volume", volume, problem, "give the sum, once")
            out[pair] = factor * volume
    return out


def _zone(place: str, column: str, zone: str, zones: Mapping[str, list[str]]) -> str:
    """Return the only node of a zone."""
    nodes = zones.get(zone, [])
    if len(nodes) != 1:
        problem = f"is the zone of {len(nodes)} nodes in node.csv, not of one"
        remedy = "give every zone one node, or give load by pair of nodes"
        raise InputError(f"{place}: {column}", zone, problem, remedy)
    return nodes[0]


def _time_factor(path: str, given: float | None) -> float:
    """Return the minutes in one unit of length over one unit of speed."""
    if given is not None:
        return as_positive("time_factor", given, "give 60 for miles and miles per hour")
    file = os.path.join(path, "config.csv")
    if not os.path.exists(file):
        return MINUTES
    columns = ("dataset_name", "long_length", "speed")
    _, row = next(iter(Sheet(file, (), columns).rows), ("", {}))
    length, speed = (row.get(name, "").lower() for name in columns[1:])
    base = SPEEDS.get(speed, speed.removesuffix("/h").removesuffix(" per hour"))
    units = [METRES.get(unit, METRES.get(unit.removesuffix("s"), 0.0)) for unit in (length, base)]
    if not all(units):
        if not length and not speed:
            return MINUTES
        problem = "are units that are not known"
        raise InputError("config.csv", f"{length}, {speed}", problem, "give time_factor")
    return MINUTES * units[0] / units[1]
