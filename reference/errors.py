"""What is wrong with an input: the field, the place, the value and the remedy, in one message."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from .plain import as_raised

Array = npt.NDArray[np.float64]

# C0, DEL and C1, what turns or breaks a line, and halves of a character
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
VALUE, PART = 80, 1000  # characters of a message that a value may have, and that any other part of it may


def shown(text: str) -> str:
    r"""Return a text with its control and direction characters escaped, as it can be printed.

    Examples
    --------
    >>> print(shown("red \x1b[31m, turned \u202e"))
    red \x1b[31m, turned \u202e
    """
    return text if text.isprintable() else CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


class InputError(ValueError):
    """A value that no queueing system can have.

    Parameters
    ----------
    field : str
        The field, with its index where it is one of several: ``"rate[2]"``.
    value : object
        The value that was given.
    problem : str
        Why it cannot be used.
    remedy : str
        What to write instead.

    Attributes
    ----------
    field, value, problem, remedy
        As given.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        self.field, self.value, self.problem, self.remedy = field, value, problem, remedy
        parts = (_short(shown(part), PART) for part in (field, problem, remedy))
        super().__init__("{} = {value}: {}; {}".format(*parts, value=_short(_said(value), VALUE)))

    __reduce__ = as_raised


class LoadError(InputError):
    """A load that the system cannot carry, or that is not a number."""


def _said(value: object) -> str:
    try:
        return shown(" ".join(repr(value.item() if isinstance(value, np.generic) else value).split()))
    except Exception:  # nested too deeply, too many digits, or what someone else's code raises
        return f"something of type {type(value).__name__}"


def _short(text: str, most: int) -> str:
    """The text, or its two ends: of a list or a path both say something."""
    return text if len(text) <= most else f"{text[: most // 2]}...{text[3 - most // 2 :]}"


PERCENT = re.compile(r"(\d+\.?\d*|\.\d+)\s*%")
PLAIN = frozenset({float, int, np.float64, np.int64})  # types of numbers that are nothing but numbers


def numbers(field: str, value: object) -> Array:
    """Return `value` as an array of float64.

    Raises
    ------
    InputError
        When it is not made of numbers, or an entry is more than a number: has a unit, a mask or an imaginary part, or is true or false.
    """
    _refuse_more(field, value)
    try:
        raw = np.asarray(value)
        # NumPy would read "4" as 4 and None as nan
        if raw.dtype.kind in "USmM" or (raw.dtype.kind == "O" and any(v is None or isinstance(v, str | bytes) for v in raw.ravel())):
            raise TypeError
        _refuse_more(field, raw)
        return np.array(raw, dtype=np.float64)
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise InputError(field, value, "is not made of numbers", "give a number or an array of numbers") from None


def _refuse_more(field: str, value: Any) -> None:
    """Raise InputError on what NumPy would make a plain number of without a word."""
    if isinstance(value, list | tuple):
        if not PLAIN.issuperset(map(type, value)):
            for i, entry in enumerate(value):
                _refuse_more(place(field, (i,)), entry)
        return
    unit = unit_of(value)
    if unit is not None:
        raise InputError(field, value, f"has a unit of its own, {unit}", "give the number in the unit that all share")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        first = tuple(np.argwhere(np.ma.getmaskarray(value))[0].tolist())
        raise InputError(place(field, first), np.ma.masked, "has no number", "give one there, or leave the entry out")
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


def check_parts(field: str, value: object, whole: str, *, ends: bool = True) -> Array:
    """Return parts of a whole, from 0 to 1, or between where the ends are none; the error of a percentage says what it is as a part.

    Raises
    ------
    InputError
        When a part is no number, or out of range.
    """
    try:
        array = numbers(field, value)
    except InputError:
        for index, entry in np.ndenumerate(np.asarray(value, dtype=object)):
            if isinstance(entry, str) and (said := PERCENT.fullmatch(entry.strip())):
                raise InputError(place(field, index), entry, "is not a number", _as_part(float(said[1]))) from None
        raise
    good = (array >= 0) & (array <= 1) if ends else (array > 0) & (array < 1)
    for first in array[~good][:1]:
        remedy = _as_part(first) if 2 <= first <= 100 else f"give a number {'from 0 to' if ends else 'between 0 and'} 1"
        first_bad(field, array, good, f"is not a part of {whole}", remedy)
    return array


def _as_part(percent: float) -> str:
    return f"write {percent:g} % as {percent / 100:.6g}"


def one_part(field: str, value: object, whole: str, *, ends: bool = True) -> float:
    """Return a part of a whole as a float; InputError as `check_parts`, and when it is not one number."""
    check_parts(field, value, whole, ends=ends)
    return one_number(field, value)


def one_number(field: str, value: object) -> float:
    """Return `value` as a float.

    Raises
    ------
    InputError
        When it is not one number.
    """
    array = numbers(field, value)
    if array.ndim:
        raise InputError(field, value, "is not one number", "give one number")
    return float(array)


def as_loads(load: object) -> Array:
    """Return finite loads as an array of shape () or (K,); LoadError on others."""
    array = numbers("load", load)
    if array.ndim > 1:
        raise LoadError("load", array.tolist(), f"has {array.ndim} dimensions", "give one load or a list of loads")
    first_bad("load", array, np.isfinite(array), "is not a finite number", "give a load in jobs per unit of time", LoadError)
    return array


def loads_below(most: float, load: object, nothing: str, full: str, remedy: str) -> Array:
    """Return loads above 0 and below the largest that a system can carry; LoadError on others.

    `nothing` and `full` are what is wrong with no load, and with one that is too large.
    """
    array = as_loads(load)
    first_bad("load", array, array > 0, nothing, "give a load above 0", LoadError)
    first_bad("load", array, array < most, f"not below the maximum {most:.12g}: {full}", remedy, LoadError)
    return array


def one_load_of(loads: Array) -> float:
    """Return the load, where there is one; LoadError on a list of them."""
    if loads.ndim:
        raise LoadError("load", loads.tolist(), "is not one number", "give one load here")
    return float(loads)


def first_bad(field: str, value: Array, good: Any, problem: str, remedy: str, error: type[InputError] = InputError) -> None:
    """Raise `error` at the first entry of `value` where `good` is false, naming its index."""
    if not np.all(good):
        index = tuple(np.argwhere(~np.broadcast_to(good, value.shape))[0].tolist())
        raise error(place(field, index), value[index], problem, remedy)
