"""Scenarios of parallel servers: servers, loads and other readings of the same servers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ....reference.errors import Array, LoadError
from ...frontend.fields import ScenarioError, known, number, table, text
from ...frontend.loads import Loads
from ...frontend.units import Units, units_of
from ...latency.base import parameters
from ...latency.registry import family_named
from .limits import Limit
from .rows import Rows
from .scenario_limits import limits
from .servers import Server, banks, servers
from .system import ParallelServers

TOP_KEYS = ("title", "source", "units", "loads", "servers", "limits", "variants")
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
        In the unit of time of the file's rates.
    load : float
        Operating point, in the file's unit of rates.
    loads : ndarray, shape (K,)
        Loads of the curve, in the file's unit of rates.
    units : Units
        Those of the file, in which people read results.
    variants : tuple of Variant
    rows : Rows
        Rows of tables and files: replicas are one.
    notes : tuple of str
        What was left out of the files that it reads, such as rows with an empty cell.
    limits : tuple of Limit
        Side constraints of the optimum.
    """

    name: str
    title: str
    source: str
    system: ParallelServers
    load: float
    loads: Array
    units: Units
    variants: tuple[Variant, ...]
    rows: Rows
    notes: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def delay_unit(self) -> str:
        """Unit in which the file gives delays, and in which people read them."""
        return self.units.delay

    @property
    def most(self) -> float:
        """Load that none may reach; infinite where no load is too much."""
        return self.system.total_rate

    def load_of(self, text: str, place: str) -> float:
        """Return a load as people write it, such as ``"70%"``; see `Loads.read`."""
        return _loads(self.system, self.units).read(text, place, LoadError)


def read(given: Mapping[str, Any], name: str, folder: Path) -> Scenario:
    """Return the scenario that a TOML table with `servers` says; files that it names are relative to the folder."""
    known(given, TOP_KEYS, "")
    units = units_of(table(given, "units", required=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        listed = servers(given.get("servers"), folder, units)
        system = _system(listed, units)
    notes = tuple(dict.fromkeys(str(w.message) for w in caught))
    at, curve = _loads(system, units).read_all(table(given, "loads"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the same files
        variants = tuple(_variant(k, v, listed, system, units) for k, v in table(given, "variants").items())
    title, source = (text(given, key, "", default) for key, default in (("title", name), ("source", "")))
    kept = limits(given.get("limits", []), listed, units, system, at)
    notes += (WITHOUT_LIMITS,) * bool(kept)
    return Scenario(name, title, source, system, at, curve, units, variants, Rows.of(listed), notes, kept)


def _loads(system: ParallelServers, units: Units) -> Loads:
    return Loads(units, system.total_rate, "total rate", system.check_load)


def _system(given: Sequence[Server], units: Units) -> ParallelServers:
    return ParallelServers(*banks(given, units), names=[name for s in given for name in s.names], time_unit=units.time)


def _variant(name: str, given: object, listed: Sequence[Server], true: ParallelServers, units: Units) -> Variant:
    place = f"variants.{name}."
    if not isinstance(given, dict):
        raise ScenarioError(place[:-1], given, "is not a table", f"write it as [variants.{name}]")
    if not re.fullmatch(r"[\w-]+", name) or name == "curve":
        raise ScenarioError("variants", name, "cannot name the variant's files", "use letters, digits, - and _, and not 'curve'")
    known(given, VARIANT_KEYS, place)
    changed = list(listed)
    if "delay" in given:
        delay = given["delay"]
        if delay == "mean":
            delay = float(np.average([s.fields.get("delay", 0.0) for s in listed], weights=[s.replicas for s in listed]))
        changed = [_with(s, "delay", number(delay, f"{place}delay"), place) for s in changed]
    if "cv" in given:
        cv = number(given["cv"], f"{place}cv")
        changed = [_with(replace(s, family="M/G/1") if s.family in SINGLE else s, "cv", cv, place) for s in changed]
    believed = _system(changed, units)
    pay = given.get("pay", "own")
    if pay not in ("own", "true"):
        raise ScenarioError(f"{place}pay", pay, "is not a way to pay", "use 'true' for the delays of the scenario, or 'own'")
    return Variant(name, text(given, "title", place, name), believed, true if pay == "true" else believed)


def _with(server: Server, field: str, value: float, place: str) -> Server:
    """The server with another number, where its family has such a field."""
    if field not in parameters(family_named(server.family)):
        problem = f"cannot be changed: {server.name} is {server.family}, which has no {field}"
        raise ScenarioError(f"{place}{field}", value, problem, "leave it out of the variant")
    return server.changed(**{field: value})
