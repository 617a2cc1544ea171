"""The frame of a report: what is said, as text or JSON, what is written, and the exit code."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from ..core.progress import printing
from .files import say, show, visible, write
from .process import INTERRUPTED, NOT_WRITTEN, unbroken
from .tables import as_json as as_json_text

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from ..core.curve import CurveInterruptedError

File = tuple[str, Callable[[Path], object]]
"""Name of a file, and what makes it at a path."""


@dataclass(frozen=True)
class Report:
    """What a command says and writes, of the stages that are done.

    Parameters
    ----------
    result : Any
        For JSON: see `sojourn.models.frontend.tables.plain`.
    shown : iterable of str, Table or Text
        What people read instead: markup of `rich`; tables, which are cut to the width of the
        terminal; or text as it is.
    files : iterable of list of File
        Made in turn, those of a list together, so that what is there is written although the rest
        is interrupted; CurveInterruptedError at the end where something was.
    name : str
        Of the file of the result; none where it is empty.
    code : int
        Exit code.
    """

    result: Any
    shown: Iterable[str | Table | Text]
    files: Iterable[list[File]] = ()
    name: str = "result"
    code: int = 0


def present(stages: Iterable[Report], folder: Path | None, *, as_json: bool) -> int:
    """Write the files of each stage, where a folder is given, then print the last one; return the exit code.

    A file that cannot be written does not stop the others. KeyboardInterrupt where nothing is done.
    """
    report, interrupted = None, False
    tried: dict[Path, bool] = {}
    with redirect_stdout(
        sys.stderr
    ):  # standard output is for the result, whatever a library prints
        try:
            for report in stages:
                if folder is not None:
                    for files in _files(report):
                        with unbroken():
                            tried |= {
                                folder / name: write(folder / name, make) for name, make in files
                            }
        except KeyboardInterrupt:
            interrupted = True
        if report is None:
            raise KeyboardInterrupt
        text, shown = (as_json_text(report.result), []) if as_json else ("", list(report.shown))
    with printing():
        sys.stdout.write(text)
    for part in shown:
        if isinstance(part, Table):
            show(part)
        else:
            say(part, soft_wrap=isinstance(part, Text))
    written = sorted(path for path, done in tried.items() if done)
    if written and not as_json:
        names = ", ".join(path.name for path in written)
        say(Text("\n" + visible(f"written to {written[0].parent}: {names}")))
    sys.stdout.flush()
    return INTERRUPTED if interrupted else report.code if all(tried.values()) else NOT_WRITTEN


def _files(report: Report) -> Iterator[list[File]]:
    if report.name:
        yield [
            (
                f"{report.name}.json",
                lambda path: path.write_text(as_json_text(report.result), encoding="utf-8"),
            )
        ]
    yield from report.files


def as_far_as_it_got(
    solve: Callable[[], xr.Dataset],
) -> tuple[xr.Dataset, CurveInterruptedError | None]:
    """Return a curve, and what stopped it on Ctrl-C: then of the points that were done."""
    from ..core.curve import (
        CurveInterruptedError,
    )  # here, since `sojourn list` is to be there at once

    try:
        return solve(), None
    except CurveInterruptedError as stop:
        return stop.dataset, stop


def data_files(name: str, data: xr.Dataset, frame: Any = None) -> list[File]:
    """Return a dataset as NetCDF, and its frame as CSV with units in the names of columns; no reasons where there are none."""
    frame = flat(data) if frame is None else frame
    if "reason" in frame and not frame["reason"].any():
        frame = frame.drop(columns="reason")
    units = {str(n): v.attrs["units"] for n, v in data.variables.items() if "units" in v.attrs}

    def named(column: str) -> str:
        variable = column.split("[")[0]
        return f"{column} ({units[variable]})" if variable in units else column

    texts = {c: values.map(unrun) for c, values in frame.items() if values.dtype.kind not in "iufb"}
    frame = frame.assign(**texts).rename(columns=lambda column: unrun(named(column)))
    return [
        (f"{name}.nc", lambda p: data.to_netcdf(p, engine="scipy")),
        (f"{name}.csv", lambda p: frame.to_csv(p, index=False)),
    ]


def unrun(cell: Any) -> Any:
    """Return a cell of a CSV file, with ' before a text that a spreadsheet would run as a formula."""
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def flat(data: xr.Dataset) -> Any:
    """Return a data frame with a row a load, and a column an entry of what has more dimensions.

    Such a column is named ``flow[server 1]``.
    """
    frame = data.drop_dims([d for d in data.dims if d != "load"]).to_dataframe().reset_index()
    for name, variable in data.data_vars.items():
        others = [d for d in variable.dims if d != "load"]
        if others and "load" in variable.dims:
            values = variable.transpose("load", *others).values
            places = itertools.product(*(data[d].values for d in others))
            for place, column in zip(
                places, values.reshape(len(values), math.prod(values.shape[1:])).T, strict=True
            ):
                frame["".join([str(name), *(f"[{label}]" for label in place)])] = column
    return frame


def picture(name: str, draw: Callable[[], Figure]) -> File:
    """Return the file of a picture; a $ in its titles and names is a $, and begins no formula."""

    def save(path: Path) -> None:
        from matplotlib.text import Text as Label

        figure = draw()
        for artist in figure.findobj():
            if isinstance(artist, Label):
                artist.set_parse_math(False)
        figure.savefig(path, dpi=150)

    return f"{name}.png", save
