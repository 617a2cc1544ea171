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

from sojourn.models.reports.files import INTERRUPTED, NOT_WRITTEN, out, say_written, show, write
from sojourn.models.reports.parallel import with_kinks
from sojourn.models.solving.solution import finite, finite_or_none

if TYPE_CHECKING:
    import xarray as xr

    from sojourn.models.scenarios import Scenario
    from sojourn.reference.worst_case import WorstCase

UNCERTIFIED = 1
SHOWN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def run(scenario: Scenario, point: float | None, solver: str | None, folder: Path | None, *, as_json: bool) -> int:
    """Search, solve, print, write; return the exit code. What is done when the user stops it is said and written."""
    from sojourn.models.studies import WorstCaseInterruptedError, control_curve, players_curve

    system = scenario.system
    try:
        # where no load is too much, the loads to search are those that the scenario looks at
        found = system.worst_case(None if math.isfinite(system.total_rate) else float(scenario.loads.max()), solver=solver)
    except WorstCaseInterruptedError as stop:
        only = {"scenario": scenario.name, "units": scenario.units.to_dict(), "worst_case": finite(vars(stop.found))}
        sys.stdout.write((json.dumps(only, indent=2) if as_json else repr(stop.found)) + "\n")
        return INTERRUPTED
    load = point if point is not None else found.load if found.load < system.total_rate else scenario.load
    operators = _operators(scenario, load, solver)
    control, interrupted = _as_far_as_it_got(scenario, lambda: control_curve(system, load, solver=solver))
    loads = np.unique([*with_kinks(scenario), load, *([found.load] if found.load < system.total_rate else [])])
    players: xr.Dataset | None = None
    if not interrupted:
        players, interrupted = _as_far_as_it_got(scenario, lambda: players_curve(system, loads, solver=solver))
    result = _result(scenario, load, found, operators, players, control)
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        _print(scenario, load, found, operators, players, control)
    code = 0 if found.certified else UNCERTIFIED
    if folder is not None:
        failed = _write_all(folder, scenario.title, found, players, control, result)
        code = NOT_WRITTEN if failed else code
        if not as_json:
            say_written(folder)
    return INTERRUPTED if interrupted else code


def _as_far_as_it_got(scenario: Scenario, solve: Callable[[], xr.Dataset]) -> tuple[xr.Dataset, bool]:
    """Return a curve in the units of the file, and whether the user stopped it."""
    from sojourn.models.studies import CurveInterruptedError

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
    thresholds = scenario.system.thresholds()
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
        "players": [] if row is None else _rows(row, "players", ("delay", "price_of_anarchy")),
        "control": [
            {"fraction": float(part), **{s: finite_or_none(ratio.sel(strategy=s)) for s in control["strategy"].values}}
            for part, ratio in zip(control["fraction"].values, control["ratio"].transpose("fraction", "strategy"), strict=True)
        ],
        "price_of_optimum": control.attrs["price_of_optimum"],
        "notes": list(scenario.notes),
    }


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
    rule = "the same" if found.candidate_poa >= found.poa * (1 - 1e-7) else f"{found.candidate_poa:.6f}, too low"
    out.print(f"  the paper's rule, activation loads and saturation alone: {rule}\n")
    show(_servers(scenario, load, operators))
    if players is not None and load in players["load"].values:
        show(_players(scenario, load, players))
    show(_control(load, control))
    for note in scenario.notes:
        out.print(f"[bold]note[/] {escape(note)}")


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
    table = Table(caption=f"equal players at load {load:.6g}; the worst over the loads of the curve")
    for heading in ("players", f"delay ({unit})", "price of\nanarchy", "worst on\nthe curve"):
        table.add_column(heading, justify="right", no_wrap=True)
    for k in players["players"].values:
        here = players.sel(load=load, players=k)
        worst = float(players["price_of_anarchy"].sel(players=k).max())
        name = "any number" if math.isinf(k) else f"{k:g}"
        table.add_row(name, f"{float(here['delay']):.6g}", f"{float(here['price_of_anarchy']):.6f}", f"{worst:.6f}")
    return table


def _control(load: float, control: xr.Dataset) -> Table:
    need = control.attrs["price_of_optimum"]
    table = Table(caption=f"mean delay over the optimum's at load {load:.6g}; control of {need:.4g} of the load is enough for the optimum")
    for heading in ("under\ncontrol", "largest\nlatency first", "optimum,\nscaled down"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in control["fraction"].values:
        if np.isclose(part, SHOWN).any():
            row = [f"{float(control['ratio'].sel(fraction=part, strategy=s)):.6f}" for s in ("llf", "scale")]
            table.add_row(f"{part:.0%}", *row)
    return table


def _write_all(folder: Path, title: str, found: WorstCase, players: xr.Dataset | None, control: xr.Dataset, result: dict[str, Any]) -> bool:
    """Write each file; one that cannot be written does not stop the others."""
    from sojourn.models.plots import plot_anarchy

    failed = [write(folder / "anarchy.json", lambda p: p.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8"))]
    curves = {"control": control} if players is None else {"control": control, "players": players}
    for name, data in curves.items():
        failed.append(write(folder / f"{name}.nc", lambda p, d=data: d.to_netcdf(p, engine="scipy")))  # type: ignore[misc]
        failed.append(write(folder / f"{name}.csv", lambda p, d=data: d.to_dataframe().reset_index().to_csv(p, index=False)))  # type: ignore[misc]
    if players is not None and players.sizes["load"]:
        failed.append(write(folder / "anarchy.png", lambda p: plot_anarchy(players, control, found, title).savefig(p, dpi=150)))
    return any(failed)
