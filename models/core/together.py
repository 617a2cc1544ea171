"""Curves of many systems: the points of systems of one shape are solved together.

A point is then a system and a load, and one call of the core solves a block of points. Failures and
warnings stay those of one system: where a call for several systems fails or warns, its systems are
solved one after another.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array
from .curve import CheckedPoints, CurvePlan
from .stored import joined_answers, use_stored_answers
from .variables import Rows
from .warn import Outcome, attempt

Cells = dict[str, tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]]
"""Dimensions, values and attributes by name of variable."""
PlainCurve = tuple[Cells, Cells, Mapping[str, Any]]
"""Variables, coordinates and attributes of a curve."""


def solve_together(plans: Sequence[CurvePlan]) -> Iterator[tuple[int, Outcome]]:
    """Solve plans, those of one shape together, and yield the result of each when it is solved.

    Parameters
    ----------
    plans : sequence of CurvePlan
        Plans, which are not refined. As a `sojourn.models.core.solve.Task`, their sweeps can have

        - the attribute ``shape``, equal for sweeps that can be solved together, and None for one
          that cannot;
        - the static method ``together(sweeps)``, which returns one sweep for all of them, or None.
          Its points have one more column, the last: the index of the sweep, as a float.

    Yields
    ------
    place : int
        Index of the plan.
    solved : Outcome
        Its curve, or its exception, and the messages of its warnings.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C. The plans whose points are all solved were yielded before.
    """
    groups: dict[Hashable, list[_Part]] = {}
    for place, plan in enumerate(plans):
        part, error, messages = attempt(_Part.of, place, plan)
        if part is None:
            yield place, Outcome(None, error, messages)
        else:
            part.messages.extend(messages)
            groups.setdefault(place if part.shape is None else (part.shape,), []).append(part)
    for parts in groups.values():
        solved, unclaimed = 0, list[str]()
        for rows in _joined_rows(parts, unclaimed) if len(parts) > 1 else ():
            yield parts[solved].result(rows)
            solved += 1
        for part in parts[solved:]:
            place, curve = part.result()
            unclaimed = [text for text in unclaimed if text not in curve.messages]
            if part is parts[-1]:  # such as a warning that the process issues once
                curve.messages.extend(unclaimed)
            yield place, curve


@dataclass(frozen=True, eq=False)
class _Part:
    """A plan with its checked points.

    Attributes
    ----------
    place : int
        Index of the plan.
    shape : hashable
        Key that the parts of one call have in common; None for a plan that is solved alone.
    stored_rows : list of int
        Rows of the stored answers, if there are any, at the points at which questions are asked.
    messages : list of str
        Messages of the warnings so far.
    """

    place: int
    plan: CurvePlan
    checked: CheckedPoints
    shape: Hashable
    stored_rows: list[int]
    messages: list[str]

    @classmethod
    def of(cls, place: int, plan: CurvePlan) -> _Part:
        """Check the points of a plan."""
        checked = plan.check()
        shapes = tuple(getattr(sweep, "shape", None) for sweep in plan.sweeps.values())
        columns = tuple(column.shape[1:] for column in checked.columns)
        names = (plan.over, *plan.sweeps)
        shape: Hashable = (names, shapes, columns, plan.prepare, plan.stored is None)
        rows = list[int]()
        try:
            if plan.stored is not None:
                rows = plan.stored.rows(checked.asked[0], 0)
        except LookupError:
            shape = None
        return cls(place, plan, checked, None if None in shapes else shape, rows, [])

    def result(self, rows: Rows | None = None) -> tuple[int, Outcome]:
        """Return the place and the result, with the given answers, or solved alone without them."""
        solved, error, messages = attempt(self._solved, rows)
        return self.place, Outcome(solved, error, self.messages + messages)

    def _solved(self, rows: Rows | None) -> PlainCurve:
        """Return the curve; KeyboardInterrupt where Ctrl-C stopped it."""
        checked, stopped = self.checked, False
        if rows is None:
            checked, rows, stopped = self.plan.solve_blocks(checked)
        elif self.plan.stored is not None:
            self.plan.stored.used = True
        if stopped:
            raise KeyboardInterrupt
        solved = self.plan.solved(checked, rows)
        variables, coords = cells(solved.variables), cells(solved.coords)
        return variables, coords, {**solved.attrs, **self.plan.close(variables, coords)}


def _joined_rows(parts: Sequence[_Part], messages: list[str]) -> Iterator[Rows]:
    """Yield the answers of parts of one shape, in order, up to the first failure or warning.

    The messages of warnings are added to `messages`.
    """
    asked = [part.checked.asked for part in parts]
    counts = [columns[0].size for columns in asked]
    index = np.repeat(np.arange(float(len(parts))), counts)
    points = (*(np.concatenate(columns) for columns in zip(*asked, strict=True)), index)
    sweeps, _, said = attempt(_joined_sweeps, parts)
    messages.extend(said)
    if sweeps is None or messages:
        return
    ends = np.cumsum(counts).tolist()
    done, begin, kept = 0, 0, dict[str, Any]()  # `kept` has the answers from point `begin` on
    for start, stop in _blocks(counts, min(sweep.block for sweep in sweeps.values())):
        found, _, said = attempt(_solved_block, sweeps, [c[start:stop] for c in points])
        messages.extend(said)
        if found is None or messages:
            return
        kept = {n: type(t).joined([kept[n], t]) if kept else t for n, t in found.items()}
        last = begin
        while done < len(parts) and ends[done] <= stop:
            yield {n: t.only(slice(last - begin, ends[done] - begin)) for n, t in kept.items()}
            last, done = ends[done], done + 1
        kept = {n: t.only(slice(last - begin, None)) for n, t in kept.items()}
        begin = last


def _blocks(counts: Sequence[int], width: int) -> Iterator[tuple[int, int]]:
    """Yield the first point and the end of each block of at most `width` points.

    A system is divided where it would be alone: solvers start at another point otherwise.
    """
    begin = stop = 0
    for count in counts:
        for piece in (min(width, count - i) for i in range(0, count, width)):
            if stop + piece > begin + width:
                yield begin, stop
                begin = stop
            stop += piece
    yield begin, stop


def _joined_sweeps(parts: Sequence[_Part]) -> dict[str, Any] | None:
    """Return one sweep for all parts of each question; None where they cannot be joined.

    Where the parts have stored answers, the sweeps take theirs from these.
    """
    plans = [part.plan for part in parts]
    if plans[0].prepare is not None:
        plans[0].prepare(plans)
    answers = [(p.plan.stored, p.stored_rows) for p in parts if p.plan.stored is not None]
    with use_stored_answers(joined_answers(answers) if answers else None):
        sweeps: dict[str, Any] = {
            name: type(sweep).together([plan.sweeps[name] for plan in plans])  # type: ignore[attr-defined]
            for name, sweep in plans[0].sweeps.items()
        }
    return None if None in sweeps.values() else sweeps


def _solved_block(sweeps: Mapping[str, Any], block: Sequence[Array]) -> dict[str, Any]:
    return {name: sweep.solve(*block) for name, sweep in sweeps.items()}


def cells(variables: Mapping[str, Any]) -> Cells:
    """Return variables as xarray takes them as tuples of dimensions, values and attributes."""
    return {name: _cell(*variable) for name, variable in variables.items()}


def _cell(dims: str | Sequence[str], values: Any, attrs: Mapping[str, Any] | None = None) -> Any:
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    return names, np.asarray(values), dict(attrs or {})
