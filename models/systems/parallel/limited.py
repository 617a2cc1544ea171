"""The optimum within limits: one solver's answer, polished, certified, with the shadow price of every limit."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ...core.run import run
from ...core.solution import Attempt, Timing
from ...latency.tangents import first_points, with_landing
from .certificate import certify_within, rounding, rounding_price
from .formulations import FORMULATIONS, Model, build
from .limits import CombinedLimits
from .newton import polish_within
from .search import PATIENCE, RESIDUE, TANGENT_GAP, Search
from .solution import Solution
from .splits import clip


@dataclass(frozen=True, eq=False)
class LimitedSearch(Search):
    """A question with limits.

    Attributes
    ----------
    limits : CombinedLimits
    """

    limits: CombinedLimits

    def ask(self, solver: str, formulation: str) -> tuple[Solution | None, Attempt]:
        """Return a solver's answer, if it has one, and the record of the attempt; by rounds of tangents where there is no cone."""
        if FORMULATIONS[formulation].exact(self.bank):
            return self._once(solver, formulation, None)[:2]
        points, enough, stuck = first_points(self.bank, self.load), min(self.wanted.gap, TANGENT_GAP), 0
        best, attempt, landed = self._once(solver, formulation, points)
        while best is not None and landed is not None and best.certificate.gap > enough and stuck < PATIENCE:
            points = with_landing(self.bank, points, landed)
            found, again, landed = self._once(solver, formulation, points)
            better = found is not None and found.certificate.gap < 0.5 * best.certificate.gap
            stuck = 0 if better else stuck + 1
            if found is not None and found.certificate.gap < best.certificate.gap:
                best, attempt = found, again
        return best, attempt

    def _once(self, solver: str, formulation: str, points: Array | None) -> tuple[Solution | None, Attempt, Array | None]:
        """Solve one problem; return also where the solver landed."""
        started = time.perf_counter()
        model, rows = self._write(formulation, points)
        built = time.perf_counter() - started
        ran = run(model.problem, solver, self.options)
        answer = model.flow.value
        if answer is None or not np.all(np.isfinite(answer)):
            return None, Attempt(solver, formulation, ran.status, np.inf, time.perf_counter() - started), None
        finishing = time.perf_counter()
        # the total delay has no unit: only the rows are in the problem's
        given = np.zeros(self.limits.bound.size)
        if rows is not None and rows.dual_value is not None:
            given = np.maximum(np.nan_to_num(rows.dual_value), 0.0) * self.unit
        polished, c, prices, steps = polish_within(self.bank, self.load, answer, self.limits, given)
        flow = polished if self.polish else answer
        certificate = certify_within(self.bank, self.load, flow, self.limits, c, prices, polished)
        worth = rounding_price(self.limits, np.array(self.load), flow, c, prices)
        ended = time.perf_counter()
        solution = Solution(
            goal="optimum",
            load=self.load,
            names=self.names,
            flow=flow,
            share=flow / self.load,
            mean_delay=certificate.mean_delay,
            latency=self.bank.latency(clip(self.bank, flow)),
            active=flow > (0.0 if self.polish else RESIDUE * self.load),
            multiplier=c,
            certificate=certificate,
            certified=bool(self.wanted.met(certificate.gap, rounding(self.bank, np.array(self.load), flow, "optimum", worth))),
            solver=solver,
            formulation=formulation,
            status=ran.status,
            attempts=(),
            polished=steps if self.polish else 0,
            timing=Timing(built, ran.compile, ran.solve, ended - finishing),
            problem=model.problem,
            limits=self.limits.shadow_prices(polished, flow, c, prices),
            caveats=tuple(self.bank.caveats(flow, self.names)),
        )
        return solution, Attempt(solver, formulation, ran.status, certificate.gap, ended - started), answer

    def _write(self, formulation: str, points: Array | None) -> tuple[Model, cp.Constraint | None]:
        """Write the problem with its limits, in the solver's unit."""
        model, limits = build(FORMULATIONS[formulation], self.bank, self.load, self.unit, points=points), self.limits
        flow = self.unit * model.flow
        low, high = np.flatnonzero(limits.least > 0), np.flatnonzero(limits.most < np.minimum(self.bank.rate, self.load))
        extra: list[cp.Constraint] = []
        if low.size:
            extra.append(flow[low] >= limits.least[low] * self.unit)
        if high.size:
            extra.append(flow[high] <= limits.most[high] * self.unit)
        rows = limits.matrix @ flow <= limits.bound * self.unit if limits.bound.size else None
        problem = cp.Problem(model.problem.objective, [*model.problem.constraints, *extra, *([] if rows is None else [rows])])
        return replace(model, problem=problem), rows
