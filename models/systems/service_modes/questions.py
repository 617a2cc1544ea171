"""What is asked of a system with service modes: its largest load, the best partition, where the best assignment is, and that assignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import (
    Modes,
    Segment,
    best_assignment,
    light_load_assignment,
    segments,
)
from ....reference.service_modes.stability import slack
from ...core.certificate import bounds_of
from ...core.options import SolveOptions
from ...core.question import AnswerRows, Points, Question, SolverOutput
from ...core.solution import Provenance
from ...core.solve import Task
from ...core.stored import Column
from ...core.tolerance import GapTolerance
from . import capacity, partition, sum_of_squares
from .operating_point import MaxLoad, OperatingPoint

EQUAL = 1e-14  # relative difference of service times that is rounding
Names = tuple[tuple[str, ...], tuple[str, ...]]
"""Those of the stages and of the modes."""


@dataclass(frozen=True, eq=False)
class MaxLoads(AnswerRows):
    """Largest loads, the assignments that carry them, shape (K, M), and the prices of the stages, (K, S)."""

    max_load: Array
    assignment: Array
    price: Array

    key: ClassVar[str] = "max_load"


@dataclass(frozen=True, eq=False)
class Capacity(Question[capacity.Program, MaxLoads, MaxLoad]):
    """The largest load: one linear program, at no load in particular."""

    modes: Modes
    tolerance: GapTolerance

    name, options = "capacity", SolveOptions

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A linear program."""
        return {"lp": frozenset()}

    def write(self, form: str, points: Points) -> capacity.Program:
        """See `capacity.write`."""
        return capacity.write(self.modes)

    def parameters(
        self, program: capacity.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """There are none."""
        return ()

    def finish(self, program: capacity.Program, returned: SolverOutput, points: Points) -> MaxLoads:
        """Bounds from the loads of the modes below, from the prices of the stages above: weak duality."""
        load, price = (
            np.maximum(returned.value(program.load), 0.0),
            np.abs(returned.dual(program.busy)),
        )
        out = self.empty(len(load))
        rows = np.flatnonzero(
            np.isfinite(load).all(axis=1)
            & np.isfinite(price).all(axis=1)
            & load.any(axis=1)
            & price.any(axis=1)
        )
        parts = load[rows] / load[rows].sum(axis=1, keepdims=True)
        weight = price[rows] / price[rows].sum(axis=1, keepdims=True)
        carried, upper = (
            capacity.carried(self.modes, parts),
            1.0 / (weight @ self.modes.time).min(axis=1),
        )
        low, high, gap = bounds_of(carried, carried, upper, np.full(rows.size, 8 * partition.EPS))
        out.put(rows, (gap, self.tolerance.met(gap), low, high, carried, parts, weight))
        return out

    def empty(self, count: int) -> MaxLoads:
        """See `Question.empty`."""
        stages, modes = self.modes.time.shape
        return MaxLoads.empty(count, assignment=(modes,), price=(stages,))

    def solution(self, found: MaxLoads, points: Points, provenance: Provenance) -> MaxLoad:
        """See `Question.solution`."""
        own = {
            "max_load": float(found.max_load[0]),
            "assignment": found.assignment[0],
            "price": found.price[0],
        }
        return MaxLoad(**own, **found.proof, **vars(provenance))

    def title(self, points: Points) -> str:
        """See `Question.title`."""
        return "largest load"


@dataclass(frozen=True, eq=False)
class OperatingPoints(AnswerRows):
    """Operating points: assignments, shape (K, M), shares, (K, S, M), delays of the stages, (K, S), the rest (K,)."""

    assignment: Array
    share: Array
    stage_delay: Array
    mean_delay: Array
    steps: npt.NDArray[np.intp]

    key: ClassVar[str] = "share"


class _OfPoints:
    """What questions about operating points share."""

    modes: Modes
    names: Names
    name: str

    @property
    def size(self) -> int:
        """Numbers of an operating point."""
        return self.modes.time.size

    def empty(self, count: int) -> OperatingPoints:
        """See `Question.empty`."""
        stages, modes = self.modes.time.shape
        return OperatingPoints.empty(
            count, assignment=(modes,), share=(stages, modes), stage_delay=(stages,)
        )

    def solution(
        self, found: OperatingPoints, points: Points, provenance: Provenance
    ) -> OperatingPoint:
        """See `Question.solution`."""
        return OperatingPoint(
            goal=self.name,  # type: ignore[arg-type]
            load=float(points[0][0]),
            stages=self.names[0],
            modes=self.names[1],
            assignment=found.assignment[0],
            share=found.share[0],
            stage_delay=found.stage_delay[0],
            mean_delay=float(found.mean_delay[0]),
            polished=int(found.steps[0]),
            **found.proof,
            **vars(provenance),
        )


@dataclass(frozen=True, eq=False)
class Partition(_OfPoints, Question[partition.Program, OperatingPoints, OperatingPoint]):
    """The best partition at loads, shape (K,), and stable assignments, (K, M)."""

    modes: Modes
    names: Names
    tolerance: GapTolerance
    polish: bool = True

    name = "partition"

    @property
    def quick(self) -> bool:  # type: ignore[override]
        """Newton steps finish each division."""
        return self.polish

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A second-order cone program."""
        return {"socp": frozenset({"SOC"})}

    def write(self, form: str, points: Points) -> partition.Program:
        """See `partition.write`."""
        return partition.write(self.modes)

    def parameters(
        self, program: partition.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Each stage counts alike, whatever its size: a solver then finds a fast stage as accurately as a slow one."""
        return ((program.root, partition.roots(self.modes, *points)),)

    def idle(self, points: Points) -> OperatingPoints:
        """Stages divided in proportion to the root of each mode's work, as at any load: there is nothing else to be left of them."""
        return self._divided(
            points, np.sqrt(points[1][:, None, :] * self.modes.time), polish=self.polish
        )

    def finish(
        self, program: partition.Program, returned: SolverOutput, points: Points
    ) -> OperatingPoints:
        """See `partition.divide`."""
        return self._divided(points, returned.value(program.extra), polish=self.polish)

    def certify_stored(self, points: Points, column: Column) -> OperatingPoints:
        """Certify partitions as they are."""
        loads, parts = points
        need = loads[:, None, None] * parts[:, None, :] * self.modes.time
        left = slack(self.modes, loads, parts)[..., None]
        return self._divided(
            points, (column("share", *self.modes.time.shape) - need) / left, polish=False
        )

    def _divided(self, points: Points, extra: Array, *, polish: bool) -> OperatingPoints:
        out = self.empty(len(points[0]))
        rows = np.flatnonzero(np.isfinite(extra).all(axis=(1, 2)))
        loads, parts = (column[rows] for column in points)
        done = partition.divide(self.modes, loads, parts, extra[rows], polish=polish)
        met = partition.meets(done.gap, self.tolerance, slack(self.modes, loads, parts))
        proof = (done.gap, met, done.lower_bound, done.upper_bound)
        out.put(rows, (*proof, parts, done.share, done.stage_delay, done.mean_delay, done.steps))
        return out


@dataclass(frozen=True, eq=False)
class Candidates(AnswerRows):
    """Where on its segment each load has the least delay, as the moments of the semidefinite program tell.

    Attributes
    ----------
    u, delay : ndarray, shape (K, P)
        Points of the segment, the best first, NaN after the last, and the delays there.
    steps : ndarray of int, shape (K, P)
        Newton steps of each.
    least : ndarray, shape (K,)
        Delay at the first; the bounds are those of the least delay on the segment.
    """

    u: Array
    delay: Array
    steps: npt.NDArray[np.intp]
    least: Array

    key: ClassVar[str] = "least"


class _OnSegment:
    """What the questions that the semidefinite program answers share."""

    modes: Modes
    tolerance: GapTolerance
    polish: bool
    degenerate = True  # near a breakaway one solver stalls, the other needs more iterations

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A semidefinite program: sums of squares."""
        return {"sos": frozenset({"PSD"})}

    def write(self, form: str, points: Points) -> sum_of_squares.Program:
        """See `sum_of_squares.write`."""
        return sum_of_squares.write(self.modes.stages)

    def parameters(
        self, program: sum_of_squares.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Bernstein coefficients of the delay's numerator and denominator."""
        above, below, _ = sum_of_squares.coefficients(segments(self.modes, points[0]))
        return ((program.above, above), (program.below, below))

    def located(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> tuple[Segment, Candidates]:
        """The segments, and where on each the least delay is."""
        along = segments(self.modes, points[0])
        above, below, unit = sum_of_squares.coefficients(along)
        bound, outer, inner = (
            returned.value(v) for v in (program.bound, program.outer, program.inner)
        )
        parts = (bound, outer, inner, moments := returned.dual(program.identity))
        rows = np.flatnonzero(
            np.all([np.isfinite(part.reshape(len(part), -1)).all(axis=1) for part in parts], axis=0)
        )
        lower = (
            sum_of_squares.certified_bound(
                above[rows], below[rows], bound[rows], outer[rows], inner[rows]
            )
            * unit[rows]
        )
        u, line = sum_of_squares.candidates(moments[rows], self.modes.stages), along.rows(rows)
        u, steps = (
            sum_of_squares.polish(line, u) if self.polish else (u, np.zeros(u.shape, dtype=np.intp))
        )
        delay = np.where(np.isfinite(u), line.delay(np.where(np.isfinite(u), u, 0.5)), np.inf)
        order = np.argsort(delay, axis=1, kind="stable")
        u, delay, steps = (
            np.take_along_axis(column, order, axis=1) for column in (u, delay, steps)
        )
        least = np.where(
            np.isfinite(delay[:, 0]), delay[:, 0], np.nan
        )  # no moments to go by, and both ends full
        gap = np.abs(
            np.divide(
                least,
                lower,
                out=np.full_like(least, np.inf),
                where=(lower > 0) & np.isfinite(least),
            )
            - 1
        )
        out = Candidates.empty(
            len(points[0]), **dict.fromkeys(("u", "delay", "steps"), u.shape[1:])
        )
        with np.errstate(divide="ignore"):  # both ends full
            met = partition.meets(
                gap, self.tolerance, slack(self.modes, points[0][rows], line.assignment(u[:, 0]))
            )
        out.put(rows, (gap, met & np.isfinite(least), lower, least, u, delay, steps, least))
        return along, out


@dataclass(frozen=True, eq=False)
class Location(_OnSegment, Question[sum_of_squares.Program, Candidates, Candidates]):
    """Where the best assignments at loads, shape (K,), may be, with the proof that nothing else is better."""

    modes: Modes
    tolerance: GapTolerance
    polish: bool = True

    name = "breakaway"
    remedy = "Ask for a wider gap=, or name another solver="

    def finish(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> Candidates:
        """See `located`."""
        return self.located(program, returned, points)[1]

    def empty(self, count: int) -> Candidates:
        """See `Question.empty`."""
        return Candidates.empty(
            count, **dict.fromkeys(("u", "delay", "steps"), (self.modes.stages + 3,))
        )

    def solution(self, found: Candidates, points: Points, provenance: Provenance) -> Candidates:
        """The candidates themselves."""
        return found

    def title(self, points: Points) -> str:
        """See `Question.title`."""
        return f"assignment at load {points[0][0]:g}, on the way to the breakaway"


@dataclass(frozen=True, eq=False)
class Assignment(
    _OnSegment, _OfPoints, Question[sum_of_squares.Program, OperatingPoints, OperatingPoint]
):
    """The best assignment of two modes at loads, shape (K,), with the partition that belongs to it.

    Attributes
    ----------
    inner : Task
        The partition, which is asked for at the best assignment.
    """

    modes: Modes
    names: Names
    tolerance: GapTolerance
    inner: Task[partition.Program, OperatingPoints, OperatingPoint]
    polish: bool = True

    name = "assignment"

    def finish(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> OperatingPoints:
        """The partitions at the best candidates, held against the bounds of the semidefinite program."""
        along, found = self.located(program, returned, points)
        out, rows = self.empty(len(points[0])), np.flatnonzero(found.available)
        loads, parts = points[0][rows], along.rows(rows).assignment(found.u[rows, 0])
        divided = self.inner.solve(loads, parts)
        out.put(
            rows,
            self._against(
                found.lower_bound[rows], loads, replace(divided, steps=found.steps[rows, 0])
            ).values(slice(None)),
        )
        return out

    def idle(self, points: Points) -> OperatingPoints:
        """All jobs in the faster mode; where it makes no difference and no stage serves both, so that neither mode fills up sooner."""
        time, p = self.modes.time, light_load_assignment(self.modes)
        (one, two), fills = time.sum(axis=0), (time**2).sum(axis=0)
        if not time.min(axis=1).any() and abs(one - two) <= EQUAL * (one + two):
            p = fills[1] / fills.sum()
        found = self.inner.solve(points[0], np.tile([p, 1 - p], (len(points[0]), 1)))
        return replace(found, certified=self.tolerance.met(found.gap))

    def certify_stored(self, points: Points, column: Column) -> OperatingPoints:
        """Certify assignments and partitions as they are, against the closed form: moments of a program are not kept."""
        p = column("p")
        parts = np.stack([p, 1 - p], axis=-1)
        divided = self.inner.question.certify_stored((points[0], parts), column)
        return self._against(best_assignment(self.modes, points[0])[1], points[0], divided)

    def _against(self, least: Array, loads: Array, divided: OperatingPoints) -> OperatingPoints:
        """Operating points held against lower bounds of all."""
        left, value = slack(self.modes, loads, divided.assignment), divided.mean_delay
        low, high, gap = bounds_of(value, least, value, partition.rounding(left))
        return replace(
            divided,
            gap=gap,
            certified=partition.meets(gap, self.tolerance, left),
            lower_bound=low,
            upper_bound=high,
        )
