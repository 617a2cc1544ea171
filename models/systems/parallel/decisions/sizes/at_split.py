"""Sizes at a given split of one load: closed forms, or one root for all servers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ......reference.errors import Array, InputError
from ......reference.mg1 import MM1
from ......reference.parallel.decisions.late_sizes import rates_for_late_share
from ......reference.parallel.decisions.scalable import families, server_delay
from ......reference.parallel.decisions.sizes import SizedRates, rates_at_split, rates_for_delay
from ......reference.validation import as_floats, as_fraction, as_server_array, raise_at_first
from ...late_share import LateShare
from ...limits import ServerPercentile
from .problem import SizeProblem
from .sized import SizedServers, sized_servers
from .targets import NO_TIME, MeanDelay, RateBudget, ServerDelay

FIELDS = {
    "budget": "RateBudget.money",
    "mean_delay": "MeanDelay.time",
    "within": "LateShare.within",
    "at_most": "LateShare.at_most",
}
"""Arguments of the reference as users know them."""


def sized_at_split(problem: SizeProblem, flows: Array) -> SizedServers:
    """Return the rates for one load.

    Parameters
    ----------
    problem : SizeProblem
        The question.
    flows : ndarray, shape (1, n)
        Flow of each server.
    """
    problem = replace(problem, low=np.maximum(problem.low, least_rates(problem, flows[0])))
    load, weight = float(problem.loads[0]), problem.delay_cost
    try:
        found = _rates(problem, flows[0])
    except InputError as error:
        field = FIELDS.get(error.field, error.field)
        raise InputError(field, error.value, error.problem, error.remedy) from None
    lower, upper, price = found.lower_bound, found.upper_bound, found.money_price
    opening = problem.opening_cost(flows)
    of_delay = problem.minimise == "delay"
    ends = [end / load if of_delay else end + opening for end in (lower, upper)]
    decided = problem.budget or problem.mean_target or weight
    return sized_servers(
        problem,
        found.rate,
        flows,
        *ends,
        price_of_money=-price / load if decided and math.isfinite(price) else None,
    )


def _rates(problem: SizeProblem, flow: Array) -> SizedRates:
    """Return the rates at a flow of shape (n,), by the question that decides."""
    own = problem.one(LateShare)
    if own is not None:
        return _rates_for_late_share(problem, flow, own)
    servers = (flow, problem.k, problem.delay, problem.rate_price, problem.low, problem.high)
    if problem.budget is not None:
        return rates_at_split(*servers, budget=problem.budget, opening=problem.opening_cost(flow))
    if problem.delay_cost is not None:
        return rates_at_split(*servers, money_price=1.0 / problem.delay_cost)
    if problem.mean_target is None:
        for i in np.flatnonzero((flow > 0) & (problem.low <= flow))[:1]:
            name = problem.system.names[i]
            text = f"do not bound the delay at {name}: its least rate is its flow"
            remedy = "add MeanDelay(time), or a target or min_rate for this server"
            raise InputError("subject_to", list(problem.targets), text, remedy)
    return rates_at_split(*servers, mean_delay=problem.mean_target or math.inf)


def _rates_for_late_share(problem: SizeProblem, flow: Array, late: LateShare) -> SizedRates:
    """Return the rates of least cost for a share of late jobs, beside targets of single servers."""
    others = [t for t in problem.targets if isinstance(t, MeanDelay | RateBudget | LateShare)]
    if len(others) > 1 or problem.delay_cost is not None:
        problem_text = "stands beside a budget, a mean delay, a delay_cost or another LateShare"
        remedy = "combine it with ServerDelay and ServerPercentile alone, or bound the rates"
        raise InputError("subject_to", list(problem.targets), problem_text, remedy)
    check_exponential(problem)
    found = rates_for_late_share(
        flow,
        problem.delay,
        problem.rate_price,
        problem.low,
        problem.high,
        within=late.within,
        at_most=late.at_most,
    )
    for i in np.flatnonzero((flow > 0) & (found.spare_capacity <= 0))[:1]:
        text = f"is cheapest with no spare capacity at {problem.system.names[i]}, all late there"
        remedy = "add a ServerDelay target or min_rate for this server, or give it a smaller share"
        raise InputError("subject_to", list(problem.targets), text, remedy)
    return found


def least_rates(problem: SizeProblem, flow: Array) -> Array:
    """Return the least rates that keep the targets of single servers, shape (n,).

    They are 0 where a server has no flow.

    Raises
    ------
    InputError
        Where the largest rate of a server is below; with the best time that can be met.
    """
    least, n, used = np.zeros(len(flow)), len(flow), flow > 0
    for i, target in enumerate(problem.targets):
        if isinstance(target, ServerDelay):
            time, scale = target.checked(n), None
        elif isinstance(target, ServerPercentile):
            time, scale = _within(target, problem)
        else:
            continue
        at_server = time - problem.delay
        wanted = np.isfinite(time) & used
        t = np.where(wanted & (at_server > 0), at_server, 1.0)
        rate = rates_for_delay(flow, problem.k, t) if scale is None else flow + scale / t
        rate = np.where(wanted, np.where(at_server > 0, rate, np.inf), 0.0)
        for j in np.flatnonzero((rate > problem.high) | np.isinf(rate))[:1]:
            best = _best_time(problem, flow, scale)[j]
            name = problem.system.names[j]
            what = "more than " if np.isinf(problem.high[j]) else ""
            text = f"cannot be met at {name} by any rate up to {problem.high[j]:g}"
            remedy = f"give {what}{best:.12g}{'' if what else ' or more'}, or another largest rate"
            raise InputError(f"subject_to[{i}]", target, text, remedy)
        least = np.maximum(least, rate)
    return least


def _best_time(problem: SizeProblem, flow: Array, scale: float | None) -> Array:
    """Return the time at each server with its largest rate: the mean, or a percentile."""
    if scale is None:
        return server_delay(flow, problem.high, problem.k, problem.delay)
    return np.asarray(problem.delay + scale / (problem.high - flow))


def _within(target: ServerPercentile, problem: SizeProblem) -> tuple[Array, float]:
    """Return the time of a percentile at each server, and log(1/(1 - p))."""
    p = as_fraction("ServerPercentile.p", target.p, "the jobs", ends=False)
    time = as_floats("ServerPercentile.within", target.within)
    raise_at_first("ServerPercentile.within", time, np.asarray(time > 0), *NO_TIME)
    check_exponential(problem)
    return as_server_array("ServerPercentile.within", time, len(problem.system)), -math.log1p(-p)


def check_exponential(problem: SizeProblem) -> None:
    """Raise InputError at the first server that is not M/M/1, where a target is of tails."""
    start = 0
    for part in families(problem.bank):
        if not isinstance(part, MM1):
            name, family = problem.system.names[start], type(part).__name__
            text = f"of {name}, {family}: the distribution of its times is not in closed form"
            remedy = "use M/M/1 servers, or ServerDelay"
            raise InputError(f"servers[{start}]", family, text, remedy)
        start += len(part)
