"""The limits of a scenario file: a table ``[[limits]]`` for each, with the name of its class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from rich.markup import escape

from ....reference.errors import InputError, escaped
from ....reference.validation import CHOICES
from ...frontend.fields import ScenarioError, check_keys, plain, read_number
from ...frontend.units import Units
from ...latency.base import parameters
from .limits import REGISTRY
from .linear_limit import Limit
from .solution import ShadowPrice

INDEX = "route"  # field of a limit that is an index


def limits(
    given: object,
    replicas: Mapping[str, int],
    units: Units,
    check: Callable[[Limit], object],
    word: str = "server",
) -> tuple[Limit, ...]:
    """Return the limits of a scenario file, after a check that they fit the system.

    Parameters
    ----------
    given : object
        The list of tables, such as ``[[limits]] kind = "MaxShare"``.
    replicas : mapping of str to int
        Number of replicas of each server of the file, by name. A list with one number for each of
        them is repeated for its replicas, and the field ``servers`` has their names.
    units : Units
        Units of the file; times are in its unit of delays.
    check : callable
        ``check(limit)`` raises InputError where the limit does not fit the system of the file.
    word : str
        Noun of a server, for messages.

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
        _limit(table, f"limits[{i}].", replicas, units, check, word)
        for i, table in enumerate(given)
    )


def limit_lines(found: Iterable[ShadowPrice], unit: str) -> Iterator[str]:
    """Yield a line for each limit of an answer, as markup of `rich`; `unit` is that of delays."""
    for limit in found:
        priced = not limit.of_time and limit.price.any()
        yield f"[bold]limit[/] {escape(str(limit))}" + f" {unit} a unit" * bool(priced)


def _limit(
    given: object,
    place: str,
    replicas: Mapping[str, int],
    units: Units,
    check: Callable[[Limit], object],
    word: str,
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
    values = {
        k: _value(v, f"{place}{k}", k, replicas, word) for k, v in given.items() if k != "kind"
    }
    for name in values.keys() & set(kind.times):
        time = values[name]
        several = isinstance(time, list)
        values[name] = [units.from_delay(t) for t in time] if several else units.from_delay(time)
    try:
        limit = kind(**values)
        check(limit)
    except InputError as error:
        # an error of the limit as a whole has the field subject_to, or the name of the class
        whole = error.field in ("subject_to", kind.__name__)
        field = "kind" if whole else error.field.partition(".")[2] or error.field
        value = given["kind"] if whole else error.value
        raise ScenarioError(f"{place}{field}", value, error.problem, error.remedy) from None
    return limit


def _value(value: object, place: str, name: str, replicas: Mapping[str, int], word: str) -> Any:
    """Return a field as text, number, list of numbers, or list of indices of named servers.

    A list with a number for each server of the file is repeated for their replicas.
    """
    if name == INDEX:
        return value
    counts = list(replicas.values())
    if name == "servers":
        index = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
        rows = dict(zip(replicas, index, strict=True))
        if not isinstance(value, list) or not value:
            raise ScenarioError(place, value, f"is not a list of {word}s", "give their names")
        for i, chosen in enumerate(value):
            if not isinstance(chosen, str) or plain(chosen) not in rows:
                some = ", ".join(list(rows)[:CHOICES]) + ", ..." * (len(rows) > CHOICES)
                problem, remedy = f"is not the name of a {word}", f"use {some}"
                raise ScenarioError(f"{place}[{i}]", chosen, problem, remedy)
        return np.concatenate([rows[plain(chosen)] for chosen in value]).tolist()
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [_value(row, f"{place}[{j}]", name, replicas, word) for j, row in enumerate(value)]
    if isinstance(value, list):
        numbers = [
            v
            if isinstance(v, str) and v.endswith("%")
            else read_number(v, f"{place}[{i}]", signed=True)
            for i, v in enumerate(value)
        ]
        if len(numbers) != len(counts):
            return numbers
        return [v for v, times in zip(numbers, counts, strict=True) for _ in range(times)]
    return escaped(value) if isinstance(value, str) else read_number(value, place, signed=True)
