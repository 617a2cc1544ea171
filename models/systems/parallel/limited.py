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
from .certificate import certify_within, rounding
from .formulations import FORMULATIONS, Model, build
from .limits import Box, Limit
from .newton_within import polish_within
from .search import PATIENCE, RESIDUE, TANGENT_GAP, Search
from .solution import ShadowPrice, Solution
from .splits import clip


@dataclass(frozen=True, eq=False)
class LimitedSearch(Search):
    """A question with limits.

    Attributes
    ----------
    limits : tuple of Limit
    box : Box
        The same, together.
    """

    limits: tuple[Limit, ...]
    box: Box

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
        model, spent = self._write(formulation, points)
        built = time.perf_counter() - started
        ran = run(model.problem, solver, self.options)
        answer = model.flow.value
        if answer is None or not np.all(np.isfinite(answer)):
            return None, Attempt(solver, formulation, ran.status, np.inf, time.perf_counter() - started), None
        finishing = time.perf_counter()
        # the total delay has no unit: only the budget is in the problem's
        z = 0.0 if spent is None or spent.dual_value is None else max(float(spent.dual_value), 0.0) * self.unit
        polished, c, price, steps = polish_within(self.bank, self.load, answer, self.box, z)
        flow = polished if self.polish else answer
        certificate = certify_within(self.bank, self.load, flow, self.box, c, price, polished)
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
            certified=bool(self.wanted.met(certificate.gap, rounding(self.bank, np.array(self.load), flow, "optimum", c))),
            solver=solver,
            formulation=formulation,
            status=ran.status,
            attempts=(),
            polished=steps if self.polish else 0,
            timing=Timing(built, ran.compile, ran.solve, ended - finishing),
            problem=model.problem,
            limits=self._shadows(polished, flow, c, price),
            caveats=tuple(self.bank.caveats(flow, self.names)),
        )
        return solution, Attempt(solver, formulation, ran.status, certificate.gap, ended - started), answer

    def _write(self, formulation: str, points: Array | None) -> tuple[Model, cp.Constraint | None]:
        """Write the problem with its limits, in the solver's unit."""
        model, box = build(FORMULATIONS[formulation], self.bank, self.load, self.unit, points=points), self.box
        flow = self.unit * model.flow
        low, high = np.flatnonzero(box.least > 0), np.flatnonzero(box.most < np.minimum(self.bank.rate, self.load))
        extra: list[cp.Constraint] = []
        if low.size:
            extra.append(flow[low] >= box.least[low] * self.unit)
        if high.size:
            extra.append(flow[high] <= box.most[high] * self.unit)
        spent = box.price @ flow <= box.money * self.unit if box.budgeted else None
        problem = cp.Problem(model.problem.objective, [*model.problem.constraints, *extra, *([] if spent is None else [spent])])
        return replace(model, problem=problem), spent

    def _shadows(self, at: Array, flow: Array, c: float, z: float) -> tuple[ShadowPrice, ...]:
        """Shadow price of every limit: a server's is that of the tightest limit on it."""
        marginal = self.bank.marginal(clip(self.bank, at))
        left = c - z * self.box.price - marginal
        above = np.where(at >= self.box.most, np.maximum(left, 0.0), 0.0)
        below = np.where((at <= self.box.least) & (self.box.least > 0), np.maximum(-left, 0.0), 0.0)
        out = []
        for limit, applied in zip(self.limits, self.box.applied, strict=True):
            if applied.price is not None:
                price = np.array(max(z, 0.0))
            else:
                price = np.where(applied.most <= self.box.most, above, 0.0) + np.where(applied.least >= self.box.least, below, 0.0)
                above, below = np.where(applied.most <= self.box.most, 0.0, above), np.where(applied.least >= self.box.least, 0.0, below)
            value = limit.value(self.bank, flow, self.load)
            out.append(ShadowPrice(applied.name, applied.bound, value, price * applied.per_unit / self.load, applied.of_time))
        return tuple(out)
