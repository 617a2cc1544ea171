"""From a question about service modes to a certified operating point: the solvers in turn, the candidates for p, the partition for it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Modes, Segment, segment
from ....reference.service_modes.stability import slack
from ...core.certificate import bounds
from ...core.errors import NotCertifiedError
from ...core.native import SESSIONS
from ...core.solution import Attempt, Timing
from ...core.solve import able, first_certified
from ...core.wanted import Wanted
from . import partition, sum_of_squares
from .operating_point import OperatingPoint
from .sweep import AssignmentSweep, PartitionSweep

WITHIN = Wanted.of({})  # of the partition within a joint optimum
AGAIN: Mapping[str, Mapping[str, float]] = {
    "CLARABEL": {"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8},
    "SCS": {"max_iters": 200_000},
}
"""Options for a second try: near a breakaway the program is degenerate, and one solver loses its footing, the other its speed."""


Located = tuple[list[tuple[float, int]], sum_of_squares.Bounded | None, Attempt]


@dataclass(frozen=True, eq=False)
class Search:
    """A system, to be asked for operating points; the programs are written once and serve every load.

    Attributes
    ----------
    rates : Modes
    stages, modes : tuple of str
    programs : dict
        Programs already written, by name.
    """

    rates: Modes
    stages: tuple[str, ...]
    modes: tuple[str, ...]
    programs: dict[str, Any] = field(default_factory=dict)

    def partition(self, load: float, parts: Array, wanted: Wanted, how: Mapping[str, Any]) -> OperatingPoint:
        """Return the certified partition for parts of shape (M,) that are known to be stable."""
        started = time.perf_counter()
        if "socp" not in self.programs:
            self.programs["socp"] = partition.write(self.rates)
        program, options, polish = self.programs["socp"], how.get("solver_options"), how.get("polish", True)
        built = time.perf_counter() - started
        plan = [(s, "socp") for s in able(how.get("solver"), "SOC", "partition")]
        found = first_certified(
            plan,
            lambda s, _: partition.ask(program, self.rates, load, parts, s, options, wanted, polish=polish),
            f"partition at load {load:g}",
            wanted.gap,
            throw=how.get("throw", True),
        )
        return OperatingPoint(
            goal="partition",
            load=load,
            stages=self.stages,
            modes=self.modes,
            assignment=parts,
            share=found.share,
            stage_delay=found.stage_delay,
            mean_delay=found.mean_delay,
            certificate=found.certificate,
            certified=found.certified,
            solver=found.solver,
            formulation="socp",
            status=found.status,
            attempts=found.attempts,
            polished=found.polished,
            timing=replace(found.timing, build=found.timing.build + built),
            problem=found.problem,
        )

    def assignment(self, load: float, wanted: Wanted, how: Mapping[str, Any]) -> OperatingPoint:
        """Return the certified joint optimum of two modes."""
        along = segment(self.rates, load)
        return first_certified(
            self.plan("assignment", how),
            lambda s, form: self._ask(along, load, s, form, wanted, how),
            f"assignment at load {load:g}",
            wanted.gap,
            throw=how.get("throw", True),
        )

    def sweep(self, plan: Sequence[tuple[str, str]], how: Mapping[str, Any], wanted: Wanted) -> AssignmentSweep:
        """Return the question for many loads, to be put to solvers that take new data."""
        inner: dict[str, Any] = {"polish": True}
        solvers = [s for s in able(None, "SOC", "partition") if s in SESSIONS]
        return AssignmentSweep(self.rates, plan, AGAIN, wanted, how, PartitionSweep(self.rates, solvers, WITHIN, inner))

    def plan(self, what: str, how: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return whom to ask for an assignment, and how hard to try, in turn."""
        solvers = able(how.get("solver"), "PSD", what)
        forms = ("sos",) if how.get("solver_options") else ("sos", "sos-again")
        return [(s, form) for s in solvers for form in forms if form == "sos" or s in AGAIN]

    def locate(self, along: Segment, solver: str, form: str, how: Mapping[str, Any]) -> Located:
        """Return the points of the segment, with Newton steps, that a solver's moments lead to, the best one first; what the solver said.

        The gap in the record of the attempt is that of the best point.
        """
        if "sos" not in self.programs:
            self.programs["sos"] = sum_of_squares.write(self.rates.stages)
        options, polish = AGAIN[solver] if form == "sos-again" else how.get("solver_options"), how.get("polish", True)
        bounded, attempt = sum_of_squares.ask(self.programs["sos"], along, solver, options)
        attempt = replace(attempt, formulation=form)
        if bounded is None:
            return [], None, attempt
        u, steps = sum_of_squares.polish(along, bounded.points) if polish else (bounded.points, np.zeros(bounded.points.shape, dtype=int))
        delays = along.delay(u)
        least = float(delays.min())
        if not math.isfinite(least):  # no moments to go by, and both ends are full
            return [], None, attempt
        gap = abs(least / bounded.lower_bound - 1) if bounded.lower_bound > 0 else math.inf
        return [(float(u[i]), int(steps[i])) for i in np.argsort(delays, kind="stable")], bounded, replace(attempt, gap=gap)

    def _ask(
        self, along: Segment, load: float, solver: str, form: str, wanted: Wanted, how: Mapping[str, Any]
    ) -> tuple[OperatingPoint | None, Attempt]:
        started = time.perf_counter()
        points, bounded, attempt = self.locate(along, solver, form, how)
        if bounded is None:
            return None, attempt
        (u, steps), lower = points[0], bounded.lower_bound
        parts = along.assignment(u)
        try:
            point = self.partition(load, parts, WITHIN, {"throw": False})
        except NotCertifiedError as error:
            word = f"p = {parts[0]:.6g} found, delay at least {lower:.6g}, but no partition: {error}"
            return None, replace(attempt, status=word, gap=math.inf)
        left = slack(self.rates, load, parts)
        certificate = bounds(point.mean_delay, lower, point.mean_delay, float(partition.rounding(left)))
        timing = _together(bounded.timing, point.timing)
        found = replace(
            point,
            goal="assignment",
            certificate=certificate,
            certified=bool(partition.meets(certificate.gap, wanted, left)),
            solver=solver,
            formulation=form,
            status=bounded.status,
            polished=steps,
            timing=timing,
            problem=bounded.problem,
        )
        return found, replace(attempt, gap=certificate.gap, seconds=time.perf_counter() - started)


def _together(one: Timing, other: Timing) -> Timing:
    sums = (getattr(one, name) + getattr(other, name) for name in ("build", "compile", "solve", "finish"))
    return Timing(*sums)
