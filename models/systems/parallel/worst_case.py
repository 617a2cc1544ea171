"""The largest price of anarchy over all loads, by branch and bound on certified solutions.

The range of loads is cut into cells. A node of the search is a load with its certified optimum
and equilibrium; a cell is the interval between two nodes, with an upper bound of the price of
anarchy inside. The search halves the cells with the largest bounds, several at a time, until no
bound exceeds the largest price of anarchy found by more than the gap.

A solver runs at the ends of the segments between activation loads, and at least once. At the
other nodes Newton steps start from the flows of the two neighbours, many loads in one pass; a
solver runs where their certificates miss the gap, as long as it improves them.

The bound of a cell is that of `sojourn.reference.parallel.worst_case`, on the certified bounds of
the true values: the chord of the largest possible latencies of the equilibria, over the supporting
lines of the least total delay. The limit at saturation and the activation loads are also shared
with the reference. The splits, their certificates and the order of the search are not: agreement
of the two searches is evidence for these alone, and `WorstCase.shares` lists what is shared.
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
from .certificate import rounding
from .dual_bounds import supporting_lines
from .formulations import for_goal
from .limits import no_limits
from .polish import polish_and_certify
from .prices import GOALS
from .questions import Splits

if TYPE_CHECKING:
    from ...core.solve import Task
    from .prices import Goal
    from .system import ParallelServers

MOST = 4000  # loads after which the search stops with the gap that it has
MOST_DIFFERENCES = 1000  # the same where slopes are differences, and a load takes long
BATCH = 64  # cells that are halved at once
NODE_GAP = 1e-9  # gap of a node that is small enough whatever the gap of the search
MAX_USELESS = 8  # solver runs without gain, after which none starts between two nodes
SHARES = (
    "the bound between two loads, the limit at saturation, the activation loads; "
    "not the splits and their certificates"
)
FLOOR = "the answers themselves are not known better"
DIFFERENCES = "; differences of the latency have no more digits: give `marginal` or `latency_slope`"


class WorstCaseInterruptedError(KeyboardInterrupt):
    """The user stopped the search.

    Attributes
    ----------
    found : WorstCase
        The result so far; its certificate is valid, with a wide gap.
    """

    def __init__(self, found: WorstCase) -> None:
        super().__init__(f"stopped after {found.evaluations} loads, gap {found.gap:.1e}")
        self.found = found

    __reduce__ = as_raised


@show_options
def worst_case(
    system: ParallelServers, up_to: float | None = None, **options: Unpack[FormulationOptions]
) -> WorstCase:
    """Return the largest price of anarchy over all loads; see `ParallelServers.worst_case`."""
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
    """Flows, shape (n,), and certified bounds of the true mean delay."""

    flow: Array
    lower_bound: float
    upper_bound: float

    @classmethod
    def of(cls, answer: Splits) -> Known:
        """Return those of the first answer."""
        return cls(answer.flow[0], float(answer.lower_bound[0]), float(answer.upper_bound[0]))


class Node(NamedTuple):
    """A load of the search.

    Attributes
    ----------
    points : Points
        The load and the bounds of its true values, as arrays of shape (1,).
    flow : ndarray, shape (2, n)
        Flows of the optimum and of the equilibrium.
    """

    points: Points
    flow: Array


class _BestFirst:
    """A best-first branch and bound over loads.

    The cells are in a heap by their upper bounds, the largest first. The cell next to saturation
    has no right end.
    """

    def __init__(self, system: ParallelServers, gap: float, options: FormulationOptions) -> None:
        self.system, self.gap = system, gap
        self.tasks: dict[Goal, Task[Any, Splits, Any]] = {}
        # the given gap is that of the search; each solution has the smallest gap that it can have
        settings: FormulationOptions = {**options, "throw": False, "gap": None}
        self.options = {goal: for_goal(goal, settings) for goal in GOALS}
        self.end = saturation(system.bank)
        self.cells: list[tuple[float, int, Node, Node | None]] = []
        self.polish, self.useless, self.note = options.get("polish", True), 0, ""
        self.most = MOST_DIFFERENCES if system.bank.uses_finite_differences else MOST
        self.order = itertools.count()
        self.lower, self.load, self.evaluations = 1.0, 0.0, 0

    def run(self, edges: np.ndarray, open_end: bool, last: float) -> WorstCase:
        """Return the result of the search.

        Parameters
        ----------
        edges : ndarray
            Loads that the first cells lie between, in order.
        open_end : bool
            Whether there is a cell from the last of them to saturation.
        last : float
            Largest load of the search.
        """
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
            # without all edges some loads are in no cell, and have no bound
            upper = self._upper() if len(nodes) == len(edges) else math.inf
            raise WorstCaseInterruptedError(self._result(upper, candidate, last)) from None
        return self._result(self._upper(), candidate, last)

    def _result(self, upper: float, candidate: tuple[float, float], last: float) -> WorstCase:
        """Return the result from the upper bound and the value of the paper's rule."""
        upper = max(upper * (1 + ROUNDING), self.lower)
        gap = upper / self.lower - 1
        certified = bool(gap <= self.gap)
        note = (
            "" if certified else self.note + DIFFERENCES * self.system.bank.uses_finite_differences
        )
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
        """Return the upper bound of the price of anarchy over all cells."""
        return max(-self.cells[0][0], self.lower) if self.cells else self.lower

    def _open(self) -> bool:
        """Return whether a bound exceeds the largest price of anarchy by more than the gap."""
        return bool(self.cells) and -self.cells[0][0] > self.lower * (1 + 0.9 * self.gap)

    def _node(self, load: float) -> Node:
        """Return the node of a load, solved by a solver."""
        if load == 0:  # the first job goes to the server with the least idle latency
            idle = float(self.system.bank.idle_latency.min())
            spare_capacity = float(self.system.bank.total_rate[0])
            points = Points(*(np.array([v]) for v in (0.0, spare_capacity, idle, 0.0, idle, 1.0)))
            return Node(points, np.zeros((2, len(self.system))))
        best, selfish = (self._answer(goal, load) for goal in GOALS)
        return self._known(np.array([load]), [Known.of(best)], [Known.of(selfish)])[0]

    def _nodes(self, load: Array, start: Array) -> list[Node]:
        """Return the nodes of K loads: Newton steps, and a solver where their gap is too large.

        Parameters
        ----------
        load : ndarray, shape (K,)
            Loads.
        start : ndarray, shape (2, K, n)
            Flows of both goals from which the steps start.
        """
        bank, found = self.system.bank, []
        for goal, flow in zip(GOALS, start, strict=True):
            done = polish_and_certify(bank, load, flow, goal, polish=True)
            proof = done.certificates
            by_rounding = rounding(bank, load, done.flow, goal)
            enough = np.maximum(max(NODE_GAP, 0.1 * self.gap), by_rounding)
            rows = [
                Known(*row)
                for row in zip(
                    done.flow, proof.lower_bound.tolist(), proof.upper_bound.tolist(), strict=True
                )
            ]
            for k in np.flatnonzero(~(proof.gap <= enough)):
                if self.useless >= MAX_USELESS and np.isfinite(proof.gap[k]):
                    continue
                answer = self._answer(goal, float(load[k]))
                if answer.gap[0] < proof.gap[k]:
                    rows[k] = Known.of(answer)
                self.useless = 0 if answer.gap[0] < 0.5 * proof.gap[k] else self.useless + 1
            found.append(rows)
        return self._known(load, *found)

    def _known(self, load: Array, best: list[Known], selfish: list[Known]) -> list[Node]:
        """Return the nodes of K loads from the flows and bounds of both goals."""
        bank, (total, low) = self.system.bank, self.system.bank.total_rate
        with np.errstate(all="ignore"):
            total_delay, slope = supporting_lines(bank, load, np.array([b.flow for b in best]))
        self.evaluations += load.size
        nodes = []
        for k, (x, b, s) in enumerate(zip(load.tolist(), best, selfish, strict=True)):
            ratio = max(s.lower_bound / b.upper_bound, 1.0)
            if ratio > self.lower:
                self.lower, self.load = ratio, x
            numbers = (
                x,
                float((total - x) + low),
                s.upper_bound,
                total_delay[k],
                slope[k],
                s.upper_bound / b.lower_bound,
            )
            nodes.append(
                Node(Points(*(np.array([v]) for v in numbers)), np.stack([b.flow, s.flow]))
            )
        return nodes

    def _answer(self, goal: Goal, load: float) -> Splits:
        """Return the answer of a solver at a load; NotCertifiedError where there is none."""
        if goal not in self.tasks:
            self.tasks[goal] = self.system._task(goal, load, **self.options[goal])
        found = self.tasks[goal].solve(np.array([load]))
        if not found.available[0]:
            self.tasks[goal].one(load)  # raises, with all attempts
        return found

    def _push(self, a: Node, b: Node | None) -> None:
        """Add the cell between two nodes, or from a node to saturation, with its bound."""
        left = a.points
        if b is not None:
            bound = float(cell_bound(left, b.points)[0])
        else:
            bound = (
                self.end.bound(left.spare_capacity[0], left.latency[0], left.total_delay[0])
                if self.end is not None
                else math.inf
            )
        heapq.heappush(self.cells, (-bound, next(self.order), a, b))

    def _split(self) -> None:
        """Halve the cells with the largest bounds."""
        cells: list[tuple[float, int, Node, Node | None]] = []
        try:
            nodes = self._cut(cells)
        except BaseException:  # also an interruption: the cells are not halved, and stay
            for cell in cells:
                heapq.heappush(self.cells, cell)
            raise
        for (_, _, a, b), node in zip(cells, nodes, strict=True):
            self._push(a, node)
            self._push(node, b)

    def _cut(self, cells: list[tuple[float, int, Node, Node | None]]) -> list[Node]:
        """Move the cells with the largest bounds into the list; return a node inside each."""
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
        # a solver runs at least once, also where the loads have only one segment
        if self.polish and self.tasks:
            return self._nodes(np.array(middles), np.stack(starts, axis=1))
        return [self._node(x) for x in middles]

    def _middle(self, a: Points, b: Points | None = None) -> float | None:
        """Return a load inside a cell; None between neighbouring floats.

        Near saturation the spare capacity is halved on a logarithmic scale, else the load.
        """
        start, spare_capacity = float(a.load[0]), float(a.spare_capacity[0])
        total, low = self.system.bank.total_rate
        if b is None:
            middle = float((total - spare_capacity / 4) + low)
        elif math.isfinite(spare_capacity) and b.spare_capacity[0] < spare_capacity / 4:
            middle = float((total - math.sqrt(spare_capacity * b.spare_capacity[0])) + low)
        else:
            middle = 0.5 * (start + float(b.load[0]))
        return middle if start < middle < (total if b is None else b.load[0]) else None

    def _between(self, a: Node, b: Node | None, load: float) -> Array:
        """Return flows at a load between those at the ends of its cell, shape (2, n)."""
        left = a.points
        if b is None:
            rate, (total, low) = self.system.bank.rate, self.system.bank.total_rate
            fuller: Array = rate - (rate - a.flow) * (
                ((total - load) + low) / left.spare_capacity[0]
            )
            return fuller
        part = (load - left.load[0]) / (b.points.load[0] - left.load[0])
        out: Array = (1 - part) * a.flow + part * b.flow
        return out
