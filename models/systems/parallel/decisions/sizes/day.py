"""Sizes for a profile of loads, such as those of the hours of a day: one set of rates for all."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ......reference.errors import InputError
from ......reference.parallel.decisions.day_rates import DayRates, rates_for_flows
from ......reference.parallel.decisions.day_sizes import LEAST_GAP, rates_for_day
from ...late_share import LateShare
from .at_split import check_bounded, in_words_of_users
from .problem import SizeProblem
from .server_targets import least_rates
from .sized import SizedServers, sized_servers


def sized_for_day(problem: SizeProblem) -> SizedServers:
    """Return the rates for several loads.

    At given splits the problem is convex, a root for each server; see
    `sojourn.reference.parallel.decisions.day_rates`. With each load split at its best it is not,
    and the rates are searched; see `sojourn.reference.parallel.decisions.day_sizes`.

    Raises
    ------
    InputError
        On targets that do not fit, or that no rates can meet.
    """
    for i, target in enumerate(problem.targets):
        if isinstance(target, LateShare):
            remedy = "use MeanDelay, ServerDelay or ServerPercentile, or one load"
            raise InputError(f"subject_to[{i}]", target, "is a target for one load", remedy)
    with in_words_of_users():
        found = _rates(problem)
    opening = problem.opening_cost(found.flow) if problem.flows is not None else 0.0
    lower = found.lower_bound + (opening if problem.minimise == "cost" else 0.0)
    weight, decided = found.weight, problem.budget or problem.mean_target or problem.delay_cost
    return sized_servers(
        problem,
        found.rate,
        found.flow,
        lower,
        price_of_money=0.0 - 1.0 / (weight * problem.mean_load) if decided and weight else None,
        nodes=found.nodes,
    )


def _rates(problem: SizeProblem) -> DayRates:
    """Return the rates at given flows, or with each load split at its best."""
    flows = problem.flows
    servers = (problem.k, problem.delay, problem.rate_price)
    if flows is not None:
        low = np.maximum(problem.low, least_rates(problem, flows.max(axis=0)))
        target = problem.mean_target
        if problem.budget is None and problem.delay_cost is None and target is None:
            check_bounded(replace(problem, low=low), flows.max(axis=0))
            target = math.inf
        return rates_for_flows(
            flows,
            problem.duration,
            *servers,
            delay_cost=problem.delay_cost,
            budget=problem.budget,
            mean_delay=target,
            min_rate=low,
            max_rate=problem.high,
            opening=problem.opening_cost(flows),
        )
    if problem.delay_cost is None or problem.targets:
        given = list(problem.targets)
        text = "does not fit split='best' for several loads, where delays have a price"
        raise InputError("subject_to", given, text, "give delay_cost=, or the shares")
    return rates_for_day(
        problem.loads,
        problem.duration,
        *servers,
        problem.delay_cost,
        min_rate=problem.low,
        max_rate=problem.high,
        opening=problem.opening,
        gap=float(np.clip(problem.gap, LEAST_GAP, 1.0)),
    )
