"""Random parallel servers with limits on late jobs."""

import numpy as np

from sojourn.models import MD1, MG1, MM1, Budget, LateShare, MaxUtilisation, MMc, ParallelServers
from sojourn.reference import least_late_share


def late(system, flow, within):
    """Return the share of all jobs that are late."""
    return float(flow @ system.bank.late_jobs(flow, within).share / flow.sum())


def bank(rng, kind):
    n = int(rng.integers(2, 7))
    rate = np.exp(rng.normal(3, 1, n))
    delay = rng.exponential(2 / rate.mean(), n) * (rng.random(n) < 0.7)
    return {
        "MM1": lambda: MM1(rate, delay),
        "MD1": lambda: MD1(rate, delay),
        "MMc": lambda: MMc(rate / 2, rng.integers(1, 5, n), delay),
        "MG1": lambda: MG1(rate, rng.uniform(0, 2, n), delay),
    }[kind]()


def case(seed, kind):
    """Return a system, a load, limits that bind, and the least late share of the first limit."""
    rng = np.random.default_rng(seed)
    system = ParallelServers(bank(rng, kind))
    load = rng.choice([0.3, 0.6, 0.9, 0.99]) * system.total_rate
    best = system.optimum(load)
    time = best.mean_delay * rng.choice([1.5, 3, 6])
    least = float(least_late_share(system.bank, load, time).share)
    part, most = rng.choice([0.5, 0.1]), late(system, best.flow, time)
    limits = [LateShare(time, least + part * max(most - least, 1e-6 * least))]
    price = rng.random(len(system))
    more = [
        MaxUtilisation(min(1.0, 1.1 * load / system.total_rate)),
        Budget(price, 1.01 * float(price @ best.flow)),
        LateShare(2 * time, 0.98 * late(system, best.flow, 2 * time)),
    ]
    which = int(rng.integers(0, 4))
    return system, load, limits + more[which : which + 1], least


def met_by_a_split(seed, part, scale=1.0):
    """Return a system, a load, late shares that a split meets, one or all exactly, and its delay.

    Times are in units 1/scale as long as those of seed and part alone.
    """
    rng = np.random.default_rng(seed)
    n, load_part = int(rng.integers(2, 6)), float(part)
    rate, base = np.exp(rng.normal(3, 1, n)), rng.uniform(0, 0.5, n)
    delay, cv = rng.exponential(2 / rate.mean(), n) * (rng.random(n) < 0.7), rng.uniform(0, 2, n)
    system = ParallelServers(
        [
            lambda: MM1(rate / scale, delay * scale),
            lambda: MD1(rate / scale, delay * scale),
            lambda: MG1(rate / scale, cv, delay * scale),
            lambda: MD1(rate / scale, delay * scale, base=base * rate / scale),
            lambda: MMc(rate / (2 * scale), np.arange(n) % 3 + 1, delay * scale),
        ][seed % 5]()
    )
    load = load_part * system.total_rate
    even = system.bank.rate * load_part
    off = load * rng.dirichlet(np.ones(n)) - even
    room = np.where(off > 0, system.bank.rate - even, even)
    flow = even + off * min(1.0, 0.8 * float(np.min(room / np.abs(off))))
    delay = float(flow @ system.bank.latency(flow)) / load
    times = delay * rng.choice([0.7, 1.5, 3, 6, 15], 2, replace=False)
    looser = (1.0, rng.choice([1.0, 1 + 1e-9, 1.001]))
    limits = [
        LateShare(t, min(1.0, more * late(system, flow, t)))
        for t, more in zip(times, looser, strict=True)
    ]
    return system, load, limits, delay
