"""What the command says of a dual-mode system: the operating point, where it breaks away and touches its bound, and the curves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from rich.table import Table

from ....reference import service_modes as exact
from ....reference.errors import InputError
from ...core.solution import finite_or_none
from ...frontend.report import File, Report, as_far_as_it_got, data_files, picture
from ...frontend.scenario import Scenario
from ...frontend.tables import ruled, table
from .dual_mode import DualMode
from .operating_point import OperatingPoint

if TYPE_CHECKING:
    import xarray as xr

Written = Scenario[DualMode]

PROFILE = (
    0.25,
    0.5,
    0.7,
    0.85,
    0.95,
)  # parts of the largest load at which the delay is drawn against p, beside the operating point


def report(scenario: Written, load: float, solver: str | None, weights: str | None) -> Report:
    """Solve at a load. See `SystemKind.report`."""
    if weights is not None:
        problem = "is a split over servers, and the jobs of this system have none to choose"
        raise InputError(
            "--weights-in",
            weights,
            problem,
            "leave it out; in Python, evaluate(load, p) judges an operating point",
        )
    best = scenario.units.result(scenario.system.assignment(load, solver=solver))
    result = _result(scenario, best, solver)
    return Report(result, _shown(scenario, best, result), _files(scenario, solver, load))


def anarchy(scenario: Written, *_: Any) -> Never:
    """Refuse to say what selfishness costs: nobody chooses."""
    problem = "is a dual-mode system: its jobs have no server to choose"
    raise InputError(
        "scenario", scenario.name, problem, "give one of parallel servers, such as scenario-1"
    )


def _result(scenario: Written, best: OperatingPoint, solver: str | None) -> dict[str, Any]:
    system, form = scenario.system, scenario.system.canonical_form
    leaves = system.breakaway(solver=solver)
    factor = scenario.units.delay_factor
    theorems = exact.regime(form, best.load).theorem if form.K > 1 else None
    return {
        **scenario.to_dict(),
        "canonical": {"mu0": form.mu0, "K": form.K, "f": [form.f1, form.f2]},
        "throughput_efficient": form.throughput_efficient,
        "bottleneck": form.bottleneck,
        "max_load": system.max_load,
        "load": best.load,
        "theorem": theorems,
        "stable_interval": list(system.stable_interval(best.load)),
        "best": best.to_dict(),
        "single_mode_delay": _alone(scenario, best.load),
        "tunable": {
            "f": float(system.tunable.exact.best_fraction(best.load)),
            "delay": factor * float(system.tunable.exact.least_delay(best.load)),
        },
        "breakaway": None
        if leaves is None
        else {"load": leaves.load, "p_before": leaves.p_before, "p_after": leaves.p_after},
        "touch_points": list(exact.touch_points(form)) if form.K > 1 else [],
    }


def _alone(scenario: Written, load: float) -> dict[str, float | None]:
    """Mean delay with all jobs in one mode; None where it is not stable."""
    delays = (
        exact.delay(scenario.system.rates, load, [1.0, 0.0]) * scenario.units.delay_factor
    ).tolist()
    return {
        name: finite_or_none(delay)
        for name, delay in zip(("mode 1", "mode 2"), delays, strict=True)
    }


def _shown(
    scenario: Written, best: OperatingPoint, result: dict[str, Any]
) -> Iterator[str | Table]:
    unit, jobs = scenario.delay_unit, scenario.units.jobs
    system, form = scenario.system, scenario.system.canonical_form
    yield scenario.heading
    yield f"mu0 {form.mu0:.6g} {jobs}, K {form.K:.6g}, local work {form.f1:.6g} in mode 1, {form.f2:.6g} in mode 2"
    capacity = system.tunable.max_load
    part = f"{best.load / capacity:.4g} of both servers' capacity, {best.load / system.max_load:.4g} of the largest load {system.max_load:.6g}"
    yield f"load {best.load:.6g} {jobs} = {part}\n"
    yield _operating_point(best, unit)
    low, high = result["stable_interval"]
    said = f"; Theorem {result['theorem']} speaks here" if result["theorem"] else ""
    yield f"p can be from {low:.6g} to {high:.6g}{said}"
    options = f"{best.solver.lower()}, {best.formulation}, {best.polished} Newton steps"
    yield f"certified within {best.certificate.gap:.0e} of the least delay ({options})"
    yield _comparison(result, unit)
    yield from _marks(result, capacity)


def _operating_point(best: OperatingPoint, unit: str) -> Table:
    rows = [("jobs", *(f"{part:.6f}" for part in best.assignment), "")]
    for stage, row, delay in zip(best.stages, best.share, best.stage_delay, strict=True):
        rows.append((f"{stage} server", *(f"{part:.6f}" for part in row), f"{delay:.6g}"))
    rows += ruled("mean delay", (*("" for _ in best.modes), f"{best.mean_delay:.6g}"))
    return table(
        ("", *best.modes, f"delay ({unit})"), rows, text=("",), caption="best operating point"
    )


def _comparison(result: dict[str, Any], unit: str) -> Table:
    best = result["best"]["mean_delay"]
    delays = {f"all jobs in {mode}": delay for mode, delay in result["single_mode_delay"].items()}
    delays[f"tunable mode, f = {result['tunable']['f']:.4f}: no split is faster"] = result[
        "tunable"
    ]["delay"]
    rows = [
        (name, *(("not stable", "") if delay is None else (f"{delay:.6g}", f"{delay / best:.4f}")))
        for name, delay in delays.items()
    ]
    return table(("", f"delay ({unit})", "over the best"), rows, text=("",), caption="beside it")


def _marks(result: dict[str, Any], capacity: float) -> Iterator[str]:
    leaves = result["breakaway"]
    if leaves is None:
        yield "breakaway    none: one mode for all jobs is best at every load"
    else:
        where = f"load {leaves['load']:.6g} ({leaves['load'] / capacity:.4f} of the capacity)"
        yield f"breakaway    {where}: p from {leaves['p_before']:.4g} to {leaves['p_after']:.4g}"
    touches = ", ".join(f"load {x:.6g} ({x / capacity:.4f})" for x in result["touch_points"])
    yield f"touch points {touches or 'none'}"


def _files(scenario: Written, solver: str | None, load: float) -> Iterator[list[File]]:
    from .curve import profile
    from .plots import plot_dual_mode

    system, units = scenario.system, scenario.units
    data, stopped = as_far_as_it_got(
        lambda: system.curve(np.unique(scenario.loads), refine=True, solver=solver)
    )
    data = units.present(data)
    yield data_files("curve", data, _flat(data))
    if data.sizes["load"]:
        shapes = units.present(
            profile(system, np.unique([load, *(part * system.max_load for part in PROFILE)]))
        )
        drawn = picture("curve", partial(plot_dual_mode, data, shapes, scenario.title))
        yield [("profile.nc", lambda p: shapes.to_netcdf(p, engine="scipy")), drawn]
    if stopped is not None:
        raise stopped


def _flat(data: xr.Dataset) -> Any:
    """One row a load: shares and single-mode delays become columns."""
    frame = data.drop_dims(["stage", "mode"]).to_dataframe().reset_index()
    for stage in data["stage"].values:
        frame[f"share[{stage}][{data['mode'].values[0]}]"] = (
            data["share"].sel(stage=stage)[:, 0].values
        )
    for mode in data["mode"].values:
        frame[f"delay[all in {mode}]"] = data["single_mode_delay"].sel(mode=mode).values
    return frame
