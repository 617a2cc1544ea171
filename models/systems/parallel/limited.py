"""The optimum within limits, with the shadow price of every limit."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ...core.question import Points, Returned
from ...core.solution import Provenance
from .certificate import certify_within, rounding
from .formulations import Model
from .limits import Box, Limit, together
from .newton_within import polish_within
from .questions import RESIDUE, Split, Splits
from .solution import ShadowPrice, Solution
from .splits import clip


@dataclass(frozen=True, eq=False)
class LimitedSplits(Splits):
    """Splits within limits, with the multipliers of the budgets, shape (K,), and the polished flows, shape (K, n)."""

    budget_price: Array
    polished: Array

    key: ClassVar[str] = "flow"


@dataclass(frozen=True, eq=False)
class WithinLimits(Split):
    """The optimum within limits, at loads, shape (K,).

    Attributes
    ----------
    limits : tuple of Limit
    """

    limits: tuple[Limit, ...] = field(kw_only=True)

    def pattern(self, form: str, points: Points) -> Hashable:
        """A limit may be another at every load: each has a program of its own."""
        return ...

    def box(self, load: float) -> Box:
        """Return the limits at a load, together."""
        return together(self.limits, self.bank, load)

    def write(self, form: str, points: Points) -> Model:
        """Write the problem with its limits, in the solver's unit."""
        return self._limited(super().write(form, points), float(points[0][0]))

    def _limited(self, model: Model, load: float) -> Model:
        flow, box = model.variable, self.box(load)
        low, high = np.flatnonzero(box.least > 0), np.flatnonzero(box.most < np.minimum(self.bank.rate, load))
        extra: list[cp.Constraint] = []
        if low.size:
            extra.append(flow[low] >= box.least[low] * self.unit)
        if high.size:
            extra.append(flow[high] <= box.most[high] * self.unit)
        spent = box.price @ flow <= box.money * self.unit if box.budgeted else None
        problem = cp.Problem(model.problem.objective, [*model.problem.constraints, *extra, *([] if spent is None else [spent])])
        after = model.next

        def following(solved: Model, gap: float, enough: float) -> Model | None:
            found = None if after is None else after(solved, gap, enough)
            return None if found is None else self._limited(found, load)

        return replace(model, problem=problem, spent=spent, next=None if after is None else following)

    def finish(self, program: Model, returned: Returned, points: Points) -> LimitedSplits:
        """Polish within the limits; certify."""
        flow, out = self._flow(program, returned), self.nothing(len(points[0]))
        # the total delay has no unit: only the budget is in the problem's
        price = np.zeros(len(flow)) if program.spent is None else np.maximum(np.nan_to_num(returned.dual(program.spent)), 0.0) * self.unit
        for k in np.flatnonzero(np.isfinite(flow).all(axis=1)):
            load, box = points[0][k : k + 1], self.box(float(points[0][k]))
            polished, c, z, steps = polish_within(self.bank, float(load[0]), flow[k], box, float(price[k]))
            x = polished if self.polish else flow[k]
            proof = certify_within(self.bank, float(load[0]), x, box, c, z, polished)
            met = self.wanted.met(proof.gap, rounding(self.bank, load, x[None], "optimum", c))
            own = {"flow": x, "multiplier": c, "steps": steps if self.polish else 0, "certified": met, "budget_price": z, "polished": polished}
            for name, column in vars(out).items():
                value = own.get(name, getattr(proof, name, None))
                column[k] = np.nan if value is None else value
        return out

    def nothing(self, count: int) -> LimitedSplits:
        """See `Question.nothing`."""
        return LimitedSplits.nothing(count, flow=(len(self.bank),), polished=(len(self.bank),))

    def solution(self, found: Splits, points: Points, how: Provenance) -> Solution:
        """See `Question.solution`."""
        answer = super().solution(found, points, how)
        few = 0.0 if self.polish else RESIDUE * answer.load
        return replace(answer, active=answer.flow > few, limits=self._shadows(found, answer))

    def _shadows(self, found: Splits, answer: Solution) -> tuple[ShadowPrice, ...]:
        """Shadow price of every limit: a server's is that of the tightest limit on it."""
        at, z, box = found.polished[0], float(found.budget_price[0]), self.box(answer.load)  # type: ignore[attr-defined]
        left = answer.multiplier - z * box.price - self.bank.marginal(clip(self.bank, at))
        above = np.where(at >= box.most, np.maximum(left, 0.0), 0.0)
        below = np.where((at <= box.least) & (box.least > 0), np.maximum(-left, 0.0), 0.0)
        out = []
        for limit, applied in zip(self.limits, box.applied, strict=True):
            if applied.price is not None:
                price = np.array(max(z, 0.0))
            else:
                price = np.where(applied.most <= box.most, above, 0.0) + np.where(applied.least >= box.least, below, 0.0)
                above, below = np.where(applied.most <= box.most, 0.0, above), np.where(applied.least >= box.least, 0.0, below)
            value = limit.value(self.bank, answer.flow, answer.load)
            out.append(ShadowPrice(applied.name, applied.bound, value, price * applied.per_unit / answer.load, applied.of_time))
        return tuple(out)
