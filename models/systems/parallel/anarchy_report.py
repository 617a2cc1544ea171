"""The report of the command on the price of anarchy: worst case, tolls, players, and control."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ....reference.errors import Array
from ....reference.plural import counted
from ...core.solution import finite, finite_or_none
from ...core.variables import ANARCHY
from ...frontend.process import UNCERTIFIED
from ...frontend.report import File, Report, as_far_as_it_got, data_files, picture
from ...frontend.tables import table
from .prices import GOALS
from .report import Written, reaching, rows_table, starts
from .scenario import Variant
from .system import ParallelServers
from .worst_case import WorstCaseInterruptedError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from ....reference.parallel.worst_case import WorstCase

FINE = 1e-4  # refinement of a curve whose largest ratio no search certifies
# fractions under control that the table has
SHOWN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, eq=False)
class AnswerRows:
    """The results at the end of a stage of the report.

    Attributes
    ----------
    scenario : Scenario
        The scenario.
    found : WorstCase
        The worst case over all loads.
    load : float
        The load of tolls, sensitivities, players and control.
    operators : dict
        Tolls and sensitivities, a list for each.
    control, players : xarray.Dataset or None
        The curves, None before their stage.
    variants : tuple of dict
        The results of the variants so far.
    """

    scenario: Written
    found: WorstCase
    load: float
    operators: dict[str, Any] = field(default_factory=dict)
    control: xr.Dataset | None = None
    players: xr.Dataset | None = None
    variants: tuple[dict[str, Any], ...] = ()

    def report(self, *files: File) -> Report:
        """Return the report of these results, with the files of this stage."""
        searched = [
            self.found.certified,
            *(v["worst_case"]["certified"] for v in self.variants if v["worst_case"] is not None),
        ]
        return Report(
            _result(self), _shown(self), [[*files]], "anarchy", 0 if all(searched) else UNCERTIFIED
        )

    @property
    def at_load(self) -> xr.Dataset | None:
        """The players' curve at the load; None where it was not solved."""
        if self.players is None or self.load not in self.players["load"].values:
            return None
        return self.players.sel(load=self.load)


def anarchy(
    scenario: Written, load: float | None, solver: str | None, drawn: bool, read: bool
) -> Iterator[Report]:
    """Yield a report after each stage: worst case, control, players, variants.

    See `SystemKind.anarchy`.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    load : float, optional
        Load of tolls, players and control; by default the worst load, or that of the scenario
        where the worst case is at saturation.
    solver : str, optional
        Name of a solver.
    drawn : bool
        Whether plots are made, so that curves are refined.
    read : bool
        Whether data files are written.
    """
    from .game_curves import control_curve, players_curve

    system, present = scenario.system, scenario.units.present
    stopped: KeyboardInterrupt | None = None
    try:
        found = _worst(scenario, system, solver)
    except WorstCaseInterruptedError as stop:
        found, stopped = stop.found, stop
    load = (
        load
        if load is not None
        else found.load
        if found.load < system.total_rate
        else scenario.load
    )
    done = AnswerRows(scenario, found, load)
    yield done.report()
    if stopped is not None:
        raise stopped
    # the printed table has only the fractions that refinement did not add
    operators = _operators(scenario, load, solver)
    control, stopped = as_far_as_it_got(
        partial(control_curve, system, load, refine=drawn, solver=solver)
    )
    control = present(control)
    done = replace(done, operators=operators, control=control)
    yield done.report(*_data_files("control", control))
    if stopped is not None:
        raise stopped
    curve = drawn or read  # else only the one load is shown
    loads = np.unique([*_with_worst(scenario, found), load]) if curve else np.array([load])
    players, stopped = as_far_as_it_got(
        partial(players_curve, system, loads, refine=curve, solver=solver)
    )
    players = present(players)
    others: dict[str, xr.Dataset] = {}
    done = replace(done, players=players)

    def draw() -> Figure:
        from .anarchy_plots import plot_anarchy  # the import of Matplotlib takes time

        return plot_anarchy(players, control, found, scenario.title, others)

    drawing = [picture("anarchy", draw)] if players.sizes["load"] else []
    yield done.report(*_data_files("players", players), *drawing)
    if stopped is not None:
        raise stopped
    for variant in scenario.variants:
        try:
            row, other = _variant(scenario, variant, solver)
        except KeyboardInterrupt as stop:
            stopped = stop
            break
        others[variant.name] = present(other)
        done = replace(done, variants=(*done.variants, row))
        yield done.report(
            *_data_files(f"curve-{variant.name}", others[variant.name].drop_dims("server"))
        )
    if others:
        yield done.report(*drawing)
    if stopped is not None:
        raise stopped


def _data_files(name: str, data: xr.Dataset) -> list[File]:
    return data_files(name, data, data.to_dataframe().reset_index())


def _worst(scenario: Written, system: ParallelServers, solver: str | None) -> WorstCase:
    """Return the worst case over all loads; without a largest load, up to that of the scenario."""
    up_to = None if math.isfinite(system.total_rate) else float(scenario.loads.max())
    return system.worst_case(up_to, solver=solver)


def _with_worst(scenario: Written, found: WorstCase) -> Array:
    """Return the loads of the scenario and the worst load, which is not at an end of them."""
    total = scenario.system.total_rate
    worst = np.array([found.load] if found.load < total else [])
    return np.unique([*reaching(scenario.loads, worst, total), *worst])


def _variant(
    scenario: Written, variant: Variant, solver: str | None
) -> tuple[dict[str, Any], xr.Dataset]:
    """Return the worst case of a variant, and its curve.

    A variant with other assumed than actual delays has no worst case with a bound: there it is the
    largest ratio on the curve.
    """
    from .misspecification import misspecified_delays

    row: dict[str, Any] = {
        "name": variant.name,
        "title": variant.title,
        "worst_case": None,
        "largest_on_curve": None,
    }
    if variant.assumed is variant.paid:
        found = _worst(scenario, variant.paid, solver)
        loads = _with_worst(scenario, found)
        return row | {"worst_case": finite(vars(found))}, variant.paid.curve(
            loads, refine=True, solver=solver
        )
    curve = misspecified_delays(
        variant.assumed, variant.paid, np.unique(scenario.loads), refine=FINE, solver=solver
    )
    ratio = curve["price_of_anarchy"].dropna("load")
    load = ratio["load"].values
    ends = {"from": float(load[0]), "to": float(load[-1])}
    return row | {
        "largest_on_curve": {"ratio": float(ratio.max()), "load": float(ratio.idxmax()), **ends}
    }, curve


def _operators(scenario: Written, load: float, solver: str | None) -> dict[str, Any]:
    """Return tolls and sensitivities at a load: lists with a number for each row of servers."""
    system, units = scenario.system, scenario.units
    tolls = units.result(system.tolls(load, solver=solver))
    first = scenario.rows.first
    numbers = {"toll": tolls.toll[first].tolist()}
    for goal, players in (("optimum", 1), ("equilibrium", math.inf)):
        found = units.result(system.sensitivity(load, players, solver=solver))
        numbers[f"{goal}_per_rate"] = found.rate[first].tolist()
        numbers[f"{goal}_per_delay"] = found.delay[first].tolist()
    return numbers


def _result(done: AnswerRows) -> dict[str, Any]:
    """Return all numbers of the report for JSON."""
    scenario, control, row = done.scenario, done.control, done.at_load
    given = None if control is None else _given(control)
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "units": scenario.units.to_dict(),
        "total_rate": finite_or_none(scenario.system.total_rate),
        "worst_case": finite(vars(done.found)),
        "load": done.load,
        "thresholds": {
            goal: [finite_or_none(v) for v in loads] for goal, loads in starts(scenario).items()
        },
        "servers": [
            {"name": n, "replicas": int(r), **{k: v[i] for k, v in done.operators.items()}}
            for i, (n, r) in enumerate(
                zip(scenario.rows.names, scenario.rows.replicas, strict=True)
            )
        ],
        "players": [] if row is None else _rows(row, "players", ("delay", *ANARCHY)),
        "control": [
            {
                "fraction": float(part),
                **{s: finite_or_none(ratio.sel(strategy=s)) for s in given["strategy"].values},
            }
            for part, ratio in zip(
                given["fraction"].values,
                given["ratio"].transpose("fraction", "strategy"),
                strict=True,
            )
        ]
        if given is not None
        else [],
        "price_of_optimum": None if control is None else control.attrs["price_of_optimum"],
        "notes": list(scenario.notes),
        "variants": list(done.variants),
    }


def _given(control: xr.Dataset) -> xr.Dataset:
    """Return the control curve without the fractions that refinement added."""
    return control.isel(fraction=~control["added"].values) if "added" in control.coords else control


def _rows(data: xr.Dataset, over: str, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return a record for JSON at each point of a dimension."""
    return [
        {over: finite_or_none(k), **{f: finite_or_none(data[f].sel({over: k})) for f in fields}}
        for k in data[over].values
    ]


def _shown(done: AnswerRows) -> Iterator[str | Table]:
    """Yield the texts and tables of the report for a terminal."""
    scenario, found, load = done.scenario, done.found, done.load
    total = scenario.system.total_rate
    yield f"{scenario.heading}\n"
    if found.load >= total:
        place = "as the load nears the total rate"
    elif math.isfinite(total):
        place = f"at load {found.load:.6g}, {found.load / total:.4g} of the total rate"
    else:
        place = f"at load {found.load:.6g}, of loads up to {found.up_to:.6g}"
    state = "no load has more than" if found.certified else "NOT CERTIFIED: no load has more than"
    effort = f"gap {found.gap:.0e}, {counted(found.evaluations, 'load')} solved"
    yield f"worst price of anarchy  [bold]{found.poa:.6f}[/] {place}"
    yield f"  {state} {found.upper_bound:.9f} ({effort})"
    yield f"  shared with the reference's search: {found.shares}"
    rule = (
        "the same"
        if found.candidate_poa >= found.poa * (1 - 1e-7)
        else f"{found.candidate_poa:.6f}, too low"
    )
    yield f"  the paper's rule, activation loads and saturation alone: {rule}\n"
    if done.operators:
        yield _servers(scenario, load, done.operators)
    if done.players is not None and (here := done.at_load) is not None:
        yield _players(scenario, here, done.players)
    if done.control is not None:
        yield _control(load, done.control)
    yield from scenario.remarks
    if done.variants:
        yield _variant_table(scenario, done.variants)


def _variant_table(scenario: Written, variants: tuple[dict[str, Any], ...]) -> Table:
    """Return the table of the variants' worst cases."""
    rows, caption = [], None
    for v in variants:
        worst, on_curve = v["worst_case"], v["largest_on_curve"]
        if worst is None:
            ratio, load = f"{on_curve['ratio']:.6f}", f"{on_curve['load']:.6g}"
            rows.append((escape(v["title"]), ratio, load, "not known", ""))
            caption = (
                "not known: decided on other delays than are paid, a variant has no search with a "
                "bound. Its ratio, of delays paid, is the largest on a curve of loads from "
                f"{on_curve['from']:.6g} to {on_curve['to']:.6g}, refined to {FINE:g}, "
                "and is not certified"
            )
            continue
        at_total = worst["load"] >= scenario.system.total_rate
        place = "total rate" if at_total else f"{worst['load']:.6g}"
        bound = (
            f"{worst['upper_bound']:.9f}"
            if worst["certified"]
            else f"[bold red]{worst['upper_bound']:.6g}, NOT CERTIFIED"
        )
        rule = (
            "the same"
            if worst["candidate_poa"] >= worst["poa"] * (1 - 1e-7)
            else f"{worst['candidate_poa']:.6f}"
        )
        rows.append((escape(v["title"]), f"{worst['poa']:.6f}", place, bound, rule))
    headings = (
        "variant",
        "worst\nratio",
        f"at load\n({scenario.units.jobs})",
        "no load has\nmore than",
        "by the\nrule",
    )
    return table(headings, rows, text=("variant",), title="variants", caption=caption)


def _servers(scenario: Written, load: float, operators: dict[str, Any]) -> Table:
    """Return the table of thresholds, tolls and sensitivities."""
    unit, job = scenario.delay_unit, scenario.units.jobs.replace("jobs", "job")
    headings = (
        "optimum\nstarts at",
        "equilib.\nstarts at",
        "\ntoll",
        f"optimum\nper {job}",
        f"equilib.\nper {job}",
    )
    columns = (
        *starts(scenario).values(),
        operators["toll"],
        *(operators[f"{goal}_per_rate"] for goal in GOALS),
    )
    forms = (".5g", ".5g", ".4g", ".3g", ".3g")
    caption = (
        f"toll, and what 1 {job} more of rate does to the mean delay: at load {load:.6g}, in {unit}"
    )
    return rows_table(scenario, headings, columns, forms, caption=caption)


def _players(scenario: Written, here: xr.Dataset, players: xr.Dataset) -> Table:
    """Return the table of equal players, from the curve and its part at the load."""
    ratio = players["price_of_anarchy_upper"] / players["price_of_anarchy_lower"]
    missed = int((~players["certified"]).sum())
    proof = (
        f"{missed} of {players['certified'].size} answers are NOT CERTIFIED"
        if missed
        else f"each price certified within {float(ratio.max()) - 1:.0e}"
    )
    rows = [
        (
            "any number" if math.isinf(k) else f"{k:g}",
            f"{float(here['delay'].sel(players=k)):.6g}",
            f"{float(here['price_of_anarchy'].sel(players=k)):.6f}",
            f"{float(players['price_of_anarchy'].sel(players=k).max()):.6f}",
        )
        for k in players["players"].values
    ]
    headings = (
        "players",
        f"delay ({scenario.delay_unit})",
        "price of\nanarchy",
        "worst on\nthe curve",
    )
    caption = (
        f"equal players at load {float(here['load']):.6g}; "
        f"the worst over the loads of the curve; {proof}"
    )
    return table(headings, rows, caption=caption)


def _control(load: float, control: xr.Dataset) -> Table:
    """Return the table of partial control."""
    enough, control = control.attrs["price_of_optimum"], _given(control)
    rows = [
        (
            f"{part:.0%}",
            *(
                f"{float(control['ratio'].sel(fraction=part, strategy=s)):.6f}"
                for s in ("llf", "scale")
            ),
        )
        for part in control["fraction"].values
        if np.isclose(part, SHOWN).any()
    ]
    headings = ("under\ncontrol", "largest\nlatency first", "optimum,\nscaled down")
    caption = (
        f"mean delay over the optimum's at load {load:.6g}; "
        f"control of {enough:.4g} of the load is enough for the optimum"
    )
    return table(headings, rows, caption=caption)
