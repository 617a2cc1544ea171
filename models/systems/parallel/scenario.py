"""Scenarios of parallel servers: servers, loads and other readings of the same servers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....reference.errors import escaped
from ...frontend.fields import (
    Folder,
    ScenarioError,
    check_keys,
    read_number,
    read_string,
    read_subtable,
)
from ...frontend.scenario import Described
from ...frontend.units import Units
from ...latency.base import parameters
from ...latency.registry import family_named
from .rows import Rows
from .scenario_limits import limits
from .servers import Server, banks, servers
from .system import ParallelServers

SINGLE = ("M/M/1", "M/D/1")  # M/G/1 with a cv of their own
WITHOUT_LIMITS = "the limits are those of the optimum; the equilibrium, the price of anarchy, the variants and the curve are without them"
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
    assumed: ParallelServers
    paid: ParallelServers


def read(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return what a TOML file with `servers` describes; files that it names are relative to the folder."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        listed = servers(given.get("servers"), folder, units)
        system = _system(listed, units)
    notes = tuple(dict.fromkeys(escaped(str(w.message)) for w in caught))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the same files
        variants = tuple(
            _variant(k, v, listed, system, units)
            for k, v in read_subtable(given, "variants").items()
        )
    kept = limits(given.get("limits", []), listed, units, system)
    return Described(
        system, variants, notes + (WITHOUT_LIMITS,) * bool(kept), Rows.of(listed), kept
    )


def _system(given: Sequence[Server], units: Units) -> ParallelServers:
    return ParallelServers(
        *banks(given, units), names=[name for s in given for name in s.names], time_unit=units.time
    )


def _variant(
    name: str, given: object, listed: Sequence[Server], true: ParallelServers, units: Units
) -> Variant:
    place = f"variants.{name}."
    if not isinstance(given, dict):
        raise ScenarioError(place[:-1], given, "is not a table", f"write it as [variants.{name}]")
    if not re.fullmatch(r"[\w-]+", name) or name == "curve":
        raise ScenarioError(
            "variants",
            name,
            "cannot name the variant's files",
            "use letters, digits, - and _, and not 'curve'",
        )
    check_keys(given, VARIANT_KEYS, place)
    changed = list(listed)
    if "delay" in given:
        delay = given["delay"]
        if delay == "mean":
            delay = float(
                np.average(
                    [s.fields.get("delay", 0.0) for s in listed],
                    weights=[s.replicas for s in listed],
                )
            )
        changed = [_with(s, "delay", read_number(delay, f"{place}delay"), place) for s in changed]
    if "cv" in given:
        cv = read_number(given["cv"], f"{place}cv")
        changed = [
            _with(s._replace(family="M/G/1") if s.family in SINGLE else s, "cv", cv, place)
            for s in changed
        ]
    assumed = _system(changed, units)
    pay = given.get("pay", "own")
    if pay not in ("own", "true"):
        raise ScenarioError(
            f"{place}pay",
            pay,
            "is not a way to pay",
            "use 'true' for the delays of the scenario, or 'own'",
        )
    return Variant(
        name, read_string(given, "title", place, name), assumed, true if pay == "true" else assumed
    )


def _with(server: Server, field: str, value: float, place: str) -> Server:
    """The server with another number, where its family has such a field."""
    if field not in parameters(family_named(server.family)):
        problem = f"cannot be changed: {server.name} is {server.family}, which has no {field}"
        raise ScenarioError(f"{place}{field}", value, problem, "leave it out of the variant")
    return server.changed(**{field: value})
