"""Service modes, models against reference: semidefinite, cone and linear programs on one side, roots and closed forms on the other."""

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

TIE = 1e-6  # relative distance from the breakaway load within which two p are as good as each other


def checks(
    system: MultiMode, loads: Iterable[float], options: Mapping[str, Any]
) -> Iterator[Check]:
    """Yield the checks of a system with two service modes.

    At every load: the delay of the best assignment and its certified lower bound, p and the shares of both stages, the best partition at the
    middle of the stable interval, and of a `DualMode` the tunable-mode optimum. Once: the largest load and the breakaway.
    """
    check_solve_options("verify", options, PolishOptions)
    broken = exact.breakaway(system.rates)
    yield from _largest_load(system)
    yield from _breakaway(system, broken, options)
    for load in loads:
        near = broken is not None and abs(load / broken.load - 1) < TIE
        yield from _at_load(system, load, options, tie=near)
        if isinstance(system, DualMode):
            yield from tunable_checks(system.tunable, [load], {})


def tunable_checks(
    system: TunableMode, loads: Iterable[float], options: Mapping[str, Any]
) -> Iterator[Check]:
    """Yield the checks of a tunable-mode system: its least delay, and the part of the work done locally, at every load."""
    for load in loads:
        found, true = system.optimum(load, **options), system.exact
        yield compare(
            "tunable delay",
            load,
            found.mean_delay,
            float(true.least_delay(load)),
            found.certificate.gap,
            "time",
        )
        yield _part("tunable f", load, found.f, float(true.best_fraction(load)))


def _largest_load(system: MultiMode) -> Iterator[Check]:
    found, true = system.capacity(), exact.capacity(system.rates).max_load
    yield compare("largest load", true, found.max_load, true, found.certificate.gap, "rate")


def _breakaway(
    system: MultiMode, true: exact.Breakaway | None, options: Mapping[str, Any]
) -> Iterator[Check]:
    found = system.breakaway(**options)
    if true is None or found is None:
        same = true is found
        yield Check(
            "no breakaway",
            system.max_load,
            float(found is None),
            float(true is None),
            float(not same),
            None,
            same,
            "number",
        )
        return
    yield replace(
        compare("breakaway load", true.load, found.load, true.load, None, "rate"),
        shares=found.shares,
    )
    yield _part("p after it", true.load, found.p_after, true.p_after, 1e-6)


def _at_load(
    system: MultiMode, load: float, options: Mapping[str, Any], *, tie: bool
) -> Iterator[Check]:
    found, true = system.assignment(load, **options), exact.assignment(system.rates, load)
    yield compare(
        "best delay", load, found.mean_delay, true.mean_delay, found.certificate.gap, "time"
    )
    excess = found.certificate.lower_bound / true.mean_delay - 1
    yield Check(
        "lower bound",
        load,
        found.certificate.lower_bound,
        true.mean_delay,
        abs(excess),
        found.certificate.gap,
        excess <= 0,
        "time",
    )
    if not tie and options.get("polish", True):
        yield _part("p", load, found.p, true.p)
        for s, stage in enumerate(system.stages):
            yield _part(f"share, {stage}", load, float(found.share[s, 0]), float(true.share[s, 0]))
    p = float(np.mean(exact.stable_interval(system.rates, load)))
    divided, best = system.partition(load, p, **options), exact.partition(system.rates, load, p)
    yield compare(
        f"delay at p = {p:.3g}",
        load,
        divided.mean_delay,
        best.mean_delay,
        divided.certificate.gap,
        "time",
    )


def _part(
    quantity: str, load: float, model: float, reference: float, agree: float = AGREE
) -> Check:
    """Check of a number between 0 and 1, by its difference."""
    difference = abs(model - reference)
    return Check(quantity, load, model, reference, difference, None, difference <= agree, "number")
