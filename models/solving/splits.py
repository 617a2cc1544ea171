"""Splits of the load near a solver's flow: none is feasible to the last digit as it comes.

Here and in its neighbours a flow has shape (..., n) and a load (...): one answer, or one a row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sojourn.reference.errors import Array
from sojourn.reference.queues import Queue
from sojourn.reference.sums import exact_sum

Mask = npt.NDArray[np.bool_]
TRACE = 1e-6  # a flow below this part of an even share may be a solver's residue


def total(terms: Array) -> Array:
    """Sum over the last axis, right to the last digit whatever cancels."""
    high, low = exact_sum(terms)
    out: Array = high + low
    return out


def missing(load: Array, flow: Array) -> Array:
    """Load less the sum of the flows, exact."""
    return total(np.concatenate([load[..., None], -flow], axis=-1))


def clip(queue: Queue, flow: Array) -> Array:
    """Flow moved into [0, rate): at most to the last float below the rate, which leaves spare capacity."""
    return np.clip(flow, 0.0, np.nextafter(queue.rate, 0.0))


def feasible(queue: Queue, load: Array, flow: Array, *, trim: bool) -> tuple[Array, Mask]:
    """Nearby splits of exactly the load, and whether there is one: not where the flow is too far from any.

    What is missing goes to the used servers by spare capacity; what is too much is taken by flow. `trim` first empties servers with a trace.
    """
    there: Mask = np.asarray(np.isfinite(flow).all(axis=-1))
    x = clip(queue, np.where(there[..., None], flow, 0.0))
    if trim:
        x = np.where(x > TRACE * load[..., None] / x.shape[-1], x, 0.0)
    for _ in range(3):
        rest = missing(load, x)
        if not np.any(there & (rest != 0)):
            break
        room = np.where(x > 0, np.where(np.isfinite(queue.rate), queue.spare_capacity(x), 1.0), 0.0)
        weight = np.where((rest > 0)[..., None], room, x)
        weights = total(weight)
        there = there & ((rest == 0) | (weights > np.abs(rest)))
        share = np.divide(rest, weights, out=np.zeros_like(rest), where=there & (weights > 0))
        x = x + weight * share[..., None]
    return x, there & np.all((queue.spare_capacity(x) > 0) & (x >= 0), axis=-1)


def interior(queue: Queue, load: Array, flow: Array) -> tuple[Array, Mask]:
    """Splits half way from the flow to an even utilisation, strictly inside the stable region whatever the flow; and whether there is one."""
    there: Mask = np.asarray(np.isfinite(flow).all(axis=-1) & np.isfinite(queue.rate).all())
    if not there.any():
        return np.zeros_like(flow), there
    # in spare capacities, which near saturation keep the digits that flows lose
    whole, low = queue.total_rate
    slack = ((whole - load) + low)[..., None]
    spare = np.clip(queue.spare_capacity(np.where(there[..., None], flow, 0.0)), 0.0, queue.rate)
    even = queue.rate * (slack / whole)
    left = total(spare)[..., None]
    own = np.where(left > 0, spare * (slack / np.where(left > 0, left, 1.0)), even)
    x, found = feasible(queue, load, queue.rate - np.minimum(0.5 * (own + even), queue.rate), trim=False)
    return x, found & there
