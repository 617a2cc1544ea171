"""A first price for the balance of flows: each step of Newton's method that it saves is a pass over all servers.

Many servers are first looked at through a sample, which also says how the flow bends in the price. Few start at the price of an even
utilisation. For many loads see `sojourn.reference.parallel.price_table`.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import Array
from ..server_bank import ServerBank
from .flow_balance import Price, Servers, balance

SERVERS = 32_768  # from which a sample is looked at first
SAMPLE = 65_536  # servers in it, where there are so many; else one in `LEAST_STEP`
LEAST_STEP = 8
ROUGH = 0.1  # relative imbalance from which Newton's method goes straight to the price
CLOSE = 1e-5  # relative imbalance from which one more step is at rounding error


def first_price(servers: Servers, load: Array) -> Price:
    """Return prices for loads of shape (K,), so close that mostly one pass over all servers is to come."""
    if len(servers.bank) > SERVERS:
        return anchored(servers, load, _by_sample(servers, load))
    price = anchored(servers, load, balance(servers, load, even_use(servers, load), ROUGH))
    return balance(servers, load, price, CLOSE)


def anchored(servers: Servers, load: Array, price: Price) -> Price:
    """Return the prices over better anchors: one far above its own keeps too few digits, if a used server is nearer to it."""
    for _ in range(5):
        far = np.abs(price.above) > 0.1 * (price.above - price.floor)
        rows = np.flatnonzero(
            far & (servers.highest - servers.idle[price.anchor] > 0.5 * price.above)
        )
        some = price.take(rows)
        last = servers.last_active(some) if rows.size else some.anchor
        rows, last = rows[last != some.anchor], last[last != some.anchor]
        if not rows.size:
            break
        price = price.put(
            rows, balance(servers, load[rows], servers.move(price.take(rows), last), ROUGH)
        )
    return price


def even_use(servers: Servers, load: Array) -> Price:
    """Return the mean price of servers that are all used alike."""
    bank = servers.bank
    total, low = bank.total_rate
    cost = bank.marginal if servers.which == "optimum" else bank.latency
    if np.isinf(total):
        weight = np.isinf(bank.rate) / np.isinf(bank.rate).sum()
        price = cost(load[:, None] * weight)
    else:
        weight = bank.rate / total
        price = cost(load[:, None] * weight, ((total - load) + low)[:, None] * weight)
    return servers.lowest(load).to(((price - servers.idle[servers.nearest]) * weight).sum(axis=-1))


def _by_sample(servers: Servers, load: Array) -> Price:
    """The price of a sample; then, how far all servers are from balance there, the sample at the load that is as far from it."""
    step = max(-(-len(servers.bank) // SAMPLE), LEAST_STEP)
    sample = Servers(servers.bank.take(np.arange(0, len(servers.bank), step)), servers.which)
    part = _share(load, sample.bank, servers.bank)
    small = first_price(sample, part)
    small = sample.move(small, sample.last_active(small))

    def whole(price: Price) -> Price:
        anchor = price.anchor * step
        return Price(anchor, price.above, servers.idle[servers.nearest] - servers.idle[anchor])

    found, known = servers.weigh(load, whole(small)), sample.weigh(part, small)
    if np.any(found.imbalance > ROUGH):  # the sample is unlike the others
        return balance(servers, load, whole(small), ROUGH, found)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = found.residual * (known.rise / found.rise)
    more = np.where(np.abs(more) < 0.5 * np.minimum(known.carried, known.left), more, 0.0)
    known.load, known.residual = known.carried + more, more
    return whole(balance(sample, known.load, small, CLOSE, known))


def _share(load: Array, sample: ServerBank, bank: ServerBank) -> Array:
    """What a sample is to carry: a little less than it can, and nothing where it alone cannot carry any load."""
    some, total = float(sample.total_rate[0]), float(bank.total_rate[0])
    if math.isfinite(total):
        return np.minimum(load * (some / total), some * (1 - 1e-13))
    return load * (len(sample) / len(bank)) if math.isinf(some) else np.zeros_like(load)
