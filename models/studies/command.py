"""The command that simulates a scenario; at its top this file imports nothing that takes long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..frontend.command import (
    JsonOption,
    LoadOption,
    OutsideOption,
    ScenarioArgument,
    finish,
    load_of,
    open_scenario,
)
from ..frontend.report import Report


def simulate(
    scenario: ScenarioArgument = "scenario-1",
    load: LoadOption = None,
    jobs: Annotated[
        int, typer.Option("--jobs", help="Number of jobs, after a warm-up.")
    ] = 1_000_000,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of the random numbers: the same gives the same.")
    ] = 0,
    split: Annotated[
        str | None,
        typer.Option("--split", help="optimum or equilibrium; by default the optimum."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            help="Split of parallel servers, such as 50,30,20, one weight for each row of servers.",
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service",
            help="Service times: exponential, deterministic, gamma, lognormal, hyperexponential, "
            "or a text file of samples, whose mean is taken as that of each server; by default "
            "those of the families.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for simulation.json, simulation.nc and simulation.csv."),
    ] = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate the jobs of a scenario: delays, percentiles and utilisations, with intervals.

    The closed form stands beside each number that has one.
    """

    def reports() -> Iterator[Report]:
        from .simulation import Run, report

        loaded = open_scenario(scenario, allow_outside=allow_outside)
        yield report(loaded, load_of(load, loaded), Run(jobs, seed, split, weights, service))

    finish(reports(), folder, as_json=as_json)


COMMANDS = (simulate,)
