"""Best prices of the jobs of the groups by columns: answers of single sites to prices.

A column is a set of jobs that one site serves, with its cost. A linear program mixes the columns of
each site so that all jobs are served at the least cost (Dantzig and Wolfe); its dual values are
prices to which the sites answer with new columns. Its value falls to the best bound of
`sojourn.reference.routes.sites.prices`; the bound itself never rests on the solver.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_array, csr_array, eye_array

from ...errors import Array
from .ascent import Problem
from .prices import Branch, PriceBound, price_bound

ROUNDS = 60  # largest number of linear programs for one branch
BOX = 0.1  # largest change of prices in a round, as a part of their mean
USEFUL = 2.0  # columns further from being used than this part of the gap are left out
NEAR = 0.005  # the same, as a part of the cost
OUTSIDE = 1e-9  # relative error of a load within its bounds
SERVED = 1e-9  # part of all groups without a site below which all jobs are served


class Pool:
    """All columns that were found."""

    def __init__(self) -> None:
        self.site: list[int] = []
        self.jobs: list[Array] = []
        self.cost: list[float] = []
        self._known: set[tuple[int, bytes]] = set()

    def add(self, jobs: Array, cost: Array) -> bool:
        """Add a column of each site, from jobs of shape (G, n); return whether one is new."""
        before = len(self.site)
        for i in range(cost.size):
            key = i, jobs[:, i].tobytes()
            if key not in self._known and np.isfinite(cost[i]):
                self._known.add(key)
                self.site.append(i)
                self.jobs.append(jobs[:, i].copy())
                self.cost.append(float(cost[i]))
        return len(self.site) > before


class Incumbent:
    """The best known choice of sites.

    Parameters
    ----------
    problem : tuple
        Costs, costs of the distances and loads.
    jobs : ndarray, shape (G, n)
        A first choice: the jobs of each group at each site.
    gap : float
        Relative distance of a bound from the cost at which the choice is good enough.

    Attributes
    ----------
    jobs, gap
        As given, or the jobs of a better choice.
    cost : float
        Cost of the choice.
    """

    def __init__(self, problem: Problem, jobs: Array, gap: float) -> None:
        self.problem, self.gap, self.cost, self.jobs = problem, gap, np.inf, jobs
        self.offer(jobs)

    def offer(self, jobs: Array) -> None:
        """Take a choice where it is better."""
        costs, fixed, load = self.problem
        jobs = np.where(jobs > SERVED * load[:, None], jobs, 0.0)
        jobs = jobs * (load / np.sum(jobs, axis=1))[:, None]
        cost = float(np.sum(costs.at(jobs, fixed)))
        if cost < self.cost:
            self.cost, self.jobs = cost, jobs

    def excludes(self, bound: float) -> bool:
        """Return whether no choice of this bound is better by more than the gap."""
        return bound >= self.cost * (1.0 - self.gap)

    def see(self, found: PriceBound) -> float:
        """Take the answers to prices where they serve all jobs, and return the least known cost."""
        load = self.problem[2]
        if np.all(np.abs(np.sum(found.jobs, axis=1) - load) <= 1e-12 * load):
            self.offer(found.jobs)
        return self.cost


class Mixed(NamedTuple):
    """A solution of the linear program.

    Attributes
    ----------
    value : float
        Cost of the mixed columns.
    price : ndarray, shape (G,)
        Dual values: prices of a job of each group.
    jobs : ndarray, shape (G, n)
        Jobs of each group at each site.
    cost : ndarray, shape (n,)
        Cost of the columns of each site.
    served : bool
        Whether the columns serve all jobs.
    """

    value: float
    price: Array
    jobs: Array
    cost: Array
    served: bool


class Tightened(NamedTuple):
    """The best bound of a branch that was found, its prices, and the last mixed columns."""

    bound: float
    price: Array
    mixed: Mixed | None


def _mix(
    pool: Pool, problem: Problem, branch: Branch, centre: Array, width: float, useful: float
) -> Mixed | None:
    """Return the cheapest mixture of columns; None where the solver has no answer.

    Jobs can be left out, or served twice, for prices `width` away from `centre`.
    """
    costs, _, load = problem
    groups, n = load.size, costs.price.size
    site, jobs, cost = np.array(pool.site), np.array(pool.jobs), np.array(pool.cost)
    total = np.sum(jobs, axis=1)
    cost = cost + np.where((total == 0) & branch.paid[site], costs.opening[site], 0.0)
    error = OUTSIDE * np.sum(load)
    inside = (total >= branch.low[site] - error) & (total <= branch.high[site] + error)
    reduced = np.where(inside, cost - jobs @ centre, np.inf)
    least = np.full(n, np.inf)
    np.minimum.at(least, site, reduced)
    kept = np.flatnonzero(reduced - np.where(np.isfinite(least), least, 0.0)[site] <= useful)
    site, jobs, cost = site[kept], jobs[kept], cost[kept]
    one = csr_array((np.ones(site.size), (site, np.arange(site.size))), shape=(n, site.size))
    each = eye_array(groups)
    rows = block_array([[csr_array((jobs / load).T), each, -each], [one, None, None]]).tocsc()
    beside = np.concatenate([cost, load * (centre + width), load * (width - centre)])
    found = linprog(beside, A_eq=rows, b_eq=np.ones(groups + n), method="highs-ds")
    if found.status != 0:
        return None
    part, rest = np.split(np.maximum(found.x, 0.0), [site.size])
    served, paid = np.zeros((n, groups)), np.zeros(n)
    np.add.at(paid, site, part * cost)
    np.add.at(served, site, part[:, None] * jobs)
    price = found.eqlin.marginals[:groups] / load
    return Mixed(float(found.fun), price, served.T, paid, float(np.sum(rest)) <= SERVED)


def tighten(
    pool: Pool, problem: Problem, branch: Branch, price: Array, incumbent: Incumbent, exact: float
) -> Tightened:
    """Return a bound of a branch, within `exact` of the best bound unless the rounds end first.

    Parameters
    ----------
    pool : Pool
        Columns, which grow.
    problem : tuple
        Costs, costs of the distances and loads.
    branch : Branch
        Part of all choices.
    price : ndarray, shape (G,)
        Prices to start from.
    incumbent : Incumbent
        The best known choice; better ones are stored in it.
    exact : float
        Distance from the best bound at which the rounds end.
    """
    costs, fixed, load = problem
    found = price_bound(costs, fixed, load, price, branch)
    bound, mixed = found.bound, None
    pool.add(found.jobs, found.cost)
    mean = max(float(np.mean(np.abs(price))), incumbent.cost / float(np.sum(load)))
    width, factor = BOX * mean, USEFUL
    for _ in range(ROUNDS):
        if incumbent.excludes(bound):
            break
        useful = factor * max(incumbent.cost - bound, NEAR * incumbent.cost)
        mixed = _mix(pool, problem, branch, price, width, useful)
        if mixed is None:
            break
        if mixed.served:
            incumbent.offer(mixed.jobs)
        found = price_bound(costs, fixed, load, mixed.price, branch)
        rises = found.bound > bound
        if rises:
            bound, price = found.bound, mixed.price
        new = pool.add(found.jobs, found.cost)
        near = mixed.value - bound <= exact
        if near and mixed.served:
            break
        if near or not new:
            width, factor = 2 * width, 10 * factor
        elif rises and not mixed.served:  # near full sites prices are far from their start
            width *= 2
    return Tightened(bound, price, mixed)
