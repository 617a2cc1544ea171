"""What the command says of parallel servers: the split, thresholds, variants, and the curve."""

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
from ...core.curve import ANARCHY
from ...core.ratio import PriceOfAnarchy
from ...core.solution import finite_or_none
from ...frontend.report import File, Report, as_far_as_it_got, data_files, flat, picture
from ...frontend.scenario import Scenario
from ...frontend.tables import ruled, table
from .evaluation import Evaluation
from .prices import GOALS
from .rows import Rows
from .solution import Solution
from .system import ParallelServers

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Written = Scenario[ParallelServers]
SHORT = ("optimum", "equilib.")
MOST_ROWS = 200  # of servers that a table in a terminal has


def report(scenario: Written, load: float, solver: str | None, weights: str | None) -> Report:
    """Solve at a load. Weights, such as ``50,30,20``, are a split to judge beside. See `SystemKind.report`."""
    given = None if weights is None else _given(scenario, load, weights)
    answers: dict[str, Solution] = {goal: _solve(scenario, goal, load, solver) for goal in GOALS}
    poa = PriceOfAnarchy.of(answers["equilibrium"], answers["optimum"])
    if scenario.limits:  # which are of the optimum alone: the price of anarchy stays without them
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
    """Answer by row, in the units of the file."""
    rows: Rows = scenario.rows
    found: Solution = getattr(scenario.system, goal)(load, solver=solver, **options)
    return scenario.units.result(rows.solution(found, scenario.system.bank))


def _given(scenario: Written, load: float, text: str) -> Evaluation:
    """The split that weights say, judged, by row and in the units of the file; a row's weight is shared evenly by its replicas."""
    rows: Rows = scenario.rows
    try:
        weights = np.array([float(word) for word in text.split(",")])
    except ValueError:
        remedy = f"give one a row, such as {','.join('1' for _ in rows.names[:3])}"
        raise InputError(
            "--weights-in", text, "is not a list of numbers with commas between", remedy
        ) from None
    if weights.size != len(rows.names):
        problem = f"has {weights.size} numbers for {len(rows.names)} rows of servers"
        raise InputError(
            "--weights-in", text, problem, f"give one for each of {', '.join(rows.names)}"
        )
    try:
        found = scenario.system.evaluate(
            load, weights=np.repeat(weights / rows.replicas, rows.replicas)
        )
    except InputError as error:
        place = error.field.removeprefix("weights") if rows.single else ""
        raise InputError(f"--weights-in{place}", text, error.problem, error.remedy) from None
    return scenario.units.result(rows.evaluation(found, scenario.system.bank))


def _shown_given(scenario: Written, given: Evaluation) -> Iterator[str | Table]:
    """The split in use, beside the table of the others."""
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
        yield f"[bold]unstable[/]: {escape(name)} gets its rate or more, and its queue grows without bound"
    if given.stable:
        yield f"[bold]{given.ratio:.6f}[/] times the optimum, certified within {given.ratio.spread:.0e}"
        yield f"[bold]{given.loss:.6g}[/] {unit} are lost"
    if given.move is not None:
        leaves, goes = map(escape, given.move)
        yield f"a user gains {given.deviation_gain:.6g} {unit} by moving from {leaves} to {goes}"
    for caveat in given.caveats:
        yield f"[bold]but[/] {escape(caveat)}"


def _as_json(scenario: Written, found: Solution) -> dict[str, Any]:
    """The answer, with the number of servers of each row and what they carry together."""
    said = found.to_dict()
    for server, flow, n in zip(said["servers"], found.flow, scenario.rows.replicas, strict=True):
        server.update(replicas=int(n), total_flow=float(n * flow))
    return said


def _variants(scenario: Written, load: float, solver: str | None) -> list[dict[str, Any]]:
    from .misspecification import misspecified_delays

    rows: list[dict[str, Any]] = []
    for v in scenario.variants:
        data = scenario.units.present(misspecified_delays(v.assumed, v.paid, [load], solver=solver))
        delays = {goal: float(data[f"{goal}_delay"][0]) for goal in ("optimum", "equilibrium")}
        rows.append(
            {
                "name": v.name,
                "title": v.title,
                **delays,
                "ratio": float(data["price_of_anarchy"][0]),
            }
        )
    return rows


def _result(
    scenario: Written,
    load: float,
    answers: dict[str, Solution],
    poa: PriceOfAnarchy,
    variants: list[dict[str, Any]],
) -> dict[str, Any]:
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
    """Load from which each row of servers is used, by goal."""
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
    """Return a table with a row for each row of servers, its numbers in these forms, and mean delays below.

    Of more than `MOST_ROWS` rows it has the first, and its caption says so.
    """
    names = scenario.rows.names
    if len(names) > MOST_ROWS:
        left_out = f"the first {MOST_ROWS:,} of {len(names):,} rows; --json and --out have all"
        caption = "\n".join(filter(None, (left_out, caption)))
    numbers = zip(names, *columns, strict=True)
    rows = [(escape(name), *map(format, row, forms)) for name, *row in islice(numbers, MOST_ROWS)]
    ended = [*rows, *ruled("mean delay", means)]
    return table(
        ("server", *headings), ended, text=("server",), caption=caption or None, title=title
    )


def _shown(
    scenario: Written,
    load: float,
    answers: dict[str, Solution],
    poa: PriceOfAnarchy,
    variants: list[dict[str, Any]],
    given: Evaluation | None,
) -> Iterator[str | Table]:
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
    for limit in answers["optimum"].limits:
        yield f"[bold]limit[/] {escape(str(limit))}" + (
            "" if limit.of_time or not limit.price.any() else f" {unit} a unit"
        )
    yield f"\nprice of anarchy  [bold]{poa:.6f}[/], certified within {poa.spread:.0e}"
    for s in found:
        yield f"{s.goal:<11}  certified within {s.certificate.gap:.0e} ({s.solver.lower()}, {s.formulation}, {s.polished} Newton steps)"
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
    """Flow of one server of each row, and of all."""
    headings = [f"{goal}\n{whose}" for goal in SHORT for whose in ("of one", "of all")]
    flows = [flow for s in answers.values() for flow in (s.flow, scenario.rows.replicas * s.flow)]
    caption = f"flow, in {scenario.units.jobs}, of one server and of all in its row"
    return rows_table(scenario, headings, flows, (".6g",) * len(flows), caption=caption)


def _files(scenario: Written, solver: str | None) -> Iterator[list[File]]:
    from .misspecification import misspecified_delays
    from .plots import plot_curve

    asked = {"curve": partial(scenario.system.curve, _to_every_start(scenario, scenario.system))}
    asked |= {
        v.name: partial(
            misspecified_delays, v.assumed, v.paid, _to_every_start(scenario, v.assumed)
        )
        for v in scenario.variants
    }
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
        for name, solve in asked.items():
            data, stopped = as_far_as_it_got(partial(solve, refine=True, solver=solver))
            if stopped is None or not curves:
                curves[name] = rows.dataset(scenario.units.present(data))
                yield data_files(
                    name, curves[name], flat(curves[name]).drop(columns=single, errors="ignore")
                )
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
    """Picture of the samples of measured servers and their fits, if there are any."""
    from ...frontend.measured_plot import plot_fits

    units = scenario.units
    bank = scenario.system.bank.take(scenario.rows.first).scaled(1.0, units.delay_factor)
    return plot_fits(bank, scenario.title, scenario.rows.names, units.rate, units.delay)


def _to_every_start(scenario: Written, system: ParallelServers) -> Array:
    """Loads of the scenario and, where the equilibrium starts a server beyond them, one on the other side: peaks are there."""
    starts = system.thresholds().equilibrium
    traces = 1e-6 * scenario.loads[scenario.loads > 0].min(
        initial=math.inf
    )  # servers that start together do so up to rounding
    return reaching(
        scenario.loads, starts[(starts > traces) & (starts < system.total_rate)], system.total_rate
    )


def reaching(loads: Array, points: Array, total: float) -> Array:
    """Loads in order and, where some of the points lie before or after all that are carried, a load beyond the farthest point."""
    inside = np.unique(loads[loads < total])
    if not (inside.size and points.size):
        return np.unique(loads)
    before = [points.min() / 2] if points.min() <= inside[0] else []
    after = (
        [(points.max() + total) / 2] if points.max() >= inside[-1] and math.isfinite(total) else []
    )
    return np.unique([*before, *loads, *after])
