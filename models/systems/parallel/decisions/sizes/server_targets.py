"""Targets of single servers at a given split, as the least rates that keep them."""

from __future__ import annotations

import math

import numpy as np

from ......reference.amounts import as_server_times, enough
from ......reference.errors import Array, InputError
from ......reference.mg1 import MM1
from ......reference.parallel.decisions.scalable import families, server_delay
from ......reference.parallel.decisions.sizes import rates_for_delay
from ......reference.validation import as_fraction
from ...limits import ServerPercentile
from .problem import SizeProblem
from .targets import ServerDelay


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
            time, scale = target._checked(n), None
        elif isinstance(target, ServerPercentile):
            time, scale = percentile_time(target, problem)
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
            text = f"cannot be met at {name} by any rate up to {problem.high[j]:g}"
            remedy = (
                f"{enough(best, above=bool(np.isinf(problem.high[j])))}, or another largest rate"
            )
            raise InputError(f"subject_to[{i}]", target, text, remedy)
        least = np.maximum(least, rate)
    return least


def _best_time(problem: SizeProblem, flow: Array, scale: float | None) -> Array:
    """Return the time at each server with its largest rate: the mean, or a percentile."""
    if scale is None:
        return server_delay(flow, problem.high, problem.k, problem.delay)
    return np.asarray(problem.delay + scale / (problem.high - flow))


def percentile_time(target: ServerPercentile, problem: SizeProblem) -> tuple[Array, float]:
    """Return the time of a percentile at each server, and log(1/(1 - p))."""
    p = as_fraction("ServerPercentile.p", target.p, "the jobs", ends=False)
    field, n = "ServerPercentile.within", len(problem.system)
    time = as_server_times(field, target.within, n, finite=False)
    check_exponential(problem)
    return time, -math.log1p(-p)


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
