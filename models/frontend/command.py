"""Arguments that commands share, and the frame in which each of them works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.solver_specs import SOLVERS
from .process import begin, quick_imports
from .report import Report, present

if TYPE_CHECKING:
    from .scenario import Scenario

ScenarioArgument = Annotated[
    str, typer.Argument(help="Built-in scenario (see `sojourn list`), or path of a TOML file.")
]
OutsideOption = Annotated[
    bool,
    typer.Option(
        "--allow-outside", help="Also read files outside the folder of the scenario file."
    ),
]
LoadOption = Annotated[
    str | None,
    typer.Option(
        "--load",
        help="Load: a number in the file's unit of rates, a rate such as 0.5/s, "
        "or a percentage such as 70% of the largest load; where any load fits, of the file's own.",
    ),
]
DEFAULT_SOLVERS = ", ".join(solver.name for solver in SOLVERS if solver.default)
SolverOption = Annotated[
    str | None,
    typer.Option(
        "--solver", help=f"Solver that CVXPY finds; by default {DEFAULT_SOLVERS}, in this order."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON in place of text and tables.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for curve.png, curve.nc, curve.csv and result.json."),
]


def finish(reports: Iterator[Report], folder: Path | None, *, as_json: bool) -> None:
    """Do the work, write files, print, and exit with the code of the last report."""
    raise typer.Exit(present(reports, folder, as_json=as_json))


def open_scenario(name: str, *, allow_outside: bool) -> Scenario[Any]:
    """Load a scenario; from then on an interruption leaves results."""
    with quick_imports():
        from .loader import load_scenario

        scenario = load_scenario(name, allow_outside=allow_outside)
    begin()
    return scenario


def load_of(text: str | None, scenario: Scenario[Any]) -> float:
    """Return the load of ``--load``, or the operating point of the scenario where it is None."""
    return scenario.load if text is None else scenario.load_of(text, "--load")
