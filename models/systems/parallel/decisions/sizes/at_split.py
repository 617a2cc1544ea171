"""Sizes at a given split of one load: closed forms, or one root for all servers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ......reference.errors import Array, InputError
from ......reference.parallel.decisions.late_sizes import rates_for_late_share
from ......reference.parallel.decisions.sizes import SizedRates, rates_at_split
from ...late_share import LateShare
from .problem import SizeProblem
from .server_targets import check_exponential, least_rates
from .sized import SizedServers, sized_servers
from .targets import MeanDelay, RateBudget

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
        price_of_money=0.0 - price / load if decided and math.isfinite(price) else None,
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
        text = f"is cheapest without spare capacity at {problem.system.names[i]}"
        remedy = "add a ServerDelay target or min_rate for this server, or give it a smaller share"
        raise InputError("subject_to", list(problem.targets), text, remedy)
    return found
