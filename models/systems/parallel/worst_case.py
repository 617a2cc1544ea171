"""The true worst case by convex programs: best first, some cells at a time, each node a certified optimum and equilibrium.

A solver answers at the ends of the segments, and at least once. Between them Newton steps from the flows of two
neighbours mostly meet the certificate at once, many loads in one pass; where they do not, a solver
is asked again, as long as that gains.

The bound of a cell is the one of `sojourn.reference.parallel.worst_case`, on the certificates' bounds of the true values: the chord of the
largest latencies that the equilibria can have, and the lines that the multipliers of the optima prove to lie below the least total delay.
So are the limit at saturation and the activation loads. The splits, their certificates and the order of the search are the models' own: where
the two searches agree, that speaks for these alone, and the result says so in `shares`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from ....reference.errors import Array
from ....reference.parallel.saturation import saturation
from ....reference.parallel.worst_case import (
    GAP,
    ROUNDING,
    Points,
    WorstCase,
    all_alike,
    cell_bound,
    check_gap,
    first_load,
    last_load,
)
from ....reference.pickling import as_raised
from ...core.options import FormulationOptions, check_solve_options
from ...core.progress import StatusLine
from ...core.signatures import show_options
from .certificate import rounding, supporting_lines
from .formulations import for_goal
from .limits import no_limits
from .polish import finish
from .prices import GOALS
from .questions import Splits

if TYPE_CHECKING:
    from ...core.solve import Task
    from .prices import Goal
    from .system import ParallelServers

MOST = 4000  # loads solved for before the search stops with the gap it has
DERIVED = 1000  # where slopes are made of differences: each load is dear
BATCH = 64  # cells cut at once
NEAR = 1e-9  # gap at which an answer is near enough whatever the gap of the search
VAIN = 8  # solvers' answers that gained nothing, after which none is asked between two loads
SHARES = "the bound between two loads, the limit at saturation, the activation loads; not the splits and their certificates"
FLOOR = "the answers themselves are not known better"
SAY = "; differences of the latency have no more digits: give `marginal` or `latency_slope`"


class WorstCaseInterruptedError(KeyboardInterrupt):
    """The user stopped the search; `found` holds what it had, with a certificate that is right but wide."""

    def __init__(self, found: WorstCase) -> None:
        super().__init__(f"stopped after {found.evaluations} loads, gap {found.gap:.1e}")
        self.found = found

    __reduce__ = as_raised


@show_options
def worst_case(
    system: ParallelServers, up_to: float | None = None, **options: Unpack[FormulationOptions]
) -> WorstCase:
    """Largest price of anarchy over all loads, with a certificate; see `ParallelServers.worst_case`."""
    no_limits(options)
    tolerance, bank = options.get("gap"), system.bank
    gap = check_gap(GAP if tolerance is None else tolerance)
    check_solve_options("worst_case", options)
    end = saturation(bank) if up_to is None else None
    last = last_load(bank, up_to, end)
    starts = system.thresholds()
    first = first_load(bank, starts, last)
    if first >= last or all_alike(bank):
        return WorstCase(1.0, last, 1.0, 0.0, True, 1.0, last, last, 0, shares=SHARES)
    breakpoints = np.unique(
        starts.equilibrium[(starts.equilibrium > first) & (starts.equilibrium < last)]
    )
    search = _BestFirst(system, gap, options)
    return search.run(
        np.concatenate([[first], breakpoints, [last] if end is None else []]), end is not None, last
    )


class Known(NamedTuple):
    """A flow, shape (n,), and what its certificate proves."""

    flow: Array
    lower_bound: float
    upper_bound: float

    @classmethod
    def of(cls, answer: Splits) -> Known:
        """Return the first of some answers."""
        return cls(answer.flow[0], float(answer.lower_bound[0]), float(answer.upper_bound[0]))


class Node(NamedTuple):
    """What is known at a load, as arrays of one; and the flows of both goals, shape (2, n)."""

    points: Points
    flow: Array


class _BestFirst:
    """Cells by their bounds, the largest first; the cell next to saturation has no right end."""

    def __init__(self, system: ParallelServers, gap: float, options: FormulationOptions) -> None:
        self.system, self.gap = system, gap
        self.sweeps: dict[Goal, Task[Any, Splits, Any]] = {}
        # each solution is as tight as it gets; the gap that was asked for is the search's
        settings: FormulationOptions = {**options, "throw": False, "gap": None}
        self.options = {goal: for_goal(goal, settings) for goal in GOALS}
        self.end = saturation(system.bank)
        self.cells: list[tuple[float, int, Node, Node | None]] = []
        self.polish, self.vain, self.note = options.get("polish", True), 0, ""
        self.most = DERIVED if system.bank.uses_finite_differences else MOST
        self.order = itertools.count()
        self.lower, self.load, self.evaluations = 1.0, 0.0, 0

    def run(self, edges: np.ndarray, open_end: bool, last: float) -> WorstCase:
        if open_end and self.end is not None:
            self.lower, self.load = self.end.limit, last
        nodes: list[Node] = []
        candidate = (self.lower, last)
        try:
            with StatusLine("worst case") as tick:
                for load in edges:
                    nodes.append(self._node(float(load)))
                    tick.step(f"{self.evaluations} loads")
                candidate = (self.lower, self.load)
                for a, b in itertools.pairwise(nodes):
                    self._push(a, b)
                if open_end:
                    self._push(nodes[-1], None)
                while not self.note and self._open():
                    self._split()
                    tick.step(f"{self.evaluations} loads, gap {self._upper() / self.lower - 1:.0e}")
        except KeyboardInterrupt:
            # before every edge is solved nothing bounds the rest
            upper = self._upper() if len(nodes) == len(edges) else math.inf
            raise WorstCaseInterruptedError(self._result(upper, candidate, last)) from None
        return self._result(self._upper(), candidate, last)

    def _result(self, upper: float, candidate: tuple[float, float], last: float) -> WorstCase:
        upper = max(upper * (1 + ROUNDING), self.lower)
        gap = upper / self.lower - 1
        certified = bool(gap <= self.gap)
        note = "" if certified else self.note + SAY * self.system.bank.uses_finite_differences
        return WorstCase(
            self.lower,
            self.load,
            upper,
            gap,
            certified,
            *candidate,
            last,
            self.evaluations,
            note,
            SHARES,
        )

    def _upper(self) -> float:
        return max(-self.cells[0][0], self.lower) if self.cells else self.lower

    def _open(self) -> bool:
        """Whether a cell may still hold a load that is worse by more than the gap."""
        return bool(self.cells) and -self.cells[0][0] > self.lower * (1 + 0.9 * self.gap)

    def _node(self, load: float) -> Node:
        """Solve at a load."""
        if load == 0:  # nothing to solve: the first job goes to the nearest server
            idle, slack = (
                float(self.system.bank.idle_latency.min()),
                float(self.system.bank.total_rate[0]),
            )
            points = Points(*(np.array([v]) for v in (0.0, slack, idle, 0.0, idle, 1.0)))
            return Node(points, np.zeros((2, len(self.system))))
        best, selfish = (self._answer(goal, load) for goal in GOALS)
        return self._known(np.array([load]), [Known.of(best)], [Known.of(selfish)])[0]

    def _nodes(self, load: Array, start: Array) -> list[Node]:
        """Nodes at K loads, by Newton steps from flows of shape (2, K, n); by a solver where they are not near enough."""
        bank, found = self.system.bank, []
        for goal, flow in zip(GOALS, start, strict=True):
            done = finish(bank, load, flow, goal, polish=True)
            proof, near = (
                done.certificates,
                np.maximum(max(NEAR, 0.1 * self.gap), rounding(bank, load, done.flow, goal)),
            )
            rows = [
                Known(*row)
                for row in zip(
                    done.flow, proof.lower_bound.tolist(), proof.upper_bound.tolist(), strict=True
                )
            ]
            for k in np.flatnonzero(~(proof.gap <= near)):
                if self.vain >= VAIN and np.isfinite(proof.gap[k]):
                    continue
                answer = self._answer(goal, float(load[k]))
                if answer.gap[0] < proof.gap[k]:
                    rows[k] = Known.of(answer)
                self.vain = 0 if answer.gap[0] < 0.5 * proof.gap[k] else self.vain + 1
            found.append(rows)
        return self._known(load, *found)

    def _known(self, load: Array, best: list[Known], selfish: list[Known]) -> list[Node]:
        """The bounds of what is true at K loads."""
        bank, (total, low) = self.system.bank, self.system.bank.total_rate
        with np.errstate(all="ignore"):
            carried, slope = supporting_lines(bank, load, np.array([b.flow for b in best]))
        self.evaluations += load.size
        nodes = []
        for k, (x, b, s) in enumerate(zip(load.tolist(), best, selfish, strict=True)):
            sure = max(s.lower_bound / b.upper_bound, 1.0)
            if sure > self.lower:
                self.lower, self.load = sure, x
            numbers = (
                x,
                float((total - x) + low),
                s.upper_bound,
                carried[k],
                slope[k],
                s.upper_bound / b.lower_bound,
            )
            nodes.append(
                Node(Points(*(np.array([v]) for v in numbers)), np.stack([b.flow, s.flow]))
            )
        return nodes

    def _answer(self, goal: Goal, load: float) -> Splits:
        if goal not in self.sweeps:
            self.sweeps[goal] = self.system.task(goal, load, **self.options[goal])
        found = self.sweeps[goal].solve(np.array([load]))
        if not found.available[0]:
            self.sweeps[goal].one(load)  # asked alone, it raises with what was tried
        return found

    def _push(self, a: Node, b: Node | None) -> None:
        left = a.points
        if b is not None:
            bound = float(cell_bound(left, b.points)[0])
        else:
            bound = (
                self.end.bound(left.slack[0], left.latency[0], left.carried[0])
                if self.end is not None
                else math.inf
            )
        heapq.heappush(self.cells, (-bound, next(self.order), a, b))

    def _split(self) -> None:
        """Cut the cells with the largest bounds in two; a cell that is not cut, also by an interruption, stays."""
        cells: list[tuple[float, int, Node, Node | None]] = []
        try:
            nodes = self._cut(cells)
        except BaseException:
            for cell in cells:
                heapq.heappush(self.cells, cell)
            raise
        for (_, _, a, b), node in zip(cells, nodes, strict=True):
            self._push(a, node)
            self._push(node, b)

    def _cut(self, cells: list[tuple[float, int, Node, Node | None]]) -> list[Node]:
        """Take the cells with the largest bounds, into the list, and return a node within each."""
        middles, starts = [], []
        while len(cells) < min(BATCH, self.most - self.evaluations) and self._open():
            bound, _, a, b = cell = self.cells[0]
            ends = [a.points] if b is None else [a.points, b.points]
            middle = self._middle(*ends)
            if middle is None or -bound <= max(float(end.poa[0]) for end in ends):
                self.note = FLOOR
                break
            cells.append(cell)
            heapq.heappop(self.cells)
            middles.append(middle)
            starts.append(self._between(a, b, middle))
        if not cells:
            self.note = self.note or f"stopped after {self.evaluations} loads"
            return []
        # at least once a solver answers, in a system of one segment too
        near = self.polish and bool(self.sweeps)
        return (
            self._nodes(np.array(middles), np.stack(starts, axis=1))
            if near
            else [self._node(x) for x in middles]
        )

    def _middle(self, a: Points, b: Points | None = None) -> float | None:
        """Load within a cell; None between neighbouring floats."""
        start, slack = float(a.load[0]), float(a.slack[0])
        total, low = self.system.bank.total_rate
        if b is None:
            middle = float((total - slack / 4) + low)
        elif math.isfinite(slack) and b.slack[0] < slack / 4:
            middle = float((total - math.sqrt(slack * b.slack[0])) + low)
        else:
            middle = 0.5 * (start + float(b.load[0]))
        return middle if start < middle < (total if b is None else b.load[0]) else None

    def _between(self, a: Node, b: Node | None, load: float) -> Array:
        """Flows at a load from those at the ends of its cell, shape (2, n)."""
        left = a.points
        if b is None:
            rate, (total, low) = self.system.bank.rate, self.system.bank.total_rate
            emptier: Array = rate - (rate - a.flow) * (((total - load) + low) / left.slack[0])
            return emptier
        part = (load - left.load[0]) / (b.points.load[0] - left.load[0])
        out: Array = (1 - part) * a.flow + part * b.flow
        return out
