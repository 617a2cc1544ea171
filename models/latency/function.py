"""Servers whose latency is given as a Python function of the load."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from ...reference.bank_fields import rates_and_delays
from ...reference.errors import Array, InputError
from ...reference.family_checks import ROUNDING, WIDER, check_shape
from ...reference.finite_differences import differences
from ...reference.validation import as_integer
from .base import ArrayLike, Latency
from .tangents import default_tangent_points

DERIVATIVE_TOLERANCE = 1e-5  # relative, between the derivative and the finite differences


class Function(Latency):
    """Servers whose latency beyond the delay is a Python function of the load.

    The function must be increasing and convex; it is checked at 60 loads per server. It has no
    cones: programs use tangents (`sojourn.models.Latency.total_cone`).

    Parameters
    ----------
    function : callable
        From loads of shape (..., n) to latencies of the same shape, in NumPy; jobs per unit of
        time to units of time.
    derivative : callable, optional
        Derivative of `function`, from and to the same shapes. By default, finite differences.
        A function with kinks needs it: differences across a kink are no derivative, and an optimum
        at a kink is not certified without.
    rate : array_like, shape (n,) or (), default infinity
        Load that each server must stay below, > 0; infinite where any load is possible.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.
    servers : int, optional
        Number n of servers, where neither rate nor delay has n values.

    Raises
    ------
    InputError
        If the function raises, or is not finite, increasing and convex at the checked loads, or
        `derivative` is not its derivative; it names the server, the load and the value.

    Examples
    --------
    >>> import numpy as np
    >>> from sojourn.models import ParallelServers
    >>> black_box = Function(lambda x: 1 / (np.array([10.0, 5.0]) - x), rate=[10.0, 5.0])
    >>> ParallelServers(black_box).optimum(load=6.0).flow.round(4)
    array([4.7279, 1.2721])
    """

    def __init__(
        self,
        function: Callable[[Array], Any],
        derivative: Callable[[Array], Any] | None = None,
        rate: Any = np.inf,
        delay: Any = 0.0,
        servers: int | None = None,
    ) -> None:
        for name, given in (("function", function), ("derivative", derivative)):
            if not callable(given) and not (name == "derivative" and given is None):
                remedy = "give a function of an array of loads"
                raise InputError(name, given, "is not a function", remedy)
        self.function, self.derivative = function, derivative
        count = 1 if servers is None else as_integer("servers", servers, "a number of servers")
        self.rate, self.delay = rates_and_delays(rate, delay, count)
        # a bank of some of the servers still calls the function of all: its loads go to _columns
        self._width, self._columns = len(self.rate), np.arange(len(self.rate))
        self._check()

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", repr(self.function))
        return f"Function({name}, rate={self.rate.tolist()}, delay={self.delay.tolist()})"

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the delay and the value of the function; see `ServerBank.latency`."""
        return self.delay + self._call(self.function, flow)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the given derivative, or finite differences; see `ServerBank.latency_slope`."""
        if self.derivative is None:
            return super().latency_slope(flow)
        return self._call(self.derivative, flow)

    @property
    def uses_finite_differences(self) -> bool:
        """True if no derivative was given; see `ServerBank.uses_finite_differences`."""
        return self.derivative is None

    def _call(self, function: Callable[[Array], Any], flow: ArrayLike) -> Array:
        """Return the values of a function of all servers for the servers of this bank."""
        x = np.asarray(flow, dtype=np.float64)
        x = np.broadcast_to(x, np.broadcast_shapes(x.shape, self.rate.shape))
        count, places = self._places
        loads = np.zeros((*x.shape[:-1], *count, self._width))
        loads[places] = x
        value = np.asarray(function(loads), dtype=np.float64)
        return np.asarray(np.broadcast_to(value, loads.shape)[places])

    @cached_property
    def _places(self) -> tuple[tuple[int, ...], tuple[Any, ...]]:
        """Axis that an argument of the function has more, and the index of the loads in it.

        A server that is in the bank several times has a load in as many rows of the argument.
        """
        order = np.argsort(self._columns, kind="stable")
        ordered = self._columns[order]
        row = np.empty_like(order)
        row[order] = np.arange(order.size) - np.searchsorted(ordered, ordered)
        rows = int(row.max(initial=0)) + 1
        return ((rows,), (..., row, self._columns)) if rows > 1 else ((), (..., self._columns))

    def _try(self, name: str, points: Array) -> Array:
        """Return the values of ``function`` or ``derivative``; InputError where it raises."""
        try:
            return self._call(getattr(self, name), points)
        except Exception as error:
            problem = f"raises {type(error).__name__}: {error}"
            remedy = "write it in NumPy, for arrays of loads (..., n)"
            raise InputError(name, getattr(self, name), problem, remedy) from error

    @np.errstate(all="ignore")
    def _check(self) -> None:
        """Raise InputError unless the function is finite, increasing and convex, at 60 loads."""
        points = default_tangent_points(self)
        value = self.delay + self._try("function", points)
        derivative = None if self.derivative is None else self._try("derivative", points)
        finite = np.isfinite(self.rate)
        for i in range(len(self)):
            name = f"function, server {i}"
            check_shape(name, points[:, i], value[:, i], bounded=bool(finite[i]))
        if derivative is None:
            return
        expected, error = differences(self.latency, points, self.rate)
        rounding = ROUNDING * value / np.maximum(points, 1e-12)
        allowed = DERIVATIVE_TOLERANCE * (np.abs(expected) + rounding) + WIDER * error
        checked = (points > 1e-3 * np.where(finite, self.rate, 1.0)) & np.isfinite(expected)
        for k, i in np.argwhere((np.abs(derivative - expected) > allowed) & checked):
            problem = (
                f"is {derivative[k, i]:.6g} at load {points[k, i]:.6g} of server {i}, "
                f"where the function rises by {expected[k, i]:.6g}"
            )
            raise InputError("derivative", self.derivative, problem, "correct it, or leave it out")
