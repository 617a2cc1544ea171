"""The limits of a scenario file: a table ``[[limits]]`` for each, with the name of its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....reference.errors import InputError, escaped
from ...frontend.fields import ScenarioError, check_keys, read_number
from ...frontend.servers import Server
from ...frontend.units import Units
from ...latency.base import parameters
from .limits import REGISTRY
from .linear_limit import Limit
from .system import ParallelServers


def limits(
    given: object, listed: Sequence[Server], units: Units, system: ParallelServers
) -> tuple[Limit, ...]:
    """Return the limits of a scenario file, after a check that they fit the system.

    Parameters
    ----------
    given : object
        The list of tables, such as ``[[limits]] kind = "MaxShare"``.
    listed : sequence of Server
        The servers of the file. A list with one number for each of them is repeated for its
        replicas, and the field ``servers`` has their names.
    units : Units
        Units of the file; times are in its unit of delays.
    system : ParallelServers
        The system of the file.

    Raises
    ------
    ScenarioError
        On a table that is not a limit, or a limit that does not fit.
    """
    if not isinstance(given, list):
        raise ScenarioError(
            "limits", given, "is not a list of tables", "write each as [[limits]] with a kind"
        )
    return tuple(
        _limit(table, f"limits[{i}].", listed, units, system) for i, table in enumerate(given)
    )


def _limit(
    given: object, place: str, listed: Sequence[Server], units: Units, system: ParallelServers
) -> Limit:
    """Return the limit of one table; ScenarioError, with its place, where it does not fit."""
    if not isinstance(given, Mapping):
        raise ScenarioError(place[:-1], given, "is not a table", "write it as [[limits]]")
    try:
        kind = REGISTRY.named(given.get("kind"))
    except InputError as error:
        raise ScenarioError(f"{place}kind", error.value, error.problem, error.remedy) from None
    fields = parameters(kind)
    check_keys(given, ("kind", *fields), place)
    needed = [name for name, required in fields.items() if required]
    for name in needed:
        if name not in given:
            raise ScenarioError(
                f"{place}{name}", None, "is missing", f"{given['kind']} needs {', '.join(needed)}"
            )
    values = {k: _value(v, f"{place}{k}", k, listed) for k, v in given.items() if k != "kind"}
    for name in values.keys() & set(kind.times):
        time = values[name]
        several = isinstance(time, list)
        values[name] = [units.from_delay(t) for t in time] if several else units.from_delay(time)
    try:
        limit = kind(**values)
        limit.linearise(system.bank, 0.5 * min(system.total_rate, 2.0))._checked(len(system))
    except InputError as error:
        raise ScenarioError(
            f"{place}{error.field.partition('.')[2] or error.field}",
            error.value,
            error.problem,
            error.remedy,
        ) from None
    return limit


def _value(value: object, place: str, name: str, listed: Sequence[Server]) -> Any:
    """Return a field as text, number, list of numbers, or list of indices of named servers.

    A list with a number for each server of the file is repeated for their replicas.
    """
    replicas = [s.replicas for s in listed]
    if name == "servers":
        index = np.split(np.arange(sum(replicas)), np.cumsum(replicas)[:-1])
        rows = {s.name: own for s, own in zip(listed, index, strict=True)}
        if not isinstance(value, list) or not value:
            raise ScenarioError(place, value, "is not a list of servers", "give their names")
        for i, chosen in enumerate(value):
            if not isinstance(chosen, str) or escaped(chosen) not in rows:
                raise ScenarioError(
                    f"{place}[{i}]", chosen, "is not the name of a server", f"use {', '.join(rows)}"
                )
        return np.concatenate([rows[escaped(chosen)] for chosen in value]).tolist()
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [_value(row, f"{place}[{j}]", name, listed) for j, row in enumerate(value)]
    if isinstance(value, list):
        numbers = [
            v
            if isinstance(v, str) and v.endswith("%")
            else read_number(v, f"{place}[{i}]", signed=True)
            for i, v in enumerate(value)
        ]
        if len(numbers) != len(replicas):
            return numbers
        return [v for v, times in zip(numbers, replicas, strict=True) for _ in range(times)]
    return escaped(value) if isinstance(value, str) else read_number(value, place, signed=True)
