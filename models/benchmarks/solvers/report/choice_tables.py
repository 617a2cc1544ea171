"""Tables of what to use: formulation, solver and settings, by problem, by solver and by load."""

from __future__ import annotations

from collections.abc import Iterator

from .choices import Choice, best_of_each_solver, choices, comparable, fastest_right, most_accurate
from .document import DataTable
from .results import Results
from .statistics import error_text, time_text


def choices_table(results: Results) -> DataTable:
    """Return what to use for each problem."""
    rows = []
    for problem in results.problems:
        for name, of_systems in comparable(results, problem).items():
            found = choices(results, of_systems)
            fastest, accurate = fastest_right(found), most_accurate(found)
            numbers = ("-", "-") if fastest is None else (
                f"{fastest.right} / {fastest.systems}", time_text(fastest.seconds))  # fmt: skip
            ways = (_way(results, name, choice) for choice in (fastest, accurate))
            error = "-" if accurate is None else error_text(accurate.error)
            rows.append((problem, name, *ways, *numbers, error))
    reading = (
        ("formulations", "compared on the systems and loads that all of them have; where there is "
         "none, each is a line of its own, whose systems may be easier than those of another"),
        ("fastest right", "formulation, solver and settings with the most right answers; of those "
         "with as many, the fastest"),
        ("most accurate", "formulation, solver and settings with the smallest median true error"),
        ("right", "answers of the fastest right way, of how many systems and loads"),
        ("mean ms", "of the fastest right way; an answer that is not right counts as the limit of "
         "time"),
        ("median error", "of the most accurate way"),
    )  # fmt: skip
    headings = ("problem", "formulations", "fastest right", "most accurate", "right", "mean ms",
                "median error")  # fmt: skip
    return DataTable(headings, rows, 4, reading, "What to use, by problem")


def _way(results: Results, formulations: str, choice: Choice | None) -> str:
    """Return a choice as text, without what is the same for all of its line."""
    if choice is None:
        return "-"
    formulation = choice.formulation if choice.formulation != formulations else ""
    settings = choice.entrant.settings if len(results.settings) > 1 else ""
    return " ".join(filter(None, (formulation, choice.entrant.solver, settings)))


def best_formulations(results: Results, problem: str) -> Iterator[DataTable]:
    """Yield the best formulation of each solver, where formulations have systems in common."""
    for name, rows in comparable(results, problem).items():
        found = best_of_each_solver(choices(results, rows))
        if len({row.formulation for row in rows}) < 2 or not found:
            continue
        lines = [
            (choice.entrant.solver, choice.formulation, choice.entrant.settings,
             f"{choice.right} / {choice.systems}", time_text(choice.seconds),
             error_text(choice.error))
            for choice in found
        ]  # fmt: skip
        reading = (
            ("right", "of the systems and loads that all formulations have; the most are first, "
             "then the fastest"),
            ("mean ms", "in which a system that is not answered right counts as the limit of time"),
        )  # fmt: skip
        headings = ("solver", "formulation", "settings", "right", "mean ms", "median error")
        caption = f"{problem}: the best formulation and settings of each solver, of {name}"
        yield DataTable(headings, lines, 3, reading, caption)


def best_by_load(results: Results, problem: str) -> Iterator[DataTable]:
    """Yield the fastest right way at each size and load, where formulations can be compared."""
    groups = comparable(results, problem)
    if len(groups) > 1:
        return
    ((name, rows),) = groups.items()
    lines = []
    for n, load in sorted({(row.n, row.load) for row in rows}):
        found = choices(results, [row for row in rows if (row.n, row.load) == (n, load)])
        best, ways = fastest_right(found), sum(choice.right > 0 for choice in found)
        numbers = ("-", "-") if best is None else (
            f"{best.right} / {best.systems}", time_text(best.seconds))  # fmt: skip
        load_text = f"{100 * load:.12g}%"
        lines.append((str(n), load_text, _way(results, name, best), *numbers, str(ways)))
    reading = (
        ("fastest right", "that with the most right answers at this size and load; of those with "
         "as many, the fastest"),
        ("right", "its right answers, of how many systems"),
        ("ways", "how many pairs of a solver, its settings and a formulation have a right answer"),
    )  # fmt: skip
    headings = ("n", "load", "fastest right", "right", "mean ms", "ways")
    yield DataTable(headings, lines, 3, reading, f"{problem}, by size and load: what to use")
