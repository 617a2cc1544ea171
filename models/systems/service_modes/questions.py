"""Questions about a system with service modes: largest load, and partition."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Modes
from ....reference.service_modes.stability import stage_spare_capacity
from ...core.certificate import bounds_of
from ...core.options import SolveOptions
from ...core.question import AnswerRows, Points, Question, SolverOutput
from ...core.solution import Provenance
from ...core.stored import Column
from ...core.tolerance import GapTolerance
from . import capacity, partition
from .operating_point import MaxLoad, OperatingPoint

Names = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of the stages, and of the modes."""


@dataclass(frozen=True, eq=False)
class MaxLoads(AnswerRows):
    """Largest loads.

    Attributes
    ----------
    max_load : ndarray, shape (K,)
    assignment : ndarray, shape (K, M)
        Part of the jobs in each mode at the largest load.
    price : ndarray, shape (K, S)
        Relative gain of the largest load by a relative increase of each stage's capacity.
    """

    max_load: Array
    assignment: Array
    price: Array

    key: ClassVar[str] = "max_load"


@dataclass(frozen=True, eq=False)
class Capacity(Question[capacity.Program, MaxLoads, MaxLoad]):
    """Largest load: one linear program, which does not depend on a load."""

    modes: Modes
    tolerance: GapTolerance

    name, options = "capacity", SolveOptions

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A linear program: see `Question.formulations`."""
        return {"lp": frozenset()}

    def write(self, form: str, points: Points) -> capacity.Program:
        """See `capacity.write`."""
        return capacity.write(*self.modes.time.shape)

    def shape(self, form: str) -> Hashable:
        """Return the numbers of stages and modes."""
        return self.modes.time.shape

    def parameters(
        self, program: capacity.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the service times, in the units of the program."""
        time, worth = capacity.service_times(self.modes)
        return ((program.time, time[None]), (program.worth, worth[None]))

    def finish(self, program: capacity.Program, returned: SolverOutput, points: Points) -> MaxLoads:
        """Bound the largest load by weak duality.

        The assignment gives the lower bound, the stages' prices the upper bound.
        """
        used = np.maximum(returned.value(program.used), 0.0)
        prices = np.abs(returned.dual(program.utilisation))
        out = self.empty(len(used))
        finite = np.isfinite(used).all(axis=1) & np.isfinite(prices).all(axis=1)
        rows = np.flatnonzero(finite & used.any(axis=1) & prices.any(axis=1))
        assignment, price = np.empty((rows.size, used.shape[1])), prices[rows]
        for row, (y, z) in enumerate(zip(used[rows], prices[rows], strict=True)):
            assignment[row], price[row] = capacity.best_of_vertices(self.modes, y, z)
        max_load = capacity.max_load_of(self.modes, assignment)
        upper = capacity.bound(self.modes, price)
        rounding = np.full(rows.size, 8 * partition.EPS)
        low, high, gap = bounds_of(max_load, max_load, upper, rounding)
        out.put(rows, (gap, self.tolerance.met(gap), low, high, max_load, assignment, price))
        return out

    def empty(self, count: int) -> MaxLoads:
        """See `Question.empty`."""
        stages, modes = self.modes.time.shape
        return MaxLoads.empty(count, assignment=(modes,), price=(stages,))

    def solution(self, found: MaxLoads, points: Points, provenance: Provenance) -> MaxLoad:
        """See `Question.solution`."""
        return MaxLoad(
            max_load=float(found.max_load[0]),
            assignment=found.assignment[0],
            price=found.price[0],
            **found.proof,
            **vars(provenance),
        )

    def title(self, points: Points) -> str:
        """See `Question.title`."""
        return "largest load"


@dataclass(frozen=True, eq=False)
class OperatingPoints(AnswerRows):
    """Operating points.

    Attributes
    ----------
    assignment : ndarray, shape (K, M)
    share : ndarray, shape (K, S, M)
    stage_delay : ndarray, shape (K, S)
    mean_delay : ndarray, shape (K,)
    steps : ndarray of int, shape (K,)
        Newton steps.
    """

    assignment: Array
    share: Array
    stage_delay: Array
    mean_delay: Array
    steps: npt.NDArray[np.intp]

    key: ClassVar[str] = "share"


class PointQuestion:
    """Methods that the questions about operating points have in common."""

    modes: Modes
    names: Names
    name: str

    @property
    def size(self) -> int:
        """Number of shares of an operating point."""
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
            fixed_delay=float(found.assignment[0] @ self.modes.delay),
            mean_delay=float(found.mean_delay[0]),
            polished=int(found.steps[0]),
            **found.proof,
            **vars(provenance),
        )


@dataclass(frozen=True, eq=False)
class Partition(PointQuestion, Question[partition.Program, OperatingPoints, OperatingPoint]):
    """Best partition at loads, shape (K,), and stable assignments, shape (K, M).

    Attributes
    ----------
    most : int, optional
        Largest number of modes with jobs in an assignment; the program has no others. By default
        any mode can have jobs.
    """

    modes: Modes
    names: Names
    tolerance: GapTolerance
    polish: bool = True
    most: int | None = None

    name = "partition"

    @property
    def _shape(self) -> tuple[int, int]:
        """Numbers of the stages, and of the modes in the program."""
        stages, modes = self.modes.time.shape
        return stages, modes if self.most is None else min(self.most, modes)

    def _used(self, assignments: Array) -> npt.NDArray[np.intp]:
        """Modes in the program: those with the most jobs, in order; shape (K, 1, number)."""
        most_first = np.argsort(-assignments, axis=1, kind="stable")
        return np.sort(most_first[:, None, : self._shape[1]], axis=-1)

    @property
    def quick(self) -> bool:  # type: ignore[override]
        """Whether Newton steps follow, so that loose tolerances of the solver are enough."""
        return self.polish

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """A second-order cone program: see `Question.formulations`."""
        return {"socp": frozenset({"SOC"})}

    def write(self, form: str, points: Points) -> partition.Program:
        """See `partition.write`."""
        return partition.write(*self._shape)

    def shape(self, form: str) -> Hashable:
        """Return the numbers of stages, and of modes in the program."""
        return self._shape

    def parameters(
        self, program: partition.Program, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the values of ``sqrt_load``, each stage scaled to the same size."""
        values = partition.sqrt_loads(self.modes, *points)
        used = self._used(points[1])
        return ((program.sqrt_load, np.take_along_axis(values, used, axis=2)),)

    def idle(self, points: Points) -> OperatingPoints:
        """Divide each stage in proportion to the square root of each mode's work.

        This is the limit of the best partition as the load tends to 0.
        """
        sqrt_work = np.sqrt(points[1][:, None, :] * self.modes.time)
        return self._refined(points, sqrt_work, polish=self.polish)

    def finish(
        self, program: partition.Program, returned: SolverOutput, points: Points
    ) -> OperatingPoints:
        """See `partition.refine`."""
        spare_share = np.zeros((len(points[0]), *self.modes.time.shape))
        values = returned.value(program.spare_share)
        np.put_along_axis(spare_share, self._used(points[1]), values, axis=2)
        return self._refined(points, spare_share, polish=self.polish)

    def certify_stored(self, points: Points, column: Column) -> OperatingPoints:
        """Certify stored partitions without changing them."""
        loads, assignments = points
        need = loads[:, None, None] * assignments[:, None, :] * self.modes.time
        spare = stage_spare_capacity(self.modes, loads, assignments)[..., None]
        spare_share = (column("share", *self.modes.time.shape) - need) / spare
        return self._refined(points, spare_share, polish=False)

    def _refined(self, points: Points, spare_share: Array, *, polish: bool) -> OperatingPoints:
        out = self.empty(len(points[0]))
        rows = np.flatnonzero(np.isfinite(spare_share).all(axis=(1, 2)))
        loads, assignments = (column[rows] for column in points)
        refined = partition.refine(self.modes, loads, assignments, spare_share[rows], polish=polish)
        spare = stage_spare_capacity(self.modes, loads, assignments)
        met = partition.gap_met(refined.gap, self.tolerance, spare)
        proof = (refined.gap, met, refined.lower_bound, refined.upper_bound)
        delays = (refined.stage_delay, refined.mean_delay)
        out.put(rows, (*proof, assignments, refined.share, *delays, refined.steps))
        return out
