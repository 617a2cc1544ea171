"""The commands of `sojourn`: run a scenario, list the built-in ones, check the models against the reference."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .benchmarks import BENCHMARKS
from .core.solver_specs import SOLVERS
from .frontend.process import UNCERTIFIED, begin
from .frontend.report import Report, present

if TYPE_CHECKING:
    from .frontend.scenario import Scenario

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Split load over queues: optimum, equilibrium and price of anarchy, each with a certificate.",
    epilog="Exit codes: 0 done, 1 not certified or not verified, 2 bad input, 3 a file or the output could not be written; "
    "ended by Ctrl-C 130, by SIGTERM 143, by SIGHUP 129, with what is done written and printed. "
    "A reader that leaves early, as head does, changes nothing.",
)

ScenarioArgument = Annotated[
    str, typer.Argument(help="A built-in scenario (see `sojourn list`) or a TOML file.")
]
OutsideOption = Annotated[
    bool,
    typer.Option(
        "--allow-outside", help="Read also files that the scenario names outside its folder."
    ),
]
LoadOption = Annotated[
    str | None,
    typer.Option(
        "--load",
        help="Operating point: a number in the file's unit of rates, a rate such as 0.5/s, or 70% of the total rate or largest load.",
    ),
]
DEFAULT_SOLVERS = ", ".join(solver.name for solver in SOLVERS if solver.default)
SolverOption = Annotated[
    str | None,
    typer.Option("--solver", help=f"One that CVXPY finds; by default {DEFAULT_SOLVERS} in turn."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for curve.png, curve.nc, curve.csv and result.json."),
]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"sojourn {version('sojourn')}")
        raise typer.Exit


@app.callback()
def start(
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE",
            help="Module, or .py file, to import first: it can register families of latencies and kinds of systems.",
        ),
    ] = None,
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Import what the user names before any command runs."""
    with redirect_stdout(sys.stderr):
        for name in modules or ():
            _import(name)


@app.command()
def run(
    scenario: ScenarioArgument = "scenario-1",
    load: LoadOption = None,
    solver: SolverOption = None,
    folder: OutOption = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights-in",
            help="The split in use, such as 50,30,20, one weight a row of servers: judged against both.",
        ),
    ] = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Solve a scenario: the split and delays at a load, thresholds, price of anarchy; with --out also the curve."""

    def stages() -> Iterator[Report]:
        from .frontend.default_report import default_report

        chosen = _chosen(scenario, allow_outside=allow_outside)
        report = chosen.kind.report or default_report
        yield report(chosen, _load(load, chosen), solver, weights)

    _present(stages(), folder, as_json=as_json)


@app.command()
def anarchy(
    scenario: ScenarioArgument = "scenario-1",
    load: Annotated[
        str | None,
        typer.Option(
            "--load",
            help="Where players, control and tolls are looked at; by default the worst load. As for run.",
        ),
    ] = None,
    solver: SolverOption = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for anarchy.png, anarchy.json, players.nc, players.csv, control.nc, control.csv.",
        ),
    ] = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what selfishness costs: the certified worst case, players in between, tolls, and what control of a part of the load buys back."""

    def stages() -> Iterator[Report]:
        from ..reference.errors import InputError

        chosen = _chosen(scenario, allow_outside=allow_outside)
        report = chosen.kind.anarchy
        if report is None:
            problem = f"is a {type(chosen.system).__name__}, which has no report of what selfishness costs"
            raise InputError(
                "scenario",
                chosen.name,
                problem,
                "use run, or give one of parallel servers, such as scenario-1",
            )
        point = None if load is None else _load(load, chosen)
        yield from report(chosen, point, solver, folder is not None, not as_json)

    _present(stages(), folder, as_json=as_json)


@app.command("list")
def list_scenarios(as_json: JsonOption = False) -> None:
    """List the built-in scenarios and where their numbers are from."""
    from .frontend.listing import report

    _present(report(), None, as_json=as_json)


@app.command("families")
def list_families(as_json: JsonOption = False) -> None:
    """List the families of latencies that a scenario file can name, with their fields and cones."""

    def stages() -> Iterator[Report]:
        from .frontend.families import report

        yield from report()

    _present(stages(), None, as_json=as_json)


@app.command()
def verify(
    scenario: ScenarioArgument = "scenario-1",
    load: LoadOption = None,
    solver: SolverOption = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the convex models with the closed forms, quantity by quantity; exit code 1 where they differ."""

    def stages() -> Iterator[Report]:
        from .studies.verify import verify as compare

        chosen = _chosen(scenario, allow_outside=allow_outside)
        most = chosen.system.max_load if math.isfinite(chosen.system.max_load) else chosen.load
        loads = (
            [part * most for part in (0.1, 0.5, 0.9, 0.999)]
            if load is None
            else [_load(load, chosen)]
        )
        found = chosen.units.result(compare(chosen.system, loads, solver=solver))
        result = {
            "scenario": chosen.name,
            "units": chosen.units.to_dict(),
            "passed": found.passed,
            "checks": [vars(c) for c in found.checks],
        }
        said = (
            found.table(f"{escape(chosen.name)}: models against reference"),
            "all agree" if found.passed else "[bold red]they differ",
        )
        yield Report(result, said, code=0 if found.passed else UNCERTIFIED)

    _present(stages(), None, as_json=as_json)


@app.command()
def bench(
    what: Annotated[
        str,
        typer.Argument(
            help="; ".join(f"{name}: {benchmark.help}" for name, benchmark in BENCHMARKS.items())
            + "."
        ),
    ] = "speed",
    systems: Annotated[
        int | None,
        typer.Option(
            help="traps, gallery: random systems to try; by default 1000, and 200 a family."
        ),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(
            help="peers, solvers: seconds after which a method that can be stopped has to end; by default 30, and 5 a question."
        ),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="solvers: numbers of servers, or stages, such as 3,30,300.")
    ] = None,
    settings: Annotated[
        str,
        typer.Option(help="solvers: own, their own defaults; or sojourn, those of this library."),
    ] = "own",
    path: Annotated[
        Path | None,
        typer.Option("--out", help="speed: folder, by default speed; solvers: file, .csv or .nc."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Time the models as ratios of one run, or hold families, local solvers, the worst-case rule, peers or solvers against the truth."""

    def stages() -> Iterator[Report]:
        from .benchmarks.report import Asked, run_benchmark

        yield from run_benchmark(what, Asked(systems, limit, sizes, settings, path))

    _present(stages(), Path(), as_json=as_json)


def _present(stages: Iterator[Report], folder: Path | None, *, as_json: bool) -> None:
    """Do the work, write, print, and end with the exit code of what was asked."""
    raise typer.Exit(present(stages, folder, as_json=as_json))


def _chosen(name: str, *, allow_outside: bool) -> Scenario[Any]:
    from .frontend.loader import load_scenario

    chosen = load_scenario(name, allow_outside=allow_outside)
    begin()
    return chosen


def _load(text: str | None, scenario: Scenario[Any]) -> float:
    return scenario.load if text is None else scenario.load_of(text, "--load")


def _import(name: str) -> None:
    """Import a module by its name, or a file by its path."""
    from ..reference.errors import InputError

    try:
        if not name.endswith(".py"):
            importlib.import_module(name)
            return
        # under a name that no other module has: queue.py is not to stand in for Python's own
        spec = importlib.util.spec_from_file_location(f"imported_{Path(name).stem}", name)
        if spec is None or spec.loader is None:
            raise ImportError(f"{name} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # someone else's code may raise anything
        problem = f"cannot be imported: {type(error).__name__}: {error}"
        raise InputError(
            "--import", name, problem, "give the name of a module that is installed, or a .py file"
        ) from error
