"""A few Newton steps on the optimality conditions of the used servers, from where a solver stopped.

The conditions are price_i(x_i) = c on the used servers, sum x = load: marginal delay at the optimum, latency at the equilibrium. The matrix is
diagonal with one border, so a step costs O(n). It uses prices and their slopes, never the inverses that the reference is built on.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sojourn.models.solving.certificate import Goal, common_price, feasible, interior, prices
from sojourn.reference.errors import Array
from sojourn.reference.queues import Queue

STEPS = 200
CALM = 1e-10  # relative move after which the next, squared, is below rounding error
PATIENCE = 8  # steps without gain after which rounding error is all that moves; steps after which late servers join


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
    start = feasible(queue, load, flow, trim=True)
    found = None if start is None else _newton(queue, load, start, goal)
    if (found is None or found[1] == STEPS) and (inner := interior(queue, load, flow)) is not None:
        found = _newton(queue, load, inner, goal) or found
    if found is None:
        return None
    # a price in floating point says a light flow badly; its sum is known
    balanced = feasible(queue, load, found[0], trim=False)
    return found if balanced is None else (balanced, found[1])


def _move(queue: Queue, load: float, x: Array, used: npt.NDArray[np.bool_], goal: Goal) -> tuple[float, Array]:
    """Common price of the used servers, and the step that takes them there and carries the load."""
    price, slope = prices(queue, x, goal)
    missing = -math.fsum([*x, -load])
    common = common_price(price, slope, used, missing)
    flat = used & (slope <= 0)
    follow = np.where(used & ~flat, 1.0 / np.where(slope > 0, slope, 1.0), 0.0)
    move = (common - price) * follow
    if flat.any():
        # where a price does not rise with the flow, the cheapest take what is left
        move[flat] = np.where(price[flat] > common, -x[flat], 0.0)
        follow = np.where(flat & (price <= common), 1.0, 0.0)
    # a price nearly flat says its flow in too few digits: what rounding leaves over goes where it moves the price least
    return common, move + (missing - math.fsum(move)) * (follow / math.fsum(follow))


def _newton(queue: Queue, load: float, start: Array, goal: Goal) -> tuple[Array, int] | None:
    x, used = start, start > 0
    best, stuck = math.inf, 0
    for step in range(1, STEPS + 1):
        if not np.all(x < queue.rate):  # rounded to saturation
            break
        common, move = _move(queue, load, x, used, goal)
        # at most nine tenths of the spare capacity at a time; servers driven below 0 leave
        room = np.where(move > 0, 0.9 * (queue.rate - x) / np.where(move > 0, move, 1.0), 1.0)
        scale = min(1.0, float(room.min()))
        new = x + scale * move
        left = used & (new <= 0)
        used = used & ~left
        x = np.where(used, new, 0.0)
        if not used.any():
            return None
        unrest = float(np.max(np.abs(move[used]) / np.minimum(x, queue.rate - x)[used])) if scale == 1.0 and not left.any() else math.inf
        late = ~used & ~left & (queue.idle_latency < common)
        calm = unrest <= CALM or stuck >= PATIENCE
        if calm and not late.any():
            return x, step
        if calm or step % PATIENCE == 0:
            used, best, stuck = used | late, math.inf, 0
        elif math.isfinite(unrest):
            stuck = 0 if unrest < best / 2 else stuck + 1
            best = min(best, unrest)
    return x, STEPS
