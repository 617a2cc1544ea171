"""The least cost of a server at a flow, where its rate is free: money and the price of delay.

At the flow x and the rate mu a server of the delay d and the variability k = (1 + cv^2)/2 has the
total delay

    x l = x (d + 1/mu) + k x^2/(mu (mu - x)),

and costs p mu in money, and F where it has jobs, its opening cost. With a price w of delay, in
money per job and unit of time, its least cost at x > 0 is

    h(x) = F + min over lo <= mu <= hi of p mu + w x l,

and h(0) = p lo. x (l - d) depends on x/mu alone, so that without bounds h is a minimum of functions
that are affine in x: concave for every k. For M/M/1 it is F + (p + w d) x + 2 sqrt(w p x), at the
rate x + sqrt(w x/p). The best rate rises with the flow, so h has three parts: it is convex where
the rate is at lo, concave between, and convex where the rate is at hi; its slope is continuous.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...compensated_sum import exact_sum
from ...errors import Array

NEWTON = 60  # largest number of Newton steps of a root
SETTLED = 4e-16  # relative step from which on a root has all its digits


@dataclass(frozen=True, eq=False)
class FreeServers:
    """Servers whose rates are free, for one load.

    Attributes
    ----------
    load : float
        Total load L.
    k, delay, price : ndarray, shape (n,)
        Variabilities, network delays, and prices of a unit of rate.
    low, high : ndarray, shape (n,)
        Bounds of the rates; `high` can be infinite where the price is above 0.
    opening : ndarray, shape (n,)
        Money for each server that has jobs.
    """

    load: float
    k: Array
    delay: Array
    price: Array
    low: Array
    high: Array
    opening: Array

    @cached_property
    def exponential(self) -> bool:
        """Whether all service times are exponential, and all roots closed forms."""
        return bool(np.all(self.k == 1.0))

    @cached_property
    def spare_of_load(self) -> float:
        """Sum of the largest rates, less the load."""
        if not np.isfinite(self.high).all():
            return np.inf
        total, low = exact_sum(self.high)
        return float((total - self.load) + low)

    @cached_property
    def _even_spare(self) -> Array | None:
        """Spare capacities that sum to that of the load, where it is less than the load."""
        heavy = 0 < self.spare_of_load < self.load
        return self.high * (self.spare_of_load / float(self.high.sum())) if heavy else None

    @property
    def rest(self) -> float:
        """Load less the sum of the constants in `gain`."""
        return self.load if self._even_spare is None else 0.0

    def gain(self, flow: Array, spare: Array | None = None) -> Array:
        """Return the flows less a constant each, shape (n,); they sum to `rest` at the load.

        At a heavy load the spare capacities have digits that the flows have lost.

        Parameters
        ----------
        flow : ndarray, shape (n,)
            Flows.
        spare : ndarray, shape (n,), optional
            Spare capacities at the largest rates.
        """
        if self._even_spare is None:
            return flow
        return self._even_spare - (self.high - flow if spare is None else spare)

    def spare_at(self, flow: Array, weight: float) -> Array:
        """Return the best spare capacity mu - x at a flow and a price w of delay, shape (n,).

        Without bounds r = x/(mu - x) solves r^2 (k + (1 - k)/(1 + r)^2) = p x/w. The left side is
        convex in r, so that Newton's method falls to the root.
        """
        with np.errstate(all="ignore"):
            spare = np.sqrt(weight * flow / self.price)
            if not self.exponential:
                k, scaled = self.k, self.price * flow / weight
                r = np.sqrt(scaled / np.minimum(k, 1.0))
                for _ in range(NEWTON):
                    more = 1.0 + r
                    excess = r * r * (k + (1.0 - k) / more**2) - scaled
                    step = excess / (2.0 * r * (k + (1.0 - k) / more**3))
                    r = r - np.where(r > 0, step, 0.0)
                    if not np.any(np.abs(step) > SETTLED * r):
                        break
                spare = np.where(r > 0, flow / r, spare)
            spare = np.where(self.price > 0, spare, np.inf)
        return np.asarray(np.clip(spare, self.low - flow, self.high - flow))

    def flow_at(self, rate: Array, weight: float) -> Array:
        """Return the flow at which a rate is the best without bounds, shape (n,).

        With q = p mu/w, r (1 + k (2 r + r^2)) = q (1 + r); see `spare_at`.
        """
        with np.errstate(all="ignore"):
            q = self.price * rate / weight
            r = 2.0 * q / (1.0 + np.sqrt(1.0 + 4.0 * q))
            if not self.exponential:
                k = self.k
                r = r / np.minimum(k, 1.0)
                for _ in range(NEWTON):
                    value = ((k * r + 2.0 * k) * r + (1.0 - q)) * r - q
                    step = value / ((3.0 * k * r + 4.0 * k) * r + (1.0 - q))
                    r = r - np.where(r > 0, step, 0.0)
                    if not np.any(np.abs(step) > SETTLED * r):
                        break
            return np.where(np.isinf(rate), np.inf, rate * (r / (1.0 + r)))

    def flow_of(self, price: float, weight: float, rate: Array) -> tuple[Array, Array]:
        """Return flow and spare capacity at a rate where the marginal cost is `price`.

        The marginal cost is w (d + 1/mu + k (mu^2/(mu - x)^2 - 1)/mu).
        """
        with np.errstate(all="ignore"):
            z = np.maximum((price / weight - self.delay - 1.0 / rate) * rate / self.k, 0.0)
            root = np.sqrt(1.0 + z)
            return rate * (z / (root * (1.0 + root))), rate / root

    def money(self, flow: Array, rate: Array) -> Array:
        """Return the money for the rate and the opening of each server, shape (n,)."""
        return self.price * rate + np.where(flow > 0, self.opening, 0.0)

    def work(self, flow: Array, spare: Array) -> Array:
        """Return the total delay x l of each server, shape (n,); infinite where it is full."""
        rate = flow + spare
        with np.errstate(all="ignore"):
            work = flow * (self.delay + (1.0 + self.k * flow / spare) / rate)
        return np.where(flow > 0, np.where(spare > 0, work, np.inf), 0.0)
