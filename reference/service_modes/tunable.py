"""The tunable-mode system, one mode of adjustable local work: Section III of Jeff and Modiano."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..bank_fields import store
from ..errors import Array
from ..validation import as_floats, as_single_load, check_broadcast, loads_below
from .modes import check_capacities


@dataclass(frozen=True)
class TunableMode:
    """Local server of capacity mu0 and cloud server of capacity K mu0, in series.

    A fraction f of the work of each job is done locally. The numbers are closed forms;
    `sojourn.models.TunableMode` also solves the convex program.

    Parameters
    ----------
    mu0 : float
        Capacity of the local server, jobs per unit of time.
    K : float
        Capacity of the cloud server over that of the local one. The paper takes K > 1; K <= 1 is
        allowed here.

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
        """Total capacity (K + 1) mu0, jobs per unit of time."""
        return (self.K + 1) * self.mu0

    def stable_fractions(self, load: float) -> tuple[float, float]:
        """Return the ends of F_lambda, the local fractions f under which both queues are stable.

        F_lambda is [0, 1] intersected with (1 - K mu0 / load, mu0 / load).

        Parameters
        ----------
        load : float
            Total load above 0 and below `max_load`, jobs per unit of time.

        Raises
        ------
        LoadError
        """
        value = as_single_load(self.check_load(load))
        return max(0.0, 1 - self.K * self.mu0 / value), min(1.0, self.mu0 / value)

    @np.errstate(all="ignore")
    def delay(self, f: npt.ArrayLike, load: npt.ArrayLike) -> Array:
        """Return T_TM(f; load) = f / (mu0 - f load) + (1-f) / (K mu0 - (1-f) load).

        Parameters
        ----------
        f, load : array_like
            Local fraction of the work, and total load, jobs per unit of time; broadcast together.

        Returns
        -------
        ndarray
            Mean delay, in the unit of time; infinite outside F_lambda.
        """
        part, rate = as_floats("f", f), as_floats("load", load)
        check_broadcast({"f": part, "load": rate})
        total = np.where((part >= 0) & (part <= 1), 0.0, np.inf) + 0 * rate
        for work, capacity in ((part, self.mu0), (1 - part, self.K * self.mu0)):
            spare_capacity = capacity - work * rate
            infinite = np.full(total.shape, np.inf)
            total = total + np.divide(work, spare_capacity, out=infinite, where=spare_capacity > 0)
        return total

    def best_fraction(self, load: npt.ArrayLike) -> Array:
        """Return f*(load), the local fraction of least delay, of the shape of the load.

        Theorem 1 of Jeff and Modiano; for K < 1 with the upper end f = 1.

        Parameters
        ----------
        load : array_like, shape () or (K,)
            Total loads above 0 and below `max_load`, jobs per unit of time.

        Raises
        ------
        LoadError
        """
        rho, root = self.check_load(load) / self.mu0, math.sqrt(self.K)
        return np.clip((rho - (self.K - root)) / (rho * (1 + root)), 0.0, 1.0)

    def least_delay(self, load: npt.ArrayLike) -> Array:
        """Return T*_TM(load), the least mean delay, of the shape of the load.

        Theorem 1 of Jeff and Modiano. No dual-mode system of these capacities has a smaller delay
        (Proposition 1).

        Parameters
        ----------
        load : array_like, shape () or (K,)
            Total loads above 0 and below `max_load`, jobs per unit of time.

        Raises
        ------
        LoadError
        """
        rho, root = self.check_load(load) / self.mu0, math.sqrt(self.K)
        inside = (2 * rho - (root - 1) ** 2) / (rho * (self.K + 1 - rho))
        largest = max(1.0, self.K)
        alone = rho <= largest - root  # one server does all the work
        single = 1 / np.where(alone, largest - rho, 1.0)
        return np.asarray(np.where(alone, single, inside) / self.mu0)

    def check_load(self, load: npt.ArrayLike) -> Array:
        """Return the loads as an array of shape () or (K,).

        Raises
        ------
        LoadError
            On a load that is not above 0 and below `max_load`.
        """
        nothing, full = "there are no jobs to serve", "the queues grow without bound"
        return loads_below(self.max_load, load, nothing, full, "lower the load or add capacity")
