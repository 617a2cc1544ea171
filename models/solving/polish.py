"""A few Newton steps on the optimality conditions of the used servers, from where a solver stopped.

The conditions are price_i(x_i) = c on the used servers, sum x = load: marginal delay at the optimum, latency at the equilibrium. The matrix is
diagonal with one border, so a step costs O(n). It uses prices and their slopes, never the inverses that the reference is built on.
"""

from __future__ import annotations

import math

import numpy as np

from sojourn.models.solving.certificate import EPS, Goal, feasible, prices
from sojourn.reference.errors import Array
from sojourn.reference.queues import Queue

STEPS = 100


def polish(queue: Queue, load: float, flow: Array, goal: Goal) -> tuple[Array, int] | None:
    """Return the polished flow and the number of steps, or None where the steps do not settle.

    Parameters
    ----------
    queue : Queue
        n servers.
    load : float
        Total load.
    flow : ndarray, shape (n,)
        A solver's answer, near a feasible point.
    goal : {"optimum", "equilibrium"}
    """
    start = feasible(queue, load, flow, trim=True)
    if start is None:
        return None
    x, used = start, start > 0
    for step in range(1, STEPS + 1):
        price, slope = prices(queue, x, goal)
        weight = np.where(used, 1.0 / slope, 0.0)
        missing = -math.fsum([*x, -load])
        common = (math.fsum(weight * price) + missing) / math.fsum(weight)
        move = weight * (common - price)
        # at most nine tenths of the spare capacity at a time; servers driven below 0 leave
        rising = move > 0
        room = np.where(rising, 0.9 * (queue.rate - x) / np.where(rising, move, 1.0), 1.0)
        scale = min(1.0, float(room.min()))
        new = x + scale * move
        left = used & (new <= 0)
        x = np.where(left | ~used, 0.0, new)
        used = used & ~left
        late = ~used & ~left & (queue.idle_latency < common)
        settled = scale == 1.0 and not left.any() and np.all(np.abs(move) <= 4 * EPS * np.maximum(x, queue.rate * 1e-300))
        still = scale == 1.0 and not left.any() and np.all(np.abs(move) <= 1e-10 * np.minimum(x, queue.rate - x) + EPS * x)
        if (settled or still) and not late.any():
            return x, step
        used = used | late if still or settled or step % 8 == 0 else used
        if not used.any():
            return None
    return None
