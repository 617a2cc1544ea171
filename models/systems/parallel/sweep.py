"""Many loads of one system: every problem compiled once, the solver updated load by load, all answers polished and certified together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ...core.native import SESSIONS
from ...core.parametric import Compiled
from ...core.solvers import OPTIONS, QUICK
from ...core.table import Mask, Table
from .certificate import rounding
from .finish import finish
from .formulations import FORMULATIONS, Model, build
from .prices import multiplier
from .search import Search
from .solution import Solution

CELLS = 20_000  # loads times servers that are solved before they are polished and certified together
MOST = 1024  # loads at once: what an interruption loses


@dataclass(frozen=True, eq=False)
class Answers(Table):
    """The best answers found for K loads; NaN, and an infinite gap, where no solver returned any.

    Attributes
    ----------
    flow : ndarray, shape (K, n)
    mean_delay, multiplier : ndarray, shape (K,)
    lower_bound, upper_bound, gap : ndarray, shape (K,)
        Of the certificates; see `sojourn.models.Certificate`.
    certified : ndarray of bool, shape (K,)
    """

    flow: Array
    mean_delay: Array
    multiplier: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    certified: Mask

    @classmethod
    def nothing(cls, count: int, servers: int) -> Answers:
        """Return the lack of K answers."""
        no, never = np.full(count, np.nan), np.full(count, np.inf)
        return cls(np.full((count, servers), np.nan), no, no.copy(), np.zeros(count), never, never.copy(), np.zeros(count, dtype=bool))

    @classmethod
    def of(cls, solutions: Sequence[Solution | None], servers: int) -> Answers:
        """Return solutions as rows."""
        out = cls.nothing(len(solutions), servers)
        for k, s in enumerate(solutions):
            if s is not None:
                c = s.certificate
                out.put(k, (s.flow, s.mean_delay, s.multiplier, c.lower_bound, c.upper_bound, c.gap, s.certified))
        return out


class OneByOne:
    """Loads that have nothing to share, asked for one at a time.

    Parameters
    ----------
    ask : callable
        From a load to the best `Solution`, or None.
    servers : int
    """

    block = 1

    def __init__(self, ask: Callable[[float], Solution | None], servers: int) -> None:
        self._ask, self._servers = ask, servers

    def solve(self, loads: Array) -> Answers:
        """Return the best answer for each of K loads, shape (K,)."""
        return Answers.of([self._ask(load) for load in loads.tolist()], self._servers)


class Sweep:
    """A question to one system, to be put at many loads.

    Parameters
    ----------
    search : Search
        The question at one of them.
    plan : sequence of (solver, formulation)
        Whom to ask, in turn, until an answer is certified.
    """

    def __init__(self, search: Search, plan: Sequence[tuple[str, str]]) -> None:
        self._search, self._plan = search, plan
        self._compiled: dict[tuple[str, str, bool], tuple[Model, Compiled]] = {}

    @property
    def block(self) -> int:
        """How many loads to ask for at once."""
        return min(max(CELLS // len(self._search.bank), 1), MOST) if self._compiles(*self._plan[0]) else 1

    def solve(self, loads: Array) -> Answers:
        """Return the best answer for each of K loads, shape (K,): the first that is certified, or the one of least gap."""
        best, pending = Answers.nothing(loads.size, len(self._search.bank)), np.arange(loads.size)
        for ask in self._asks():
            if not pending.size:
                break
            found = ask(loads[pending])
            better = found.certified | (found.gap < best.gap[pending])
            best.put(pending[better], found.values(better))
            pending = pending[~best.certified[pending]]
        return best

    def _asks(self) -> Iterator[Callable[[Array], Answers]]:
        """What to try, in turn: where Newton's steps finish, a solver's own tolerances come before the library's."""
        for solver, formulation in self._plan:
            if not self._compiles(solver, formulation):
                yield partial(self._singly, solver, formulation)
                continue
            if self._search.polish and not self._search.options:
                yield partial(self._together, solver, formulation, True)
            yield partial(self._together, solver, formulation, False)

    def _compiles(self, solver: str, formulation: str) -> bool:
        """Whether the solver takes new data, and the problem is one for all loads: tangents and prefixes of the servers are not."""
        return solver in SESSIONS and formulation != "minmax" and FORMULATIONS[formulation].exact(self._search.bank)

    def _singly(self, solver: str, formulation: str, loads: Array) -> Answers:
        """Ask as for one load alone, again and again."""
        found = [replace(self._search, load=load).ask(solver, formulation)[0] for load in loads.tolist()]
        return Answers.of(found, len(self._search.bank))

    def _together(self, solver: str, formulation: str, quick: bool, loads: Array) -> Answers:
        """Update and solve load by load; then all the rest at once."""
        task = self._search
        try:
            model, compiled = self._compile(solver, formulation, quick)
        except (cp.error.SolverError, ArithmeticError, ValueError, TypeError):  # an option that the solver does not have, for one
            return Answers.nothing(loads.size, len(task.bank))
        flow = compiled.solve((model.load, loads * model.unit)).value(model.variable) / model.unit
        finished = finish(task.bank, loads, flow, task.goal, polish=task.polish)
        flow, proof = finished.flow, finished.certificates
        certified = task.wanted.met(proof.gap, rounding(task.bank, loads, flow, task.goal))
        there: Mask = np.asarray(np.isfinite(flow).all(axis=1))
        out = Answers.nothing(loads.size, len(task.bank))
        with np.errstate(all="ignore"):
            price = multiplier(task.bank, loads, flow, task.goal)
        row = Answers(flow, proof.mean_delay, price, proof.lower_bound, proof.upper_bound, proof.gap, certified)
        out.put(there, row.values(there))
        return out

    def _compile(self, solver: str, formulation: str, quick: bool) -> tuple[Model, Compiled]:
        """The problem, written once for all solvers, and compiled once for each and its tolerances."""
        task, key = self._search, (solver, formulation, quick)
        if key not in self._compiled:
            if formulation not in task.models:
                task.models[formulation] = build(FORMULATIONS[formulation], task.bank, task.load, task.unit)
            model = task.models[formulation]
            options = QUICK[solver] if quick else {**OPTIONS[solver], **(task.options or {})}
            self._compiled[key] = (model, Compiled(model.problem, solver, options))
        return self._compiled[key]
