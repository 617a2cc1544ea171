"""The largest price of anarchy over all loads, by branch and bound on certified solutions.

The range of loads is cut into cells. A node of the search is a load with its certified optimum
and equilibrium; a cell is the interval between two nodes, with an upper bound of the price of
anarchy inside. Each round cuts the cells with the largest bounds into parts, many loads in one
pass, until no bound exceeds the largest price of anarchy found by more than the gap.

A solver runs at the ends of the segments between activation loads, and at three loads beyond the
last of them. At the other nodes Newton steps start from the flows of the two neighbours; a solver
runs where their certificates miss the gap, as long as it improves them.

The bound of a cell is that of `sojourn.reference.parallel.worst_case`, on the certified bounds of
the true values: the chord of the largest possible latencies of the equilibria, over the supporting
lines of the least total delay. The limit at saturation, the activation loads and the cuts of a cell
are also shared with the reference. The splits, their certificates and the order of the search are
not: agreement of the two searches is evidence for these alone, and `WorstCase.shares` lists the
shared parts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from ....reference.errors import Array
from ....reference.parallel.flow_balance import Rows
from ....reference.parallel.worst_case import (
    GAP,
    ROUNDING,
    Points,
    WorstCase,
    beyond,
    cell_bound,
    cell_edges,
    check_gap,
    inside,
)
from ....reference.pickling import as_raised
from ....reference.plural import counted
from ...core.options import FormulationOptions, check_solve_options
from ...core.progress import StatusLine
from ...core.signatures import show_options
from .certificate import rounding
from .dual_bounds import supporting_lines
from .formulations import for_goal
from .limits import no_limits
from .polish import polish_and_certify
from .prices import GOALS

if TYPE_CHECKING:
    from ....reference.parallel.saturation import Saturation
    from .prices import Goal
    from .system import ParallelServers

MOST = 4000  # loads after which the search stops with the gap that it has
MOST_DIFFERENCES = 1000  # the same where slopes are differences, and a load takes long
BATCH = 64  # loads that are computed at once
PARTS = 16  # largest number of parts into which a cell is cut at once
NODE_GAP = 1e-9  # gap of a node that is small enough whatever the gap of the search
MAX_USELESS = 8  # solver runs without gain, after which none starts between two nodes
SHARES = (
    "the bound between two loads, the limit at saturation, the activation loads, the cuts; "
    "not the splits and their certificates"
)
FLOOR = "the answers themselves are not known better"
DIFFERENCES = "; differences of the latency have no more digits: give `marginal` or `latency_slope`"


class WorstCaseInterruptedError(KeyboardInterrupt):
    """The user stopped the search.

    Attributes
    ----------
    found : WorstCase or RouteWorstCase
        The result so far; its certificate is valid, with a wide gap.
    """

    def __init__(self, found: Any) -> None:
        super().__init__(f"stopped after {counted(found.evaluations, 'load')}, gap {found.gap:.1e}")
        self.found = found

    __reduce__ = as_raised


@show_options
def worst_case(
    system: ParallelServers, up_to: float | None = None, **options: Unpack[FormulationOptions]
) -> WorstCase:
    """Return the largest price of anarchy over all loads; see `ParallelServers.worst_case`."""
    no_limits(options)
    tolerance = options.get("gap")
    gap = check_gap(GAP if tolerance is None else tolerance)
    check_solve_options("worst_case", options)
    edges, end, last = cell_edges(system.bank, system.thresholds(), up_to)
    if not edges.size:
        return WorstCase(1.0, last, 1.0, 0.0, True, 1.0, last, last, 0, shares=SHARES)
    return _BestFirst(system, gap, options, end, last).run(edges)


class Known(NamedTuple):
    """Flows, shape (K, n), their prices, and bounds of the true mean delays, shape (K,)."""

    flow: Array
    multiplier: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array


class Nodes(NamedTuple):
    """Loads of the search, in order.

    Attributes
    ----------
    points : Points
        The loads, with bounds of their true values.
    ratio : ndarray, shape (K,)
        Lower bounds of the price of anarchy.
    flow : ndarray, shape (2, K, n)
        Flows of the optimum and of the equilibrium.
    """

    points: Points
    ratio: Array
    flow: Array

    def joined(self, other: Nodes) -> Nodes:
        """Return the nodes of both, in order of their loads."""
        order = np.argsort(np.concatenate([self.points.load, other.points.load]))
        pairs = zip(self.points, other.points, strict=True)
        return Nodes(
            Points(*(np.concatenate(pair)[order] for pair in pairs)),
            np.concatenate([self.ratio, other.ratio])[order],
            np.concatenate([self.flow, other.flow], axis=1)[:, order],
        )


class _BestFirst:
    """A best-first branch and bound over loads.

    A cell lies between two neighbouring nodes; where the limit at saturation is known, the last
    cell reaches from the last node to saturation.
    """

    def __init__(
        self,
        system: ParallelServers,
        gap: float,
        options: FormulationOptions,
        end: Saturation | None,
        last: float,
    ) -> None:
        self.bank, self.gap, self.end, self.last = system.bank, gap, end, last
        load = 0.5 * last
        # the given gap is that of the search; each solution has the smallest gap that it can have
        settings: FormulationOptions = {**options, "throw": False, "gap": None}
        self.tasks = {goal: system._task(goal, load, **for_goal(goal, settings)) for goal in GOALS}
        self.polish, self.useless, self.note = options.get("polish", True), 0, ""
        few = self.bank.uses_finite_differences
        self.most, self.parts = (MOST_DIFFERENCES, 2) if few else (MOST, PARTS)
        none = np.empty(0)
        self.nodes = Nodes(Points(*[none] * 6), none, np.empty((2, 0, len(self.bank))))

    def run(self, edges: Array) -> WorstCase:
        """Return the result of the search, whose first cells lie between edges, in order."""
        bank, complete, self.edge = self.bank, False, edges[-1]
        first = edges if self.end is None else np.append(edges, beyond(bank, edges[-1]))
        block = min(task.block for task in self.tasks.values())
        try:
            with StatusLine("worst case") as tick:
                for load in np.split(first, range(block, first.size, block)):
                    self.nodes = self.nodes.joined(self._solved(load))
                    tick.step(counted(self.evaluations, "load"))
                complete = True
                while self._split():
                    gap = self._bounds().max(initial=1.0) / self._worst()[0] - 1
                    tick.step(f"{counted(self.evaluations, 'load')}, gap {gap:.0e}")
        except KeyboardInterrupt:
            # without all edges some loads are in no cell, and have no bound
            found = self._result(edges, complete=complete)
            raise WorstCaseInterruptedError(found) from None
        return self._result(edges, complete=True)

    @property
    def evaluations(self) -> int:
        """Number of loads above 0 that were looked at."""
        return int(np.count_nonzero(self.nodes.points.load))

    def _result(self, edges: Array, *, complete: bool) -> WorstCase:
        """Return the result so far; the paper's rule looks at the edges alone."""
        poa, load = self._worst()
        upper = max(float(self._bounds().max(initial=poa)), poa) if complete else math.inf
        upper = max(upper * (1 + ROUNDING), poa)
        gap = upper / poa - 1
        certified = bool(gap <= self.gap)
        note = self.note + DIFFERENCES * self.bank.uses_finite_differences
        return WorstCase(
            poa,
            load,
            upper,
            gap,
            certified,
            *self._worst(edges),
            self.last,
            self.evaluations,
            "" if certified else note,
            SHARES,
        )

    def _worst(self, among: Array | None = None) -> tuple[float, float]:
        """Return the largest price of anarchy found, and its load, of all nodes or of some."""
        ratio, load = self.nodes.ratio, self.nodes.points.load
        if among is not None:
            ratio = np.where(np.isin(load, among), ratio, 1.0)
        limit = (1.0, 0.0) if self.end is None else (self.end.limit, self.last)
        k = int(ratio.argmax()) if ratio.size else 0
        return (float(ratio[k]), float(load[k])) if ratio.size and ratio[k] > limit[0] else limit

    def _bounds(self) -> Array:
        """Return upper bounds of the price of anarchy in all cells."""
        points = self.nodes.points
        bound = cell_bound(points.at(slice(None, -1)), points.at(slice(1, None)))
        if self.end is None or not points.load.size:
            return bound
        edge = int(np.searchsorted(points.load, self.edge))
        from_edge, from_last = (
            self.end.bound(points.spare_capacity[k], points.latency[k], points.total_delay[k])
            for k in (edge, -1)
        )
        bound[edge:] = np.minimum(bound[edge:], from_edge)
        return np.append(bound, min(from_edge, from_last))

    def _split(self) -> bool:
        """Cut the cells with the largest bounds, and return whether there were any."""
        bound, poa = self._bounds(), self.nodes.points.poa
        open_ = bound > self._worst()[0] * (1 + 0.9 * self.gap)
        if not open_.any():
            return False
        # a bound that a node itself has does not fall
        least = np.maximum(poa[: bound.size], np.append(poa[1:], 0.0)[: bound.size])
        remaining = self.most - self.evaluations
        cells = np.argsort(-bound)[: min(np.count_nonzero(open_), BATCH, max(remaining, 0))]
        if not cells.size:
            self.note = f"stopped after {counted(self.evaluations, 'load')}"
            return False
        left, load = self._inside(cells[bound[cells] > least[cells]], remaining)
        if not load.size or bound[cells[0]] <= least[cells[0]]:
            self.note = FLOOR
            return False
        if not self.polish:
            self.nodes = self.nodes.joined(self._solved(load))
        else:
            self.nodes = self.nodes.joined(self._polished(load, self._between(left, load)))
        return True

    def _inside(self, cells: Rows, remaining: int) -> tuple[Rows, Array]:
        """Return loads inside cells, in order, and for each the index of the node before it."""
        points = self.nodes.points
        parts = int(np.clip(min(BATCH, remaining) // max(cells.size, 1) + 1, 2, self.parts))
        inner = np.sort(cells[cells < points.load.size - 1])
        loads = [inside(points.at(inner), points.at(inner + 1), parts).ravel()]
        left = [np.repeat(inner, parts - 1)]
        if inner.size < cells.size:
            loads.append(beyond(self.bank, points.load[-1])[: parts - 1])
            left.append(np.full(loads[-1].size, points.load.size - 1))
        load, first = np.unique(np.concatenate(loads), return_index=True)
        new = ~np.isin(load, points.load)
        return np.concatenate(left)[first][new], load[new]

    def _between(self, left: Rows, load: Array) -> Array:
        """Return flows at loads between those at the ends of their cells, shape (2, K, n)."""
        points, flow = self.nodes.points, self.nodes.flow
        right = np.minimum(left + 1, points.load.size - 1)
        width, part = points.load[right] - points.load[left], np.zeros_like(load)
        np.divide(load - points.load[left], width, out=part, where=width > 0)
        out: Array = (1 - part)[:, None] * flow[:, left] + part[:, None] * flow[:, right]
        last = left == right
        if last.any():  # all servers keep their parts of the spare capacity
            total, low = self.bank.total_rate
            part = ((total - load[last]) + low) / points.spare_capacity[-1]
            out[:, last] = self.bank.rate - (self.bank.rate - flow[:, -1:]) * part[:, None]
        return out

    def _solved(self, load: Array) -> Nodes:
        """Return the nodes of K loads, solved by a solver."""
        best, selfish = (self._answers(goal, load) for goal in GOALS)
        return self._known(load, best, selfish)

    def _answers(self, goal: Goal, load: Array) -> Known:
        """Return the answers of a solver; NotCertifiedError where there is none."""
        found = self.tasks[goal].solve(load)
        for k in np.flatnonzero(~found.available)[:1]:
            self.tasks[goal].one(float(load[k]))  # raises, with all attempts
        return Known(*(getattr(found, name) for name in Known._fields))

    def _polished(self, load: Array, start: Array) -> Nodes:
        """Return the nodes of K loads: Newton steps, and a solver where their gap is too large.

        Parameters
        ----------
        load : ndarray, shape (K,)
            Loads.
        start : ndarray, shape (2, K, n)
            Flows of both goals from which the steps start.
        """
        found = []
        for goal, flow in zip(GOALS, start, strict=True):
            done = polish_and_certify(self.bank, load, flow, goal, polish=True)
            proof = done.certificates
            known = Known(
                done.flow, done.multiplier, proof.lower_bound, proof.upper_bound, proof.gap
            )
            enough = max(NODE_GAP, 0.1 * self.gap)
            doubtful = np.flatnonzero(~(proof.gap <= enough))
            if doubtful.size:
                by_rounding = rounding(self.bank, load, done.flow, goal)
                doubtful = np.flatnonzero(~(proof.gap <= np.maximum(enough, by_rounding)))
            for rows in np.split(doubtful, range(MAX_USELESS, doubtful.size, MAX_USELESS)):
                self._solve_again(goal, load, known, rows)
            found.append(known)
        return self._known(load, *found)

    def _solve_again(self, goal: Goal, load: Array, known: Known, rows: Rows) -> None:
        """Replace answers in place by those of a solver, where these have a smaller gap.

        After `MAX_USELESS` runs without gain that is done for loads without bounds alone.
        """
        if self.useless >= MAX_USELESS:
            rows = rows[~np.isfinite(known.gap[rows])]
        if not rows.size:
            return
        found, before = self._answers(goal, load[rows]), known.gap[rows]
        better = found.gap < before
        for field, values in zip(known, found, strict=True):
            field[rows[better]] = values[better]
        gain = np.any(found.gap < 0.5 * before)
        self.useless = 0 if gain else self.useless + rows.size

    def _known(self, load: Array, best: Known, selfish: Known) -> Nodes:
        """Return the nodes of K loads from the flows and bounds of both goals."""
        total, low = self.bank.total_rate
        with np.errstate(all="ignore"):
            total_delay, slope = supporting_lines(self.bank, load, best.multiplier)
        ratio = np.maximum(selfish.lower_bound / best.upper_bound, 1.0)
        points = Points(
            load=load,
            spare_capacity=(total - load) + low,
            latency=selfish.upper_bound,
            total_delay=total_delay,
            slope=slope,
            poa=selfish.upper_bound / best.lower_bound,
        )
        return Nodes(points, ratio, np.stack([best.flow, selfish.flow]))
