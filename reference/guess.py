"""A first price for the balance of flows: each step of Newton's method that it saves is a pass over all servers.

Many servers are first looked at through a sample, which also says how the flow bends in the price; many loads through some of them, with a
cubic in between. What is left over starts at the price of an even utilisation.
"""

from __future__ import annotations

import math

import numpy as np

from sojourn.reference.balance import Price, Servers, balance
from sojourn.reference.errors import Array
from sojourn.reference.queues import Queue

SERVERS = 32_768  # from which a sample is looked at first
SAMPLE = 65_536  # servers in it, where there are so many; else one in `LEAST_STEP`
LEAST_STEP = 8
LOADS = 1024  # from which one in `STEP` is solved first
STEP = 16
ROUGH = 0.1  # relative imbalance from which Newton's method goes straight to the price
CLOSE = 1e-6  # relative imbalance from which one more step is at rounding error


def first_price(servers: Servers, load: Array) -> Price:
    """Return prices from which Newton's method converges at once, for rising loads of shape (K,); anchors are well chosen."""
    if len(servers.queue) > SERVERS:
        price = _by_sample(servers, load)
    elif load.size > LOADS:
        price = _by_neighbours(servers, load)
    else:
        price = balance(servers, load, _by_even_use(servers, load), ROUGH)
    return _anchored(servers, load, price)


def _anchored(servers: Servers, load: Array, price: Price) -> Price:
    """A price far above its anchor keeps too few digits, if a used server is nearer to it: that is its anchor then."""
    for _ in range(5):
        far = np.abs(price.above) > 0.1 * (price.above - price.floor)
        rows = np.flatnonzero(far & (servers.highest - servers.idle[price.anchor] > 0.5 * price.above))
        some = price.take(rows)
        last = servers.last_active(some) if rows.size else some.anchor
        rows, last = rows[last != some.anchor], last[last != some.anchor]
        if not rows.size:
            break
        price = price.put(rows, balance(servers, load[rows], servers.move(price.take(rows), last), ROUGH))
    return price


def _solved(servers: Servers, load: Array) -> Price:
    return balance(servers, load, first_price(servers, load), CLOSE)


def _by_even_use(servers: Servers, load: Array) -> Price:
    """The mean price of servers that are all used alike."""
    queue = servers.queue
    total, low = queue.total_rate
    cost = queue.marginal if servers.which == "optimum" else queue.latency
    if np.isinf(total):
        weight = np.isinf(queue.rate) / np.isinf(queue.rate).sum()
        price = cost(load[:, None] * weight)
    else:
        weight = queue.rate / total
        price = cost(load[:, None] * weight, ((total - load) + low)[:, None] * weight)
    return servers.lowest(load).set(((price - servers.idle[servers.nearest]) * weight).sum(axis=-1))


def _by_sample(servers: Servers, load: Array) -> Price:
    """The price of a sample; then, how far all servers are from balance there, the sample at the load that is as far from it."""
    step = max(len(servers.queue) // SAMPLE, LEAST_STEP)
    sample = Servers(servers.queue.take(np.arange(0, len(servers.queue), step)), servers.which)
    part = _share(load, sample.queue, servers.queue)
    small = _solved(sample, part)
    small = sample.move(small, sample.last_active(small))

    def whole(price: Price) -> Price:
        anchor = price.anchor * step
        return Price(anchor, price.above, servers.idle[servers.nearest] - servers.idle[anchor])

    found, known = servers.weigh(load, whole(small)), sample.weigh(part, small)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = part + found.residual * (known.rise / found.rise)
    good = (wanted > 0.5 * part) & (np.abs(wanted - part) < 0.5 * known.left)
    return whole(balance(sample, np.where(good, wanted, part), small, CLOSE))


def _share(load: Array, sample: Queue, queue: Queue) -> Array:
    """What a sample is to carry: a little less than it can, and nothing where it alone cannot carry any load."""
    some, total = float(sample.total_rate[0]), float(queue.total_rate[0])
    if math.isfinite(total):
        return np.minimum(load * (some / total), some * (1 - 1e-13))
    return load * (len(sample) / len(queue)) if math.isinf(some) else np.zeros_like(load)


def _by_neighbours(servers: Servers, load: Array) -> Price:
    """Between solved loads the cubic with their prices and slopes (Hermite's)."""
    few = np.unique(np.append(np.arange(0, load.size, STEP), load.size - 1))
    price = _solved(servers, load[few])
    rise = servers.weigh(load[few], price).rise
    left = np.minimum(np.arange(load.size) // STEP, few.size - 2)
    low, high = price.take(left), servers.move(price.take(left + 1), price.anchor[left])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        width = load[few[left + 1]] - load[few[left]]
        t = np.where(width > 0, (load - load[few[left]]) / width, 0.0)
        up = high.above - low.above
        start, end = width / rise[left], width / rise[left + 1]
        cubic = t * (start + t * ((3 * up - 2 * start - end) + t * (start + end - 2 * up)))
    line = t * up
    above = low.above + np.clip(np.where(np.isfinite(cubic), cubic, line), np.minimum(up, 0.0), np.maximum(up, 0.0))
    return low.set(above)
