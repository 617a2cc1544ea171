"""Commands of `sojourn`: solve scenarios, list them, verify the models, run benchmarks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .benchmarks.group import bench_group
from .frontend.command import (
    JsonOption,
    LoadOption,
    OutOption,
    OutsideOption,
    ScenarioArgument,
    SolverOption,
    commands_of_folders,
    finish,
    load_of,
    open_scenario,
)
from .frontend.modules import import_named
from .frontend.process import UNCERTIFIED
from .frontend.report import Report

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Split load over queues: optimum, equilibrium and price of anarchy, "
    "each with a certificate.",
    epilog="Exit codes: 0 success; 1 not certified or not verified; 2 bad input; 3 a file or the "
    "output could not be written; 130, 143, 129 ended by Ctrl-C, SIGTERM, SIGHUP, with the results "
    "so far written and printed. A reader that closes the pipe early, such as head, is no error.",
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"sojourn {version('sojourn')}")
        raise typer.Exit


@app.callback()
def start(
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE",
            help="Module, or .py file, to import first; it can register latency families and "
            "kinds of systems.",
        ),
    ] = None,
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Import the modules of ``--import`` before any command runs."""
    with redirect_stdout(sys.stderr):
        for name in modules or ():
            import_named("--import", name)


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
            help="Split in use, such as 50,30,20, one weight for each row of servers: "
            "compare it with optimum and equilibrium.",
        ),
    ] = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Solve a scenario at a load: split, delays, thresholds and price of anarchy.

    With --out, solve it also over a range of loads.
    """

    def reports() -> Iterator[Report]:
        from .frontend.default_report import default_report

        loaded = open_scenario(scenario, allow_outside=allow_outside)
        report = loaded.kind.report or default_report
        yield report(loaded, load_of(load, loaded), solver, weights)

    finish(reports(), folder, as_json=as_json)


@app.command()
def anarchy(
    scenario: ScenarioArgument = "scenario-1",
    load: Annotated[
        str | None,
        typer.Option(
            "--load",
            help="Load for players, control and tolls, as for run; by default the load of the "
            "worst case.",
        ),
    ] = None,
    solver: SolverOption = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for anarchy.png, anarchy.json, players.nc, players.csv, control.nc and "
            "control.csv.",
        ),
    ] = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the cost of selfish behaviour in a scenario.

    At all loads: the certified worst case. At one load: few players, partial control, and tolls.
    """

    def reports() -> Iterator[Report]:
        from ..reference.errors import InputError

        loaded = open_scenario(scenario, allow_outside=allow_outside)
        report = loaded.kind.anarchy
        if report is None:
            kind = type(loaded.system).__name__
            problem = f"is a {kind}, which has no report of what selfishness costs"
            remedy = "use run, or give one of parallel servers, such as scenario-1"
            raise InputError("scenario", loaded.name, problem, remedy)
        point = None if load is None else load_of(load, loaded)
        yield from report(loaded, point, solver, folder is not None, not as_json)

    finish(reports(), folder, as_json=as_json)


for _command in commands_of_folders():
    app.command()(_command)


@app.command("list")
def list_scenarios(as_json: JsonOption = False) -> None:
    """List the built-in scenarios and the sources of their numbers."""
    from .frontend.listing import report

    finish(report(), None, as_json=as_json)


@app.command("families")
def list_families(as_json: JsonOption = False) -> None:
    """List the latency families for scenario files, with their fields and cones."""

    def reports() -> Iterator[Report]:
        from .frontend.families import report

        yield from report()

    finish(reports(), None, as_json=as_json)


VERIFIED = (0.1, 0.5, 0.9, 0.999)
"""Parts of the largest load, or of the scenario's where that is infinite, that are verified."""
SIMULATED = 1_000_000
"""Number of jobs of each simulation of ``verify --simulate``."""


@app.command()
def verify(
    scenario: ScenarioArgument = "scenario-1",
    load: LoadOption = None,
    solver: SolverOption = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Also simulate a million jobs, with intervals of 99 %."),
    ] = False,
) -> None:
    """Compare the convex models with the closed forms, quantity by quantity.

    The exit code is 1 where they differ.
    """

    def reports() -> Iterator[Report]:
        from .studies.verify import verify as compare

        loaded = open_scenario(scenario, allow_outside=allow_outside)
        largest = loaded.system.max_load if math.isfinite(loaded.system.max_load) else loaded.load
        loads = [part * largest for part in VERIFIED]
        if load is not None:
            loads = [load_of(load, loaded)]
        jobs = SIMULATED if simulate else None
        found = compare(loaded.system, loads, simulate=jobs, solver=solver)
        verification = loaded.units.result(found)
        result = {
            "scenario": loaded.name,
            "units": loaded.units.to_dict(),
            "passed": verification.passed,
            "checks": [check.to_dict() for check in verification.checks],
        }
        if simulate:
            result["notes"] = list(verification.notes)
        table = verification.table(f"{escape(loaded.name)}: models against reference")
        outcome = "all agree" if verification.passed else "[bold red]they differ"
        code = 0 if verification.passed else UNCERTIFIED
        yield Report(result, (table, outcome), code=code)

    finish(reports(), None, as_json=as_json)


app.add_typer(bench_group(), name="bench")
