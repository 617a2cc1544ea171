"""Records of systems: the curve of each, or its error."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ....reference.errors import Array, LoadError
from ...core.curve import CurvePlan
from ...core.refinement import check_refine
from ...core.stored import StoredAnswers, use_stored_answers
from ...core.system import System
from ...core.together import Cells, PlainCurve, solve_together
from ...core.warn import Outcome, attempt
from .rows import Rows, Variables, text_as_str

LONGEST = 500
"""Characters of an error or a warning that are kept: a text column is as wide as its longest."""


class AskedSystem(NamedTuple):
    """A system of a study and its loads.

    Attributes
    ----------
    place : int
        Its place in the chunk.
    system : System
    loads : ndarray, shape (K,)
        Jobs per unit of time; fractions of the largest load in a study of relative loads.
    stored : StoredAnswers or None
        The stored answers that its questions are to take.
    """

    place: int
    system: System
    loads: Array
    stored: StoredAnswers | None = None


@dataclass(frozen=True, eq=False)
class SystemRecord:
    """Curve of one system, or its error.

    Attributes
    ----------
    data, coords : dict
        Variables and coordinates; the dimension of the loads is ``point``.
    attrs : mapping of str to str
    exception : Exception or None
        The exception that the curve raised.
    error : str
        Its type and message; "" without one.
    warning : str
        Messages of the warnings of the curve, separated by "; ".
    """

    data: Cells
    coords: Cells
    attrs: Mapping[str, str]
    exception: Exception | None
    error: str
    warning: str

    @classmethod
    def of(cls, loads: Array, curve: Outcome) -> SystemRecord:
        """Return the record of a curve, or of its exception, at the given loads."""
        variables, coords, attrs = curve.result or ({}, {}, {})
        # numeric attributes become variables, because each system has its own values
        data = _over_points(variables) | {
            key: (_attribute_dims(key, value), np.array(value, dtype=np.float64), {})
            for key, value in attrs.items()
            if not isinstance(value, str)
        }
        shapes = {dims for dims, *_ in [*variables.values(), *coords.values()]}
        axes = {dim for dims in shapes for dim in dims} - {"load"}
        named = {
            f"{key}_name" if key in axes else key: cell
            for key, cell in _over_points(coords).items()
        }
        error = curve.error
        return cls(
            data,
            {"load": (("point",), loads, {}), **named},
            {key: value for key, value in attrs.items() if isinstance(value, str)},
            error,
            "" if error is None else _storable(f"{type(error).__name__}: {error}"),
            _storable("; ".join(dict.fromkeys(curve.messages))),
        )

    def rows(self, name: str) -> Rows:
        """Return the record as the rows of one system with a name."""
        variables: Variables = {
            key: (_of_systems(dims), text_as_str(values)[None], attrs)
            for key, (dims, values, attrs) in (self.data | self.coords).items()
        }
        for key, text in (("system", name), ("error", self.error), ("warning", self.warning)):
            variables[key] = (("system",), np.array([text]), {})
        return Rows(1, variables, {"system", *self.coords}, self.attrs)


def solve_records(
    asked: Iterable[AskedSystem], options: Mapping[str, Any], *, relative: bool
) -> Iterator[tuple[AskedSystem, SystemRecord]]:
    """Solve the curves of systems, and yield the record of each when it is solved.

    Systems that have a plan of their curve are solved together where they have one shape. The
    other ones are solved in order, each when it is taken from `asked`.

    Parameters
    ----------
    asked : iterable of AskedSystem
    options : mapping
        Options of the ``curve`` method of the systems.
    relative : bool
        Whether loads are fractions of each system's largest load.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C. The records of the systems that were solved were yielded before.
    """
    planned: list[tuple[AskedSystem, Array, list[str]]] = []
    plans: list[CurvePlan] = []
    for item in asked:
        loads, began = item.loads, Outcome(None, None, [])
        if relative:
            absolute = attempt(_absolute, item.system, item.loads)
            loads = np.full(item.loads.size, np.nan) if absolute.result is None else absolute.result
            began = Outcome(None, absolute.error, absolute.messages)
        if began.error is None:
            found, error, messages = attempt(_plan_or_curve, item, loads, options)
            began = Outcome(found, error, began.messages + messages)
        if isinstance(began.result, CurvePlan):
            planned.append((item, loads, began.messages))
            plans.append(began.result)
        else:
            yield item, SystemRecord.of(loads, began)
    for place, (found, error, messages) in solve_together(plans):
        item, loads, before = planned[place]
        yield item, SystemRecord.of(loads, Outcome(found, error, before + messages))


def has_plan(system: System) -> bool:
    """Return whether the curve of a system has a plan; see `sojourn.models.core.system.planned`."""
    return hasattr(getattr(system, "curve", None), "plan")


def _plan_or_curve(
    item: AskedSystem, loads: Array, options: Mapping[str, Any]
) -> CurvePlan | PlainCurve:
    """Return the plan of a system's curve, or its solved curve where there is none."""
    # a copy keeps no results of earlier questions, on which an answer must not depend
    system = copy.copy(item.system)
    with use_stored_answers(item.stored):
        if not has_plan(system):
            return _solved(system.curve(loads, **options))
        plan: CurvePlan = system.curve.plan(system, loads, **options)  # type: ignore[attr-defined]
        return plan if check_refine(plan.refine) is None else _solved(plan.solve())


def _solved(curve: xr.Dataset) -> PlainCurve:
    """Return a dataset as plain data."""
    variables, coords = (
        {str(key): (tuple(map(str, v.dims)), v.values, dict(v.attrs)) for key, v in of.items()}
        for of in (curve.data_vars, curve.coords)
    )
    return variables, coords, {str(key): value for key, value in curve.attrs.items()}


def _absolute(system: System, fractions: Array) -> Array:
    if not np.isfinite(system.max_load):
        problem = "are parts of the largest load, which is infinite"
        raise LoadError("loads", fractions.tolist(), problem, "give absolute loads")
    out: Array = fractions * system.max_load
    return out


def _storable(text: str) -> str:
    """Return a text that NetCDF can hold: bounded, valid UTF-8, without null characters."""
    return text[:LONGEST].encode("utf-8", "replace").decode().replace("\0", "?")


def _over_points(cells: Cells) -> Cells:
    return {key: (_renamed(dims), values, attrs) for key, (dims, values, attrs) in cells.items()}


@cache  # the systems of a study have few combinations of dimensions
def _renamed(dims: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("point" if dim == "load" else dim for dim in dims)


@cache
def _of_systems(dims: tuple[str, ...]) -> tuple[str, ...]:
    return ("system", *dims)


def _attribute_dims(key: str, value: Any) -> tuple[str, ...]:
    """Dimension of a numeric attribute: none, the servers for thresholds, else one of its own."""
    if np.ndim(value) == 0:
        return ()
    return ("server",) if key.endswith("_thresholds") else (key.removesuffix("_loads"),)
