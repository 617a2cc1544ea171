"""Amounts that decisions take, such as rates, prices and times: checks of their range."""

from __future__ import annotations

import numpy.typing as npt

from .errors import Array
from .validation import as_floats, as_server_array, check_within, raise_at_first

SMALL, LARGE = 1e-100, 1e100  # beyond them products overflow
RANGE = f", from {SMALL} to {LARGE}"


def as_amounts(field: str, value: npt.ArrayLike, n: int) -> Array:
    """Return n prices or delays, 0 or more; InputError on others."""
    given = as_server_array(field, as_floats(field, value), n)
    good = (given == 0) | ((given >= SMALL) & (given <= LARGE))
    raise_at_first(field, given, good, "is out of range", f"give 0 or more{RANGE}")
    return given


def as_amount(field: str, value: object, remedy: str = f"give it above 0{RANGE}") -> float:
    """Return one amount above 0; InputError on others."""
    return check_within(field, value, SMALL, LARGE, f"is not a number above 0{RANGE}", remedy)
