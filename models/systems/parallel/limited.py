"""The optimum within limits as a question, with the shadow price of every limit."""

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
from .questions import MAX_PARAMETERS, RESIDUE, Split, Splits
from .solution import Solution

MAX_KNOWN = 4096  # loads whose combined limits are remembered
# part of the least rate that stands for a load of 0: there all latencies are those of empty servers
IDLE_PART = 1e-18


@dataclass(frozen=True, eq=False)
class LimitedSplits(Splits):
    """Certified splits within limits, with what their shadow prices are computed from.

    Attributes
    ----------
    polished : ndarray, shape (K, n)
        Flows after Newton steps, to which the multipliers belong.
    row_prices : ndarray of object, shape (K,)
        Multipliers of the rows of each answer, an array of shape (m,).
    """

    polished: Array
    row_prices: npt.NDArray[np.object_]

    key: ClassVar[str] = "flow"


@dataclass(frozen=True, eq=False)
class WithinLimits(Split):
    """The optimum within limits at loads of shape (K,).

    Attributes
    ----------
    limits : sequence of Limit
        The limits.
    known : dict
        Combined limits by load, remembered between calls.
    """

    limits: Any = field(kw_only=True)
    known: dict[float, CombinedLimits] = field(default_factory=dict)

    def at(self, load: float) -> CombinedLimits:
        """Return the combined limits at a load; for a load of 0 those at a load close to it.

        LoadError where no split meets the limits.
        """
        load = load or self._idle_load
        if load not in self.known:
            if len(self.known) >= MAX_KNOWN:
                self.known.clear()
            self.known[load] = combine_limits(self.limits, self.bank, load)
        return self.known[load]

    @property
    def _idle_load(self) -> float:
        """Load so small that all latencies are those of empty servers."""
        return IDLE_PART * float(self.bank.rate.min(initial=1 / self.unit))

    def _limited(self, load: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the indices of the servers with a lower and with an upper bound of their flow."""
        limits = self.at(load)
        largest = np.minimum(self.bank.rate, load)  # without any limit
        return np.flatnonzero(limits.least > 0), np.flatnonzero(limits.most < largest)

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return the servers with bounds and the matrix: one program serves loads that share them.

        Loads whose programs add tangents, or have very many bounds, have programs of their own.
        """
        pattern = super().pattern(form, points)
        if pattern is ... or not points:
            return pattern
        load = float(points[0][0])
        low, high = self._limited(load)
        if low.size + high.size > MAX_PARAMETERS:
            return ...
        return low.tobytes(), high.tobytes(), self.at(load).matrix.tobytes()

    def write(self, form: str, points: Points) -> Model:
        """Return the program with the limits as constraints."""
        load = float(points[0][0])
        low, high = self._limited(load)
        limits, matrix = self.at(load), self.at(load).matrix
        numbers = {"least": limits.least[low], "most": limits.most[high], "bound": limits.bound}
        few = low.size + high.size <= MAX_PARAMETERS
        named = {k: cp.Parameter(v.size, name=k) for k, v in numbers.items() if few and v.size}
        least, most, bound = (
            named.get(k, v * self.unit if v.size else None) for k, v in numbers.items()
        )

        def with_limits(model: Model) -> Model:
            """Return the model, and those that follow it, with the limits."""
            flow, after = model.variable, model.next
            rows = None if bound is None else matrix @ flow <= bound
            constraints = [
                *model.problem.constraints,
                *([] if rows is None else [rows]),
                *([] if least is None else [flow[low] >= least]),
                *([] if most is None else [flow[high] <= most]),
            ]

            def following(solved: Model, gap: float, enough: float) -> Model | None:
                found = None if after is None else after(solved, gap, enough)
                return None if found is None else with_limits(found)

            return replace(
                model,
                problem=cp.Problem(model.problem.objective, constraints),
                limited=named,
                rows=rows,
                next=None if after is None else following,
            )

        return with_limits(super().write(form, points))

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the loads and the numbers of the limits, in the unit of the program."""
        low, high = self._limited(float(points[0][0]))
        limits = [self.at(load) for load in points[0].tolist()]
        values = {
            "least": [at_load.least[low] for at_load in limits],
            "most": [at_load.most[high] for at_load in limits],
            "bound": [at_load.bound for at_load in limits],
        }
        of_limits = [
            (parameter, np.array(values[name]) * self.unit)
            for name, parameter in program.limited.items()
        ]
        return (*super().parameters(program, points), *of_limits)

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> LimitedSplits:
        """Return certified answers within the limits, polished where that lowers the gap."""
        duals = None
        if program.rows is not None:
            # the total delay has no unit, so a multiplier has the inverse unit of its row
            duals = np.maximum(np.nan_to_num(returned.dual(program.rows)), 0.0) * self.unit
        return self._within(points[0], self._flow(program, returned), duals)

    def idle(self, points: Points) -> LimitedSplits:
        """Return the limit as the load tends to 0: the optimum at a load close to it."""
        loads, inside = np.full(len(points[0]), self._idle_load), self.at(0.0).inside
        found = replace(self, polish=True)._within(loads, np.tile(inside, (len(loads), 1)))
        return replace(found, flow=np.zeros(found.flow.shape))

    def certify_stored(self, points: Points, column: Column) -> LimitedSplits:
        """Return stored flows as they are, certified by multipliers of Newton steps from them."""
        flow = column(f"{self.goal}_flow", len(self.bank))
        return replace(self, polish=False)._within(points[0], flow)

    def _within(self, loads: Array, flow: Array, duals: Array | None = None) -> LimitedSplits:
        """Return certified answers from a solver's flows and multipliers of the rows.

        Parameters
        ----------
        loads : ndarray, shape (K,)
            Total loads.
        flow : ndarray, shape (K, n)
            The solver's flows; rows with NaN have no answer.
        duals : ndarray, shape (K, m), optional
            The solver's multipliers of the rows.
        """
        out = self.empty(len(loads))
        for k in np.flatnonzero(np.isfinite(flow).all(axis=1)).tolist():
            load, limits = float(loads[k]), self.at(float(loads[k]))
            of_solver = np.zeros(limits.bound.size) if duals is None else duals[k]
            polished, c, z, steps = polish_within(self.bank, load, flow[k], limits, of_solver)
            x = polished if self.polish else flow[k]
            proof = certify_within(self.bank, load, x, limits, c, z, polished)
            total = np.array(load)
            price = rounding_price(limits, total, x, c, z)
            met = self.tolerance.met(proof.gap, rounding(self.bank, total, x, "optimum", price))
            values = {
                "flow": x,
                "multiplier": c,
                "steps": steps if self.polish else 0,
                "certified": met,
                "polished": polished,
                "row_prices": z,
            }
            for name, column in vars(out).items():
                value = values.get(name, getattr(proof, name, None))
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
        residue = 0.0 if self.polish else RESIDUE * answer.load
        return replace(answer, active=answer.flow > residue, limits=prices)
