"""Commands of the solver benchmark; at its top this file imports nothing that takes long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from ...frontend.command import JsonOption, finish
from ...frontend.process import begin
from ...frontend.report import Report

ProblemsOption = Annotated[
    str | None, typer.Option("--problems", help="Problems, such as mm1-optimum,partition.")
]
SizesOption = Annotated[
    str | None, typer.Option("--sizes", help="Sizes, such as numbers of servers: 3,30,300.")
]
LoadsOption = Annotated[
    str | None,
    typer.Option(
        "--loads",
        help="Parts of the largest load, such as 60%,99.9% or 0.6; infeasible ones above 100%.",
    ),
]
SpreadsOption = Annotated[
    str | None,
    typer.Option(
        "--spreads",
        help="Ratio of the largest rate to the smallest, and largest delay in mean service "
        "times, such as 10:5,1e6:0.",
    ),
]
FormulationsOption = Annotated[
    str | None, typer.Option("--formulations", help="Formulations, such as inv_pos,beckmann.")
]
SeedsOption = Annotated[
    str, typer.Option("--seeds", help="Seeds of the random systems, such as 0,1,2.")
]


def solvers(
    problems: ProblemsOption = None,
    sizes: SizesOption = None,
    loads: LoadsOption = None,
    spreads: SpreadsOption = None,
    formulations: FormulationsOption = None,
    solvers: Annotated[
        str | None,
        typer.Option(
            "--solvers",
            help="Solvers of CVXPY, such as CLARABEL,SCS; by default all that it finds. "
            'With "", those of --solver alone.',
        ),
    ] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option(
            "--solver",
            help="One more solver: a function such as mine.py:solve, or a command such as "
            '"my-solver {instance} {solution}"; NAME=... names it. May be repeated.',
        ),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(
            "--settings",
            help="default (as CVXPY calls it), sojourn, low, mid, high, or .toml files with "
            "options of each solver, such as default,high.",
        ),
    ] = None,
    tolerances: Annotated[
        str | None, typer.Option("--tolerances", help="Tolerances, such as 1e-4,1e-8.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", help="Runs of a solve below 0.1 s.")] = 3,
    limit: Annotated[
        float, typer.Option("--limit", help="Seconds after which a solver is ended.")
    ] = 10.0,
    memory: Annotated[
        float, typer.Option("--memory", help="Gigabytes at which a solver is ended.")
    ] = 4.0,
    workers: Annotated[
        int, typer.Option("--workers", help="Processes; more than 1 disturb each other's times.")
    ] = 1,
    seeds: SeedsOption = "0",
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Run everything once, small: a test of the set-up.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for each row as it ends, instances, and the report; the same command "
            "goes on there.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare solvers on problems whose true answers are known: errors, claims and times."""

    def reports() -> Iterator[Report]:
        from ....reference.errors import InputError
        from .compare import comparison
        from .run.cvxpy_solver import default_solvers

        if folder is not None and folder.suffix in (".csv", ".nc"):
            remedy = "give a folder; rows.csv and rows.nc are files of it"
            raise InputError("--out", str(folder), "is no folder", remedy)
        named = [] if solvers is None else texts(solvers)
        if solver and solvers is None:
            named = [one.name for one in default_solvers()]
        run = comparison(
            **_axes(problems, sizes, loads, spreads, formulations, seeds),
            solvers=None if solvers is None and not solver else [*named, *(solver or ())],
            settings=texts(settings),
            tolerances=numbers("--tolerances", tolerances) or (),
            repeats=repeats,
            limit=limit,
            memory=memory,
            workers=workers,
            smoke=smoke,
            out=folder,
        )
        begin()
        yield from _reports(run, folder)

    finish(reports(), None, as_json=as_json)


def _reports(run: Any, folder: Path | None) -> Iterator[Report]:
    from ..report import report_rows
    from .report.infeasible import divided
    from .report.write import write_report
    from .tables import error_table, infeasible_table, summaries, summary_table

    def to_report(rows: list[Any]) -> Report:
        feasible, infeasible = divided(rows)
        shown: list[Any] = [summary_table(feasible), error_table(feasible)] if feasible else []
        shown += [infeasible_table(infeasible)] if infeasible else []
        metadata = run.metadata()
        if folder is not None:
            paths = write_report(rows, metadata, folder)
            names = ", ".join(sorted({path.name for path in paths if path.parent == folder}))
            shown.append(f"\nwritten to {folder}: {names}")
        summary = summaries(feasible) if feasible else []
        result = {"summary": summary, "rows": rows, "metadata": metadata}
        return Report(result, shown, name="")

    return report_rows(run.rows(), lambda rows: to_report(run.in_order(rows)))


def export(
    folder: Annotated[Path, typer.Option("--out", help="Folder for the instances.")],
    problems: ProblemsOption = None,
    sizes: SizesOption = None,
    loads: LoadsOption = None,
    spreads: SpreadsOption = None,
    formulations: FormulationsOption = None,
    seeds: SeedsOption = "0",
    formats: Annotated[
        str, typer.Option("--format", help="npz, cbf or npz,cbf; see the manifest.")
    ] = "npz,cbf",
    as_json: JsonOption = False,
) -> None:
    """Write instances of the solver benchmark as files: the standard set, or chosen ones."""

    def reports() -> Iterator[Report]:
        from ....reference.plural import counted
        from .programs import export as exports
        from .programs.standard_set import chosen_keys

        axes = _axes(problems, sizes, loads, spreads, formulations, seeds)
        begin()
        manifest = exports.export(folder, chosen_keys(**axes), texts(formats))
        count = counted(len(manifest["instances"]), "instance")
        yield Report(manifest, [f"{count} in {folder}, listed in manifest.json"], name="")

    finish(reports(), None, as_json=as_json)


def check(
    instance: Annotated[Path, typer.Argument(help="File of an exported instance, .npz.")],
    solution: Annotated[Path, typer.Argument(help="File of an answer: .npz with x, and y.")],
    as_json: JsonOption = False,
) -> None:
    """Compute how far an answer to an exported instance is from the true one."""

    def reports() -> Iterator[Report]:
        from rich.markup import escape

        from .programs import export as exports

        found = exports.check(instance, solution)
        values = found._asdict() if hasattr(found, "_asdict") else vars(found)
        width = max(map(len, values))
        lines = (f"{name:{width}}  {escape(str(value))}" for name, value in values.items())
        yield Report(values, ["\n".join(lines)], name="")

    finish(reports(), None, as_json=as_json)


COMMANDS = (solvers, export, check)


def texts(text: str | None) -> list[str]:
    """Return the parts of a list separated by commas; none of None and of a blank."""
    return [] if not text or text.isspace() else [part.strip() for part in text.split(",")]


def numbers(field: str, text: str | None, *, whole: bool = False) -> list[Any] | None:
    """Return the numbers of a list separated by commas; None of None.

    Raises
    ------
    InputError
        Where a part is no number.
    """
    if text is None:
        return None
    found: list[Any] = []
    for part in texts(text):
        try:
            found.append(int(part) if whole else _number(part))
        except ValueError:
            from ....reference.errors import InputError

            problem = f"is not a list of {'whole ' * whole}numbers: {part!r}"
            raise InputError(field, text, problem, "write numbers with commas between") from None
    return found


def _number(text: str) -> float:
    """Return the number of a text, which may be in per cent: that nearest to the decimal one."""
    return float(Decimal(repr(float(text[:-1]))) / 100) if text.endswith("%") else float(text)


def _axes(
    problems: str | None,
    sizes: str | None,
    loads: str | None,
    spreads: str | None,
    formulations: str | None,
    seeds: str,
) -> Mapping[str, Any]:
    pairs = None
    if spreads is not None:
        pairs = [
            tuple(numbers("--spreads", part.replace(":", ",")) or ()) for part in texts(spreads)
        ]
    return {
        "problems": None if problems is None else texts(problems),
        "sizes": numbers("--sizes", sizes, whole=True),
        "loads": numbers("--loads", loads),
        "spreads": pairs,
        "formulations": None if formulations is None else texts(formulations),
        "seeds": numbers("--seeds", seeds, whole=True),
    }
