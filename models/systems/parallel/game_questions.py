"""Equilibria of players, and of followers of a leader."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ....reference.parallel.control import ResidualLatency
from ....reference.server_bank import ServerBank
from ...core.question import Points, SolverOutput
from ...core.solution import Provenance
from ...core.tolerance import GapTolerance
from ...latency.base import Latency
from ...latency.player_latency import follower_latency
from ...latency.tangents import initial_tangent_points
from .certificate import rounding
from .formulations import FORMULATIONS, Model, build
from .minmax import Bisection
from .perceived import certify_perceived
from .questions import MANY, RESIDUE, Split, Splits, prefix_model, tangent_model
from .solution import Solution
from .splits import clip


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
            return prefix_model(seen, rest, self.unit, Bisection(seen, rest))
        few = len(self.bank) <= MANY
        least = cp.Parameter(len(self.bank), nonneg=True, name="least") if few else base * self.unit
        write = partial(build, FORMULATIONS[form], self.bank, load, self.unit, least=least)
        if self._serves_all(form):
            return write(tangents=self.tangents)
        return tangent_model(write, initial_tangent_points(self.bank, load), math.inf, 0)

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
    proof = certify_perceived(true, seen, base, load, flow, found.lower_bound, found.upper_bound)
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
