"""Commands of parallel servers beside those of every kind of system; it imports no system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ...frontend.command import (
    JsonOption,
    LoadOption,
    OutsideOption,
    ScenarioArgument,
    finish,
    load_of,
    open_scenario,
)
from ...frontend.report import Report


def weights(
    scenario: ScenarioArgument = "scenario-1",
    total: Annotated[
        int | None, typer.Option("--total", help="Sum of the weights, such as 100 for percentages.")
    ] = None,
    at_most: Annotated[
        int | None,
        typer.Option(
            "--at-most",
            help="Largest sum: the weights have the sum of least mean delay; by default 100.",
        ),
    ] = None,
    load: LoadOption = None,
    equilibrium: Annotated[
        bool,
        typer.Option(
            "--equilibrium", help="Weights of which no unit has a lower latency at another server."
        ),
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="text, json, or the lines of a configuration: nginx, haproxy, envoy, istio.",
        ),
    ] = "text",
    allow_outside: OutsideOption = False,
) -> None:
    """Round the split of a scenario to whole weights, such as those of a proxy.

    They have the least mean delay of all weights with their sum.

    The sum matters more than the rounding: --at-most finds the best one.

    In a file, the table weights has total or at_most, and goal.
    """

    def reports() -> Iterator[Report]:
        from .decisions.weights_report import report

        loaded = open_scenario(scenario, allow_outside=allow_outside, table="servers")
        at = load_of(load, loaded)
        yield report(loaded, at, total, at_most, "equilibrium" if equilibrium else None, form)

    finish(reports(), None, as_json=form == "json")


def size(
    scenario: ScenarioArgument = "scenario-1",
    budget: Annotated[
        float | None,
        typer.Option("--budget", help="Money for the rates: their mean delay is the least."),
    ] = None,
    mean_delay: Annotated[
        float | None,
        typer.Option(
            "--mean-delay", help="Largest mean delay, in the unit of delays: at the least cost."
        ),
    ] = None,
    delay_cost: Annotated[
        float | None,
        typer.Option(
            "--delay-cost",
            help="Money per job and unit of delay: rates and delays cost the least together.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="optimum, that of the present rates, or best, together with the rates; by "
            "default that of the file, else optimum.",
        ),
    ] = None,
    load: LoadOption = None,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for size.json, and the frontier as .png, .nc and .csv."),
    ] = None,
    allow_outside: OutsideOption = False,
) -> None:
    """Find the rates to buy for the servers of a scenario.

    They have the least mean delay for a budget, or the least cost for a mean delay.

    In a file, the table size has budget, mean_delay or delay_cost, further targets, and split.

    Each of its servers has a rate_price, and may have max_rate, min_rate and opening.
    """

    def reports() -> Iterator[Report]:
        from .decisions.sizes.report import report

        loaded = open_scenario(scenario, allow_outside=allow_outside, table="servers")
        deciding = {"budget": budget, "mean_delay": mean_delay, "delay_cost": delay_cost}
        yield report(loaded, load_of(load, loaded), deciding, split, out is not None)

    finish(reports(), out, as_json=as_json)


COMMANDS = (weights, size)
