"""M/M/c: several servers behind one queue (Erlang C), for which CVXPY has no atom."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from ...reference.bank_fields import DRAINED, check_servers
from ...reference.compensated_sum import TINY, exact_product
from ...reference.errors import Array
from ...reference.server_bank import Operated, Operation
from ...reference.tails import EXACT, LateJobs, after_wait
from ...reference.validation import LARGEST, raise_at_first
from .base import ArrayLike, Latency
from .erlang import Stations, at_price, log_full_probability

# Weight of the wait that a job adds to the other jobs, in the latency and in the marginal delay.
LATENCY_WEIGHT = 0.0
MARGINAL_WEIGHT = 1.0
MAX_SERVERS = 1_000_000


class MMc(Operated, Latency):
    """M/M/c stations: l(x) = delay + 1/rate + C/(c rate - x), with the probability C to wait.

    Erlang (1917): C = c B/(c - a (1 - B)) at the offered load a = x/rate, where B is Erlang's loss
    probability, a ratio of Poisson probabilities; see `sojourn.models.latency.erlang`. The formulas
    are closed forms, as fast for a million servers as for one, and l(x) is right to a few rounding
    errors. The mean number of waiting jobs is convex in the load: Grassmann (1983), Lee and
    Cohen (1983). A station of one server is `MM1`.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of one server of each station, jobs per unit of time, > 0.
    servers : array_like of int, shape (n,) or ()
        Number c of servers of each station, from 1 to 1000000.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each station, in the unit of time, >= 0.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        Service rate of the whole station, c times that of one server. The spare capacity includes
        what rounding leaves out of the product (`rate_error`).
    each : ndarray, shape (n,)
        Service rate of one server.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    The family has no cones: programs use tangents (`sojourn.models.Latency.total_cone`).

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
        whole = self.servers == np.round(self.servers)
        allowed = whole & (self.servers >= 1) & (self.servers <= MAX_SERVERS)
        problem = "is not a number of servers"
        remedy = f"give a whole number from 1 to {MAX_SERVERS}{DRAINED}"
        raise_at_first("servers", self.servers, allowed, problem, remedy)
        finite = self.rate <= LARGEST / self.servers
        problem = "is so large that the rate of the station is no float"
        raise_at_first("rate", self.rate, finite, problem, "give less")
        self.each, self._each_error = self.rate, np.zeros(len(self.rate))
        self.rate = self.each * self.servers

    def __repr__(self) -> str:
        rate, servers = self.each.tolist(), self.servers.astype(int).tolist()
        return f"MMc(rate={rate}, servers={servers}, delay={self.delay.tolist()})"

    @cached_property
    def rate_error(self) -> Array:
        """Rounding error of the product of rate and servers; see `ServerBank.rate_error`."""
        error = exact_product(self.each, self.servers)[1]
        return np.asarray(error + self._each_error * self.servers)

    @cached_property
    def _log_full(self) -> Array:
        return log_full_probability(self.servers)

    @property
    def service(self) -> Array:
        """Mean service time of a job, shape (n,)."""
        return 1.0 / self.each

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean time; see `ServerBank.latency`."""
        return self.delay + (1.0 + self._stations(flow, spare_capacity).wait) / self.each

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the marginal delay; see `ServerBank.marginal`."""
        price = self._stations(flow, spare_capacity).price(MARGINAL_WEIGHT)
        return self.delay + (1.0 + price) / self.each

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral of the latency, delay x - log P(station empty)."""
        log_states = self._stations(flow, None).log_states
        return np.asarray(self.delay * np.asarray(flow) + log_states)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the load; see `ServerBank.latency_slope`."""
        return self._stations(flow, None).price_slope(LATENCY_WEIGHT) / self.each**2

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay; see `ServerBank.marginal_slope`."""
        return self._stations(flow, None).price_slope(MARGINAL_WEIGHT) / self.each**2

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Return the operating point at a latency; see `ServerBank.at_latency`.

        The spare capacity is accurate to rounding error next to saturation.
        """
        return self._operate(excess, LATENCY_WEIGHT)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Return the operating point at a marginal delay; see `ServerBank.at_marginal`.

        The spare capacity is accurate to rounding error next to saturation.
        """
        return self._operate(excess, MARGINAL_WEIGHT)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Return the operating point at a player's cost; see `ServerBank.at_player`."""
        return self._operate(excess, 1.0 / players)

    @property
    def tail_kind(self) -> tuple[str, ...]:
        """See `ServerBank.tail_kind`."""
        return (EXACT,) * len(self)

    def _late(self, flow: Array, at_server: Array, spare_capacity: Array) -> LateJobs:
        """Return the late jobs: a service, after a wait of tail C e^{-(c rate - x) w}."""
        found = self._stations(flow, spare_capacity).wait_chance
        each = zip(found, (1.0, self.each, self.each**2), strict=True)
        chance = LateJobs(*(value / unit for value, unit in each))
        return after_wait(self.each, chance, spare_capacity, np.ones(()), at_server)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the stations in other units; see `Latency.scaled`."""
        new = type(self)(self.each * rate, self.servers, self.delay * time)
        new._each_error = exact_product(self.each, np.array(rate))[1] + self._each_error * rate
        return new

    def _stations(self, flow: ArrayLike, spare_capacity: ArrayLike | None) -> Stations:
        """Return the stations at a flow, in units of service times; a negative flow counts as 0."""
        x, spare = self._point(np.maximum(flow, 0.0), spare_capacity)
        return Stations(self.servers, self._log_full, x / self.each, spare / self.each)

    def _operate(self, excess: ArrayLike, weight: float) -> Operation:
        """Return the operating point where the price is `excess` above the idle latency."""
        price = np.asarray(excess, dtype=np.float64) * self.each
        root = at_price(price, self.servers, self._log_full, weight)
        slope = 1.0 / np.maximum(root.slope / self.each**2, TINY)
        return Operation(root.load * self.each, root.spare_capacity * self.each, slope)
