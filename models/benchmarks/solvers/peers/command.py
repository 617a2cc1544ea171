"""Command of the comparison with qpbenchmark; at its top this file imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ....frontend.command import JsonOption, finish
from ....frontend.process import begin
from ....frontend.report import Report
from ..command import LoadsOption, SeedsOption, SizesOption, numbers, texts


def qpbenchmark(
    sizes: SizesOption = None,
    loads: LoadsOption = None,
    solvers: Annotated[
        str | None,
        typer.Option(
            "--solvers",
            help="Solvers by qpbenchmark's names, such as clarabel,piqp; by default all that it "
            "finds.",
        ),
    ] = None,
    settings: Annotated[
        str, typer.Option("--settings", help="low, mid or high, or several with commas between.")
    ] = "low,mid,high",
    seeds: SeedsOption = "0",
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for qpbenchmark.json, all verdicts.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare verdicts with qpbenchmark, which judges by residuals, on quadratic programs."""

    def reports() -> Iterator[Report]:
        from ..instances import LOADS
        from .compare import SIZES, against_qpbenchmark, report

        begin()
        found = against_qpbenchmark(
            numbers("--sizes", sizes, whole=True) or SIZES,
            numbers("--loads", loads) or LOADS,
            None if solvers is None else texts(solvers),
            texts(settings),
            numbers("--seeds", seeds, whole=True) or (),
        )
        yield report(found)

    finish(reports(), folder, as_json=as_json)


COMMANDS = (qpbenchmark,)
