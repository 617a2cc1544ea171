"""Sizes at a given split of one load: closed forms, or one root for all servers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ......reference.errors import Array, InputError
from ......reference.parallel.decisions.late_sizes import rates_for_late_share
from ......reference.parallel.decisions.sizes import SizedRates, rates_at_split
from ......reference.parallel.decisions.tail_sizes import rates_for_targets
from ...late_share import LateShare
from .problem import SizeProblem
from .server_targets import check_exponential, least_rates
from .sized import SizedServers, sized_servers

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
    with in_words_of_users():
        found = _rates(problem, flows[0])
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


@contextmanager
def in_words_of_users() -> Iterator[None]:
    """Raise errors of the reference with the fields that users know."""
    try:
        yield
    except InputError as error:
        field = FIELDS.get(error.field, error.field)
        raise type(error)(field, error.value, error.problem, error.remedy) from None


def check_bounded(problem: SizeProblem, flow: Array) -> None:
    """Raise InputError at the first server, with a flow of shape (n,), whose delay has no bound."""
    for i in np.flatnonzero((flow > 0) & (problem.low <= flow))[:1]:
        name = problem.system.names[i]
        text = f"do not bound the delay at {name}: its least rate is its flow"
        remedy = "add MeanDelay(time), or a target or min_rate for this server"
        raise InputError("subject_to", list(problem.targets), text, remedy)


def _rates(problem: SizeProblem, flow: Array) -> SizedRates:
    """Return the rates at a flow of shape (n,), by the question that decides."""
    if problem.one(LateShare) is not None:
        return _rates_for_late_shares(problem, flow)
    servers = (flow, problem.k, problem.delay, problem.rate_price, problem.low, problem.high)
    if problem.minimise == "cost" and problem.delay_cost is None and problem.mean_target is None:
        check_bounded(problem, flow)
        return rates_at_split(*servers, mean_delay=math.inf)
    return rates_at_split(*servers, **_deciding(problem, flow))


def _deciding(problem: SizeProblem, flow: Array) -> dict[str, Any]:
    """Return the budget with the openings that it pays, the mean delay or the price of money."""
    if problem.budget is not None:
        return {"budget": problem.budget, "opening": problem.opening_cost(flow)}
    if problem.delay_cost is not None:
        return {"money_price": 1.0 / problem.delay_cost}
    return {} if problem.mean_target is None else {"mean_delay": problem.mean_target}


def _rates_for_late_shares(problem: SizeProblem, flow: Array) -> SizedRates:
    """Return the rates for shares of late jobs, beside whatever else decides."""
    check_exponential(problem)
    servers = (flow, problem.delay, problem.rate_price, problem.low, problem.high)
    late = [(t.within, t.at_most) for t in problem.targets if isinstance(t, LateShare)]
    deciding = _deciding(problem, flow)
    if deciding or len(late) > 1:
        found = rates_for_targets(*servers, late=late, **deciding)
    else:
        found = rates_for_late_share(*servers, within=late[0][0], at_most=late[0][1])
    for i in np.flatnonzero((flow > 0) & (found.spare_capacity <= 0))[:1]:
        text = f"is cheapest without spare capacity at {problem.system.names[i]}"
        remedy = "add a MeanDelay or ServerDelay target, min_rate, or give it a smaller share"
        raise InputError("subject_to", list(problem.targets), text, remedy)
    return found
