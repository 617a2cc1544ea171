"""From a question about service modes to a certified operating point: the solvers in turn, the candidates for p, the partition for it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sojourn.models.solving.bounds import bounds
from sojourn.models.solving.chain import able, first_certified
from sojourn.models.solving.errors import NotCertifiedError
from sojourn.models.solving.solution import Attempt, Timing
from sojourn.models.systems.dual_mode import partition, sum_of_squares
from sojourn.models.systems.dual_mode.operating_point import OperatingPoint
from sojourn.reference.dual_mode import Modes, Segment, segment
from sojourn.reference.dual_mode.stability import slack
from sojourn.reference.errors import Array

PARTITION_GAP = 1e-9  # of the partition within a joint optimum


@dataclass(frozen=True, eq=False)
class Chosen:
    """The best p that a solver's moments lead to, and the bound that goes with it.

    Attributes
    ----------
    u : float
        Where it is on the stable interval, see `sojourn.reference.dual_mode.Segment`.
    steps : int
        Newton steps that were taken.
    delay, lower_bound : float
    """

    u: float
    steps: int
    delay: float
    lower_bound: float


Located = tuple[list[tuple[float, int]], sum_of_squares.Bounded | None, Attempt]
Choice = tuple[Chosen | None, sum_of_squares.Bounded | None, Attempt]


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

    def partition(self, load: float, parts: Array, wanted: float, how: Mapping[str, Any]) -> OperatingPoint:
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
            wanted,
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

    def assignment(self, load: float, wanted: float, how: Mapping[str, Any]) -> OperatingPoint:
        """Return the certified joint optimum of two modes."""
        along = segment(self.rates, load)
        plan = [(s, "sos") for s in able(how.get("solver"), "PSD", "assignment")]
        options, polish = how.get("solver_options"), how.get("polish", True)
        return first_certified(
            plan,
            lambda s, _: self._ask(along, load, s, options, wanted, polish=polish),
            f"assignment at load {load:g}",
            wanted,
            throw=how.get("throw", True),
        )

    def locate(self, along: Segment, solver: str, options: Any, *, polish: bool) -> Located:
        """Return the points, with Newton steps, that a solver's moments lead to; what the solver said; the record of the attempt."""
        if "sos" not in self.programs:
            self.programs["sos"] = sum_of_squares.write(self.rates.stages)
        bounded, attempt = sum_of_squares.ask(self.programs["sos"], along, solver, options)
        if bounded is None:
            return [], None, attempt
        return [sum_of_squares.polish(along, u) if polish and 0 < u < 1 else (u, 0) for u in bounded.points.tolist()], bounded, attempt

    def choose(self, along: Segment, solver: str, options: Any, *, polish: bool) -> Choice:
        """Return the best of these points."""
        points, bounded, attempt = self.locate(along, solver, options, polish=polish)
        if bounded is None:
            return None, None, attempt
        delays = along.delay([u for u, _ in points])
        best = int(np.argmin(delays))
        gap = float(delays[best]) / bounded.lower_bound - 1 if bounded.lower_bound > 0 else math.inf
        u, steps = points[best]
        return Chosen(u, steps, float(delays[best]), bounded.lower_bound), bounded, replace(attempt, gap=max(gap, 0.0))

    def _ask(
        self, along: Segment, load: float, solver: str, options: Any, wanted: float, *, polish: bool
    ) -> tuple[OperatingPoint | None, Attempt]:
        started = time.perf_counter()
        chosen, bounded, attempt = self.choose(along, solver, options, polish=polish)
        if chosen is None or bounded is None:
            return None, attempt
        parts = along.assignment(chosen.u)
        try:
            point = self.partition(load, parts, PARTITION_GAP, {"throw": False})
        except NotCertifiedError as error:
            word = f"p = {parts[0]:.6g} found, delay at least {chosen.lower_bound:.6g}, but no partition: {error}"
            return None, replace(attempt, status=word, gap=math.inf)
        rounding = partition.rounding(slack(self.rates, load, parts))
        certificate = bounds(point.mean_delay, min(chosen.lower_bound, point.mean_delay), point.mean_delay, rounding)
        timing = _together(bounded.timing, point.timing)
        found = replace(
            point,
            goal="assignment",
            certificate=certificate,
            certified=certificate.gap <= max(wanted, 4 * rounding),
            solver=solver,
            formulation="sos",
            status=bounded.status,
            polished=chosen.steps,
            timing=timing,
            problem=bounded.problem,
        )
        return found, replace(attempt, gap=certificate.gap, seconds=time.perf_counter() - started)


def _together(one: Timing, other: Timing) -> Timing:
    sums = (getattr(one, name) + getattr(other, name) for name in ("build", "compile", "solve", "finish"))
    return Timing(*sums)
