"""Command of the comparison with other tools; at its top this file imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from ...frontend.command import JsonOption, finish
from ...frontend.process import begin
from ...frontend.report import Report


def other_tools(
    limit: Annotated[
        float, typer.Option(help="Time limit in seconds, for methods that have one.")
    ] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Compare this library and other tools on the same systems."""

    def reports() -> Iterator[Report]:
        from .table import report

        begin()
        yield from report(limit)

    finish(reports(), None, as_json=as_json)


COMMANDS = (other_tools,)
