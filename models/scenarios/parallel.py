"""Scenarios of parallel servers: servers, loads and other readings of the same servers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sojourn.models.latency import MD1, MG1, MM1, Latency
from sojourn.models.scenarios.fields import PER_SECOND, SECONDS, ScenarioError, known, loads, number, table, text, unit
from sojourn.models.systems.parallel import ParallelServers
from sojourn.reference.errors import Array

FAMILIES = {"M/M/1": MM1, "M/D/1": MD1, "M/G/1": MG1}
TOP_KEYS = ("title", "source", "units", "loads", "servers", "variants")
SERVER_KEYS = ("name", "family", "rate", "delay", "cv")
VARIANT_KEYS = ("title", "delay", "cv", "pay")


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


def read(given: Mapping[str, Any], name: str) -> Scenario:
    """Return the scenario that a TOML table with `servers` says."""
    known(given, TOP_KEYS, "")
    units = table(given, "units", required=True)
    known(units, ("rate", "delay"), "units.")
    per_second = unit(units, "rate", PER_SECOND)
    seconds = unit(units, "delay", SECONDS)
    servers = _servers(given.get("servers"))
    system = _system(servers, per_second, seconds)
    at, curve = loads(table(given, "loads"), system.total_rate, system.check_load)
    variants = tuple(_variant(k, v, servers, system, per_second, seconds) for k, v in table(given, "variants").items())
    title, source = (text(given, key, "", default) for key, default in (("title", name), ("source", "")))
    return Scenario(name, title, source, system, at, curve, units["delay"], variants)


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
    known(given, SERVER_KEYS, place)
    if "rate" not in given:
        raise ScenarioError(f"{place}rate", None, "is missing", "give the service rate")
    family = given.get("family", "M/G/1" if "cv" in given else "M/M/1")
    if not isinstance(family, str) or family not in FAMILIES:
        raise ScenarioError(f"{place}family", family, "is not a known family", f"use one of {', '.join(FAMILIES)}")
    if family != "M/G/1" and "cv" in given:
        raise ScenarioError(f"{place}cv", given["cv"], f"{family} has its own", "leave out cv, or use family = 'M/G/1'")
    if family == "M/G/1" and "cv" not in given:
        raise ScenarioError(f"{place}cv", None, "M/G/1 needs a coefficient of variation", "give cv, 0 or more")
    server: dict[str, Any] = {"name": text(given, "name", place, f"server {index + 1}"), "family": family}
    server["rate"] = number(given["rate"], f"{place}rate", above=True)
    server["delay"] = number(given.get("delay", 0.0), f"{place}delay")
    server["cv"] = number(given.get("cv", 1.0 if family == "M/M/1" else 0.0), f"{place}cv")
    return server


def _variant(name: str, given: object, servers: list[dict[str, Any]], true: ParallelServers, per_second: float, seconds: float) -> Variant:
    place = f"variants.{name}."
    if not isinstance(given, dict):
        raise ScenarioError(place[:-1], given, "is not a table", f"write it as [variants.{name}]")
    if not re.fullmatch(r"[\w-]+", name) or name == "curve":
        raise ScenarioError("variants", name, "cannot name the variant's files", "use letters, digits, - and _, and not 'curve'")
    known(given, VARIANT_KEYS, place)
    changed = [dict(s) for s in servers]
    if "delay" in given:
        delay = given["delay"]
        if delay == "mean":
            delay = float(np.mean([s["delay"] for s in servers]))
        for server in changed:
            server["delay"] = number(delay, f"{place}delay")
    if "cv" in given:
        cv = number(given["cv"], f"{place}cv")
        for server in changed:
            server.update(cv=cv, family="M/G/1")
    believed = _system(changed, per_second, seconds)
    pay = given.get("pay", "own")
    if pay not in ("own", "true"):
        raise ScenarioError(f"{place}pay", pay, "is not a way to pay", "use 'true' for the delays of the scenario, or 'own'")
    return Variant(name, text(given, "title", place, name), believed, true if pay == "true" else believed)
