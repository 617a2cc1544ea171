"""Verification of systems with service modes.

Linear, second-order cone and semidefinite programs are compared with closed forms and scalar roots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ....reference import service_modes as exact
from ...core.options import PolishOptions, check_solve_options
from ...frontend.verification import AGREE, Check, compare
from .dual_mode import DualMode
from .system import MultiMode
from .tunable import TunableMode

TIE = 1e-6
"""Relative distance from the breakaway load within which two assignments are equally good."""


def checks(
    system: MultiMode, loads: Iterable[float], options: Mapping[str, Any]
) -> Iterator[Check]:
    """Yield the checks of a system with two service modes.

    Once: the largest load and the breakaway. At every load: the delay of the best assignment and
    its certified lower bound, p and the shares of all stages, the best partition at the middle of
    the stable interval, and for a `DualMode` the optimum of its tunable-mode system.

    Parameters
    ----------
    system : MultiMode
    loads : iterable of float
        Jobs per unit of time, each above 0 and below the largest load.
    options : mapping
        Options of `MultiMode.assignment`.
    """
    check_solve_options("verify", options, PolishOptions)
    exact_breakaway = exact.breakaway(system.rates)
    yield from _largest_load(system)
    yield from _breakaway(system, exact_breakaway, options)
    for load in loads:
        tie = exact_breakaway is not None and abs(load / exact_breakaway.load - 1) < TIE
        yield from _at_load(system, load, options, tie=tie)
        if isinstance(system, DualMode):
            yield from tunable_checks(system.tunable, [load], {})


def tunable_checks(
    system: TunableMode, loads: Iterable[float], options: Mapping[str, Any]
) -> Iterator[Check]:
    """Yield the checks of a tunable-mode system: least delay and local part at every load."""
    for load in loads:
        model = system.optimum(load, **options)
        least, gap = float(system.exact.least_delay(load)), model.certificate.gap
        yield compare("tunable delay", load, model.mean_delay, least, gap, "time")
        yield _fraction("tunable f", load, model.f, float(system.exact.best_fraction(load)))


def _largest_load(system: MultiMode) -> Iterator[Check]:
    model, true = system.capacity(), exact.capacity(system.rates).max_load
    yield compare("largest load", true, model.max_load, true, model.certificate.gap, "rate")


def _breakaway(
    system: MultiMode, true: exact.Breakaway | None, options: Mapping[str, Any]
) -> Iterator[Check]:
    model = system.breakaway(**options)
    if true is None or model is None:
        both = true is model
        absent = (float(model is None), float(true is None))
        yield Check("no breakaway", system.max_load, *absent, float(not both), None, both, "number")
        return
    check = compare("breakaway load", true.load, model.load, true.load, None, "rate")
    yield replace(check, shares=model.shares)
    yield _fraction("p after it", true.load, model.p_after, true.p_after, 1e-6)


def _at_load(
    system: MultiMode, load: float, options: Mapping[str, Any], *, tie: bool
) -> Iterator[Check]:
    model, true = system.assignment(load, **options), exact.assignment(system.rates, load)
    bound, gap = model.certificate.lower_bound, model.certificate.gap
    yield compare("best delay", load, model.mean_delay, true.mean_delay, gap, "time")
    excess = bound / true.mean_delay - 1
    yield Check("lower bound", load, bound, true.mean_delay, abs(excess), gap, excess <= 0, "time")
    if not tie and options.get("polish", True):
        yield _fraction("p", load, model.p, true.p)
        shares = zip(system.stages, model.share[:, 0], true.share[:, 0], strict=True)
        for stage, share, true_share in shares:
            yield _fraction(f"share, {stage}", load, float(share), float(true_share))
    p = float(np.mean(exact.stable_interval(system.rates, load)))
    model = system.partition(load, p, **options)
    least, gap = exact.partition(system.rates, load, p).mean_delay, model.certificate.gap
    yield compare(f"delay at p = {p:.3g}", load, model.mean_delay, least, gap, "time")


def _fraction(
    quantity: str, load: float, model: float, reference: float, tolerance: float = AGREE
) -> Check:
    """Check of a number between 0 and 1, by its absolute difference."""
    difference = abs(model - reference)
    passed = difference <= tolerance
    return Check(quantity, load, model, reference, difference, None, passed, "number")
