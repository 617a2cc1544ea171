"""The servers of a scenario file: tables of numbers of any family to banks of servers, in the unit of time of its rates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ....reference.bank_fields import DRAINED, NO_RATE
from ....reference.errors import InputError
from ...frontend.fields import Folder, ScenarioError, check_keys, read_number, read_string
from ...frontend.units import Units
from ...latency import Latency
from ...latency.base import parameters
from ...latency.registry import families, family_named
from .tables import check_columns, table_rows

MOST = 1_000_000  # servers, with all replicas
HINTS = {
    "rate": ("is missing", "give the service rate, or service_time"),
    "cv": ("{family} needs a coefficient of variation", "give cv, 0 or more"),
}


class Server(NamedTuple):
    """One server as a file says it, in the units of the file.

    Attributes
    ----------
    place : str
        Where the file says it, such as ``"servers[0]."``.
    name, family : str
    fields : mapping
        Numbers, lists of numbers, paths, or the servers that it is made of, by field.
    replicas : int
        How many servers of these numbers there are.
    """

    place: str
    name: str
    family: str
    fields: Mapping[str, Any]
    replicas: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the servers: numbered where there is more than one."""
        return (
            (self.name,)
            if self.replicas == 1
            else tuple(f"{self.name} {i + 1}" for i in range(self.replicas))
        )

    def changed(self, **fields: Any) -> Server:
        """Return the same server with other numbers."""
        return self._replace(fields={**self.fields, **fields})


def servers(given: object, folder: Folder, units: Units) -> list[Server]:
    """Return the servers of a file, with names of their own; paths are relative to the folder."""
    if isinstance(given, dict) and "file" in given:
        tables = table_rows(given, folder, units)
    elif isinstance(given, list) and given:
        tables = [(f"servers[{i}].", s) for i, s in enumerate(given)]
    else:
        remedy = 'add a [[servers]] table with a rate, or name a CSV file: [servers] with file = "servers.csv"'
        if type(given) is int:
            ways = f'replicas = {given}, each with a queue, or with family = "M/M/c" and servers = {given}, with one queue'
            raise ScenarioError(
                "servers",
                given,
                "is no table of a server",
                f"write [[servers]] with a rate and {ways}",
            )
        raise ScenarioError("servers", given, "the system has no server", remedy)
    out = [
        _server(place, f"server {i + 1}", s, folder, units, top=True)
        for i, (place, s) in enumerate(tables)
    ]
    if (total := sum(server.replicas for server in out)) > MOST:
        raise ScenarioError(
            "servers",
            f"{total:,} of them",
            f"are more than {MOST:,} with all replicas",
            "give fewer",
        )
    names = [name for s in out for name in ((s.name,) if s.replicas == 1 else (s.name, *s.names))]
    if len(set(names)) < len(names):
        _refuse_two(out)
    return out


def _refuse_two(given: Sequence[Server]) -> None:
    """Raise ScenarioError at the first name that another server has too."""
    taken: dict[str, str] = {}
    for server in given:
        for name in dict.fromkeys((server.name, *server.names)):
            if name in taken:
                problem = f"is the name of {taken[name]} too"
                raise ScenarioError(
                    f"{server.place}name", name, problem, "give every server its own name"
                )
            taken[name] = server.place.rstrip(".: ")


def banks(given: Sequence[Server], units: Units) -> list[Latency]:
    """Return the servers in order, replicas side by side; neighbours of one family whose fields are plain numbers are one bank."""
    out, start = [], 0
    plain = [all(type(v) is float for v in s.fields.values()) for s in given]
    for end in range(1, len(given) + 1):
        if end < len(given) and plain[start] and plain[end] and _alike(given[start], given[end]):
            continue
        bank, replicas = _bank(given[start:end], units), [s.replicas for s in given[start:end]]
        out.append(
            bank if max(replicas) == 1 else bank.take(np.repeat(np.arange(len(bank)), replicas))
        )
        start = end
    return out


def _server(
    place: str, default: str, given: object, folder: Folder, units: Units, *, top: bool = False
) -> Server:
    """One server; replicas are those of a whole server, not of one within another."""
    if not isinstance(given, dict):
        raise ScenarioError(place[:-1], given, "is not a table", "write it as [[servers]]")
    family = given.get("family", "M/G/1" if "cv" in given else "M/M/1")
    try:
        kind = family_named(family)
    except InputError as error:
        raise ScenarioError(f"{place}family", family, error.problem, error.remedy) from None
    fields, files, keys, required = _keys(kind, top)
    if family in ("M/M/1", "M/D/1") and "cv" in given:
        raise ScenarioError(
            f"{place}cv",
            given["cv"],
            f"{family} has its own",
            "leave out cv, or use family = 'M/G/1'",
        )
    if not given.keys() <= keys.keys():
        _elsewhere(given, tuple(keys), place, family)
        check_keys(given, tuple(keys), place)
    replicas = (
        _replicas(given["replicas"], f"{place}replicas")
        if "replicas" in given and not keys["replicas"]
        else 1
    )
    said = {
        k: folder.file(v, f"{place}{k}")
        if k in files
        else v
        if type(v) is float and 0.0 < v < math.inf  # most are, and there may be many
        else _value(v, f"{place}{k}", k, folder, units)
        for k, v in given.items()
        if keys[k]
    }
    if "service_time" in given and not keys["service_time"]:
        if "rate" in given:
            raise ScenarioError(
                f"{place}service_time",
                given["service_time"],
                "stands beside rate, which it is another word for",
                "give one of them",
            )
        said["rate"] = _rate(given["service_time"], f"{place}service_time", units)
    if not required <= said.keys() and not any(name in given for name in files):
        _complete(place, family, fields, said)
    if "columns" in given and not keys["columns"]:
        said["columns"] = _sample_columns(given, place, family, units)
    return Server(place, read_string(given, "name", place, default), family, said, replicas)


def _elsewhere(given: Mapping[str, Any], keys: Sequence[str], place: str, family: str) -> None:
    """Raise ScenarioError on a field of other families alone, which says of which."""
    for key in given:
        of = (
            []
            if key in (*keys, "name", "family")
            else [f'"{name}"' for name, other in families().items() if key in parameters(other)]
        )
        if of:
            remedy = (
                f"give family = {' or '.join(of)}"
                + f", or replicas = {given[key]} with a queue each" * (key == "servers")
            )
            raise ScenarioError(f"{place}{key}", given[key], f"is no field of {family}", remedy)


@cache
def _keys(
    kind: type[Latency], top: bool
) -> tuple[Mapping[str, bool], tuple[str, ...], Mapping[str, bool], frozenset[str]]:
    """Fields of a family, those that name files, all keys of its tables and whether each is one of these, and what is required."""
    fields, files = parameters(kind), kind.files
    own, more = (
        dict.fromkeys((*fields, *files), True),
        (("service_time", "rate" in fields), ("replicas", top), ("columns", bool(files))),
    )
    keys = {
        "name": False,
        "family": False,
        **own,
        **{key: False for key, there in more if there and key not in fields},
    }
    return fields, files, keys, frozenset(name for name, required in fields.items() if required)


def _replicas(value: object, place: str) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 1 <= value <= MOST
        or value != int(value)
    ):
        raise ScenarioError(
            place,
            value,
            "is not a number of servers",
            f"give a whole number from 1 to {MOST}{DRAINED}",
        )
    return int(value)


def _rate(value: object, place: str, units: Units) -> float:
    """Rate of a server, from its service time."""
    time = read_number(value, place, above=True)
    if not math.isfinite(rate := units.rate_of(time)):
        raise ScenarioError(
            place, value, "is so short that its rate is not finite", "give a longer time"
        )
    return rate


def _sample_columns(
    given: Mapping[str, Any], place: str, family: str, units: Units
) -> dict[str, str]:
    """Columns of a file of samples, by field."""
    named, kind = given["columns"], family_named(family)
    if not any(name in given for name in kind.files):
        raise ScenarioError(
            f"{place}columns",
            named,
            "names columns of a file, and there is none",
            f"give {kind.files[0]}",
        )
    read = [*(kind.rates or ()), *(t for t in kind.times or () if t != "delay")]
    return check_columns(
        named, f"{place}columns", read, units, times=kind.times or (), rates=kind.rates or ()
    )


def _complete(
    place: str, family: str, fields: Mapping[str, bool], given: Mapping[str, Any]
) -> None:
    for name, required in fields.items():
        if required and name not in given:
            problem, remedy = HINTS.get(
                name,
                ("is missing", f"{family} needs {', '.join(k for k, r in fields.items() if r)}"),
            )
            raise ScenarioError(f"{place}{name}", None, problem.format(family=family), remedy)


def _value(value: object, place: str, name: str, folder: Folder, units: Units) -> Any:
    """Number, list of numbers, or the server that a table says."""
    if name == "rate" and value == 0:
        raise ScenarioError(place, value, NO_RATE, f"give a positive rate{DRAINED}")
    if name in ("rate", "delay", "cv"):
        return read_number(value, place, above=name == "rate")
    if isinstance(value, dict):
        return _server(f"{place}.", name, value, folder, units)
    if isinstance(value, list) and value:
        return [read_number(v, f"{place}[{i}]") for i, v in enumerate(value)]
    return read_number(value, place)


def _alike(one: Server, other: Server) -> bool:
    return one.family == other.family and one.fields.keys() == other.fields.keys()


def _bank(part: Sequence[Server], units: Units) -> Latency:
    """One bank, its delays in the unit of time of its rates."""
    family = family_named(part[0].family)
    # what says its fields is converted before it looks at them; else its numbers must be of one unit of time
    read = any(isinstance(v, Path) for v in part[0].fields.values())
    declared = family.rates is not None and family.times is not None and not read
    if not (declared or family.scaled is not Latency.scaled or units.delay_factor == 1):
        remedy = f"use units that fit, such as 1/s and s, or say in {family.__name__} which fields are rates and which are times"
        raise ScenarioError(
            "units",
            "of a rate and of a delay",
            f"do not fit, and {part[0].family} does not say its fields'",
            remedy,
        )
    times = (family.times or ()) if declared and units.delay_factor != 1 else ()
    changed = [k for k, v in part[0].fields.items() if k in times or isinstance(v, Server)]
    rows = [{**s.fields, **{k: _converted(s.fields[k], units) for k in changed}} for s in part]
    try:
        bank = family.of_fields(rows)
    except InputError as error:
        raise _placed(part, error) from None
    composed = any(isinstance(v, Server) for v in part[0].fields.values())
    return (
        bank
        if declared or composed or units.delay_factor == 1
        else bank.scaled(1.0, 1.0 / units.delay_factor)
    )


def _converted(value: Any, units: Units) -> Any:
    """A time, or more, or a server within another, in the unit of time of the rates."""
    if isinstance(value, Server):
        return _bank([value], units)
    return (
        [units.from_delay(v) for v in value] if isinstance(value, list) else units.from_delay(value)
    )


def _placed(part: Sequence[Server], error: InputError) -> ScenarioError:
    """The error of a family's constructor, with its place in the file and the number that stands there; or in the file of samples."""
    for name, value in part[0].fields.items():
        if isinstance(value, Path):
            where = "" if error.field == "path" else f": {error.field}"
            return ScenarioError(
                f"{part[0].place}{name}{where}", error.value, error.problem, error.remedy
            )
    said = re.match(r"(\w+)(?:\[(\d+)\])?", error.field)
    name, index = (said[1], int(said[2] or 0)) if said else (error.field, 0)
    server = part[index] if index < len(part) else part[0]
    return ScenarioError(
        f"{server.place}{name}", server.fields.get(name, error.value), error.problem, error.remedy
    )
