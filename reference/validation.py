"""Checks of input: each returns the value in the form the library uses, or raises `InputError`."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .errors import Array, InputError, LoadError
from .plural import counted

Given = TypeVar("Given")
Rest = ParamSpec("Rest")

CHOICES = 12  # largest number of choices that a message lists
SMALLEST, LARGEST = 5e-324, float(np.finfo(float).max)
LEAST = 1e-300  # least load or rate: below, its inverse overflows or a share of it underflows
PERCENT = re.compile(r"(\d+\.?\d*|\.\d+)\s*%")
PLAIN = frozenset({float, int, np.float64, np.int64})  # types of plain numbers


def as_floats(field: str, value: object) -> Array:
    """Return `value` as an array of float64.

    Raises
    ------
    InputError
        When it is not made of numbers, or an entry is not a plain number: it has a unit, a mask or
        an imaginary part, or is true or false.
    """
    kind = type(value)
    if kind is float or (kind is np.ndarray and value.dtype.char == "d"):  # type: ignore[attr-defined]
        return np.array(value, dtype=np.float64)  # the common case: there is nothing to check
    try:
        _refuse_not_plain(field, value)
        raw = np.asarray(value)
        # NumPy would convert "4" to 4 and None to nan
        if raw.dtype.kind in "USVmM" or (
            raw.dtype.kind == "O"
            and any(v is None or isinstance(v, str | bytes) for v in raw.ravel())
        ):
            raise TypeError
        _refuse_not_plain(field, raw)
        return np.array(raw, dtype=np.float64)
    except InputError:
        raise
    except Exception:  # a conversion may raise anything
        problem, remedy = "is not made of numbers", "give a number or an array of numbers"
        raise InputError(field, value, problem, remedy) from None


def _refuse_not_plain(field: str, value: Any) -> None:
    """Raise InputError on values that NumPy converts to plain numbers without a warning."""
    if isinstance(value, list | tuple):
        if not PLAIN.issuperset(map(type, value)):
            for i, entry in enumerate(value):
                _refuse_not_plain(place(field, (i,)), entry)
        return
    unit = unit_of(value)
    if unit is not None:
        problem, remedy = f"has a unit of its own, {unit}", "give the number in the common unit"
        raise InputError(field, value, problem, remedy)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        first = tuple(np.argwhere(np.ma.getmaskarray(value))[0].tolist())
        remedy = "give one there, or leave the entry out"
        raise InputError(place(field, first), np.ma.masked, "has no number", remedy)
    if isinstance(value, np.ndarray) and value.dtype.kind in "Ocb":
        for index, entry in np.ndenumerate(value):
            _refuse_not_plain(place(field, index), entry)
    if isinstance(value, complex | np.complexfloating):
        raise InputError(field, value, "is a complex number", "give a real number")
    if isinstance(value, bool | np.bool_):
        raise InputError(field, value, "is true or false, not a number", "give a number")


def unit_of(value: Any) -> str | None:
    """Return the unit of a quantity of pint, astropy, unyt and the like, also within an xarray.

    It is None for a plain number.
    """
    if isinstance(value, timedelta | np.timedelta64):
        return type(value).__name__
    if isinstance(value, np.ndarray) and value.dtype.kind == "m":
        return str(value.dtype)
    for quantity in (value, getattr(value, "data", None)):
        if hasattr(quantity, "magnitude") or hasattr(quantity, "value"):
            for name in ("units", "unit"):
                if (unit := getattr(quantity, name, None)) is not None:
                    return str(unit)
    return None


def place(field: str, index: tuple[int, ...]) -> str:
    """Return the name of an entry of a field, such as ``"rate[2]"``; without an index the field."""
    return field + "".join(f"[{i}]" for i in index)


def as_fractions(field: str, value: object, whole: str, *, ends: bool = True) -> Array:
    """Return fractions of a whole as an array.

    Parameters
    ----------
    field : str
        Name of the field, for errors.
    value : array_like
    whole : str
        Noun of the whole, for errors, such as ``"the load"``.
    ends : bool, default True
        Whether 0 and 1 are allowed.

    Raises
    ------
    InputError
        When a fraction is no number, or out of range. For a percentage, such as 20 or ``"20 %"``,
        the remedy gives the fraction.
    """
    try:
        array = as_floats(field, value)
    except InputError:
        entries = list_or_none(value)
        for i, entry in enumerate([value] if entries is None else entries):
            if isinstance(entry, str) and (match := PERCENT.fullmatch(entry.strip())):
                where, remedy = place(field, () if entries is None else (i,)), _percent(match[1])
                raise InputError(where, entry, "is not a number", remedy) from None
        raise
    good = (array >= 0) & (array <= 1) if ends else (array > 0) & (array < 1)
    for first in array[~good][:1]:
        range_ = f"give a number {'from 0 to' if ends else 'between 0 and'} 1"
        remedy = _percent(first) if 2 <= first <= 100 else range_
        raise_at_first(field, array, good, f"is not a part of {whole}", remedy)
    return array


def _percent(number: float | str) -> str:
    """Return the remedy for a percentage."""
    return f"write {float(number):g} % as {float(number) / 100:.6g}"


def as_fraction(field: str, value: object, whole: str, *, ends: bool = True) -> float:
    """Return one fraction of a whole as a float; InputError as `as_fractions`, and on several."""
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
    """Return `value` as an int; InputError unless it is a whole number from `least` to `most`."""
    if (
        isinstance(value, bool | np.timedelta64)
        or not isinstance(value, int | np.integer)
        or not least <= value <= most
    ):
        remedy = f"give a whole number from {least} to {most}"
        raise InputError(field, value, f"is not {what}", remedy)
    return int(value)


def as_seed(seed: object) -> int:
    """Return a seed of random numbers; InputError unless it is a whole number from 0."""
    return as_integer("seed", seed, "a seed", 0, 2**63 - 1)


def as_index(field: str, index: Any, n: int) -> Any:
    """Return an index of n entries: a slice, or an array of whole numbers; else InputError."""
    with suppress(Exception):  # the error is raised below, with the field
        if isinstance(index, slice):
            index.indices(n)
            return index
        whole = index
        if not (isinstance(index, np.ndarray) and index.dtype.kind == "i"):
            given = [as_integer(field, i, "a place", -n, n - 1) for i in check_list(field, index)]
            whole = np.array(given, dtype=np.intp)
        if whole.ndim == 1 and np.all((-n <= whole) & (whole < n)):
            return whole
    remedy = f"give whole numbers from 0 to {n - 1}"
    raise InputError(field, index, f"is not a list of some of {n}", remedy)


def check_flag(field: str, value: object) -> bool:
    """Return `value` as a bool; InputError unless it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(field, value, "is neither true nor false", "give True or False")
    return bool(value)


def check_text(field: str, value: object) -> str:
    """Return `value` as a str; InputError unless it is text, and not blank."""
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
    """Return `value`; `error` unless it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        some = [*choices][:CHOICES] + ["others"] * (len(choices) > CHOICES)
        remedy = f"use {' or '.join(some)}" if some else "leave it out"
        raise error(field, value, problem, remedy)
    return str(value)


def check_instance(field: str, value: object, kind: type[Any], problem: str, remedy: str) -> Any:
    """Return `value`; InputError unless it is an object of a class."""
    if not isinstance(value, kind):
        raise InputError(field, value, problem, remedy)
    return value


def takes_arguments(
    kind: type, problem: str, remedy: str
) -> Callable[[Callable[Rest, Given]], Callable[Rest, Given]]:
    """Return a decorator that checks the class of a function's first argument.

    The function raises InputError on an argument of another class.
    """

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
    """Return n different names as a tuple; by default ``word 1``, ``word 2``, ..."""
    if names is None:
        return _numbered(word, n)
    given = list_or_none(names)
    if given is None or len(given) != n:
        problem = f"is not a list of {counted(n, 'name')}"
        raise InputError(field, names, problem, f"give one name per {word}")
    seen: dict[str, int] = {}
    for i, name in enumerate(given):
        first = seen.setdefault(check_text(f"{field}[{i}]", name), i)
        if first != i:
            problem, remedy = f"is {field}[{first}] too", f"give every {word} its own name"
            raise InputError(f"{field}[{i}]", name, problem, remedy)
    return tuple(seen)


@lru_cache(64)
def _numbered(word: str, n: int) -> tuple[str, ...]:
    return tuple(f"{word} {i + 1}" for i in range(n))


def list_or_none(value: object) -> list[Any] | None:
    """Return the entries of a list, tuple or array of one dimension; None of text and others."""
    try:
        sequence = hasattr(value, "__getitem__") and hasattr(value, "__len__")
        if not sequence or isinstance(value, str | bytes | Mapping):
            return None
        return list(value) if getattr(value, "ndim", 1) == 1 else None  # type: ignore[call-overload]
    except Exception:  # an object may raise anything
        return None


def check_list(field: str, value: object) -> list[Any]:
    """Return the entries of a list; InputError unless it is a list of at least one."""
    if not (entries := list_or_none(value)):
        raise InputError(field, value, "is not a list of one or more", "give them in a list")
    return entries


def as_path(field: str, value: Any) -> Path:
    """Return `value` as a path; InputError unless it can be the name of a file.

    A number is refused, which ``open`` would take for a file descriptor of the caller.
    """
    try:
        name = os.fspath(value)
        os.stat(name)
    except OSError as error:  # a file that does not exist can be made
        good = error.errno != errno.ENAMETOOLONG
    except Exception:  # no path, or a name that no file can have
        good = False
    else:
        good = True
    if not (good and isinstance(name, str) and name):
        raise InputError(field, value, "is not a path", "give the name of a file or folder")
    return Path(name)


def check_broadcast(given: Mapping[str, Any]) -> None:
    """Raise InputError on arrays, by field, whose shapes cannot be broadcast together."""
    shapes = {field: np.shape(value) for field, value in given.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        field, value = next(reversed(list(given.items())))
        problem = f"does not fit the others: shapes are {shapes}"
        raise InputError(field, value, problem, "give arrays of one shape") from None


def as_server_array(field: str, value: object, n: int) -> Array:
    """Return an array of shape (n,) from n numbers or one for all servers; else InputError."""
    array = np.atleast_1d(as_floats(field, value))
    if array.ndim != 1 or array.size not in (1, n):
        problem = f"is not one number for each of {counted(n, 'server')}"
        raise InputError(field, array.tolist(), problem, "give one per server, or one for all")
    return np.ascontiguousarray(np.broadcast_to(array, (n,)))


def as_shape(field: str, value: object, shape: tuple[int, ...]) -> Array:
    """Return `value` as an array of finite numbers; InputError unless it has the shape."""
    array = as_floats(field, value)
    if array.shape != shape or not np.isfinite(array).all():
        problem = "is not an array of finite numbers of its shape"
        raise InputError(field, array.tolist(), problem, f"give shape {shape}")
    return array


def as_loads(load: object) -> Array:
    """Return finite loads as an array of shape () or (K,); LoadError on others."""
    array = as_floats("load", load)
    tiny = (array > 0) & (array < LEAST)
    problem = "is so small that a share of it underflows"
    remedy = f"give a load of {LEAST:g} or more"
    raise_at_first("load", array, ~tiny, problem, remedy, LoadError)
    if array.ndim > 1:
        problem, remedy = f"has {array.ndim} dimensions", "give one load or a list of loads"
        raise LoadError("load", array.tolist(), problem, remedy)
    problem, remedy = "is not a finite number", "give a load in jobs per unit of time"
    raise_at_first("load", array, np.isfinite(array), problem, remedy, LoadError)
    return array


def loads_below(most: float, load: object, nothing: str, full: str, remedy: str) -> Array:
    """Return loads above 0 and below the largest that a system can carry.

    Parameters
    ----------
    most : float
        Largest load.
    load : array_like, shape () or (K,)
    nothing, full : str
        Problem of a load of 0 or less, and of one that is too large.
    remedy : str
        Remedy for a load that is too large.

    Raises
    ------
    LoadError
    """
    array = as_loads(load)
    raise_at_first("load", array, array > 0, nothing, "give a load above 0", LoadError)
    problem = f"not below the maximum {most:.12g}: {full}"
    raise_at_first("load", array, array < most, problem, remedy, LoadError)
    return array


def as_single_load(loads: Array, remedy: str = "give one load here") -> float:
    """Return the load as a float; LoadError on a list of loads."""
    if loads.ndim:
        raise LoadError("load", loads.tolist(), "is not one number", remedy)
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
    if not (good.all() if isinstance(good, np.ndarray) else np.all(good)):
        index = tuple(np.argwhere(~np.broadcast_to(good, value.shape))[0].tolist())
        raise error(place(field, index), value[index], problem, remedy)
