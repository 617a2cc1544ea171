"""Curves: the answers to questions at many points, as an `xarray.Dataset`.

A `CurvePlan` states all that a curve needs; `CurvePlan.solve` solves it in blocks of points, with
progress and interruption, and `sojourn.models.core.together` solves the plans of many systems at
once. ``refine`` adds the points that a picture needs. See `sojourn.models.core.variables` for the
meaning of the variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, LoadError
from .progress import track
from .refinement import MAX_POINTS, Drawn, on_axis, on_log_axis, refined
from .refinement import CurveInterruptedError as CurveInterruptedError
from .stored import StoredAnswers, stored_answers
from .system import System, at_place
from .table import Mask
from .variables import DRAWN, Rows, Variable, columns_of, default_variables
from .warn import warn

if TYPE_CHECKING:
    import xarray as xr


class Sweep(Protocol):
    """A question at many points, such as `sojourn.models.core.solve.Task`."""

    @property
    def block(self) -> int:
        """Count of points to solve at once; an interruption loses one block."""

    @property
    def solve(self) -> Callable[..., Any]:
        """Function of K points, K >= 0, that returns a table with K rows.

        Its columns include ``mean_delay``, ``gap`` and ``certified``. A row without an answer has
        NaN and an infinite gap. At a load of 0 the answer is the limit as the load tends to 0.
        """


@dataclass(frozen=True, eq=False)
class CheckedPoints:
    """Points of a curve, and the errors of those at which the questions are not asked.

    Attributes
    ----------
    values : ndarray, shape (K,)
        The points.
    errors, idle : dict of int to LoadError
        Errors by position; `idle` has those of loads of 0, at which the questions are asked.
    columns : tuple of ndarray, shape (K, ...)
        Further columns of the points.
    """

    values: Array
    errors: Mapping[int, LoadError]
    idle: Mapping[int, LoadError]
    columns: tuple[Array, ...]

    @property
    def carried(self) -> Mask:
        """Whether the questions are asked at each point, shape (K,)."""
        out = np.ones(self.values.size, dtype=bool)
        out[list(self.errors)] = False
        return out

    @property
    def asked(self) -> tuple[Array, ...]:
        """The points at which the questions are asked, as columns."""
        columns = (self.values, *self.columns)
        return tuple(column[self.carried] for column in columns) if self.errors else columns

    def before(self, done: int) -> CheckedPoints:
        """Return the points before the first one that is not solved.

        Parameters
        ----------
        done : int
            Count of solved points, fewer than those of `asked`.
        """
        end = int(np.flatnonzero(self.carried)[done])
        errors, idle = (
            {i: error for i, error in of.items() if i < end} for of in (self.errors, self.idle)
        )
        return CheckedPoints(self.values[:end], errors, idle, tuple(c[:end] for c in self.columns))


@dataclass(frozen=True, eq=False)
class Solved:
    """A solved curve: dimensions, values and attributes of each variable by name.

    Attributes
    ----------
    variables, coords : mapping of str to tuple
        Variables and coordinates, as `xarray` takes them.
    attrs : mapping
        Attributes of the dataset.
    """

    variables: Mapping[str, Variable]
    coords: Mapping[str, Any]
    attrs: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CurvePlan:
    """Questions at many loads, or along another axis, ready to be solved.

    Attributes
    ----------
    system : System
        The system; it checks the loads and gives the unit of time.
    points : array_like, shape (K,)
        Loads, in jobs per unit of time; along another axis they are not checked.
    sweeps : mapping of str to Sweep
        Questions by name; the name is ``""`` where there is only one.
    variables : callable, optional
        Function of the points and of the answers of each question (mapping of str to
        `sojourn.models.core.table.Table`) that returns the variables of the dataset. By default
        those of `sojourn.models.core.variables.answers` for each question, and the price of anarchy
        if there are the questions ``optimum`` and ``equilibrium``.
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
    coords : mapping
        Further coordinates of the dataset, as tuples of dimensions and values.
    attrs : mapping, or function without arguments that returns one
        Further attributes of the dataset.
    prepare : callable, optional
        Function of the plans of several systems that is called before these are solved together.
        It computes at once what each plan would compute for itself.
    closing : callable, optional
        Function of all solved points and of the variables by name, called at the end. It may issue
        warnings, and returns further attributes.
    dataset_type : type, optional
        Class of the dataset, such as `sojourn.models.frontend.curve_dataset.Curve`; by default
        `xarray.Dataset`.
    screened : tuple, optional
        Result of ``system.screen_loads(points)``, where it is known.
    stored : StoredAnswers or None
        The stored answers that the questions take, see `sojourn.models.core.stored`.
    """

    system: System
    points: npt.ArrayLike
    sweeps: Mapping[str, Sweep]
    variables: Callable[[Array, Rows], Mapping[str, Variable]] | None = None
    _: KW_ONLY
    over: str = "load"
    long_name: str = "total load"
    capacity: float | None = None
    columns: Sequence[Array] = ()
    check_point: Callable[..., object] | None = None
    refine: bool | float = False
    breakpoints: Callable[[], npt.ArrayLike] = tuple
    drawn: Sequence[str] = DRAWN
    most: int = MAX_POINTS
    coords: Mapping[str, Any] = field(default_factory=dict)
    attrs: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)
    prepare: Callable[[Sequence[CurvePlan]], object] | None = None
    closing: Callable[[Array, Mapping[str, Variable]], Mapping[str, Any]] | None = None
    dataset_type: type[xr.Dataset] | None = None
    screened: tuple[Array, Mapping[int, LoadError]] | None = None
    stored: StoredAnswers | None = field(default_factory=stored_answers)

    @property
    def is_over_loads(self) -> bool:
        """Whether the points are loads, which the system checks."""
        return self.over == "load"

    def check(self, points: npt.ArrayLike | None = None) -> CheckedPoints:
        """Return the points of the plan, or others, with the errors of those without an answer.

        Raises
        ------
        LoadError
            Where a load is negative or not finite, or no point of the plan has an answer.
        """
        given = self.points if points is None else points
        found: Mapping[int, LoadError] = {}
        if not self.is_over_loads:
            array = np.asarray(given, dtype=float)
        elif points is None and self.screened is not None:
            array, found = self.screened
        else:
            array, found = self.system.screen_loads(given)
        idle = {i: error for i, error in found.items() if array[i] == 0}
        errors = {i: error for i, error in found.items() if i not in idle}
        if self.check_point is not None:
            for i in sorted({*range(array.size)} - errors.keys()):
                try:
                    self.check_point(float(array[i]), *(column[i] for column in self.columns))
                except LoadError as error:
                    errors[i] = error
        if points is None and len(errors) == array.size:
            raise at_place(errors)
        return CheckedPoints(array, errors, idle, tuple(self.columns))

    def solved(self, checked: CheckedPoints, rows: Rows) -> Solved:
        """Return the solved curve.

        Parameters
        ----------
        checked : CheckedPoints
            Its points.
        rows : mapping of str to Table
            The answers of each question at the points at which it was asked.
        """
        points, carried, errors = checked.values, checked.carried, dict(checked.errors)
        if errors:
            rows = {name: table.spread(carried) for name, table in rows.items()}
        for i in checked.idle.keys() - errors.keys():
            if not all(np.isfinite(table.mean_delay[i]).all() for table in rows.values()):
                errors[i] = checked.idle[i]
        time_unit, largest = self.system.time_unit, self.system.max_load
        if self.variables is None:
            found: Mapping[str, Variable] = default_variables(time_unit, rows)
        else:
            found = self.variables(points, rows)
        dims, labels = (self.over,), {"long_name": self.long_name}
        axis: dict[str, Any] = {self.over: (dims, points, labels)}
        if self.is_over_loads:
            labels["units"] = f"1/{time_unit}"
            utilisation = points / (self.capacity or largest)
            texts = np.array([str(errors.get(i, "")) for i in range(points.size)], dtype=np.str_)
            axis["utilisation"] = (dims, utilisation, {"long_name": "load over capacity"})
            axis["reason"] = (dims, texts, {"long_name": "why there is no answer"})
        basics = {"time_unit": time_unit, "max_load": largest}
        more = self.attrs() if callable(self.attrs) else self.attrs
        return Solved(found, {**axis, **self.coords}, {**basics, **more})

    def close(self, variables: Mapping[str, Variable], coords: Mapping[str, Any]) -> dict[str, Any]:
        """Issue one warning on missing answers, and return the attributes from `closing`."""
        reasons = coords["reason"][1] if "reason" in coords else None
        _warn_of_missing(variables, self.over, reasons)
        more = {} if self.closing is None else self.closing(coords[self.over][1], variables)
        return dict(more)

    def solve(self) -> xr.Dataset:
        """Solve the plan and return its dataset; see `curve`."""
        import xarray as xr  # the import takes time

        checked = self.check()
        make = self.dataset_type or xr.Dataset

        def solve(points: Array) -> xr.Dataset:
            """Solve the points block by block."""
            known = checked if points is checked.values else self.check(points)
            known, rows, stopped = self.solve_blocks(known)
            solved = self.solved(known, rows)
            data = make(solved.variables, solved.coords, solved.attrs)
            if stopped:
                raise CurveInterruptedError(data)
            return data

        data = refined(
            solve, checked.values, self.refine, self.breakpoints, self._lines, self.over, self.most
        )
        variables, coords = (
            {str(name): (list(map(str, v.dims)), v.values, v.attrs) for name, v in of.items()}
            for of in (data.data_vars, data.coords)
        )
        try:
            return data.assign_attrs(self.close(variables, coords))
        except KeyboardInterrupt:
            raise CurveInterruptedError(data) from None

    def solve_blocks(self, checked: CheckedPoints) -> tuple[CheckedPoints, Rows, bool]:
        """Return the points that are solved, their answers, and whether Ctrl-C stopped the work."""
        width, asked = min(s.block for s in self.sweeps.values()), checked.asked
        starts = range(0, asked[0].size, width)
        blocks = [tuple(column[i : i + width] for column in asked) for i in starts]
        done: list[Rows] = []
        stopped = False
        try:
            for block in track(blocks, f"{self.over}s", weigh=lambda block: len(block[0])):
                done.append({name: sweep.solve(*block) for name, sweep in self.sweeps.items()})
        except KeyboardInterrupt:
            stopped = True
        if stopped:
            checked = checked.before(len(done) * width)
        if not done:
            none = tuple(column[:0] for column in asked)
            done = [{name: sweep.solve(*none) for name, sweep in self.sweeps.items()}]
        rows = {name: type(t).joined([b[name] for b in done]) for name, t in done[0].items()}
        return checked, rows, stopped

    def _lines(self, data: xr.Dataset) -> list[Drawn]:
        """Return the lines of a picture of the curve."""
        roles_and_values = [
            (data[name].attrs["role"], values)
            for name, _, values in columns_of(data, self.drawn, self.over)
        ]
        return [
            on_log_axis(values)
            if role in ("delay", "beside")
            else on_axis(values, 1.0 if role == "part" else None)
            for role, values in roles_and_values
        ]


def curve(
    system: System,
    points: npt.ArrayLike,
    sweeps: Mapping[str, Sweep],
    variables: Callable[[Array, Rows], Mapping[str, Variable]] | None = None,
    **more: Any,
) -> xr.Dataset:
    """Solve questions at many loads, or along another axis.

    Parameters
    ----------
    system, points, sweeps, variables, **more
        The attributes of a `CurvePlan`.

    Returns
    -------
    xarray.Dataset
        Variables over the dimension of the points, with the attributes ``time_unit`` and
        ``max_load``. Over loads there are the coordinates ``utilisation`` and ``reason``: the error
        of a load that the system cannot carry, else "". Such a load has NaN, an infinite gap, and
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
    return CurvePlan(system, points, sweeps, variables, **more).solve()


def _warn_of_missing(
    variables: Mapping[str, Variable], over: str, reasons: npt.NDArray[np.str_] | None
) -> None:
    """Issue one warning that counts the points without an answer or without a certificate."""
    names = {
        role: [name for name, (*_, attrs) in variables.items() if attrs.get("role") == role]
        for role in ("certified", "gap")
    }
    flags = [(variables[name][0], np.asarray(variables[name][1])) for name in names["certified"]]
    texts = []
    if reasons is not None and (missing := (reasons != "").sum()):
        texts.append(f"{missing} of {reasons.size} loads cannot be carried (see reason)")
        flags = [
            (dims, np.compress(reasons == "", values, axis=list(dims).index(over)))
            for dims, values in flags
        ]
    missed = sum(int((~values).sum()) for _, values in flags)
    if missed:
        total = sum(values.size for _, values in flags)
        listed = ", ".join([*names["certified"], *names["gap"]])
        texts.append(f"{missed} of {total} answers are not certified; see {listed}")
    if texts:
        warn("; ".join(texts))
