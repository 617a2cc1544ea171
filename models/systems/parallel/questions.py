"""What is asked of parallel servers: the optimum, the equilibrium of users or of players, and what followers of a leader reach."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, ClassVar, Self

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.parallel.control import ResidualLatency
from ....reference.server_bank import ServerBank
from ...core.errors import FormulationError
from ...core.options import FormulationOptions
from ...core.question import AnswerRows, Points, Question, SolverOutput
from ...core.solution import Provenance
from ...core.stored import Column
from ...core.tolerance import GapTolerance
from ...latency.base import Latency
from ...latency.player_latency import follower_latency
from ...latency.tangents import add_tangents, initial_tangent_points
from .certificate import Certificate, certify_seen, rounding
from .formulations import FORMULATIONS, Formulation, Model, build
from .minmax import Bisection
from .polish import finish
from .prices import Goal, multiplier
from .solution import Solution
from .splits import clip

TANGENT_GAP = 1e-6  # gap at which tangents are enough, whatever wider one is asked for
ROUGH = 30  # tangents a server of a program that Newton steps start from
PATIENCE = 6  # rounds of tangents without half the gap after which a solver's own error is all that is left
MANY = 1000  # bounds above which a program that has them as parameters takes longer to compile than one a load does
RESIDUE = 1e-7  # part of the load up to which a flow in a solver's own answer counts as none
DERIVED = (
    "Their marginal delay is made of differences of the latency, which may know no more digits: give "
    "`marginal` or `latency_slope` (Function: derivative=), or ask for a wider gap="
)


@dataclass(frozen=True, eq=False)
class Splits(AnswerRows):
    """Splits of K loads over n servers: flows, shape (K, n), the rest (K,); the columns of certificates as of `Certificate`."""

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
        """Of the first of them."""
        values = {f.name: float(getattr(self, f.name)[0]) for f in fields(Certificate)}
        return Certificate(**{k: None if math.isnan(v) else v for k, v in values.items()})  # type: ignore[arg-type]

    @classmethod
    def of(
        cls,
        flow: Array,
        price: Array,
        steps: npt.NDArray[np.intp],
        certified: npt.NDArray[np.bool_],
        proof: Any,
    ) -> Splits:
        """Return answers from their certificates."""
        own: dict[str, Any] = {
            "flow": flow,
            "multiplier": price,
            "steps": steps,
            "certified": certified,
        }
        columns: dict[str, Any] = {
            f.name: own.get(f.name, getattr(proof, f.name, None)) for f in fields(cls)
        }
        return cls(**columns)


@dataclass(frozen=True, eq=False)
class Split(Question[Model, Splits, Solution]):
    """The optimum or the equilibrium at loads, shape (K,).

    Attributes
    ----------
    bank : Latency
    names : tuple of str
    goal : {"optimum", "equilibrium"}
    unit : float
        Unit of time that the solvers work in.
    wanted : Wanted
    polish : bool
    kinds : dict
        Cones of the formulations that were looked at before.
    tangents : int
        How many a server has in the place of a cone, in a program for all loads; 0 where each load has a program that is refined.
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
        """The goal."""
        return self.goal

    @property
    def remedy(self) -> str:  # type: ignore[override]
        """What else can be done where no answer is certified."""
        return DERIVED if self.bank.uses_finite_differences else super().remedy

    @property
    def quick(self) -> bool:  # type: ignore[override]
        """Newton steps finish each flow."""
        return self.polish

    @property
    def size(self) -> int:
        """Number of servers."""
        return len(self.bank)

    @property
    def compiled_variant(self) -> Self:
        """By few tangents for all loads; many servers have too many of them."""
        return replace(self, tangents=ROUGH) if len(self.bank) <= MANY else self

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """See `Question.formulations`."""
        return formulations(self.bank, self.goal, chosen, self.kinds)

    def pattern(self, form: str, points: Points) -> Hashable:
        """One program serves all loads, but for tangents that are refined and for prefixes of the servers."""
        return None if form != "minmax" and self._serves_all(form) else ...

    def _serves_all(self, form: str) -> bool:
        return self.tangents > 0 or FORMULATIONS[form].exact(self.bank)

    def write(self, form: str, points: Points) -> Model:
        """Write the program: exact, by tangents, or for a first prefix of the servers."""
        load = float(points[0][0])
        write = partial(build, FORMULATIONS[form], self.bank, load, self.unit)
        if form == "minmax":
            return _prefix(self.bank, load, self.unit, Bisection(self.bank, load))
        if self._serves_all(form):
            return write(tangents=self.tangents)
        return _touching(write, initial_tangent_points(self.bank, load), math.inf, 0)

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """The load, in the unit of the problem."""
        return ((program.load, points[0] * self.unit),)

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> Splits:
        """Polish and certify; see `finish.finish`."""
        return self._judged(points[0], self._flow(program, returned))

    def certify_stored(self, points: Points, column: Column) -> Splits:
        """Certify flows as they are."""
        return replace(self, polish=False)._judged(
            points[0], column(f"{self.goal}_flow", len(self.bank))
        )

    def _flow(self, program: Model, returned: SolverOutput) -> Array:
        flow = returned.value(program.variable) / self.unit
        if program.members.size == len(self.bank):
            return flow
        whole = np.zeros((len(flow), len(self.bank)))
        whole[:, program.members] = flow
        return whole

    def _judged(self, load: Array, flow: Array) -> Splits:
        done = finish(self.bank, load, flow, self.goal, polish=self.polish)
        with np.errstate(all="ignore"):
            price = multiplier(self.bank, load, done.flow, self.goal)
        met = self.tolerance.met(
            done.certificates.gap, rounding(self.bank, load, done.flow, self.goal)
        )
        return Splits.of(done.flow, price, done.steps, met, done.certificates)

    def refine(self, program: Model, found: Splits) -> Model | None:
        """The next prefix of the servers, or tangents also where the last answer landed."""
        return (
            None
            if program.next is None
            else program.next(program, float(found.gap[0]), min(self.tolerance.gap, TANGENT_GAP))
        )

    def empty(self, count: int) -> Splits:
        """See `Question.empty`."""
        return Splits.empty(count, flow=(len(self.bank),))

    def idle(self, points: Points) -> Splits:
        """All jobs at the nearest server, where none meets another: its delay and its price are those of an empty server."""
        out = self.empty(len(points[0]))
        delays = dict.fromkeys(
            ("mean_delay", "lower_bound", "upper_bound", "multiplier"), self.bank.idle_latency.min()
        )
        for name, value in {**delays, "flow": 0.0, "gap": 0.0, "certified": True}.items():
            getattr(out, name)[:] = value
        return out

    def solution(self, found: Splits, points: Points, provenance: Provenance) -> Solution:
        """See `Question.solution`."""
        load, flow, steps = float(points[0][0]), found.flow[0], int(found.steps[0])
        return Solution(
            goal=self.goal,
            load=load,
            names=self.names,
            flow=flow,
            share=flow / load,
            mean_delay=float(found.mean_delay[0]),
            latency=self.bank.latency(clip(self.bank, flow)),
            active=flow > (0.0 if steps else RESIDUE * load),
            multiplier=float(found.multiplier[0]),
            certificate=found.certificate,
            certified=bool(found.certified[0]),
            polished=steps,
            caveats=tuple(self.bank.caveats(flow, self.names)),
            **vars(provenance),
        )


@dataclass(frozen=True, eq=False)
class Players(Split):
    """The equilibrium of K equal players: that of users who see the servers as one of them (`bank`), in delays of the servers as they are.

    Attributes
    ----------
    true : Latency
    players : float
    """

    true: Latency = field(kw_only=True)
    players: float = field(kw_only=True)

    def _judged(self, load: Array, flow: Array) -> Splits:
        seen = super()._judged(load, flow)
        return _truly(self.true, self.bank, np.zeros(len(self.bank)), load, seen, self.tolerance)

    def solution(self, found: Splits, points: Points, provenance: Provenance) -> Solution:
        """See `Question.solution`."""
        return _as_it_is(super().solution(found, points, provenance), self.true, self.players)


@dataclass(frozen=True, eq=False)
class Followers(Split):
    """What users reach who bring the rest of loads, shape (K,), to servers that carry a leader's flows, shape (K, n), before.

    It is the least Beckmann potential of all flow over splits that leave the leader's where it is.
    """

    def pattern(self, form: str, points: Points) -> Hashable:
        """As of `Split`; of many servers each leader has a program of its own."""
        return super().pattern(form, points) if len(self.bank) <= MANY else ...

    def write(self, form: str, points: Points) -> Model:
        """Write the program for all flow, at least the leader's; over prefixes of the servers, for the followers' own."""
        load, base = float(points[0][0]), points[1][0]
        if form == "minmax":
            seen, rest = follower_latency(self.bank, base), float(_rest(points)[0])
            return _prefix(seen, rest, self.unit, Bisection(seen, rest))
        few = len(self.bank) <= MANY
        least = cp.Parameter(len(self.bank), nonneg=True, name="least") if few else base * self.unit
        write = partial(build, FORMULATIONS[form], self.bank, load, self.unit, least=least)
        if self._serves_all(form):
            return write(tangents=self.tangents)
        return _touching(write, initial_tangent_points(self.bank, load), math.inf, 0)

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """The load and the leader's flows, in the unit of the problem."""
        if program.least is None:
            return ((program.load, _rest(points) * self.unit),)
        load = (program.load, points[0] * self.unit)
        return (
            (load, (program.least, points[1] * self.unit))
            if isinstance(program.least, cp.Parameter)
            else (load,)
        )

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> Splits:
        """Polish and certify what the followers bring, each point with servers of its own; in true delays."""
        load, base = points
        flow = self._flow(program, returned)
        own = flow if program.least is None else np.maximum(flow - base, 0.0)
        rest = _rest(points)
        rows = [
            replace(self, bank=follower_latency(self.bank, b))._judged(
                rest[k : k + 1], own[k : k + 1]
            )
            for k, b in enumerate(base)
        ]
        return _truly(
            self.bank,
            ResidualLatency(self.bank, base),
            base,
            load,
            Splits.joined(rows),
            self.tolerance,
        )

    def solution(self, found: Splits, points: Points, provenance: Provenance) -> Solution:
        """See `Question.solution`."""
        answer, base = super().solution(found, points, provenance), points[1][0]
        own, few = (
            found.flow[0] - base,
            0.0 if found.steps[0] else RESIDUE * float(_rest(points)[0]),
        )
        return replace(_as_it_is(answer, self.bank, math.inf), active=(own > few) | (base > 0))


def _rest(points: Points) -> Array:
    """What the leader's flows leave of the loads, exact to the last digit."""
    return np.array([-math.fsum([*base, -load]) for load, base in zip(*points, strict=True)])


def _truly(
    true: Latency,
    seen: ServerBank,
    base: Array,
    load: Array,
    found: Splits,
    tolerance: GapTolerance,
) -> Splits:
    """Answers of users who see servers otherwise, with certificates in true delays."""
    flow, there = base + found.flow, found.available
    out = replace(found, flow=flow)
    proof = certify_seen(true, seen, base, load, flow, found.lower_bound, found.upper_bound)
    for name in ("mean_delay", "lower_bound", "upper_bound", "gap"):
        getattr(out, name)[there] = getattr(proof, name)[there]
    met = tolerance.met(
        out.gap, rounding(true, load, np.where(there[:, None], flow, 0.0), "equilibrium")
    )
    return replace(out, certified=met & there)


def _as_it_is(answer: Solution, true: Latency, players: float) -> Solution:
    """A solution whose latencies are those of the servers, not of what users see."""
    caveats = tuple(true.caveats(answer.flow, answer.names))
    return replace(
        answer, latency=true.latency(clip(true, answer.flow)), players=players, caveats=caveats
    )


def _touching(write: Any, points: Array, least: float, stuck: int) -> Model:
    """A program of tangents at points, and what follows it: tangents where it lands until it is near enough, or no nearer."""
    model: Model = write(points=points)

    def after(model: Model, gap: float, enough: float) -> Model | None:
        halved = gap < 0.5 * least
        waited = 0 if halved else stuck + 1
        if gap <= enough or waited >= PATIENCE:
            return None
        return _touching(
            write,
            add_tangents(model.bank, points, np.asarray(model.flow.value)),
            min(gap, least),
            waited,
        )

    return replace(model, next=after)


def _prefix(bank: Latency, load: float, unit: float, search: Bisection) -> Model:
    """The min-max program of a prefix of the servers, and what follows it in a bisection over their number."""
    count, last = search.ask()
    members = np.sort(search.order[:count])
    model = build(FORMULATIONS["minmax"], bank.take(members), load, unit, members)

    def after(model: Model, gap: float, enough: float) -> Model | None:
        if last or model.problem.value is None:
            return None
        search.tell(count, float(model.problem.value) * unit)
        return _prefix(bank, load, unit, search)

    return replace(model, next=after)


def formulations(
    bank: Latency, goal: Goal, chosen: str, known: dict[str, frozenset[str]]
) -> Mapping[str, frozenset[str]]:
    """Return the formulations of a goal that fit servers, the first to be tried first, with the cones of each; `known` keeps these.

    Raises
    ------
    FormulationError
        On a name that is none, or that does not fit the servers.
    """
    of_goal: dict[str, Formulation] = {n: f for n, f in FORMULATIONS.items() if f.goal == goal}
    if chosen == "auto":
        names = [n for n, f in of_goal.items() if not f.refuses(bank)]
        # where all are of one form, the epigraph is that form again
        names = [n for n in names if n != "epigraph" or n == names[0]]
    else:
        if chosen not in of_goal:
            raise FormulationError(
                "formulation",
                chosen,
                f"is not one of the {goal}",
                f"use auto, {', '.join(of_goal)}",
            )
        if reason := of_goal[chosen].refuses(bank):
            raise FormulationError(
                "formulation", chosen, f"does not fit these servers: {reason}", "use auto"
            )
        names = [chosen]
    for name in names:
        if name not in known:
            known[name] = of_goal[name].kinds(bank)  # written once to see them
    return {name: known[name] for name in names}
