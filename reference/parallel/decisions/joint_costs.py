"""The least cost of a server at a flow, where its rate is free: money plus the price of delay.

At the flow x and the rate mu a server of the delay d and the variability k has the total delay

    x l = x (d + 1/mu) + k x^2/(mu (mu - x)),

and costs p mu + F in money, F its opening cost. With a price w of delay (money per job and unit of
time) its least cost is

    h(x) = F + min over lo <= mu <= hi of p mu + w x l.

x (l - d) depends on x/mu alone, so without bounds h is a minimum of functions that are affine in x:
concave. For M/M/1 it is F + (p + w d) x + 2 sqrt(w p x), at mu = x + sqrt(w x/p). The best rate
rises with the flow, so h has three parts: convex where mu is at lo, concave between, convex where
mu is at hi; its slope is continuous. A closed server has the flow 0, no rate and no cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...compensated_sum import exact_sum
from ...errors import Array

NEWTON = 60  # largest number of Newton steps of a root of the variability
SETTLED = 4e-16  # relative step at which a root has all its digits


@dataclass(frozen=True, eq=False)
class Servers:
    """Servers whose rates are free, for one load.

    Attributes
    ----------
    load : float
        Total load.
    delay, k, price : ndarray, shape (n,)
        Network delays, variabilities (1 + cv^2)/2 of the service times, and prices of a unit of
        rate.
    lo, hi : ndarray, shape (n,)
        Bounds of the rate of an open server; `hi` can be infinite where the price is above 0.
    opening : ndarray, shape (n,)
        Costs of an open server besides its rate.
    closable : bool
        Whether a server can be closed; otherwise all servers have a rate of at least `lo`.
    """

    load: float
    delay: Array
    k: Array
    price: Array
    lo: Array
    hi: Array
    opening: Array
    closable: bool

    @cached_property
    def exponential(self) -> bool:
        """Whether all service times are exponential, with roots in closed form."""
        return bool(np.all(self.k == 1.0))

    @cached_property
    def _heavy(self) -> Array | None:
        """Spare capacities that sum to those at the load, where it is more than half of all rates.

        None at a lighter load.
        """
        if not np.isfinite(self.hi).all():
            return None
        total, low = exact_sum(self.hi)
        spare = float((total - self.load) + low)
        return self.hi * (spare / float(total)) if spare < self.load else None

    @property
    def rest(self) -> float:
        """Load less the constant in the gains."""
        return self.load if self._heavy is None else 0.0

    def gain(self, flow: Array, spare: Array | None = None) -> Array:
        """Return the flows less constants, so that they sum to 0 where the flows carry the load.

        At a heavy load the spare capacities have digits that the flows have not.

        Parameters
        ----------
        flow : ndarray, shape (n,)
            Flows.
        spare : ndarray, shape (n,), optional
            Spare capacities at the largest rates.
        """
        if self._heavy is None:
            return flow
        return self._heavy - (self.hi - flow if spare is None else spare)

    def ratio_of(self, scaled: Array) -> Array:
        """Return r = x/(mu - x) at the best rate without bounds, r^2 (k + (1-k)/(1+r)^2) = p x/w.

        The left side is convex in r, so that Newton's method falls to the root.

        Parameters
        ----------
        scaled : ndarray, shape (..., n)
            p x/w.
        """
        if self.exponential:
            return np.sqrt(scaled)
        k = self.k
        r: Array = np.sqrt(scaled / np.minimum(k, 1.0))
        for _ in range(NEWTON):
            more = 1.0 + r
            square = r * r * (k + (1.0 - k) / more**2)
            slope = 2.0 * r * (k + (1.0 - k) / more**3)
            step = np.divide(square - scaled, slope, out=np.zeros_like(r), where=slope > 0)
            r = r - step
            if np.all(np.abs(step) <= SETTLED * r):
                break
        return r

    def flow_at(self, rate: Array, weight: float) -> Array:
        """Return the flow whose best rate without bounds is `rate`, shape (n,).

        r (1 + k (2 r + r^2)) = q (1 + r) with q = p mu/w; see `ratio_of`.
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
                    step = np.where(r > 0, step, 0.0)
                    r = r - step
                    if np.all((np.abs(step) <= SETTLED * r) | ~np.isfinite(step)):
                        break
            return np.where(np.isinf(rate), np.inf, rate * (r / (1.0 + r)))

    def spare_at(self, flow: Array, weight: float) -> Array:
        """Return the best spare capacity mu - x at a flow, within the bounds of the rate."""
        with np.errstate(all="ignore"):
            scaled = self.price * flow / weight
            spare = np.sqrt(weight * flow / self.price)
            if not self.exponential:
                r = self.ratio_of(scaled)
                spare = np.where(r > 0, flow / r, spare)
            spare = np.where(self.price > 0, spare, np.inf)
        found: Array = np.clip(spare, self.lo - flow, self.hi - flow)
        return found

    def work(self, flow: Array, spare: Array) -> Array:
        """Return the total delay x l of each server; 0 at the flow 0, infinite where it is full."""
        rate = flow + spare
        with np.errstate(all="ignore"):
            work = flow * (self.delay + (1.0 + self.k * flow / spare) / rate)
        return np.where(flow > 0, np.where(spare > 0, work, np.inf), 0.0)

    def money(self, flow: Array, spare: Array) -> Array:
        """Return the money for each server: that for its rate, and its opening cost."""
        money = self.price * (flow + spare) + self.opening
        return np.where(flow > 0, money, 0.0) if self.closable else money

    def at_rate(self, price: float, weight: float, rate: Array) -> tuple[Array, Array]:
        """Return flow and spare capacity of servers at a rate, whose marginal cost is `price`.

        The marginal cost is w (d + 1/mu + k (mu^2/(mu - x)^2 - 1)/mu).
        """
        with np.errstate(all="ignore"):
            z = np.maximum((price / weight - self.delay - 1.0 / rate) * rate / self.k, 0.0)
            root = np.sqrt(1.0 + z)
            return rate * z / (root * (1.0 + root)), rate / root
