"""Curves: the answers to questions at many points, as an `xarray.Dataset`.

The points are solved in blocks, with progress and interruption; ``refine`` adds the points that a
picture needs. Every variable has an attribute ``role``, by which plots and reports know its meaning
whatever its name:

===============  ==========================================================================
``"delay"``      mean delay of an answer
``"beside"``     another delay, for comparison
``"ratio"``      ratio of two mean delays
``"part"``       number between 0 and 1
``"gap"``        certified relative error; infinite without an answer
``"certified"``  whether the gap meets the required gap
``"bound"``      certified bound of another variable
``"price"``      multiplier, such as the marginal delay
``"flow"``       flow of each server
``"share"``      share of the load or of a server's capacity
===============  ==========================================================================
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, LoadError
from .progress import track
from .ratio import ratios
from .refinement import MAX_POINTS, Drawn, on_axis, on_log_axis, refined
from .refinement import CurveInterruptedError as CurveInterruptedError
from .system import System, at_place
from .table import Mask, Table

if TYPE_CHECKING:
    import xarray as xr

BESIDE_LIMIT = 2.0  # multiple of the largest answer up to which delays beside the answers are drawn
DRAWN = ("delay", "beside", "ratio", "part")
ANARCHY = {
    "price_of_anarchy": "price of anarchy",
    "price_of_anarchy_lower": "certified lower bound of the price of anarchy",
    "price_of_anarchy_upper": "certified upper bound of the price of anarchy",
}

Role = Literal[
    "delay", "beside", "ratio", "part", "gap", "certified", "bound", "price", "flow", "share"
]
Variable = tuple[Sequence[str], Any, dict[str, str]]
"""Dimensions, values and attributes of a variable, as `xarray` takes them."""
Rows = Mapping[str, Any]  # a `Table` of answers for each question


# ---- input of a curve


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


@dataclass(frozen=True, eq=False)
class Delays(Table):
    """Mean delays of K answers with their certificates; each column has the shape (K, ...).

    Attributes
    ----------
    mean_delay : ndarray
        Mean delays, in the unit of time of the system.
    lower_bound, upper_bound : ndarray
        Bounds of the true mean delays.
    gap : ndarray
        Certified relative errors.
    certified : ndarray of bool
        Whether the gaps meet the required gap.
    """

    mean_delay: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    certified: Mask

    @classmethod
    def beside(cls, tables: Sequence[Any]) -> Delays:
        """Return the delays of several tables side by side, shape (K, number of tables)."""
        return cls(
            *(np.stack([getattr(t, field.name) for t in tables], axis=-1) for field in fields(cls))
        )


# ---- output of a curve


def variable(
    values: Any,
    long_name: str,
    role: Role,
    dims: Sequence[str] = ("load",),
    units: str | None = None,
) -> Variable:
    """Return a variable of a dataset with its attributes.

    Parameters
    ----------
    values : array_like
        Its values over the dimensions `dims`.
    long_name : str
        Label on axes and in tables.
    role : str
        Its meaning; see `sojourn.models.core.curve`.
    dims : sequence of str
        Names of its dimensions.
    units : str, optional
        Its unit; None for a number without a unit.
    """
    attrs = {"long_name": long_name, "role": str(role)}
    return dims, values, attrs if units is None else {**attrs, "units": units}


def answers(
    rows: Any,
    time_unit: str,
    name: str = "",
    what: str = "mean delay",
    dims: Sequence[str] = ("load",),
) -> dict[str, Variable]:
    """Return the variables ``delay``, ``gap`` and ``certified`` of one question.

    Parameters
    ----------
    rows : Table
        Its answers, with the columns ``mean_delay``, ``gap`` and ``certified``.
    time_unit : str
        Unit of the delays.
    name : str
        Name of the question; ``"optimum"`` makes ``optimum_delay`` and so on.
    what : str
        Label of the delay.
    dims : sequence of str
        Dimensions of the columns.
    """
    delay, gap, certified = (
        f"{name}_{what}" if name else what for what in ("delay", "gap", "certified")
    )
    variables = {
        delay: variable(rows.mean_delay, what, "delay", dims, time_unit),
        gap: variable(rows.gap, "certified relative error of the mean delay", "gap", dims),
        certified: variable(
            rows.certified, "whether the gap is the one asked for", "certified", dims
        ),
    }
    # by the CF conventions, an attribute names the variables on the quality of another
    variables[delay][-1]["ancillary_variables"] = f"{gap} {certified}"
    return variables


def anarchy(selfish: Any, best: Any, dims: Sequence[str] = ("load",)) -> dict[str, Variable]:
    """Return the variables of the price of anarchy and its bounds.

    Parameters
    ----------
    selfish, best : Table
        Answers of the equilibrium and of the optimum, with ``mean_delay``, ``lower_bound`` and
        ``upper_bound``.
    dims : sequence of str
        Dimensions of the columns.
    """
    values = ratios(
        *((side.mean_delay, side.lower_bound, side.upper_bound) for side in (selfish, best))
    )
    roles: tuple[Role, ...] = ("ratio", "bound", "bound")
    return {
        name: variable(v, ANARCHY[name], role, dims)
        for name, v, role in zip(ANARCHY, values, roles, strict=True)
    }


def by_role(data: xr.Dataset, *roles: str) -> list[str]:
    """Return the names of the variables that have one of the roles."""
    return [str(name) for name in data.data_vars if data.variables[name].attrs.get("role") in roles]


def columns_of(
    data: xr.Dataset, roles: Sequence[str], over: str = "load"
) -> list[tuple[str, dict[str, Any], Array]]:
    """Return the lines of a picture of a curve.

    Parameters
    ----------
    data : xarray.Dataset
        The curve.
    roles : sequence of str
        Roles of the variables to draw.
    over : str
        Dimension of the horizontal axis, of length K.

    Returns
    -------
    list of tuple
        For each line the name of its variable, its coordinates along the other dimensions, and its
        values, shape (K,). Delays beside the answers are NaN where they exceed twice the largest
        answer.
    """
    delays = [data[name].values for name in by_role(data, "delay")]
    largest = max((np.fmax.reduce(d, axis=None, initial=-np.inf) for d in delays), default=np.inf)
    lines: list[tuple[str, dict[str, Any], Array]] = []
    for name in by_role(data, *roles):
        if over not in data[name].dims:
            continue
        others = [str(d) for d in data[name].dims if d != over]
        values = data[name].transpose(over, *others).values
        if data[name].attrs["role"] == "beside":
            values = np.where(values <= BESIDE_LIMIT * largest, values, np.nan)
        for place in np.ndindex(values.shape[1:]):
            coordinates = {d: data[d].values[i] for d, i in zip(others, place, strict=True)}
            lines.append((name, coordinates, values[(slice(None), *place)]))
    return lines


def warn(text: str) -> None:
    """Issue a warning that points to the line outside the library that led to it."""
    frame, level, package = sys._getframe(), 1, __name__.partition(".")[0] + "."
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


# ---- the driver


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
    dataset_type: type[xr.Dataset] | None = None,
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
    dataset_type : type, optional
        Class of the dataset, such as `sojourn.models.frontend.curve_dataset.Curve`; by default
        `xarray.Dataset`.

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
        import xarray as xr  # takes longer to import than an answer without a curve takes

        labels = {"long_name": long_name} | ({"units": f"1/{time_unit}"} if loads else {})
        axis: dict[str, Any] = {over: (over, points, labels)}
        if loads:
            utilisation = points / denominator
            axis["utilisation"] = (over, utilisation, {"long_name": "load over capacity"})
            texts = np.array(reasons, dtype=np.str_)
            axis["reason"] = (over, texts, {"long_name": "why there is no answer"})
        if variables is None:
            values: Mapping[str, Variable] = _default_variables(time_unit, rows)
        else:
            values = variables(points, rows)
        basics = {"time_unit": time_unit, "max_load": system.max_load}
        made = dataset_type or xr.Dataset
        return made(values, {**axis, **(coords or {})}, {**basics, **(attrs or {})})

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


def _default_variables(time_unit: str, rows: Rows) -> dict[str, Variable]:
    """Return the variables of `answers` for each question, and the price of anarchy."""
    variables: dict[str, Variable] = {}
    for name, table in rows.items():
        label = f"mean delay, {name}" if name else "mean delay"
        variables |= answers(table, time_unit, name, label)
    if {"equilibrium", "optimum"} <= rows.keys():
        variables |= anarchy(rows["equilibrium"], rows["optimum"])
    return variables
