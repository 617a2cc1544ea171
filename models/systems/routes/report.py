"""The report of ``sojourn run`` on systems with routes: stations, groups, capacity and curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ...core.ratio import PriceOfAnarchy
from ...core.solution import finite_or_none
from ...core.variables import ANARCHY
from ...frontend.report import File, Report, curve_files, data_files, picture
from ...frontend.scenario import Scenario
from ...frontend.tables import ruled, table
from ..parallel.prices import GOALS
from ..parallel.scenario_limits import limit_lines
from .both_goals import gains, groups_of, stations_of
from .solution import LargestLoad, RouteSolution
from .system import RouteSystem

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Written = Scenario[Any]
Answers = Mapping[str, RouteSolution]
SHORT = ("optimum", "equilib.")
MOST_ROWS = 50  # stations or groups that a table in a terminal has: those with the largest loads


def report(scenario: Written, load: float, solver: str | None, weights: str | None) -> Report:
    """Return the report at a load; see `SystemKind.report`."""
    if weights is not None:
        problem = "is a split over servers, and these users take routes"
        remedy = "leave it out; in Python, evaluate(load, flow=...) evaluates flows of routes"
        raise InputError("--weights-in", weights, problem, remedy)
    system, units = scenario.system, scenario.units
    raw: dict[str, RouteSolution] = {
        goal: getattr(system, goal)(load, solver=solver) for goal in GOALS
    }
    poa = PriceOfAnarchy.of(raw["equilibrium"], raw["optimum"])
    if scenario.limits:  # only the optimum has limits; the price of anarchy is without them
        raw["optimum"] = system.optimum(load, solver=solver, subject_to=scenario.limits)
    gain = {goal: units.delay_factor * gains(system, found) for goal, found in raw.items()}
    answers = {goal: units.result(found) for goal, found in raw.items()}
    most = system.capacity()
    return Report(
        _result(scenario, answers, gain, poa, most),
        _shown(scenario, answers, gain, poa, most),
        _files(scenario, solver, answers, gain),
    )


def _result(
    scenario: Written,
    answers: Answers,
    gain: Mapping[str, Array],
    poa: PriceOfAnarchy,
    most: LargestLoad,
) -> dict[str, Any]:
    """Return all numbers of the report for JSON."""
    names = scenario.system.groups
    return {
        **scenario.to_dict(),
        "own_load": scenario.system.load,
        "max_load": finite_or_none(most.max_load),
        "load": answers["optimum"].load,
        "capacity": most.to_dict(),
        **dict(zip(ANARCHY, (poa, poa.lower, finite_or_none(poa.upper)), strict=True)),
        **{goal: found.to_dict() for goal, found in answers.items()},
        "gains": {
            goal: [
                {"group": name, "gain": finite_or_none(g)}
                for name, g in zip(names, of_goal, strict=True)
            ]
            for goal, of_goal in gain.items()
        },
        "notes": list(scenario.notes),
    }


def _shown(
    scenario: Written,
    answers: Answers,
    gain: Mapping[str, Array],
    poa: PriceOfAnarchy,
    most: LargestLoad,
) -> Iterator[str | Table]:
    """Yield the texts and tables of the report for a terminal."""
    unit, found = scenario.delay_unit, answers.values()
    yield scenario.heading
    yield scenario.where(answers["optimum"].load)
    yield f"{_limits(most)}\n"
    yield _stations(scenario, answers)
    yield _groups(scenario, answers, gain)
    for caveat in dict.fromkeys(c for s in found for c in s.caveats):
        yield f"[bold]but[/] {escape(caveat)}"
    yield from limit_lines(answers["optimum"].limits, unit)
    yield f"\nprice of anarchy  [bold]{poa:.6f}[/], certified within {poa.spread:.0e}"
    for s in found:
        steps = f", {counted(s.polished, 'Newton step')}" if s.polished else ""
        way = f"{s.solver.lower()}, {s.formulation}{steps}"
        yield f"{s.goal:<11}  certified within {s.certificate.gap:.0e} ({way})"
    yield saving_line(answers["equilibrium"].largest_saving, unit, "route")
    yield from scenario.remarks


def saving_line(saving: float, unit: str, choice: str) -> str:
    """Return the line about what a user gains by another route or mode, below the equilibrium."""
    more = f" more than {saving:.0e} {unit}" if saving > 0 else ""
    return f"{'':<11}  no user gains{more} by another {choice}"


def _limits(most: LargestLoad) -> str:
    """Return a line about the largest multiple of the loads and the stations that limit it."""
    if math.isinf(most.multiple):
        return "no station limits the load"
    names = [escape(name) for name in most.limiting[:MOST_ROWS]]
    more = len(most.limiting) - len(names)
    limiting = ", ".join(names) + (f" and {more} more" if more else "")
    return f"the stations carry {most.multiple:.6g} times the file's loads, limited by {limiting}"


def _stations(scenario: Written, answers: Answers) -> Table:
    """Return the table of the stations: load, utilisation and latency of both goals."""
    unit, jobs = scenario.delay_unit, scenario.units.jobs
    found = list(answers.values())
    columns = {
        f"load\n({jobs})": [map("{:.5g}".format, s.station_flow) for s in found],
        "utili-\nsation": [map(_part, s.utilisation) for s in found],
        f"latency\n({unit})": [map("{:.5g}".format, s.station_latency) for s in found],
    }
    if not np.isfinite(found[0].utilisation).any():
        del columns["utili-\nsation"]
    headings = [f"{goal}\n{what}" for what in columns for goal in SHORT]
    size = np.maximum(found[0].station_flow, found[1].station_flow)
    numbers = [column for pair in columns.values() for column in pair]
    return rows_table("station", found[0].station_names, headings, numbers, size)


def _groups(scenario: Written, answers: Answers, gain: Mapping[str, Array]) -> Table:
    """Return the table of the groups: load, mean delays, and gains by other routes."""
    unit, found = scenario.delay_unit, list(answers.values())
    best = found[0]
    gained = zip(gain["optimum"], best.group_delay, strict=True)
    headings = [
        f"\nload\n({scenario.units.jobs})",
        *(f"{goal}\ndelay\n({unit})" for goal in SHORT),
        f"gain at\noptimum\n({unit})",
    ]
    columns = [
        map("{:.5g}".format, best.group_load),
        *(map("{:.6g}".format, s.group_delay) for s in found),
        # a gain below the rounding of the delays is none
        (f"{g:.4g}" if g > 1e-9 * d else "-" for g, d in gained),
    ]
    means = ("", *(f"{s.mean_delay:.6g}" for s in found), "")
    caption = (
        "gain: the most that a user saves by another route at the optimum; the flows of routes "
        "are one of many with these loads of stations"
    )
    return rows_table("group", best.group_names, headings, columns, best.group_load, means, caption)


def _part(utilisation: float) -> str:
    """Return a utilisation as a percentage; empty where no load is too much."""
    return f"{utilisation:.1%}" if math.isfinite(utilisation) else ""


def rows_table(
    what: str,
    names: Sequence[str],
    headings: Sequence[str],
    columns: Iterable[Iterable[str]],
    size: Array,
    means: Iterable[str] = (),
    caption: str = "",
) -> Table:
    """Return a table with a line for each name; of many, for those of the largest sizes."""
    rows = [(escape(name), *row) for name, *row in zip(names, *columns, strict=True)]
    if len(rows) > MOST_ROWS:
        left_out = f"the {MOST_ROWS} of {len(rows):,} with the largest loads; --json has all"
        caption = "\n".join(filter(None, (left_out, caption)))
        rows = [rows[i] for i in sorted(np.argsort(-size, kind="stable")[:MOST_ROWS])]
    ended = [*rows, *ruled("mean delay", means)]
    return table((what, *headings), ended, text=(what,), caption=caption or None)


def _files(
    scenario: Written, solver: str | None, answers: Answers, gain: Mapping[str, Array]
) -> Iterator[list[File]]:
    """Yield the tables and pictures at the load, then those of the curve as far as it got."""
    from .plots import plot_curve, plot_stations

    units, title = scenario.units, scenario.title
    stations = stations_of(answers, units, **_ends(scenario.system))
    groups = groups_of(answers, gain, units)
    for name, data in (("stations", stations), ("groups", groups)):
        yield [_csv(name, data)]
    yield [picture("stations", partial(plot_stations, stations, title)), *_map(scenario, stations)]
    yield from curve_files(
        scenario, solver, lambda curve: [picture("curve", partial(plot_curve, curve, title))]
    )


def _csv(name: str, data: xr.Dataset) -> File:
    """Return the CSV file of a table with a row for each station or group."""
    return data_files(name, data, data.to_dataframe().reset_index())[1]


def _ends(system: RouteSystem) -> dict[str, list[str]]:
    """Return the nodes that the links of a network lead from and to; nothing for other systems."""
    ends = getattr(system, "ends", None)
    if ends is None:
        return {}
    return {"tail": [str(start) for start, _ in ends], "head": [str(end) for _, end in ends]}


def _map(scenario: Written, stations: xr.Dataset) -> list[File]:
    """Return the picture of a network; none for other systems."""
    if "tail" not in stations.coords:
        return []
    named = {str(node): at for node, at in scenario.system.positions.items()}

    def draw() -> Figure:
        from .network_plot import plot_network

        return plot_network(stations, named, scenario.title)

    return [picture("network", draw)]
