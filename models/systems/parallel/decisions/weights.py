"""Whole weights of a split, such as those of a proxy, with their loss of mean delay.

`sojourn.reference.parallel.decisions.weights` has the theory; no solver runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from .....reference.errors import Array
from .....reference.html_table import HtmlTable
from .....reference.parallel.decisions.percentile import percentile_of
from .....reference.parallel.decisions.several_loads import (
    SharedSplit,
    WeightedLoads,
    weighted_loads,
)
from .....reference.parallel.decisions.weight_units import Part
from .....reference.parallel.decisions.weights import whole_weights
from .....reference.parallel.limits import limited_optimum
from .....reference.server_bank import ServerBank
from ....core.certificate import Bounds, bounds
from ....core.ratio import ROUNDING, BoundedValue, within
from ....core.solution import finite
from ..certificate import certify_within
from ..evaluation import bounded, exact_delay
from ..limits import no_limits
from ..linear_limit import Limit
from ..prices import Goal, check_goal
from ..solution import ServerSplit
from ..splits import Limits
from .each_server import bounds_of_flows

if TYPE_CHECKING:
    from ....latency.base import Latency


@dataclass(frozen=True, eq=False, kw_only=True)
class WholeSplit(HtmlTable, ServerSplit):
    """A split of the load by whole weights, compared with the split without rounding.

    It also has the attributes of `ServerSplit` (``load``, ``names``, ``flow``, ``share``,
    ``latency``, ``caveats``). For several loads, ``load`` and ``latency`` are their means over all
    jobs, and ``flow`` is the share of that load. Delays are in units of time. A `BoundedValue` is a
    float with the bounds ``lower`` and ``upper``.

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
        Whether the weights have the least mean delay, or are an equilibrium of weights.
    weights : ndarray of int, shape (n,)
        Weight of each server; 0 for a server that is not used.
    total : int
        Their sum.
    loads, jobs : tuple of float
        The loads that the weights are for, and the part of all jobs that arrives at each.
    mean_delay : float
        Mean delay of a job.
    certificate : Bounds
        Bounds of the least mean delay of any whole weights of this total; at the equilibrium, of
        the mean delay of these weights.
    certified : bool
        Whether no unit of weight is better at another server, up to rounding.
    last_price, next_price : float
        Largest price of a unit of weight that a server has and may give back, and least price of a
        unit that a server may get: a marginal delay at the optimum, a latency at the equilibrium.
        -inf and inf where there is none.
    continuous_delay : BoundedValue
        Mean delay of the split without rounding, with the bounds of its certificate.
    loss : BoundedValue
        Mean delay minus that of the split without rounding; at an equilibrium it can be negative.
    ratio : BoundedValue
        Mean delay divided by that of the split without rounding.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[120, 45, 20], delay=[0, 0.002, 0.030]))
    >>> best = system.optimum(load=180)
    >>> found = best.weights(100)
    >>> found.weights, round(found.mean_delay, 6), round(found.ratio, 3)
    (array([66, 24, 10]), 0.736813, 1.387)
    >>> print(best.weights(at_most=100))
    whole weights of total 95 at load 180: mean delay 0.532345809, 0.184 % above the optimum
      certified: no unit of weight is better at another server
      server 1  share   0.6526  latency 0.395833  weight 62
      server 2  share   0.2421  latency 0.705704  weight 23
      server 3  share   0.1053  latency 0.98  weight 10
    """

    goal: Goal
    weights: npt.NDArray[np.int64]
    total: int
    loads: tuple[float, ...]
    jobs: tuple[float, ...]
    mean_delay: float
    certificate: Bounds
    certified: bool
    last_price: float
    next_price: float
    continuous_delay: BoundedValue
    loss: BoundedValue
    ratio: BoundedValue

    times: ClassVar[tuple[str, ...]] = (
        "latency",
        "mean_delay",
        "certificate",
        "last_price",
        "next_price",
        "continuous_delay",
        "loss",
    )

    def __repr__(self) -> str:
        several = len(self.loads) > 1
        at = (
            "loads " + ", ".join(f"{x:g}" for x in self.loads) if several else f"load {self.load:g}"
        )
        head = (
            f"whole weights of total {self.total} at {at}: mean delay {self.mean_delay:.9g}, "
            f"{self.distance}"
        )
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        return "\n".join([head, *caveats, f"  {self.proof}", *self._lines("weight", self.weights)])

    @property
    def distance(self) -> str:
        """Distance of the mean delay from that of the split without rounding, for people."""
        percent = 100 * (self.ratio - 1)
        side = "below" if percent < 0 else "above"
        return f"{abs(percent):.3g} % {side} the {self.goal}"

    @property
    def proof(self) -> str:
        """Summary of the certificate, for people."""
        if not self.certified:
            return f"NOT CERTIFIED within {self.certificate.gap:.1e}"
        better = "better" if self.goal == "optimum" else "faster"
        return f"certified: no unit of weight is {better} at another server"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        numbers = {
            name: float(getattr(self, name))
            for name in ("mean_delay", "last_price", "next_price", "continuous_delay")
        }
        compared = {
            f"{name}{end and f'_{end}'}": float(getattr(value, end) if end else value)
            for name, value in (("loss", self.loss), ("ratio", self.ratio))
            for end in ("", "lower", "upper")
        }
        return {
            "goal": self.goal,
            "load": self.load,
            "loads": list(self.loads),
            "jobs": list(self.jobs),
            "total": self.total,
            "servers": self._servers(weight=self.weights.tolist()),
            **finite(numbers | compared),
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "caveats": list(self.caveats),
        }


def whole_split(
    bank: Latency,
    names: tuple[str, ...],
    goal: Goal,
    loads: WeightedLoads,
    limits: Sequence[Limit],
    continuous: BoundedValue | None,
    total: int | None,
    at_most: int | None,
) -> WholeSplit:
    """Return the whole weights of a total, or of the best total.

    Parameters
    ----------
    bank : Latency
        n servers.
    names : tuple of str
        Names of the servers.
    goal : {"optimum", "equilibrium"}
        Goal of the weights.
    loads : WeightedLoads
        The loads that the weights are for.
    limits : sequence of Limit
        Limits on the flow of each server.
    continuous : BoundedValue or None
        Mean delay of the split without rounding; None to compute it.
    total, at_most : int or None
        Sum of the weights, or the largest sum; exactly one of them.
    """
    least, most = _shares(bank, loads.load, limits)
    found = whole_weights(bank, loads, total, at_most=at_most, goal=goal, least=least, most=most)
    if continuous is None:
        continuous = _continuous(bank, loads, goal, least, most)
    share, mean, latency = found.weights / found.total, loads.mean, np.zeros(len(bank))
    servers = Part(bank, np.array([found.total]))
    for load, jobs in loads.counted:
        latency += jobs * servers.latency(found.weights[None], load)[0]
    delay = within(found.mean_delay, ROUNDING)
    excess = found.excess if goal == "optimum" else 0.0
    proof = bounds(found.mean_delay, found.mean_delay - excess, found.mean_delay, ROUNDING)
    ratio, loss = _quotient(delay, continuous), _difference(delay, continuous)
    return WholeSplit(
        load=mean,
        names=names,
        flow=found.weights * mean / found.total,
        share=share,
        latency=latency,
        caveats=tuple(bank.caveats(share * float(loads.load.max()), names)),
        percentile_at=partial(percentile_of, bank, share * mean) if loads.load.size == 1 else None,
        goal=goal,
        weights=found.weights,
        total=found.total,
        loads=tuple(loads.load.tolist()),
        jobs=tuple(loads.jobs.tolist()),
        mean_delay=found.mean_delay,
        certificate=proof,
        certified=found.excess <= ROUNDING * max(found.mean_delay, found.last_price),
        last_price=found.last_price,
        next_price=found.next_price,
        continuous_delay=continuous,
        loss=loss,
        ratio=ratio,
    )


def whole_split_of(
    bank: Latency,
    names: tuple[str, ...],
    load: npt.ArrayLike,
    total: int | None,
    at_most: int | None,
    goal: Goal,
    parts: npt.ArrayLike | None,
    limits: Sequence[Limit],
) -> WholeSplit:
    """Return whole weights for one load or several; see `ParallelServers.weights`."""
    check_goal(goal)
    if goal == "equilibrium":
        no_limits({"subject_to": limits})
    loads = weighted_loads(bank, load, parts)
    return whole_split(bank, names, goal, loads, limits, None, total, at_most)


def _shares(bank: Latency, load: Array, limits: Sequence[Limit]) -> tuple[Array, Array]:
    """Return the bounds of the shares within which the limits hold at all loads, shape (n,) each.

    Raises
    ------
    InputError
        On a limit that bounds several servers together.
    LoadError
        Where no split meets the limits.
    """
    n = len(bank)
    least, most = np.zeros(n), np.ones(n)
    if not limits:
        return least, most
    why = (
        "the cheapest units of weight need not keep it, and the best whole weights within it are a "
        "knapsack problem"
    )
    flows = bounds_of_flows(bank, load, limits, why)
    for (low, high), one in zip(flows, load.tolist(), strict=True):
        least, most = np.maximum(least, low / one), np.minimum(most, high / one)
    return np.clip(least, 0.0, 1.0), np.clip(most, 0.0, 1.0)


def _continuous(
    bank: Latency, loads: WeightedLoads, goal: Goal, least: Array, most: Array
) -> BoundedValue:
    """Return the mean delay of the exact split without rounding, with certified bounds."""
    single = loads.load.size == 1
    servers: ServerBank = bank if single else SharedSplit(bank, loads)
    load = float(loads.load[0]) if single else 1.0
    if not (least.any() or np.any(most < 1)):
        return exact_delay(servers, load, goal)
    low, high = least * load, most * load
    split = limited_optimum(servers, load, least=low, most=high)
    none = np.zeros((1, 0))
    limits = Limits(low[None], high[None], np.zeros((0, len(bank))), none, split.flow[None])
    at, price = np.array([load]), np.array([split.multiplier])
    proof = certify_within(servers, at, split.flow[None], limits, price, none).row(0)
    return bounded(split.mean_delay, proof)


def _quotient(found: BoundedValue, other: BoundedValue) -> BoundedValue:
    """Return the quotient of two delays, with bounds; 1 where both are 0."""
    if other.lower <= 0:
        return BoundedValue(1.0 if found == other else math.inf, 0.0, math.inf)
    lower = found.lower / other.upper * (1 - ROUNDING)
    return BoundedValue(found / other, lower, found.upper / other.lower * (1 + ROUNDING))


def _difference(found: BoundedValue, other: BoundedValue) -> BoundedValue:
    """Return the difference of two delays, with bounds."""
    return BoundedValue(found - other, found.lower - other.upper, found.upper - other.lower)
