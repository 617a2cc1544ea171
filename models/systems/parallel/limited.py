"""The optimum within limits, with the shadow price of every limit."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ...core.question import Points, SolverOutput
from ...core.solution import Provenance
from ...core.stored import Column
from .certificate import certify_within, rounding, rounding_price
from .combined_limits import CombinedLimits, combine_limits
from .formulations import Model
from .newton import polish_within
from .questions import MANY, RESIDUE, Split, Splits
from .solution import Solution

MOST = 4096  # loads whose limits are kept
FAINT = 1e-18  # part of the slowest rate that stands for a load of 0: there a delay is that of an empty server to the last digit


@dataclass(frozen=True, eq=False)
class LimitedSplits(Splits):
    """Splits within limits, with the polished flows, shape (K, n), and the multipliers of the rows of each, ready for shadow prices."""

    polished: Array
    row_prices: npt.NDArray[np.object_]

    key: ClassVar[str] = "flow"


@dataclass(frozen=True, eq=False)
class WithinLimits(Split):
    """The optimum within limits, at loads, shape (K,).

    Attributes
    ----------
    limits : sequence of Limit
    known : dict
        Limits at loads that were looked at before.
    """

    limits: Any = field(kw_only=True)
    known: dict[float, CombinedLimits] = field(default_factory=dict)

    def at(self, load: float) -> CombinedLimits:
        """Return the limits at a load, as one; at a load of 0 those of one next to it."""
        load = load or self._faint
        if load not in self.known:
            if len(self.known) >= MOST:
                self.known.clear()
            self.known[load] = combine_limits(self.limits, self.bank, load)
        return self.known[load]

    @property
    def _faint(self) -> float:
        return FAINT * float(self.bank.rate.min(initial=1 / self.unit))

    def _limited(self, load: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Servers with a least flow, and those with a largest one below what they could carry in any case."""
        limits = self.at(load)
        return np.flatnonzero(limits.least > 0), np.flatnonzero(
            limits.most < np.minimum(self.bank.rate, load)
        )

    def pattern(self, form: str, points: Points) -> Hashable:
        """One program serves loads at which the same servers and rows are limited; of tangents each has its own."""
        pattern = super().pattern(form, points)
        if pattern is ... or not points:
            return pattern
        load = float(points[0][0])
        low, high = self._limited(load)
        return (
            ...
            if low.size + high.size > MANY
            else (low.tobytes(), high.tobytes(), self.at(load).matrix.tobytes())
        )

    def write(self, form: str, points: Points) -> Model:
        """Write the program with its limits."""
        load = float(points[0][0])
        low, high = self._limited(load)
        limits, matrix = self.at(load), self.at(load).matrix
        own = {"least": limits.least[low], "most": limits.most[high], "bound": limits.bound}
        few = low.size + high.size <= MANY  # else each load has a program of its own, with numbers
        named = {k: cp.Parameter(v.size, name=k) for k, v in own.items() if few and v.size}
        least, most, bound = (
            named.get(k, v * self.unit if v.size else None) for k, v in own.items()
        )

        def limited(model: Model) -> Model:
            flow, after = model.variable, model.next
            rows = None if bound is None else matrix @ flow <= bound
            extra = [
                rows,
                None if least is None else flow[low] >= least,
                None if most is None else flow[high] <= most,
            ]
            problem = cp.Problem(
                model.problem.objective,
                [*model.problem.constraints, *(c for c in extra if c is not None)],
            )

            def following(solved: Model, gap: float, enough: float) -> Model | None:
                found = None if after is None else after(solved, gap, enough)
                return None if found is None else limited(found)

            return replace(
                model,
                problem=problem,
                limited=named,
                rows=rows,
                next=None if after is None else following,
            )

        return limited(super().write(form, points))

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """The load and the limits, in the unit of the problem."""
        low, high = self._limited(float(points[0][0]))
        found = [self.at(load) for load in points[0].tolist()]
        values = {
            "least": [own.least[low] for own in found],
            "most": [own.most[high] for own in found],
            "bound": [own.bound for own in found],
        }
        own = [
            (parameter, np.array(values[name]) * self.unit)
            for name, parameter in program.limited.items()
        ]
        return (*super().parameters(program, points), *own)

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> LimitedSplits:
        """Polish within the limits; certify."""
        # the total delay has no unit: only the rows are in the problem's
        duals = (
            None
            if program.rows is None
            else np.maximum(np.nan_to_num(returned.dual(program.rows)), 0.0) * self.unit
        )
        return self._within(points[0], self._flow(program, returned), duals)

    def idle(self, points: Points) -> LimitedSplits:
        """The best shares of a load next to 0, polished from any that the limits allow."""
        loads, inside = np.full(len(points[0]), self._faint), self.at(0.0).inside
        found = replace(self, polish=True)._within(loads, np.tile(inside, (len(loads), 1)))
        return replace(found, flow=np.zeros(found.flow.shape))

    def certify_stored(self, points: Points, column: Column) -> LimitedSplits:
        """Certify flows as they are, with the prices that Newton steps from there say."""
        return replace(self, polish=False)._within(
            points[0], column(f"{self.goal}_flow", len(self.bank))
        )

    def _within(self, loads: Array, flow: Array, duals: Array | None = None) -> LimitedSplits:
        """The answers that flows, shape (K, n), and multipliers of the rows lead to."""
        out = self.empty(len(loads))
        for k in np.flatnonzero(np.isfinite(flow).all(axis=1)).tolist():
            load, limits = float(loads[k]), self.at(float(loads[k]))
            given = np.zeros(limits.bound.size) if duals is None else duals[k]
            polished, c, z, steps = polish_within(self.bank, load, flow[k], limits, given)
            x = polished if self.polish else flow[k]
            proof = certify_within(self.bank, load, x, limits, c, z, polished)
            at = np.array(load)
            met = self.tolerance.met(
                proof.gap,
                rounding(self.bank, at, x, "optimum", rounding_price(limits, at, x, c, z)),
            )
            own = {
                "flow": x,
                "multiplier": c,
                "steps": steps if self.polish else 0,
                "certified": met,
                "polished": polished,
                "row_prices": z,
            }
            for name, column in vars(out).items():
                value = own.get(name, getattr(proof, name, None))
                column[k] = np.nan if value is None else value
        return out

    def empty(self, count: int) -> LimitedSplits:
        """See `Question.empty`."""
        out = LimitedSplits.empty(count, flow=(len(self.bank),), polished=(len(self.bank),))
        return replace(out, row_prices=np.full(count, None, dtype=object))

    def solution(self, found: Any, points: Points, provenance: Provenance) -> Solution:
        """See `Question.solution`."""
        answer = super().solution(found, points, provenance)
        prices = self.at(answer.load).shadow_prices(
            found.polished[0], answer.flow, answer.multiplier, found.row_prices[0]
        )
        few = 0.0 if self.polish else RESIDUE * answer.load
        return replace(answer, active=answer.flow > few, limits=prices)
