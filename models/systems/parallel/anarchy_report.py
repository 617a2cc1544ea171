"""What the command says of selfishness: the worst case, the servers' starts, tolls and sensitivities, players, and control."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ....reference.errors import Array
from ...core.curve import ANARCHY, CurveInterruptedError
from ...core.solution import finite, finite_or_none
from ...frontend.files import INTERRUPTED
from ...frontend.report import File, Report, as_far_as_it_got, data_files, picture
from .curve import GOALS
from .report import Written, reaching, rows_table, starts
from .scenario import Variant
from .system import ParallelServers
from .worst_case import WorstCaseInterruptedError

if TYPE_CHECKING:
    import xarray as xr

    from ....reference.parallel.worst_case import WorstCase

UNCERTIFIED = 1
FINE = 1e-4  # of a ratio: how closely a curve is looked at where no search gives a certificate
SHOWN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def anarchy(scenario: Written, load: float | None, solver: str | None, drawn: bool, read: bool) -> Report:
    """Search and solve; what is done when the user stops it is said and written. See `SystemKind.anarchy`."""
    from .game_curves import control_curve, players_curve

    system = scenario.system
    try:
        found = _worst(scenario, system, solver)
    except WorstCaseInterruptedError as stop:
        only = {"scenario": scenario.name, "units": scenario.units.to_dict(), "worst_case": finite(vars(stop.found))}
        return Report(only, [Text(repr(stop.found))], name="anarchy", code=INTERRUPTED)
    load = load if load is not None else found.load if found.load < system.total_rate else scenario.load
    operators = _operators(scenario, load, solver)
    # what is printed of it is at the fractions given
    control, stopped = as_far_as_it_got(partial(control_curve, system, load, refine=drawn, solver=solver))
    control, players = scenario.units.present(control), None
    if stopped is None:
        curve = drawn or read  # JSON has the players at the one load
        loads = np.unique([*_with_worst(scenario, found), load]) if curve else np.array([load])
        players, stopped = as_far_as_it_got(partial(players_curve, system, loads, refine=curve, solver=solver))
        players = scenario.units.present(players)
    variants: list[dict[str, Any]] = []
    others: dict[str, xr.Dataset] = {}
    interrupted = stopped is not None or _variants(scenario, solver, variants, others)
    result = _result(scenario, load, found, operators, players, control) | {"variants": variants}
    shown = _shown(scenario, load, found, operators, players, control, variants)
    files = _files(scenario.title, found, players, control, others)
    searched = [found.certified, *(v["worst_case"]["certified"] for v in variants if v["worst_case"] is not None)]
    return Report(result, shown, files, "anarchy", INTERRUPTED if interrupted else 0 if all(searched) else UNCERTIFIED)


def _worst(scenario: Written, system: ParallelServers, solver: str | None) -> WorstCase:
    """Worst case over all loads; where no load is too much, over those that the scenario looks at."""
    return system.worst_case(None if math.isfinite(system.total_rate) else float(scenario.loads.max()), solver=solver)


def _with_worst(scenario: Written, found: WorstCase) -> Array:
    """Loads of the scenario and the worst one, also beyond them: then with one on its other side."""
    total = scenario.system.total_rate
    worst = np.array([found.load] if found.load < total else [])
    return np.unique([*reaching(scenario.loads, worst, total), *worst])


def _variants(scenario: Written, solver: str | None, rows: list[dict[str, Any]], curves: dict[str, xr.Dataset]) -> bool:
    """Add a row and a curve for each variant; return whether the user stopped it."""
    for variant in scenario.variants:
        try:
            row, curve = _variant(scenario, variant, solver)
        except (WorstCaseInterruptedError, CurveInterruptedError):
            return True
        rows.append(row)
        curves[variant.name] = scenario.units.present(curve)
    return False


def _variant(scenario: Written, variant: Variant, solver: str | None) -> tuple[dict[str, Any], xr.Dataset]:
    """Worst case of a variant and its curve; decided on other delays than are paid, the largest ratio on the curve alone."""
    from .misspecification import misjudged

    row: dict[str, Any] = {"name": variant.name, "title": variant.title, "worst_case": None, "largest_on_curve": None}
    if variant.believed is variant.paid:
        found = _worst(scenario, variant.paid, solver)
        loads = _with_worst(scenario, found)
        return row | {"worst_case": finite(vars(found))}, variant.paid.curve(loads, refine=True, solver=solver)
    curve = misjudged(variant.believed, variant.paid, np.unique(scenario.loads), refine=FINE, solver=solver)
    ratio = curve["price_of_anarchy"].dropna("load")
    load = ratio["load"].values
    ends = {"from": float(load[0]), "to": float(load[-1])}
    return row | {"largest_on_curve": {"ratio": float(ratio.max()), "load": float(ratio.idxmax()), **ends}}, curve


def _operators(scenario: Written, load: float, solver: str | None) -> dict[str, Any]:
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
    scenario: Written, load: float, found: WorstCase, operators: dict[str, Any], players: xr.Dataset | None, control: xr.Dataset
) -> dict[str, Any]:
    given = _given(control)
    row = players.sel(load=load) if players is not None and load in players["load"].values else None
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "units": scenario.units.to_dict(),
        "total_rate": finite_or_none(scenario.system.total_rate),
        "worst_case": finite(vars(found)),
        "load": load,
        "thresholds": {goal: [finite_or_none(v) for v in loads] for goal, loads in starts(scenario).items()},
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


def _shown(
    scenario: Written,
    load: float,
    found: WorstCase,
    operators: dict[str, Any],
    players: xr.Dataset | None,
    control: xr.Dataset,
    variants: list[dict[str, Any]],
) -> Iterator[str | Table]:
    total = scenario.system.total_rate
    yield f"{scenario.heading}\n"
    part = f", {found.load / total:.4g} of the total rate" if math.isfinite(total) else f", of loads up to {found.up_to:.6g}"
    where = f"at load {found.load:.6g}{part}" if found.load < total else "as the load nears the total rate"
    state = "no load has more than" if found.certified else "NOT CERTIFIED: no load has more than"
    yield f"worst price of anarchy  [bold]{found.poa:.6f}[/] {where}"
    yield f"  {state} {found.upper_bound:.9f} (gap {found.gap:.0e}, {found.evaluations} loads solved)"
    yield f"  shared with the reference's search: {found.shares}"
    rule = "the same" if found.candidate_poa >= found.poa * (1 - 1e-7) else f"{found.candidate_poa:.6f}, too low"
    yield f"  the paper's rule, activation loads and saturation alone: {rule}\n"
    yield _servers(scenario, load, operators)
    if players is not None and load in players["load"].values:
        yield _players(scenario, load, players)
    yield _control(load, control)
    yield from scenario.remarks
    if variants:
        yield _variant_table(scenario, variants)


def _variant_table(scenario: Written, variants: list[dict[str, Any]]) -> Table:
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


def _servers(scenario: Written, load: float, operators: dict[str, Any]) -> Table:
    unit, job = scenario.delay_unit, scenario.units.jobs.replace("jobs", "job")
    headings = ("optimum\nstarts at", "equilib.\nstarts at", "\ntoll", f"optimum\nper {job}", f"equilib.\nper {job}")
    columns = (*starts(scenario).values(), operators["toll"], *(operators[f"{goal}_per_rate"] for goal in GOALS))
    forms = (".5g", ".5g", ".4g", ".3g", ".3g")
    caption = f"toll, and what 1 {job} more of rate does to the mean delay: at load {load:.6g}, in {unit}"
    return rows_table(scenario, headings, columns, forms, caption=caption)


def _players(scenario: Written, load: float, players: xr.Dataset) -> Table:
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


def _files(title: str, found: WorstCase, players: xr.Dataset | None, control: xr.Dataset, others: dict[str, xr.Dataset]) -> Iterator[File]:
    from .anarchy_plots import plot_anarchy

    curves = {"control": control} if players is None else {"control": control, "players": players}
    for name, data in (curves | {f"curve-{name}": other.drop_dims("server") for name, other in others.items()}).items():
        yield from data_files(name, data, data.to_dataframe().reset_index())
    if players is not None and players.sizes["load"]:
        yield picture("anarchy", partial(plot_anarchy, players, control, found, title, others))
