"""Whole numbers of least total objective within a limit of a total resource, both convex in each.

Minimise the sum of f_i(c_i) subject to the sum of g_i(c_i) at most b, where one of f_i and g_i
rises with c_i and the other falls. At a multiplier m, numbers that minimise each f_i + m g_i bound
the least objective: by weak duality (H. Everett, *Generalized Lagrange multiplier method for
solving problems of optimum allocation of resources*, 1963) it is at least the sum of these minima
less m b. In numbers that are better than the best ones known, the losses, f_i + m g_i less its
minimum, sum to less than the distance from the bound. Few c_i have so small a loss. Their sums are
listed server by server, without those that another sum beats in both objective and resource.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS
from ...errors import Array
from .weight_units import Counts

Terms = Callable[[Counts], Array]
MOST_STATES = 100_000  # sums that are kept after each pool; the bound accounts for others
MOST_MOVES = 1_000  # of single units that improve the first numbers


class Found(NamedTuple):
    """Numbers within the limit, and a bound.

    Attributes
    ----------
    numbers : ndarray of int, shape (n,)
    lower_bound : float
        Lower bound of the least objective, less the rounding errors of its sum.
    states : int
        Sums that were compared; 0 where the multiplier alone gives the answer.
    """

    numbers: Counts
    lower_bound: float
    states: int


class Changes(NamedTuple):
    """Changes of the number at one place, with the changes of the objective and of the resource."""

    place: int
    change: Counts
    objective: Array
    resource: Array


@dataclass(frozen=True, eq=False)
class Knapsack:
    """Separable convex problem in whole numbers with one limit.

    Parameters
    ----------
    objective, resource : callable
        Functions from numbers of shape (n,) to the terms f_i and g_i, of the same shape.
    limit : float
        Largest sum b of the resource.
    low, high : ndarray of int, shape (n,)
        Bounds of the numbers.
    """

    objective: Terms
    resource: Terms
    limit: float
    low: Counts
    high: Counts

    def spare(self, numbers: Counts) -> float:
        """Return the limit less the resource of numbers."""
        return math.fsum([self.limit, *(-self.resource(numbers)).tolist()])

    def total(self, numbers: Counts) -> float:
        """Return the objective of numbers."""
        return math.fsum(self.objective(numbers).tolist())

    def solve(self, base: Counts, beyond: Counts, multiplier: float) -> Found:
        """Return the best numbers.

        Parameters
        ----------
        base : ndarray of int, shape (n,)
            Numbers within the limit that minimise each f_i + m g_i.
        beyond : ndarray of int, shape (n,)
            Numbers beyond the limit, on the side of `base` where the objective is less.
        multiplier : float
            The multiplier m.
        """
        known, at_base, spare = self.towards(base, beyond), self.total(base), self.spare(base)
        rounding = 8 * EPS * (abs(at_base) + multiplier * abs(self.limit))
        least, best = at_base - multiplier * spare - rounding, self.total(known)
        if best - least <= 2 * rounding:
            return Found(known, min(least, best), 0)
        changes = self._changes(base, multiplier, best - least)
        found, cut, states = _best_sum(changes, multiplier, spare, best - at_base)
        if found is not None:
            known = base.copy()
            for place, change in found:
                known[place] += change
        best = self.total(known)
        return Found(known, min(best - rounding, least + cut), states)

    def towards(self, base: Counts, beyond: Counts) -> Counts:
        """Return numbers within the limit from `base` on towards `beyond`, a first answer."""
        used = self.resource(base)
        rise = np.cumsum(self.resource(beyond) - used)
        spare = self.spare(base)
        whole = int(np.searchsorted(rise, spare, side="right"))
        numbers = np.where(np.arange(len(base)) < whole, beyond, base)
        if whole < len(base):  # a part of the units at the next place
            low, high = 0, int(abs(beyond[whole] - base[whole]))
            way = int(np.sign(beyond[whole] - base[whole]))
            while high - low > 1:
                middle = (low + high) // 2
                numbers[whole] = base[whole] + way * middle
                low, high = (middle, high) if self.spare(numbers) >= 0 else (low, middle)
            numbers[whole] = base[whole] + way * low
        if self.spare(numbers) < 0:  # by the rounding of the sums
            numbers = base.copy()
        way = 1 if np.any(beyond > base) else -1
        for _ in range(MOST_MOVES):
            moved = np.clip(numbers + way, self.low, self.high)
            fall = self.objective(moved) - self.objective(numbers)
            fits = self.resource(moved) - self.resource(numbers) <= self.spare(numbers)
            fall = np.where(fits, fall, 0.0)
            best = int(np.argmin(fall))
            if fall[best] >= 0:
                break
            numbers[best] = moved[best]
        return numbers if self.spare(numbers) >= 0 else base

    def _changes(self, base: Counts, multiplier: float, distance: float) -> list[Changes]:
        """Return the changes with a loss below the distance from the bound, by their least loss."""
        f, g = self.objective(base), self.resource(base)
        kept: list[list[tuple[int, float, float]]] = [[] for _ in base]
        least = np.full(len(base), np.inf)
        for way in (1, -1):
            step, going = way, np.ones(len(base), dtype=bool)
            while going.any():
                moved = np.clip(base + step, self.low, self.high)
                more, taken = self.objective(moved) - f, self.resource(moved) - g
                loss = more + multiplier * taken
                going &= (moved == base + step) & (loss < distance)
                for i in np.flatnonzero(going).tolist():
                    kept[i].append((step, float(more[i]), float(taken[i])))
                least = np.where(going, np.minimum(least, loss), least)
                step += way
        order = [i for i in np.argsort(least, kind="stable").tolist() if kept[i]]
        columns = ((i, zip(*kept[i], strict=True)) for i in order)
        return [Changes(i, *(np.array(column) for column in rows)) for i, rows in columns]


def _best_sum(
    changes: list[Changes], multiplier: float, spare: float, best: float
) -> tuple[list[tuple[int, int]] | None, float, int]:
    """Return the changes of least objective below `best` within the spare resource.

    Returns
    -------
    found : list of tuple of int, or None
        Place and change of each number; None where no changes are better.
    cut : float
        Least loss of the sums that were left out for their number; infinite where none were.
    states : int
        Number of sums compared.
    """
    objective, resource = np.zeros(1), np.zeros(1)
    history: list[tuple[npt.NDArray[np.intp], Counts]] = []
    at: tuple[int, int] | None = None
    cut, states = math.inf, 0
    for one in changes:
        ahead = np.concatenate([[0.0], one.objective])
        taken = np.concatenate([[0.0], one.resource])
        objective = (objective[:, None] + ahead).ravel()
        resource = (resource[:, None] + taken).ravel()
        states += objective.size
        origin = np.arange(objective.size)
        loss = objective + multiplier * resource
        kept = np.flatnonzero(loss < best + multiplier * spare)
        if kept.size > MOST_STATES:
            kept = kept[np.argsort(loss[kept], kind="stable")]
            cut, kept = min(cut, float(loss[kept[MOST_STATES]])), kept[:MOST_STATES]
        kept = kept[np.lexsort((resource[kept], objective[kept]))]
        least = np.minimum.accumulate(resource[kept])
        kept = kept[np.concatenate([[True], resource[kept][1:] < least[:-1]])[: kept.size]]
        objective, resource, origin = objective[kept], resource[kept], origin[kept]
        parent, option = np.divmod(origin, ahead.size)
        history.append((parent, np.concatenate([[0], one.change])[option]))
        fits = np.flatnonzero(resource <= spare)
        if fits.size and objective[fits[0]] < best:  # they are in the order of their objective
            best, at = float(objective[fits[0]]), (len(history) - 1, int(fits[0]))
    if at is None:
        return None, cut, states
    stage, row = at
    found = []
    for k in range(stage, -1, -1):
        parent, change = history[k]
        found.append((changes[k].place, int(change[row])))
        row = int(parent[row])
    return found, cut, states
