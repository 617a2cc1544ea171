"""The report of ``sojourn anarchy`` on systems with routes: worst case, players, and tolls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ....reference.plural import counted
from ...core.ratio import PriceOfAnarchy
from ...core.solution import finite, finite_or_none
from ...core.variables import ANARCHY, variable
from ...frontend.process import UNCERTIFIED
from ...frontend.report import File, Report, data_files, picture
from ...frontend.tables import table
from ..parallel.worst_case import WorstCaseInterruptedError
from .report import Written, rows_table

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from ....reference.routes.worst_case import RouteWorstCase
    from .tolls import RouteTolls

TollTable = Callable[[Written, Any], Table]
PLAYERS = (2.0, 4.0, 16.0, math.inf)  # numbers of equal players in the table


@dataclass(frozen=True, eq=False)
class Done:
    """The results at the end of a stage of the report.

    Attributes
    ----------
    scenario : Scenario
        The scenario.
    found : RouteWorstCase
        The worst case.
    load : float
        Load of players and tolls.
    players : tuple of dict
        For each number of players its number, mean delay, and price of anarchy with its bounds.
    tolls : RouteTolls or None
        Tolls at the load, None before their stage.
    toll_table : callable, optional
        Returns the table of the tolls; by default they are those of stations.
    """

    scenario: Written
    found: RouteWorstCase
    load: float
    players: tuple[dict[str, Any], ...] = ()
    tolls: RouteTolls | None = None
    toll_table: TollTable | None = None

    def report(self, *files: File) -> Report:
        """Return the report of these results, with the files of this stage."""
        code = 0 if self.found.certified else UNCERTIFIED
        return Report(_result(self), _shown(self), [[*files]], "anarchy", code)


def anarchy(
    scenario: Written,
    load: float | None,
    solver: str | None,
    *_: bool,
    toll_table: TollTable | None = None,
) -> Iterator[Report]:
    """Yield a report after each stage: worst case, players, tolls; see `SystemKind.anarchy`.

    Without a largest load the worst case is that of loads up to the largest of the scenario.
    """
    system, units = scenario.system, scenario.units
    high = None if math.isfinite(system.max_load) else float(scenario.loads.max())
    stopped: KeyboardInterrupt | None = None
    try:
        found: RouteWorstCase = system.worst_case(high=high, solver=solver)
    except WorstCaseInterruptedError as stop:
        found, stopped = stop.found, stop
    point = found.load if load is None else load
    done = Done(scenario, found, point, toll_table=toll_table)
    search = units.present(_search(found, system.time_unit))
    yield done.report(*data_files("search", search), picture("anarchy", partial(_draw, done)))
    if stopped is not None:
        raise stopped
    best = system.optimum(done.load, solver=solver)
    for count in PLAYERS:
        selfish = system.equilibrium(done.load, players=count, solver=solver)
        poa = PriceOfAnarchy.of(selfish, best)
        bounds = dict(zip(ANARCHY, (poa, poa.lower, finite_or_none(poa.upper)), strict=True))
        delay = units.delay_factor * selfish.mean_delay
        row = {"players": finite_or_none(count), "delay": delay, **bounds}
        done = replace(done, players=(*done.players, row))
    yield done.report()
    tolls = units.result(system.tolls(done.load, solver=solver))
    yield replace(done, tolls=tolls).report()


def _search(found: RouteWorstCase, time_unit: str) -> xr.Dataset:
    """Return the loads of the search, with the price of anarchy and the bound up to the next."""
    import xarray as xr  # the import takes time

    bound = np.append(found.bound, np.nan)
    label = "certified upper bound of the price of anarchy from this load to the next"
    return xr.Dataset(
        {
            "price_of_anarchy": variable(found.ratio, ANARCHY["price_of_anarchy"], "ratio"),
            "price_of_anarchy_upper": variable(bound, label, "bound"),
        },
        {"load": ("load", found.loads, {"units": f"1/{time_unit}", "long_name": "total load"})},
        {"time_unit": time_unit},
    )


def _draw(done: Done) -> Figure:
    """Return the picture of the search."""
    from .plots import plot_search  # the import of Matplotlib takes time

    units = done.scenario.units
    search = units.present(_search(done.found, done.scenario.system.time_unit))
    return plot_search(search, done.found, done.scenario.title)


def _result(done: Done) -> dict[str, Any]:
    """Return all numbers of the report for JSON."""
    scenario, found = done.scenario, done.found
    worst = {k: v for k, v in vars(found).items() if not isinstance(v, np.ndarray)}
    return {
        **scenario.to_dict(),
        "max_load": finite_or_none(scenario.system.max_load),
        "worst_case": finite(worst),
        "load": done.load,
        "players": list(done.players),
        "tolls": None if done.tolls is None else done.tolls.to_dict(),
        "notes": list(scenario.notes),
    }


def _shown(done: Done) -> Iterator[str | Table]:
    """Yield the texts and tables of the report for a terminal."""
    scenario, found = done.scenario, done.found
    yield f"{scenario.heading}\n"
    ends = f"from {found.low:.6g} to {found.high:.6g} {scenario.units.jobs}"
    if not found.evaluations:
        why = escape(found.note)
        yield f"price of anarchy  [bold]{found.poa:.6g}[/] at every load {ends}: {why}"
    else:
        yield f"worst price of anarchy  [bold]{found.poa:.6f}[/] at load {found.load:.6g}"
        yield from _searched(found, ends)
    yield f"  shared with the reference's search: {found.shares}\n"
    if done.players:
        yield _players(done)
    if done.tolls is not None:
        yield (done.toll_table or _tolls)(scenario, done.tolls)
        yield _with_tolls(scenario, done.tolls)
    yield from scenario.remarks


def _searched(found: RouteWorstCase, ends: str) -> Iterator[str]:
    """Yield the line about the search of the loads between two `ends`."""
    state = "" if found.certified else "[bold red]NOT CERTIFIED[/]: "
    reason = f", {escape(found.note)}" if found.note else ""
    yield (
        f"  {state}no load {ends} has more than {found.upper_bound:.6f} (gap {found.gap:.0e}, "
        f"{counted(found.evaluations, 'load')} solved{reason})"
    )


def _players(done: Done) -> Table:
    """Return the table of equal players."""
    rows = [
        (
            "any number" if row["players"] is None else f"{row['players']:g}",
            f"{row['delay']:.6g}",
            f"{row['price_of_anarchy']:.6f}",
        )
        for row in done.players
    ]
    spread = max(
        (row["price_of_anarchy_upper"] or math.inf) / row["price_of_anarchy_lower"] - 1
        for row in done.players
    )
    headings = ("players", f"delay ({done.scenario.delay_unit})", "price of\nanarchy")
    parts = "every group" if len(done.scenario.system.groups) > 1 else "the jobs"
    caption = (
        f"equal players at load {done.load:.6g}, each with a part of {parts}; "
        f"each price certified within {spread:.0e}"
    )
    return table(headings, rows, caption=caption)


def _tolls(scenario: Written, tolls: RouteTolls) -> Table:
    """Return the table of the tolls."""
    flow, unit = tolls.optimum.station_flow, scenario.delay_unit
    columns = [map("{:.5g}".format, flow), map("{:.5g}".format, tolls.toll)]
    headings = (f"load\n({scenario.units.jobs})", f"\ntoll ({unit})")
    caption = f"tolls at load {tolls.optimum.load:.6g}: the delay that a job adds to the others"
    return rows_table("station", tolls.station_names, headings, columns, flow, caption=caption)


def _with_tolls(scenario: Written, tolls: RouteTolls) -> str:
    """Return the line about the effect of the tolls."""
    unit = scenario.delay_unit
    state = "is the optimum" if tolls.certified else "is [bold red]NOT CERTIFIED[/] as the optimum"
    return (
        f"with the tolls the equilibrium {state}: mean delay {tolls.mean_delay:.6g} {unit} "
        f"within {tolls.gap:.0e}, mean toll {tolls.mean_toll:.6g} {unit}"
    )
