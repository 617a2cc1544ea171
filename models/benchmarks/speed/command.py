"""Command of the benchmark of speed; at its top this file imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ...frontend.command import JsonOption, finish
from ...frontend.process import begin
from ...frontend.report import Report


def speed(
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for speed.md, speed.json and growth.png.")
    ] = Path("speed"),
    as_json: JsonOption = False,
) -> None:
    """Time closed forms and models, as ratios within one run."""

    def reports() -> Iterator[Report]:
        from .ratios import report

        begin()
        yield from report(folder)

    finish(reports(), Path(), as_json=as_json)


COMMANDS = (speed,)
