"""Commands of parallel servers beside those of every kind of system; it imports no system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from ...frontend.command import (
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


COMMANDS = (weights,)
