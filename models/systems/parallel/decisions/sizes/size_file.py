"""Sizes in scenario files: the table ``[size]``, and prices and bounds of rates of the servers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ......reference.errors import Array
from .....frontend.fields import ScenarioError, check_keys, read_number, read_subtable
from .....frontend.servers import Server
from .....frontend.units import Units
from ...late_share import LateShare
from ...limits import ServerPercentile
from .problem import SPLITS, Target
from .targets import MeanDelay, RateBudget, ServerDelay

PRICED = ("rate_price", "max_rate", "min_rate", "opening")
"""Keys of a server for sizes."""
DEFAULTS = {"max_rate": math.inf, "min_rate": 0.0, "opening": 0.0}
DECIDING = ("budget", "mean_delay", "delay_cost")
KEYS = (*DECIDING, "server_delay", "server_percentile", "late_share", "split", "minimise")


class SizeSettings(NamedTuple):
    """Table ``[size]`` of a scenario file, and the numbers of its servers, in the system's units.

    Attributes
    ----------
    servers : mapping of str to ndarray, shape (n,)
        Prices and bounds that the servers have, by the names of `PRICED`.
    deciding : mapping of str to float
        Budget, mean delay or price of delay, in the units of the file.
    targets : tuple
        Targets of servers and of late jobs.
    split : str or ndarray, shape (n,)
        Split.
    minimise : str or None
        Minimised quantity.
    """

    servers: Mapping[str, Array]
    deciding: Mapping[str, float]
    targets: tuple[Target, ...]
    split: Any
    minimise: Any

    def asked(self, units: Units, changed: Mapping[str, float]) -> dict[str, Any]:
        """Return the arguments of `ParallelServers.size`.

        Parameters
        ----------
        units : Units
            Units of the file.
        changed : mapping of str to float
            A budget, mean delay or price of delay that holds in place of that of the file.
        """
        deciding, targets = changed or self.deciding, list(self.targets)
        if "budget" in deciding:
            targets.append(RateBudget(deciding["budget"]))
        if "mean_delay" in deciding:
            targets.append(MeanDelay(units.from_delay(deciding["mean_delay"])))
        weight = deciding.get("delay_cost")
        return {
            "rate_price": 1.0,
            **self.servers,
            "subject_to": targets,
            "split": self.split,
            "minimise": None if changed else self.minimise,
            # money per job and unit of delay of the file becomes that per unit of the rates
            "delay_cost": None if weight is None else weight * units.delay_factor,
        }


def read_size(given: Mapping[str, Any], listed: Sequence[Server], units: Units) -> SizeSettings:
    """Return the settings of sizes of a scenario file; ScenarioError on others.

    Parameters
    ----------
    given : mapping
        The whole file.
    listed : sequence of Server
        Its servers.
    units : Units
        Units of the file.
    """
    found = read_subtable(given, "size")
    check_keys(found, KEYS, "size.")
    servers = {
        name: _column(listed, name) for name in PRICED if any(name in s.more for s in listed)
    }
    deciding = {
        name: read_number(found[name], f"size.{name}", above=True)
        for name in DECIDING
        if name in found
    }
    targets: list[Target] = []
    if "server_delay" in found:
        time = _each(found["server_delay"], "size.server_delay", listed)
        targets.append(ServerDelay([units.from_delay(t) for t in time]))
    if "server_percentile" in found:
        p, within = _pair(found, "server_percentile", ("p", "within"))
        targets.append(ServerPercentile(p, units.from_delay(within)))
    if "late_share" in found:
        within, at_most = _pair(found, "late_share", ("within", "at_most"))
        targets.append(LateShare(units.from_delay(within), at_most))
    split = found.get("split", SPLITS[0])
    if isinstance(split, list):
        replicas = np.repeat([s.replicas for s in listed], [s.replicas for s in listed])
        split = np.array(_each(split, "size.split", listed)) / replicas
    elif split not in SPLITS:
        problem, remedy = "is not a split", f"use {', '.join(SPLITS)} or a list of shares"
        raise ScenarioError("size.split", split, problem, remedy)
    minimise = found.get("minimise")
    if minimise not in (None, "delay", "cost"):
        raise ScenarioError("size.minimise", minimise, "is not minimised", "use delay or cost")
    return SizeSettings(servers, deciding, tuple(targets), split, minimise)


def _column(listed: Sequence[Server], name: str) -> Array:
    """Return a number of each server with its replicas, in the units of the file."""
    values = []
    for server in listed:
        if name not in server.more and name not in DEFAULTS:
            problem, remedy = "is missing", "give every server one, or none"
            raise ScenarioError(f"{server.place}{name}", None, problem, remedy)
        values.append(server.more.get(name, DEFAULTS.get(name, 0.0)))
    return np.repeat(np.array(values, dtype=float), [s.replicas for s in listed])


def _each(value: Any, place: str, listed: Sequence[Server]) -> list[float]:
    """Return one number for each server with its replicas, from one number or one for each row."""
    rows = value if isinstance(value, list) else [value] * len(listed)
    if len(rows) != len(listed):
        problem = f"is not one number for each of {len(listed)} servers"
        raise ScenarioError(place, value, problem, "give one for each [[servers]] table")
    indexed = isinstance(value, list)
    numbers = [read_number(v, f"{place}[{i}]" if indexed else place) for i, v in enumerate(rows)]
    pairs = zip(numbers, listed, strict=True)
    return [number for number, server in pairs for _ in range(server.replicas)]


def _pair(found: Mapping[str, Any], key: str, names: tuple[str, str]) -> list[float]:
    """Return the two numbers of a table."""
    table, place = read_subtable(found, key), f"size.{key}."
    check_keys(table, names, place)
    for name in names:
        if name not in table:
            example = f"{key} = {{ {names[0]} = ..., {names[1]} = ... }}"
            raise ScenarioError(f"{place}{name}", None, "is missing", f"write {example}")
    return [read_number(table[name], f"{place}{name}", above=True) for name in names]
