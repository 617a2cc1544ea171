"""Pools of servers, each with a load of its own: numbers of servers for waits, totals and money."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .....reference.amounts import as_amounts
from .....reference.erlang import MAX_SERVERS
from .....reference.errors import Array, InputError
from .....reference.parallel.decisions.staffed_pools import (
    StaffedNumbers,
    divide,
    gains,
    mean_of,
)
from .....reference.parallel.decisions.staffing import (
    LoadedPools,
    as_counts,
    as_pools,
    least_for,
)
from .....reference.parallel.decisions.weight_units import Counts
from .....reference.validation import (
    as_floats,
    as_integer,
    as_names,
    as_positive,
    check_choice,
    check_text,
    raise_at_first,
)
from ....core.certificate import bounds
from ....core.ratio import ROUNDING
from ....latency.base import Latency, as_latency
from ....latency.mmc import MMc
from .pools_curve import pools_curve
from .staff import check_mmc
from .staff_targets import Bound, ServerBudget, StaffTarget, bound_of, targets_of
from .staffed import Minimised, StaffedPools, TargetValue

if TYPE_CHECKING:
    import xarray as xr

MINIMISED = ("wait", "cost")
CERTIFIED = 1e-9  # gap of a certified answer
FITS = (
    "for the least mean wait give total= or subject_to=[ServerBudget(money)]; for the least cost "
    "give targets, such as MeanWait(time), PoolWait(time), LateWait(within, at_most), "
    "PoolLateWait(within, at_most) or ServerPercentile(p, within)"
)


class Pools:
    """Pools of M/M/c servers, each with a load of its own, such as the groups of a call centre.

    No job can choose between pools; `ParallelServers` splits a load over stations.

    Parameters
    ----------
    *servers : MMc
        Banks of pools: the rate of one server of each, and the network delays. Their numbers of
        servers do not count.
    names : sequence of str, shape (n,), optional
        Names of the pools; by default ``pool 1``, ``pool 2``, ...
    time_unit : str, default "s"
        Unit of time of all rates and delays. It converts nothing.

    Attributes
    ----------
    bank : MMc
        All n pools as one bank.
    names : tuple of str
        Name of each pool.
    time_unit : str
        Unit of time.

    Raises
    ------
    InputError
        Where there is no pool, a bank is no `MMc`, or the names do not fit.

    Examples
    --------
    >>> from sojourn.models import MMc
    >>> pools = Pools(MMc(rate=[3.0, 10.0, 1.0]))
    >>> pools
    Pools(3 pools)
    >>> pools.staff(load=[20.0, 50.0, 8.0], total=26).servers
    array([ 9,  7, 10])
    """

    def __init__(
        self, *servers: Latency, names: Sequence[str] | None = None, time_unit: str = "s"
    ) -> None:
        self.bank = check_mmc(as_latency(servers))
        self.names = as_names("names", "pool", names, len(self.bank))
        self.time_unit = check_text("time_unit", time_unit)

    def __repr__(self) -> str:
        return f"Pools({len(self.bank)} pools)"

    def __len__(self) -> int:
        return len(self.bank)

    def staff(
        self,
        load: npt.ArrayLike,
        *,
        total: int | None = None,
        price: npt.ArrayLike = 1.0,
        minimise: Minimised | None = None,
        subject_to: Sequence[StaffTarget] = (),
        min_servers: npt.ArrayLike = 0,
        max_servers: npt.ArrayLike | None = None,
    ) -> StaffedPools:
        """Return the numbers of servers of least mean wait, or of least cost within targets.

        No solver runs.

        Parameters
        ----------
        load : array_like, shape (n,)
            Load of each pool, jobs per unit of time, 0 or more.
        total : int, optional
            Number of servers in all pools together.
        price : array_like, shape (n,) or (), default 1
            Money per server and unit of time, above 0; with the price 1 the cost is the number of
            servers. A price of 0 needs `max_servers`, which the pool then gets.
        minimise : {"wait", "cost"}, optional
            The mean wait over all jobs, for a `total` or within a `ServerBudget`; or the cost,
            within targets. By default the wait if there is a total or a budget.
        subject_to : sequence, optional
            `ServerBudget`; targets in each pool: `PoolWait`, `PoolLateWait`, and `ServerPercentile`
            for the time of a job with its service and network delay; one target over all jobs:
            `MeanWait` or `LateWait`.
        min_servers, max_servers : array_like of int, shape (n,) or (), optional
            Bounds of the numbers of servers.

        Returns
        -------
        StaffedPools
            Numbers of servers, waits, cost and a certificate.

        Raises
        ------
        InputError
            On arguments that contradict each other, and on totals, budgets and targets that cannot
            be met: the error has the least total or budget, or the best value, that can.

        Notes
        -----
        A pool needs more servers than its offered load a, the load divided by the rate of one
        server. For a given share of jobs that wait, about a + b sqrt(a) are enough, with one b for
        all loads (square-root staffing): one large pool needs fewer servers than two small ones.

        Targets in each pool are met by the least number of servers. The mean wait is convex in it,
        so that a total is divided by marginal analysis; with different prices, and for a target
        over all jobs, the rest is a knapsack problem, which is solved exactly. See
        `sojourn.reference.staff_pools`.

        Examples
        --------
        >>> from sojourn.models import MeanWait, MMc, PoolLateWait
        >>> pools = Pools(MMc(rate=[3.0, 10.0, 1.0]))
        >>> found = pools.staff(
        ...     [20.0, 50.0, 8.0],
        ...     price=[2.0, 5.0, 1.5],
        ...     subject_to=[MeanWait(0.1), PoolLateWait(within=0.5, at_most=0.1)],
        ... )
        >>> found.servers, found.cost, round(found.mean_wait, 6), found.certified
        (array([ 8,  6, 11]), 62.5, 0.080183, True)
        """
        pools = self._loaded(load)
        targets = targets_of(subject_to)
        bounded = [
            bound_of(t, pools, self.bank.delay) for t in targets if not isinstance(t, ServerBudget)
        ]
        money = [t.money for t in targets if isinstance(t, ServerBudget)]
        goal = _checked_goal(minimise, total, money, bounded)
        question = _Problem(pools, bounded, goal, *self._bounds(price, min_servers, max_servers))
        return self._answer(question.kept(), total, money)

    def curve(
        self,
        load: npt.ArrayLike,
        totals: npt.ArrayLike,
        *,
        subject_to: Sequence[StaffTarget] = (),
        min_servers: npt.ArrayLike = 0,
        max_servers: npt.ArrayLike | None = None,
    ) -> xr.Dataset:
        """Return the least mean waits over the total number of servers.

        ``plot()`` of the dataset draws them.

        Parameters
        ----------
        load : array_like, shape (n,)
            Load of each pool, jobs per unit of time.
        totals : array_like of int, shape (K,)
            Numbers of servers in all pools together.
        subject_to, min_servers, max_servers
            Targets in each pool, and bounds, as for `Pools.staff`.

        Returns
        -------
        xarray.Dataset
            ``mean_wait``, ``gap`` and ``certified`` over ``total``; ``servers``, ``wait`` and
            ``utilisation`` over ``total`` and ``pool``.

        Raises
        ------
        InputError
            As `Pools.staff`, where a total is too small.

        Examples
        --------
        >>> pools = Pools(MMc(rate=[3.0, 10.0, 1.0]))
        >>> pools.curve([20.0, 50.0, 8.0], [24, 26, 28]).mean_wait.values.round(4)
        array([0.0928, 0.0428, 0.0232])
        """
        options = {
            "subject_to": subject_to,
            "min_servers": min_servers,
            "max_servers": max_servers,
        }
        return pools_curve(self, load, totals, options)

    def simulate(
        self,
        load: npt.ArrayLike,
        servers: npt.ArrayLike,
        *,
        jobs: int = 1_000_000,
        seed: int = 0,
        service: Any = None,
        processes: int = 1,
        level: float = 0.99,
    ) -> xr.Dataset:
        """Simulate pools of given numbers of servers, and return their times beside closed forms.

        Parameters
        ----------
        load : array_like, shape (n,)
            Load of each pool, jobs per unit of time.
        servers : array_like of int, shape (n,)
            Number of servers of each pool, such as ``servers`` of `Pools.staff`.
        jobs, seed, service, processes, level
            As for `sojourn.models.ParallelServers.simulate`.

        Returns
        -------
        xarray.Dataset
            As from `sojourn.models.ParallelServers.simulate`, over ``pool``: pools without a load
            are left out.

        Raises
        ------
        InputError
            As `Pools.staff`, and where a pool has too few servers for its load.

        Examples
        --------
        >>> pools = Pools(MMc(rate=[3.0, 10.0]))
        >>> found = pools.simulate([20.0, 50.0], servers=[9, 7], jobs=200_000)
        >>> found.utilisation.sel(number="closed form").values.round(4)
        array([0.7407, 0.7143])
        """
        from ..system import ParallelServers  # which has answers of this folder

        pools, counts = self._loaded(load), as_counts("servers", servers, len(self))
        for i in np.flatnonzero((pools.load > 0) & (counts < pools.least))[:1]:
            problem = f"is less than the {pools.least[i]} servers that the load of the pool needs"
            remedy = f"give {pools.least[i]} or more"
            raise InputError(f"servers[{i}]", int(counts[i]), problem, remedy)
        used = np.flatnonzero(pools.load)
        bank = MMc(self.bank.each[used], counts[used], self.bank.delay[used])
        names = [self.names[i] for i in used]
        found = ParallelServers(bank, names=names, time_unit=self.time_unit).simulate(
            math.fsum(pools.load.tolist()),
            flow=pools.load[used],
            jobs=jobs,
            seed=seed,
            service=service,
            processes=processes,
            level=level,
        )
        return found.rename(server="pool", server_percentile="pool_percentile")

    def _loaded(self, load: npt.ArrayLike) -> LoadedPools:
        """Return the pools with their loads; InputError on others than one load a pool."""
        n, loads = len(self), as_floats("load", load)
        if loads.shape not in ((n,), ()) or (n > 1 and not loads.ndim):
            problem = f"is not one load for each of {n} pools"
            raise InputError("load", loads.tolist(), problem, f"give {n} numbers")
        pools = as_pools(self.bank.each, loads)
        if not pools.load.any():
            raise InputError("load", loads.tolist(), "has no jobs", "give a load above 0")
        return pools

    def _bounds(
        self, price: npt.ArrayLike, least: npt.ArrayLike, most: npt.ArrayLike | None
    ) -> tuple[Array, Counts, Counts]:
        """Return prices and bounds of the numbers of servers, checked."""
        n = len(self)
        prices = as_amounts("price", price, n)
        if most is None:
            problem = "does not bound the number of servers"
            remedy = "give a price above 0, or max_servers="
            raise_at_first("price", prices, prices > 0, problem, remedy)
        low = as_counts("min_servers", least, n)
        high = as_counts("max_servers", MAX_SERVERS if most is None else most, n)
        for i in np.flatnonzero(low > high)[:1]:
            problem = f"is more than max_servers[{i}], {high[i]}"
            raise InputError(f"min_servers[{i}]", int(low[i]), problem, "let the bounds not cross")
        return prices, low, high

    def _answer(self, problem: _Problem, total: int | None, money: Sequence[float]) -> StaffedPools:
        """Return the answer to a problem whose targets in each pool are kept by its bounds."""
        pools, price, low, high = problem.pools, problem.price, problem.low, problem.high
        found = problem.solved(total, money)
        servers, mean = found.servers, mean_of(pools)
        waits, wait = pools.waits(servers), math.fsum(mean(servers).tolist())
        cost = math.fsum((price * servers).tolist())
        latency = self.bank.delay + waits.mean + 1.0 / self.bank.each
        jobs = pools.load / math.fsum(pools.load.tolist())
        value, rounding = (wait, found.rounding) if problem.goal == "wait" else (cost, ROUNDING)
        proof = bounds(value, min(found.lower_bound, value), value, rounding)
        per_server = np.ones_like(price) if total is not None else price
        last, after = gains(mean, per_server, servers, low, high)
        used = np.flatnonzero(servers)
        bank = MMc(self.bank.each[used], servers[used], self.bank.delay[used])
        names = tuple(self.names[i] for i in used)
        rate = np.where(servers > 0, servers * self.bank.each, 1.0)
        return StaffedPools(
            minimise=problem.goal,
            names=self.names,
            load=pools.load,
            servers=servers,
            utilisation=pools.load / rate,
            waiting=waits.probability,
            wait=waits.mean,
            latency=latency,
            mean_wait=wait,
            mean_delay=math.fsum((jobs * latency).tolist()),
            cost=cost,
            certificate=proof,
            certified=proof.gap <= CERTIFIED,
            last_gain=last,
            next_gain=after,
            targets=tuple(_reached(bound, servers, jobs) for bound in problem.bounded),
            bank=bank,
            caveats=tuple(bank.caveats(pools.load[used], names)),
        )


class _Problem(NamedTuple):
    """A checked question: n pools, targets, prices, and bounds of the numbers of servers."""

    pools: LoadedPools
    bounded: list[Bound]
    goal: Minimised
    price: Array
    low: Counts
    high: Counts

    def kept(self) -> _Problem:
        """Return the problem with the least numbers that are stable and meet each pool's targets.

        Raises
        ------
        InputError
            Where the largest numbers do not.
        """
        stable = self.pools.least
        for i in np.flatnonzero(stable > self.high)[:1]:
            problem = f"is less than the {stable[i]} servers that the load of the pool needs"
            remedy = f"allow {stable[i]} or more"
            raise InputError(f"max_servers[{i}]", int(self.high[i]), problem, remedy)
        low = np.maximum(self.low, stable)
        for bound in self.bounded:
            if not bound.of_all:
                low = least_for(bound.field, bound.measure, bound.at_most, low, self.high)
        return self._replace(low=low)

    def solved(self, total: int | None, money: Sequence[float]) -> StaffedNumbers:
        """Return the best numbers between the bounds."""
        pools, price, low, high = self.pools, self.price, self.low, self.high
        if total is not None:
            self._check_total(total)
            return divide(pools, np.ones_like(price), low, high, budget=float(total))
        low = np.where(price > 0, low, high)
        for budget in money:
            field = "ServerBudget.money"
            amount = as_positive(field, budget, "give money per unit of time")
            return divide(pools, price, low, high, budget=amount, field=field)
        for bound in self.bounded:
            if bound.of_all:
                most, late = float(bound.at_most[0]), bound.late
                return divide(pools, price, low, high, at_most=most, late=late, field=bound.field)
        # the targets in each pool alone: their least numbers are the answer
        return divide(pools, price, low, high, at_most=math.inf)

    def _check_total(self, total: int) -> None:
        """Raise InputError unless the total is one between the bounds."""
        least = int(self.low.sum())
        most = int(np.where(self.pools.load > 0, self.high, self.low).sum())
        count = as_integer("total", total, "a number of servers", most=MAX_SERVERS * len(self.low))
        if count < least:
            needs = ", ".join(map(str, self.low[:12].tolist())) + ", ..." * (len(self.low) > 12)
            problem = f"is less than the {least} servers that the pools need, {needs}"
            raise InputError("total", count, problem, f"give {least} or more")
        if count > most:
            problem = "is more than the pools may have"
            raise InputError("total", count, problem, f"give {most} or less")


def _checked_goal(
    minimise: Minimised | None, total: int | None, money: Sequence[float], bounded: list[Bound]
) -> Minimised:
    """Return the quantity to minimise; InputError where limits are missing or contradictory."""
    limits = ["total"] * (total is not None) + ["ServerBudget"] * len(money)
    goal = minimise if minimise is not None else ("wait" if limits else "cost")
    check_choice("minimise", goal, MINIMISED, "is not a quantity to minimise")
    of_all = [bound.field.partition(".")[0] for bound in bounded if bound.of_all]
    given = limits + [bound.field.partition(".")[0] for bound in bounded]
    if goal == "wait" and (len(limits) != 1 or of_all):
        problem = "needs one total or budget, and no target over all jobs"
    elif goal == "cost" and (limits or not bounded):
        problem = "needs targets, and neither a total nor a budget"
    elif len(of_all) > 1:
        problem = "can have one target over all jobs"
    else:
        return goal
    raise InputError("minimise", goal, f"{problem}, and has {given}", FITS)


def _reached(bound: Bound, servers: Counts, jobs: Array) -> TargetValue:
    """Return a target with the value that numbers of servers reach."""
    value, at_most = bound.measure(servers), bound.at_most
    if bound.of_all:
        value, at_most = np.asarray(math.fsum((jobs * value).tolist())), np.asarray(at_most[0])
    return TargetValue(bound.text, at_most, value, bound.of_time)
