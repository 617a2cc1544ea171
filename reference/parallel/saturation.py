"""The price of anarchy next to saturation, for latencies l(x) = e + k/y with the spare capacity y = mu - x.

With y_i = s q_i, s the slack (total rate less load) and q on the simplex, both delays have lost their poles:

- optimum: s F = C s + min_q sum_i k_i mu_i/q_i - s^2 sum_i e_i q_i with C = sum m_i mu_i - 2 k_i. The minimum is concave in s^2, so between
  s = 0, where it is (sum sqrt(k_i mu_i))^2, and a slack at which it is known it lies above its chord.
- equilibrium: s = sum_i k_i/(L - e_i). With the mean E of e weighted by k, and w = 1/(L - E), s/w = sum k + w^2 sum k_i D_i^2/(1 - w D_i),
  D = e - E. The last sum is convex in w, so it is at most the larger of its values at both ends; and w <= s/sum k.

So the price of anarchy is at most a ratio of polynomials in s, and that at most the largest ratio of their Bernstein coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Array
from ..mg1 import PollaczekKhinchine
from ..server_bank import ServerBank


@dataclass(frozen=True, eq=False)
class Saturation:
    """n servers with latency e + k/(mu - x) close to their total rate.

    Attributes
    ----------
    rate, k, fixed, idle : ndarray, shape (n,)
        mu, k, e and l(0).
    """

    rate: Array
    k: Array
    fixed: Array
    idle: Array

    @property
    def limit(self) -> float:
        """Limit of the price of anarchy, (sum k) (sum mu) / (sum sqrt(k mu))^2; eq. (34) of Mancuso et al."""
        return float(self.k.sum() * self.rate.sum() / np.sqrt(self.k * self.rate).sum() ** 2)

    def bound(self, slack: float, latency: float, carried: float) -> float:
        """Upper bound of the price of anarchy at every slack in (0, slack].

        Parameters
        ----------
        slack : float
            At most that at which the equilibrium starts its last server.
        latency, carried : float
            The equilibrium's latency and the optimum's total delay there.
        """
        k, total, weight = self.k, float(self.rate.sum()), float(self.k.sum())
        mean = float(k @ self.fixed) / weight
        apart = self.fixed - mean
        ends = (float(k @ apart**2), float(k @ (apart**2 / (1.0 - apart / (latency - mean)))))
        bend = max(ends) / weight**2
        start, linear = (
            float(np.sqrt(k * self.rate).sum() ** 2),
            float(self.idle @ self.rate - 2 * weight),
        )
        chord = slack * carried - linear * slack - start
        above = _bernstein(
            (
                total * weight,
                slack * (total * mean - weight),
                slack**2 * (total * bend - mean),
                -(slack**3) * bend,
            )
        )
        below = _bernstein((start, slack * linear, chord, 0.0))
        return float((above / below).max()) if below.min() > 0 else np.inf


def saturation(bank: ServerBank) -> Saturation | None:
    """Return what is known of a queue next to saturation: None for a family that is not of the form e + k/(mu - x)."""
    if not all(
        isinstance(part, PollaczekKhinchine) for part in bank.banks
    ):  # another family's k may mean something else
        return None
    k, fixed = (
        np.concatenate([getattr(part, name) for part in bank.banks]) for name in ("k", "fixed")
    )
    return Saturation(bank.rate, k, fixed, bank.idle_latency)


def _bernstein(power: tuple[float, float, float, float]) -> Array:
    """Bernstein coefficients on [0, 1] of a cubic given by its coefficients, the constant first."""
    a, b, c, d = power
    return np.array([a, a + b / 3, a + (2 * b + c) / 3, a + b + c + d])
