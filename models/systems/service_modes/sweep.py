"""Many loads of one system with service modes: each program compiled once, the rest worked out for all loads together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Modes, Segment, segments
from ....reference.service_modes.stability import slack
from ...core.certificate import bounds_of
from ...core.errors import NotCertifiedError
from ...core.native import SESSIONS
from ...core.parametric import Compiled
from ...core.solvers import OPTIONS, QUICK
from ...core.table import Mask, Table
from ...core.wanted import Wanted
from . import partition, sum_of_squares
from .operating_point import OperatingPoint

Index = npt.NDArray[np.intp]
BLOCK = 512  # loads at once: what an interruption loses


@dataclass(frozen=True, eq=False)
class Points(Table):
    """The best operating points found for K loads; NaN, and an infinite gap, where no solver returned any.

    Attributes
    ----------
    assignment : ndarray, shape (K, M)
    share : ndarray, shape (K, S, M)
    mean_delay, lower_bound, gap : ndarray, shape (K,)
    certified : ndarray of bool, shape (K,)
    """

    assignment: Array
    share: Array
    mean_delay: Array
    lower_bound: Array
    gap: Array
    certified: Mask

    @classmethod
    def nothing(cls, count: int, stages: int, modes: int) -> Points:
        """Return the lack of K points."""
        no, never = np.full(count, np.nan), np.full(count, np.inf)
        shares = np.full((count, stages, modes), np.nan)
        return cls(np.full((count, modes), np.nan), shares, no, no.copy(), never, np.zeros(count, dtype=bool))

    @classmethod
    def of(cls, points: Sequence[OperatingPoint | None], stages: int, modes: int) -> Points:
        """Return operating points as rows."""
        out = cls.nothing(len(points), stages, modes)
        for k, p in enumerate(points):
            if p is not None:
                out.put(k, (p.assignment, p.share, p.mean_delay, p.certificate.lower_bound, p.certificate.gap, p.certified))
        return out


@dataclass(frozen=True, eq=False)
class Candidates:
    """Where the least delay can be, for those of K loads where a solver said something.

    Attributes
    ----------
    rows : ndarray of int, shape (R,)
        Which of the loads.
    u : ndarray, shape (R, P)
        Points of the segment, the best first; NaN after the last.
    delay : ndarray, shape (R, P)
    lower_bound : ndarray, shape (R,)
        Certified: no delay on the segment is below it.
    status : tuple of str
        The solver's word for each of the K loads.
    """

    rows: Index
    u: Array
    delay: Array
    lower_bound: Array
    status: tuple[str, ...]


Ask = Callable[[str, str, Index], Points]


def first_certified(modes: Modes, count: int, plan: Sequence[tuple[str, str]], ask: Ask) -> Points:
    """Ask solvers in turn for the loads that have no certified answer yet; keep the best."""
    best, pending = Points.nothing(count, modes.stages, modes.modes), np.arange(count)
    for solver, form in plan:
        if not pending.size:
            break
        found = ask(solver, form, pending)
        better = found.certified | (found.gap < best.gap[pending])
        best.put(pending[better], found.values(better))
        pending = pending[~best.certified[pending]]
    return best


class OneByOne:
    """Questions to solvers that do not take new data, put one at a time.

    Parameters
    ----------
    ask : callable
        From a load, or a load and an assignment, to the best `OperatingPoint`.
    modes : Modes
    """

    block = 1

    def __init__(self, ask: Callable[..., OperatingPoint], modes: Modes) -> None:
        self._ask, self._modes = ask, modes

    def solve(self, *rows: Array) -> Points:
        """Return the best operating point for each of K loads, shape (K,), or loads and assignments."""
        return Points.of([self._best(row) for row in zip(*rows, strict=True)], self._modes.stages, self._modes.modes)

    def _best(self, row: tuple[Any, ...]) -> OperatingPoint | None:
        try:
            return self._ask(*row)
        except NotCertifiedError:
            return None


class PartitionSweep:
    """Best partitions at many loads, the assignments given.

    Parameters
    ----------
    modes : Modes
    solvers : sequence of str
        Whom to ask, in turn; of `SESSIONS`.
    wanted : Wanted
        What certifies an answer.
    how : mapping
        Options, as of `MultiMode.partition`.
    """

    def __init__(self, modes: Modes, solvers: Sequence[str], wanted: Wanted, how: Mapping[str, Any]) -> None:
        # where Newton's steps finish, a solver's own tolerances come before the library's
        forms = ("socp-quick", "socp") if how.get("polish", True) and not how.get("solver_options") else ("socp",)
        self._modes, self._plan, self.block = modes, [(s, form) for s in solvers for form in forms], BLOCK
        self._wanted, self._how = wanted, how
        self._program = partition.write(modes)
        self._compiled: dict[tuple[str, str], Compiled] = {}

    def solve(self, loads: Array, parts: Array) -> Points:
        """Return the best partition for each of K loads, shape (K,), and stable assignments, shape (K, M)."""
        roots = partition.roots(self._modes, loads, parts)

        def ask(solver: str, form: str, rows: Index) -> Points:
            return self._ask(self._compile(solver, form, roots[rows]), loads[rows], parts[rows], roots[rows])

        return first_certified(self._modes, loads.size, self._plan, ask)

    def _compile(self, solver: str, form: str, roots: Array) -> Compiled:
        if (solver, form) not in self._compiled:
            self._program.root.value = roots[0]
            options = QUICK[solver] if form == "socp-quick" else {**OPTIONS[solver], **(self._how.get("solver_options") or {})}
            self._compiled[solver, form] = Compiled(self._program.problem, solver, options)
        return self._compiled[solver, form]

    def _ask(self, compiled: Compiled, loads: Array, parts: Array, roots: Array) -> Points:
        out = Points.nothing(loads.size, self._modes.stages, self._modes.modes)
        extra = compiled.solve((self._program.root, roots)).value(self._program.extra)
        there: Mask = np.asarray(np.isfinite(extra).all(axis=(1, 2)))
        loads, parts = loads[there], parts[there]
        done = partition.divide(self._modes, loads, parts, extra[there], polish=self._how.get("polish", True))
        met = partition.meets(done.gap, self._wanted, slack(self._modes, loads, parts))
        out.put(there, (parts, done.share, done.mean_delay, done.lower_bound, done.gap, met))
        return out


class AssignmentSweep:
    """Best assignments of two modes, with their partitions, at many loads.

    Parameters
    ----------
    modes : Modes
    plan : sequence of (solver, formulation)
        Whom to ask, in turn, and how; the solvers of `SESSIONS`.
    again : mapping
        Options of the formulation ``"sos-again"``, by solver.
    wanted : Wanted
        What certifies an answer.
    how : mapping
        Options, as of `MultiMode.assignment`.
    partitions : PartitionSweep
    """

    def __init__(
        self,
        modes: Modes,
        plan: Sequence[tuple[str, str]],
        again: Mapping[str, Mapping[str, Any]],
        wanted: Wanted,
        how: Mapping[str, Any],
        partitions: PartitionSweep,
    ) -> None:
        self._modes, self._plan, self._again, self._wanted, self._how = modes, plan, again, wanted, how
        self._partitions, self.block = partitions, BLOCK
        self._program = sum_of_squares.write(modes.stages)
        self._compiled: dict[tuple[str, str], Compiled] = {}

    def solve(self, loads: Array) -> Points:
        """Return the best operating point for each of K loads, shape (K,).

        Raises
        ------
        LoadError
            Before any solver starts, where a load is so close to the largest that no float p is stable.
        """
        along = segments(self._modes, loads)
        programs = sum_of_squares.coefficients(along)

        def ask(solver: str, form: str, rows: Index) -> Points:
            lines = along.rows(rows)
            return self._divide(loads[rows], lines, self._locate(solver, form, lines, *(column[rows] for column in programs)))

        return first_certified(self._modes, loads.size, self._plan, ask)

    def locate(self, along: Segment, solver: str, form: str) -> Candidates:
        """Return where on the segments of K loads a solver's moments see the least delay."""
        return self._locate(solver, form, along, *sum_of_squares.coefficients(along))

    def _compile(self, solver: str, form: str, above: Array, below: Array) -> Compiled:
        if (solver, form) not in self._compiled:
            self._program.above.value, self._program.below.value = above[0], below[0]
            own = self._again[solver] if form == "sos-again" else self._how.get("solver_options")
            self._compiled[solver, form] = Compiled(self._program.problem, solver, {**OPTIONS[solver], **(own or {})})
        return self._compiled[solver, form]

    def _locate(self, solver: str, form: str, along: Segment, above: Array, below: Array, unit: Array) -> Candidates:
        program, compiled = self._program, self._compile(solver, form, above, below)
        answers = compiled.solve((program.above, above), (program.below, below))
        rows = np.flatnonzero(np.isfinite(answers.raw.x).all(axis=1) & np.isfinite(answers.raw.dual).all(axis=1))
        bound, outer, inner = (answers.value(v)[rows] for v in (program.bound, program.outer, program.inner))
        lower = sum_of_squares.certified_bound(above[rows], below[rows], bound, outer, inner) * unit[rows]
        points = sum_of_squares.candidates(answers.raw.dual[rows], self._modes.stages)
        line = along.rows(rows)
        u = sum_of_squares.polish(line, points)[0] if self._how.get("polish", True) else points
        delay = np.where(np.isfinite(u), line.delay(np.where(np.isfinite(u), u, 0.5)), np.inf)
        order = np.argsort(delay, axis=1, kind="stable")
        u, delay = np.take_along_axis(u, order, axis=1), np.take_along_axis(delay, order, axis=1)
        some = np.isfinite(delay[:, 0])  # no moments to go by, and both ends full
        return Candidates(rows[some], u[some], delay[some], lower[some], answers.raw.status)

    def _divide(self, loads: Array, along: Segment, found: Candidates) -> Points:
        """Return the operating points at the best candidates, with the partitions that belong to them."""
        out = Points.nothing(loads.size, self._modes.stages, self._modes.modes)
        at = loads[found.rows]
        parts = along.rows(found.rows).assignment(found.u[:, 0])
        divided, left = self._partitions.solve(at, parts), slack(self._modes, at, parts)
        value = divided.mean_delay
        low, _, gap = bounds_of(value, found.lower_bound, value, partition.rounding(left))
        met = partition.meets(gap, self._wanted, left)
        out.put(found.rows, (divided.assignment, divided.share, value, low, gap, met))
        return out


def compiles(plan: Sequence[tuple[str, str]]) -> bool:
    """Whether every solver of a plan takes new data."""
    return all(solver in SESSIONS for solver, _ in plan)
