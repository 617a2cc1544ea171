"""Report of ``sojourn run`` on a dual-mode system: operating point, breakaway, curves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from rich.table import Table

from ....reference import service_modes as exact
from ....reference.errors import InputError
from ....reference.plural import counted
from ...core.solution import finite_or_none
from ...frontend.report import File, Report, curve_files, picture
from ...frontend.scenario import Scenario
from ...frontend.tables import ruled, table
from .breakaway import CertifiedBreakaway
from .dual_mode import DualMode
from .modes_report import refuse_weights
from .operating_point import OperatingPoint
from .scenario import SHARED
from .system import MultiMode

if TYPE_CHECKING:
    import xarray as xr

DualModeScenario = Scenario[DualMode]

PROFILE_LOADS = (0.25, 0.5, 0.7, 0.85, 0.95)
"""Parts of the largest load whose delay is drawn over p, beside the load of the operating point."""


def report(
    scenario: DualModeScenario, load: float, solver: str | None, weights: str | None
) -> Report:
    """Return the report at a load; see `SystemKind.report`."""
    refuse_weights(weights)
    best = scenario.units.result(scenario.system.assignment(load, solver=solver))
    result = _result(scenario, best, solver)
    return Report(result, _text(scenario, best, result), _files(scenario, solver, load))


def anarchy(scenario: Scenario[MultiMode], *_: Any) -> Never:
    """Raise InputError: no user chooses where an operator divides stages between the modes."""
    problem = "has a part of each stage for each mode: an operator chooses both, and no user"
    table = "dual_mode" if isinstance(scenario.system, DualMode) else "service_modes"
    remedy = (
        f'where stages are shared users choose their mode: give discipline = "{SHARED}" in '
        f"[{table}], or take dual-a-shared"
    )
    raise InputError("scenario", scenario.name, problem, remedy)


def _result(scenario: DualModeScenario, best: OperatingPoint, solver: str | None) -> dict[str, Any]:
    """Content of ``result.json``."""
    system, form = scenario.system, scenario.system.canonical_form
    breakaway = system.breakaway(solver=solver)
    return {
        **scenario.to_dict(),
        "canonical": {"mu0": form.mu0, "K": form.K, "f": [form.f1, form.f2]},
        "throughput_efficient": form.throughput_efficient,
        "bottleneck": form.bottleneck,
        "max_load": system.max_load,
        "load": best.load,
        "theorem": exact.regime(form, best.load).theorem if form.K > 1 else None,
        "stable_interval": list(system.stable_interval(best.load)),
        "best": best.to_dict(),
        "single_mode_delay": _single_mode_delay(scenario, best.load),
        "tunable": {
            "f": float(system.tunable.exact.best_fraction(best.load)),
            "delay": scenario.units.delay_factor
            * float(system.tunable.exact.least_delay(best.load)),
        },
        "breakaway": None
        if not isinstance(breakaway, CertifiedBreakaway)
        else {
            "load": breakaway.load,
            "p_before": breakaway.p_before,
            "p_after": breakaway.p_after,
        },
        "touch_points": list(exact.touch_points(form)) if form.K > 1 else [],
    }


def _single_mode_delay(scenario: DualModeScenario, load: float) -> dict[str, float | None]:
    """Mean delay with all jobs in one mode; None where that is not stable."""
    delays = exact.delay(scenario.system.rates, load, [1.0, 0.0]) * scenario.units.delay_factor
    named = zip(("mode 1", "mode 2"), delays.tolist(), strict=True)
    return {name: finite_or_none(delay) for name, delay in named}


def _text(
    scenario: DualModeScenario, best: OperatingPoint, result: dict[str, Any]
) -> Iterator[str | Table]:
    """Lines and tables that the command prints."""
    unit, jobs = scenario.delay_unit, scenario.units.jobs
    system, form = scenario.system, scenario.system.canonical_form
    yield scenario.heading
    work = f"local work {form.f1:.6g} in mode 1, {form.f2:.6g} in mode 2"
    yield f"mu0 {form.mu0:.6g} {jobs}, K {form.K:.6g}, {work}"
    capacity, max_load = system.tunable.max_load, system.max_load
    of_capacity = f"{best.load / capacity:.4g} of both servers' capacity"
    of_largest = f"{best.load / max_load:.4g} of the largest load {max_load:.6g}"
    yield f"load {best.load:.6g} {jobs} = {of_capacity}, {of_largest}\n"
    yield _operating_point(best, unit)
    low, high = result["stable_interval"]
    theorem = f"; Theorem {result['theorem']} applies" if result["theorem"] else ""
    yield f"p can be from {low:.6g} to {high:.6g}{theorem}"
    options = f"{best.solver.lower()}, {best.formulation}, {counted(best.polished, 'Newton step')}"
    yield f"certified within {best.certificate.gap:.0e} of the least delay ({options})"
    yield _comparison(result, unit)
    yield from _marks(result, capacity)


def _operating_point(best: OperatingPoint, unit: str) -> Table:
    rows = [("jobs", *(f"{part:.6f}" for part in best.assignment), "")]
    for stage, row, delay in zip(best.stages, best.share, best.stage_delay, strict=True):
        rows.append((f"{stage} server", *(f"{part:.6f}" for part in row), f"{delay:.6g}"))
    rows += ruled("mean delay", (*("" for _ in best.modes), f"{best.mean_delay:.6g}"))
    headings = ("", *best.modes, f"delay ({unit})")
    return table(headings, rows, text=("",), caption="best operating point")


def _comparison(result: dict[str, Any], unit: str) -> Table:
    """Delays of each mode alone, and of the tunable mode, divided by the best delay."""
    best, tunable = result["best"]["mean_delay"], result["tunable"]
    delays = {f"all jobs in {mode}": delay for mode, delay in result["single_mode_delay"].items()}
    delays[f"tunable mode, f = {tunable['f']:.4f}: no split is faster"] = tunable["delay"]
    rows = [
        (name, *(("not stable", "") if delay is None else (f"{delay:.6g}", f"{delay / best:.4f}")))
        for name, delay in delays.items()
    ]
    return table(("", f"delay ({unit})", "over the best"), rows, text=("",), caption="beside it")


def _marks(result: dict[str, Any], capacity: float) -> Iterator[str]:
    """Lines about the breakaway and the touch points."""
    breakaway = result["breakaway"]
    if breakaway is None:
        yield "breakaway    none: the same modes are best at every load"
    else:
        load, before, after = breakaway["load"], breakaway["p_before"], breakaway["p_after"]
        place = f"load {load:.6g} ({load / capacity:.4f} of the capacity)"
        yield f"breakaway    {place}: p from {before:.4g} to {after:.4g}"
    touches = ", ".join(f"load {x:.6g} ({x / capacity:.4f})" for x in result["touch_points"])
    yield f"touch points {touches or 'none'}"


def _files(scenario: DualModeScenario, solver: str | None, load: float) -> Iterator[list[File]]:
    from .curve import delay_profile
    from .plots import plot_dual_mode

    system, units = scenario.system, scenario.units

    def pictures(data: xr.Dataset) -> list[File]:
        loads = np.unique([load, *(part * system.max_load for part in PROFILE_LOADS)])
        profile = units.present(delay_profile(system, loads))
        plot = picture("curve", partial(plot_dual_mode, data, profile, scenario.title))
        return [("profile.nc", lambda path: profile.to_netcdf(path, engine="scipy")), plot]

    yield from curve_files(scenario, solver, pictures, _flat)


def _flat(data: xr.Dataset) -> Any:
    """Data frame with one row a load; shares and single-mode delays become columns."""
    frame = data.drop_dims(["stage", "mode"]).to_dataframe().reset_index()
    first_mode = data["mode"].values[0]
    for stage in data["stage"].values:
        share = data["share"].sel(stage=stage)[:, 0]
        frame[f"share[{stage}][{first_mode}]"] = share.values
    for mode in data["mode"].values:
        frame[f"delay[all in {mode}]"] = data["single_mode_delay"].sel(mode=mode).values
    return frame
