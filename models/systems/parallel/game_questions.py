"""The equilibria of finitely many players, and of users on top of a leader's flows, as questions.

These users perceive other latencies than the true ones. Their equilibrium is solved for the
perceived latencies, and certified in true delays, see ``perceived``.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ....reference.parallel.control import ResidualLatency
from ....reference.parallel.decisions.percentile import percentile_of
from ....reference.server_bank import ServerBank
from ...core.question import Points, SolverOutput
from ...core.solution import Provenance
from ...core.tolerance import GapTolerance
from ...latency.base import Latency
from ...latency.player_latency import follower_latency
from .certificate import accepted
from .formulations import Model
from .minmax import Bisection
from .perceived import certify_perceived
from .questions import MAX_PARAMETERS, RESIDUE, Split, Splits, prefix_model
from .solution import Solution
from .splits import clip


@dataclass(frozen=True, eq=False)
class Players(Split):
    """The equilibrium of K equal players, with delays of the true servers.

    Its `bank` has the perceived latencies, l + x l'/K: the marginal delay of one player.

    Attributes
    ----------
    true : Latency
        The n servers with their true latencies.
    players : float
        Number of players.
    """

    true: Latency = field(kw_only=True)
    players: float = field(kw_only=True)

    def _certified(self, load: Array, flow: Array, bank: ServerBank | None = None) -> Splits:
        """Return answers from flows, certified in true delays."""
        perceived, base = super()._certified(load, flow, bank), np.zeros(len(self.bank))
        return _in_true_delays(self.true, self.bank, base, load, perceived, self.tolerance)

    def solution(self, found: Splits, points: Points, provenance: Provenance) -> Solution:
        """See `Question.solution`."""
        answer = super().solution(found, points, provenance)
        return _with_true_latencies(answer, self.true, self.players)


@dataclass(frozen=True, eq=False)
class Followers(Split):
    """The equilibrium of users who come on top of a leader's flows.

    The points are K loads, shape (K,), and the leader's flows, shape (K, n); the users bring what
    the leader's flows leave of the loads. Their equilibrium minimises the Beckmann potential of
    all flows over the splits that are at least the leader's.
    """

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return that of `Split`; with many servers each leader has a program of its own."""
        return super().pattern(form, points) if self._few_servers else ...

    @property
    def _few_servers(self) -> bool:
        """Whether the leader's flows are parameters of one program."""
        return len(self.bank) <= MAX_PARAMETERS

    def write(self, form: str, points: Points) -> Model:
        """Return the program for all flows; over prefixes of servers, for the users' own flows."""
        load, base = float(points[0][0]), points[1][0]
        if form == "minmax":
            bank, rest = follower_latency(self.bank, base), float(_load_of_users(points)[0])
            return prefix_model(bank, rest, self.unit, Bisection(bank, rest))
        least: cp.Parameter | Array = base * self.unit
        if self._few_servers:
            least = cp.Parameter(len(self.bank), nonneg=True, name="least")
        return self._of_all(form, load, least=least)

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the loads and the leader's flows, in the unit of the program."""
        if program.least is None:
            return ((program.load, _load_of_users(points) * self.unit),)
        of_load = super().parameters(program, points)
        if isinstance(program.least, cp.Parameter):
            return (*of_load, (program.least, points[1] * self.unit))
        return of_load

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> Splits:
        """Return certified answers: the users' flows are polished on top of the leader's."""
        load, base = points
        flow = self._flow(program, returned)
        added = flow if program.least is None else np.maximum(flow - base, 0.0)
        rest = _load_of_users(points)
        bank = ResidualLatency(self.bank, base)
        perceived = self._certified(rest, added, bank)
        return _in_true_delays(self.bank, bank, base, load, perceived, self.tolerance)

    def solution(self, found: Splits, points: Points, provenance: Provenance) -> Solution:
        """See `Question.solution`."""
        answer, base = super().solution(found, points, provenance), points[1][0]
        added = found.flow[0] - base
        residue = 0.0 if found.steps[0] else RESIDUE * float(_load_of_users(points)[0])
        answer = _with_true_latencies(answer, self.bank, math.inf)
        return replace(answer, active=(added > residue) | (base > 0))


def _load_of_users(points: Points) -> Array:
    """Return the loads less the leader's flows, exact to the last digit, shape (K,)."""
    return np.array([-math.fsum([*base, -load]) for load, base in zip(*points, strict=True)])


def _in_true_delays(
    true: Latency,
    perceived: ServerBank,
    base: Array,
    load: Array,
    found: Splits,
    tolerance: GapTolerance,
) -> Splits:
    """Return answers of users who perceive other latencies, certified in true delays.

    Parameters
    ----------
    true : Latency
        The n servers with their true latencies.
    perceived : ServerBank
        The same servers with the perceived latencies.
    base : ndarray, shape (n,) or (K, n)
        The leader's flows.
    load : ndarray, shape (K,)
        Total loads, the leader's flows included.
    found : Splits
        The users' flows, with certificates in perceived latencies.
    tolerance : GapTolerance
        Gap that certifies an answer.
    """
    flow, available = base + found.flow, found.available
    out = replace(found, flow=flow)
    bounds = (found.lower_bound, found.upper_bound)
    proof = certify_perceived(true, perceived, base, load, flow, *bounds)
    for name in ("mean_delay", "lower_bound", "upper_bound", "gap"):
        getattr(out, name)[available] = getattr(proof, name)[available]
    finite_flow = np.where(available[:, None], flow, 0.0)
    met = accepted(tolerance, true, load, finite_flow, "equilibrium", out.gap)
    return replace(out, certified=met & available)


def _with_true_latencies(answer: Solution, true: Latency, players: float) -> Solution:
    """Return a solution whose latencies are the true ones, not the perceived ones."""
    latency = true.latency(clip(true, answer.flow))
    caveats = tuple(true.caveats(answer.flow, answer.names))
    return replace(
        answer,
        latency=latency,
        players=players,
        caveats=caveats,
        percentile_at=partial(percentile_of, true, answer.flow),
        round_to=None,
    )
