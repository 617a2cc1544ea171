"""The best assignment of jobs to modes, and the candidates from which a breakaway is found."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import (
    Modes,
    Segment,
    assignment_at_light_load,
    best_assignment,
    best_assignments,
    segments,
)
from ....reference.service_modes.stability import stage_spare_capacity
from ...core.certificate import bounds_of
from ...core.question import AnswerRows, Points, Question, SolverOutput
from ...core.solution import Provenance
from ...core.solve import Task
from ...core.stored import Column
from ...core.tolerance import GapTolerance
from . import cell, partition, sum_of_squares
from .operating_point import OperatingPoint
from .pairs import Pairs, scatter, segments_of
from .questions import Names, OperatingPoints, PointQuestion

SEARCH_GAP = (1e-12, 1e-9)
"""Least and largest relative gap of a search of the reference."""
MAX_KNOWN = 4096
"""Loads of which the results of the search are remembered: more than those of one block."""
SEARCH_ERRORS = 64
"""Rounding errors of a delay that the gap of a search can be, close to the largest load."""
SLOW_SIZE = 1000
"""`Question.size` of assignments at three stages or more: a block of a curve has 20 loads."""


@dataclass(frozen=True, eq=False)
class Candidates(AnswerRows):
    """Candidates for the least delay on the stable segment of each load.

    Attributes
    ----------
    u, delay : ndarray, shape (K, P)
        Points of the segment, that of least delay first, NaN after the last; and their delays.
    steps : ndarray of int, shape (K, P)
        Newton steps of each point.
    least : ndarray, shape (K,)
        Delay at the first point; ``lower_bound`` bounds the delay on the whole segment.
    """

    u: Array
    delay: Array
    steps: npt.NDArray[np.intp]
    least: Array

    key: ClassVar[str] = "least"


class _ManyModes:
    """What questions about the best assignment know of a search over all modes."""

    modes: Modes
    tolerance: GapTolerance
    known: dict[float, tuple[Array, float]]

    @property
    def fine(self) -> float:
        """Relative gap that leaves most of the tolerance to the solver."""
        return max(0.1 * self.tolerance.gap, SEARCH_GAP[0])

    @property
    def errors(self) -> float:
        """Rounding errors of a delay that are no lack of accuracy: see `partition.gap_met`."""
        return 4 if self.modes.modes == 2 else SEARCH_ERRORS

    def prepare(self, points: Points) -> None:
        """Search the best assignments of more than two modes at all loads at once."""
        loads = dict.fromkeys(points[0].tolist())
        if self.modes.modes == 2 or loads.keys() <= self.known.keys():
            return
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        new = [load for load in loads if load not in self.known]
        gap = min(self.fine, SEARCH_GAP[1])
        found, _, bounds = best_assignments(self.modes, np.array(new), gap)
        self.known.update(zip(new, zip(found, bounds.tolist(), strict=True), strict=True))

    def searched(self, loads: Array) -> tuple[Array, Array]:
        """Return the reference's best assignments, and lower bounds of the delay of all others.

        Shapes (K, M) and (K,).
        """
        self.prepare((loads,))
        found = [self.known[load] for load in loads.tolist()]
        assignments = np.array([p for p, _ in found]).reshape(-1, self.modes.modes)
        return assignments, np.array([bound for _, bound in found])

    def faces(self, loads: Array, assignments: Array, number: int) -> npt.NDArray[np.intp]:
        """Return the used modes at each load and the best of the others, shape (K, number).

        The slope of the delay in sqrt(p_m) towards an unused mode is 2 sum_s c_s sqrt(a_sm).
        """
        slopes = cell.slopes_at(self.modes, loads, np.sqrt(assignments))
        cost = np.where(assignments > 0, -assignments, slopes @ np.sqrt(self.modes.time))
        return np.sort(np.argsort(cost, axis=1, kind="stable")[:, :number], axis=1)


class _SegmentQuestion(_ManyModes):
    """Methods that the questions answered by the semidefinite program have in common."""

    tolerance: GapTolerance
    polish: bool
    degenerate = True  # near a breakaway one solver stalls, the other needs more iterations

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A semidefinite program of sums of squares: see `Question.formulations`."""
        return {"sos": frozenset({"PSD"})}

    def write(self, form: str, points: Points) -> sum_of_squares.Program:
        """See `sum_of_squares.write`."""
        return sum_of_squares.write(rows_of(self.modes))

    def shape(self, form: str) -> Hashable:
        """Return the number of terms of the delay."""
        return rows_of(self.modes)

    def pairs(self, loads: Array) -> Pairs:
        """Return the two modes to assign jobs to at each load, and the stable interval of them."""
        if self.modes.modes == 2:
            both = np.tile(np.arange(2), (loads.size, 1))
            return Pairs(both, segments(self.modes, loads), np.full(loads.shape, np.inf))
        assignments, bound = self.searched(loads)
        pairs = self.faces(loads, assignments, 2)
        return Pairs(pairs, segments_of(self.modes, pairs, loads), bound)

    def parameters(
        self, program: sum_of_squares.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the Bernstein coefficients of the delay's numerator and denominator."""
        numerator, denominator, _ = sum_of_squares.coefficients(self.pairs(points[0]).lines)
        return ((program.numerator, numerator), (program.denominator, denominator))

    def candidates(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> tuple[Pairs, Candidates]:
        """Return the pairs of all loads, and the candidates on each segment, certified."""
        pairs = self.pairs(points[0])
        rows, lower, moments = self._certified(program, returned, pairs.lines)
        lower, lines = np.minimum(lower, pairs.bound[rows]), pairs.lines.rows(rows)
        u = sum_of_squares.moment_candidates(moments, rows_of(self.modes))
        steps = np.zeros(u.shape, dtype=np.intp)
        if self.polish:
            u, steps = sum_of_squares.polish(lines, u)
        is_point = np.isfinite(u)
        delay = np.where(is_point, lines.delay(np.where(is_point, u, 0.5)), np.inf)
        order = np.argsort(delay, axis=1, kind="stable")
        u, delay, steps = (np.take_along_axis(a, order, axis=1) for a in (u, delay, steps))
        # infinite where no moments are usable and both ends of the segment are full
        least = np.where(np.isfinite(delay[:, 0]), delay[:, 0], np.nan)
        has_gap = (lower > 0) & np.isfinite(least)
        ratio = np.divide(least, lower, out=np.full_like(least, np.inf), where=has_gap)
        gap = np.abs(ratio - 1)
        with np.errstate(divide="ignore"):  # both ends of the segment may be full
            assignments = scatter(lines.assignment(u[:, 0]), pairs.modes[rows], self.modes.modes)
            spare = stage_spare_capacity(self.modes, points[0][rows], assignments)
            met = partition.gap_met(gap, self.tolerance, spare, self.errors)
        out = Candidates.empty(
            len(points[0]), **dict.fromkeys(("u", "delay", "steps"), u.shape[1:])
        )
        out.put(rows, (gap, met & np.isfinite(least), lower, least, u, delay, steps, least))
        return pairs, out

    def _certified(
        self, program: sum_of_squares.Program, returned: SolverOutput, lines: Segment
    ) -> tuple[npt.NDArray[np.intp], Array, Array]:
        """Rows with a finite solution, their certified lower bounds of the delay, and moments."""
        numerator, denominator, scale = sum_of_squares.coefficients(lines)
        variables = (program.bound, program.gram0, program.gram1)
        values = [returned.value(variable) for variable in variables]
        moments = returned.dual(program.identity)
        finite = [np.isfinite(a.reshape(len(a), -1)).all(axis=1) for a in (*values, moments)]
        rows = np.flatnonzero(np.all(finite, axis=0))
        lower = sum_of_squares.certified_bound(
            numerator[rows], denominator[rows], *(value[rows] for value in values)
        )
        return rows, lower * scale[rows], moments[rows]


@dataclass(frozen=True, eq=False)
class Location(_SegmentQuestion, Question[sum_of_squares.Program, Candidates, Candidates]):
    """Candidates for the best assignment at loads, shape (K,), without the partitions.

    The search for the breakaway needs them: their certificate excludes that any other assignment
    is better.
    """

    modes: Modes
    tolerance: GapTolerance
    polish: bool = True
    known: dict[float, tuple[Array, float]] = field(default_factory=dict)

    name = "breakaway"
    remedy = "Ask for a wider gap=, or name another solver="

    def finish(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> Candidates:
        """See `candidates`."""
        return self.candidates(program, returned, points)[1]

    def empty(self, count: int) -> Candidates:
        """See `Question.empty`."""
        points = (rows_of(self.modes) + 3,)
        return Candidates.empty(count, u=points, delay=points, steps=points)

    def solution(self, found: Candidates, points: Points, provenance: Provenance) -> Candidates:
        """Return the candidates themselves."""
        return found

    def title(self, points: Points) -> str:
        """See `Question.title`."""
        return f"assignment at load {points[0][0]:g}, on the way to the breakaway"


class _BestAssignment(_ManyModes, PointQuestion):
    """Methods that the questions about the best assignment have in common."""

    tolerance: GapTolerance
    partition_task: Task[partition.Program, OperatingPoints, OperatingPoint]
    name = "assignment"

    def answers(
        self,
        rows: npt.NDArray[np.intp],
        points: Points,
        assignments: Array,
        lower: Array,
        steps: npt.NDArray[np.intp],
    ) -> OperatingPoints:
        """Return answers at some of the points: assignments with their best partitions.

        Their delays are compared with lower bounds of the delay of all assignments.
        """
        out, loads = self.empty(len(points[0])), points[0][rows]
        partitions = replace(self.partition_task.solve(loads, assignments), steps=steps)
        out.put(rows, self._with_bounds(lower, loads, partitions).values(slice(None)))
        return out

    def idle(self, points: Points) -> OperatingPoints:
        """Assign all jobs to the fastest mode: the limit as the load tends to 0."""
        assignments = np.tile(assignment_at_light_load(self.modes), (len(points[0]), 1))
        partitions = self.partition_task.solve(points[0], assignments)
        return replace(partitions, certified=self.tolerance.met(partitions.gap))

    def certify_stored(self, points: Points, column: Column) -> OperatingPoints:
        """Certify stored assignments and partitions without changing them.

        The lower bound is that of the reference, because the values of the program's variables are
        not stored.
        """
        loads = points[0]
        if self.modes.modes == 2:
            p, lower = column("p"), best_assignment(self.modes, loads)[1]
            assignments = np.stack([p, 1 - p], axis=-1)
        else:
            assignments, lower = column("assignment", self.modes.modes), self.searched(loads)[1]
        stored = self.partition_task.question.certify_stored((loads, assignments), column)
        return self._with_bounds(lower, loads, stored)

    def _with_bounds(self, lower: Array, loads: Array, points: OperatingPoints) -> OperatingPoints:
        """Operating points with the gap to lower bounds over all assignments."""
        spare = stage_spare_capacity(self.modes, loads, points.assignment)
        rounding = partition.rounding_error(spare)
        low, high, gap = bounds_of(points.mean_delay, lower, points.mean_delay, rounding)
        return replace(
            points,
            gap=gap,
            certified=partition.gap_met(gap, self.tolerance, spare, self.errors),
            lower_bound=low,
            upper_bound=high,
        )


@dataclass(frozen=True, eq=False)
class Assignment(
    _SegmentQuestion,
    _BestAssignment,
    Question[sum_of_squares.Program, OperatingPoints, OperatingPoint],
):
    """Best assignment at loads, shape (K,), with its best partition, where it uses two modes.

    These are the two modes that there are, or the two best of more at no more than two stages,
    which the reference finds. It also bounds the delay of all other pairs from below.

    Attributes
    ----------
    partition_task : Task
        Solves the question `Partition` at the best assignment.
    known : dict
        Best assignment and lower bound of the reference at each load, remembered between calls.
    """

    modes: Modes
    names: Names
    tolerance: GapTolerance
    partition_task: Task[partition.Program, OperatingPoints, OperatingPoint]
    polish: bool = True
    known: dict[float, tuple[Array, float]] = field(default_factory=dict)

    def finish(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> OperatingPoints:
        """Return the best candidates with their partitions."""
        pairs, candidates = self.candidates(program, returned, points)
        rows = np.flatnonzero(candidates.available)
        parts = pairs.lines.rows(rows).assignment(candidates.u[rows, 0])
        assignments = scatter(parts, pairs.modes[rows], self.modes.modes)
        lower, steps = candidates.lower_bound[rows], candidates.steps[rows, 0]
        return self.answers(rows, points, assignments, lower, steps)


@dataclass(frozen=True, eq=False)
class CellAssignment(_BestAssignment, Question[cell.Program, OperatingPoints, OperatingPoint]):
    """Best assignment at loads, shape (K,), with its best partition, where it uses more modes.

    The reference finds the modes, and bounds the delay of all assignments from below. The program
    is that of a cell around its best assignment, see `sojourn.models.systems.service_modes.cell`.

    Attributes
    ----------
    partition_task, known
        As of `Assignment`.
    """

    modes: Modes
    names: Names
    tolerance: GapTolerance
    partition_task: Task[partition.Program, OperatingPoints, OperatingPoint]
    polish: bool = True
    known: dict[float, tuple[Array, float]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """See `Question.size`; the search for the cells takes most of the time."""
        return max(self.modes.time.size, SLOW_SIZE)

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A second-order cone program: see `Question.formulations`."""
        return {"cell": frozenset({"SOC"})}

    def write(self, form: str, points: Points) -> cell.Program:
        """See `cell.write`."""
        return cell.write(self.modes.stages, most_used(self.modes))

    def shape(self, form: str) -> Hashable:
        """Return the numbers of stages and vertices."""
        return self.modes.stages, most_used(self.modes)

    def parameters(
        self, program: cell.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the values of the linear functions of the cells at their vertices."""
        values = self.cells(points[0]).parameters()
        return tuple(
            zip((program.numerator, program.denominator, program.fixed), values, strict=True)
        )

    def cells(self, loads: Array) -> cell.Cells:
        """Return the cells that hold the best assignment at each load."""
        assignments, _ = self.searched(loads)
        faces = self.faces(loads, assignments, most_used(self.modes))
        return cell.around(self.modes, loads, np.sqrt(assignments), faces, self.fine)

    def finish(
        self, program: cell.Program, returned: SolverOutput, points: Points
    ) -> OperatingPoints:
        """Polish the solver's assignments, and bound the delay of all by the slopes of both."""
        loads, weight = points[0], np.maximum(returned.value(program.weight), 0.0)
        cells, steps = self.cells(loads), np.zeros(len(loads), dtype=np.intp)
        w = cells.direction(weight)
        rows = np.flatnonzero(np.isfinite(w).all(axis=1) & w.any(axis=1))
        for k in rows if self.polish else ():
            used = np.flatnonzero(cells.vertices[k].any(axis=0))
            w[k, used], steps[k] = cell.polish(self.modes.take(used), float(loads[k]), w[k, used])
        assignments = w[rows] ** 2 / (w[rows] ** 2).sum(axis=1, keepdims=True)
        rows = rows[
            stable := np.all(stage_spare_capacity(self.modes, loads[rows], assignments) > 0, axis=1)
        ]
        slopes = cells.slopes(weight), cell.slopes_at(self.modes, loads, w)
        bound = np.maximum(*(cells.bound(slope)[rows] for slope in slopes))
        lower = np.minimum(bound, self.searched(loads[rows])[1])
        return self.answers(rows, points, assignments[stable], lower, steps[rows])


def rows_of(modes: Modes) -> int:
    """Return the number of terms of the delay: one a stage, and one for fixed delays."""
    return modes.stages + int(modes.delay.any())


def most_used(modes: Modes) -> int:
    """Return the largest number of modes that a best assignment needs, for any number of modes.

    It is the number of terms of the delay, by Theorem 1 of
    `sojourn.reference.service_modes.many_modes`.
    """
    return min(rows_of(modes), modes.modes)


def needs_pairs(modes: Modes) -> bool:
    """Return whether the best assignment is that of two modes, so that `Assignment` finds it."""
    return modes.modes == 2 or (modes.modes > 2 and rows_of(modes) <= 2)
