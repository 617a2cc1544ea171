"""Checked numbers of days and of servers whose rates are bought."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...amounts import LARGEST, SMALLEST, fits
from ...errors import Array, InputError
from ...validation import as_floats, as_server_array, check_within, raise_at_first
from .several_loads import PARTS_SUM


class Costs(NamedTuple):
    """Numbers of n servers whose rates are bought, shape (n,) each.

    Attributes
    ----------
    variability : ndarray
        k = (1 + cv^2)/2 of the service times.
    delay : ndarray
        Network delays.
    price : ndarray
        Money for a unit of rate, per unit of time.
    least, most : ndarray
        Bounds of the rates.
    """

    variability: Array
    delay: Array
    price: Array
    least: Array
    most: Array

    @classmethod
    def checked(
        cls,
        n: int,
        variability: npt.ArrayLike,
        delay: npt.ArrayLike,
        price: npt.ArrayLike,
        min_rate: npt.ArrayLike,
        max_rate: npt.ArrayLike,
    ) -> Costs:
        """Return the numbers as arrays; InputError on numbers that no server can have."""
        given = {"variability": variability, "delay": delay, "rate_price": price}
        given |= {"min_rate": min_rate, "max_rate": max_rate}
        arrays = {field: as_server_array(field, value, n) for field, value in given.items()}
        for field, array in arrays.items():
            check_sizes(field, array, 0.5 if field == "variability" else 0.0, field == "max_rate")
        most, least = arrays["max_rate"], arrays["min_rate"]
        problem = "is below the smallest rate of the server"
        raise_at_first("max_rate", most, most >= least, problem, "give bounds in order")
        bounded = (arrays["rate_price"] > 0) | np.isfinite(most)
        problem, remedy = "buys rate without end", "give max_rate= for a server without a price"
        raise_at_first("rate_price", arrays["rate_price"], bounded, problem, remedy)
        return cls(*arrays.values())


def check_sizes(field: str, array: Array, least: float = 0.0, endless: bool = False) -> None:
    """Raise InputError at the first number that is negative, or whose products would overflow."""
    good = fits(array, SMALLEST, LARGEST) | (endless & np.isposinf(array))
    remedy = f"give one from {least:g}, at most {LARGEST:g}"
    raise_at_first(field, array, good & (array >= least), "is not a number that fits", remedy)


def check_amount(field: str, value: object, *, endless: bool = False) -> float:
    """Return a number above 0, or raise InputError; see `check_sizes`."""
    remedy = f"give one from {SMALLEST:g} to {LARGEST:g}"
    most = math.inf if endless else LARGEST
    return check_within(field, value, SMALLEST, most, "is not an amount above 0", remedy)


def durations(duration: npt.ArrayLike | None, m: int) -> Array:
    """Return the parts of the time in which m loads hold, shape (m,).

    Raises
    ------
    InputError
        On parts that are not above 0, or do not sum to 1.
    """
    if duration is None:
        return np.full(m, 1.0 / m)
    time = np.atleast_1d(as_floats("duration", duration))
    whole, remedy = f"is not {m} parts of the time that sum to 1", "give a part for each load"
    if time.shape != (m,):
        raise InputError("duration", time.tolist(), whole, remedy)
    good = (time >= SMALLEST) & (time <= 1.0 + PARTS_SUM)
    other = "give parts above 0 that sum to 1, and leave out loads that never hold"
    raise_at_first("duration", time, good, "is not a part of the time", other)
    total = math.fsum(time.tolist())
    if not abs(total - 1.0) <= PARTS_SUM:
        raise InputError("duration", time.tolist(), whole, remedy)
    return np.asarray(time / total)
