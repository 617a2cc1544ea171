"""The methods of `ParallelServers` that decide: each is a question with a file of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from ..limits import limits_of
from ..linear_limit import Limit
from ..prices import Goal
from ..tasks import SplitTasks
from .percentiles import LateSplit, PercentileSplit, late_split, percentile_split
from .weights import WholeSplit, whole_split_of


class SplitDecisions(SplitTasks):
    """Base class of `ParallelServers`: decisions that stand on a split of the load."""

    def weights(
        self,
        load: npt.ArrayLike,
        total: int | None = None,
        *,
        at_most: int | None = None,
        goal: Goal = "optimum",
        parts: npt.ArrayLike | None = None,
        subject_to: Sequence[Limit] = (),
    ) -> WholeSplit:
        """Return the best whole weights, such as those of a proxy, for one load or several.

        No solver runs. `Solution.weights` returns those of an optimum or equilibrium at one load.

        Parameters
        ----------
        load : array_like, shape () or (m,)
            Total load above 0 and below the total rate, jobs per unit of time; or m loads at which
            the weights are the same. The weights are stable at all of them.
        total : int, optional
            Sum of the weights, such as 100 for percentages.
        at_most : int, optional
            Largest sum; the weights have the sum of least mean delay.
        goal : {"optimum", "equilibrium"}, default "optimum"
            Least mean delay over all jobs, or weights of which no unit has a lower latency at
            another server.
        parts : array_like, shape (m,), optional
            Part of the time in which each load holds, summing to 1; a part can be 0. By default
            equal parts.
        subject_to : sequence of Limit, optional
            Limits on each server, such as `MinShare`, `MaxShare`, `MaxUtilisation` and
            `ServerPercentile`, for the optimum. They hold at every load.

        Returns
        -------
        WholeSplit
            The weights, and the distance of their mean delay from that of the split without
            rounding.

        Raises
        ------
        LoadError
            On a load that is not above 0 and below the total rate; where no split meets the limits.
        InputError
            Unless one of `total` and `at_most` is given; where no whole weights of that total are
            stable and within the limits: the error names the least total that has some. On limits
            that bound several servers together, such as `Budget` and `GroupShare`.

        Notes
        -----
        The W cheapest units of weight of all servers; see
        `sojourn.reference.parallel.decisions.weights`.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[120, 45, 20], delay=[0, 0.002, 0.030]))
        >>> system.weights([60, 120, 175], total=100, parts=[0.3, 0.4, 0.3]).weights
        array([66, 24, 10])
        """
        self.bank._validated  # noqa: B018
        return whole_split_of(
            self.bank, self.names, load, total, at_most, goal, parts, limits_of(subject_to)
        )

    def least_percentile(
        self, load: float, p: float = 0.99, *, subject_to: Sequence[Limit] = ()
    ) -> PercentileSplit:
        """Return the split whose p-th percentile over all jobs is least.

        No solver runs. At the servers jobs are served first come, first served.

        Parameters
        ----------
        load : float
            Total load above 0 and below the total rate, jobs per unit of time.
        p : float, default 0.99
            Part of the jobs, above 0 and below 1.
        subject_to : sequence of Limit, optional
            Limits on each server, such as `MinShare`, `MaxShare`, `MaxUtilisation` and
            `ServerPercentile`.

        Returns
        -------
        PercentileSplit

        Raises
        ------
        LoadError
            On a load that is not above 0 and below the total rate; where no split meets the limits.
        InputError
            On servers other than M/M/1, M/D/1, M/G/1 and M/M/c, and on limits that bound several
            servers together, such as `Budget`.

        Notes
        -----
        The percentile is quasi-convex in the split: bisection over the time, with the split of
        fewest late jobs at each; see `sojourn.reference.parallel.decisions.percentile`. A server at
        which every job is late may be filled to its rate, since its jobs cannot be later than late:
        the mean delay is then infinite, and `MaxUtilisation` excludes it.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[100, 80, 200], delay=[0.005, 0.005, 0.020]))
        >>> least = system.least_percentile(190, p=0.99)
        >>> least.flow.round(2), round(least.time, 6), least.certified
        (array([ 43.4 ,  27.67, 118.93]), 0.081416, True)
        >>> round(system.optimum(190).percentile(0.99), 6)
        0.085395
        """
        load = self.check_load(load)
        return percentile_split(self.bank, self.names, load, p, limits_of(subject_to))

    def least_late_share(
        self, load: float, within: float, *, subject_to: Sequence[Limit] = ()
    ) -> LateSplit:
        """Return the split with the smallest share of jobs that take longer than a given time.

        No solver runs. At the servers jobs are served first come, first served.

        Parameters
        ----------
        load : float
            Total load above 0 and below the total rate, jobs per unit of time.
        within : float
            Time above 0 after which a job is late, its network delay included.
        subject_to : sequence of Limit, optional
            Limits on each server; as for `least_percentile`.

        Returns
        -------
        LateSplit

        Raises
        ------
        LoadError, InputError
            As `least_percentile`.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[100, 80, 200], delay=[0.005, 0.005, 0.020]))
        >>> round(system.least_late_share(190, within=0.1).late_share, 6)
        0.002956
        """
        load = self.check_load(load)
        return late_split(self.bank, self.names, load, within, limits_of(subject_to))
