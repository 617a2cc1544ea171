"""Curves: the answers to questions at many points, as an `xarray.Dataset`.

The points are solved in blocks, with progress and interruption; ``refine`` adds the points that a
picture needs. See `sojourn.models.core.variables` for the meaning of the variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...reference.errors import Array, LoadError
from .progress import track
from .refinement import MAX_POINTS, Drawn, on_axis, on_log_axis, refined
from .refinement import CurveInterruptedError as CurveInterruptedError
from .system import System, at_place
from .variables import DRAWN, Rows, Variable, by_role, columns_of, default_variables
from .warn import warn


class Sweep(Protocol):
    """A question at many points, such as `sojourn.models.core.solve.Task`."""

    @property
    def block(self) -> int:
        """Count of points to solve at once; an interruption loses one block."""

    @property
    def solve(self) -> Callable[..., Any]:
        """Function of K points, K >= 0, that returns a `Table` with K rows.

        Its columns include ``mean_delay``, ``gap`` and ``certified``. A row without an answer has
        NaN and an infinite gap. At a load of 0 the answer is the limit as the load tends to 0.
        """


def curve(
    system: System,
    points: npt.ArrayLike,
    sweeps: Mapping[str, Sweep],
    variables: Callable[[Array, Rows], Mapping[str, Variable]] | None = None,
    *,
    over: str = "load",
    long_name: str = "total load",
    capacity: float | None = None,
    columns: Sequence[Array] = (),
    check_point: Callable[..., object] | None = None,
    refine: bool | float = False,
    breakpoints: Callable[[], npt.ArrayLike] = tuple,
    drawn: Sequence[str] = DRAWN,
    most: int = MAX_POINTS,
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
    dataset_type: type[xr.Dataset] = xr.Dataset,
) -> xr.Dataset:
    """Solve questions at many loads, or along another axis.

    Parameters
    ----------
    system : System
        The system; it checks the loads and gives the unit of time.
    points : array_like, shape (K,)
        Loads, in jobs per unit of time; along another axis they are not checked.
    sweeps : mapping of str to Sweep
        Questions by name; the name is ``""`` where there is only one.
    variables : callable, optional
        Function of the points and of the answers of each question (mapping of str to `Table`) that
        returns the variables of the dataset. By default those of `answers` for each question, and
        the price of anarchy if there are the questions ``optimum`` and ``equilibrium``.
    over, long_name : str
        Name and label of the dimension.
    capacity : float, optional
        Denominator of the coordinate ``utilisation``; by default the largest load of the system.
    columns : sequence of ndarray, shape (K, ...)
        Further columns of the points, which the questions take after the loads. They exclude
        refinement.
    check_point : callable, optional
        Further check of a point: function of a load, 0 or one that the system carries, and of its
        entries in `columns`. It raises LoadError where there is no answer.
    refine, breakpoints, most
        See `sojourn.models.core.refinement.refined`.
    drawn : sequence of str
        Roles of the variables that a picture shows.
    coords, attrs : mapping, optional
        Further coordinates and attributes of the dataset.
    dataset_type : type, default `xarray.Dataset`
        Class of the dataset, such as `sojourn.models.frontend.curve_dataset.Curve`.

    Returns
    -------
    xarray.Dataset
        Variables over the dimension `over`, with the attributes ``time_unit`` and ``max_load``.
        Over loads there are the coordinates ``utilisation`` and ``reason``: the error of a load
        that the system cannot carry, else "". Such a load has NaN, an infinite gap, and
        ``certified`` False. At a load of 0 the answer is the limit as the load tends to 0; a
        question without this limit has NaN and a reason there. Answers without a certificate are
        kept, and one warning counts them.

    Raises
    ------
    LoadError, InputError
        Before any solver runs, where a load is negative or not finite, or the system cannot carry
        any of them.
    CurveInterruptedError
        On Ctrl-C, with the points at which every question was solved.
    """
    time_unit, loads = system.time_unit, over == "load"
    denominator, width = capacity or system.max_load, min(s.block for s in sweeps.values())

    def check(points: npt.ArrayLike) -> tuple[Array, dict[int, LoadError], dict[int, LoadError]]:
        """Return the points, the errors by position, and the errors of loads of 0."""
        array, errors = (
            system.screen_loads(points) if loads else (np.asarray(points, dtype=float), {})
        )
        idle = {i: errors.pop(i) for i in list(errors) if array[i] == 0}
        if check_point is not None:
            for i in sorted({*range(array.size)} - errors.keys()):
                try:
                    check_point(float(array[i]), *(column[i] for column in columns))
                except LoadError as error:
                    errors[i] = error
        return array, errors, idle

    def dataset(points: Array, rows: Rows, reasons: Sequence[str]) -> xr.Dataset:
        """Return the dataset of solved points."""
        labels = {"long_name": long_name} | ({"units": f"1/{time_unit}"} if loads else {})
        axis: dict[str, Any] = {over: (over, points, labels)}
        if loads:
            utilisation = points / denominator
            axis["utilisation"] = (over, utilisation, {"long_name": "load over capacity"})
            texts = np.array(reasons, dtype=np.str_)
            axis["reason"] = (over, texts, {"long_name": "why there is no answer"})
        if variables is None:
            values: Mapping[str, Variable] = default_variables(time_unit, rows)
        else:
            values = variables(points, rows)
        basics = {"time_unit": time_unit, "max_load": system.max_load}
        return dataset_type(values, {**axis, **(coords or {})}, {**basics, **(attrs or {})})

    def solve(points: Array) -> xr.Dataset:
        """Solve the points block by block."""
        _, errors, idle = checked if points is checked[0] else check(points)
        carried = np.isin(np.arange(points.size), list(errors), invert=True)
        asked = tuple(column[carried] for column in (points, *columns))
        starts = range(0, asked[0].size, width)
        blocks = [tuple(column[i : i + width] for column in asked) for i in starts]
        done: list[Rows] = []
        stopped = False
        try:
            for block in track(blocks, f"{over}s", weigh=lambda block: len(block[0])):
                done.append({name: sweep.solve(*block) for name, sweep in sweeps.items()})
        except KeyboardInterrupt:
            stopped = True
        if stopped:  # keep the points before the first one that is not solved
            carried = carried[: np.flatnonzero(carried)[len(done) * width]]
        if not done:
            none = tuple(column[:0] for column in asked)
            done = [{name: sweep.solve(*none) for name, sweep in sweeps.items()}]
        rows = {
            name: type(done[0][name]).joined([block[name] for block in done]).spread(carried)
            for name in sweeps
        }
        for i in idle.keys() - errors.keys():
            if i < carried.size and not all(
                np.isfinite(table.mean_delay[i]).all() for table in rows.values()
            ):
                errors[i] = idle[i]
        reasons = [str(errors.get(i, "")) for i in range(carried.size)]
        data = dataset(points[: carried.size], rows, reasons)
        if stopped:
            raise CurveInterruptedError(data)
        return data

    def lines(data: xr.Dataset) -> list[Drawn]:
        """Return the lines of a picture of the curve."""
        roles_and_values = [
            (data[name].attrs["role"], values) for name, _, values in columns_of(data, drawn, over)
        ]
        return [
            on_log_axis(values)
            if role in ("delay", "beside")
            else on_axis(values, 1.0 if role == "part" else None)
            for role, values in roles_and_values
        ]

    checked = check(points)
    if len(checked[1]) == checked[0].size:
        raise at_place(checked[1])
    data = refined(solve, checked[0], refine, breakpoints, lines, over, most)
    _warn_of_missing(data, over)
    return data


def _warn_of_missing(data: xr.Dataset, over: str) -> None:
    """Issue one warning that counts the points without an answer or without a certificate."""
    carried = np.ones(data.sizes[over], dtype=bool)
    if "reason" in data.coords:
        carried = data["reason"].values == ""
    texts = []
    if not carried.all():
        count = (~carried).sum()
        texts.append(f"{count} of {carried.size} loads cannot be carried (see reason)")
    certified = [data[name].isel({over: carried}) for name in by_role(data, "certified")]
    missed = sum(int((~flags).sum()) for flags in certified)
    if missed:
        names = ", ".join([*by_role(data, "certified"), *by_role(data, "gap")])
        total = sum(flags.size for flags in certified)
        texts.append(f"{missed} of {total} answers are not certified; see {names}")
    if texts:
        warn("; ".join(texts))
