"""Exact choice of sites by branch and bound on open sites and on their loads.

Where a rate is bounded, the best choice can divide a group. The bound of a branch is that of
`sojourn.reference.routes.sites.prices`. The mixed columns of its linear program serve all jobs, and
the site whose true cost is above that of its columns by the most is opened or closed in the two
branches, or its load is below or above that of the columns. The distances of the sites sum to the
distance of the bound, so it falls to 0 as the intervals of the loads shrink.
"""

from __future__ import annotations

import heapq
from itertools import count
from time import monotonic
from typing import NamedTuple

import numpy as np

from ...errors import Array
from .ascent import Problem
from .columns import Incumbent, Mixed, Pool, tighten
from .prices import Branch

INNER = 0.05  # least part of an interval that a branch takes away
PLUNGE = 10  # branches after which the search follows one branch to its end for a better choice
ROUGH = 0.02  # part of the gap to which the bound of a branch is found
FINE = 0.1  # part of the allowed gap to which it need not be better


class Node(NamedTuple):
    """A branch that waits, in the order of its bound."""

    bound: float
    order: int
    branch: Branch
    price: Array


def search(
    pool: Pool, problem: Problem, first: Node, incumbent: Incumbent, most: int, until: float
) -> tuple[float, int]:
    """Return a lower bound of the cost of all choices, and the number of branches.

    Parameters
    ----------
    pool : Pool
        Columns, which grow.
    problem : tuple
        Costs, costs of the distances and loads.
    first : Node
        All choices.
    incumbent : Incumbent
        A choice; better ones are stored in it.
    most : int
        Largest number of branches.
    until : float
        Time of ``time.monotonic`` after which no branch is looked at.
    """
    waiting, order = [first], count(first.order + 1)
    followed: Node | None = None
    closed, nodes = np.inf, 0
    while waiting or followed:
        plunging = followed is not None
        node = heapq.heappop(waiting) if followed is None else followed
        followed = None
        if incumbent.excludes(node.bound) or nodes >= most or monotonic() > until:
            closed = min(closed, node.bound)
            continue
        fine = FINE * incumbent.gap * incumbent.cost
        rough = max(fine, ROUGH * (incumbent.cost - node.bound)) if nodes else fine
        nodes += 1
        bound, price, parted = node.bound, node.price, None
        for exact in (rough, fine):
            found = tighten(pool, problem, node.branch, price, incumbent, exact)
            bound, price = max(bound, found.bound), found.price
            if incumbent.excludes(bound) or found.mixed is None:
                break
            parted = _branches(problem, node.branch, found.mixed, fine)
            if parted is not None:
                break
        if parted is None or incumbent.excludes(bound):
            closed = min(closed, bound)
            continue
        children, preferred = parted
        for k, branch in enumerate(children):
            if _possible(branch, problem[2]):
                child = Node(bound, next(order), branch, price)
                if k == preferred and (plunging or nodes % PLUNGE == 1):
                    followed = child
                else:
                    heapq.heappush(waiting, child)
    return min(closed, incumbent.cost), nodes


def _branches(
    problem: Problem, branch: Branch, mixed: Mixed, exact: float
) -> tuple[list[Branch], int] | None:
    """Return two branches that together have all choices of one, and the more promising.

    None where the true cost is that of the columns within `exact`.
    """
    costs, fixed, _ = problem
    total = np.sum(mixed.jobs, axis=0)
    paid = costs.total(total, branch.paid) - costs.total(total)
    own = costs.at(mixed.jobs, fixed) + paid - mixed.cost
    if np.sum(own) <= exact:
        return None
    i = int(np.argmax(own))
    low, high = float(branch.low[i]), float(branch.high[i])
    to_open = low == 0 and costs.opening[i] > 0 and not branch.paid[i]
    inner = INNER * (high - low)
    split = 0.0 if to_open else float(np.clip(total[i], low + inner, high - inner))
    lows, highs, is_paid = branch.low.copy(), branch.high.copy(), branch.paid.copy()
    highs[i], lows[i], is_paid[i] = split, split, True
    children = [Branch(branch.low, highs, branch.paid), Branch(lows, branch.high, is_paid)]
    return children, int(total[i] > 0.5 * (low + high))


def _possible(branch: Branch, load: Array) -> bool:
    """Return whether the loads of the sites can sum to that of all groups."""
    needed, error = float(np.sum(load)), 1e-12 * float(np.sum(load))
    return bool(np.sum(branch.low) <= needed + error and np.sum(branch.high) >= needed - error)
