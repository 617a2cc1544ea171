"""The servers of a scenario file: tables of numbers of any family to banks of servers, in the unit of time of its rates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sojourn.models.latency import Latency
from sojourn.models.latency.base import parameters
from sojourn.models.latency.registry import family_named
from sojourn.models.scenarios.fields import ScenarioError, known, number, text
from sojourn.models.scenarios.units import Units
from sojourn.reference.errors import InputError

HINTS = {
    "rate": ("is missing", "give the service rate"),
    "cv": ("{family} needs a coefficient of variation", "give cv, 0 or more"),
}


@dataclass(frozen=True)
class Server:
    """One server as a file says it, in the units of the file.

    Attributes
    ----------
    place : str
        Where the file says it, such as ``"servers[0]."``.
    name, family : str
    fields : mapping
        Numbers, lists of numbers, paths, or the servers that it is made of, by field.
    """

    place: str
    name: str
    family: str
    fields: Mapping[str, Any]

    def changed(self, **fields: Any) -> Server:
        """Return the same server with other numbers."""
        return replace(self, fields={**self.fields, **fields})


def servers(given: object, folder: Path) -> list[Server]:
    """Return the servers that a file says, with names of their own; paths are relative to the folder."""
    if not isinstance(given, list) or not given:
        raise ScenarioError("servers", given, "the system has no server", "add a [[servers]] table with a rate")
    out = [_server(f"servers[{i}].", f"server {i + 1}", s, folder) for i, s in enumerate(given)]
    taken: dict[str, str] = {}
    for server in out:
        if server.name in taken:
            problem = f"is the name of {taken[server.name]} too"
            raise ScenarioError(f"{server.place}name", server.name, problem, "give every server its own name")
        taken[server.name] = server.place[:-1]
    return out


def banks(given: Sequence[Server], units: Units) -> list[Latency]:
    """Return the servers in order; neighbours of one family whose fields are plain numbers are one bank."""
    out, start = [], 0
    for end in range(1, len(given) + 1):
        if end < len(given) and _alike(given[start], given[end]):
            continue
        out.append(_bank(given[start:end], units))
        start = end
    return out


def _server(place: str, default: str, given: object, folder: Path) -> Server:
    if not isinstance(given, dict):
        raise ScenarioError(place[:-1], given, "is not a table", "write it as [[servers]]")
    family = given.get("family", "M/G/1" if "cv" in given else "M/M/1")
    try:
        fields = parameters(family_named(family))
    except InputError as error:
        raise ScenarioError(f"{place}family", family, error.problem, error.remedy) from None
    if family in ("M/M/1", "M/D/1") and "cv" in given:
        raise ScenarioError(f"{place}cv", given["cv"], f"{family} has its own", "leave out cv, or use family = 'M/G/1'")
    files = family_named(family).files
    known(given, ("name", "family", *fields, *files), place)
    if not any(name in given for name in files):
        _complete(place, family, fields, given)
    said = {k: _value(v, f"{place}{k}", k, folder) for k, v in given.items() if k in fields or k in files}
    return Server(place, text(given, "name", place, default), family, said)


def _complete(place: str, family: str, fields: Mapping[str, bool], given: Mapping[str, Any]) -> None:
    for name, required in fields.items():
        if required and name not in given:
            problem, remedy = HINTS.get(name, ("is missing", f"{family} needs {', '.join(k for k, r in fields.items() if r)}"))
            raise ScenarioError(f"{place}{name}", None, problem.format(family=family), remedy)


def _value(value: object, place: str, name: str, folder: Path) -> Any:
    """Number, list of numbers, path, or the server that a table says."""
    if name in ("rate", "delay", "cv"):
        return number(value, place, above=name == "rate")
    if isinstance(value, dict):
        return _server(f"{place}.", name, value, folder)
    if isinstance(value, list) and value:
        return [number(v, f"{place}[{i}]") for i, v in enumerate(value)]
    return folder / value if isinstance(value, str) else number(value, place)


def _alike(one: Server, other: Server) -> bool:
    plain = all(isinstance(v, float) for s in (one, other) for v in s.fields.values())
    return plain and one.family == other.family and one.fields.keys() == other.fields.keys()


def _bank(part: Sequence[Server], units: Units) -> Latency:
    """One bank, its delays in the unit of time of its rates."""
    family = family_named(part[0].family)
    # what says its fields is converted before it looks at them; else its numbers must be of one unit of time
    read = any(isinstance(v, Path) for v in part[0].fields.values())
    declared = family.rates is not None and family.times is not None and not read
    if not (declared or family.scaled is not Latency.scaled or units.delay_factor == 1):
        remedy = f"use units that fit, such as 1/s and s, or say in {family.__name__} which fields are rates and which are times"
        raise ScenarioError("units", "of a rate and of a delay", f"do not fit, and {part[0].family} does not say its fields'", remedy)
    times = (family.times or ()) if declared else ()
    rows = [{k: _converted(v, k in times, units) for k, v in s.fields.items()} for s in part]
    try:
        bank = family.of_fields(rows)
    except InputError as error:
        raise _placed(part, error) from None
    composed = any(isinstance(v, Server) for v in part[0].fields.values())
    return bank if declared or composed else bank.scaled(1.0, 1.0 / units.delay_factor)


def _converted(value: Any, time: bool, units: Units) -> Any:
    if isinstance(value, Server):
        return _bank([value], units)
    if not time:
        return value
    return [units.from_delay(v) for v in value] if isinstance(value, list) else units.from_delay(value)


def _placed(part: Sequence[Server], error: InputError) -> ScenarioError:
    """The error of a family's constructor, with its place in the file and the number that stands there; or in the file of samples."""
    for name, value in part[0].fields.items():
        if isinstance(value, Path):
            where = "" if error.field == "path" else f": {error.field}"
            return ScenarioError(f"{part[0].place}{name}{where}", error.value, error.problem, error.remedy)
    said = re.match(r"(\w+)(?:\[(\d+)\])?", error.field)
    name, index = (said[1], int(said[2] or 0)) if said else (error.field, 0)
    server = part[index] if index < len(part) else part[0]
    return ScenarioError(f"{server.place}{name}", server.fields.get(name, error.value), error.problem, error.remedy)
