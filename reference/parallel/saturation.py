"""Bound of the price of anarchy close to saturation, for latencies l(x) = e + k/y, y = mu - x.

y is the spare capacity of a server. With s the spare capacity of all servers, total rate less
load, y_i = s q_i with q on the simplex, and both delays lose their poles:

- optimum: s F = C s + min_q sum_i k_i mu_i/q_i - s^2 sum_i e_i q_i, C = sum m_i mu_i - 2 k_i.
  The minimum is concave in s^2. So between s = 0, where it is (sum sqrt(k_i mu_i))^2, and an s at
  which it is known, it lies above its chord.
- equilibrium: s = sum_i k_i/(L - e_i). With E the mean of e weighted by k, w = 1/(L - E) and
  D = e - E, s/w = sum k + w^2 sum k_i D_i^2/(1 - w D_i). The last sum is convex in w, so it is at
  most the larger of its values at both ends; and w <= s/sum k.

So the price of anarchy is at most a ratio of polynomials in s, and that ratio is at most the
largest ratio of their Bernstein coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Array
from ..pollaczek_khinchine import PollaczekKhinchine
from ..server_bank import ServerBank


@dataclass(frozen=True, eq=False)
class Saturation:
    """n servers of latency e + k/(mu - x), close to their total rate.

    Attributes
    ----------
    rate, k, fixed, idle : ndarray, shape (n,)
        Rates mu, variabilities k, constant parts e of the latencies, and idle latencies l(0).
    """

    rate: Array
    k: Array
    fixed: Array
    idle: Array

    @property
    def limit(self) -> float:
        """Limit of the price of anarchy, (sum k) (sum mu)/(sum sqrt(k mu))^2.

        Eq. (34) of Mancuso et al.
        """
        return float(self.k.sum() * self.rate.sum() / np.sqrt(self.k * self.rate).sum() ** 2)

    def bound(self, spare_capacity: float, latency: float, total_delay: float) -> float:
        """Return an upper bound of the price of anarchy at every smaller spare capacity.

        Parameters
        ----------
        spare_capacity : float
            Largest spare capacity s of all servers, jobs per unit of time; at most that at which
            the equilibrium starts its last server.
        latency, total_delay : float
            Latency of the equilibrium, and total delay of the optimum, at `spare_capacity`.
        """
        k, total, weight = self.k, float(self.rate.sum()), float(self.k.sum())
        mean = float(k @ self.fixed) / weight
        apart = self.fixed - mean
        last = float(k @ (apart**2 / (1.0 - apart / (latency - mean))))
        bend = max(float(k @ apart**2), last) / weight**2
        start = float(np.sqrt(k * self.rate).sum() ** 2)
        linear = float(self.idle @ self.rate - 2 * weight)
        chord = spare_capacity * total_delay - linear * spare_capacity - start
        numerator = _bernstein(
            total * weight,
            spare_capacity * (total * mean - weight),
            spare_capacity**2 * (total * bend - mean),
            -(spare_capacity**3) * bend,
        )
        denominator = _bernstein(start, spare_capacity * linear, chord, 0.0)
        return float((numerator / denominator).max()) if denominator.min() > 0 else np.inf


def saturation(bank: ServerBank) -> Saturation | None:
    """Return the constants of a bank close to saturation; None unless l(x) = e + k/(mu - x)."""
    # the k of another family may mean something else
    if not all(isinstance(part, PollaczekKhinchine) for part in bank.banks):
        return None
    k = np.concatenate([part.k for part in bank.banks])
    fixed = np.concatenate([part.fixed for part in bank.banks])
    return Saturation(bank.rate, k, fixed, bank.idle_latency)


def _bernstein(a: float, b: float, c: float, d: float) -> Array:
    """Return the Bernstein coefficients on [0, 1] of a cubic a + b t + c t^2 + d t^3."""
    return np.array([a, a + b / 3, a + (2 * b + c) / 3, a + b + c + d])
