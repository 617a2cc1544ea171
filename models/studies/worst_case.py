"""The true worst case by convex programs: best first, one cell at a time, each node a certified optimum and equilibrium.

The bound of a cell is the one of `sojourn.reference.worst_case`, on the certificates' bounds of the true values: the chord of the largest
latencies that the equilibria can have, and the lines that the multipliers of the optima prove to lie below the least total delay.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING, Unpack

import numpy as np

from sojourn.models.solving.certificate import supporting_line
from sojourn.models.solving.chain import How, no_limits
from sojourn.models.studies.curve import GOALS
from sojourn.models.studies.progress import Ticker
from sojourn.models.systems.formulations import for_goal
from sojourn.models.systems.sweep import Answers
from sojourn.reference.saturation import saturation
from sojourn.reference.worst_case import GAP, ROUNDING, Points, WorstCase, all_alike, cell_bound, check_gap, first_load, last_load

if TYPE_CHECKING:
    from sojourn.models.solving.prices import Goal
    from sojourn.models.systems.parallel import ParallelServers
    from sojourn.models.systems.sweep import OneByOne, Sweep

MOST = 4000  # loads solved for before the search stops with the gap it has


class WorstCaseInterruptedError(KeyboardInterrupt):
    """The user stopped the search; `found` holds what it had, with a certificate that is right but wide."""

    def __init__(self, found: WorstCase) -> None:
        super().__init__(f"stopped after {found.evaluations} loads, gap {found.gap:.1e}")
        self.found = found


def worst_case(system: ParallelServers, up_to: float | None = None, **how: Unpack[How]) -> WorstCase:
    """Largest price of anarchy over all loads, with a certificate; see `ParallelServers.worst_case`."""
    no_limits(how)
    wanted, queue = how.get("gap"), system.bank
    gap = check_gap(GAP if wanted is None else wanted)
    end = saturation(queue) if up_to is None else None
    last = last_load(queue, up_to, end)
    starts = system.thresholds()
    first = first_load(queue, starts, last)
    if first >= last or all_alike(queue):
        return WorstCase(1.0, last, 1.0, 0.0, True, 1.0, last, last, 0)
    kinks = np.unique(starts.equilibrium[(starts.equilibrium > first) & (starts.equilibrium < last)])
    search = _BestFirst(system, gap, how)
    return search.run(np.concatenate([[first], kinks, [last] if end is None else []]), end is not None, last)


class _BestFirst:
    """Cells by their bounds, the largest first; the cell next to saturation has no right end."""

    def __init__(self, system: ParallelServers, gap: float, how: How) -> None:
        self.system, self.gap = system, gap
        self.sweeps: dict[Goal, Sweep | OneByOne] = {}
        # each solution is as tight as it gets; the gap that was asked for is the search's
        settings: How = {**how, "throw": False, "gap": None}
        self.how = {goal: for_goal(goal, settings) for goal in GOALS}
        self.end = saturation(system.bank)
        self.cells: list[tuple[float, int, Points, Points | None]] = []
        self.order = itertools.count()
        self.lower, self.load, self.evaluations = 1.0, 0.0, 0

    def run(self, edges: np.ndarray, open_end: bool, last: float) -> WorstCase:
        if open_end and self.end is not None:
            self.lower, self.load = self.end.limit, last
        nodes: list[Points] = []
        candidate = (self.lower, last)
        try:
            with Ticker("worst case") as tick:
                for load in edges:
                    nodes.append(self._node(float(load)))
                    tick.step(f"{self.evaluations} loads")
                candidate = (self.lower, self.load)
                for a, b in itertools.pairwise(nodes):
                    self._push(a, b)
                if open_end:
                    self._push(nodes[-1], None)
                while self.cells and -self.cells[0][0] > self.lower * (1 + 0.9 * self.gap) and self.evaluations < MOST:
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
        return WorstCase(self.lower, self.load, upper, gap, bool(gap <= self.gap), *candidate, last, self.evaluations)

    def _upper(self) -> float:
        return max(-self.cells[0][0], self.lower) if self.cells else self.lower

    def _node(self, load: float) -> Points:
        """Solve at a load; the bounds of what is true there, as arrays of one."""
        if load == 0:  # nothing to solve: the first job goes to the nearest server
            idle, slack = float(self.system.bank.idle_latency.min()), float(self.system.bank.total_rate[0])
            return Points(*(np.array([v]) for v in (0.0, slack, idle, 0.0, idle, 1.0)))
        best, selfish = (self._answer(goal, load) for goal in GOALS)
        self.evaluations += 1
        sure = max(float(selfish.lower_bound[0] / best.upper_bound[0]), 1.0)
        if sure > self.lower:
            self.lower, self.load = sure, load
        carried, slope = supporting_line(self.system.bank, load, best.flow[0])
        total, low = self.system.bank.total_rate
        highest = float(selfish.upper_bound[0])
        numbers = (load, float((total - load) + low), highest, carried, slope, highest / float(best.lower_bound[0]))
        return Points(*(np.array([v]) for v in numbers))

    def _answer(self, goal: Goal, load: float) -> Answers:
        if goal not in self.sweeps:
            self.sweeps[goal] = self.system.sweep(goal, load, **self.how[goal])
        found = self.sweeps[goal].solve(np.array([load]))
        if np.isnan(found.mean_delay[0]):
            # asked alone, it says what was tried
            return Answers.of([self.system.solve(goal, load, **self.how[goal])], len(self.system))
        return found

    def _push(self, a: Points, b: Points | None) -> None:
        if b is not None:
            bound = float(cell_bound(a, b)[0])
        else:
            bound = self.end.bound(a.slack[0], a.latency[0], a.carried[0]) if self.end is not None else math.inf
        heapq.heappush(self.cells, (-bound, next(self.order), a, b))

    def _split(self) -> None:
        """Cut the cell with the largest bound in two."""
        bound, _, a, b = heapq.heappop(self.cells)
        start, slack = float(a.load[0]), float(a.slack[0])
        total, low = self.system.bank.total_rate
        if b is None:
            middle = float((total - slack / 4) + low)
        elif math.isfinite(slack) and b.slack[0] < slack / 4:
            middle = float((total - math.sqrt(slack * b.slack[0])) + low)
        else:
            middle = 0.5 * (start + float(b.load[0]))
        if not start < middle < (total if b is None else b.load[0]):
            # neighbouring floats: nothing lies between them
            if -bound > self.lower * (1 + self.gap):
                self.evaluations = MOST
            heapq.heappush(self.cells, (bound, next(self.order), a, b))
            return
        node = self._node(middle)
        self._push(a, node)
        self._push(node, b)
