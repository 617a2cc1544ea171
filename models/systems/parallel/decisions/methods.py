"""The methods of `ParallelServers` that decide: each is a question with a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy.typing as npt

from ..limits import limits_of
from ..linear_limit import Limit
from ..play import PlayedSplit
from ..prices import Goal
from .percentiles import LateSplit, PercentileSplit, late_split, percentile_split
from .sizes.frontier import frontier
from .sizes.problem import Minimised, Target, size_problem, targets_of
from .sizes.size import answer
from .sizes.sized import SizedServers
from .sizes.targets import RateBudget
from .staff import staff
from .staffed import StaffedServers
from .weights import WholeSplit, whole_split_of

if TYPE_CHECKING:
    import xarray as xr


class SplitDecisions(PlayedSplit):
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

    def staff(
        self,
        load: float,
        *,
        price: npt.ArrayLike,
        delay_cost: float,
        max_servers: npt.ArrayLike | None = None,
        gap: float = 1e-9,
    ) -> StaffedServers:
        """Return the numbers of servers of M/M/c stations and the split that cost least together.

        The present numbers of servers do not count. No solver runs. `Pools.staff` is for loads that
        are already divided.

        Parameters
        ----------
        load : float
            Total load above 0, jobs per unit of time.
        price : array_like, shape (n,) or ()
            Money per server and unit of time of each station, 0 or more.
        delay_cost : float
            Money per job and unit of time, above 0.
        max_servers : array_like of int, shape (n,) or (), optional
            Largest numbers of servers; needed where a price is 0.
        gap : float, default 1e-9
            Relative distance of the bounds at which the search ends.

        Returns
        -------
        StaffedServers
            Numbers of servers, flows, mean delay, cost and a certificate.

        Raises
        ------
        InputError
            On servers other than `MMc`, on numbers out of range, and on a load that the largest
            numbers of servers cannot carry.

        Notes
        -----
        Minimise the sum of price times number plus ``delay_cost * load * mean_delay``. Branch and
        bound over ranges of the numbers, see `sojourn.reference.staff_split`: large stations need
        less spare capacity for their load, so that the least cost is no convex function of a flow.

        Examples
        --------
        >>> from sojourn.models import MMc, ParallelServers
        >>> system = ParallelServers(MMc(rate=[10.0, 12.0, 8.0], delay=[0.0, 0.02, 0.01]))
        >>> found = system.staff(120.0, price=[3.0, 4.0, 2.2], delay_cost=10.0, max_servers=8)
        >>> found.servers, round(found.objective, 9), found.certified
        (array([8, 8, 0]), 188.560131843, True)
        """
        return staff(
            self,  # type: ignore[arg-type]
            load,
            price,
            delay_cost,
            max_servers,
            gap,
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

    def size(
        self,
        load: npt.ArrayLike,
        *,
        rate_price: npt.ArrayLike,
        max_rate: npt.ArrayLike | None = None,
        min_rate: npt.ArrayLike | None = None,
        split: str | npt.ArrayLike = "optimum",
        minimise: Minimised | None = None,
        subject_to: Sequence[Target] = (),
        delay_cost: float | None = None,
        opening: npt.ArrayLike | None = None,
        duration: npt.ArrayLike | None = None,
        gap: float = 1e-6,
        max_nodes: int = 10_000,
        throw: bool = True,
    ) -> SizedServers:
        """Return the rates of least mean delay for a budget, or of least cost for targets.

        The present rates count only for ``split="optimum"``. No solver runs.

        Parameters
        ----------
        load : array_like, shape () or (m,)
            Total load above 0, jobs per unit of time; or a profile of m loads, such as those of the
            hours of a day, at which the rates are the same. Some of them can be 0.
        rate_price : array_like, shape (n,) or ()
            Money per unit of rate, per unit of time, 0 or more.
        max_rate, min_rate : array_like, shape (n,) or (), optional
            Bounds of the rates. A server that no job reaches has its least rate, by default 0.
        split : {"optimum", "best"} or array_like, shape (n,) or (m, n), default "optimum"
            That of least mean delay at the present rates, which have to be stable; the best one
            together with the rates; or shares of the load that sum to 1.
        minimise : {"delay", "cost"}, optional
            The mean delay over all jobs, within a `RateBudget`; or the cost of rates and openings,
            within the targets or with a `delay_cost`. By default the delay if there is a budget.
        subject_to : sequence, optional
            `RateBudget`, or targets: `MeanDelay`, `ServerDelay`, `ServerPercentile`,
            `LateShare`.
        delay_cost : float, optional
            Money per job and unit of time; the cost then has ``delay_cost * load * mean_delay``.
        opening : array_like, shape (n,) or (), optional
            Money per unit of time for each server that has jobs; 0 by default.
        duration : array_like, shape (m,), optional
            Part of the time in which each load holds, above 0, summing to 1; equal by default.
        gap : float, default 1e-6
            Relative distance of the bounds at which a search ends.
        max_nodes : int, default 10,000
            Largest number of boxes that the search for the best split divides.
        throw : bool, default True
            Whether `NotCertifiedError` is raised where an answer misses the gap. With False the
            best answer is returned, with ``certified`` False.

        Returns
        -------
        SizedServers
            Rates, flows, mean delay, cost, the price of money, and a certificate.

        Raises
        ------
        InputError
            On arguments that contradict each other; on a budget or target that no rates can meet,
            with the least budget or the best target that can be met; on families whose rate is not
            one number that scales the service time, and base loads and batches.
        LoadError
            On a load that is not above 0, or with ``split="optimum"`` not below the total rate.

        NotCertifiedError
            Where the search for the best split misses the gap, unless ``throw=False``.

        Notes
        -----
        The coefficient of variation of a service time stays the same while the rate changes. At a
        given split the problem is convex; see `sojourn.reference.rates_at_split`, and
        for several loads `sojourn.reference.rates_for_flows`. Together with the split it is not, as
        one fast server is better than two slow ones: an exact search, see
        `sojourn.reference.joint_sizes`, whose targets are `RateBudget` and `MeanDelay`. With
        ``split="best"`` several loads are each split anew, for a `delay_cost`; see
        `sojourn.reference.rates_for_day`. Ctrl-C ends the search with the answer so far in the
        error's ``found``.

        Examples
        --------
        >>> from sojourn.models import MM1, MeanDelay, ParallelServers
        >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
        >>> found = system.size(190.0, rate_price=[1, 1, 0.5], subject_to=[MeanDelay(0.03)])
        >>> found.rate.round(2), round(found.cost, 3), found.certified
        (array([ 93.54,  71.66, 200.74]), 265.571, True)
        >>> best = system.size(
        ...     190.0, rate_price=[1, 1, 0.5], split="best", subject_to=[MeanDelay(0.03)]
        ... )  # fmt: skip
        >>> best.rate, round(best.cost, 3), best.certified
        (array([  0.,   0., 290.]), 145.0, True)
        """
        return answer(
            size_problem(
                self,  # type: ignore[arg-type]
                load,
                rate_price,
                max_rate,
                min_rate,
                split,
                minimise,
                subject_to,
                delay_cost,
                opening,
                duration,
                gap,
                max_nodes,
                throw,
            )
        )

    def size_frontier(
        self,
        load: npt.ArrayLike,
        budgets: npt.ArrayLike,
        *,
        rate_price: npt.ArrayLike,
        max_rate: npt.ArrayLike | None = None,
        min_rate: npt.ArrayLike | None = None,
        split: str | npt.ArrayLike = "optimum",
        subject_to: Sequence[Target] = (),
        opening: npt.ArrayLike | None = None,
        refine: bool | float = False,
        gap: float = 1e-6,
    ) -> xr.Dataset:
        """Return the frontier of the least mean delay over budgets, each point with a certificate.

        Parameters
        ----------
        load : float
            Total load above 0, jobs per unit of time.
        budgets : array_like, shape (K,)
            Money for rates and openings, per unit of time.
        rate_price, max_rate, min_rate, split, subject_to, opening, gap
            As for `size`; `subject_to` has targets beside the budget.
        refine : bool or float, default False
            Add budgets between the given ones until straight lines show the frontier to this
            relative accuracy; True is 0.002.

        Returns
        -------
        xarray.Dataset
            ``delay`` with ``gap``, ``certified`` and ``delay_lower``, ``cost`` and
            ``price_of_money`` over ``budget``; ``rate``, ``flow`` and ``open`` also over
            ``server``. The attributes ``present_cost`` and ``present_delay`` are those of the
            present rates. ``plot()`` draws it, and marks the budgets at which servers open.

        Raises
        ------
        InputError, LoadError
            As for `size`; on a budget that is too small, before any other is solved.
        CurveInterruptedError
            On Ctrl-C, with the budgets solved so far.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
        >>> data = system.size_frontier(190.0, [200.0, 230.0, 280.0], rate_price=[1, 1, 0.5])
        >>> data.delay.values.round(4), data.present_cost, round(data.present_delay, 4)
        (array([0.0471, 0.0363, 0.0283]), 280.0, 0.0284)
        """
        problem = size_problem(
            self,  # type: ignore[arg-type]
            load,
            rate_price,
            max_rate,
            min_rate,
            split,
            "delay",
            (RateBudget(1.0), *targets_of(subject_to)),
            None,
            opening,
            None,
            gap,
        )
        return frontier(problem, budgets, refine, answer)
