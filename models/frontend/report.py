"""The frame of a report: what is said, as text or JSON, what is written, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from ..core.curve import CurveInterruptedError
from ..core.progress import printing
from .files import INTERRUPTED, NOT_WRITTEN, say, say_written, show, write
from .tables import as_json as as_json_text

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

File = tuple[str, Callable[[Path], object]]
"""Name of a file, and what makes it at a path."""


@dataclass(frozen=True)
class Report:
    """What a kind of system says of a scenario.

    Parameters
    ----------
    result : mapping
        For JSON: see `sojourn.models.frontend.tables.plain`.
    shown : iterable of str, Table or Text
        What people read instead: markup of `rich`; tables, which are cut to the width of the
        terminal; or text as it is.
    files : iterable of File
        Made in turn, so that what is there is written although the rest is interrupted;
        CurveInterruptedError at the end where something was.
    name : str
        Of the file of the result.
    code : int
        Exit code.
    """

    result: Mapping[str, Any]
    shown: Iterable[str | Table | Text]
    files: Iterable[File] = ()
    name: str = "result"
    code: int = 0


def present(report: Report, folder: Path | None, *, as_json: bool) -> int:
    """Print a report and, where a folder is given, write its files; return the exit code.

    A file that cannot be written does not stop the others.
    """
    text = as_json_text(report.result)
    if as_json:
        with printing():
            sys.stdout.write(text)
    else:
        for part in report.shown:
            if isinstance(part, Table):
                show(part)
            else:
                say(part, soft_wrap=isinstance(part, Text))
    if folder is None:
        return report.code
    failed = write(folder / f"{report.name}.json", lambda p: p.write_text(text, encoding="utf-8"))
    code = report.code
    try:
        for name, make in report.files:
            failed |= write(folder / name, make)
    except CurveInterruptedError:
        code = INTERRUPTED
    if not as_json:
        say_written(folder)
    return NOT_WRITTEN if failed and code != INTERRUPTED else code


def as_far_as_it_got(
    solve: Callable[[], xr.Dataset],
) -> tuple[xr.Dataset, CurveInterruptedError | None]:
    """Return a curve, and what stopped it on Ctrl-C: then of the points that were done."""
    try:
        return solve(), None
    except CurveInterruptedError as stop:
        return stop.dataset, stop


def data_files(name: str, data: xr.Dataset, frame: Any = None) -> Iterator[File]:
    """Yield a dataset as NetCDF, and its data frame as CSV with units in the names of columns."""
    frame = flat(data) if frame is None else frame
    units = {str(n): v.attrs["units"] for n, v in data.variables.items() if "units" in v.attrs}

    def named(column: str) -> str:
        variable = column.split("[")[0]
        return f"{column} ({units[variable]})" if variable in units else column

    yield f"{name}.nc", lambda p: data.to_netcdf(p, engine="scipy")
    yield f"{name}.csv", lambda p: frame.rename(columns=named).to_csv(p, index=False)


def flat(data: xr.Dataset) -> Any:
    """Return a data frame with a row a load, and a column an entry of what has more dimensions.

    Such a column is named ``flow[server 1]``.
    """
    frame = data.drop_dims([d for d in data.dims if d != "load"]).to_dataframe().reset_index()
    for name, variable in data.data_vars.items():
        others = [d for d in variable.dims if d != "load"]
        if others and "load" in variable.dims:
            values = variable.transpose("load", *others).values
            for at in np.ndindex(values.shape[1:]):
                labels = [f"[{data[d].values[i]}]" for d, i in zip(others, at, strict=True)]
                frame["".join([str(name), *labels])] = values[:, *at]
    return frame


def picture(name: str, draw: Callable[[], Figure]) -> File:
    """Return the file of a picture."""
    return f"{name}.png", lambda p: draw().savefig(p, dpi=150)
