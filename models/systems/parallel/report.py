"""The report of the command on parallel servers: splits, thresholds, variants, and curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ...core.ratio import PriceOfAnarchy
from ...core.solution import finite_or_none
from ...core.variables import ANARCHY
from ...frontend.report import File, Report, as_far_as_it_got, data_files, flat, picture
from ...frontend.scenario import Scenario
from ...frontend.tables import ruled, table
from .evaluation import Evaluation
from .misspecification import delays_at
from .prices import GOALS
from .rows import Rows
from .scenario_limits import limit_lines
from .solution import Solution
from .system import ParallelServers

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Written = Scenario[ParallelServers]
SHORT = ("optimum", "equilib.")
MOST_ROWS = 200  # rows of servers that a table in a terminal has
SIMULTANEOUS = 1e-6  # part of the least load below which thresholds are 0 up to rounding


def report(scenario: Written, load: float, solver: str | None, weights: str | None) -> Report:
    """Return the report at a load; see `SystemKind.report`.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    load : float
        Total load, jobs per unit of time.
    solver : str, optional
        Name of a solver.
    weights : str, optional
        A split to compare, such as ``50,30,20``.
    """
    given = None if weights is None else _given(scenario, load, weights)
    answers: dict[str, Solution] = {goal: _solve(scenario, goal, load, solver) for goal in GOALS}
    poa = PriceOfAnarchy.of(answers["equilibrium"], answers["optimum"])
    if scenario.limits:  # only the optimum has limits; the price of anarchy is without them
        answers["optimum"] = _solve(scenario, "optimum", load, solver, subject_to=scenario.limits)
    variants = _variants(scenario, load, solver)
    result = _result(scenario, load, answers, poa, variants)
    if given is not None:
        result["given"] = given.to_dict()
    return Report(
        result, _shown(scenario, load, answers, poa, variants, given), _files(scenario, solver)
    )


def _solve(
    scenario: Written, goal: str, load: float, solver: str | None, **options: Any
) -> Solution:
    """Return the solution of a goal by row, in the units of the file."""
    rows: Rows = scenario.rows
    found: Solution = getattr(scenario.system, goal)(load, solver=solver, **options)
    return scenario.units.result(rows.solution(found, scenario.system.bank))


def _given(scenario: Written, load: float, text: str) -> Evaluation:
    """Return the evaluation of weights by row, in the units of the file.

    The replicas of a row have equal parts of its weight.
    """
    rows: Rows = scenario.rows
    weights = rows.weights("--weights-in", text)
    try:
        found = scenario.system.evaluate(load, weights=weights)
    except InputError as error:
        place = error.field.removeprefix("weights") if rows.single else ""
        raise InputError(f"--weights-in{place}", text, error.problem, error.remedy) from None
    return scenario.units.result(rows.evaluation(found, scenario.system.bank))


def _shown_given(scenario: Written, given: Evaluation) -> Iterator[str | Table]:
    """Yield the table and the text of a given split."""
    unit, columns = scenario.delay_unit, (given.share, given.latency, given.utilisation)
    means = ("", f"{given.mean_delay:.6g}", "")
    yield rows_table(
        scenario,
        ("share", f"latency ({unit})", "busy"),
        columns,
        (".4f", ".6g", ".1%"),
        means,
        title="split given",
    )
    for name in given.overloaded:
        problem = "gets its rate or more, and its queue grows without bound"
        yield f"[bold]unstable[/]: {escape(name)} {problem}"
    if given.stable:
        proof = f"certified within {given.ratio.spread:.0e}"
        yield f"[bold]{given.ratio:.6f}[/] times the optimum, {proof}"
        yield f"[bold]{given.loss:.6g}[/] {unit} are lost"
    if given.move is not None:
        start, end = map(escape, given.move)
        yield f"a user gains {given.deviation_gain:.6g} {unit} by moving from {start} to {end}"
    for caveat in given.caveats:
        yield f"[bold]but[/] {escape(caveat)}"


def _as_json(scenario: Written, found: Solution) -> dict[str, Any]:
    """Return a solution for JSON, with the replicas of each row and their total flow."""
    record = found.to_dict()
    for server, flow, n in zip(record["servers"], found.flow, scenario.rows.replicas, strict=True):
        server.update(replicas=int(n), total_flow=float(n * flow))
    return record


def _variants(scenario: Written, load: float, solver: str | None) -> list[dict[str, Any]]:
    """Return the delays and the price of anarchy of each variant."""
    rows: list[dict[str, Any]] = []
    for v in scenario.variants:
        delays = delays_at(v.assumed, v.paid, load, solver)
        ratio = delays["equilibrium"] / delays["optimum"]
        in_unit = {goal: scenario.units.delay_factor * delay for goal, delay in delays.items()}
        rows.append({"name": v.name, "title": v.title, **in_unit, "ratio": ratio})
    return rows


def _result(
    scenario: Written,
    load: float,
    answers: dict[str, Solution],
    poa: PriceOfAnarchy,
    variants: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return all numbers of the report for JSON."""
    return {
        **scenario.to_dict(),
        "total_rate": finite_or_none(scenario.system.total_rate),
        "load": load,
        **dict(zip(ANARCHY, (poa, poa.lower, finite_or_none(poa.upper)), strict=True)),
        "thresholds": {
            goal: [finite_or_none(v) for v in loads] for goal, loads in starts(scenario).items()
        },
        **{goal: _as_json(scenario, found) for goal, found in answers.items()},
        "variants": variants,
        "notes": list(scenario.notes),
    }


def starts(scenario: Written) -> dict[str, Array]:
    """Return by goal the load from which each row of servers is used, shape (G,)."""
    thresholds = scenario.system.thresholds()
    return {goal: getattr(thresholds, goal)[scenario.rows.first] for goal in GOALS}


def rows_table(
    scenario: Written,
    headings: Iterable[str],
    columns: Iterable[Array],
    forms: Sequence[str],
    means: Iterable[str] = (),
    caption: str = "",
    title: str | None = None,
) -> Table:
    """Return a table with a line for each row of servers, and mean delays below.

    Of more than `MOST_ROWS` rows it has the first, with a note in its caption.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    headings : iterable of str
        Headings of the columns but the first.
    columns : iterable of ndarray, shape (G,)
        Numbers of each row.
    forms : sequence of str
        Format of each column, such as ``.4f``.
    means : iterable of str, optional
        Last line of the table.
    caption, title : str, optional
        Text below and above the table.
    """
    end, rest = ruled("mean delay", means), "rows; --json and --out have all"
    return servers_table(scenario.rows.names, headings, columns, forms, end, rest, caption, title)


def servers_table(
    names: Sequence[str],
    headings: Iterable[str],
    columns: Iterable[Array],
    forms: Sequence[str],
    end: Iterable[tuple[str, ...]],
    rest: str,
    caption: str = "",
    title: str | None = None,
) -> Table:
    """Return a table with a line for each of n servers, or rows of them.

    Parameters
    ----------
    names : sequence of str
        Names of the servers.
    headings, columns, forms, caption, title
        See `rows_table`.
    end : iterable of tuple of str
        Last rows; see `sojourn.models.frontend.tables.ruled`.
    rest : str
        Where those beyond the first `MOST_ROWS` are, for the caption.
    """
    if len(names) > MOST_ROWS:
        left_out = f"the first {MOST_ROWS:,} of {len(names):,} {rest}"
        caption = "\n".join(filter(None, (left_out, caption)))
    numbers = zip(names, *columns, strict=True)
    rows = [(escape(name), *map(format, row, forms)) for name, *row in islice(numbers, MOST_ROWS)]
    return table(
        ("server", *headings), [*rows, *end], text=("server",), caption=caption or None, title=title
    )


def _shown(
    scenario: Written,
    load: float,
    answers: dict[str, Solution],
    poa: PriceOfAnarchy,
    variants: list[dict[str, Any]],
    given: Evaluation | None,
) -> Iterator[str | Table]:
    """Yield the texts and tables of the report for a terminal."""
    unit, jobs, found = scenario.delay_unit, scenario.units.jobs, answers.values()
    yield scenario.heading
    yield f"{scenario.where(load)}\n"
    headings = [
        f"{goal}\n{what}"
        for what in ("share", f"latency\n({unit})", "starts\nat")
        for goal in SHORT
    ]
    columns = [*(s.share for s in found), *(s.latency for s in found), *starts(scenario).values()]
    forms = (".4f", ".4f", ".6g", ".6g", ".5g", ".5g")
    means = ("", "", *(f"{s.mean_delay:.6g}" for s in found), "", "")
    caption = f"starts at: the load, in {jobs}, from which a server is used"
    yield rows_table(scenario, headings, columns, forms, means, caption=caption)
    if not scenario.rows.single:
        yield _flows(scenario, answers)
    for caveat in dict.fromkeys(c for s in found for c in s.caveats):
        yield f"[bold]but[/] {escape(caveat)}"
    yield from limit_lines(answers["optimum"].limits, unit)
    yield f"\nprice of anarchy  [bold]{poa:.6f}[/], certified within {poa.spread:.0e}"
    for s in found:
        way = f"{s.solver.lower()}, {s.formulation}, {counted(s.polished, 'Newton step')}"
        yield f"{s.goal:<11}  certified within {s.certificate.gap:.0e} ({way})"
    yield from scenario.remarks
    if variants:
        rows = [
            (
                escape(v["title"]),
                f"{v['optimum']:.6g}",
                f"{v['equilibrium']:.6g}",
                f"{v['ratio']:.6f}",
            )
            for v in variants
        ]
        yield table(
            ("variant", f"optimum ({unit})", f"equilibrium ({unit})", "ratio"),
            rows,
            text=("variant",),
            title="variants",
        )
    if given is not None:
        yield from _shown_given(scenario, given)


def _flows(scenario: Written, answers: dict[str, Solution]) -> Table:
    """Return the table of the flows: of one server of each row, and of all its replicas."""
    headings = [f"{goal}\n{whose}" for goal in SHORT for whose in ("of one", "of all")]
    flows = [flow for s in answers.values() for flow in (s.flow, scenario.rows.replicas * s.flow)]
    caption = f"flow, in {scenario.units.jobs}, of one server and of all in its row"
    return rows_table(scenario, headings, flows, (".6g",) * len(flows), caption=caption)


def _files(scenario: Written, solver: str | None) -> Iterator[list[File]]:
    """Yield the data files and plots; after an interruption what is solved so far."""
    from .misspecification import misspecified_delays
    from .plots import plot_curve

    loads = _loads_around_thresholds(scenario, scenario.system)
    curves_of = {"curve": partial(scenario.system.curve, loads)}
    for v in scenario.variants:
        loads = _loads_around_thresholds(scenario, v.assumed)
        curves_of[v.name] = partial(misspecified_delays, v.assumed, v.paid, loads)
    rows: Rows = scenario.rows
    single = [
        f"{goal}_total_flow[{name}]"
        for goal in GOALS
        for name, n in zip(rows.names, rows.replicas, strict=True)
        if n == 1
    ]
    curves: dict[str, xr.Dataset] = {}
    stopped: KeyboardInterrupt | None = None
    try:
        for name, solve in curves_of.items():
            data, stopped = as_far_as_it_got(partial(solve, refine=True, solver=solver))
            if stopped is None or not curves:
                curves[name] = rows.dataset(scenario.units.present(data))
                table_of_curve = flat(curves[name]).drop(columns=single, errors="ignore")
                yield data_files(name, curves[name], table_of_curve)
            if stopped is not None:
                break
    except KeyboardInterrupt as stop:
        stopped = stop
    if "curve" in curves and (data := curves.pop("curve")).sizes["load"]:
        yield [picture("curve", partial(plot_curve, data, scenario.title, curves))]
    if (fits := _fits(scenario)) is not None:
        yield [picture("measured", lambda: fits)]
    if stopped is not None:
        raise stopped


def _fits(scenario: Written) -> Figure | None:
    """Return the plot of measured servers, their samples and fits; None where there are none."""
    from ...frontend.measured_plot import plot_fits

    units = scenario.units
    bank = scenario.system.bank.take(scenario.rows.first).scaled(1.0, units.delay_factor)
    return plot_fits(bank, scenario.title, scenario.rows.names, units.rate, units.delay)


def _loads_around_thresholds(scenario: Written, system: ParallelServers) -> Array:
    """Return the loads of the scenario, and loads beyond the thresholds of the equilibrium.

    The price of anarchy has its peaks at these thresholds.
    """
    thresholds = system.thresholds().equilibrium
    least = SIMULTANEOUS * scenario.loads[scenario.loads > 0].min(initial=math.inf)
    inside = thresholds[(thresholds > least) & (thresholds < system.total_rate)]
    return reaching(scenario.loads, inside, system.total_rate)


def reaching(loads: Array, points: Array, total: float) -> Array:
    """Return the loads in order, with a load beyond points that lie outside their range.

    Parameters
    ----------
    loads : ndarray
        Loads, jobs per unit of time.
    points : ndarray
        Loads that the result is to surround.
    total : float
        Total rate, which no added load reaches.
    """
    inside = np.unique(loads[loads < total])
    if not (inside.size and points.size):
        return np.unique(loads)
    before = [points.min() / 2] if points.min() <= inside[0] else []
    after = (
        [(points.max() + total) / 2] if points.max() >= inside[-1] and math.isfinite(total) else []
    )
    return np.unique([*before, *loads, *after])
