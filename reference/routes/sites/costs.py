"""Least cost of the rate and the delay of a site at a load, with a price of a unit of rate.

A job costs w per unit of time that it stays. A site with the load X buys the rate mu at the price
p; the mean time of its M/G/1 server, with the variability k = (1 + cv^2)/2, gives the cost

    h(X) = min over mu <= hi of p mu + w X (1/mu + k X/(mu (mu - X))).

With theta = X/(mu - X) this is a minimum over theta of a X + b, with a = p (1 + theta)/theta and
b = w theta (1 + k theta)/(1 + theta). So h is concave where no bound holds: there are economies of
scale (I. Castillo, A. Ingolfsson, T. Sim, *Socially optimal location of facilities with fixed
servers, stochastic demand and congestion*, Prod. Oper. Manag. 18, 2009, eliminate mu in this way).
M/M/1: theta = sqrt(p X/w), h = p X + 2 sqrt(w p X). From the load on at which mu = hi, h is convex:
p hi + w (X (1 - k)/hi + k X/(hi - X)).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...errors import Array

STEPS = 60  # largest number of Newton steps to theta; about five are usual
EXACT = 1e-12  # relative error of theta: costs have its square


@dataclass(frozen=True, eq=False)
class SiteCosts:
    """Costs of n sites by their loads, which come along the last axis.

    Attributes
    ----------
    price : ndarray, shape (n,)
        Price p of a unit of rate; above 0 where the rate has no bound.
    opening : ndarray, shape (n,)
        Cost of a site with a load above 0.
    k : ndarray, shape (n,)
        Variability (1 + cv^2)/2 of the service time.
    weight : float
        Cost w of a unit of time of one job, above 0.
    most : ndarray, shape (n,)
        Largest rate hi; inf where there is none.
    """

    price: Array
    opening: Array
    k: Array
    weight: float
    most: Array

    @cached_property
    def knee(self) -> Array:
        """Load from which on the rate is the largest one, shape (n,)."""
        with np.errstate(all="ignore"):
            # mu = hi where theta solves p hi (1 + theta) = w theta (k (1 + theta)^2 + 1 - k)
            theta = np.sqrt(self.price * self.most / self.weight)
            low, high = np.zeros_like(theta), 2 + 2 * theta / np.minimum(self.k, 1.0) ** 0.5
            for _ in range(200):
                theta = 0.5 * (low + high)
                full = theta * (self.k * (1 + theta) + (1 - self.k) / (1 + theta))
                below = self.weight * full < self.price * self.most
                low, high = np.where(below, theta, low), np.where(below, high, theta)
            knee = self.most * theta / (1 + theta)
        return np.where(np.isinf(self.most), np.inf, np.where(self.price > 0, knee, 0.0))

    def theta(self, load: Array) -> Array:
        """Return X/(mu - X) at the best rate without a bound, shape (..., n); 0 at load 0."""
        a, k = self.price * load / self.weight, self.k
        theta = np.sqrt(a / np.minimum(k, 1.0))
        if np.all(k == 1.0):
            return theta
        # theta^2 (k + (1 - k)/(1 + theta)^2) = a: convex for k >= 1/2, so Newton steps only fall
        for _ in range(STEPS):
            part = (1.0 - k) / (1.0 + theta) ** 2
            slope = 2.0 * theta * (k + part / (1.0 + theta))
            error = theta**2 * (k + part) - a
            step = np.divide(error, slope, out=np.zeros_like(theta), where=slope > 0)
            theta = np.maximum(theta - step, 0.0)
            if np.all(np.abs(step) <= EXACT * theta):
                break
        return theta

    def rate(self, load: Array) -> Array:
        """Return the best rate of each site, shape (..., n); 0 at load 0."""
        with np.errstate(all="ignore"):
            theta = self.theta(load)
            free = np.where(theta > 0, load * (1 + theta) / theta, 0.0)
        full = np.where(load > 0, self.most, 0.0)
        return np.where(load >= self.knee, full, np.minimum(free, self.most))

    def variable(self, load: Array) -> Array:
        """Return h(X), shape (..., n): rate and time without the opening cost; inf from hi on."""
        theta, k, w = self.theta(load), self.k, self.weight
        with np.errstate(all="ignore"):
            free = self.price * load + w * theta * (1 + k * theta) / (1 + theta)
            free += np.where(theta > 0, self.price * load / theta, 0.0)
            spare = self.most - load
            full = self.price * self.most + w * load * ((1 - k) / self.most + k / spare)
            full = np.where(spare > 0, full, np.inf)
        return np.where(load <= 0, 0.0, np.where(load >= self.knee, full, free))

    def total(self, load: Array, paid: npt.NDArray[np.bool_] | bool = False) -> Array:
        """Return h(X) with the opening cost of sites with a load or `paid`, shape (..., n)."""
        return self.variable(load) + np.where((load > 0) | paid, self.opening, 0.0)

    def at(self, jobs: Array, fixed: Array) -> Array:
        """Return the cost of each site with the distances of its jobs.

        Parameters
        ----------
        jobs, fixed : ndarray, shape (G, n)
            Jobs of each group at each site, and the cost of the distance of one job.

        Returns
        -------
        ndarray, shape (n,)
        """
        far = np.where(jobs > 0, fixed, 0.0) * jobs
        return np.asarray(self.total(np.sum(jobs, axis=0)) + np.sum(far, axis=0))

    def slope(self, load: Array) -> Array:
        """Return the derivative of h in the load, shape (..., n); inf at load 0."""
        theta, k, w = self.theta(load), self.k, self.weight
        with np.errstate(all="ignore"):
            free = self.price * (1 + 1 / theta)
            full = w * ((1 - k) / self.most + k * self.most / (self.most - load) ** 2)
        return np.where(load >= self.knee, full, free)

    def at_slope(self, slope: Array) -> Array:
        """Return the load above the knee at which h has a slope, shape (..., n), or the knee."""
        k, w = self.k, self.weight
        with np.errstate(all="ignore"):
            spare = np.sqrt(k * w * self.most / (slope - w * (1 - k) / self.most))
            load = self.most - spare
        return np.where(load > self.knee, load, self.knee)
