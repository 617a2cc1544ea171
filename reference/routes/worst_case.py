"""The largest price of anarchy of flows over routes in an interval of loads, by branch and bound.

The interval is cut into cells at nodes, multiples of the loads at which optimum and equilibrium are
computed. `sojourn.reference.routes.anarchy` bounds the price of anarchy within a cell. The cell
with the largest bound is cut in two, until no bound exceeds the largest price of anarchy found by
more than the gap.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import Array, LoadError
from ..guards import check_players
from ..html_table import HtmlTable
from ..plural import counted
from ..validation import LARGEST, as_float, check_within
from .anarchy import Node, at_no_load, bound_between, solved
from .capacity import capacity, check_multiple
from .routed import RoutedSystem

GAP = 1e-5
LEAST_GAP = 1e-6  # the equilibrium's own interval is of this order
MOST = 4000  # nodes after which the search ends with the gap that it has
FULL = 1e-3  # relative distance of the last load to the largest, where none is given
CLOSEST = 1e-6  # first load over the last, where the mean delay at no load is 0
NARROW = 1e-9  # relative width of a cell that is not cut
FLOOR = "the answers themselves are not known better"


@dataclass(frozen=True, repr=False, eq=False)
class RouteWorstCase(HtmlTable):
    """Largest price of anarchy over an interval of loads, with a certificate.

    Attributes
    ----------
    poa : float
        Price of anarchy at `load`, by the bounds that are proved there: a lower bound of the worst
        case.
    load : float
        Total load at which `poa` is reached, jobs per unit of time.
    upper_bound : float
        Upper bound of the price of anarchy at every load of the interval.
    gap : float
        ``upper_bound / poa - 1``.
    certified : bool
        Whether the gap is at most the requested gap.
    low, high : float
        Ends of the interval: total loads, divided among the groups in proportion to their loads.
    players : float
        Number of equal players of the equilibrium.
    evaluations : int
        Number of loads at which optimum and equilibrium were computed.
    loads, ratio : ndarray, shape (N,)
        These loads in order, with the price of anarchy at each, for pictures.
    bound : ndarray, shape (N - 1,)
        Upper bound of the price of anarchy between two neighbours of them.
    note : str
        Reason why the gap is larger than requested, or why no load was solved; else empty.
    shares : str
        Parts that the search shares with that of `sojourn.reference`, for which the agreement of
        the two is no evidence; empty in results of `sojourn.reference`.
    """

    poa: float
    load: float
    upper_bound: float
    gap: float
    certified: bool
    low: float
    high: float
    players: float
    evaluations: int
    loads: Array
    ratio: Array
    bound: Array
    note: str = ""
    shares: str = ""

    def __repr__(self) -> str:
        state = (
            f"certified within {self.gap:.0e}"
            if self.certified
            else f"NOT CERTIFIED, gap {self.gap:.0e}" + f" ({self.note})" * bool(self.note)
        )
        shared = f"\n  shared with the reference's search: {self.shares}" * bool(self.shares)
        of_players = f" of {counted(self.players, 'player')}" * bool(np.isfinite(self.players))
        return (
            f"worst price of anarchy{of_players} {self.poa:.9g} at load {self.load:.6g}; no load "
            f"from {self.low:.6g} to {self.high:.6g} has more than {self.upper_bound:.9g}\n"
            f"  {state}, {counted(self.evaluations, 'load')} looked at{shared}"
        )


def worst_case(
    system: RoutedSystem,
    low: float | None = None,
    high: float | None = None,
    *,
    players: float = np.inf,
    gap: float = GAP,
) -> RouteWorstCase:
    """Return the largest price of anarchy over an interval of loads, with a certificate.

    Parameters
    ----------
    system : RoutedSystem
    low : float, optional
        Smallest total load, 0 or more; by default 0, or 1e-6 of `high` where the mean delay at no
        load is 0.
    high : float, optional
        Largest total load; by default 0.999 of the largest that the stations can carry.
    players : float, default infinity
        Number of equal players of the equilibrium, 1 or more.
    gap : float, default 1e-5
        Relative distance between the lower and the upper bound at which the search ends; at least
        1e-6.

    Raises
    ------
    LoadError
        On an interval that is not within the loads that the stations can carry, or without `high`
        where they can carry any load.
    InputError
        On a gap below 1e-6, or a number of players that is not a whole number from 1 on.
    """
    players = check_players(players)
    search = Search(system, low, high, players, gap)
    search.run(lambda multiple, near: solved(system, multiple, players, near))
    return search.result()


class Search:
    """A best-first branch and bound over multiples of the loads.

    Attributes
    ----------
    nodes : list of Node
        In order of their multiples.
    bounds : list of float
        Upper bound of the price of anarchy in each cell, between two neighbours.
    """

    def __init__(
        self,
        system: RoutedSystem,
        low: float | None,
        high: float | None,
        players: float,
        gap: float,
    ) -> None:
        problem, remedy = "is not a finite number from 1e-6 on", "give a distance such as 1e-5"
        self.gap = check_within("gap", gap, LEAST_GAP, LARGEST, problem, remedy)
        self.system, self.players, self.note = system, players, ""
        self.ends = _ends(system, low, high)
        self.most = capacity(system).lower
        self.nodes: list[Node] = []
        self.bounds: list[float] = []

    def run(
        self,
        solve: Callable[[float, Node | None], Node],
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Search until the gap is met, or cannot be met.

        Parameters
        ----------
        solve : callable
            Function of a multiple and of the nearest node, or None, that returns the node of the
            multiple.
        report : callable, optional
            Called with the progress, as text, after each node.
        """
        low, high = self.ends
        self.nodes = [at_no_load(self.system) if low == 0 else solve(low, None)]
        if high > low:
            self._add(solve(high, None))
        while self.bounds:
            k = int(np.argmax(self.bounds))
            a, b, bound = self.nodes[k], self.nodes[k + 1], self.bounds[k]
            # a bound that a node itself has does not fall
            floor = max(a.most, b.most) * (1.0 + 1e-12)
            if bound <= self.worst.poa * (1.0 + self.gap):
                return
            middle = self._cut(a, b)
            if bound <= floor or b.multiple - a.multiple <= NARROW * b.multiple:
                self.note = FLOOR
                return
            if len(self.nodes) >= MOST:
                self.note = f"stopped after {MOST} loads"
                return
            near = a if a.selfish is not None else b
            self._add(solve(middle, near))
            report(f"{len(self.nodes)} loads, gap {max(self.bounds) / self.worst.poa - 1:.0e}")

    @property
    def worst(self) -> Node:
        """Node with the largest price of anarchy."""
        return max(self.nodes, key=lambda node: node.poa)

    def result(self) -> RouteWorstCase:
        """Return the result so far."""
        total, (low, high) = self.system.total_load, self.ends
        whole = bool(self.nodes) and self.nodes[-1].multiple == high
        best = max((node.poa, node.multiple) for node in self.nodes) if self.nodes else (1.0, low)
        upper = max([*self.bounds, *(node.most for node in self.nodes)]) if whole else np.inf
        gap = upper / best[0] - 1
        return RouteWorstCase(
            poa=best[0],
            load=best[1] * total,
            upper_bound=upper,
            gap=gap,
            certified=bool(gap <= self.gap),
            low=low * total,
            high=high * total,
            players=self.players,
            evaluations=len(self.nodes),
            loads=np.array([node.multiple * total for node in self.nodes]),
            ratio=np.array([node.poa for node in self.nodes]),
            bound=np.array(self.bounds),
            note=self.note if gap > self.gap else "",
        )

    def _add(self, node: Node) -> None:
        """Add a node, and the bounds of the two cells that it makes of one."""
        insort(self.nodes, node, key=lambda n: n.multiple)
        k = next(i for i, other in enumerate(self.nodes) if other is node)
        cells = [(i, i + 1) for i in (k - 1, k) if 0 <= i < len(self.nodes) - 1]
        new = [
            bound_between(self.system, self.nodes[i], self.nodes[j], self.players) for i, j in cells
        ]
        self.bounds[max(k - 1, 0) : k] = new

    def _cut(self, a: Node, b: Node) -> float:
        """Return the multiple at which a cell is cut.

        It is in the middle, or that of the logarithm of the multiple or of the spare capacity where
        these change by more than a factor of 4.
        """
        low, high = a.multiple, b.multiple
        if low == 0 or high > 4 * low:
            return float(np.sqrt(low * high)) if low > 0 else 0.25 * high
        left, right = self.most - low, self.most - high
        if np.isfinite(left) and left > 4 * right > 0:
            return float(self.most - np.sqrt(left * right))
        return 0.5 * (low + high)


def _ends(system: RoutedSystem, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the multiples between which to search."""
    total = system.total_load
    if high is None:
        most = capacity(system).lower
        if np.isinf(most):
            problem = "is missing, and the stations can carry any load"
            raise LoadError("high", None, problem, "give the largest load to search")
        last = (1 - FULL) * most
    else:
        last = as_float("high", high) / total
        if not 0 < last < np.inf:
            raise LoadError("high", high, "is not above 0 and finite", "give a total load")
        try:
            check_multiple(system, last)
        except LoadError as error:
            remedy = "leave it out to search up to 0.999 of the largest load"
            raise LoadError("high", high, error.problem, remedy) from None
    if low is None:
        first = 0.0 if at_no_load(system).fastest > 0 else CLOSEST * last
    else:
        first = as_float("low", low) / total
        if first == 0 and not at_no_load(system).fastest > 0:
            problem = "is 0, where the mean delay is 0 and the ratio is one of zeros"
            raise LoadError("low", low, problem, "give a load above 0, or leave it out")
        if not 0 <= first <= last:
            problem = f"is not from 0 to the largest load, {last * total:g}"
            raise LoadError("low", low, problem, "give a smaller one, or leave it out")
    return first, last


__all__ = ["RouteWorstCase", "Search", "worst_case"]
