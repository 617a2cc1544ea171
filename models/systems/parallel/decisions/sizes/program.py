"""The convex program of sizes at given flows, for CVXPY and any solver of it.

With the flow x of a server as a number and its rate mu as the variable, the total delay
x (d + (1 - k)/mu + k/(mu - x)) is convex for every variability k. As a disciplined program it is

- ``multiply((1 - k) x, inv_pos(mu)) + multiply(k x, inv_pos(mu - x))`` for k <= 1,
- ``multiply(x, inv_pos(mu)) + multiply(k x^2, power(u, -2))`` else, with u^2 <= mu (mu - x), which
  is a second-order cone: |(u, x/2)| <= mu - x/2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ......reference.errors import Array
from ...late_share import LateShare
from ...limits import ServerPercentile
from .server_targets import percentile_time
from .targets import ServerDelay

if TYPE_CHECKING:
    from .problem import SizeProblem


@dataclass(frozen=True, eq=False)
class SizeModel:
    """A convex program of sizes, to which constraints can be added.

    Attributes
    ----------
    problem : cvxpy.Problem
        The program. Its objective is the minimised quantity in units of that of the answer.
    rate : cvxpy.Expression, shape (n,)
        Rate of each server.
    mean_delay, cost : cvxpy.Expression
        Mean delay of a job, and money for the rates.
    """

    problem: cp.Problem
    rate: cp.Expression
    mean_delay: cp.Expression
    cost: cp.Expression


def size_model(question: SizeProblem, flows: Array, rate: Array) -> SizeModel:
    """Return the convex program of a question of sizes.

    Parameters
    ----------
    question : SizeProblem
        The question; targets of the file
        `sojourn.models.systems.parallel.decisions.sizes.targets`, and limits of tails.
    flows : ndarray, shape (m, n)
        Flow of each server at each load.
    rate : ndarray, shape (n,)
        Rates near the solution, by which the program is scaled; its least value is then about 1.
    """
    n, load = flows.shape[1], question.mean_load
    used = flows.max(axis=0) > 0
    unit = program_unit(flows, rate)
    scaled = cp.Variable(n, nonneg=True)
    scaled.value = rate / unit
    low, high = question.low / unit, question.high / unit
    bounded = np.isfinite(high)
    constraints = [scaled >= low, scaled[bounded] <= high[bounded], scaled[~used] == low[~used]]
    total = cp.Constant(0.0)
    targets = question.targets
    for part, flow in zip(question.duration.tolist(), flows / unit, strict=True):
        has = np.flatnonzero(flow > 0)
        if not has.size:
            continue
        at_server, cones = _latency(scaled[has], flow[has], question.k[has], rate[has] / unit)
        latency = question.delay[has] + at_server / unit
        total += part * unit * (flow[has] @ latency)
        spare = scaled[has] - flow[has]
        constraints += [*cones, *_of_servers(question, has, latency, unit * spare)]
        for late in (t for t in targets if isinstance(t, LateShare)):
            tau = np.maximum(late.within - question.delay[has], 0.0)
            jobs = flow[has] @ cp.exp(-cp.multiply(unit * tau, spare))
            constraints.append(jobs <= late.at_most * float(flow.sum()))
    mean = total / load
    cost = unit * (question.rate_price @ scaled)
    opening = question.opening_cost(flows)
    if question.budget is not None:
        constraints.append(cost / question.budget <= 1.0 - opening / question.budget)
    if question.mean_target is not None:
        constraints.append(mean / question.mean_target <= 1.0)
    worth = 0.0 if question.delay_cost is None else question.delay_cost
    goal = mean if question.minimise == "delay" else cost + worth * total
    aim = cp.Minimize(goal / float(goal.value))
    return SizeModel(cp.Problem(aim, [c for c in constraints if c.size]), unit * scaled, mean, cost)


def program_unit(flows: Array, rate: Array) -> float:
    """Return the unit of rates of a program: in it spare capacities and times are about 1.

    Parameters
    ----------
    flows : ndarray, shape (m, n)
        Flow of each server at each load.
    rate : ndarray, shape (n,)
        Rates above the flows.
    """
    most = flows.max(axis=0)
    return float(np.exp(np.log((rate - most)[most > 0]).mean()))


def _latency(
    rate: cp.Expression, flow: Array, k: Array, start: Array
) -> tuple[cp.Expression, list[cp.Constraint]]:
    """Return the mean time at each server as a convex expression, with the cones that it needs.

    `start` are rates from which the scale of the program is computed.
    """
    if np.all(k <= 1.0):
        spare = rate - flow
        first = cp.multiply(1.0 - k, cp.inv_pos(rate)) if np.any(k < 1.0) else 0.0
        return first + cp.multiply(k, cp.inv_pos(spare)), []
    u = cp.Variable(flow.shape, nonneg=True)
    u.value = np.sqrt(start * (start - flow))
    cone = cp.SOC(rate - flow / 2, cp.vstack([u, flow / 2]), axis=0)
    wait = cp.multiply(k * flow, cp.power(u, -2))
    return cp.inv_pos(rate) + wait, [cone]


def _of_servers(
    question: SizeProblem, has: npt.NDArray[np.intp], latency: cp.Expression, spare: cp.Expression
) -> list[cp.Constraint]:
    """Return the constraints of the targets of single servers; `has` are those with jobs."""
    n, out = len(question.system), []
    for target in question.targets:
        if isinstance(target, ServerDelay):
            time = target._checked(n)[has]
            some = np.isfinite(time)
            out.append(latency[some] <= time[some])
        elif isinstance(target, ServerPercentile):
            time, scale = percentile_time(target, question)
            some = np.isfinite(time[has])
            out.append(spare[some] >= (scale / (time - question.delay)[has])[some])
    return out
