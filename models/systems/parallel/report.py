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

from ....reference.errors import InputError
from ...core.ratio import PriceOfAnarchy
from ...core.solution import finite_or_none
from ...frontend.files import INTERRUPTED, NOT_WRITTEN, out, say_written, show, write, write_data

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from ....reference.errors import Array
    from .evaluation import Evaluation
    from .scenario import Scenario
    from .solution import Solution
    from .system import ParallelServers


def run(scenario: Scenario, point: float, solver: str | None, folder: Path | None, weights: str | None, *, as_json: bool) -> int:
    """Solve at a load, print, write; return the exit code. Weights, such as ``50,30,20``, are a split to judge beside."""
    given = None if weights is None else _given(scenario, point, weights)
    optimum, equilibrium = (
        _solve(scenario, "optimum", point, solver, subject_to=scenario.limits),
        _solve(scenario, "equilibrium", point, solver),
    )
    poa = PriceOfAnarchy.of(equilibrium, _solve(scenario, "optimum", point, solver) if scenario.limits else optimum)
    variants = _variants(scenario, point, solver)
    result = _result(scenario, point, optimum, equilibrium, poa, variants)
    if given is not None:
        result["given"] = given.to_dict()
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        _print_result(scenario, point, optimum, equilibrium, poa, variants)
        if given is not None:
            _print_given(scenario, given)
    return 0 if folder is None else _write_all(folder, scenario, solver, result, quiet=as_json)


def _solve(scenario: Scenario, goal: str, point: float, solver: str | None, **how: Any) -> Solution:
    """Answer by row, in the units of the file."""
    found = getattr(scenario.system, goal)(point, solver=solver, **how)
    return scenario.units.result(scenario.rows.solution(found, scenario.system.bank))


def _given(scenario: Scenario, point: float, text: str) -> Evaluation:
    """The split that weights say, judged, by row and in the units of the file; a row's weight is shared evenly by its replicas."""
    rows = scenario.rows
    try:
        weights = np.array([float(word) for word in text.split(",")])
    except ValueError:
        remedy = f"give one a row, such as {','.join('1' for _ in rows.names[:3])}"
        raise InputError("--weights-in", text, "is not a list of numbers with commas between", remedy) from None
    if weights.size != len(rows.names):
        problem = f"has {weights.size} numbers for {len(rows.names)} rows of servers"
        raise InputError("--weights-in", text, problem, f"give one for each of {', '.join(rows.names)}")
    try:
        found = scenario.system.evaluate(point, weights=np.repeat(weights / rows.replicas, rows.replicas))
    except InputError as error:
        place = error.field.removeprefix("weights") if rows.single else ""
        raise InputError(f"--weights-in{place}", text, error.problem, error.remedy) from None
    return scenario.units.result(rows.evaluation(found, scenario.system.bank))


def _print_given(scenario: Scenario, given: Evaluation) -> None:
    """The split in use, beside the table of the others."""
    unit = scenario.delay_unit
    table = Table(title="split given")
    table.add_column("server", overflow="fold", min_width=6)
    for heading in ("share", f"latency ({unit})", "busy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, share, latency, busy in zip(given.names, given.share, given.latency, given.utilisation, strict=True):
        table.add_row(escape(name), f"{share:.4f}", f"{latency:.6g}", f"{busy:.1%}")
    table.add_section()
    table.add_row("[bold]mean delay", "", f"[bold]{given.mean_delay:.6g}", "")
    show(table)
    for name in given.overloaded:
        out.print(f"[bold]unstable[/]: {escape(name)} gets its rate or more, and its queue grows without bound")
    if given.stable:
        out.print(f"[bold]{given.ratio:.6f}[/] times the optimum, certified within {given.ratio.spread:.0e}")
        out.print(f"[bold]{given.loss:.6g}[/] {unit} are lost")
    if given.move is not None:
        leaves, goes = map(escape, given.move)
        out.print(f"a user gains {given.deviation_gain:.6g} {unit} by moving from {leaves} to {goes}")
    for caveat in given.caveats:
        out.print(f"[bold]but[/] {escape(caveat)}")


def _as_json(scenario: Scenario, found: Solution) -> dict[str, Any]:
    """The answer, with the number of servers of each row and what they carry together."""
    said = found.to_dict()
    for server, flow, n in zip(said["servers"], found.flow, scenario.rows.replicas, strict=True):
        server.update(replicas=int(n), total_flow=float(n * flow))
    return said


def _variants(scenario: Scenario, point: float, solver: str | None) -> list[dict[str, Any]]:
    from .misspecification import misjudged

    rows = []
    for v in scenario.variants:
        data = scenario.units.present(misjudged(v.believed, v.paid, [point], solver=solver))
        delays = {goal: float(data[f"{goal}_delay"][0]) for goal in ("optimum", "equilibrium")}
        rows.append({"name": v.name, "title": v.title, **delays, "ratio": float(data["price_of_anarchy"][0])})
    return rows


def _result(
    scenario: Scenario, point: float, optimum: Solution, equilibrium: Solution, poa: PriceOfAnarchy, variants: list[dict[str, Any]]
) -> dict[str, Any]:
    from .curve import ANARCHY

    thresholds = scenario.system.thresholds()
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "source": scenario.source,
        "units": scenario.units.to_dict(),
        "total_rate": finite_or_none(scenario.system.total_rate),
        "load": point,
        **dict(zip(ANARCHY, (poa, poa.lower, finite_or_none(poa.upper)), strict=True)),
        "thresholds": {
            goal: [finite_or_none(v) for v in getattr(thresholds, goal)[scenario.rows.first]] for goal in ("optimum", "equilibrium")
        },
        "optimum": _as_json(scenario, optimum),
        "equilibrium": _as_json(scenario, equilibrium),
        "variants": variants,
        "notes": list(scenario.notes),
    }


def _print_result(
    scenario: Scenario, point: float, optimum: Solution, equilibrium: Solution, poa: PriceOfAnarchy, variants: list[dict[str, Any]]
) -> None:
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
    for i, name in enumerate(optimum.names):
        row = [f"{s.share[i]:.4f}" for s in (optimum, equilibrium)]
        row += [f"{s.latency[i]:.6g}" for s in (optimum, equilibrium)]
        row += [f"{t[scenario.rows.first[i]]:.5g}" for t in (thresholds.optimum, thresholds.equilibrium)]
        table.add_row(escape(name), *row)
    table.add_section()
    delays = [f"{s.mean_delay:.6g}" for s in (optimum, equilibrium)]
    table.add_row("[bold]mean delay", "", "", *(f"[bold]{d}" for d in delays), "", "")
    show(table)
    if not scenario.rows.single:
        show(_flows(scenario, optimum, equilibrium))
    for caveat in dict.fromkeys(optimum.caveats + equilibrium.caveats):
        out.print(f"[bold]but[/] {escape(caveat)}")
    for limit in optimum.limits:
        out.print(f"[bold]limit[/] {escape(str(limit))}" + ("" if limit.of_time or not limit.price.any() else f" {unit} a unit"))
    out.print(f"\nprice of anarchy  [bold]{poa:.6f}[/], certified within {poa.spread:.0e}")
    for s in (optimum, equilibrium):
        out.print(f"{s.goal:<11}  certified within {s.certificate.gap:.0e} ({s.solver.lower()}, {s.formulation}, {s.polished} Newton steps)")
    for note in scenario.notes:
        out.print(f"[bold]note[/] {escape(note)}")
    if variants:
        other = Table(title="variants")
        for heading in ("variant", f"optimum ({unit})", f"equilibrium ({unit})", "ratio"):
            other.add_column(heading, justify="left" if heading == "variant" else "right", no_wrap=heading != "variant")
        for v in variants:
            other.add_row(escape(v["title"]), f"{v['optimum']:.6g}", f"{v['equilibrium']:.6g}", f"{v['ratio']:.6f}")
        show(other)


def _flows(scenario: Scenario, optimum: Solution, equilibrium: Solution) -> Table:
    """Flow of one server of each row, and of all."""
    table = Table(caption=f"flow, in {scenario.units.jobs}, of one server and of all in its row")
    table.add_column("server", overflow="fold", min_width=6)
    for goal in ("optimum", "equilib."):
        for whose in ("of one", "of all"):
            table.add_column(f"{goal}\n{whose}", justify="right", no_wrap=True)
    for i, (name, n) in enumerate(zip(optimum.names, scenario.rows.replicas, strict=True)):
        table.add_row(escape(name), *(f"{flow:.6g}" for s in (optimum, equilibrium) for flow in (s.flow[i], n * s.flow[i])))
    return table


def _write_all(folder: Path, scenario: Scenario, solver: str | None, result: dict[str, Any], *, quiet: bool) -> int:
    """Write what there is as soon as it is there; a file that cannot be written does not stop the others."""
    from ...core.curve import CurveInterruptedError
    from .misspecification import misjudged
    from .plots import plot_curve

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
    data, *rest = (scenario.rows.dataset(scenario.units.present(curve)) for curve in (data, *others.values()))
    others = dict(zip(others, rest, strict=True))
    for name, curve in {"curve": data, **others}.items():
        failed += write_data(folder, name, curve, _flat(curve))
    if data.sizes["load"]:
        failed.append(write(folder / "curve.png", lambda p: plot_curve(data, scenario.title, others).savefig(p, dpi=150)))
    if (fits := _fits(scenario)) is not None:
        failed.append(write(folder / "measured.png", lambda p: fits.savefig(p, dpi=150)))
    if not quiet:
        say_written(folder)
    return INTERRUPTED if interrupted else NOT_WRITTEN if any(failed) else 0


def _fits(scenario: Scenario) -> Figure | None:
    """Picture of the samples of measured servers and their fits, if there are any."""
    from ...frontend.measured_plot import plot_fits

    units = scenario.units
    bank = scenario.system.bank.take(scenario.rows.first).scaled(1.0, units.delay_factor)
    return plot_fits(bank, scenario.title, scenario.rows.names, units.rate, units.delay)


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
            if "replicas" in data.coords and int(data["replicas"].sel(server=server)) > 1:
                frame[f"{goal}_total_flow[{server}]"] = data[f"{goal}_total_flow"].sel(server=server).values
    return frame
