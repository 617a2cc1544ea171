"""Commands of the testbed; at its top this file imports nothing that takes long to load."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..frontend.command import (
    JsonOption,
    OutsideOption,
    ScenarioArgument,
    finish,
    open_scenario,
)
from ..frontend.report import Report

ScaleOption = Annotated[
    float,
    typer.Option(
        "--time-scale", help="Factor by which all times are stretched where the machine is slow."
    ),
]
ServiceOption = Annotated[
    str | None,
    typer.Option(
        "--service",
        help="Service times: deterministic, exponential, or a text file of samples, of which "
        "each server draws with its own mean; by default of the servers' families.",
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Seed of arrivals, choices and service times.")
]


def testbed(
    scenario: ScenarioArgument = "scenario-0",
    loads: Annotated[
        str, typer.Option("--loads", help="Loads to execute, such as 30%,60%,80%.")
    ] = "30%,60%,80%",
    seconds: Annotated[
        float, typer.Option("--seconds", help="Time of the measurement of each point.")
    ] = 20.0,
    scale: ScaleOption = 1.0,
    service: ServiceOption = None,
    seed: SeedOption = 0,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for points.png, points.nc, points.csv and testbed.json."
        ),
    ] = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a scenario on real processes of this machine, beside the model.

    Clients, a routing element and servers exchange updates over QUIC on loopback.

    Round-trip times and rates are measured first, and the model and the splits are made of them.

    The exit code is 1 where an element ended early; what was measured is written.
    """

    def reports() -> Iterator[Report]:
        _check_extra()
        loaded = open_scenario(scenario, allow_outside=allow_outside)
        from .report import report

        yield from report(loaded, loads, seconds, scale, service, seed)

    finish(reports(), folder, as_json=as_json)


def measure(
    scenario: ScenarioArgument = "scenario-0",
    path: Annotated[Path, typer.Option("--out", help="Scenario file to write.")] = Path(
        "measured.toml"
    ),
    scale: ScaleOption = 1.0,
    service: ServiceOption = None,
    seed: SeedOption = 0,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the idle testbed, and write a scenario file for run, size and anarchy.

    Its rates and delays are the measured ones.
    """

    def reports() -> Iterator[Report]:
        _check_extra()
        loaded = open_scenario(scenario, allow_outside=allow_outside)
        from .report import measure as measure_idle

        yield from measure_idle(loaded, path, scale, service, seed)

    finish(reports(), Path(), as_json=as_json)


def _check_extra() -> None:
    """Raise InputError where the package for QUIC is not installed."""
    if importlib.util.find_spec("aioquic") is None:
        from ...reference.errors import InputError

        remedy = "install it with pip install 'sojourn[testbed]'"
        raise InputError("testbed", "aioquic", "is not installed", remedy)


COMMANDS = (testbed, measure)
