"""Reports on shared stages: ``sojourn run`` and ``sojourn anarchy``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, cast

import numpy as np
from rich.markup import escape
from rich.table import Table

from ....reference.plural import counted
from ....reference.service_modes.shared import ModesInUse
from ...core.ratio import PriceOfAnarchy
from ...frontend.report import Report, curve_files
from ...frontend.scenario import Scenario
from ..parallel.prices import GOALS
from ..routes.anarchy_report import anarchy as routes_anarchy
from ..routes.report import SHORT, rows_table, saving_line
from .modes_report import beside, head, pictures, price_lines, prices, refuse_weights, single_lines
from .shared import PriceOfReserving, SharedModes, SharedSolution, SharedThresholds, SharedTolls

Written = Scenario[SharedModes]
Answers = Mapping[str, SharedSolution]


def report(scenario: Written, load: float, solver: str | None, weights: str | None) -> Report:
    """Return the report at a load; see `SystemKind.report`."""
    refuse_weights(weights)
    system, present = scenario.system, scenario.units.result
    best, selfish = system.optimum(load, solver=solver), system.equilibrium(load, solver=solver)
    # beside the answers, also wide bounds are of use
    reserved, changes = system.reserved.assignment(load, throw=False), system.thresholds()
    answers: dict[str, SharedSolution] = {s.goal: present(s) for s in (best, selfish)}
    result = {
        **scenario.to_dict(),
        "discipline": "processor-sharing",
        "max_load": system.max_load,
        "load": best.load,
        **prices(PriceOfAnarchy.of(selfish, best), PriceOfReserving.of(reserved, best)),
        **{goal: found.to_dict() for goal, found in answers.items()},
        "reserved": present(reserved).to_dict(),
        **beside(scenario, system.rates, best.load, best.mean_delay),
        "thresholds": changes.to_dict(),
        "notes": list(scenario.notes),
    }
    files = curve_files(scenario, solver, partial(pictures, scenario))
    return Report(result, _shown(scenario, answers, changes, result), files)


def anarchy(
    scenario: Written, load: float | None, solver: str | None, *rest: bool
) -> Iterator[Report]:
    """Yield a report after each stage: worst case, players, tolls; see `SystemKind.anarchy`."""
    yield from routes_anarchy(scenario, load, solver, *rest, toll_table=_tolls)


def _shown(
    scenario: Written, answers: Answers, changes: SharedThresholds, result: Mapping[str, Any]
) -> Iterator[str | Table]:
    """Yield the texts and tables of the report for a terminal."""
    best, selfish = answers["optimum"], answers["equilibrium"]
    unit = scenario.delay_unit
    yield scenario.heading
    yield head(scenario, best.load, "each stage serves all jobs at once, by processor sharing")
    yield _modes(answers, unit)
    has_fixed_delays = bool(scenario.system.rates.delay.any())
    yield _stages(answers, unit, has_fixed_delays=has_fixed_delays)
    for found in answers.values():
        steps = counted(found.polished, "Newton step")
        way = f"{found.solver.lower()}, {found.formulation}, {steps}"
        yield f"{found.goal:<11}  certified within {found.certificate.gap:.0e} ({way})"
    yield f"{saving_line(selfish.largest_saving, unit, 'mode')}\n"
    yield from price_lines(result, result["reserved"]["mean_delay"], unit)
    yield from single_lines(scenario, result, best.mean_delay)
    for goal in GOALS:
        yield _next(scenario, goal, getattr(changes, goal), best.load)
    yield from scenario.remarks


def _modes(answers: Answers, unit: str) -> Table:
    """Return the table of the modes that are used at the optimum or at the equilibrium."""
    found = list(answers.values())
    used = np.flatnonzero(np.any([s.assignment > 0 for s in found], axis=0))
    headings = [f"{goal}\npart of\nthe jobs" for goal in SHORT]
    headings += [f"{goal}\ndelay\n({unit})" for goal in SHORT]
    columns = [
        *(map("{:.6f}".format, s.assignment[used]) for s in found),
        *(map("{:.6g}".format, s.mode_delay[used]) for s in found),
    ]
    size = np.max([s.assignment[used] for s in found], axis=0)
    names = [found[0].modes[m] for m in used]
    caption = f"modes that are used, of {len(found[0].modes)}"
    return rows_table("mode", names, headings, columns, size, caption=caption)


def _stages(answers: Answers, unit: str, *, has_fixed_delays: bool) -> Table:
    """Return the table of the stages: utilisation and delay of both goals."""
    found = list(answers.values())
    headings = [f"{goal}\nutili-\nsation" for goal in SHORT]
    headings += [f"{goal}\ndelay\n({unit})" for goal in SHORT]
    names, size = [*found[0].stages], found[0].utilisation
    columns = [
        *([f"{busy:.1%}" for busy in s.utilisation] for s in found),
        *([f"{delay:.6g}" for delay in s.stage_delay] for s in found),
    ]
    fixed = [s.mean_delay - float(s.stage_delay.sum()) for s in found]
    if has_fixed_delays:
        names, size = [*names, "fixed delays"], np.append(size, np.inf)
        for column, text in zip(
            columns, ("", "", *(f"{delay:.6g}" for delay in fixed)), strict=True
        ):
            column.append(text)
    means = ("", "", *(f"{s.mean_delay:.6g}" for s in found))
    return rows_table("stage", names, headings, columns, size, means)


def _next(scenario: Written, goal: str, changes: ModesInUse, load: float) -> str:
    """Return the line about the next load at which the modes of a goal change."""
    names = scenario.system.modes
    for change in changes.thresholds:
        if change.lower > load:
            words = [
                f"{escape(', '.join(names[m] for m in modes))} {verb}"
                for modes, verb in ((change.starts, "starts"), (change.stops, "stops"))
                if modes
            ]
            return f"{goal:<11}  next change of its modes at load {change.load:.6g}: " + "; ".join(
                words
            )
    if load < changes.high:
        return f"{goal:<11}  the same modes up to load {changes.high:.6g}"
    return f"{goal:<11}  changes of its modes are known up to load {changes.high:.6g}"


def _tolls(scenario: Written, tolls: SharedTolls) -> Table:
    """Return the table of the tolls on modes with jobs."""
    parts, unit = cast(SharedSolution, tolls.optimum).assignment, scenario.delay_unit
    used = np.flatnonzero(parts > 0)
    columns = [map("{:.6f}".format, parts[used]), map("{:.6g}".format, tolls.mode_toll[used])]
    headings = ("part of\nthe jobs", f"\ntoll ({unit})")
    caption = f"tolls at load {tolls.optimum.load:.6g}: the delay that a job adds to the others"
    names = [tolls.mode_names[m] for m in used]
    return rows_table("mode", names, headings, columns, parts[used], caption=caption)
