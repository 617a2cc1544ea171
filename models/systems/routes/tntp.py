"""Files of the collection TransportationNetworks: links, loads and coordinates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ....reference.errors import InputError
from ....reference.plural import counted
from ...core.reading import read_text
from ...core.warn import warn
from .tables import Found, LinkTable, as_load_factor

COLUMNS = (
    "init_node",
    "term_node",
    "capacity",
    "length",
    "free_flow",
    "b",
    "power",
    "speed",
    "toll",
    "type",
)
REQUIRED = COLUMNS[:7]
OTHER_NAMES = {
    "tail": "init_node",
    "from": "init_node",
    "head": "term_node",
    "to": "term_node",
    "free_flow_time": "free_flow",
    "fft": "free_flow",
    "speed_limit": "speed",
    "link_type": "type",
}
NAME = re.compile(
    r"(?<![a-z])(?:init[ _]node|term[ _]node|tail|head|from|to|capacity|length|free[ _]flow[ _]time"
    r"|free[ _]flow|fft|b|power|speed[ _]limit|speed|toll|link[ _]type|type)(?![a-z])"
)
UNITS = re.compile(r"\([^)]*\)")
TAG = re.compile(r"\s*<([^>]*)>([^~]*)")
TRIP = re.compile(r"\s*(\S+?)\s*:\s*([^\s;:]+)\s*(?:;|$)")
TNTP = "give a file in the format of TransportationNetworks"
CORRECT = "correct the file"


class Lines:
    """The lines of a file, without comments, and its metadata.

    Attributes
    ----------
    name : str
        Name of the file, for errors.
    tags : dict of str to str
        Value of each ``<TAG>``, with the tag in capitals.
    comments : list of str
        Comments before the first line of data.
    rows : list of (int, str)
        Number and text of each other line that is not blank.
    """

    def __init__(self, path: Any, field: str) -> None:
        self.text = read_text(path, field, TNTP)
        self.name = os.path.basename(os.fspath(path))
        self.tags: dict[str, str] = {}
        self.comments: list[str] = []
        self.rows: list[tuple[int, str]] = []
        for number, line in enumerate(self.text.splitlines(), start=1):
            if tag := TAG.match(line):
                self.tags[" ".join(tag[1].upper().split())] = tag[2].strip().rstrip(";").strip()
                continue
            data, _, comment = line.partition("~")
            if data.strip(" \t\r;"):
                self.rows.append((number, data))
            elif comment.strip() and not self.rows:
                self.comments.append(comment)

    def count(self, tag: str) -> int | None:
        """Return the whole number of a tag; None without the tag."""
        if tag not in self.tags:
            return None
        return self.whole(f"{self.name}: <{tag}>", self.tags[tag])

    def whole(self, field: str, text: str) -> int:
        """Return a whole number from 0; InputError on other text."""
        number = self.number(field, text)
        if number != int(number) or number < 0:
            raise InputError(field, text, "is not a whole number of 0 or more", CORRECT)
        return int(number)

    def number(self, field: str, text: str) -> float:
        """Return a finite number; InputError on other text."""
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise InputError(field, text, "is not a finite number", CORRECT)
        return number


def read_tntp(net: Any, trips: Any, nodes: Any, load_factor: float) -> Found:
    """Return the network of files of links, of loads and of coordinates; see `Network.from_tntp`.

    Raises
    ------
    InputError
        Where a file cannot be read or an entry does not fit, with the file, line, field and link.
    """
    factor = as_load_factor(load_factor)
    lines = Lines(net, "net")
    links = without_closed(_links(lines))
    first = lines.count("FIRST THRU NODE") or 1
    joined = dict.fromkeys(node for end in links.ends for node in end)
    loads = {pair: factor * load for pair, load in _trips(Lines(trips, "trips"), lines).items()}
    for pair in loads:
        for node in pair:
            if node not in joined:
                problem = f"is a zone of {lines.name} that no link joins"
                raise InputError(f"{os.path.basename(trips)}: zone", node, problem, CORRECT)
    arguments = {
        "ends": links.ends,
        "load": loads,
        "closed": sorted(node for node in joined if node < first),
        "positions": None if nodes is None else _positions(Lines(nodes, "nodes")),
    }
    return Found(links, arguments)


def without_closed(links: LinkTable) -> LinkTable:
    """Return the links without those of capacity 0 whose travel time rises with the load."""
    shut = (links.columns["capacity"] == 0) & ~links.has_one_time
    if not shut.any():
        return links
    names = [links.name(int(a)) for a in np.flatnonzero(shut)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    warn(f"left out links of capacity 0: {'; '.join(names[:3])}{more}")
    return links.only(~shut)


def _links(lines: Lines) -> LinkTable:
    """Return the table of links."""
    order = _order(lines.comments)
    least = 1 + max(order.index(name) for name in REQUIRED)
    nodes = lines.count("NUMBER OF NODES")
    ends, values, places = [], [], []
    for number, data in lines.rows:
        cells, place = data.replace(";", " ").split(), f"{lines.name}:{number}"
        row = dict(zip(order, cells, strict=False))
        if len(cells) < least:
            found, needed = counted(len(cells), "field"), ", ".join(order[:least])
            problem = f"has {found} of at least {least}: {needed}"
            raise InputError(place, " ".join(cells), problem, CORRECT)
        link = (
            _node(lines, place, row, "init_node", nodes),
            _node(lines, place, row, "term_node", nodes),
        )
        name = f"{place}, link {link[0]} -> {link[1]}"
        values.append([_value(lines, name, column, row) for column in COLUMNS[2:]])
        ends.append(link)
        places.append(place)
    stated = lines.count("NUMBER OF LINKS")
    if not ends or (stated is not None and stated != len(ends)):
        problem = f"is not the number of links in the file, {len(ends)}"
        raise InputError(f"{lines.name}: <NUMBER OF LINKS>", stated, problem, CORRECT)
    columns = dict(zip(COLUMNS[2:], np.array(values).T.copy(), strict=True))
    return LinkTable(ends, columns, places)


def _order(comments: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns in their order, from the comment above the links.

    Without a comment that names all required columns it is the order of the format.
    """
    for comment in reversed(comments):
        text = UNITS.sub(" ", comment.lower().replace(";", "\t"))
        cells = [cell.strip() for cell in text.split("\t")]
        spaced = [] if re.search("[a-z0-9]", NAME.sub("", text)) else NAME.findall(text)
        for names in (cells, spaced):
            known = ["_".join(name.split()) for name in names if name]
            order = tuple(OTHER_NAMES.get(name, name) for name in known)
            if set(REQUIRED) <= set(order):
                return order
    return COLUMNS


def _node(lines: Lines, place: str, row: Mapping[str, str], column: str, nodes: int | None) -> int:
    """Return the number of a node; InputError unless it is from 1 to the number of nodes."""
    node = lines.whole(f"{place}: {column}", row[column])
    if node < 1 or (nodes is not None and node > nodes):
        most = "" if nodes is None else f" to {nodes}, the <NUMBER OF NODES>"
        raise InputError(f"{place}: {column}", node, f"is not a node from 1{most}", CORRECT)
    return node


def _value(lines: Lines, link: str, column: str, row: Mapping[str, str]) -> float:
    """Return a number of a link, 0 where an optional field at the end is missing."""
    if column not in row:
        return 0.0
    field = f"{link}: {column}"
    value = lines.number(field, row[column])
    if value < 0 and column != "type":
        raise InputError(field, value, "is negative", "give 0 or more")
    return value


def _trips(lines: Lines, net: Lines) -> dict[tuple[int, int], float]:
    """Return the load of each pair of zones; those within a zone and those of 0 are left out."""
    zones = [z for z in (lines.count("NUMBER OF ZONES"), net.count("NUMBER OF ZONES")) if z]
    most = max(zones, default=None)
    loads: dict[tuple[int, int], float] = {}
    given: set[tuple[int, int]] = set()
    for field, origin, destination, text in _entries(lines):
        for zone in (origin, destination):
            if zone < 1 or (most is not None and zone > most):
                end = "" if most is None else f" to {most}, the <NUMBER OF ZONES>"
                raise InputError(field, zone, f"is not a zone from 1{end}", CORRECT)
        load = lines.number(field, text)
        if load < 0:
            raise InputError(field, load, "is negative", "give 0 or more")
        if (origin, destination) in given:
            problem = "is a second load for the same pair of zones"
            raise InputError(field, load, problem, "give the sum of the loads, once")
        given.add((origin, destination))
        if load > 0 and origin != destination:
            loads[origin, destination] = load
    if not loads:
        raise InputError("trips", lines.name, "has no load from a zone to another", CORRECT)
    return loads


def _entries(lines: Lines) -> Iterator[tuple[str, int, int, str]]:
    """Yield field, origin, destination and text of each load of a file of trips."""
    origin: int | None = None
    for number, data in lines.rows:
        place, rest = f"{lines.name}:{number}", data.strip()
        if found := re.match(r"origin\b\s*:?\s*([^\s;]*)\s*;?", rest, re.IGNORECASE):
            origin = lines.whole(f"{place}: Origin", found[1])
            rest = rest[found.end() :]
        while rest.strip(" \t;"):
            rest = rest.lstrip(" \t;")
            trip = TRIP.match(rest)
            if trip is None or origin is None:
                problem = "is not a load" if origin else "comes before the first Origin"
                remedy = "write `Origin 1`, and below it `2 : 100.0;`"
                raise InputError(place, rest, problem, remedy)
            destination = lines.whole(f"{place}: destination", trip[1])
            yield f"{place}: load {origin} -> {destination}", origin, destination, trip[2]
            rest = rest[trip.end() :]


def _positions(lines: Lines) -> dict[int, tuple[float, float]]:
    """Return the coordinates of each node."""
    positions = {}
    for number, data in lines.rows:
        cells = data.replace(";", " ").split()
        if cells[0].lower() in ("node", "id"):  # the header
            continue
        place = f"{lines.name}:{number}"
        if len(cells) < 3:
            raise InputError(place, " ".join(cells), "is not a node with its x and y", CORRECT)
        node = lines.whole(f"{place}: node", cells[0])
        x, y = (lines.number(f"{place}: {axis}", cells[i]) for i, axis in ((1, "x"), (2, "y")))
        positions[node] = (x, y)
    return positions
