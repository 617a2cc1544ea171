"""Amounts that decisions take, such as rates, prices and times: checks of their range."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import Array
from .validation import as_floats, as_fractions, as_server_array, check_within, raise_at_first

SMALL, LARGE = 1e-100, 1e100  # beyond them products overflow
SMALLEST, LARGEST = 1e-30, 1e30  # within them sums of products have all their digits
RANGE = f", from {SMALL} to {LARGE}"
TIME_REMEDY = "give it in the unit of the delays"


def fits(amount: Array, small: float = SMALL, large: float = LARGE) -> Any:
    """Return whether amounts are 0 or within a range, an array of bools."""
    return (amount == 0) | ((amount >= small) & (amount <= large))


def as_amounts(field: str, value: npt.ArrayLike, n: int, problem: str = "is out of range") -> Array:
    """Return n prices, rates or delays, 0 or more; InputError on others."""
    given = as_floats(field, value)
    raise_at_first(field, given, fits(given), problem, f"give 0 or more{RANGE}")
    return as_server_array(field, given, n)


def as_amount(field: str, value: object, remedy: str = f"give it above 0{RANGE}") -> float:
    """Return one amount above 0; InputError on others."""
    return check_within(field, value, SMALL, LARGE, f"is not a number above 0{RANGE}", remedy)


def enough(least: float, *, above: bool) -> str:
    """Return the remedy for an amount below the least one, or not `above` it."""
    return f"give more than {least:.12g}" if above else f"give {least:.12g} or more"


def as_server_fractions(
    field: str, value: object, n: int, whole: str, *, ends: bool = True
) -> Array:
    """Return a fraction of a whole for each of n servers; InputError as `as_fractions`."""
    return as_server_array(field, as_fractions(field, value, whole, ends=ends), n)


def as_server_times(field: str, value: object, n: int, *, finite: bool = True) -> Array:
    """Return a time above 0 for each of n servers; InputError on others."""
    time = as_floats(field, value)
    good = (time > 0) & (np.isfinite(time) | (not finite))
    raise_at_first(field, time, good, "is not a time above 0", TIME_REMEDY)
    return as_server_array(field, time, n)
