"""The optimum and the equilibrium of parallel servers as questions for the solver loop.

A question writes the convex program of a load, and turns the flows that a solver returns into
certified answers: `sojourn.models.core.solve.Task` does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.bank_rows import BankRows
from ....reference.errors import Array
from ....reference.parallel.decisions.percentile import percentile_of
from ....reference.parallel.decisions.several_loads import WeightedLoads
from ....reference.server_bank import ServerBank
from ...core.options import FormulationOptions
from ...core.question import AnswerRows, Points, Question, SolverOutput
from ...core.ratio import BoundedValue
from ...core.solution import Provenance
from ...core.stored import Column
from ...core.table import Mask
from ...core.tolerance import GapTolerance
from ...latency.base import Latency
from ...latency.tangents import add_tangents, initial_tangent_points
from .certificate import Certificate, Certificates, accepted
from .decisions.weights import whole_split
from .formulations import FORMULATIONS, Model, build, formulations
from .linear_limit import Limit
from .minmax import Bisection
from .polish import polish_and_certify
from .prices import Goal
from .solution import Solution
from .splits import clip

# gap at which tangents are fine enough, whatever wider gap is asked for
TANGENT_GAP = 1e-6
# tangents a server in a program for all loads, from whose solution Newton steps start
FEW_TANGENTS = 30
# rounds of tangents without half the gap, after which only the solver's own error is left
MAX_STALLED = 6
# servers up to which their numbers are parameters: beyond, compiling these takes long
MAX_SHARED = 100
# parameters above which one compilation for all loads takes longer than a program for each load
MAX_PARAMETERS = 1000
# part of the load up to which a flow in a solver's own answer counts as unused
RESIDUE = 1e-7
OF_CERTIFICATE = tuple(f.name for f in fields(Certificate))
DIFFERENCES_REMEDY = (
    "Their marginal delay is made of differences of the latency, which may have no more digits: "
    "give `marginal` or `latency_slope` (Function: derivative=), or ask for a wider gap="
)


@dataclass(frozen=True, eq=False)
class Splits(AnswerRows):
    """Certified splits of K loads over n servers, as columns.

    Attributes
    ----------
    flow : ndarray, shape (K, n)
        Load of each server.
    multiplier : ndarray, shape (K,)
        Price that the used servers share: marginal delay or latency.
    steps : ndarray of int, shape (K,)
        Newton steps; 0 for the solver's own flows.
    mean_delay, balance, least_flow, utilisation, deviation_gain, potential_gap, violation
        Fields of `Certificate`, of shape (K,), NaN for None.
    """

    flow: Array
    multiplier: Array
    steps: npt.NDArray[np.intp]
    mean_delay: Array
    balance: Array
    least_flow: Array
    utilisation: Array
    deviation_gain: Array
    potential_gap: Array
    violation: Array

    key: ClassVar[str] = "flow"

    @property
    def certificate(self) -> Certificate:
        """Certificate of the first answer."""
        values = (float(getattr(self, name)[0]) for name in OF_CERTIFICATE)
        known: Any = (None if math.isnan(value) else value for value in values)
        return Certificate(*known)

    @classmethod
    def of(
        cls,
        flow: Array,
        price: Array,
        steps: npt.NDArray[np.intp],
        certified: npt.NDArray[np.bool_],
        certificates: Certificates,
    ) -> Splits:
        """Return answers from K flows, their multipliers, Newton steps and certificates."""
        return cls(
            flow=flow, multiplier=price, steps=steps, certified=certified, **vars(certificates)
        )


@dataclass(frozen=True, eq=False)
class Split(Question[Model, Splits, Solution]):
    """The optimum or the equilibrium at loads of shape (K,).

    Attributes
    ----------
    bank : Latency
        n servers.
    names : tuple of str
        Names of the servers.
    goal : {"optimum", "equilibrium"}
        The problem to solve.
    unit : float
        Unit of time of the solver's programs.
    tolerance : GapTolerance
        Gap that certifies an answer.
    polish : bool
        Whether Newton steps improve the solver's flows.
    kinds : dict
        Cones of the formulations that were written before, by name.
    tangents : int
        Number of tangents of each server without a cone, in one program for all loads; 0 where
        each load has its own program, to which tangents are added.
    """

    bank: Latency
    names: tuple[str, ...]
    goal: Goal
    unit: float
    tolerance: GapTolerance
    polish: bool = True
    kinds: dict[str, frozenset[str]] = field(default_factory=dict)
    tangents: int = 0

    options = FormulationOptions

    @property
    def name(self) -> str:  # type: ignore[override]
        """The goal, for messages."""
        return self.goal

    @property
    def remedy(self) -> str:  # type: ignore[override]
        """Advice for an answer that is not certified."""
        return DIFFERENCES_REMEDY if self.bank.uses_finite_differences else super().remedy

    @property
    def given_limits(self) -> Sequence[Limit]:
        """Limits on the flows, none."""
        return ()

    @property
    def quick(self) -> bool:  # type: ignore[override]
        """Whether Newton steps improve the flows, so that loose tolerances come first."""
        return self.polish

    @property
    def size(self) -> int:
        """Number of servers."""
        return len(self.bank)

    @property
    def compiled_variant(self) -> Self:
        """The same question with few tangents for all loads; with many servers itself."""
        return replace(self, tangents=FEW_TANGENTS) if len(self.bank) <= MAX_PARAMETERS else self

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """See `Question.formulations`."""
        return formulations(self.bank, self.goal, chosen, self.kinds)

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return None, one program for all loads, but for added tangents and for prefixes."""
        return None if form != "minmax" and self._serves_all(form) else ...

    def _serves_all(self, form: str) -> bool:
        """Whether one program serves all loads: it is exact, or its tangents are fixed."""
        return self.tangents > 0 or FORMULATIONS[form].exact(self.bank)

    def shape(self, form: str) -> Hashable:
        """Return the shape of the bank, for a program whose cones name their numbers."""
        formulation = FORMULATIONS[form]
        if form == "minmax" or formulation.cone is None or len(self.bank) > MAX_SHARED:
            return None
        # in the unit of the program: a view in other units has no numbers of its own
        return self._scaled.cone_shape if formulation.exact(self.bank) else None

    def together(self, questions: Sequence[Self]) -> Any:
        """See `Question.together`."""
        return ManySystems.of(questions)

    def write(self, form: str, points: Points) -> Model:
        """Return the program: exact, with tangents, or for a first prefix of the servers."""
        load = float(points[0][0])
        if form == "minmax":
            return prefix_model(self.bank, load, self.unit, Bisection(self.bank, load))
        return self._of_all(form, load)

    def _of_all(self, form: str, load: float, **more: Any) -> Model:
        """Return the program of all servers, exact or with tangents; `more` is for `build`."""
        shared = self.shape(form) is not None
        write = partial(
            build, FORMULATIONS[form], self.bank, load, self.unit, shared=shared, **more
        )
        if self._serves_all(form):
            return write(tangents=self.tangents)
        return tangent_model(write, initial_tangent_points(self.bank, load), math.inf, 0)

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the loads and the numbers of the servers, in the unit of the program."""
        return ((program.load, points[0] * self.unit), *self._numbers(program, len(points[0])))

    @cached_property
    def _scaled(self) -> Latency:
        """The bank in the unit of the programs."""
        return self.bank.in_unit(self.unit)

    @cached_property
    def _in_unit(self) -> Sequence[Mapping[str, Array]]:
        """Numbers of each part of the bank in the unit of the programs."""
        return [part.cone_numbers() or {} for part in self._scaled.cone_parts or ()]

    def _numbers(self, program: Model, count: int) -> Iterator[tuple[cp.Parameter, Array]]:
        """Yield the parameters of the servers' numbers with their values at K points."""
        for part, name, parameter in program.numbers:
            value = self._in_unit[part][name]
            row = value[None]
            yield parameter, row if count == 1 else np.broadcast_to(row, (count, value.size))

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> Splits:
        """Return certified answers, polished where that lowers the gap."""
        return self._certified(points[0], self._flow(program, returned))

    def certify_stored(self, points: Points, column: Column) -> Splits:
        """Return stored flows as they are, certified."""
        flow = column(f"{self.goal}_flow", len(self.bank))
        return replace(self, polish=False)._certified(points[0], flow)

    def _flow(self, program: Model, returned: SolverOutput) -> Array:
        """Return the solver's flows, shape (K, n), in the user's unit; 0 outside a prefix."""
        flow = returned.value(program.variable) / self.unit
        if program.members.size == len(self.bank):
            return flow
        of_all = np.zeros((len(flow), len(self.bank)))
        of_all[:, program.members] = flow
        return of_all

    def _certified(self, load: Array, flow: Array, bank: ServerBank | None = None) -> Splits:
        """Return certified answers from flows, shape (K, n), for loads, shape (K,).

        The servers are those of the question, or `bank`.
        """
        servers = self.bank if bank is None else bank
        done = polish_and_certify(servers, load, flow, self.goal, polish=self.polish)
        gap = done.certificates.gap
        met = accepted(self.tolerance, servers, load, done.flow, self.goal, gap)
        return Splits.of(done.flow, done.multiplier, done.steps, met, done.certificates)

    def refine(self, program: Model, found: Splits) -> Model | None:
        """Return the next program: more tangents, or the next prefix of the servers."""
        if program.next is None:
            return None
        return program.next(program, float(found.gap[0]), min(self.tolerance.gap, TANGENT_GAP))

    def empty(self, count: int) -> Splits:
        """See `Question.empty`."""
        return Splits.empty(count, flow=(len(self.bank),))

    def idle(self, points: Points) -> Splits:
        """Return the limit as the load tends to 0: the least latency of an empty server."""
        return self._idle(len(points[0]), self.bank)

    def _idle(self, count: int, bank: ServerBank) -> Splits:
        out = self.empty(count)
        times = ("mean_delay", "lower_bound", "upper_bound", "multiplier")
        values = dict.fromkeys(times, bank.idle_latency.min(axis=-1))
        for name, value in {**values, "flow": 0.0, "gap": 0.0, "certified": True}.items():
            getattr(out, name)[:] = value
        return out

    def solution(self, found: Splits, points: Points, provenance: Provenance) -> Solution:
        """See `Question.solution`."""
        load, flow, steps = float(points[0][0]), found.flow[0], int(found.steps[0])
        mean, proof = float(found.mean_delay[0]), found.certificate
        delay = BoundedValue(mean, proof.lower_bound, proof.upper_bound)
        loads = WeightedLoads(np.array([load]), np.ones(1))
        return Solution(
            goal=self.goal,
            load=load,
            names=self.names,
            flow=flow,
            share=flow / load,
            mean_delay=mean,
            latency=self.bank.latency(clip(self.bank, flow)),
            active=flow > (0.0 if steps else RESIDUE * load),
            multiplier=float(found.multiplier[0]),
            certificate=proof,
            certified=bool(found.certified[0]),
            polished=steps,
            caveats=tuple(self.bank.caveats(flow, self.names)) if self.bank._has_caveats else (),
            percentile_at=partial(percentile_of, self.bank, flow),
            round_to=partial(
                whole_split, self.bank, self.names, self.goal, loads, self.given_limits, delay
            ),
            **vars(provenance),
        )


@dataclass(frozen=True, eq=False)
class ManySystems(Split):
    """Splits of S systems whose banks have one shape; `bank` is that of the first.

    The last column of the points is the index of the system, as a float.

    Attributes
    ----------
    banks : ServerBank
        The bank of each system, one a row; see `sojourn.reference.bank_rows.BankRows`.
    units : ndarray, shape (S,)
        Unit of time of the programs of each system.
    in_units : sequence of mapping
        For each part of a bank, the numbers of its cones by name, shape (S, n), in these units.
    """

    banks: ServerBank = field(kw_only=True)
    units: Array = field(kw_only=True)
    in_units: Sequence[Mapping[str, Array]] = field(kw_only=True)

    @classmethod
    def of(cls, questions: Sequence[Split]) -> ManySystems | None:
        """Return the question of several `Split` questions, or None where they do not fit."""
        first = questions[0]
        if any(type(question) is not Split for question in questions):
            return None
        banks = BankRows.of([question.bank for question in questions])
        if banks is None:
            return None
        numbers = [question._in_unit for question in questions]
        return cls(
            **{f.name: getattr(first, f.name) for f in fields(Split)},
            banks=banks,
            units=np.array([question.unit for question in questions]),
            in_units=[
                {name: np.stack([parts[i][name] for parts in numbers]) for name in part}
                for i, part in enumerate(numbers[0])
            ],
        )

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """Return the formulations that all systems share."""
        of_first = super().formulations(chosen)
        return {form: cones for form, cones in of_first.items() if self.shape(form) is not None}

    def starts(self, points: Points) -> Mask:
        """Return the first point of each system."""
        return np.asarray(np.diff(points[-1], prepend=-1.0) != 0)

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the loads and the numbers of the servers, in the unit of each system's program."""
        rows = _systems(points)

        def numbers() -> Iterator[tuple[cp.Parameter, Array]]:
            for part, name, parameter in program.numbers:
                yield parameter, self.in_units[part][name][rows]

        return ((program.load, points[0] * self.units[rows]), *numbers())

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> Splits:
        """See `Split.finish`."""
        rows = _systems(points)
        flow = returned.value(program.variable) / self.units[rows, None]
        return self._certified(points[0], flow, self.banks.at(rows))

    def certify_stored(self, points: Points, column: Column) -> Splits:
        """See `Split.certify_stored`."""
        flow = column(f"{self.goal}_flow", len(self.bank))
        as_stored = replace(self, polish=False)
        return as_stored._certified(points[0], flow, self.banks.at(_systems(points)))

    def idle(self, points: Points) -> Splits:
        """See `Split.idle`."""
        return self._idle(len(points[0]), self.banks.at(_systems(points)))


def _systems(points: Points) -> npt.NDArray[np.intp]:
    """Return the index of the system at each point."""
    return points[-1].astype(np.intp)


def tangent_model(write: Any, points: Array, least_gap: float, stalled: int) -> Model:
    """Return a program with tangents, to which tangents are added at each solution.

    This is Kelley's cutting-plane method. It ends when the gap is small enough, or has not been
    halved for `MAX_STALLED` rounds.

    Parameters
    ----------
    write : callable
        From tangent points to a `Model`.
    points : ndarray, shape (m, n)
        Flows at which tangents touch.
    least_gap : float
        Smallest gap so far.
    stalled : int
        Rounds since the gap was halved.
    """
    model: Model = write(points=points)

    def after(model: Model, gap: float, enough: float) -> Model | None:
        rounds = 0 if gap < 0.5 * least_gap else stalled + 1
        if gap <= enough or rounds >= MAX_STALLED:
            return None
        more = add_tangents(model.bank, points, np.asarray(model.flow.value))
        return tangent_model(write, more, min(gap, least_gap), rounds)

    return replace(model, next=after)


def prefix_model(bank: Latency, load: float, unit: float, search: Bisection) -> Model:
    """Return the min-max program of a prefix of the servers, followed by that of the next prefix.

    A bisection over the number of used servers chooses the prefixes, see ``minmax``.
    """
    count, last = search.next_count()
    members = np.sort(search.order[:count])
    model = build(FORMULATIONS["minmax"], bank.take(members), load, unit, members)

    def after(model: Model, gap: float, enough: float) -> Model | None:
        if last or model.problem.value is None:
            return None
        search.record(count, float(model.problem.value) * unit)
        return prefix_model(bank, load, unit, search)

    return replace(model, next=after)
