"""The best assignment of jobs to modes, and the candidates from which a breakaway is found."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
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
from ....reference.service_modes.stability import stage_spare_capacity
from ...core.certificate import bounds_of
from ...core.question import AnswerRows, Points, Question, SolverOutput
from ...core.solution import Provenance
from ...core.solve import Task
from ...core.stored import Column
from ...core.tolerance import GapTolerance
from . import partition, sum_of_squares
from .operating_point import OperatingPoint
from .questions import Names, OperatingPoints, PointQuestion

SERVICE_TIME_TOL = 1e-14  # relative difference of service times that is rounding


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


class _SegmentQuestion:
    """Methods that the questions answered by the semidefinite program have in common."""

    modes: Modes
    tolerance: GapTolerance
    polish: bool
    degenerate = True  # near a breakaway one solver stalls, the other needs more iterations

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A semidefinite program of sums of squares: see `Question.formulations`."""
        return {"sos": frozenset({"PSD"})}

    def write(self, form: str, points: Points) -> sum_of_squares.Program:
        """See `sum_of_squares.write`."""
        return sum_of_squares.write(self.modes.stages)

    def shape(self, form: str) -> Hashable:
        """Return the number of stages."""
        return self.modes.stages

    def parameters(
        self, program: sum_of_squares.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the Bernstein coefficients of the delay's numerator and denominator."""
        numerator, denominator, _ = sum_of_squares.coefficients(segments(self.modes, points[0]))
        return ((program.numerator, numerator), (program.denominator, denominator))

    def candidates(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> tuple[Segment, Candidates]:
        """Return the segments of all loads, and the candidates on each with their certificate."""
        all_lines = segments(self.modes, points[0])
        rows, lower, moments = self._certified(program, returned, all_lines)
        lines = all_lines.rows(rows)
        u = sum_of_squares.moment_candidates(moments, self.modes.stages)
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
            spare = stage_spare_capacity(self.modes, points[0][rows], lines.assignment(u[:, 0]))
            met = partition.gap_met(gap, self.tolerance, spare)
        out = Candidates.empty(
            len(points[0]), **dict.fromkeys(("u", "delay", "steps"), u.shape[1:])
        )
        out.put(rows, (gap, met & np.isfinite(least), lower, least, u, delay, steps, least))
        return all_lines, out

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

    name = "breakaway"
    remedy = "Ask for a wider gap=, or name another solver="

    def finish(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> Candidates:
        """See `candidates`."""
        return self.candidates(program, returned, points)[1]

    def empty(self, count: int) -> Candidates:
        """See `Question.empty`."""
        points = (self.modes.stages + 3,)
        return Candidates.empty(count, u=points, delay=points, steps=points)

    def solution(self, found: Candidates, points: Points, provenance: Provenance) -> Candidates:
        """Return the candidates themselves."""
        return found

    def title(self, points: Points) -> str:
        """See `Question.title`."""
        return f"assignment at load {points[0][0]:g}, on the way to the breakaway"


@dataclass(frozen=True, eq=False)
class Assignment(
    _SegmentQuestion,
    PointQuestion,
    Question[sum_of_squares.Program, OperatingPoints, OperatingPoint],
):
    """Best assignment of two modes at loads, shape (K,), with its best partition.

    Attributes
    ----------
    partition_task : Task
        Solves the question `Partition` at the best assignment.
    """

    modes: Modes
    names: Names
    tolerance: GapTolerance
    partition_task: Task[partition.Program, OperatingPoints, OperatingPoint]
    polish: bool = True

    name = "assignment"

    def finish(
        self, program: sum_of_squares.Program, returned: SolverOutput, points: Points
    ) -> OperatingPoints:
        """Return the best candidates with their partitions.

        Their delays are compared with the lower bounds of the semidefinite program.
        """
        lines, candidates = self.candidates(program, returned, points)
        out, rows = self.empty(len(points[0])), np.flatnonzero(candidates.available)
        loads, assignments = points[0][rows], lines.rows(rows).assignment(candidates.u[rows, 0])
        partitions = self.partition_task.solve(loads, assignments)
        partitions = replace(partitions, steps=candidates.steps[rows, 0])
        bounded = self._with_bounds(candidates.lower_bound[rows], loads, partitions)
        out.put(rows, bounded.values(slice(None)))
        return out

    def idle(self, points: Points) -> OperatingPoints:
        """Assign all jobs to the faster mode: the limit as the load tends to 0.

        Where both modes are equally fast and no stage serves both, the mean delay at a light load
        is least where both modes increase it alike, which is an interior p.
        """
        time, p = self.modes.time, light_load_assignment(self.modes)
        (total1, total2), squares = time.sum(axis=0), (time**2).sum(axis=0)
        equally_fast = abs(total1 - total2) <= SERVICE_TIME_TOL * (total1 + total2)
        if not time.min(axis=1).any() and equally_fast:
            p = squares[1] / squares.sum()
        assignments = np.tile([p, 1 - p], (len(points[0]), 1))
        partitions = self.partition_task.solve(points[0], assignments)
        return replace(partitions, certified=self.tolerance.met(partitions.gap))

    def certify_stored(self, points: Points, column: Column) -> OperatingPoints:
        """Certify stored assignments and partitions without changing them.

        The lower bound is that of the closed form, because the moments of the semidefinite program
        are not stored.
        """
        p = column("p")
        assignments = np.stack([p, 1 - p], axis=-1)
        stored = self.partition_task.question.certify_stored((points[0], assignments), column)
        return self._with_bounds(best_assignment(self.modes, points[0])[1], points[0], stored)

    def _with_bounds(self, lower: Array, loads: Array, points: OperatingPoints) -> OperatingPoints:
        """Operating points with the gap to lower bounds over all assignments."""
        spare = stage_spare_capacity(self.modes, loads, points.assignment)
        rounding = partition.rounding_error(spare)
        low, high, gap = bounds_of(points.mean_delay, lower, points.mean_delay, rounding)
        return replace(
            points,
            gap=gap,
            certified=partition.gap_met(gap, self.tolerance, spare),
            lower_bound=low,
            upper_bound=high,
        )
