"""The optimum within limits as a question, with the shadow price of every limit."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, LoadError
from ...core.question import Points, SolverOutput
from ...core.solution import Provenance
from ...core.stored import Column
from .certificate import accepted, certify_within, rounding_price
from .combined_limits import CombinedLimits, Found, combine_limits
from .convex_limit import ConvexLimit
from .convex_program import ConvexProgram
from .formulations import Model
from .limits import limits_of
from .linear_limit import Limit
from .newton import polish_within
from .questions import RESIDUE, Split, Splits
from .solution import Solution
from .splits import Limits

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
        Multipliers of the rows of each answer, an array of shape (m,); 0 for those left out.
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
        Combined limits, or the error of a load that they do not allow, remembered between calls.
    """

    limits: Any = field(kw_only=True)
    known: dict[float, Found] = field(default_factory=dict)

    @property
    def given_limits(self) -> Sequence[Limit]:
        """The limits."""
        return limits_of(self.limits)

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """Return the formulations, with the cones of the convex limits."""
        convex = [limit for limit in self.given_limits if isinstance(limit, ConvexLimit)]
        forms, n = super().formulations(chosen), len(self.bank)
        cones = [limit.cone(self.bank, cp.Variable(n), 1.0, 1.0) for limit in convex]
        more = frozenset[str]().union(*(cone.kinds for cone in cones if cone is not None))
        return {name: kinds | more for name, kinds in forms.items()}

    def prepare(self, points: Points) -> None:
        """Combine the limits at all loads in one pass, unless they were combined together."""
        loads = list(dict.fromkeys(load or self._idle_load for load in points[0].tolist()))
        known = [self.known.get(load) for load in loads]
        if None not in known and len({id(one[0]) for one in known if isinstance(one, tuple)}) < 2:
            return
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        found = combine_limits(self.limits, self.bank, np.array(loads, dtype=float))
        self.known.update(zip(loads, found, strict=True))

    def place(self, load: float) -> tuple[CombinedLimits, int]:
        """Return the combined limits of loads that share a program, and the index of a load there.

        For a load of 0 it is that of a load close to it. LoadError where no split meets the limits.
        """
        load = load or self._idle_load
        if load not in self.known:
            self.prepare((np.array([load]),))
        found = self.known[load]
        if isinstance(found, LoadError):
            raise found
        combined, k = found
        return found if combined.shared else (combined.at(np.array([k])), 0)

    def at(self, load: float) -> CombinedLimits:
        """Return the combined limits at one load; see `place`."""
        combined, k = self.place(load)
        return combined.at(np.array([k]))

    def _each(
        self, loads: Array
    ) -> Iterator[tuple[npt.NDArray[np.intp], CombinedLimits, npt.NDArray[np.intp]]]:
        """Yield the places of loads that were combined together, the limits, and indices there."""
        found = [self.place(load) for load in loads.tolist()]
        several = np.array([id(combined) for combined, _ in found])
        index = np.array([k for _, k in found], dtype=np.intp)
        for one in dict.fromkeys(several.tolist()):
            places = np.flatnonzero(several == one)
            yield places, found[places[0]][0], index[places]

    @property
    def _idle_load(self) -> float:
        """Load so small that all latencies are those of empty servers."""
        return IDLE_PART * float(self.bank.rate.min(initial=1 / self.unit))

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return the servers with bounds and the rows: one program serves loads that share them.

        Loads whose programs add tangents, or have very many bounds, have programs of their own.
        """
        pattern = super().pattern(form, points)
        if pattern is ... or not points:
            return pattern
        combined, _ = self.place(float(points[0][0]))
        return combined.pattern if combined.shared else ...

    def write(self, form: str, points: Points) -> Model:
        """Return the program with the limits as constraints."""
        combined, k = self.place(float(points[0][0]))
        low, high, _ = combined.in_program
        matrix, numbers = combined.matrix[combined.kinds_in_program[0]], combined.numbers.items()
        units, convex = combined.row_units(self.unit), combined.convex_in_program(k)
        of_load = {name: column[k] for name, column in numbers if column.shape[1]}
        named = {
            name: cp.Parameter(own.size, name=name)
            for name, own in of_load.items()
            if combined.shared
        }
        scales = {"least": self.unit, "most": self.unit, "bound": units}
        least, most, bound = (
            named.get(name, of_load[name] * scales[name] if name in of_load else None)
            for name, _ in numbers
        )

        def with_limits(model: Model, convex: ConvexProgram | None) -> Model:
            """Return the model, and those that follow it, with the limits."""
            flow, after = model.variable, model.next
            cones = [] if convex is None else convex.cones(flow, self.unit)
            sides = [matrix @ flow, *(cp.sum(cone.value) for cone in cones)]
            rows = None if bound is None else (cp.hstack(sides) if cones else sides[0]) <= bound
            constraints = [
                *model.problem.constraints,
                *([] if rows is None else [rows]),
                *([] if least is None else [flow[low] >= least]),
                *([] if most is None else [flow[high] <= most]),
                *(constraint for cone in cones for constraint in cone.constraints),
            ]

            def following(solved: Model, gap: float, enough: float) -> Model | None:
                found = None if after is None else after(solved, gap, enough)
                more = None if convex is None else convex.refined(solved.flow.value)
                if found is None and (more is None or gap <= enough):
                    return None
                return with_limits(model if found is None else found, more or convex)

            return replace(
                model,
                problem=cp.Problem(model.problem.objective, constraints),
                limited=named,
                rows=rows,
                next=None if after is None and convex is None else following,
            )

        return with_limits(super().write(form, points), convex)

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the loads and the numbers of the limits, in the unit of the program."""
        given = super().parameters(program, points)
        if not program.limited:
            return given
        values = {name: np.empty((len(points[0]), p.size)) for name, p in program.limited.items()}
        for places, combined, rows in self._each(points[0]):
            for name, column in values.items():
                column[places] = combined.numbers[name][rows] * self.unit
        return (*given, *((p, values[name]) for name, p in program.limited.items()))

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> LimitedSplits:
        """Return certified answers within the limits, polished where that lowers the gap."""
        duals = None
        if program.rows is not None:
            # the total delay has no unit, so a multiplier has the inverse unit of its row
            units = self.place(float(points[0][0]))[0].row_units(self.unit)
            duals = np.maximum(np.nan_to_num(returned.dual(program.rows)), 0.0) * units
        return self._within(points[0], self._flow(program, returned), duals)

    def idle(self, points: Points) -> LimitedSplits:
        """Return the limit as the load tends to 0: the optimum at a load close to it."""
        loads, inside = np.full(len(points[0]), self._idle_load), self.at(0.0).inside
        found = replace(self, polish=True)._within(loads, np.repeat(inside, len(loads), axis=0))
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
        out, solved = self.empty(len(loads)), np.flatnonzero(np.isfinite(flow).all(axis=1))
        for places, combined, index in self._each(loads[solved]):
            rows, kept = solved[places], combined.in_program[2]
            of_solver = np.zeros((rows.size, kept.size)) if duals is None else duals[rows]
            found = self._certified_within(
                loads[rows], flow[rows], combined.limits(index), of_solver
            )
            prices = np.zeros((rows.size, len(combined.matrix)))
            prices[:, kept] = found.pop("row_prices")
            for name, column in {**found, "row_prices": [*prices]}.items():
                getattr(out, name)[rows] = column
        return out

    def _certified_within(self, load: Array, flow: Array, limits: Limits, duals: Array) -> Any:
        """Return columns of certified answers, by name, for loads that share the kept rows."""
        polished, c, z, steps = polish_within(self.bank, load, flow, limits, duals)
        x, others = (polished, ()) if self.polish else (flow, (polished,))
        proof = certify_within(self.bank, load, x, limits, c, z, *others)
        price = rounding_price(limits, load, x, c, z)
        return {
            **vars(proof),
            "flow": x,
            "multiplier": c,
            "steps": steps if self.polish else 0,
            "certified": accepted(self.tolerance, self.bank, load, x, "optimum", proof.gap, price),
            "polished": polished,
            "row_prices": z,
        }

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
