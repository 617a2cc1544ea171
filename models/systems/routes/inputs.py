"""Checks of the loads, delays and routes that users give, by name or in order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ....reference.errors import Array, InputError
from ....reference.validation import as_float, as_floats, as_names, list_or_none, raise_at_first

SHOWN = 12  # names that a message lists
IDLE = "leave a group without a load out"


def by_name(field: str, value: Any, what: str, example: str) -> dict[Any, Any]:
    """Return a mapping, or a Series of pandas, as a dict; InputError on anything else.

    Parameters
    ----------
    field : str
        Name of the field, for errors.
    value : mapping
    what : str
        What it is a mapping of, such as ``"names of groups to loads"``.
    example : str
        One that is right.
    """
    try:
        return {key: value[key] for key in value.keys()}  # noqa: SIM118 (a Series has keys)
    except Exception:  # an object may raise anything
        problem = f"is not a mapping from {what}"
        raise InputError(field, value, problem, f"give {example}") from None


def has(value: Any, *names: str) -> bool:
    """Return whether a value has all the attributes; not if one of them raises an error."""
    try:
        return all(hasattr(value, name) for name in names)
    except Exception:  # an object may raise anything
        return False


def is_mapping(value: Any) -> bool:
    """Return whether a value is a mapping, or a Series of pandas."""
    return has(value, "keys", "__getitem__")


def check_known(field: str, names: Collection[Any], known: Sequence[Any], word: str) -> None:
    """Raise InputError at the first of some names that is not known."""
    for name in names:
        if name not in known:
            listed = ", ".join(map(str, known[:SHOWN]))
            remedy = f"use {listed}{' or others' if len(known) > SHOWN else ''}"
            raise InputError(field, name, f"is not a {word}", remedy)


def named_loads(load: Any, word: str = "group") -> tuple[tuple[str, ...], Array]:
    """Return the names and loads of groups, from a mapping by name or a list of loads.

    Raises
    ------
    InputError
        Where there is no group, or a load is not above 0 and finite.
    """
    problem, remedy = "is not above 0 and finite", IDLE
    names: Sequence[str] | None = None
    if is_mapping(load):
        named = by_name("load", load, "groups to loads", '{"north": 90, "south": 60}')
        names = list(as_names("load", word, list(named), len(named)))
        places = [f"load[{name!r}]" for name in names]
        loads = np.array([as_float(p, v) for p, v in zip(places, named.values(), strict=True)])
        for place, value in zip(places, loads.tolist(), strict=True):
            if not 0 < value < np.inf:
                raise InputError(place, value, problem, remedy)
    else:
        loads = as_floats("load", load)
    if loads.ndim != 1 or not loads.size:
        problem = "is not a load for each group"
        raise InputError("load", load, problem, 'give {"north": 90, "south": 60} or [90, 60]')
    raise_at_first("load", loads, (loads > 0) & (loads < np.inf), problem, remedy)
    return as_names("load", word, names, loads.size), loads


def as_rows(
    field: str, value: Any, groups: tuple[str, ...], stations: tuple[str, ...], word: str
) -> Array:
    """Return numbers by group and station as an array of shape (G, n).

    Parameters
    ----------
    field : str
        Name of the field, for errors.
    value : array_like, mapping or DataFrame
        One number, one row for all groups, or all rows; or the rows by the names of the groups. A
        row is a list, or a mapping from the names of the stations.
    groups, stations : tuple of str
        Names.
    word : str
        Noun of a station, for errors.
    """
    if is_mapping(value):
        if has(value, "iterrows"):  # a DataFrame of pandas
            value = dict(value.iterrows())
        named = by_name(field, value, "groups to rows of numbers", "a row for each group")
        check_known(field, named, groups, "group")
        _check_complete(field, named, groups)
        rows = [_row(f"{field}[{name!r}]", named[name], stations, word) for name in groups]
        return np.array(rows, dtype=np.float64)
    array, shape = as_floats(field, value), (len(groups), len(stations))
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        problem = f"has shape {array.shape}, not {shape}: a row a group, a number a {word}"
        raise InputError(field, value, problem, "give one number, one row or all rows") from None


def _row(field: str, value: Any, stations: tuple[str, ...], word: str) -> Array:
    """Return one number for each of n stations."""
    if is_mapping(value):
        named = by_name(field, value, f"{word}s to numbers", f"a number for each {word}")
        check_known(field, named, stations, word)
        _check_complete(field, named, stations)
        return np.array([as_float(f"{field}[{s!r}]", named[s]) for s in stations])
    array = as_floats(field, value)
    if array.shape not in ((), (len(stations),)):
        problem = f"has shape {array.shape}, not ({len(stations)},): a number a {word}"
        raise InputError(field, value, problem, "give one number, or one each")
    return np.broadcast_to(array, len(stations))


def _check_complete(field: str, named: Mapping[Any, Any], names: Sequence[str]) -> None:
    """Raise InputError at the first name without an entry."""
    for name in names:
        if name not in named:
            raise InputError(f"{field}[{name!r}]", None, "is missing", "give one for each name")


def as_table(field: str, value: Any) -> Any:
    """Return a value that is None, a mapping, or rows; InputError where it cannot be read."""
    try:
        np.asarray(value, dtype=object)
    except Exception:  # an object may raise anything
        raise InputError(field, value, "has no rows", "give a row for each group") from None
    return value


def entries(field: str, value: Any, what: str, example: str) -> list[Any]:
    """Return the entries of a list of one or more; InputError on others, such as a name."""
    given = list_or_none(value)
    if not given:
        problem = f"is empty: it needs {what}" if given == [] else f"is not a list of {what}"
        raise InputError(field, value, problem, f"give {example}")
    return given
