"""What the command says of selfishness: the worst case, the servers' starts, tolls and sensitivities, players, and control."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ...core.solution import finite, finite_or_none
from ...frontend.files import INTERRUPTED, NOT_WRITTEN, out, say_written, show, write, write_data
from .report import reaching

if TYPE_CHECKING:
    import xarray as xr

    from ....reference.errors import Array
    from ....reference.parallel.worst_case import WorstCase
    from .scenario import Scenario, Variant
    from .system import ParallelServers

UNCERTIFIED = 1
FINE = 1e-4  # of a ratio: how closely a curve is looked at where no search gives a certificate
SHOWN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def run(scenario: Scenario, point: float | None, solver: str | None, folder: Path | None, *, as_json: bool) -> int:
    """Search, solve, print, write; return the exit code. What is done when the user stops it is said and written."""
    from .game_curves import control_curve, players_curve
    from .worst_case import WorstCaseInterruptedError

    system = scenario.system
    try:
        found = _worst(scenario, system, solver)
    except WorstCaseInterruptedError as stop:
        only = {"scenario": scenario.name, "units": scenario.units.to_dict(), "worst_case": finite(vars(stop.found))}
        sys.stdout.write((json.dumps(only, indent=2) if as_json else repr(stop.found)) + "\n")
        return INTERRUPTED
    load = point if point is not None else found.load if found.load < system.total_rate else scenario.load
    operators = _operators(scenario, load, solver)
    # what is printed of it is at the fractions given
    control, interrupted = _as_far_as_it_got(scenario, lambda: control_curve(system, load, refine=folder is not None, solver=solver))
    players: xr.Dataset | None = None
    if not interrupted:
        curve = folder is not None or not as_json  # JSON has the players at the one load
        loads = np.unique([*_with_worst(scenario, found), load]) if curve else [load]
        players, interrupted = _as_far_as_it_got(scenario, lambda: players_curve(system, loads, refine=curve, solver=solver))
    variants: list[dict[str, Any]] = []
    others: dict[str, xr.Dataset] = {}
    if not interrupted:
        interrupted = _variants(scenario, solver, variants, others)
    result = _result(scenario, load, found, operators, players, control) | {"variants": variants}
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        _print(scenario, load, found, operators, players, control)
        if variants:
            out.print(_variant_table(scenario, variants))
    searched = [v["worst_case"] for v in variants if v["worst_case"] is not None]
    code = 0 if found.certified and all(worst["certified"] for worst in searched) else UNCERTIFIED
    if folder is not None:
        failed = _write_all(folder, scenario.title, found, players, control, others, result)
        code = NOT_WRITTEN if failed else code
        if not as_json:
            say_written(folder)
    return INTERRUPTED if interrupted else code


def _worst(scenario: Scenario, system: ParallelServers, solver: str | None) -> WorstCase:
    """Worst case over all loads; where no load is too much, over those that the scenario looks at."""
    return system.worst_case(None if math.isfinite(system.total_rate) else float(scenario.loads.max()), solver=solver)


def _with_worst(scenario: Scenario, found: WorstCase) -> Array:
    """Loads of the scenario and the worst one, also beyond them: then with one on its other side."""
    total = scenario.system.total_rate
    worst = np.array([found.load] if found.load < total else [])
    return np.unique([*reaching(scenario.loads, worst, total), *worst])


def _variants(scenario: Scenario, solver: str | None, rows: list[dict[str, Any]], curves: dict[str, xr.Dataset]) -> bool:
    """Add a row and a curve for each variant; return whether the user stopped it."""
    from ...core.curve import CurveInterruptedError
    from .worst_case import WorstCaseInterruptedError

    for variant in scenario.variants:
        try:
            row, curve = _variant(scenario, variant, solver)
        except (WorstCaseInterruptedError, CurveInterruptedError):
            return True
        rows.append(row)
        curves[variant.name] = scenario.units.present(curve)
    return False


def _variant(scenario: Scenario, variant: Variant, solver: str | None) -> tuple[dict[str, Any], xr.Dataset]:
    """Worst case of a variant and its curve; decided on other delays than are paid, the largest ratio on the curve alone."""
    from .misspecification import misjudged

    row: dict[str, Any] = {"name": variant.name, "title": variant.title, "worst_case": None, "largest_on_curve": None}
    if variant.believed is variant.paid:
        found = _worst(scenario, variant.paid, solver)
        loads = _with_worst(scenario, found)
        return row | {"worst_case": finite(vars(found))}, variant.paid.curve(loads, refine=True, solver=solver)
    curve = misjudged(variant.believed, variant.paid, np.unique(scenario.loads), refine=FINE, solver=solver)
    load, ratio = curve["load"].values, curve["price_of_anarchy"].values
    at = int(np.nanargmax(ratio))
    ends = {"from": float(load[0]), "to": float(load[-1])}
    return row | {"largest_on_curve": {"ratio": float(ratio[at]), "load": float(load[at]), **ends}}, curve


def _as_far_as_it_got(scenario: Scenario, solve: Callable[[], xr.Dataset]) -> tuple[xr.Dataset, bool]:
    """Return a curve in the units of the file, and whether the user stopped it."""
    from ...core.curve import CurveInterruptedError

    try:
        return scenario.units.present(solve()), False
    except CurveInterruptedError as stop:
        return scenario.units.present(stop.dataset), True


def _operators(scenario: Scenario, load: float, solver: str | None) -> dict[str, Any]:
    """Tolls, and what one more unit of rate or distance does, a number a row, of one server."""
    system, units = scenario.system, scenario.units
    tolls = units.result(system.tolls(load, solver=solver))
    at = {goal: units.result(system.sensitivity(load, players, solver=solver)) for goal, players in (("optimum", 1), ("equilibrium", math.inf))}
    first = scenario.rows.first
    numbers = {"toll": tolls.toll[first].tolist()}
    for goal, found in at.items():
        numbers[f"{goal}_per_rate"], numbers[f"{goal}_per_delay"] = found.rate[first].tolist(), found.delay[first].tolist()
    return numbers


def _result(
    scenario: Scenario, load: float, found: WorstCase, operators: dict[str, Any], players: xr.Dataset | None, control: xr.Dataset
) -> dict[str, Any]:
    from ...core.curve import ANARCHY

    thresholds = scenario.system.thresholds()
    given = _given(control)
    row = players.sel(load=load) if players is not None and load in players["load"].values else None
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "units": scenario.units.to_dict(),
        "total_rate": finite_or_none(scenario.system.total_rate),
        "worst_case": finite(vars(found)),
        "load": load,
        "thresholds": {
            goal: [finite_or_none(v) for v in getattr(thresholds, goal)[scenario.rows.first]] for goal in ("optimum", "equilibrium")
        },
        "servers": [
            {"name": n, "replicas": int(r), **{k: v[i] for k, v in operators.items()}}
            for i, (n, r) in enumerate(zip(scenario.rows.names, scenario.rows.replicas, strict=True))
        ],
        "players": [] if row is None else _rows(row, "players", ("delay", *ANARCHY)),
        "control": [
            {"fraction": float(part), **{s: finite_or_none(ratio.sel(strategy=s)) for s in control["strategy"].values}}
            for part, ratio in zip(given["fraction"].values, given["ratio"].transpose("fraction", "strategy"), strict=True)
        ],
        "price_of_optimum": control.attrs["price_of_optimum"],
        "notes": list(scenario.notes),
    }


def _given(control: xr.Dataset) -> xr.Dataset:
    """Fractions that were not added for the picture."""
    return control.isel(fraction=~control["added"].values) if "added" in control.coords else control


def _rows(data: xr.Dataset, over: str, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{over: finite_or_none(k), **{f: finite_or_none(data[f].sel({over: k})) for f in fields}} for k in data[over].values]


def _print(
    scenario: Scenario, load: float, found: WorstCase, operators: dict[str, Any], players: xr.Dataset | None, control: xr.Dataset
) -> None:
    total = scenario.system.total_rate
    out.print(f"[bold]{escape(scenario.title)}[/]\n[dim]{escape(scenario.source)}[/]\n")
    part = f", {found.load / total:.4g} of the total rate" if math.isfinite(total) else f", of loads up to {found.up_to:.6g}"
    where = f"at load {found.load:.6g}{part}" if found.load < total else "as the load nears the total rate"
    state = "no load has more than" if found.certified else "NOT CERTIFIED: no load has more than"
    out.print(f"worst price of anarchy  [bold]{found.poa:.6f}[/] {where}")
    out.print(f"  {state} {found.upper_bound:.9f} (gap {found.gap:.0e}, {found.evaluations} loads solved)")
    out.print(f"  shared with the reference's search: {found.shares}")
    rule = "the same" if found.candidate_poa >= found.poa * (1 - 1e-7) else f"{found.candidate_poa:.6f}, too low"
    out.print(f"  the paper's rule, activation loads and saturation alone: {rule}\n")
    show(_servers(scenario, load, operators))
    if players is not None and load in players["load"].values:
        show(_players(scenario, load, players))
    show(_control(load, control))
    for note in scenario.notes:
        out.print(f"[bold]note[/] {escape(note)}")


def _variant_table(scenario: Scenario, variants: list[dict[str, Any]]) -> Table:
    table = Table(title="variants")
    table.add_column("variant", overflow="fold", min_width=7)
    for heading in ("worst\nratio", f"at load\n({scenario.units.jobs})", "no load has\nmore than", "by the\nrule"):
        table.add_column(heading, justify="right", no_wrap=True)
    for v in variants:
        worst, drawn = v["worst_case"], v["largest_on_curve"]
        if worst is None:
            table.add_row(escape(v["title"]), f"{drawn['ratio']:.6f}", f"{drawn['load']:.6g}", "not known", "")
            table.caption = (
                "not known: decided on other delays than are paid, a variant has no search with a bound. Its ratio, of "
                f"delays paid, is the largest on a curve of loads from {drawn['from']:.6g} to {drawn['to']:.6g}, refined to "
                f"{FINE:g}, and is not certified"
            )
            continue
        where = f"{worst['load']:.6g}" if worst["load"] < scenario.system.total_rate else "total rate"
        bound = f"{worst['upper_bound']:.9f}" if worst["certified"] else f"[bold red]{worst['upper_bound']:.6g}, NOT CERTIFIED"
        rule = "the same" if worst["candidate_poa"] >= worst["poa"] * (1 - 1e-7) else f"{worst['candidate_poa']:.6f}"
        table.add_row(escape(v["title"]), f"{worst['poa']:.6f}", where, bound, rule)
    return table


def _servers(scenario: Scenario, load: float, operators: dict[str, Any]) -> Table:
    unit, job = scenario.delay_unit, scenario.units.jobs.replace("jobs", "job")
    thresholds = scenario.system.thresholds()
    caption = f"toll, and what 1 {job} more of rate does to the mean delay: at load {load:.6g}, in {unit}"
    table = Table(caption=caption)
    table.add_column("server", overflow="fold", min_width=6)
    for heading in ("optimum\nstarts at", "equilib.\nstarts at", "\ntoll", f"optimum\nper {job}", f"equilib.\nper {job}"):
        table.add_column(heading, justify="right", no_wrap=True)
    for i, (name, k) in enumerate(zip(scenario.rows.names, scenario.rows.first, strict=True)):
        rates = [f"{operators[f'{goal}_per_rate'][i]:.3g}" for goal in ("optimum", "equilibrium")]
        starts = [f"{t[k]:.5g}" for t in (thresholds.optimum, thresholds.equilibrium)]
        table.add_row(escape(name), *starts, f"{operators['toll'][i]:.4g}", *rates)
    return table


def _players(scenario: Scenario, load: float, players: xr.Dataset) -> Table:
    unit = scenario.delay_unit
    wide = float((players["price_of_anarchy_upper"] / players["price_of_anarchy_lower"]).max()) - 1
    missed = int((~players["certified"]).sum())
    sure = f"{missed} of {players['certified'].size} answers are NOT CERTIFIED" if missed else f"each price certified within {wide:.0e}"
    caption = f"equal players at load {load:.6g}; the worst over the loads of the curve; {sure}"
    table = Table(caption=caption)
    for heading in ("players", f"delay ({unit})", "price of\nanarchy", "worst on\nthe curve"):
        table.add_column(heading, justify="right", no_wrap=True)
    for k in players["players"].values:
        here = players.sel(load=load, players=k)
        worst = float(players["price_of_anarchy"].sel(players=k).max())
        name = "any number" if math.isinf(k) else f"{k:g}"
        table.add_row(name, f"{float(here['delay']):.6g}", f"{float(here['price_of_anarchy']):.6f}", f"{worst:.6f}")
    return table


def _control(load: float, control: xr.Dataset) -> Table:
    need, control = control.attrs["price_of_optimum"], _given(control)
    table = Table(caption=f"mean delay over the optimum's at load {load:.6g}; control of {need:.4g} of the load is enough for the optimum")
    for heading in ("under\ncontrol", "largest\nlatency first", "optimum,\nscaled down"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in control["fraction"].values:
        if np.isclose(part, SHOWN).any():
            row = [f"{float(control['ratio'].sel(fraction=part, strategy=s)):.6f}" for s in ("llf", "scale")]
            table.add_row(f"{part:.0%}", *row)
    return table


def _write_all(
    folder: Path,
    title: str,
    found: WorstCase,
    players: xr.Dataset | None,
    control: xr.Dataset,
    others: dict[str, xr.Dataset],
    result: dict[str, Any],
) -> bool:
    """Write each file; one that cannot be written does not stop the others."""
    from .anarchy_plots import plot_anarchy

    failed = [write(folder / "anarchy.json", lambda p: p.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8"))]
    curves = {"control": control} if players is None else {"control": control, "players": players}
    for name, data in (curves | {f"curve-{name}": other.drop_dims("server") for name, other in others.items()}).items():
        failed += write_data(folder, name, data, data.to_dataframe().reset_index())
    if players is not None and players.sizes["load"]:
        failed.append(write(folder / "anarchy.png", lambda p: plot_anarchy(players, control, found, title, others).savefig(p, dpi=150)))
    return any(failed)
