"""The tunable-mode system, one mode whose local part of the work is chosen: Section III of Jeff and Modiano."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import Array
from ..server_bank import store
from ..validation import as_floats, as_single_load, check_broadcast, loads_below
from .modes import check_capacities


@dataclass(frozen=True)
class TunableMode:
    """A local server of capacity mu0 and a cloud server of capacity K mu0, in series; a part f of each job's work is done locally.

    Parameters
    ----------
    mu0 : float
        Capacity of the local server, jobs per unit of time.
    K : float
        Capacity of the cloud server over it. The paper takes K > 1; here K <= 1 has its answer too.

    Raises
    ------
    InputError
        On a capacity that is not a finite number above 0.

    Examples
    --------
    >>> system = TunableMode(mu0=1.0, K=4.0)
    >>> float(system.best_fraction(3.5)), float(system.least_delay(3.5))
    (0.14285714285714285, 1.1428571428571428)
    """

    mu0: float
    K: float

    def __post_init__(self) -> None:
        mu0, K = check_capacities(self.mu0, self.K)
        store(self, mu0=mu0, K=K)

    @property
    def max_load(self) -> float:
        """(K + 1) mu0: the whole capacity."""
        return (self.K + 1) * self.mu0

    def stable_fractions(self, load: float) -> tuple[float, float]:
        """Ends of F_lambda = [0, 1] with (1 - K mu0 / load, mu0 / load): the local parts under which both queues are stable."""
        value = as_single_load(self.check_load(load))
        return max(0.0, 1 - self.K * self.mu0 / value), min(1.0, self.mu0 / value)

    @np.errstate(all="ignore")
    def delay(self, f: npt.ArrayLike, load: npt.ArrayLike) -> Array:
        """T_TM(f; load) = f / (mu0 - f load) + (1-f) / (K mu0 - (1-f) load); infinite outside F_lambda."""
        part, rate = as_floats("f", f), as_floats("load", load)
        check_broadcast({"f": part, "load": rate})
        total = np.where((part >= 0) & (part <= 1), 0.0, np.inf) + 0 * rate
        for work, capacity in ((part, self.mu0), (1 - part, self.K * self.mu0)):
            left = capacity - work * rate
            total = total + np.divide(work, left, out=np.full(total.shape, np.inf), where=left > 0)
        return total

    def best_fraction(self, load: npt.ArrayLike) -> Array:
        """f*(load), the local part of least delay: Theorem 1, with the other end, f = 1, for K < 1."""
        rho, root = self.check_load(load) / self.mu0, math.sqrt(self.K)
        return np.clip((rho - (self.K - root)) / (rho * (1 + root)), 0.0, 1.0)

    def least_delay(self, load: npt.ArrayLike) -> Array:
        """T*_TM(load), the least delay: Theorem 1. No dual-mode system of these capacities is faster: Proposition 1."""
        rho, root = self.check_load(load) / self.mu0, math.sqrt(self.K)
        inside = (2 * rho - (root - 1) ** 2) / (rho * (self.K + 1 - rho))
        largest = max(1.0, self.K)
        alone = rho <= largest - root  # one server does all the work
        return np.asarray(
            np.where(alone, 1 / np.where(alone, largest - rho, 1.0), inside) / self.mu0
        )

    def check_load(self, load: npt.ArrayLike) -> Array:
        """Return the loads as an array of shape () or (K,); LoadError on one that is not above 0 and below the whole capacity."""
        full = "the queues grow without bound"
        return loads_below(
            self.max_load,
            load,
            "there are no jobs to serve",
            full,
            "lower the load or add capacity",
        )
