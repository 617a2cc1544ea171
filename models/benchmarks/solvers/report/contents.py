"""Contents of the report: its sections, from the rows and the metadata alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .....reference.plural import counted
from ..row import ACCURATE, Row
from .document import Block, Bullets, DataTable, Section
from .findings import (
    Choice,
    fastest_right,
    findings,
    most_accurate,
    problem_findings,
)
from .measures import BY_NAME, MEASURES, cell_text, columns
from .metadata import metadata_tables
from .pictures import PICTURES
from .pictures.axis_plots import problem_picture
from .profiles import fastest_counts
from .results import Comparison, Results, grouped
from .statistics import error_text, residual, time_text

MOST, WORST = 25, 10
"""Lines of the table of statuses, and of those of single answers; the files of rows have all."""
NAMES = ("solver", "settings")
COMPARED = ("right", "false_claims", "median_error", "worst_error", "mean_seconds")
IN_PROBLEM = (*COMPARED[:2], "median_error", "worst_error", "median_flow_error", "mean_seconds")
LIMITS = (
    "A right answer is one whose relative error and violation are at most "
    f"{ACCURATE:g}. Settings with a looser tolerance do not ask for that.",
    "The instances are random systems of the sizes and loads above; a solver that is good here may "
    "be bad elsewhere.",
    "Each solver gets the instances whose cones it supports; only cells that all compared solvers "
    "got are compared.",
    "All solvers get the cone program that CVXPY makes of a formulation; a solver's own modelling "
    "layer might write a better one.",
    "Times are of one machine, below a millisecond mostly of calls and copies.",
)


def contents(
    results: Results, metadata: Mapping[str, Any], further: Sequence[Section] = ()
) -> list[Section]:
    """Return the sections of the report, with `further` ones before those of the problems."""
    return [
        Section("Main findings", [Bullets(findings(results)), _choices_table(results)]),
        Section("How to read this report", [Bullets(_reading(results))]),
        Section("All cells", list(_measure_tables(results))),
        Section("Comparisons on the same cells", list(_comparisons(results))),
        *_picture_sections(results),
        Section("False claims", list(_false_claims(results))),
        *further,
        Section("Problems", [_problem(results, name) for name in results.problems]),
        Section("Skipped cells and statuses", list(_reasons(results))),
        Section("Machine, versions and settings", metadata_tables(metadata)),
        Section("Known limits", [Bullets(LIMITS)]),
    ]


def _reading(results: Results) -> list[str]:
    return [
        "A cell is one solver under some settings on one instance: a problem of a size, at a load, "
        "in one formulation.",
        f"The true answer of each instance is known, so errors are true ones. An answer is right "
        f"where its relative error and its violation of constraints are at most {ACCURATE:g}.",
        "A cell without an answer has an infinite error. In mean times a cell that is not right "
        f"counts as the limit of time, {results.limit:.3g} s.",
        "Three numbers in a cell are the median, the 90 % quantile and the worst. The median of an "
        "even number is the larger of the two in the middle.",
    ]


def _measure_tables(results: Results) -> Iterator[Block]:
    for title in dict.fromkeys(measure.table for measure in MEASURES):
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


def _comparisons(results: Results) -> Iterator[Block]:
    yield (
        "The fewer cones a solver supports, the easier its cells. Each table has cells that all "
        "of its solvers got, all under the same settings; the most right answers are first, then "
        "the fastest. Pictures of the same settings have the same letters."
    )
    for settings in results.settings:
        for comparison in results.comparisons(results.under(settings)):
            yield _comparison(results, comparison, settings)


def _comparison(results: Results, comparison: Comparison, settings: str) -> DataTable:
    fastest = fastest_counts(comparison)
    measures = [BY_NAME[name] for name in COMPARED]
    order = sorted(
        comparison.rows.items(),
        key=lambda item: (
            -BY_NAME["right"].of(item[1], results.limit),
            BY_NAME["mean_seconds"].of(item[1], results.limit),
        ),
    )
    rows = [
        (e.solver, *(m.text(m.of(found, results.limit)) for m in measures), str(fastest[e]))
        for e, found in order
    ]
    formulations = ", ".join(dict.fromkeys(key.formulation for key in comparison.cells))
    caption = f"{settings}, {comparison.title}; formulations: {formulations}"
    headings = ("solver", *map(_heading, COMPARED), "fastest")
    return DataTable(headings, rows, 1, (("fastest", "cells on which it is the first of all right "
                                          "answers"),), caption)  # fmt: skip


def _heading(name: str) -> str:
    headings = {"mean_seconds": "mean ms", "median_flow_error": "flow error"}
    return headings.get(name, name.replace("_", " "))


def _picture_sections(results: Results) -> Iterator[Section]:
    for title, draw in PICTURES.items():
        if pictures := list(draw(results)):
            yield Section(title, pictures)


def _choices_table(results: Results) -> DataTable:
    rows = []
    for problem in results.problems:
        fastest, accurate = fastest_right(results, problem), most_accurate(results, problem)
        ways = (_way(fastest), _way(accurate))
        numbers = ("-", "-") if fastest is None else (
            f"{fastest.right} / {fastest.systems}", time_text(fastest.seconds))  # fmt: skip
        error = "-" if accurate is None else error_text(accurate.error)
        rows.append((problem, ways[0], *numbers, ways[1], error))
    reading = (
        ("fastest right", "formulation, solver and settings with the most right answers; of those "
         "with as many, the fastest"),
        ("right", "of how many systems and loads"),
        ("mean ms", "in which an answer that is not right counts as the limit of time"),
        ("most accurate", "formulation, solver and settings with the smallest median true error"),
    )  # fmt: skip
    headings = ("problem", "fastest right", "right", "mean ms", "most accurate", "median error")
    return DataTable(headings, rows, 1, reading, "What to use, by problem")


def _way(choice: Choice | None) -> str:
    return "-" if choice is None else " ".join((choice.formulation, *choice.entrant))


def _false_claims(results: Results) -> Iterator[Block]:
    """Yield the worst false claims under each settings, the tightest ones first."""
    false = [row for row in results.asked if row.false_claim]
    if not false:
        yield "No answer with the status optimal is wrong."
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
    headings = ("formulation", *NAMES, "asked", *map(_heading, IN_PROBLEM))
    table = DataTable(headings, lines, 3, caption=f"{problem}: {counted(len(rows), 'row')}")
    axes = (
        ("sizes", [row.n for row in rows]),
        ("loads", [row.load for row in rows]),
        ("rate spreads", [row.rate_spread for row in rows]),
        ("delay spreads", [row.delay_spread for row in rows]),
    )
    drawn = [f"{name}: {', '.join(f'{v:.8g}' for v in sorted(set(of)))}" for name, of in axes]
    pictures = [] if picture is None else [picture]
    sentences = Bullets([*problem_findings(results, problem), "; ".join(drawn)])
    return Section(problem, [sentences, *pictures, table])


def _reasons(results: Results) -> Iterator[Block]:
    """Yield why cells were skipped, and how the others ended, by solver."""
    skipped = [row for row in results.rows if row.skipped]
    yield _counts("skipped cells", "reason", skipped, lambda row: row.skipped)
    yield _counts("statuses", "status", results.asked, _end)


def _end(row: Row) -> str:
    return f"{row.failure}: {row.status}" if row.failure else row.status


def _counts(caption: str, heading: str, rows: Sequence[Row], text: Any) -> DataTable:
    counts = Counter((row.solver, text(row)) for row in rows)
    lines = [(solver, reason, str(count)) for (solver, reason), count in counts.most_common(MOST)]
    if rest := sum(counts.values()) - sum(count for _, count in counts.most_common(MOST)):
        lines.append(("others", "", str(rest)))
    return DataTable(("solver", heading, "cells"), lines, 2, caption=f"{len(rows)} {caption}")
