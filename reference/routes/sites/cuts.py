"""Exact choice of sites for whole groups, by a mixed-integer linear program with cuts.

Where no rate is bounded, the cost f(X) of a site is concave with f(0) = 0, so f(sum of L_g over S)
is submodular in the set S of its groups. Its convex hull is its Lovasz extension: for every order
of the groups, with X_k the load of the first k,

    t >= sum_k (f(X_k) - f(X_k-1)) y_k

holds for all binary y, with equality where y are the first groups of the order (A. Atamturk,
G. Berenguer, Z.-J. Shen, *A conic integer programming approach to stochastic joint
location-inventory problems*, Oper. Res. 60, 2012). The opening cost is a binary variable apart.
"""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, eye_array, hstack, kron, vstack

from ...errors import Array
from .ascent import Problem
from .columns import Incumbent, Pool

ROUNDS = 50  # largest number of mixed-integer programs
LEAST = 0.1  # seconds of a program
FEASIBLE = 1e-6  # tolerance of HiGHS on a row and on a whole number


class CutAnswer(NamedTuple):
    """The answer of the mixed-integer programs.

    Attributes
    ----------
    bound : float
        Lower bound of the cost, as far as the solver's own bound is right within its tolerances.
    cuts : int
        Number of cuts.
    """

    bound: float
    cuts: int


def solve_with_cuts(pool: Pool, problem: Problem, incumbent: Incumbent, until: float) -> CutAnswer:
    """Return a lower bound from mixed-integer programs, and store better choices.

    Parameters
    ----------
    pool : Pool
        Columns, whose sets of groups give the first cuts.
    problem : tuple
        Costs, costs of the distances and loads.
    incumbent : Incumbent
        A choice; better ones are stored in it.
    until : float
        Time of ``time.monotonic`` at which the last program stops.
    """
    costs, fixed, load = problem
    groups, n = fixed.shape
    allowed = np.isfinite(fixed)
    # y of group g at site i is variable g n + i, then open sites, then costs t of the sites
    objective = np.concatenate(
        [(np.where(allowed, fixed, 0.0) * load[:, None]).ravel(), costs.opening, np.ones(n)]
    )
    one_site = hstack([kron(eye_array(groups), np.ones((1, n))), csr_array((groups, 2 * n))])
    each_open = kron(np.ones((groups, 1)), eye_array(n))
    only_open = hstack([eye_array(groups * n), -each_open, csr_array((groups * n, n))])
    upper = np.concatenate([allowed.ravel().astype(float), np.ones(n), np.full(n, np.inf)])
    whole = np.concatenate([np.ones(groups * n + n), np.zeros(n)])
    cuts: set[tuple[int, bytes]] = set()
    rows: list[Array] = []
    sites: list[int] = []

    def cut(i: int, y: Array) -> bool:
        """Add the cut of a site in the falling order of `y`; return whether it is new."""
        order = np.argsort(-y, kind="stable")
        at = np.zeros((groups + 1, n))
        at[1:, i] = np.cumsum(load[order])
        row = np.zeros(groups)
        row[order] = np.diff(costs.variable(at)[:, i])
        key = i, row.tobytes()
        if key in cuts:
            return False
        cuts.add(key)
        rows.append(row)
        sites.append(i)
        return True

    for i, jobs in zip(pool.site, pool.jobs, strict=True):
        cut(i, jobs / load)
    bound = -np.inf
    for _ in range(ROUNDS):
        place = np.arange(groups) * n + np.array(sites)[:, None]
        each_row = np.repeat(np.arange(len(rows)), groups)
        shape = (len(rows), groups * n + n)
        below = csr_array((np.concatenate(rows), (each_row, place.ravel())), shape=shape)
        slots = csr_array((np.ones(len(rows)), (np.arange(len(rows)), sites)), shape=(len(rows), n))
        constraints = [
            LinearConstraint(one_site.tocsr(), 1.0, 1.0),
            LinearConstraint(vstack([only_open, hstack([below, -slots])]).tocsr(), -np.inf, 0.0),
        ]
        rest = max(until - monotonic(), LEAST)
        found = milp(
            objective,
            integrality=whole,
            bounds=Bounds(0.0, upper),
            constraints=constraints,
            options={"mip_rel_gap": 0.1 * incumbent.gap, "time_limit": rest},
        )
        if found.x is None:
            break
        bound = max(bound, float(found.mip_dual_bound))
        y = found.x[: groups * n].reshape(groups, n)
        jobs = np.zeros((groups, n))
        jobs[np.arange(groups), np.argmax(y, axis=1)] = load
        incumbent.offer(jobs)
        new = [cut(i, jobs[:, i]) for i in range(n) if jobs[:, i].any()]
        if incumbent.excludes(bound) or not any(new) or monotonic() > until:
            break
    largest = np.max(costs.variable(np.full(n, np.sum(load))))
    error = FEASIBLE * float(np.max(objective) + largest)
    return CutAnswer(bound - error, len(rows))
