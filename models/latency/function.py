"""Any increasing convex Python function of the load as the latency of servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...reference.errors import Array, InputError
from ...reference.family_checks import ROUNDING, WIDER, check_shape
from ...reference.finite_differences import differences
from ...reference.server_bank import rates_and_delays
from ...reference.validation import as_integer
from .base import ArrayLike, Latency
from .tangents import default_tangent_points

APART = 1e-5  # relative distance between a derivative and the differences


class Function(Latency):
    """Servers whose latency beyond the delay is any increasing and convex function of their load; solved by tangents.

    Parameters
    ----------
    function : callable
        From loads of shape (..., n) to latencies of the same shape, in NumPy.
    derivative : callable, optional
        Its derivative, likewise; by default from differences. Where the function has kinks, give it: differences across a kink are no
        derivative, and an optimum there is not certified without.
    rate : array_like, shape (n,) or (), default infinity
        Load that each server must stay below.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.
    servers : int, optional
        n, where neither rate nor delay says it.

    Raises
    ------
    InputError
        On a function that is not finite, falls, or is not convex at the loads that are tried, or a derivative that is not its own.

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
                raise InputError(
                    name, given, "is not a function", "give a function of an array of loads"
                )
        self.function, self.derivative = function, derivative
        count = 1 if servers is None else as_integer("servers", servers, "a number of servers")
        self.rate, self.delay = rates_and_delays(rate, delay, count)
        self._width, self._columns = len(self.rate), np.arange(len(self.rate))
        self._check()

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", repr(self.function))
        return f"Function({name}, rate={self.rate.tolist()}, delay={self.delay.tolist()})"

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Delay and function; see `ServerBank.latency`."""
        return self.delay + self._call(self.function, flow)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency: what was given, or by differences."""
        return (
            super().latency_slope(flow)
            if self.derivative is None
            else self._call(self.derivative, flow)
        )

    @property
    def uses_finite_differences(self) -> bool:
        """Whether no derivative was given; see `ServerBank.uses_finite_differences`."""
        return self.derivative is None

    def _call(self, function: Callable[[Array], Any], flow: ArrayLike) -> Array:
        """Call a function of all servers for those that this bank has."""
        x = np.asarray(flow, dtype=np.float64)
        x = np.broadcast_to(x, np.broadcast_shapes(x.shape, self.rate.shape))
        whole = np.zeros((*x.shape[:-1], self._width))
        whole[..., self._columns] = x
        value = np.asarray(function(whole), dtype=np.float64)
        return np.asarray(np.broadcast_to(value, whole.shape)[..., self._columns])

    def _tried(self, name: str, points: Array) -> Array:
        """What one of both functions is at loads; InputError where it raises."""
        try:
            return self._call(getattr(self, name), points)
        except Exception as error:
            problem = f"raises {type(error).__name__}: {error}"
            raise InputError(
                name,
                getattr(self, name),
                problem,
                "write it in NumPy, for arrays of loads (..., n)",
            ) from error

    @np.errstate(all="ignore")
    def _check(self) -> None:
        """Try the function at 60 loads a server, and raise InputError on what is not a convex increasing latency."""
        points = default_tangent_points(self)
        value = self.delay + self._tried("function", points)
        given = None if self.derivative is None else self._tried("derivative", points)
        for i in range(len(self)):
            check_shape(
                f"function, server {i}",
                points[:, i],
                value[:, i],
                bounded=bool(np.isfinite(self.rate[i])),
            )
        if given is not None:
            true, wrong = differences(self.latency, points, self.rate)
            inner = points > 1e-3 * np.where(np.isfinite(self.rate), self.rate, 1.0)
            off = (
                np.abs(given - true)
                > APART * (np.abs(true) + ROUNDING * value / np.maximum(points, 1e-12))
                + WIDER * wrong
            )
            for k, i in np.argwhere(off & inner & np.isfinite(true)):
                problem = f"is {given[k, i]:.6g} at load {points[k, i]:.6g} of server {i}, where the function rises by {true[k, i]:.6g}"
                raise InputError(
                    "derivative", self.derivative, problem, "correct it, or leave it out"
                )
