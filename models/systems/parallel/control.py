"""Partial control and tolls: what an operator can do about selfishness.

See `sojourn.reference.parallel.control` and `sojourn.reference.parallel.tolls`.
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
from .certificate import SURE, Certificate, certify_seen, rounding
from .formulations import Model, for_goal
from .limits import no_limits
from .questions import Splits
from .solution import Solution

if TYPE_CHECKING:
    from .system import ParallelServers

NOBODY = 1e-15  # part of the load that is rounding: there are no followers


@dataclass(frozen=True, eq=False)
class ControlledSplit(HtmlTable):
    """A part of the load routed centrally, the rest selfishly.

    Attributes
    ----------
    fraction : float
        Part of the load that is routed centrally.
    strategy : {"llf", "scale"}
        Largest latency first, or the optimum scaled down.
    leader : ndarray, shape (n,)
        What the operator sends to each server.
    flow : ndarray, shape (n,)
        All flow.
    mean_delay : float
        Of all jobs.
    gap : float
        Certified relative error of the mean delay, for this leader's flow.
    certified : bool
        Whether optimum and followers are.
    optimum : Solution
        What the leader's flow was taken from.
    followers : Solution or None
        The equilibrium of the rest, on top of the leader's flow; None where nobody is left.
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
        """Of the mean delay, for this leader's flow: that of the followers, or of the optimum where there are none."""
        return (self.followers or self.optimum).certificate

    @property
    def ratio(self) -> Ratio:
        """Mean delay over that of the optimum, >= 1, with its bounds."""
        return Ratio.of(self, self.optimum)

    def __repr__(self) -> str:
        head = f"{self.fraction:.4g} of load {self.optimum.load:g} under control ({self.strategy}): mean delay {self.mean_delay:.9g}"
        return f"{head}, {self.ratio:.6f} of the optimum, within {self.gap:.1e}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        plain = {
            "fraction": self.fraction,
            "strategy": self.strategy,
            "mean_delay": self.mean_delay,
            "ratio": self.ratio,
        }
        return {
            **plain,
            "gap": self.gap,
            "certified": self.certified,
            "leader": self.leader.tolist(),
            "flow": self.flow.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Tolls(HtmlTable):
    """Marginal-cost tolls, and what they lead to.

    Attributes
    ----------
    toll : ndarray, shape (n,)
        x l'(x) at the optimum, in time: what a job adds to the delay of the others; 0 at unused servers.
    optimum : Solution
    equilibrium : Solution
        Of the servers with the tolls added to their latencies.
    mean_delay : float
        Of the tolled equilibrium, without the tolls: the optimum's.
    certificate : Bounds
        Of that mean delay and of the optimum's: its lower bound is that of the optimum, so the gap says how far either can be.
    certified : bool
        Whether that gap and the optimum's are as small as was asked for.
    difference : float
        Largest difference of a flow between the two, in parts of the load.
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
        """Certified relative error of the mean delay, and certified relative distance from the optimum."""
        return self.certificate.gap

    def __repr__(self) -> str:
        tolls = ", ".join(f"{t:.6g}" for t in self.toll[:12]) + (
            ", ..." if self.toll.size > 12 else ""
        )
        sure = (
            "the equilibrium is the optimum"
            if self.certified
            else "the equilibrium is NOT CERTIFIED as the optimum"
        )
        return f"tolls at load {self.optimum.load:g}: {tolls}; with them {sure}: mean delay {self.mean_delay:.9g} within {self.gap:.1e}"


@show_options
def control(
    system: ParallelServers,
    load: float,
    fraction: float,
    strategy: str = "llf",
    **options: Unpack[FormulationOptions],
) -> ControlledSplit:
    """Route a fraction of the load centrally, the rest selfishly; see `ParallelServers.control`."""
    no_limits(options)
    part, kind, load = check_fraction(fraction), check_strategy(strategy), system.check_load(load)
    return follow(
        system, system.optimum(load, **for_goal("optimum", options)), part, kind, **options
    )


@show_options
def follow(
    system: ParallelServers,
    best: Solution,
    fraction: float,
    strategy: Strategy,
    **options: Unpack[FormulationOptions],
) -> ControlledSplit:
    """Equilibrium of the users who are not routed, from an optimum already solved."""
    leader = leader_flow(best.flow, best.latency, best.load, fraction, strategy)
    rest = -math.fsum([*leader, -best.load])
    if rest <= NOBODY * best.load:
        gap = best.certificate.gap
        return ControlledSplit(
            fraction, strategy, leader, leader, best.mean_delay, gap, best.certified, best, None
        )
    users = system.followers(best.load, **for_goal("equilibrium", options)).one(best.load, leader)
    certified = best.certified and users.certified
    return ControlledSplit(
        fraction,
        strategy,
        leader,
        users.flow,
        users.mean_delay,
        users.certificate.gap,
        certified,
        best,
        users,
    )


def followed(task: Task[Model, Splits, Solution], best: Solution, leaders: Array) -> Splits:
    """Answers for K leaders' flows, shape (K, n), of one optimum: the equilibria of the rest, the optimum where there is no rest."""
    rest = np.array([-math.fsum([*leader, -best.load]) for leader in leaders])
    some, out = rest > NOBODY * best.load, task.question.empty(len(leaders))
    for name in ("mean_delay", "lower_bound", "upper_bound", "gap"):
        getattr(out, name)[~some] = getattr(best.certificate, name)
    out.certified[~some] = True
    if some.any():
        out.put(
            some, task.solve(np.full(int(some.sum()), best.load), leaders[some]).values(slice(None))
        )
    return replace(out, certified=out.certified & best.certified)


def price_of_optimum(best: Solution) -> float:
    """Smallest fraction whose control can bring an optimum about: all flow but that of the fastest servers."""
    slower = best.active & (
        best.latency > best.latency[best.active].min() * (1 + max(TIE, 10 * best.certificate.gap))
    )
    return float(best.flow[slower].sum() / best.load)


@show_options
def tolls(system: ParallelServers, load: float, **options: Unpack[FormulationOptions]) -> Tolls:
    """Solve for the optimum, charge what it says, solve for the equilibrium; see `ParallelServers.tolls`."""
    no_limits(options)
    best = system.optimum(load, **for_goal("optimum", options))
    # all that is used has one marginal delay at the optimum: next to saturation no server's own flow says it as precisely
    toll = np.where(best.active, np.maximum(best.multiplier - best.latency, 0.0), 0.0)
    tolled, nobody = system.bank.with_extra_delay(toll), np.zeros(len(system))
    view = type(system)(tolled, names=system.names, time_unit=system.time_unit)
    found = view.equilibrium(load, **for_goal("equilibrium", options))
    seen, at = found.certificate, np.array([best.load])
    bounds_seen = np.array([seen.lower_bound]), np.array([seen.upper_bound])
    proof = certify_seen(system.bank, tolled, nobody, at, found.flow[None], *bounds_seen).row(0)
    # no split is better than the optimum
    certificate = bounds(proof.mean_delay, best.certificate.lower_bound, proof.upper_bound, SURE)
    slack = rounding(system.bank, np.array(best.load), found.flow, "equilibrium")
    certified = best.certified and bool(GapTolerance.of(options).met(certificate.gap, slack))
    difference = float(np.max(np.abs(found.flow - best.flow)) / found.load)
    return Tolls(toll, best, found, proof.mean_delay, certificate, certified, difference)
