"""Two ways to lower the delay of selfish users: routing a part of the load, and tolls.

`sojourn.reference.parallel.control` and `sojourn.reference.parallel.tolls` have the theory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np

from ....reference.errors import Array
from ....reference.html_table import HtmlTable
from ....reference.parallel.control import (
    TIE,
    Strategy,
    check_fraction,
    check_strategy,
    leader_flow,
)
from ...core.certificate import Bounds, bounds
from ...core.options import FormulationOptions
from ...core.ratio import Ratio
from ...core.signatures import show_options
from ...core.solve import Task
from ...core.tolerance import GapTolerance
from .certificate import Certificate, rounding
from .dual_bounds import SUM_ERROR
from .formulations import Model, for_goal
from .limits import no_limits
from .perceived import certify_perceived
from .questions import Splits
from .solution import SHOWN, Solution

if TYPE_CHECKING:
    from .system import ParallelServers

NO_USERS = 1e-15  # part of the load that is rounding error: no users are left


@dataclass(frozen=True, eq=False)
class ControlledSplit(HtmlTable):
    """A split in which an operator routes a fraction of the load, and users route the rest.

    Attributes
    ----------
    fraction : float
        Share of the load that the operator routes.
    strategy : {"llf", "scale"}
        Largest latency first, or the optimum scaled down.
    leader : ndarray, shape (n,)
        Flow that the operator sends to each server, jobs per unit of time.
    flow : ndarray, shape (n,)
        Flow of each server, the users' flow included.
    mean_delay : float
        Mean delay of all jobs, in units of time.
    gap : float
        Largest relative error of the mean delay, for these flows of the operator.
    certified : bool
        Whether the optimum and the users' equilibrium are certified.
    optimum : Solution
        The optimum from which the operator's flows are taken.
    followers : Solution or None
        The equilibrium of the users, on top of the operator's flows; None where the operator
        routes the whole load.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> quarter = ParallelServers(MM1(rate=[10.0, 5.0])).control(9.0, fraction=0.25)
    >>> quarter.leader.round(4), quarter.flow.round(4)
    (array([0.  , 2.25]), array([6.75, 2.25]))
    >>> round(quarter.ratio, 4), quarter.certified
    (1.0133, True)
    """

    fraction: float
    strategy: Strategy
    leader: Array
    flow: Array
    mean_delay: float
    gap: float
    certified: bool
    optimum: Solution
    followers: Solution | None

    times: ClassVar[tuple[str, ...]] = ("mean_delay",)

    @property
    def certificate(self) -> Certificate:
        """Certificate of the mean delay, for these flows of the operator."""
        return (self.followers or self.optimum).certificate

    @property
    def ratio(self) -> Ratio:
        """Mean delay divided by that of the optimum, >= 1, with its bounds."""
        return Ratio.of(self, self.optimum)

    def __repr__(self) -> str:
        return (
            f"{self.fraction:.4g} of load {self.optimum.load:g} under control ({self.strategy}): "
            f"mean delay {self.mean_delay:.9g}, {self.ratio:.6f} of the optimum, "
            f"within {self.gap:.1e}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        return {
            "fraction": self.fraction,
            "strategy": self.strategy,
            "mean_delay": self.mean_delay,
            "ratio": self.ratio,
            "gap": self.gap,
            "certified": self.certified,
            "leader": self.leader.tolist(),
            "flow": self.flow.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Tolls(HtmlTable):
    """Marginal-cost tolls, and the equilibrium of users who pay them.

    Attributes
    ----------
    toll : ndarray, shape (n,)
        Toll of each server, in units of time: x l'(x) at the optimum, the delay that a job adds
        to the other jobs; 0 at unused servers.
    optimum : Solution
        The optimum.
    equilibrium : Solution
        The equilibrium of the servers with the tolls added to their latencies.
    mean_delay : float
        Mean delay of that equilibrium without the tolls: the mean delay of the optimum.
    certificate : Bounds
        Bounds of that mean delay. The lower bound is that of the optimum, so the gap is the
        largest relative distance of the equilibrium from the optimum.
    certified : bool
        Whether this gap and that of the optimum are small enough.
    difference : float
        Largest difference of a flow between equilibrium and optimum, divided by the load.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> tolls = ParallelServers(MM1(rate=[10.0, 5.0])).tolls(9.0)
    >>> tolls.toll.round(4), tolls.certified
    (array([0.525 , 0.4071]), True)
    """

    toll: Array
    optimum: Solution
    equilibrium: Solution
    mean_delay: float
    certificate: Bounds
    certified: bool
    difference: float

    times: ClassVar[tuple[str, ...]] = ("toll", "mean_delay", "certificate")

    @property
    def gap(self) -> float:
        """Largest relative error of the mean delay, and distance from the optimum."""
        return self.certificate.gap

    def __repr__(self) -> str:
        more = ", ..." if self.toll.size > SHOWN else ""
        tolls = ", ".join(f"{t:.6g}" for t in self.toll[:SHOWN]) + more
        state = "" if self.certified else "NOT CERTIFIED as "
        return (
            f"tolls at load {self.optimum.load:g}: {tolls}; with them the equilibrium is {state}"
            f"the optimum: mean delay {self.mean_delay:.9g} within {self.gap:.1e}"
        )


@show_options
def control(
    system: ParallelServers,
    load: float,
    fraction: float,
    strategy: str = "llf",
    **options: Unpack[FormulationOptions],
) -> ControlledSplit:
    """Return the split when an operator routes a fraction; see `ParallelServers.control`."""
    no_limits(options)
    part, kind, load = check_fraction(fraction), check_strategy(strategy), system.check_load(load)
    best = system.optimum(load, **for_goal("optimum", options))
    leader = leader_flow(best.flow, best.latency, best.load, part, kind)
    rest = -math.fsum([*leader, -best.load])
    users = None
    if rest > NO_USERS * best.load:
        task = system._followers(best.load, **for_goal("equilibrium", options))
        users = task.one(best.load, leader)
    found = users or best
    return ControlledSplit(
        fraction=part,
        strategy=kind,
        leader=leader,
        flow=leader if users is None else users.flow,
        mean_delay=found.mean_delay,
        gap=found.certificate.gap,
        certified=best.certified and found.certified,
        optimum=best,
        followers=users,
    )


def followed(task: Task[Model, Splits, Solution], best: Solution, leaders: Array) -> Splits:
    """Return the users' equilibria on top of K leaders' flows; the optimum where no users are left.

    Parameters
    ----------
    task : Task
        The task of `Followers`.
    best : Solution
        The optimum.
    leaders : ndarray, shape (K, n)
        Flows that the operator sends, jobs per unit of time.
    """
    rest = np.array([-math.fsum([*leader, -best.load]) for leader in leaders])
    has_users, out = rest > NO_USERS * best.load, task.question.empty(len(leaders))
    for name in ("mean_delay", "lower_bound", "upper_bound", "gap"):
        getattr(out, name)[~has_users] = getattr(best.certificate, name)
    out.certified[~has_users] = True
    if has_users.any():
        loads = np.full(int(has_users.sum()), best.load)
        out.put(has_users, task.solve(loads, leaders[has_users]).values(slice(None)))
    return replace(out, certified=out.certified & best.certified)


def price_of_optimum(best: Solution) -> float:
    """Return the least fraction of the load whose control can bring about the optimum.

    It is the optimal share of all used servers but those with the least latency, which users
    choose on their own (the price of optimum).
    """
    tie = 1 + max(TIE, 10 * best.certificate.gap)
    slower = best.active & (best.latency > best.latency[best.active].min() * tie)
    return float(best.flow[slower].sum() / best.load)


@show_options
def tolls(system: ParallelServers, load: float, **options: Unpack[FormulationOptions]) -> Tolls:
    """Return tolls from the optimum and the equilibrium under them; see `ParallelServers.tolls`."""
    no_limits(options)
    best = system.optimum(load, **for_goal("optimum", options))
    # x l'(x) is the common marginal delay less the latency; near saturation this has more digits
    toll = np.where(best.active, np.maximum(best.multiplier - best.latency, 0.0), 0.0)
    tolled, no_leader = system.bank.with_extra_delay(toll), np.zeros(len(system))
    view = type(system)(tolled, names=system.names, time_unit=system.time_unit)
    found = view.equilibrium(load, **for_goal("equilibrium", options))
    perceived = found.certificate
    proof = certify_perceived(
        system.bank,
        tolled,
        no_leader,
        np.array([best.load]),
        found.flow[None],
        np.array([perceived.lower_bound]),
        np.array([perceived.upper_bound]),
    ).row(0)
    # no split is better than the optimum
    lowest = best.certificate.lower_bound
    certificate = bounds(proof.mean_delay, lowest, proof.upper_bound, SUM_ERROR)
    by_rounding = rounding(system.bank, np.array(best.load), found.flow, "equilibrium")
    certified = best.certified and bool(GapTolerance.of(options).met(certificate.gap, by_rounding))
    difference = float(np.max(np.abs(found.flow - best.flow)) / found.load)
    return Tolls(toll, best, found, proof.mean_delay, certificate, certified, difference)
