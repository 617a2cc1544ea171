"""Answers to many questions as an `xarray.Dataset`: in blocks, with progress, interruption, and the points that a picture needs.

The attribute ``role`` of a variable says what it is, whatever its name: ``delay`` of an answer, a delay ``beside`` to compare with, ``ratio``
of two, ``part`` between 0 and 1, ``gap`` (certified relative error, infinite without an answer), ``certified``, ``bound``, ``price``,
``flow``, ``share``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...reference.errors import Array, LoadError
from .progress import track
from .ratio import ratios
from .refinement import MOST, Drawn, on_axis, on_log_axis, refined
from .refinement import CurveInterruptedError as CurveInterruptedError
from .system import System, at_place
from .table import Mask, Table

BESIDE = 2.0  # delays beside the answers are drawn up to so many times the largest of these
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
Rows = Mapping[str, Any]  # a `Table` of the answers to each question


# ---- what a curve asks, and of whom


class Sweep(Protocol):
    """A question, to be put at many points."""

    @property
    def block(self) -> int:
        """How many points to ask for at once: what an interruption loses."""

    @property
    def solve(self) -> Callable[..., Any]:
        """From K points, K >= 0, to a `Table` of K rows; NaN, and an infinite gap, where there is no answer.

        Among its columns are ``mean_delay``, ``gap`` and ``certified``. At a load of 0 the answer is the limit as the load tends to 0.
        """


@dataclass(frozen=True, eq=False)
class Delays(Table):
    """Delays of K answers with what their certificates prove, shape (K,) or (K, ...)."""

    mean_delay: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    certified: Mask

    @classmethod
    def beside(cls, tables: Sequence[Any]) -> Delays:
        """Return the delays of several tables of K rows as columns of one, shape (K, number of tables)."""
        return cls(
            *(np.stack([getattr(t, field.name) for t in tables], axis=-1) for field in fields(cls))
        )


# ---- what it returns


def variable(
    values: Any,
    long_name: str,
    role: Role,
    dims: Sequence[str] = ("load",),
    units: str | None = None,
) -> Variable:
    """Return a variable of a dataset with its attributes; `units` of what is no number alone."""
    return (
        dims,
        values,
        {"long_name": long_name, "role": role} | ({} if units is None else {"units": units}),
    )


def answers(
    rows: Any,
    time_unit: str,
    name: str = "",
    what: str = "mean delay",
    dims: Sequence[str] = ("load",),
) -> dict[str, Variable]:
    """Return the variables of every question, ``delay``, ``gap`` and ``certified``, after ``<name>_`` where there is a name."""
    delay, gap, certified = (
        f"{name}_{what}" if name else what for what in ("delay", "gap", "certified")
    )
    found = {
        delay: variable(rows.mean_delay, what, "delay", dims, time_unit),
        gap: variable(rows.gap, "certified relative error of the mean delay", "gap", dims),
        certified: variable(
            rows.certified, "whether the gap is the one asked for", "certified", dims
        ),
    }
    found[delay][-1]["ancillary_variables"] = f"{gap} {certified}"  # as the CF conventions have it
    return found


def anarchy(selfish: Any, best: Any, dims: Sequence[str] = ("load",)) -> dict[str, Variable]:
    """Return the price of anarchy and its bounds."""
    values = ratios(
        *((side.mean_delay, side.lower_bound, side.upper_bound) for side in (selfish, best))
    )
    roles: tuple[Role, ...] = ("ratio", "bound", "bound")
    return {
        name: variable(v, ANARCHY[name], role, dims)
        for name, v, role in zip(ANARCHY, values, roles, strict=True)
    }


def by_role(data: xr.Dataset, *roles: str) -> list[str]:
    """Return the names of the variables with one of the roles."""
    return [str(name) for name in data.data_vars if data.variables[name].attrs.get("role") in roles]


def columns_of(
    data: xr.Dataset, roles: Sequence[str], over: str = "load"
) -> list[tuple[str, dict[str, Any], Array]]:
    """Return the lines of a picture: name of the variable, place along its other dimensions, and values over `over`.

    Delays beside the answers are NaN where they are more than twice the largest of these.
    """
    most = max(
        (
            np.fmax.reduce(data[name].values, axis=None, initial=-np.inf)
            for name in by_role(data, "delay")
        ),
        default=np.inf,
    )
    lines: list[tuple[str, dict[str, Any], Array]] = []
    for name in by_role(data, *roles):
        if over not in data[name].dims:
            continue
        others = [str(d) for d in data[name].dims if d != over]
        values = data[name].transpose(over, *others).values
        if data[name].attrs["role"] == "beside":
            values = np.where(values <= BESIDE * most, values, np.nan)
        for place in np.ndindex(values.shape[1:]):
            lines.append(
                (
                    name,
                    {d: data[d].values[i] for d, i in zip(others, place, strict=True)},
                    values[(slice(None), *place)],
                )
            )
    return lines


def warn(text: str) -> None:
    """Warn at the line outside the library from which it was called."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(
        __name__.partition(".")[0] + "."
    ):
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
    room: Callable[..., object] | None = None,
    refine: bool | float = False,
    breakpoints: Callable[[], npt.ArrayLike] = tuple,
    drawn: Sequence[str] = DRAWN,
    most: int = MOST,
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
    dataset_type: type[xr.Dataset] = xr.Dataset,
) -> xr.Dataset:
    """Put questions to a system at many loads, or along another axis.

    Parameters
    ----------
    system : System
    points : array_like, shape (K,)
        Loads, judged here; points along another axis are taken as they are.
    sweeps : mapping of str to Sweep
        The questions, by name; ``""`` where there is one alone.
    variables : callable, optional
        From points and the rows of each question to variables. By default those of `answers`, and with the questions ``optimum`` and
        ``equilibrium`` the price of anarchy.
    over, long_name : str
        Name of the dimension, and what it is.
    capacity : float, optional
        Load of which the coordinate ``utilisation`` is a part; by default the largest.
    columns : sequence of ndarray, shape (K, ...)
        What the questions take beside the point; then there is no refinement.
    room : callable, optional
        From a load that the system carries, or 0, and its entries of the columns: LoadError where there is no answer all the same.
    refine, kinks, most
        As for `sojourn.models.core.refinement.refined`.
    drawn : sequence of str
        Roles of the variables that a picture shows.
    coords, attrs : mapping, optional
        What the dataset has beside the dimension, ``utilisation`` and the attributes ``time_unit`` and ``max_load``.
    dataset_type : type, default `xarray.Dataset`
        Class of the dataset, such as `sojourn.models.frontend.curve_dataset.Curve`.

    Returns
    -------
    xarray.Dataset
        What has no certificate is in it, and one warning says how much that is. Over loads the coordinate ``reason`` is "", and the
        text of the LoadError where a load cannot be carried; what is asked there is NaN, with an infinite gap, not certified. At a load of 0
        it is the limit as the load tends to 0, and where a kind of system has none, NaN with the reason.

    Raises
    ------
    LoadError, InputError
        Before any question is asked: on a load that is negative or not finite, and where none can be carried.
    CurveInterruptedError
        On Ctrl-C, with the points at which every question was answered.
    """
    time, loads = system.time_unit, over == "load"
    whole, width = capacity or system.max_load, min(sweep.block for sweep in sweeps.values())

    def judged(points: npt.ArrayLike) -> tuple[Array, dict[int, LoadError], dict[int, LoadError]]:
        """The points, and the errors of those that cannot be asked for, and of loads of 0, which can."""
        array, errors = (
            system.screen_loads(points) if loads else (np.asarray(points, dtype=float), {})
        )
        idle = {i: errors.pop(i) for i in list(errors) if array[i] == 0}
        if room is not None:
            for i in sorted({*range(array.size)} - errors.keys()):
                try:
                    room(float(array[i]), *(column[i] for column in columns))
                except LoadError as error:
                    errors[i] = error
        return array, errors, idle

    def dataset(points: Array, rows: Rows, reasons: Sequence[str]) -> xr.Dataset:
        axis = {
            over: (
                over,
                points,
                {"long_name": long_name} | ({"units": f"1/{time}"} if loads else {}),
            )
        }
        if loads:
            axis["utilisation"] = (over, points / whole, {"long_name": "load over capacity"})
            axis["reason"] = (
                over,
                np.array(reasons, dtype=np.str_),
                {"long_name": "why there is no answer"},
            )
        found = _usual(time, rows) if variables is None else variables(points, rows)
        return dataset_type(
            found,
            {**axis, **(coords or {})},
            {"time_unit": time, "max_load": system.max_load, **(attrs or {})},
        )

    def solve(points: Array) -> xr.Dataset:
        _, errors, idle = first if points is first[0] else judged(points)
        can = np.isin(np.arange(points.size), list(errors), invert=True)
        asked, done, stopped = tuple(column[can] for column in (points, *columns)), [], False
        blocks = [
            tuple(column[i : i + width] for column in asked) for i in range(0, asked[0].size, width)
        ]
        try:
            for block in track(blocks, f"{over}s", weigh=lambda block: len(block[0])):
                done.append({name: sweep.solve(*block) for name, sweep in sweeps.items()})
        except KeyboardInterrupt:
            stopped = True
        parts = done or [
            {name: sweep.solve(*(column[:0] for column in asked)) for name, sweep in sweeps.items()}
        ]
        if stopped:  # what comes before the first load that was not done
            can = can[: np.flatnonzero(can)[len(done) * width]]
        rows = {
            name: type(parts[0][name]).joined([part[name] for part in parts]).spread(can)
            for name in sweeps
        }
        for i in idle.keys() - errors.keys():
            if i < can.size and not all(
                np.isfinite(table.mean_delay[i]).all() for table in rows.values()
            ):
                errors[i] = idle[i]
        data = dataset(points[: can.size], rows, [str(errors.get(i, "")) for i in range(can.size)])
        if stopped:
            raise CurveInterruptedError(data)
        return data

    def lines(data: xr.Dataset) -> list[Drawn]:
        found = [
            (data[name].attrs["role"], values) for name, _, values in columns_of(data, drawn, over)
        ]
        return [
            on_log_axis(v)
            if role in ("delay", "beside")
            else on_axis(v, 1.0 if role == "part" else None)
            for role, v in found
        ]

    first = judged(points)
    if len(first[1]) == first[0].size:
        raise at_place(first[1])
    data = refined(solve, first[0], refine, breakpoints, lines, over, most)
    there = data["reason"].values == "" if loads else np.ones(data.sizes[over], dtype=bool)
    said = (
        []
        if there.all()
        else [f"{(~there).sum()} of {there.size} loads cannot be carried (see reason)"]
    )
    certified = [data[name].isel({over: there}) for name in by_role(data, "certified")]
    missed = sum(int((~answers).sum()) for answers in certified)
    if missed:
        names = ", ".join([*by_role(data, "certified"), *by_role(data, "gap")])
        said.append(
            f"{missed} of {sum(answers.size for answers in certified)} answers are not certified; see {names}"
        )
    if said:
        warn("; ".join(said))
    return data


def _usual(time: str, rows: Rows) -> dict[str, Variable]:
    """Variables of any questions."""
    found: dict[str, Variable] = {}
    for name, table in rows.items():
        found |= answers(table, time, name, f"mean delay, {name}" if name else "mean delay")
    return found | (
        anarchy(rows["equilibrium"], rows["optimum"])
        if {"equilibrium", "optimum"} <= rows.keys()
        else {}
    )
