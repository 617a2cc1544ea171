"""One solver's answer to one question about parallel servers, polished and certified."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....reference.errors import Array
from ...core.run import run
from ...core.solution import Attempt, Timing
from ...core.wanted import Wanted
from ...latency.base import Latency
from ...latency.tangents import first_points, with_landing
from .certificate import rounding
from .finish import Finished, finish
from .formulations import FORMULATIONS, Model, build
from .minmax import Bisection
from .prices import Goal, multiplier
from .solution import Solution
from .splits import clip

TANGENT_GAP = 1e-6  # gap at which tangents are enough, whatever wider one is asked for
PATIENCE = 6  # rounds of tangents without half the gap after which a solver's own error is all that is left
RESIDUE = 1e-7  # part of the load up to which a flow in a solver's own answer counts as none


@dataclass(frozen=True, eq=False)
class Found:
    """What a solver returned: its flow, if any, its word for it, the problem and the time."""

    flow: Array | None
    status: str
    model: Model
    timing: Timing


@dataclass(frozen=True, eq=False)
class Search:
    """A question, to be put to solvers.

    Attributes
    ----------
    bank : Latency
    names : tuple of str
    goal : {"optimum", "equilibrium"}
    load : float
    unit : float
        Unit of time that the solvers work in.
    options : mapping or None
        The user's solver options.
    polish : bool
    wanted : Wanted
        What certifies an answer.
    models : dict
        Problems already written, by formulation; a sweep over loads writes each once.
    """

    bank: Latency
    names: tuple[str, ...]
    goal: Goal
    load: float
    unit: float
    options: Mapping[str, Any] | None
    polish: bool
    wanted: Wanted
    models: dict[str, Model]

    def ask(self, solver: str, formulation: str) -> tuple[Solution | None, Attempt]:
        """Return a solver's answer, if it has one, and the record of the attempt."""
        started = time.perf_counter()
        found = self._prefixes(solver) if formulation == "minmax" else self._one(solver, formulation)
        if found.flow is None or not np.all(np.isfinite(found.flow)):
            return None, Attempt(solver, formulation, found.status, np.inf, time.perf_counter() - started)
        finishing = time.perf_counter()
        finished = self._finish(found.flow)
        flow, steps, certificate = finished.flow[0], int(finished.steps[0]), finished.certificates.row(0)
        at = np.array(self.load)
        ended = time.perf_counter()
        timing = replace(found.timing, finish=found.timing.finish + ended - finishing)
        solution = Solution(
            goal=self.goal,
            load=self.load,
            names=self.names,
            flow=flow,
            share=flow / self.load,
            mean_delay=certificate.mean_delay,
            latency=self.bank.latency(clip(self.bank, flow)),
            active=flow > (0.0 if steps else RESIDUE * self.load),
            multiplier=float(multiplier(self.bank, at, flow, self.goal)),
            certificate=certificate,
            certified=bool(self.wanted.met(certificate.gap, rounding(self.bank, at, flow, self.goal))),
            solver=solver,
            formulation=formulation,
            status=found.status,
            attempts=(),
            polished=steps,
            timing=timing,
            problem=found.model.problem,
            caveats=tuple(self.bank.caveats(flow, self.names)),
        )
        return solution, Attempt(solver, formulation, found.status, certificate.gap, ended - started)

    def _finish(self, flow: Array) -> Finished:
        """Polish where it is asked for and gains; certify."""
        return finish(self.bank, np.array([self.load]), flow[None], self.goal, polish=self.polish)

    def _one(self, solver: str, formulation: str) -> Found:
        """Solve one problem, written now or before; by rounds of tangents where it cannot be written."""
        if not FORMULATIONS[formulation].exact(self.bank):
            return self._by_tangents(solver, formulation)
        started = time.perf_counter()
        if formulation not in self.models:
            self.models[formulation] = build(FORMULATIONS[formulation], self.bank, self.load, self.unit)
        model = self.models[formulation]
        model.set_load(self.load)
        built = time.perf_counter() - started
        ran = run(model.problem, solver, self.options)
        return Found(model.flow.value, ran.status, model, Timing(built, ran.compile, ran.solve))

    def _by_tangents(self, solver: str, formulation: str) -> Found:
        """Solve with tangents in the place of what has no cone, adding some where the answer lands until it is near enough, or no nearer."""
        points, enough = first_points(self.bank, self.load), min(self.wanted.gap, TANGENT_GAP)
        best, least, stuck, spent = None, math.inf, 0, Timing(0.0, 0.0, 0.0)
        while stuck < PATIENCE:
            started = time.perf_counter()
            model = build(FORMULATIONS[formulation], self.bank, self.load, self.unit, points=points)
            built = time.perf_counter() - started
            ran = run(model.problem, solver, self.options)
            spent = Timing(spent.build + built, spent.compile + ran.compile, spent.solve + ran.solve, spent.finish)
            flow = model.flow.value
            if flow is None or not np.all(np.isfinite(flow)):
                break
            finishing = time.perf_counter()
            gap, stuck = float(self._finish(flow).certificates.gap[0]), stuck + 1
            spent = replace(spent, finish=spent.finish + time.perf_counter() - finishing)
            if best is None or gap < least:
                stuck = 0 if best is None or gap < 0.5 * least else stuck
                best, least = Found(flow, ran.status, model, spent), gap
            if gap <= enough:
                break
            points = with_landing(self.bank, points, flow)
        return Found(None, ran.status, model, spent) if best is None else replace(best, timing=spent)

    def _prefixes(self, solver: str) -> Found:
        """Solve the min-max over prefixes of the servers, by bisection over their number."""
        search, built, compiled, solved = Bisection(self.bank, self.load), 0.0, 0.0, 0.0
        for count in search:
            started = time.perf_counter()
            members = np.sort(search.order[:count])
            model = build(FORMULATIONS["minmax"], self.bank.take(members), self.load, self.unit, members)
            built += time.perf_counter() - started
            ran = run(model.problem, solver, self.options)
            compiled, solved = compiled + ran.compile, solved + ran.solve
            if model.flow.value is None or model.problem.value is None:
                return Found(None, ran.status, model, Timing(built, compiled, solved))
            search.tell(count, float(model.problem.value) * self.unit)
        flow = np.zeros(len(self.bank))
        flow[model.members] = model.flow.value
        return Found(flow, ran.status, model, Timing(built, compiled, solved))
