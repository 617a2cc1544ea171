"""Commands of the benchmarks of one module; at its top this file imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from ..frontend.command import JsonOption, finish
from ..frontend.process import begin
from ..frontend.report import Report


def families(as_json: JsonOption = False) -> None:
    """Compare every latency family, model against reference."""

    def reports() -> Iterator[Report]:
        from .latency_families import report

        begin()
        yield from report()

    finish(reports(), None, as_json=as_json)


def local_minima(
    systems: Annotated[
        int | None,
        typer.Option(
            help="Number of random systems; by default 1000 with two modes and 200 with 5, 10, 20."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count how often local solvers of assignments to service modes end at another minimum."""

    def reports() -> Iterator[Report]:
        from .local_minima import report

        begin()
        yield from report(systems)

    finish(reports(), None, as_json=as_json)


def worst_case_rule(
    systems: Annotated[
        int | None, typer.Option(help="Number of random systems a family; by default 200.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search for systems on which the rule for the worst price of anarchy fails."""

    def reports() -> Iterator[Report]:
        from .worst_case_rule import report

        begin()
        yield from report(systems)

    finish(reports(), None, as_json=as_json)


COMMANDS = (families, local_minima, worst_case_rule)
