"""Contents of the report: its sections, from the rows and the metadata alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .....reference.plural import counted
from ..row import Row
from .choice_tables import best_by_load, best_formulations, choices_table
from .document import Block, Bullets, DataTable, Section
from .findings import findings, problem_findings
from .measures import BY_NAME, MEASURES, RANKING, cell_text, columns
from .metadata import metadata_tables
from .methods import methods_table
from .pictures import PICTURES
from .pictures.axis_plots import problem_picture
from .ranking import heading, rankings
from .results import Results, grouped
from .statistics import ACCURATE_TEXT, error_text, residual
from .statuses import status_tables

WORST = 10
"""Lines of a table of single answers; the files of rows have all."""
NAMES = ("solver", "settings")
IN_PROBLEM = (
    "right",
    "false_claims",
    "median_error",
    "worst_error",
    "median_flow_error",
    "mean_seconds",
)
RESIDUALS = (
    ("primal", "largest distance of a block of s = b - Ax from its cone, divided by 1 + max |b|"),
    ("dual", "the larger one of max |Px + q + A'y| and the largest distance of a block of y from "
     "its dual cone, divided by 1 + max |q|"),
    ("complementarity", "the larger one of |s'y| and the duality gap |p - d|, divided by "
     "1 + |p| + |d|, with p = x'Px / 2 + q'x and d = -x'Px / 2 - b'y"),
)  # fmt: skip
LIMITS = (
    "A right answer is one whose relative error and violation are at most "
    f"{ACCURATE_TEXT}. Settings with a looser tolerance do not ask for that.",
    "The instances are random systems of the sizes and loads above; a solver that is good here may "
    "be bad elsewhere.",
    "A seed is one draw of each system: at loads near the largest one, another draw decides "
    "otherwise who fails. A run with other seeds shows how far a result depends on it.",
    "Each solver gets the instances whose cones it supports; only cells that all compared solvers "
    "got are compared.",
    "All solvers get the cone program that CVXPY makes of a formulation; a solver's own modelling "
    "layer might write a better one. Bounds of variables are rows of A like all others, also for "
    "solvers that could take them as bounds.",
    "The programs are dimensionless, and were scaled by people who had Clarabel and SCS at hand. "
    "Programs in raw units, such as jobs per second, may give another order.",
    "Solvers without quadratic objectives get x'Px as the square of a factor of P times x, in a "
    "second-order cone.",
    "Residuals are relative to the largest number of b and of q: one large number hides small "
    "violations of other rows.",
    "Times are of one machine, below a millisecond mostly of calls and copies. They are taken "
    "around the call of the solver; the times that solvers state themselves cover different steps, "
    "such as a solve without its set-up, and rank no solvers.",
    "Settings without a tolerance are those with which CVXPY calls a solver, which are not always "
    "the solver's own, and ask for different accuracies.",
)


def contents(
    results: Results, metadata: Mapping[str, Any], further: Sequence[Section] = ()
) -> list[Section]:
    """Return the sections of the report, with `further` ones before those of the problems."""
    return [
        Section("Main findings", [Bullets(findings(results)), choices_table(results)]),
        Section("How to read this report", [Bullets(_reading(results)), _residuals_table()]),
        Section("Comparisons on the same cells", list(rankings(results))),
        Section("All cells of each solver", list(_measure_tables(results))),
        *_picture_sections(results),
        Section("False claims", list(_false_claims(results))),
        *further,
        Section("Problems", [_problem(results, name) for name in results.problems]),
        Section("Statuses and skipped cells", list(status_tables(results))),
        Section(
            "Machine, versions and settings",
            [methods_table(results.solvers), *metadata_tables(metadata)],
        ),
        Section("Known limits", [Bullets(LIMITS)]),
    ]


def _reading(results: Results) -> list[str]:
    return [
        "A cell is one solver under some settings on one instance: a problem of a size, at a load, "
        "in one formulation.",
        f"The true answer of each instance is known, so errors are true ones. An answer is right "
        f"where its relative error and its violation of constraints are at most {ACCURATE_TEXT}.",
        "A cell without an answer has an infinite error. In mean times a cell that is not right "
        "counts as the limit of time, or as the longest time where that is longer: "
        f"{results.limit:.3g} s. A mean over several problems is "
        "that of their means, so that a problem of more sizes or formulations weighs no more.",
        "Three numbers in a cell are the median, the 90 % quantile and the worst. The median of an "
        "even number is the larger of the two in the middle.",
    ]


def _residuals_table() -> DataTable:
    caption = "Relative residuals of an answer (x, y): minimise x'Px / 2 + q'x, b - Ax in a cone"
    return DataTable(("residual", "formula"), RESIDUALS, 2, caption=caption)


def _measure_tables(results: Results) -> Iterator[Block]:
    yield (
        "Each solver got the cells whose cones it supports: the fewer, the easier. These tables "
        "say how a solver did on its own cells, and compare no solvers."
    )
    for title in dict.fromkeys(m.table for m in MEASURES if m.table != RANKING):
        found = columns(title)
        rows = []
        for entrant, all_rows in results.by_entrant.items():
            asked = [row for row in all_rows if not row.skipped]
            if not asked and title != "Failures":  # that table says how many it cannot take
                continue
            cells = [cell_text(measures, asked, results.limit) for measures in found.values()]
            if title == "Failures":
                cells.append(str(len(all_rows) - len(asked)))
            rows.append((*entrant, *cells))
        heads, reading = [*found], [(head, of[0].meaning) for head, of in found.items()]
        if title == "Failures":
            heads.append("skipped")
            reading.append(("skipped", "instances that the solver cannot take"))
        if title == "Times":
            heads = [head if head in ("spread", "iterations") else f"{head} ms" for head in heads]
        yield DataTable((*NAMES, *heads), rows, 2, reading, title)


def _picture_sections(results: Results) -> Iterator[Section]:
    for title, draw in PICTURES.items():
        if pictures := list(draw(results)):
            yield Section(title, pictures)


def _false_claims(results: Results) -> Iterator[Block]:
    """Yield the worst false claims under each settings, the tightest ones first."""
    false = [row for row in results.asked if row.false_claim]
    if not false:
        yield "No answer with the status optimal is wrong."
        return
    yield (
        f"A false claim is an answer with the status optimal that is not right to {ACCURATE_TEXT}. "
        "Settings of a looser tolerance do not ask for that: there the residual says whether the "
        "solver did what it was asked for."
    )
    for settings in reversed(results.settings):
        some = [row for row in false if results.entrant(row).settings == settings]
        if some:
            yield _claims_table(results, settings, some)


def _claims_table(results: Results, settings: str, false: Sequence[Row]) -> DataTable:
    false = sorted(false, key=lambda row: (-row.error, -row.violation, row.key))
    rows = [
        (
            row.key.name,
            row.solver,
            *map(error_text, (row.error, row.violation, residual(row), row.gap)),
        )
        for row in false[:WORST]
    ]
    reading = (
        ("instance", "name of its files: problem, formulation, size n, load, rate spread r, delay "
         "spread d and seed s"),
        ("residual", "the largest relative KKT residual, by which a solver is judged where the "
         "answer is not known"),
        ("certificate", "relative error that the library's certificate allows"),
    )  # fmt: skip
    headings = ("instance", "solver", "error", "violation", "residual", "certificate")
    shown = "the worst" if len(false) > len(rows) else "all, from the worst"
    caption = f"{settings}, {counted(len(false), 'false claim')}: {shown}"
    return DataTable(headings, rows, 2, reading, caption)


def _problem(results: Results, problem: str) -> Section:
    """Return the section of a problem: findings, picture and table."""
    rows = [row for row in results.rows if row.problem == problem]
    picture = problem_picture(results, problem)
    groups = grouped(rows, lambda row: row.formulation)
    measures = [BY_NAME[name] for name in IN_PROBLEM]
    lines = []
    for formulation, found in groups.items():
        for entrant, of_entrant in results.by_entrant_of(found).items():
            asked = [row for row in of_entrant if not row.skipped]
            if asked:
                texts = (m.text(m.of(asked, results.limit)) for m in measures)
                lines.append((formulation, *entrant, str(len(asked)), *texts))
    headings = ("formulation", *NAMES, "asked", *map(heading, IN_PROBLEM))
    table = DataTable(headings, lines, 3, caption=f"{problem}: {counted(len(rows), 'row')}")
    axes = (
        ("sizes", [row.n for row in rows]),
        ("loads", [row.load for row in rows]),
        ("rate spreads", [row.rate_spread for row in rows]),
        ("delay spreads", [row.delay_spread for row in rows]),
    )
    drawn = [f"{name}: {', '.join(f'{v:.8g}' for v in sorted(set(of)))}" for name, of in axes]
    pictures = [] if picture is None else [picture]
    best = (*best_formulations(results, problem), *best_by_load(results, problem))
    sentences = Bullets([*problem_findings(results, problem), "; ".join(drawn).capitalize()])
    return Section(problem, [sentences, *best, *pictures, table])
