"""A few Newton steps on the optimality conditions of the used servers, from where a solver stopped.

The conditions are price_i(x_i) = c on the used servers, sum x = load: marginal delay at the optimum, latency at the equilibrium. The matrix is
diagonal with one border, so a step costs O(n). It uses prices and their slopes, never the inverses that the reference is built on.
All rows, one a load, take their steps together; each stops when it is there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.queues import Queue
from ...core.table import Mask
from .prices import Goal, common_price, prices
from .splits import feasible, interior, missing

STEPS = 200
DERIVED = 30  # steps where slopes are made of differences: each is dear, and those that settle need few
CALM = 1e-10  # relative move after which the next, squared, is below rounding error
PATIENCE = 8  # steps without gain after which rounding error is all that moves; steps after which late servers join
NOWHERE = 0  # steps of a row that has no answer

Steps = npt.NDArray[np.intp]


def polish(queue: Queue, load: float, flow: Array, goal: Goal) -> tuple[Array, int] | None:
    """Return the polished flow and the number of steps, or None where there is nowhere to start. The certificate judges the result.

    Parameters
    ----------
    queue : Queue
        n servers.
    load : float
        Total load.
    flow : ndarray, shape (n,)
        A solver's answer. Where the steps do not settle from there, they start again half way to an even utilisation.
    goal : {"optimum", "equilibrium"}
    """
    polished, steps = polish_rows(queue, np.array([float(load)]), np.asarray(flow, dtype=float)[None], goal)
    return None if steps[0] == NOWHERE else (polished[0], int(steps[0]))


def polish_rows(queue: Queue, load: Array, flow: Array, goal: Goal) -> tuple[Array, Steps]:
    """Return K polished flows, shape (K, n), for K loads, and their numbers of steps, `NOWHERE` where there is none; see `polish`."""
    with np.errstate(all="ignore"):  # a row rounded to saturation stops there
        start, there = feasible(queue, load, flow, trim=True)
        x, steps = _newton(queue, load, start, there, goal)
        rows = np.flatnonzero((steps == NOWHERE) | (steps == most_steps(queue)))
        if rows.size:
            inner, there = interior(queue, load[rows], flow[rows])
            again, more = _newton(queue, load[rows], inner, there, goal)
            better = more != NOWHERE
            x[rows[better]], steps[rows[better]] = again[better], more[better]
        # a price in floating point says a light flow badly; its sum is known
        balanced, there = feasible(queue, load, x, trim=False)
    return np.where(there[:, None], balanced, x), steps


def most_steps(queue: Queue) -> int:
    """Return after how many steps it is no use to go on."""
    return DERIVED if queue.derived else STEPS


def _move(queue: Queue, load: Array, x: Array, used: Mask, goal: Goal) -> tuple[Array, Array]:
    """Common price of the used servers, and the step that takes them there and carries the load."""
    price, slope = prices(queue, x, goal)
    lacking = missing(load, x)
    common = common_price(price, slope, used, lacking)
    flat = used & (slope <= 0)
    follow = np.where(used & ~flat, 1.0 / np.where(slope > 0, slope, 1.0), 0.0)
    move = np.where(follow > 0, (common[:, None] - price) * follow, 0.0)
    if flat.any():
        # where a price does not rise with the flow, the cheapest take what is left
        cheap = price <= common[:, None]
        move = np.where(flat, np.where(cheap, 0.0, -x), move)
        follow = np.where(flat.any(axis=1, keepdims=True), np.where(flat & cheap, 1.0, 0.0), follow)
    # a price nearly flat says its flow in too few digits: what rounding leaves over goes where it moves the price least
    rest = (lacking - move.sum(axis=1)) / follow.sum(axis=1)
    return common, move + rest[:, None] * follow


class _Rows(NamedTuple):
    """Rows under way: which they are, their flows, the servers in use, the least unrest so far, and steps since it fell."""

    which: npt.NDArray[np.intp]
    x: Array
    used: Mask
    best: Array
    stuck: Steps

    def only(self, some: Mask) -> _Rows:
        return _Rows(self.which[some], self.x[some], self.used[some], self.best[some], self.stuck[some])


def _newton(queue: Queue, load: Array, start: Array, there: Mask, goal: Goal) -> tuple[Array, Steps]:
    """Steps from the rows where there is a start."""
    most = most_steps(queue)
    flow, steps = start.copy(), np.where(there, most, NOWHERE)
    rows = _Rows(np.arange(load.size), start, start > 0, np.full(load.shape, np.inf), np.zeros(load.shape, dtype=np.intp)).only(there)
    for step in range(1, most + 1):
        index, x, used, best, stuck = rows.only(np.all(queue.spare_capacity(rows.x) > 0, axis=1))  # else rounded to saturation
        if not index.size:
            break
        common, move = _move(queue, load[index], x, used, goal)
        # at most nine tenths of the spare capacity at a time; servers driven below 0 leave
        room = np.where(move > 0, 0.9 * queue.spare_capacity(x) / np.where(move > 0, move, 1.0), 1.0)
        scale = np.minimum(room.min(axis=1), 1.0)
        new = x + scale[:, None] * move
        left = used & (new <= 0)
        used = used & ~left
        x = np.where(used, new, 0.0)
        flow[index] = x
        unrest = np.where(used, np.abs(move) / np.minimum(x, queue.spare_capacity(x)), 0.0).max(axis=1)
        unrest = np.where((scale == 1.0) & ~left.any(axis=1), unrest, np.inf)
        late = ~used & ~left & (queue.idle_latency < common[:, None])
        calm, empty = (unrest <= CALM) | (stuck >= PATIENCE), ~used.any(axis=1)
        done = calm & ~late.any(axis=1) & ~empty
        steps[index[done]], steps[index[empty]] = step, NOWHERE
        rejoin = calm | (step % PATIENCE == 0)
        used |= late & rejoin[:, None]
        stuck = np.where(rejoin | (unrest < best / 2), 0, np.where(np.isfinite(unrest), stuck + 1, stuck))
        best = np.where(rejoin, np.inf, np.minimum(best, unrest))
        rows = _Rows(index, x, used, best, stuck).only(~(done | empty))
    return flow, steps
