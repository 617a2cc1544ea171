"""Verification of systems with service modes.

Linear, second-order cone and semidefinite programs are compared with closed forms and scalar roots,
programs of shared stages also with the interior-point method of routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ....reference import service_modes as exact
from ....reference.service_modes.shared import TwoSharedModes
from ...core.options import FormulationOptions, PolishOptions, check_solve_options
from ...frontend.verification import AGREE, Check, compare
from ..parallel.prices import GOALS
from ..routes.verify import checks as route_checks
from .breakaway import CertifiedBreakaway
from .dual_mode import DualMode
from .operating_point import OperatingPoint
from .shared import SharedModes
from .system import MultiMode
from .tunable import TunableMode

SEARCH = "the search for the modes that are used, and its bound of all others"
SCAN = 12  # loads of the scan for breakaways: they are compared, not all found
BESIDE = 1e-6  # relative distance from a breakaway of the loads at its sides
TIE = 1e-6
"""Relative distance from the breakaway load within which two assignments are equally good."""


def checks(
    system: MultiMode, loads: Iterable[float], options: Mapping[str, Any]
) -> Iterator[Check]:
    """Yield the checks of a system with service modes.

    Once: the largest load and the breakaway, of more modes than two all that a scan finds, and the
    delays of the modes in use at the sides of each. At every load: the delay of the best
    assignment and its certified lower bound; of two modes p and the shares of all stages, the best
    partition at the middle of the stable interval, and for a `DualMode` the optimum of its
    tunable-mode system; of other numbers the delay of the point that the model returns.

    Parameters
    ----------
    system : MultiMode
    loads : iterable of float
        Jobs per unit of time, each above 0 and below the largest load.
    options : mapping
        Options of `MultiMode.assignment`.
    """
    check_solve_options("verify", options, PolishOptions)
    if system.rates.modes != 2:
        yield from _many_modes(system, loads, options)
        return
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


def _many_modes(
    system: MultiMode, loads: Iterable[float], options: Mapping[str, Any]
) -> Iterator[Check]:
    """Compare a system of other than two modes; its best assignment need not be unique."""
    yield from _largest_load(system)
    yield from _breakaways(system, options)
    for load in loads:
        model, true = system.assignment(load, **options), exact.assignment(system.rates, load)
        for check in _delay_and_bound(load, model, true.mean_delay):
            yield replace(check, shares=SEARCH)
        parts, share = model.assignment, model.share
        delay = exact.mean_delay(system.rates, load, parts, share)
        yield compare("delay of its partition", load, model.mean_delay, delay, None, "time")


def _breakaways(system: MultiMode, options: Mapping[str, Any]) -> Iterator[Check]:
    """Compare the breakaways of more modes with those of the reference, and look at their sides.

    At its sides, a certified best assignment to all modes has the delay of the best assignment to
    the modes that the breakaway names: that shares nothing with the search for its load.
    """
    found = system.breakaways(points=SCAN, **options)
    true = exact.breakaways(system.rates, points=SCAN)
    left = (*found.left, *true.left)  # in these intervals one of the two ran out of time
    both = [
        [c for c in changes if not any(low <= c.load <= high for low, high in left)]
        for changes in (found, true)
    ]
    number = _number("breakaways", system.max_load, *(float(len(changes)) for changes in both))
    yield replace(number, shares=found.shares)
    ends = [0.0, *(c.load for c in both[0]), system.max_load]
    for i, (model, reference) in enumerate(zip(*both, strict=False)):
        load = model.load
        check = compare("breakaway load", reference.load, load, reference.load, None, "rate")
        yield replace(check, shares=found.shares)
        check = _fraction("jump", reference.load, model.jump, reference.jump, 1e-6)
        yield replace(check, shares=found.shares)
        sides = ("before", -1, model.used_before), ("after", 1, model.used_after)
        for side, sign, used in sides:
            at = load + sign * min(BESIDE * load, 0.5 * abs(ends[i + 1 + sign] - load))
            best = system.assignment(at, **options)
            some = exact.assignment(system.rates.take(used), at).mean_delay
            yield compare(
                f"delay {side} it", at, best.mean_delay, some, best.certificate.gap, "time"
            )


def shared_checks(
    system: SharedModes, loads: Iterable[float], options: FormulationOptions
) -> Iterator[Check]:
    """Yield the checks of shared stages.

    Those of a system with routes, see `sojourn.models.systems.routes.verify.checks`, a stage being
    a station. Of two modes at two stages without fixed delays, for optimum and equilibrium: the
    thresholds once, and at every load the mean delay and the part of the jobs in mode 1, all in
    closed form.

    Parameters
    ----------
    system : SharedModes
    loads : iterable of float
        Jobs per unit of time, each above 0 and below the largest load.
    options : FormulationOptions
        Options of `SharedModes.optimum`.
    """
    points = list(loads)
    yield from route_checks(system, points, options)
    if system.rates.time.shape == (2, 2) and not system.rates.delay.any():
        yield from _closed_forms(system, points, options)


def _closed_forms(
    system: SharedModes, loads: Sequence[float], options: FormulationOptions
) -> Iterator[Check]:
    """Compare two shared modes with their closed forms."""
    pair, found = TwoSharedModes(system.rates), system.thresholds()
    for goal in GOALS:
        changes = getattr(found, goal)
        known = [load for load in pair.thresholds(goal) if load and load < changes.high]
        counts = float(len(changes.thresholds)), float(len(known))
        yield _number(f"{goal} thresholds", system.max_load, *counts)
        for change, load in zip(changes.thresholds, known, strict=False):
            yield compare(f"{goal} threshold", load, change.load, load, None, "rate")
        for load in loads:
            model = getattr(system, goal)(load, **options)
            true = pair.mean_delay(goal, load)
            gap = model.certificate.gap
            yield compare(f"{goal} delay, formula", load, model.mean_delay, true, gap, "time")
            yield _fraction(f"{goal} p, formula", load, model.p, pair.p(goal, load))


def _number(quantity: str, load: float, model: float, reference: float) -> Check:
    """Check of two whole numbers."""
    difference = abs(model - reference)
    return Check(quantity, load, model, reference, difference, None, not difference, "number")


def _largest_load(system: MultiMode) -> Iterator[Check]:
    model, true = system.capacity(), exact.capacity(system.rates).max_load
    yield compare("largest load", true, model.max_load, true, model.certificate.gap, "rate")


def _breakaway(
    system: MultiMode, true: exact.Breakaway | None, options: Mapping[str, Any]
) -> Iterator[Check]:
    model = system.breakaway(**options)
    if true is None or not isinstance(model, CertifiedBreakaway):
        both = true is None and model is None
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
    yield from _delay_and_bound(load, model, true.mean_delay)
    if not tie and options.get("polish", True):
        yield _fraction("p", load, model.p, true.p)
        shares = zip(system.stages, model.share[:, 0], true.share[:, 0], strict=True)
        for stage, share, true_share in shares:
            yield _fraction(f"share, {stage}", load, float(share), float(true_share))
    p = float(np.mean(exact.stable_interval(system.rates, load)))
    model = system.partition(load, p, **options)
    least, gap = exact.partition(system.rates, load, p).mean_delay, model.certificate.gap
    yield compare(f"delay at p = {p:.3g}", load, model.mean_delay, least, gap, "time")


def _delay_and_bound(load: float, model: OperatingPoint, true: float) -> Iterator[Check]:
    """Compare the least delay, and check that its certified lower bound is one."""
    bound, gap = model.certificate.lower_bound, model.certificate.gap
    yield compare("best delay", load, model.mean_delay, true, gap, "time")
    excess = bound / true - 1
    yield Check("lower bound", load, bound, true, abs(excess), gap, excess <= 0, "time")


def _fraction(
    quantity: str, load: float, model: float, reference: float, tolerance: float = AGREE
) -> Check:
    """Check of a number between 0 and 1, by its absolute difference."""
    difference = abs(model - reference)
    passed = difference <= tolerance
    return Check(quantity, load, model, reference, difference, None, passed, "number")
