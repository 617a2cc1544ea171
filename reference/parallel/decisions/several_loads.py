"""Several loads, each for a part of the time, over servers that keep one set of shares.

With the part q_j of all jobs at the load L_j, a job sent to server i has the mean latency
sum_j q_j l_i(s_i L_j) at the share s_i. This is increasing and convex in s_i, so that one split for
all loads is the split of a load of 1 over servers of this latency: every method of parallel servers
holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...composed import View
from ...errors import Array, InputError, LoadError
from ...server_bank import ArrayLike, ServerBank
from ...tails import LateJobs
from ...validation import as_fractions
from ..optimum_equilibrium import check_load

PARTS_SUM = 1e-9  # error that the sum of the parts of the time may have


class WeightedLoads(NamedTuple):
    """Loads, and the part of the jobs that arrive at each of them.

    Attributes
    ----------
    load : ndarray, shape (m,)
        Total loads, jobs per unit of time.
    jobs : ndarray, shape (m,)
        Part of all jobs that arrive at each load; sums to 1.
    """

    load: Array
    jobs: Array

    @property
    def counted(self) -> Iterator[tuple[float, float]]:
        """Each load at which jobs arrive, with the part of the jobs."""
        return (
            (load, part) for load, part in zip(*(c.tolist() for c in self), strict=True) if part
        )

    @property
    def mean(self) -> float:
        """Mean load of the system at the arrival of a job, jobs per unit of time."""
        return math.fsum(load * part for load, part in self.counted)


class SharedSplit(View):
    """Servers as functions of their share, where one split serves several loads.

    A load of 1 is all jobs, and the flow of a server is its share.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    loads : WeightedLoads
        The loads. A share is below the rate of its server divided by the largest of them.
    """

    def __init__(self, bank: ServerBank, loads: WeightedLoads) -> None:
        super().__init__(bank, loads)
        self.loads, self.largest = loads, float(loads.load.max())
        self.rate = bank.rate / self.largest

    @property
    def rate_error(self) -> Array:
        """Rounding error of the rates, 0: the rates are quotients."""
        return np.zeros(len(self.bank))

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean latency over all jobs at a share, shape (..., n)."""
        return self._mean(self.bank.latency, flow)

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean marginal delay over all jobs at a share."""
        return self._mean(self.bank.marginal, flow)

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral of the latency from 0 to a share."""
        return self._mean(self.bank.potential, flow, -1)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the share."""
        return self._mean(self.bank.latency_slope, flow, 1)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay in the share."""
        return self._mean(self.bank.marginal_slope, flow, 1)

    def late_jobs(
        self, flow: ArrayLike, time: ArrayLike, spare_capacity: ArrayLike | None = None
    ) -> LateJobs:
        """Return the mean probability over all jobs that a job is late, at a share."""

        def of_load(power: int) -> Callable[[Array], Array]:
            return lambda x: self.bank.late_jobs(x, time)[power]

        return LateJobs(*(self._mean(of_load(power), flow, power) for power in range(3)))

    def _mean(self, function: Callable[[Array], Array], share: ArrayLike, power: int = 0) -> Array:
        """Return the mean over all jobs of a function of the flow, times a power of the load."""
        parts, total = np.asarray(share, dtype=np.float64), np.asarray(0.0)
        for load, jobs in self.loads.counted:
            total = total + jobs * load**power * function(parts * load)
        return total


def weighted_loads(
    bank: ServerBank, load: npt.ArrayLike, parts: npt.ArrayLike | None
) -> WeightedLoads:
    """Return one load or several, with the part of the jobs that arrive at each.

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On parts of the time that do not fit.
    """
    loads = np.atleast_1d(check_load(bank, load))
    if not (loads.size and np.all(loads > 0)):
        problem = "there is nothing to split"
        raise LoadError("load", loads.tolist(), problem, "give loads above 0")
    time = np.full(loads.size, 1.0 / loads.size)
    if parts is not None:
        time = np.atleast_1d(as_fractions("parts", parts, "the time"))
        if time.shape != loads.shape or not abs(math.fsum(time) - 1.0) <= PARTS_SUM:
            problem = f"is not {loads.size} parts of the time that sum to 1"
            raise InputError("parts", time.tolist(), problem, "give a part for each load")
    jobs = time * (loads / loads.max())
    return WeightedLoads(loads, jobs / math.fsum(jobs))
