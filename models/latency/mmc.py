"""M/M/c: several servers behind one queue (Erlang C), which no atom of CVXPY says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from ...reference.compensated_sum import TINY, exact_product
from ...reference.errors import Array
from ...reference.server_bank import DRAINED, Operated, Operation, check_servers
from ...reference.validation import LARGEST, raise_at_first
from .base import ArrayLike, Latency
from .erlang import Stations, at_price, log_chance_of_all

LATENCY, MARGINAL = 0.0, 1.0  # part of what a job adds to the waits of others that its price counts


class MMc(Operated, Latency):
    """M/M/c stations: l(x) = delay + 1/rate + C/(c rate - x), with the chance C to wait; Erlang (1917).

    C = c B/(c - a (1 - B)) at a = x/rate, and B is Erlang's loss, a ratio of Poisson chances; see `sojourn.models.latency.erlang`. All is in
    closed form, at a million servers as at one; l(x) is right to a few rounding errors.
    The number waiting is convex in the load: Grassmann (1983), Lee and Cohen (1983). One server is `MM1`.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of one server of each station, jobs per unit of time, > 0. The attribute `rate` is the whole station's, c times as much;
        what rounding leaves out of that product counts as spare capacity all the same.
    servers : array_like of int, shape (n,) or ()
        c, from 1 to 1000000.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> MMc(rate=100.0, servers=[1, 2]).latency([50.0, 100.0]).round(6)
    array([0.02    , 0.013333])
    >>> MMc(rate=1.0, servers=1_000_000).latency([999_000.0]).round(6)
    array([1.000223])
    """

    rates = ("rate",)
    times: ClassVar[tuple[str, ...]] = ("delay",)
    example: ClassVar[Mapping[str, Any]] = {"rate": [30.0, 40.0, 50.0], "servers": [3, 1, 20]}

    def __init__(self, rate: Any, servers: Any, delay: Any = 0.0) -> None:
        self.rate, self.servers, self.delay = rate, servers, delay
        check_servers(self, servers=servers)
        whole = (
            (self.servers >= 1) & (self.servers == np.round(self.servers)) & (self.servers <= 1e6)
        )
        raise_at_first(
            "servers",
            self.servers,
            whole,
            "is not a number of servers",
            f"give a whole number from 1 to 1000000{DRAINED}",
        )
        fits = self.rate <= LARGEST / self.servers
        raise_at_first(
            "rate", self.rate, fits, "is so large that that of all servers is no float", "give less"
        )
        self.each, self.each_error = self.rate, np.zeros(len(self.rate))
        self.rate = self.each * self.servers

    def __repr__(self) -> str:
        return f"MMc(rate={self.each.tolist()}, servers={self.servers.astype(int).tolist()}, delay={self.delay.tolist()})"

    @cached_property
    def rate_error(self) -> Array:
        """What rounding left out of the product of rate and servers; see `ServerBank.rate_error`."""
        return np.asarray(
            exact_product(self.each, self.servers)[1] + self.each_error * self.servers
        )

    @cached_property
    def _log_all(self) -> Array:
        return log_chance_of_all(self.servers)

    @property
    def service(self) -> Array:
        """Mean service time of a job, shape (n,)."""
        return 1.0 / self.each

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Mean time; see `ServerBank.latency`."""
        return self.delay + (1.0 + self._at(flow, spare_capacity).wait) / self.each

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Marginal delay; see `ServerBank.marginal`."""
        return self.delay + (1.0 + self._at(flow, spare_capacity).price(MARGINAL)) / self.each

    def potential(self, flow: ArrayLike) -> Array:
        """Integral of the latency, delay x - log of the chance that the station is empty."""
        return np.asarray(self.delay * np.asarray(flow) + self._at(flow, None).log_states)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency."""
        return self._at(flow, None).price_slope(LATENCY) / self.each**2

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay."""
        return self._at(flow, None).price_slope(MARGINAL) / self.each**2

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point at a latency above the idle one; its spare capacity keeps its digits next to saturation."""
        return self._operate(excess, LATENCY)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Operating point at a marginal delay above the idle latency; its spare capacity keeps its digits next to saturation."""
        return self._operate(excess, MARGINAL)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Operating point as one of K players sees it; see `ServerBank.at_player`."""
        return self._operate(excess, 1.0 / players)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the stations with rates and times multiplied; see `Latency.scaled`."""
        new = type(self)(self.each * rate, self.servers, self.delay * time)
        new.each_error = exact_product(self.each, np.array(rate))[1] + self.each_error * rate
        return new

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the station's rate, with as many servers; see `ServerBank.rate_slope`."""
        return -(self.marginal(flow) - self.delay) / self.rate

    def _at(self, flow: ArrayLike, spare_capacity: ArrayLike | None) -> Stations:
        """The stations at a flow; one below 0 counts as none."""
        x, left = self._point(np.maximum(flow, 0.0), spare_capacity)
        return Stations(self.servers, self._log_all, x / self.each, left / self.each)

    def _operate(self, excess: ArrayLike, own: float) -> Operation:
        point = at_price(
            np.asarray(excess, dtype=np.float64) * self.each, self.servers, self._log_all, own
        )
        return Operation(
            point.load * self.each,
            point.spare_capacity * self.each,
            1.0 / np.maximum(point.slope / self.each**2, TINY),
        )
