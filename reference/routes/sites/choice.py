"""Which sites to open, at which rates, and which site serves each group, at the least cost.

The cost is that of the distances, of the rates, of the delay at the sites and of opening them; see
`sojourn.reference.routes.sites.costs`. Every answer has a lower bound by prices of the groups.
"""

from __future__ import annotations

import math
from time import monotonic
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_array, csr_array, eye_array, kron

from ...errors import Array, InputError
from .ascent import Problem, climb
from .branches import Node, search
from .columns import Incumbent, Pool
from .costs import SiteCosts
from .cuts import solve_with_cuts
from .prices import Branch, PriceBound
from .search import Assignment, cost_of, moved

GAP = 1e-6  # relative distance of the cost from the bound at which a search ends
MOST_BRANCHES = 1000
ROOT = 1  # branches by which the bound of whole groups is made tight
SECONDS = 60.0  # time after which a search ends
FULL = 1.0 - 1e-9  # largest utilisation of all sites together that is solved
EVERY = 20  # steps of the prices after which their answer is made an assignment


class SiteChoice(NamedTuple):
    """The best choice of sites that was found.

    Attributes
    ----------
    jobs : ndarray, shape (G, n)
        Jobs of each group at each site.
    rate : ndarray, shape (n,)
        Rate of each site; 0 where it is closed.
    cost : float
        Cost of the choice.
    lower : float
        Lower bound of the cost of every choice.
    proof : {"prices", "cuts"}
        Proof of the bound: prices of the groups, with their rounding errors and without a solver;
        or the bound of the mixed-integer program, less its tolerance.
    branches : int
        Branches of the search, 0 where prices proved the start.
    cuts : int
        Cuts of the mixed-integer program, 0 where none was needed.
    """

    jobs: Array
    rate: Array
    cost: float
    lower: float
    proof: Literal["prices", "cuts"]
    branches: int
    cuts: int


def choose_sites(
    costs: SiteCosts,
    fixed: Array,
    load: Array,
    *,
    gap: float = GAP,
    max_branches: int = MOST_BRANCHES,
    max_seconds: float = SECONDS,
) -> SiteChoice:
    """Return the sites, rates and assignment of least cost.

    Parameters
    ----------
    costs : SiteCosts
        Costs of n sites.
    fixed : ndarray, shape (G, n)
        Cost of the distance of a job from each group to each site; inf where it may not go.
    load : ndarray, shape (G,)
        Loads of the groups, above 0.
    gap : float, default 1e-6
        Relative distance of the cost from its lower bound at which the search ends.
    max_branches : int, default 1000
        Largest number of branches; after them the best choice is returned with its bound.
    max_seconds : float, default 60
        Time after which, likewise, no further step is begun.

    Returns
    -------
    SiteChoice

    Raises
    ------
    InputError
        Where the largest rates cannot carry the loads.
    """
    # powers of 2 change no digit
    unit = 2.0 ** round(math.log2(float(np.sum(load))))
    first = _start(costs, fixed, load)
    money = 2.0 ** round(math.log2(float(np.sum(costs.at(first, fixed))) or 1.0))
    scaled = SiteCosts(
        costs.price * (unit / money),
        costs.opening / money,
        costs.k,
        costs.weight / money,
        costs.most / unit,
    )
    problem = scaled, fixed * (unit / money), load / unit
    incumbent = Incumbent(problem, first / unit, gap)
    lower, proof, branches, cuts = _prove(
        problem, incumbent, max_branches, monotonic() + max_seconds
    )
    jobs = incumbent.jobs * unit
    total = np.sum(jobs, axis=0)
    cost = float(np.sum(costs.at(jobs, fixed)))
    lower = min(lower * money, cost)
    return SiteChoice(jobs, costs.rate(total), cost, lower, proof, branches, cuts)


def _prove(
    problem: Problem, incumbent: Incumbent, most: int, until: float
) -> tuple[float, Literal["prices", "cuts"], int, int]:
    """Return a lower bound, its proof, and the numbers of branches and cuts."""
    costs, fixed, load = problem
    n = costs.price.size
    high = np.minimum(costs.most, np.isfinite(fixed).T @ load)
    root = Branch(np.zeros(n), high, np.zeros(n, dtype=bool))
    pool, steps, free = Pool(), iter(range(10**9)), bool(np.isinf(costs.most).all())
    pool.add(incumbent.jobs, costs.at(incumbent.jobs, fixed))
    pool.add(np.zeros_like(fixed), np.zeros(n))

    def seen(found: PriceBound) -> float:
        """Keep the columns of an answer to prices, and look for a better choice near it."""
        pool.add(found.jobs, found.cost)
        incumbent.see(found)
        if free and next(steps) % EVERY == 0:
            incumbent.offer(_assigned(problem, found.jobs, incumbent.jobs))
        return incumbent.cost

    price, bound = climb(problem, root, incumbent.cost, seen)
    if incumbent.excludes(bound):
        return bound, "prices", 0, 0
    node = Node(bound, 0, root, price)
    lower, branches = search(pool, problem, node, incumbent, ROOT if free else most, until)
    if not free or incumbent.excludes(lower):
        return lower, "prices", branches, 0
    by_cuts = solve_with_cuts(pool, problem, incumbent, until)
    lower, more = search(pool, problem, node, incumbent, most, until)
    branches += more
    if by_cuts.bound > lower:
        return by_cuts.bound, "cuts", branches, by_cuts.cuts
    return lower, "prices", branches, by_cuts.cuts


def _assigned(problem: Problem, jobs: Array, known: Array) -> Array:
    """Return whole groups at sites, near answers to prices, improved by moves."""
    costs, fixed, load = problem
    served = np.sum(jobs, axis=1) > 0
    site = np.where(served, np.argmax(jobs, axis=1), np.argmax(known, axis=1))
    return _whole(moved(costs, fixed, load, site), load, fixed.shape[1])


def _whole(site: Assignment, load: Array, n: int) -> Array:
    """Return the jobs of each group at each site, shape (G, n), of whole groups."""
    jobs = np.zeros((load.size, n))
    jobs[np.arange(load.size), site] = load
    return jobs


def _start(costs: SiteCosts, fixed: Array, load: Array) -> Array:
    """Return a first choice: the jobs of each group at each site, shape (G, n)."""
    groups, n = fixed.shape
    if np.isinf(costs.most).all():
        near = np.argmin(fixed, axis=1)
        starts = [near, *(np.where(np.isfinite(fixed[:, i]), i, near) for i in range(n))]
        best = min(starts, key=lambda site: cost_of(costs, fixed, load, site))
        return _whole(moved(costs, fixed, load, best), load, n)
    # the division of least largest utilisation
    rate = np.minimum(costs.most, 1e3 * np.sum(load))
    of_groups = kron(eye_array(groups), np.ones((1, n)))
    of_sites = kron(np.ones((1, groups)), eye_array(n))
    allowed = np.isfinite(fixed).ravel()
    found = linprog(
        np.append(np.zeros(groups * n), 1.0),
        A_ub=block_array([[of_sites, csr_array(-rate[:, None])]]).tocsr(),
        b_ub=np.zeros(n),
        A_eq=block_array([[of_groups, csr_array((groups, 1))]]).tocsr(),
        b_eq=load,
        bounds=[(0.0, None if may else 0.0) for may in (*allowed.tolist(), True)],
    )
    used = float(found.x[-1])
    if not used < FULL:
        problem = f"carry no more than {1 / used:.6g} times the loads of the groups"
        remedy = f"give rates of more than {used:.6g} times these"
        raise InputError("max_rate", costs.most.tolist(), problem, remedy)
    jobs = found.x[:-1].reshape(groups, n)
    return np.asarray(jobs * (load / np.sum(jobs, axis=1))[:, None])
