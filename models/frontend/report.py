"""Reports of commands: printed as text or JSON, written to files, with an exit code."""

from __future__ import annotations

import itertools
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
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
    from .scenario import Scenario

File = tuple[str, Callable[[Path], object]]
"""Name of a file, and the function that writes it at a path."""


@dataclass(frozen=True)
class Report:
    """Output of a command. A command that works in stages yields one report after each stage.

    Parameters
    ----------
    result : Any
        Result for JSON; see `sojourn.models.frontend.tables.plain`.
    shown : iterable of str, Table or Text
        The same for people: text with markup of `rich`, tables, and text without markup.
    files : iterable of list of File
        Further files. The files of one list are written together, before the next list is computed,
        so that an interruption leaves complete files. Where a curve was interrupted,
        CurveInterruptedError is raised after the last list.
    name : str
        Name of the JSON file of the result, without its extension; "" for no file.
    code : int
        Exit code of the command.
    """

    result: Any
    shown: Iterable[str | Table | Text]
    files: Iterable[list[File]] = ()
    name: str = "result"
    code: int = 0


def present(stages: Iterable[Report], folder: Path | None, *, as_json: bool) -> int:
    """Write the files of all stages, then print the last report.

    Parameters
    ----------
    stages : iterable of Report
        One report after each stage of the work, each with all results so far.
    folder : Path or None
        Folder of the files; None for no files. A file that cannot be written does not stop the
        others.
    as_json : bool
        Whether the result is printed as JSON.

    Returns
    -------
    int
        Exit code of the process.

    Raises
    ------
    KeyboardInterrupt
        Where an interruption left no report.
    """
    report, interrupted = None, False
    written: dict[Path, bool] = {}
    # standard output holds the result only; other output, such as of solvers, goes to stderr
    with redirect_stdout(sys.stderr):
        try:
            for report in stages:
                if folder is None:
                    continue
                for files in _files(report):
                    with unbroken():
                        for name, make in files:
                            written[folder / name] = write(folder / name, make)
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
    paths = sorted(path for path, done in written.items() if done)
    if paths and not as_json:
        names = ", ".join(path.name for path in paths)
        say(Text("\n" + visible(f"written to {paths[0].parent}: {names}")))
    sys.stdout.flush()
    if interrupted:
        return INTERRUPTED
    return report.code if all(written.values()) else NOT_WRITTEN


def _files(report: Report) -> Iterator[list[File]]:
    """Yield the JSON file of a report, then its further files."""

    def save(path: Path) -> None:
        path.write_text(as_json_text(report.result), encoding="utf-8")

    if report.name:
        yield [(f"{report.name}.json", save)]
    yield from report.files


def as_far_as_it_got(
    solve: Callable[[], xr.Dataset],
) -> tuple[xr.Dataset, CurveInterruptedError | None]:
    """Return a curve, and the interruption that left only a part of it, or None.

    Parameters
    ----------
    solve : callable
        Function without arguments that returns the curve.
    """
    # imported here, since `sojourn list` needs no solver and should be fast
    from ..core.curve import CurveInterruptedError

    try:
        return solve(), None
    except CurveInterruptedError as stop:
        return stop.dataset, stop


def curve_files(
    scenario: Scenario[Any],
    solver: str | None,
    pictures: Callable[[xr.Dataset], list[File]],
    frame: Callable[[xr.Dataset], Any] | None = None,
) -> Iterator[list[File]]:
    """Yield the files of the refined curve of a scenario as far as it got, then its pictures.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    solver : str, optional
        Name of a solver.
    pictures : callable
        Returns the pictures of a curve that has loads.
    frame : callable, optional
        Returns the rows of the CSV file; by default those of `flat`.
    """
    import numpy as np  # `sojourn list` needs no numbers and should be fast

    loads = np.unique(scenario.loads)
    solve = partial(scenario.system.curve, loads, refine=True, solver=solver)
    data, stopped = as_far_as_it_got(solve)
    data = scenario.units.present(data)
    yield data_files("curve", data, None if frame is None else frame(data))
    if data.sizes["load"] and (drawn := pictures(data)):
        yield drawn
    if stopped is not None:
        raise stopped


def data_files(name: str, data: xr.Dataset, frame: Any = None) -> list[File]:
    """Return the files of a curve: NetCDF, and CSV with units in the names of its columns.

    Parameters
    ----------
    name : str
        Name of the files, without their extensions.
    data : xarray.Dataset
        The curve.
    frame : pandas.DataFrame, optional
        Rows of the CSV file; by default those of `flat`. An empty column ``reason`` is left out.
    """
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
    """Return a cell of a CSV file; a ' comes before a text that a spreadsheet would execute."""
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def flat(data: xr.Dataset, over: str = "load") -> Any:
    """Return a data frame with one row for each load, or each point of another dimension.

    A variable with further dimensions has a column for each entry, such as ``flow[server 1]``.
    """
    frame = data.drop_dims([d for d in data.dims if d != over]).to_dataframe().reset_index()
    columns = {}
    for name, variable in data.data_vars.items():
        others = [d for d in variable.dims if d != over]
        if others and over in variable.dims:
            values = variable.transpose(over, *others).values
            labels = itertools.product(*(data[d].values for d in others))
            entries = values.reshape(len(values), math.prod(values.shape[1:])).T
            for entry, column in zip(labels, entries, strict=True):
                columns["".join([str(name), *(f"[{label}]" for label in entry)])] = column
    return frame.join(type(frame)(columns, frame.index))  # all at once: one by one is slow


def picture(name: str, draw: Callable[[], Figure]) -> File:
    """Return the PNG file of a picture; a $ in its texts does not begin a formula."""

    def save(path: Path) -> None:
        from matplotlib.text import Text as Label

        figure = draw()
        for artist in figure.findobj():
            if isinstance(artist, Label):
                artist.set_parse_math(False)
        with warnings.catch_warnings():
            # a name with a character that no font has is drawn with a box in its place
            warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
            figure.savefig(path, dpi=150)

    return f"{name}.png", save
