"""From a TOML file to a system, its loads and its variants; every mistake is named with its place."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sojourn.models.latency import MD1, MG1, MM1, Latency
from sojourn.models.systems.parallel import ParallelServers
from sojourn.reference.errors import Array, InputError

SECONDS = {"s": 1.0, "ms": 1e-3}
PER_SECOND = {"1/s": 1.0, "1/ms": 1e3}
FAMILIES = {"M/M/1": MM1, "M/D/1": MD1, "M/G/1": MG1}
TOP_KEYS = ("title", "source", "units", "loads", "servers", "variants")
SERVER_KEYS = ("name", "family", "rate", "delay", "cv")
VARIANT_KEYS = ("title", "delay", "cv", "pay")


class ScenarioError(InputError):
    """A scenario file that does not say a system; the field is its place in the file."""


@dataclass(frozen=True, eq=False)
class Variant:
    """Another reading of the same servers.

    Attributes
    ----------
    name, title : str
    believed : ParallelServers
        What the decision is made on.
    paid : ParallelServers
        What the jobs then see; the same object where nobody is mistaken.
    """

    name: str
    title: str
    believed: ParallelServers
    paid: ParallelServers


@dataclass(frozen=True, eq=False)
class Scenario:
    """A system written down, with the loads to look at.

    Attributes
    ----------
    name, title, source : str
        `source` says where the numbers are from.
    system : ParallelServers
        In seconds and jobs per second.
    load : float
        Operating point, jobs per second.
    loads : ndarray, shape (K,)
        Loads of the curve, jobs per second.
    delay_unit : {"s", "ms"}
        Unit in which the file states delays, and in which people read them.
    variants : tuple of Variant
    """

    name: str
    title: str
    source: str
    system: ParallelServers
    load: float
    loads: Array
    delay_unit: Literal["s", "ms"]
    variants: tuple[Variant, ...]


def names() -> tuple[str, ...]:
    """Return the names of the built-in scenarios."""
    folder = resources.files("sojourn.models.scenarios")
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_scenario(scenario: str | Path) -> Scenario:
    """Load a built-in scenario by name, or one from a TOML file.

    Parameters
    ----------
    scenario : str or Path
        ``"scenario-1"``, ``"1"``, or the path of a file.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        When there is no such scenario, when the file is not TOML (with the line), or on an unknown key or unit or a value that no system has.

    Examples
    --------
    >>> load_scenario("scenario-1").system
    ParallelServers(3 servers, total rate 380)
    """
    text, name = str(scenario), Path(scenario).stem
    for built_in in (text, f"scenario-{text}"):
        if built_in in names():
            return parse(
                resources.files("sojourn.models.scenarios").joinpath(f"{built_in}.toml").read_text(encoding="utf-8"),
                built_in,
            )
    path = Path(scenario)
    try:
        there = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        near = difflib.get_close_matches(text, names(), 1)
        remedy = f"did you mean {near[0]}?" if near else f"give a TOML file or one of {', '.join(names())}"
        raise ScenarioError("scenario", text, "is neither a file nor a built-in scenario", remedy)
    try:
        return parse(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError("scenario", text, f"cannot be read ({error})", "give a text file in UTF-8") from None


def parse(text: str, name: str) -> Scenario:
    """Return the scenario that a TOML text says; see `load_scenario`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError("file", name, f"is not valid TOML: {error}", "correct that line") from None
    _known(table, TOP_KEYS, "")
    units = _table(table, "units", required=True)
    _known(units, ("rate", "delay"), "units.")
    per_second = _unit(units, "rate", PER_SECOND)
    seconds = _unit(units, "delay", SECONDS)
    servers = _servers(table.get("servers"))
    system = _system(servers, per_second, seconds)
    load, loads = _loads(_table(table, "loads"), system)
    variants = tuple(_variant(k, v, servers, system, per_second, seconds) for k, v in _table(table, "variants").items())
    title, source = (_text(table, key, "", default) for key, default in (("title", name), ("source", "")))
    return Scenario(name, title, source, system, load, loads, units["delay"], variants)


def _system(servers: Sequence[Mapping[str, Any]], per_second: float, seconds: float) -> ParallelServers:
    """Servers in file order; neighbours of one family are one bank."""
    banks: list[Latency] = []
    start = 0
    for end in range(1, len(servers) + 1):
        if end < len(servers) and servers[end]["family"] == servers[start]["family"]:
            continue
        part = servers[start:end]
        fields = {"rate": [s["rate"] * per_second for s in part], "delay": [s["delay"] * seconds for s in part]}
        if part[0]["family"] == "M/G/1":
            fields["cv"] = [s["cv"] for s in part]
        banks.append(FAMILIES[part[0]["family"]](**fields))
        start = end
    return ParallelServers(*banks, names=[s["name"] for s in servers], time_unit="s")


def _servers(given: object) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given:
        raise ScenarioError("servers", given, "the system has no server", "add a [[servers]] table with a rate")
    out = [_server(i, s) for i, s in enumerate(given)]
    taken: dict[str, int] = {}
    for i, server in enumerate(out):
        if server["name"] in taken:
            problem = f"is the name of servers[{taken[server['name']]}] too"
            raise ScenarioError(f"servers[{i}].name", server["name"], problem, "give every server its own name")
        taken[server["name"]] = i
    return out


def _server(index: int, given: object) -> dict[str, Any]:
    place = f"servers[{index}]."
    if not isinstance(given, dict):
        raise ScenarioError(place[:-1], given, "is not a table", "write it as [[servers]]")
    _known(given, SERVER_KEYS, place)
    if "rate" not in given:
        raise ScenarioError(f"{place}rate", None, "is missing", "give the service rate")
    family = given.get("family", "M/G/1" if "cv" in given else "M/M/1")
    if not isinstance(family, str) or family not in FAMILIES:
        raise ScenarioError(f"{place}family", family, "is not a known family", f"use one of {', '.join(FAMILIES)}")
    if family != "M/G/1" and "cv" in given:
        raise ScenarioError(f"{place}cv", given["cv"], f"{family} has its own", "leave out cv, or use family = 'M/G/1'")
    if family == "M/G/1" and "cv" not in given:
        raise ScenarioError(f"{place}cv", None, "M/G/1 needs a coefficient of variation", "give cv, 0 or more")
    server: dict[str, Any] = {"name": _text(given, "name", place, f"server {index + 1}"), "family": family}
    server["rate"] = _number(given["rate"], f"{place}rate", above=True)
    server["delay"] = _number(given.get("delay", 0.0), f"{place}delay")
    server["cv"] = _number(given.get("cv", 1.0 if family == "M/M/1" else 0.0), f"{place}cv")
    return server


def _variant(name: str, given: object, servers: list[dict[str, Any]], true: ParallelServers, per_second: float, seconds: float) -> Variant:
    place = f"variants.{name}."
    if not isinstance(given, dict):
        raise ScenarioError(place[:-1], given, "is not a table", f"write it as [variants.{name}]")
    if not re.fullmatch(r"[\w-]+", name) or name == "curve":
        raise ScenarioError("variants", name, "cannot name the variant's files", "use letters, digits, - and _, and not 'curve'")
    _known(given, VARIANT_KEYS, place)
    changed = [dict(s) for s in servers]
    if "delay" in given:
        delay = given["delay"]
        if delay == "mean":
            delay = float(np.mean([s["delay"] for s in servers]))
        for server in changed:
            server["delay"] = _number(delay, f"{place}delay")
    if "cv" in given:
        cv = _number(given["cv"], f"{place}cv")
        for server in changed:
            server.update(cv=cv, family="M/G/1")
    believed = _system(changed, per_second, seconds)
    pay = given.get("pay", "own")
    if pay not in ("own", "true"):
        raise ScenarioError(f"{place}pay", pay, "is not a way to pay", "use 'true' for the delays of the scenario, or 'own'")
    return Variant(name, _text(given, "title", place, name), believed, true if pay == "true" else believed)


def _loads(given: Mapping[str, Any], system: ParallelServers) -> tuple[float, Array]:
    _known(given, ("at", "curve"), "loads.")
    at = absolute(_number(given.get("at", 0.5), "loads.at", above=True), system)
    curve = given.get("curve", {"from": 0.01, "to": 0.99, "points": 99})
    if isinstance(curve, dict):
        _known(curve, ("from", "to", "points"), "loads.curve.")
        start, end = (_number(curve.get(k, d), f"loads.curve.{k}", above=True) for k, d in (("from", 0.01), ("to", 0.99)))
        points = curve.get("points", 99)
        if not isinstance(points, int) or isinstance(points, bool) or not 1 <= points <= 1_000_000:
            raise ScenarioError("loads.curve.points", points, "is not a number of points", "give a whole number from 1 to 1000000")
        values = np.linspace(absolute(start, system), absolute(end, system), points)
    elif isinstance(curve, list) and curve:
        values = np.array([absolute(_number(v, f"loads.curve[{i}]", above=True), system) for i, v in enumerate(curve)])
    else:
        raise ScenarioError("loads.curve", curve, "is not a list of loads", "give [0.1, 0.5] or { from = 0.01, to = 0.99, points = 99 }")
    for i, value in enumerate((at, *values)):
        _checked(system, value, "loads.at" if i == 0 else f"loads.curve[{i - 1}]")
    return at, values


def absolute(load: float, system: ParallelServers) -> float:
    """Return a load in jobs per second: below 1 it is a part of the total rate."""
    return load * system.total_rate if 0 < load < 1 else load


def _checked(system: ParallelServers, load: float, place: str) -> None:
    try:
        system.check_load(load)
    except InputError as error:
        raise ScenarioError(place, load, error.problem, error.remedy) from None


def _known(given: Mapping[str, Any], keys: Sequence[str], place: str) -> None:
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            remedy = f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(keys)}"
            raise ScenarioError(f"{place}{key}", given[key], "is not a known key", remedy)


def _table(given: Mapping[str, Any], key: str, *, required: bool = False) -> Mapping[str, Any]:
    value = given.get(key, {})
    if not isinstance(value, dict) or (required and not value):
        what = "is missing" if key not in given else "is not a table"
        raise ScenarioError(key, value, what, f"write it as [{key}]" + (' with rate = "1/s" and delay = "ms"' if required else ""))
    return value


def _unit(units: Mapping[str, Any], key: str, known: Mapping[str, float]) -> float:
    unit = units.get(key)
    if not isinstance(unit, str) or unit not in known:
        raise ScenarioError(
            f"units.{key}",
            unit,
            "is missing" if unit is None else "is not a known unit",
            f"use one of {', '.join(known)}",
        )
    return known[unit]


def _number(value: object, place: str, *, above: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(place, value, "is not a number", "give a number")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or value < 0 or (above and value == 0):
        raise ScenarioError(place, value, "is out of range", "give a finite number above 0" if above else "give 0 or more")
    return value


def _text(given: Mapping[str, Any], key: str, place: str, default: str) -> str:
    value = given.get(key, default)
    if not isinstance(value, str) or (not value.strip() and key != "source"):
        raise ScenarioError(f"{place}{key}", value, "is not text", "give some text in quotes")
    return value
