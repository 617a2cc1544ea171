"""What is wrong with an input: the field, the place, the value and the remedy, in one message."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


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
        super().__init__(f"{field} = {_short(value)}: {problem}; {remedy}")


class LoadError(InputError):
    """A load that the system cannot carry, or that is not a number."""


def _short(value: object) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def numbers(field: str, value: object) -> Array:
    """Return `value` as an array of float64.

    Raises
    ------
    InputError
        When it is not made of numbers.
    """
    try:
        raw = np.asarray(value)
        # NumPy would read "4" as 4 and None as nan
        if raw.dtype.kind in "USmM" or (raw.dtype.kind == "O" and any(v is None or isinstance(v, str | bytes) for v in raw.ravel())):
            raise TypeError
        return np.array(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(field, value, "is not made of numbers", "give a number or an array of numbers") from None


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


def first_bad(field: str, value: Array, good: Any, problem: str, remedy: str, error: type[InputError] = InputError) -> None:
    """Raise `error` at the first entry of `value` where `good` is false, naming its index."""
    bad = np.flatnonzero(~np.atleast_1d(good))
    if bad.size:
        place = f"{field}[{bad[0]}]" if value.ndim else field
        raise error(place, np.atleast_1d(value).ravel()[bad[0]], problem, remedy)
