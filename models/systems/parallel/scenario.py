"""Scenario files of parallel servers: the servers, their limits, and variants of the servers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...frontend.fields import (
    Folder,
    ScenarioError,
    check_keys,
    read_number,
    read_string,
    read_subtable,
)
from ...frontend.scenario import Described, noted
from ...frontend.servers import Server, banks, servers
from ...frontend.units import Units
from ...latency.base import parameters
from ...latency.registry import family_named
from .decisions.sizes.size_file import PRICED, read_size
from .decisions.weights_report import read_weights
from .linear_limit import Limit
from .rows import Rows
from .scenario_limits import limits
from .system import ParallelServers

FIXED_CV = ("M/M/1", "M/D/1")  # families that are M/G/1 with one cv
WITHOUT_LIMITS = (
    "the limits are those of the optimum; the equilibrium, the price of anarchy, "
    "the variants and the curve are without them"
)
VARIANT_KEYS = ("title", "delay", "cv", "pay")


@dataclass(frozen=True, eq=False)
class Variant:
    """The same servers with other delays or other variability.

    Attributes
    ----------
    name : str
        Name, also of the files that are written.
    title : str
        Title for tables and plots.
    assumed : ParallelServers
        The system whose optimum and equilibrium are computed.
    paid : ParallelServers
        The system whose delays the jobs have at these splits; the same object where the assumed
        delays are the actual ones.
    """

    name: str
    title: str
    assumed: ParallelServers
    paid: ParallelServers


def read(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return the system, variants, notes and limits of a scenario file with ``servers``.

    Parameters
    ----------
    given : mapping
        The parsed TOML file.
    folder : Folder
        Folder that paths are relative to.
    units : Units
        Units of the file.

    Raises
    ------
    ScenarioError
        On a field that does not fit, with its place in the file.
    """
    with noted() as notes:
        listed = servers(given.get("servers"), folder, units, more=PRICED)
        system = _system(listed, units)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # variants read the same files, with the same warnings
        variants = tuple(
            _variant(k, v, listed, system, units)
            for k, v in read_subtable(given, "variants").items()
        )

    def check(limit: Limit) -> None:
        limit.check(system.bank, 0.5 * min(system.total_rate, 2.0))

    kept = limits(given.get("limits", []), {s.name: s.replicas for s in listed}, units, check)
    return Described(
        system,
        variants,
        (*notes, *[WITHOUT_LIMITS] * bool(kept)),
        Rows.of(listed),
        kept,
        settings={"weights": read_weights(given), "size": read_size(given, listed, units)},
    )


def _system(given: Sequence[Server], units: Units) -> ParallelServers:
    return ParallelServers(
        *banks(given, units), names=[name for s in given for name in s.names], time_unit=units.time
    )


def _variant(
    name: str, given: object, listed: Sequence[Server], true: ParallelServers, units: Units
) -> Variant:
    """Return a variant of the listed servers, from its table in the file."""
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
            delays, replicas = zip(
                *((s.fields.get("delay", 0.0), s.replicas) for s in listed), strict=True
            )
            delay = float(np.average(delays, weights=replicas))
        changed = [_with(s, "delay", read_number(delay, f"{place}delay"), place) for s in changed]
    if "cv" in given:
        cv = read_number(given["cv"], f"{place}cv")
        changed = [
            _with(s._replace(family="M/G/1") if s.family in FIXED_CV else s, "cv", cv, place)
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
    title = read_string(given, "title", place, name)
    return Variant(name, title, assumed, true if pay == "true" else assumed)


def _with(server: Server, field: str, value: float, place: str) -> Server:
    """Return the server with another value of a field; ScenarioError where it has no such field."""
    if field not in parameters(family_named(server.family)):
        problem = f"cannot be changed: {server.name} is {server.family}, which has no {field}"
        raise ScenarioError(f"{place}{field}", value, problem, "leave it out of the variant")
    return server.changed(**{field: value})
