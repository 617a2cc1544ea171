"""M/M/c: several servers behind one queue (Erlang C), which no atom of CVXPY says."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from sojourn.models.latency.base import ArrayLike, Latency
from sojourn.reference.errors import Array, first_bad
from sojourn.reference.queues import bank_arrays


class MMc(Latency):
    """M/M/c stations: l(x) = delay + 1/rate + C/(c rate - x), with the chance C to wait; Erlang (1917).

    C = B/(1 - u (1 - B)) at the utilisation u = x/(c rate), and B is Erlang's loss, by his recursion B_k = a B_(k-1)/(k + a B_(k-1)) with
    a = x/rate.
    The number waiting is convex in the load: Grassmann (1983), Lee and Cohen (1983). One server is `MM1`.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of one server of each station, jobs per unit of time, > 0. The attribute `rate` is the whole station's, c times as much.
    servers : array_like of int, shape (n,) or ()
        c, 1 or more.
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
    """

    rates = ("rate",)
    times: ClassVar[tuple[str, ...]] = ("delay",)

    def __init__(self, rate: Any, servers: Any, delay: Any = 0.0) -> None:
        given = bank_arrays(rate=rate, servers=servers, delay=delay)
        first_bad("rate", given["rate"], given["rate"] > 0, "a server needs a rate above 0", "give a positive service rate")
        whole = (given["servers"] >= 1) & (given["servers"] == np.round(given["servers"])) & (given["servers"] <= 1e6)
        first_bad("servers", given["servers"], whole, "is not a number of servers", "give a whole number from 1 to 1000000")
        first_bad("delay", given["delay"], given["delay"] >= 0, "a delay cannot be negative", "give 0 or more")
        self.each, self.servers, self.delay = given["rate"], given["servers"], given["delay"]
        self.rate = self.each * self.servers

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers; see `Latency.sample`."""
        return cls(rate=[30.0, 40.0, 50.0], servers=[3, 1, 20], delay=[0.005, 0.005, 0.02])

    def __repr__(self) -> str:
        return f"MMc(rate={self.each.tolist()}, servers={self.servers.astype(int).tolist()}, delay={self.delay.tolist()})"

    @property
    def service(self) -> Array:
        """Mean service time of a job, shape (n,)."""
        return 1.0 / self.each

    def latency(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Mean time; see `Queue.latency`."""
        flow, spare, _, wait = self._queue(flow, spare)
        return self.delay + 1.0 / self.each + wait / spare

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency, from dB/da = B (c/a - 1 + B)."""
        flow, spare, loss, wait = self._queue(flow, None)
        load, c = flow / self.each, self.servers
        # (1 - B)/a stays finite as the load falls to 0, and B c/a does: for one server it is 1 at no load
        safe = np.maximum(load, 1e-300)
        loss_slope = np.where(load > 0, loss * (c / safe - 1.0 + loss), np.where(c == 1, 1.0, 0.0))
        below = c - load + load * loss
        wait_slope = c * (loss_slope * below - loss * (-1.0 + loss + load * loss_slope)) / below**2
        return (wait_slope / self.each + wait / spare) / spare

    def scaled(self, rate: float, time: float) -> Self:
        """Return the stations with rates and times multiplied; see `Latency.scaled`."""
        return type(self)(self.each * rate, self.servers, self.delay * time)

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the station's rate, with as many servers; see `Queue.rate_slope`."""
        return -(self.marginal(flow) - self.delay) / self.rate

    def _queue(self, flow: ArrayLike, spare: ArrayLike | None) -> tuple[Array, Array, Array, Array]:
        """Flow, spare capacity, chance B to be lost and C to wait."""
        x = np.asarray(flow, dtype=np.float64)
        left = self.rate - x if spare is None else np.asarray(spare, dtype=np.float64)
        load, loss = x / self.each, np.ones(np.broadcast_shapes(x.shape, self.rate.shape))
        for k in range(1, int(self.servers.max()) + 1):
            next_loss = load * loss / (k + load * loss)
            loss = np.where(k <= self.servers, next_loss, loss)
        wait = self.servers * loss / (left / self.each + load * loss)
        return x, left, loss, wait
