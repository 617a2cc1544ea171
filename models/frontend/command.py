"""Arguments that commands share, the frame in which they work, and the commands of folders.

A folder of `sojourn.models` or of `sojourn.models.systems` may offer commands of its own in a file
``command.py``. Its tuple ``COMMANDS`` has a function for each of them, written like those of
`sojourn.models.commands` with the arguments of this module: the name of the function is that of the
command, its docstring is the help, and Typer reads its annotations. At its end it calls `finish`.

`commands_of_folders` executes the file without the package around it, so that ``sojourn --help``
does not wait for NumPy and CVXPY: at its top the file imports this module, Typer and modules of
Python alone. The functions import the rest when they run.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
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


def commands_of_folders() -> Iterator[Callable[..., None]]:
    """Yield the commands that folders offer in files ``command.py``."""
    models = Path(__file__).parents[1]
    own = models / "frontend" / "command.py"
    for path in sorted([*models.glob("systems/*/command.py"), *models.glob("*/command.py")]):
        if path == own:
            continue
        yield from commands_of_file(path)


def commands_of_file(path: Path) -> Iterator[Callable[..., None]]:
    """Yield the commands of a file, which is executed without the package around it."""
    place = ".".join(path.relative_to(Path(__file__).parents[1]).parts[:-1])
    package = f"{__name__.rpartition('.frontend.')[0]}.{place}"
    spec = importlib.util.spec_from_file_location(f"{package}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield from module.COMMANDS


def open_scenario(name: str, *, allow_outside: bool, table: str | None = None) -> Scenario[Any]:
    """Load a scenario; from then on an interruption leaves results.

    Parameters
    ----------
    name : str
        Name of a built-in scenario, or path of a file.
    allow_outside : bool
        Whether the file may name files outside its folder.
    table : str, optional
        Name of the kind of system that the command works on; by default any.

    Raises
    ------
    ScenarioError
        Where the scenario cannot be read.
    InputError
        Where it is of another kind.
    """
    with quick_imports():
        from .loader import load_scenario

        scenario = load_scenario(name, allow_outside=allow_outside)
    if table is not None and scenario.kind.name != table:
        from ...reference.errors import InputError

        problem = f"is a {type(scenario.system).__name__}, for which there is no such command"
        raise InputError("scenario", scenario.name, problem, f"give one with a table {table}")
    begin()
    return scenario


def load_of(text: str | None, scenario: Scenario[Any]) -> float:
    """Return the load of ``--load``, or the operating point of the scenario where it is None."""
    return scenario.load if text is None else scenario.load_of(text, "--load")
