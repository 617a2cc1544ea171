"""What the command says of parallel servers: the split, thresholds, variants, and the curve."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from sojourn.models.reports.files import INTERRUPTED, NOT_WRITTEN, out, say_written, write
from sojourn.models.solving.solution import finite_or_none

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from sojourn.models.scenarios import Scenario
    from sojourn.models.solving import Solution
    from sojourn.models.systems import ParallelServers
    from sojourn.reference.errors import Array


def run(scenario: Scenario, point: float, solver: str | None, folder: Path | None, *, as_json: bool) -> int:
    """Solve at a load, print, write; return the exit code."""
    goals = ("optimum", "equilibrium")
    optimum, equilibrium = (scenario.units.result(getattr(scenario.system, goal)(point, solver=solver)) for goal in goals)
    variants = _variants(scenario, point, solver)
    result = _result(scenario, point, optimum, equilibrium, variants)
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        _print_result(scenario, point, optimum, equilibrium, variants)
    return 0 if folder is None else _write_all(folder, scenario, solver, result, quiet=as_json)


def _variants(scenario: Scenario, point: float, solver: str | None) -> list[dict[str, Any]]:
    from sojourn.models.studies import misjudged

    rows = []
    for v in scenario.variants:
        data = scenario.units.present(misjudged(v.believed, v.paid, [point], solver=solver))
        delays = {goal: float(data[f"{goal}_delay"][0]) for goal in ("optimum", "equilibrium")}
        rows.append({"name": v.name, "title": v.title, **delays, "ratio": float(data["price_of_anarchy"][0])})
    return rows


def _result(scenario: Scenario, point: float, optimum: Solution, equilibrium: Solution, variants: list[dict[str, Any]]) -> dict[str, Any]:
    thresholds = scenario.system.thresholds()
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "source": scenario.source,
        "units": scenario.units.to_dict(),
        "total_rate": finite_or_none(scenario.system.total_rate),
        "load": point,
        "price_of_anarchy": equilibrium.mean_delay / optimum.mean_delay,
        "thresholds": {goal: [finite_or_none(v) for v in getattr(thresholds, goal)] for goal in ("optimum", "equilibrium")},
        "optimum": optimum.to_dict(),
        "equilibrium": equilibrium.to_dict(),
        "variants": variants,
    }


def _print_result(scenario: Scenario, point: float, optimum: Solution, equilibrium: Solution, variants: list[dict[str, Any]]) -> None:
    unit, jobs = scenario.delay_unit, scenario.units.jobs
    total, thresholds = scenario.system.total_rate, scenario.system.thresholds()
    out.print(f"[bold]{escape(scenario.title)}[/]\n[dim]{escape(scenario.source)}[/]")
    part = f" = {point / total:.4g} of the total rate {total:.6g}" if math.isfinite(total) else ", of which no load is too much"
    out.print(f"load {point:.6g} {jobs}{part}\n")
    table = Table(caption=f"starts at: the load, in {jobs}, from which a server is used")
    table.add_column("server", overflow="fold", min_width=6)  # in a narrow terminal names give way, never numbers
    for heading in ("share", f"latency\n({unit})", "starts\nat"):
        for goal in ("optimum", "equilib."):
            table.add_column(f"{goal}\n{heading}", justify="right", no_wrap=True)
    for i, name in enumerate(scenario.system.names):
        row = [f"{s.share[i]:.4f}" for s in (optimum, equilibrium)]
        row += [f"{s.latency[i]:.6g}" for s in (optimum, equilibrium)]
        row += [f"{t[i]:.5g}" for t in (thresholds.optimum, thresholds.equilibrium)]
        table.add_row(escape(name), *row)
    table.add_section()
    delays = [f"{s.mean_delay:.6g}" for s in (optimum, equilibrium)]
    table.add_row("[bold]mean delay", "", "", *(f"[bold]{d}" for d in delays), "", "")
    out.print(table)
    out.print(f"\nprice of anarchy  [bold]{equilibrium.mean_delay / optimum.mean_delay:.6f}")
    for s in (optimum, equilibrium):
        out.print(f"{s.goal:<11}  certified within {s.certificate.gap:.0e} ({s.solver.lower()}, {s.formulation}, {s.polished} Newton steps)")
    for caveat in dict.fromkeys(optimum.caveats + equilibrium.caveats):
        out.print(f"[bold]but[/] {escape(caveat)}")
    if variants:
        other = Table(title="variants")
        for heading in ("variant", f"optimum ({unit})", f"equilibrium ({unit})", "ratio"):
            other.add_column(heading, justify="left" if heading == "variant" else "right", no_wrap=heading != "variant")
        for v in variants:
            other.add_row(escape(v["title"]), f"{v['optimum']:.6g}", f"{v['equilibrium']:.6g}", f"{v['ratio']:.6f}")
        out.print(other)


def _write_all(folder: Path, scenario: Scenario, solver: str | None, result: dict[str, Any], *, quiet: bool) -> int:
    """Write what there is as soon as it is there; a file that cannot be written does not stop the others."""
    from sojourn.models.plots import plot_curve
    from sojourn.models.studies import CurveInterruptedError, misjudged

    failed = [write(folder / "result.json", lambda p: p.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8"))]
    interrupted = False
    others: dict[str, xr.Dataset] = {}
    try:
        data = scenario.system.curve(_to_every_start(scenario, scenario.system), refine=True, solver=solver)
        others = {
            v.name: misjudged(v.believed, v.paid, _to_every_start(scenario, v.believed), refine=True, solver=solver) for v in scenario.variants
        }
    except CurveInterruptedError as stop:
        data, interrupted = (data if "data" in locals() else stop.dataset), True
    data, others = scenario.units.present(data), {name: scenario.units.present(other) for name, other in others.items()}
    for name, curve in {"curve": data, **others}.items():
        failed.append(write(folder / f"{name}.nc", lambda p, c=curve: c.to_netcdf(p, engine="scipy")))  # type: ignore[misc]
        failed.append(write(folder / f"{name}.csv", lambda p, c=curve: _flat(c).to_csv(p, index=False)))  # type: ignore[misc]
    if data.sizes["load"]:
        failed.append(write(folder / "curve.png", lambda p: plot_curve(data, scenario.title, others).savefig(p, dpi=150)))
    if (fits := _fits(scenario)) is not None:
        failed.append(write(folder / "measured.png", lambda p: fits.savefig(p, dpi=150)))
    if not quiet:
        say_written(folder)
    return INTERRUPTED if interrupted else NOT_WRITTEN if any(failed) else 0


def _fits(scenario: Scenario) -> Figure | None:
    """Picture of the samples of measured servers and their fits, if there are any."""
    from sojourn.models.plots import plot_fits

    units = scenario.units
    bank = scenario.system.bank.scaled(1.0, units.delay_factor)
    return plot_fits(bank, scenario.title, scenario.system.names, units.rate, units.delay)


def _to_every_start(scenario: Scenario, system: ParallelServers) -> Array:
    """Loads of the scenario and, where the equilibrium starts a server beyond them, one on the other side: peaks are there."""
    starts = system.thresholds().equilibrium
    traces = 1e-6 * scenario.loads.min()  # servers that start together do so up to rounding
    return reaching(scenario.loads, starts[(starts > traces) & (starts < system.total_rate)], system.total_rate)


def reaching(loads: Array, points: Array, total: float) -> Array:
    """Loads in order and, where some of the points lie before or after all of them, a load beyond the farthest point."""
    inside = np.unique(loads)
    before = [points.min() / 2] if points.size and points.min() <= inside[0] else []
    after = [(points.max() + total) / 2] if points.size and points.max() >= inside[-1] and math.isfinite(total) else []
    return np.concatenate([before, inside, after])


def _flat(data: xr.Dataset) -> Any:
    """One row a load: flows become one column a server."""
    frame = data.drop_dims("server").to_dataframe().reset_index()
    for goal in ("optimum", "equilibrium"):
        for server in data["server"].values:
            frame[f"{goal}_flow[{server}]"] = data[f"{goal}_flow"].sel(server=server).values
    return frame
