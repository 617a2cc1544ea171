"""The checked arguments of `ParallelServers.size`, as one record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from ......reference.amounts import LARGE, SMALL, as_amount, as_amounts, fits
from ......reference.errors import Array, InputError, LoadError
from ......reference.parallel.decisions.day_numbers import durations
from ......reference.parallel.decisions.scalable import check_scalable
from ......reference.parallel.optimum_equilibrium import check_load, optimum
from ......reference.validation import (
    as_floats,
    as_fractions,
    as_integer,
    as_loads,
    as_positive,
    as_server_array,
    check_choice,
    check_flag,
    list_or_none,
    raise_at_first,
)
from .....core.solution import SUM
from ...late_share import LateShare
from ...limits import ServerPercentile
from .targets import MeanDelay, RateBudget, ServerDelay

if TYPE_CHECKING:
    from .....latency.base import Latency
    from ...system import ParallelServers

Minimised = Literal["delay", "cost"]
Target = RateBudget | MeanDelay | ServerDelay | ServerPercentile | LateShare
Kind = TypeVar("Kind", bound=Target)
TARGETS = (ServerPercentile, LateShare)  # limits of splits that are targets, too
SINGLE = (RateBudget, MeanDelay)  # of which the smallest would hold alone
FITS = (
    "for the least mean delay give subject_to=[RateBudget(money)]; for the least cost give a "
    "target, such as MeanDelay(time), ServerDelay(time), ServerPercentile(p, within) or "
    "LateShare(within, at_most), or delay_cost="
)
SPLITS = ("optimum", "best")


@dataclass(frozen=True, eq=False)
class SizeProblem:
    """A checked question of sizes: n servers, m loads, bounds, prices and targets.

    Attributes
    ----------
    system : ParallelServers
        The servers with their present rates.
    loads : ndarray, shape (m,)
        Total loads, jobs per unit of time.
    duration : ndarray, shape (m,)
        Part of the time in which each load holds; sums to 1.
    rate_price : ndarray, shape (n,)
        Money per unit of rate and unit of time, 0 or more.
    low, high : ndarray, shape (n,)
        Bounds of the rates; `high` can be infinite.
    opening : ndarray, shape (n,)
        Money per unit of time for each server that has jobs.
    flows : ndarray, shape (m, n), or None
        Flow of each server at each load; None where the split is to be found.
    minimise : {"delay", "cost"}
        Mean delay; or money per unit of time, with that of delays where `delay_cost` is given.
    targets : tuple
        Budget and bounds of delays, checked.
    delay_cost : float or None
        Money per job and unit of time.
    gap : float
        Largest relative distance of the certificate's bounds of a certified answer.
    max_nodes : int, default 10,000
        Largest number of boxes that a search divides.
    throw : bool, default False
        Whether a search that misses the gap raises an error.
    """

    system: ParallelServers
    loads: Array
    duration: Array
    rate_price: Array
    low: Array
    high: Array
    opening: Array
    flows: Array | None
    minimise: Minimised
    targets: tuple[Target, ...]
    delay_cost: float | None
    gap: float
    max_nodes: int = 10_000
    throw: bool = False

    @property
    def bank(self) -> Latency:
        """The servers with their present rates."""
        return self.system.bank

    @property
    def k(self) -> Array:
        """Variability (1 + cv^2)/2 of each server, shape (n,)."""
        variability: Any = self.bank  # the base class of banks has none
        return np.asarray(variability.k)

    @property
    def delay(self) -> Array:
        """Network delay of each server, shape (n,)."""
        return self.bank.delay

    @property
    def mean_load(self) -> float:
        """Jobs per unit of time, in the mean over the time."""
        return math.fsum((self.duration * self.loads).tolist())

    def one(self, kind: type[Kind]) -> Kind | None:
        """Return the first target of a kind, or None."""
        return next((target for target in self.targets if isinstance(target, kind)), None)

    @property
    def budget(self) -> float | None:
        """Money per unit of time for rates and openings, where there is a budget."""
        found = self.one(RateBudget)
        return None if found is None else found._checked()

    def opening_cost(self, flows: Array) -> float:
        """Return the money for opening the servers that have jobs at some of the loads.

        Parameters
        ----------
        flows : ndarray, shape (n,) or (m, n)
            Flow of each server.
        """
        used = np.atleast_2d(flows).max(axis=0) > 0
        return math.fsum(self.opening[used].tolist())

    @property
    def mean_target(self) -> float | None:
        """Largest mean delay over all jobs, where there is one."""
        found = self.one(MeanDelay)
        return None if found is None else found._checked()


def size_problem(
    system: ParallelServers,
    load: npt.ArrayLike,
    rate_price: npt.ArrayLike,
    max_rate: npt.ArrayLike | None,
    min_rate: npt.ArrayLike | None,
    split: str | npt.ArrayLike,
    minimise: Minimised | None,
    subject_to: Sequence[Target],
    delay_cost: float | None,
    opening: npt.ArrayLike | None,
    duration: npt.ArrayLike | None,
    gap: float,
    max_nodes: int = 10_000,
    throw: bool = False,
) -> SizeProblem:
    """Return the checked arguments of `ParallelServers.size`; InputError, LoadError on others."""
    bank, n = system.bank, len(system)
    check_scalable(bank, system.names)
    loads, parts = _loads(load, duration)
    flows = _flows(system, loads, split)
    none = np.zeros(n)
    price = as_amounts("rate_price", rate_price, n, "is not money per unit of rate")
    low = none if min_rate is None else as_amounts("min_rate", min_rate, n, "is not a rate")
    high = np.full(n, np.inf)
    if max_rate is not None:
        most = as_floats("max_rate", max_rate)
        good, remedy = fits(most) | (most == np.inf), "give 0 or more, or infinity"
        raise_at_first("max_rate", most, good, "is not a rate", remedy)
        high = as_server_array("max_rate", most, n)
    opens = (
        none
        if opening is None
        else as_amounts("opening", opening, n, "is not money per unit of time")
    )
    _check_bounds(system, price, low, high, flows)
    targets = _targets(subject_to, n)
    money = "give money per job and unit of time"
    weight = None if delay_cost is None else as_amount("delay_cost", delay_cost, money)
    return SizeProblem(
        system,
        loads,
        parts,
        price,
        low,
        high,
        opens,
        flows,
        _minimised(minimise, targets, weight),
        targets,
        weight,
        as_positive("gap", gap, "give a relative distance such as 1e-6"),
        as_integer("max_nodes", max_nodes, "a number of nodes", 0),
        check_flag("throw", throw),
    )


def _loads(load: npt.ArrayLike, duration: npt.ArrayLike | None) -> tuple[Array, Array]:
    """Return the loads, and the part of the time in which each holds."""
    given = as_loads(load)
    loads = np.atleast_1d(given)
    if not loads.size:
        raise LoadError("load", [], "is an empty list", "give one load or several")
    # a part of the day can be without jobs, but not the whole day
    good = fits(given) & ((given > 0) | loads.any())
    remedy = f"give loads from {SMALL:g} to {LARGE:g}"
    raise_at_first("load", given, good, "is no load", remedy, LoadError)
    return loads, durations(duration, loads.size)


def _flows(system: ParallelServers, loads: Array, split: Any) -> Array | None:
    """Return the flow of each server at each load, shape (m, n); None for the best split."""
    n, field = len(system), "split"
    if isinstance(split, str):
        if check_choice(field, split, SPLITS, "is not a split") == "best":
            return None
        return np.atleast_2d(optimum(system.bank, check_load(system.bank, loads)).flow)
    share = as_fractions(field, split, "the load")
    if share.shape not in ((n,), (loads.size, n)):
        problem = f"is not a share for each of {n} servers"
        raise InputError(field, share.tolist(), problem, "give shares, 'optimum' or 'best'")
    rows = np.atleast_2d(share)
    whole = rows.sum(axis=-1)
    problem, remedy = "sum to another number than 1", "give shares of the load that sum to 1"
    for i in np.flatnonzero(~(np.abs(whole - 1.0) <= SUM))[:1]:
        raise InputError(field, rows[i].tolist(), problem, remedy)
    return np.asarray(loads[:, None] * (rows / whole[:, None]))


def _check_bounds(
    system: ParallelServers, price: Array, low: Array, high: Array, flows: Array | None
) -> None:
    """Raise InputError at the first server that has no rate within its bounds, or a free one."""
    names = system.names
    used = np.ones(len(system), bool) if flows is None else flows.max(axis=0) > 0
    for i in np.flatnonzero(low > high)[:1]:
        problem = f"of {names[i]} is above its largest rate, {high[i]:g}"
        raise InputError(f"min_rate[{i}]", float(low[i]), problem, "let the bounds not cross")
    for i in np.flatnonzero(used & (price == 0) & np.isinf(high))[:1]:
        problem = f"of {names[i]} is 0 and its rate has no bound: any rate is better than a lower"
        raise InputError(f"rate_price[{i}]", 0.0, problem, "give a price above 0, or max_rate")
    if flows is not None:
        most = flows.max(axis=0)
        for i in np.flatnonzero(used & (high <= most))[:1]:
            problem = f"of {names[i]} is not above its flow, {most[i]:.6g}"
            remedy = "allow a higher rate, or give the server a smaller share"
            raise InputError(f"max_rate[{i}]", float(high[i]), problem, remedy)


def targets_of(given: object) -> list[Any]:
    """Return the targets of ``subject_to`` as a list; InputError on anything but a list."""
    listed = list_or_none(given)
    if listed is None:
        problem, remedy = "is not a list of targets", "write subject_to=[MeanDelay(0.03)]"
        raise InputError("subject_to", given, problem, remedy)
    return listed


def _targets(given: object, n: int) -> tuple[Target, ...]:
    """Return the targets of ``subject_to``; InputError on others, and on two of one amount."""
    listed = targets_of(given)
    for i, target in enumerate(listed):
        if isinstance(target, SINGLE):
            target._checked()
            if any(type(other) is type(target) for other in listed[:i]):
                problem = f"is a second {type(target).__name__}"
                raise InputError(f"subject_to[{i}]", target, problem, "keep the smaller one")
        elif isinstance(target, ServerDelay):
            target._checked(n)
        elif not isinstance(target, TARGETS):
            raise InputError(f"subject_to[{i}]", target, "is not a target of sizes", FITS)
    return tuple(listed)


def _minimised(
    given: Minimised | None, targets: tuple[Target, ...], delay_cost: float | None
) -> Minimised:
    """Return the minimised quantity; InputError on arguments that contradict it, or are missing."""
    budget = next((t for t in targets if isinstance(t, RateBudget)), None)
    mean = next((t for t in targets if isinstance(t, MeanDelay)), None)
    if given is None:
        goal: Minimised = "cost" if budget is None else "delay"
    else:
        goal = check_choice("minimise", given, ("delay", "cost"), "is not minimised")  # type: ignore[assignment]
    field = "minimise"
    if goal == "delay":
        if budget is None:
            raise InputError(field, goal, "has no bound of the money", FITS)
        if mean is not None:
            raise InputError(field, goal, "stands beside a MeanDelay target", FITS)
        if delay_cost is not None:
            raise InputError(field, goal, "stands beside delay_cost, a price of delay", FITS)
    else:
        if budget is not None:
            raise InputError(field, goal, "stands beside a RateBudget, which bounds the cost", FITS)
        if delay_cost is not None and mean is not None:
            problem = "stands beside a MeanDelay target: one of them decides"
            raise InputError("delay_cost", delay_cost, problem, "keep one of them")
        if delay_cost is None and not targets:
            raise InputError(field, goal, "has no target: the least rates are the flows", FITS)
    return goal
