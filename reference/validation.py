"""Checks of a user's values: each returns the value as the library uses it, or raises `InputError`."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .errors import Array, InputError, LoadError

Given = TypeVar("Given")
Rest = ParamSpec("Rest")

SMALLEST, LARGEST = 5e-324, float(np.finfo(float).max)
LEAST = 1e-300  # of a load or a rate: what is below has no inverse, or none of its parts, in floats
PERCENT = re.compile(r"(\d+\.?\d*|\.\d+)\s*%")
PLAIN = frozenset(
    {float, int, np.float64, np.int64}
)  # types of numbers that are nothing but numbers


def as_floats(field: str, value: object) -> Array:
    """Return `value` as an array of float64.

    Raises
    ------
    InputError
        When it is not made of numbers, or an entry is more than a number: has a unit, a mask or an imaginary part, or is true or false.
    """
    try:
        _refuse_more(field, value)
        raw = np.asarray(value)
        # NumPy would read "4" as 4 and None as nan
        if raw.dtype.kind in "USVmM" or (
            raw.dtype.kind == "O"
            and any(v is None or isinstance(v, str | bytes) for v in raw.ravel())
        ):
            raise TypeError
        _refuse_more(field, raw)
        return np.array(raw, dtype=np.float64)
    except InputError:
        raise
    except Exception:  # whatever an object raises that is asked for its numbers
        raise InputError(
            field, value, "is not made of numbers", "give a number or an array of numbers"
        ) from None


def _refuse_more(field: str, value: Any) -> None:
    """Raise InputError on what NumPy would make a plain number of without a word."""
    if isinstance(value, list | tuple):
        if not PLAIN.issuperset(map(type, value)):
            for i, entry in enumerate(value):
                _refuse_more(place(field, (i,)), entry)
        return
    unit = unit_of(value)
    if unit is not None:
        raise InputError(
            field,
            value,
            f"has a unit of its own, {unit}",
            "give the number in the unit that all share",
        )
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        first = tuple(np.argwhere(np.ma.getmaskarray(value))[0].tolist())
        raise InputError(
            place(field, first),
            np.ma.masked,
            "has no number",
            "give one there, or leave the entry out",
        )
    if isinstance(value, np.ndarray) and value.dtype.kind in "Ocb":
        for index, entry in np.ndenumerate(value):
            _refuse_more(place(field, index), entry)
    if isinstance(value, complex | np.complexfloating):
        raise InputError(field, value, "is a complex number", "give a real number")
    if isinstance(value, bool | np.bool_):
        raise InputError(field, value, "is true or false, not a number", "give a number")


def unit_of(value: Any) -> str | None:
    """Unit that a quantity of pint, astropy, unyt and the like carries, also in an xarray; None where it is a plain number."""
    if isinstance(value, timedelta | np.timedelta64):
        return type(value).__name__
    if isinstance(value, np.ndarray) and value.dtype.kind == "m":
        return str(value.dtype)
    for held in (value, getattr(value, "data", None)):
        if hasattr(held, "magnitude") or hasattr(held, "value"):
            for name in ("units", "unit"):
                if (unit := getattr(held, name, None)) is not None:
                    return str(unit)
    return None


def place(field: str, index: tuple[int, ...]) -> str:
    """Name of an entry: ``"rate[2]"``; of a field that is one number the field itself."""
    return field + "".join(f"[{i}]" for i in index)


def as_fractions(field: str, value: object, whole: str, *, ends: bool = True) -> Array:
    """Return parts of a whole, from 0 to 1, or between where the ends are none; the error of a percentage says what it is as a part.

    Raises
    ------
    InputError
        When a part is no number, or out of range.
    """
    try:
        array = as_floats(field, value)
    except InputError:
        several = list_or_none(value)
        for i, entry in enumerate([value] if several is None else several):
            if isinstance(entry, str) and (said := PERCENT.fullmatch(entry.strip())):
                where = place(field, () if several is None else (i,))
                raise InputError(
                    where, entry, "is not a number", _as_part(float(said[1]))
                ) from None
        raise
    good = (array >= 0) & (array <= 1) if ends else (array > 0) & (array < 1)
    for first in array[~good][:1]:
        remedy = (
            _as_part(first)
            if 2 <= first <= 100
            else f"give a number {'from 0 to' if ends else 'between 0 and'} 1"
        )
        raise_at_first(field, array, good, f"is not a part of {whole}", remedy)
    return array


def _as_part(percent: float) -> str:
    return f"write {percent:g} % as {percent / 100:.6g}"


def as_fraction(field: str, value: object, whole: str, *, ends: bool = True) -> float:
    """Return a part of a whole as a float; InputError as `as_fractions`, and when it is not one number."""
    as_fractions(field, value, whole, ends=ends)
    return as_float(field, value)


def as_float(field: str, value: object) -> float:
    """Return `value` as a float.

    Raises
    ------
    InputError
        When it is not one number.
    """
    array = as_floats(field, value)
    if array.ndim:
        raise InputError(field, value, "is not one number", "give one number")
    return float(array)


def check_within(
    field: str, value: object, low: float, high: float, problem: str, remedy: str
) -> float:
    """Return `value` as a float; InputError unless it is a number from `low` to `high`."""
    number = as_float(field, value)
    if not low <= number <= high:
        raise InputError(field, value, problem, remedy)
    return number


def as_positive(field: str, value: object, remedy: str, least: float = SMALLEST) -> float:
    """Return `value` as a float; InputError unless it is finite and above 0, or `least` or more."""
    return check_within(field, value, least, LARGEST, "is not a finite number above 0", remedy)


def as_integer(field: str, value: object, what: str, least: int = 1, most: int = 1_000_000) -> int:
    """Return `value` as an int; InputError on what is no whole number from `least` to `most`."""
    if (
        isinstance(value, bool | np.timedelta64)
        or not isinstance(value, int | np.integer)
        or not least <= value <= most
    ):
        raise InputError(
            field, value, f"is not {what}", f"give a whole number from {least} to {most}"
        )
    return int(value)


def as_seed(seed: object) -> int:
    """Return the seed of random numbers; InputError on what is none."""
    return as_integer("seed", seed, "a seed", 0, 2**63 - 1)


def as_index(field: str, index: Any, n: int) -> Any:
    """Return an index of n things: a slice, or an array of whole numbers; InputError on another."""
    with suppress(Exception):  # the ends of a slice are no whole numbers, or an entry is none
        if isinstance(index, slice):
            index.indices(n)
            return index
        whole = index
        if not (isinstance(index, np.ndarray) and index.dtype.kind == "i"):
            given = [as_integer(field, i, "a place", -n, n - 1) for i in check_list(field, index)]
            whole = np.array(given, dtype=np.intp)
        if whole.ndim == 1 and np.all((-n <= whole) & (whole < n)):
            return whole
    raise InputError(
        field, index, f"is not a list of some of {n}", f"give whole numbers from 0 to {n - 1}"
    )


def check_flag(field: str, value: object) -> bool:
    """Return `value` as a bool; InputError on what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(field, value, "is neither true nor false", "give True or False")
    return bool(value)


def check_text(field: str, value: object) -> str:
    """Return `value` as a str; InputError on what is no text, or blank."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(field, value, "is not a name", "give some text")
    return str(value)


def check_choice(
    field: str,
    value: object,
    choices: Collection[str],
    problem: str,
    error: type[InputError] = InputError,
) -> str:
    """Return `value`, one of some words; `error` on what is none of them."""
    if not isinstance(value, str) or value not in choices:
        raise error(field, value, problem, f"use {' or '.join(choices)}")
    return str(value)


def check_instance(field: str, value: object, kind: type[Any], problem: str, remedy: str) -> Any:
    """Return `value`, an object of a class; InputError on another."""
    if not isinstance(value, kind):
        raise InputError(field, value, problem, remedy)
    return value


def takes_arguments(
    kind: type, problem: str, remedy: str
) -> Callable[[Callable[Rest, Given]], Callable[Rest, Given]]:
    """Return a decorator of functions whose first argument is of a class, else InputError."""

    def decorate(function: Callable[Rest, Given]) -> Callable[Rest, Given]:
        field = getattr(function, "__wrapped__", function).__code__.co_varnames[0]

        @wraps(function)
        def checked(*given: Rest.args, **named: Rest.kwargs) -> Given:
            if given or field in named:
                check_instance(field, given[0] if given else named[field], kind, problem, remedy)
            return function(*given, **named)

        return checked

    return decorate


def as_names(field: str, word: str, names: object, n: int) -> tuple[str, ...]:
    """Return n different names in whatever holds them; by default ``word 1``, ``word 2``, ..."""
    if names is None:
        return tuple(f"{word} {i + 1}" for i in range(n))
    given = list_or_none(names)
    if given is None or len(given) != n:
        raise InputError(field, names, f"is not a list of {n} names", f"give one name per {word}")
    seen: dict[str, int] = {}
    for i, name in enumerate(given):
        first = seen.setdefault(check_text(f"{field}[{i}]", name), i)
        if first != i:
            raise InputError(
                f"{field}[{i}]", name, f"is {field}[{first}] too", f"give every {word} its own name"
            )
    return tuple(seen)


def list_or_none(value: object) -> list[Any] | None:
    """Return what a list, tuple or array of one dimension holds; None of text and all else."""
    try:
        one_row = (
            hasattr(value, "__getitem__")
            and hasattr(value, "__len__")
            and getattr(value, "ndim", 1) == 1
        )
        return list(value) if one_row and not isinstance(value, str | bytes | Mapping) else None  # type: ignore[call-overload]
    except Exception:  # whatever an object raises that is asked for what it holds
        return None


def check_list(field: str, value: object) -> list[Any]:
    """Return what a list holds, one thing or more; InputError on what is no list."""
    if not (found := list_or_none(value)):
        raise InputError(field, value, "is not a list of one or more", "give them in a list")
    return found


def as_path(field: str, value: Any) -> Path:
    """Return `value` as a path; InputError on what names no file, such as 4, a file of the caller's to `open`."""
    try:
        name = os.fspath(value)
        os.stat(name)
    except OSError as error:  # what is not there may be made
        good = error.errno != errno.ENAMETOOLONG
    except Exception:  # no path, or text that no file can be named
        good = False
    else:
        good = True
    if not (good and isinstance(name, str) and name):
        raise InputError(field, value, "is not a path", "give the name of a file or folder")
    return Path(name)


def check_broadcast(given: Mapping[str, Any]) -> None:
    """Raise InputError on arrays that do not fit each other."""
    shapes = {field: np.shape(value) for field, value in given.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        field, value = next(reversed(list(given.items())))
        raise InputError(
            field,
            value,
            f"does not fit the others: shapes are {shapes}",
            "give arrays of one shape",
        ) from None


def as_server_array(field: str, value: object, n: int) -> Array:
    """Return an array of shape (n,) from n numbers or one for all servers; InputError on others."""
    array = np.atleast_1d(as_floats(field, value))
    if array.ndim != 1 or array.size not in (1, n):
        raise InputError(
            field,
            array.tolist(),
            f"is not one number for each of {n} servers",
            "give one per server, or one for all",
        )
    return np.ascontiguousarray(np.broadcast_to(array, (n,)))


def as_shape(field: str, value: object, shape: tuple[int, ...]) -> Array:
    """Return `value` as a finite array of a shape; InputError on another."""
    array = as_floats(field, value)
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(
            field,
            array.tolist(),
            "is not an array of finite numbers of its shape",
            f"give shape {shape}",
        )
    return array


def as_loads(load: object) -> Array:
    """Return finite loads as an array of shape () or (K,); LoadError on others."""
    array = as_floats("load", load)
    tiny = (array > 0) & (array < LEAST)
    raise_at_first(
        "load",
        array,
        ~tiny,
        "is so small that floats have no parts of it",
        f"give a load of {LEAST:g} or more",
        LoadError,
    )
    if array.ndim > 1:
        raise LoadError(
            "load",
            array.tolist(),
            f"has {array.ndim} dimensions",
            "give one load or a list of loads",
        )
    raise_at_first(
        "load",
        array,
        np.isfinite(array),
        "is not a finite number",
        "give a load in jobs per unit of time",
        LoadError,
    )
    return array


def loads_below(most: float, load: object, nothing: str, full: str, remedy: str) -> Array:
    """Return loads above 0 and below the largest that a system can carry; LoadError on others.

    `nothing` and `full` are what is wrong with no load, and with one that is too large.
    """
    array = as_loads(load)
    raise_at_first("load", array, array > 0, nothing, "give a load above 0", LoadError)
    raise_at_first(
        "load", array, array < most, f"not below the maximum {most:.12g}: {full}", remedy, LoadError
    )
    return array


def as_single_load(loads: Array) -> float:
    """Return the load, where there is one; LoadError on a list of them."""
    if loads.ndim:
        raise LoadError("load", loads.tolist(), "is not one number", "give one load here")
    return float(loads)


def raise_at_first(
    field: str,
    value: Array,
    good: Any,
    problem: str,
    remedy: str,
    error: type[InputError] = InputError,
) -> None:
    """Raise `error` at the first entry of `value` where `good` is false, naming its index."""
    if not np.all(good):
        index = tuple(np.argwhere(~np.broadcast_to(good, value.shape))[0].tolist())
        raise error(place(field, index), value[index], problem, remedy)
