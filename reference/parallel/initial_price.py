"""Initial price for Newton's method: each step that it saves is a pass over all servers.

Above 32,768 servers the price is first computed for an evenly spaced sample, which also gives the
curvature of the total flow in the price. Fewer servers start at the price of a split in proportion
to the rates. For many loads see `sojourn.reference.parallel.price_table`.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import Array
from ..server_bank import ServerBank
from .flow_balance import Price, Servers, find_price

SERVERS = 32_768  # number of servers above which a sample is solved first
SAMPLE = 65_536  # largest number of servers in the sample
LEAST_STEP = 8  # least distance of sampled servers
ROUGH = 0.1  # relative imbalance from which Newton's method goes straight to the price
CLOSE = 1e-5  # relative imbalance from which one more step is at rounding error


def initial_price(servers: Servers, load: Array) -> Price:
    """Return prices for loads of shape (K,), mostly one pass over all servers from the solution."""
    if len(servers.bank) > SERVERS:
        return re_anchor(servers, load, _price_of_sample(servers, load))
    price = find_price(servers, load, proportional_price(servers, load), ROUGH)
    return find_price(servers, load, re_anchor(servers, load, price), CLOSE)


def re_anchor(servers: Servers, load: Array, price: Price) -> Price:
    """Return the prices with better anchors.

    A price far above its anchor keeps too few digits, if a used server has an idle latency that is
    nearer to the price.
    """
    for _ in range(5):
        far = np.abs(price.above) > 0.1 * (price.above - price.floor)
        nearer = servers.highest - servers.idle[price.anchor] > 0.5 * price.above
        rows = np.flatnonzero(far & nearer)
        selected = price.take(rows)
        last = servers.last_active(selected) if rows.size else selected.anchor
        changed = last != selected.anchor
        rows, last = rows[changed], last[changed]
        if not rows.size:
            break
        moved = servers.move(price.take(rows), last)
        price = price.put(rows, find_price(servers, load[rows], moved, ROUGH))
    return price


def proportional_price(servers: Servers, load: Array) -> Price:
    """Return the mean price of the servers at flows in proportion to their rates."""
    bank = servers.bank
    total, low = bank.total_rate
    cost = bank.marginal if servers.which == "optimum" else bank.latency
    if np.isinf(total):
        weight = np.isinf(bank.rate) / np.isinf(bank.rate).sum()
        price = cost(load[:, None] * weight)
    else:
        weight = bank.rate / total
        price = cost(load[:, None] * weight, ((total - load) + low)[:, None] * weight)
    above = ((price - servers.idle[servers.nearest]) * weight).sum(axis=-1)
    return servers.lowest(load).to(above)


def _price_of_sample(servers: Servers, load: Array) -> Price:
    """Return the price of a sample, corrected by the residual of all servers at that price.

    The correction solves the sample again, at a load that leaves it the same residual.
    """
    step = max(-(-len(servers.bank) // SAMPLE), LEAST_STEP)
    sample = Servers(servers.bank.take(np.arange(0, len(servers.bank), step)), servers.which)
    sample_load = _load_of_sample(load, sample.bank, servers.bank)
    sample_price = initial_price(sample, sample_load)
    sample_price = sample.move(sample_price, sample.last_active(sample_price))

    def of_all(price: Price) -> Price:
        """Return a price of the sample with its anchor among all servers."""
        anchor = price.anchor * step
        return Price(anchor, price.above, servers.idle[servers.nearest] - servers.idle[anchor])

    balance = servers.total_flow(load, of_all(sample_price))
    target = sample.total_flow(sample_load, sample_price)
    if np.any(balance.imbalance > ROUGH):  # the sample is unlike the other servers
        return find_price(servers, load, of_all(sample_price), ROUGH, balance)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = balance.residual * (target.slope / balance.slope)
    small = np.abs(residual) < 0.5 * np.minimum(target.total, target.spare_capacity)
    residual = np.where(small, residual, 0.0)
    target.load, target.residual = target.total + residual, residual
    return of_all(find_price(sample, target.load, sample_price, CLOSE, target))


def _load_of_sample(load: Array, sample: ServerBank, bank: ServerBank) -> Array:
    """Return the load of a sample: its share by rates, a little below its total rate.

    It is 0 where the total rate of the bank is infinite and that of the sample is not.
    """
    sample_rate, total_rate = float(sample.total_rate[0]), float(bank.total_rate[0])
    if math.isfinite(total_rate):
        return np.minimum(load * (sample_rate / total_rate), sample_rate * (1 - 1e-13))
    return load * (len(sample) / len(bank)) if math.isinf(sample_rate) else np.zeros_like(load)
