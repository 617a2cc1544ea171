"""Random parallel servers of all three families, with a budget or other limits."""

import numpy as np
import truths

from sojourn.models import (
    MD1,
    MG1,
    MM1,
    LinearLimit,
    MaxShare,
    MinShare,
    NotCertifiedError,
    ParallelServers,
)
from sojourn.reference import limited_optimum
from sojourn.reference.parallel.limits import cheapest


def three_families(*seed):
    """Draw 3 to 8 servers, at least one of each family; return them, a load and the generator."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    rate, delay, cv = (
        10 ** rng.uniform(0, 2.5, n),
        10 ** rng.uniform(-3, 0, n),
        10 ** rng.uniform(-1, 0.7, n),
    )
    family = np.concatenate([[0, 1, 2], rng.integers(0, 3, n - 3)])
    m, d, g = (family == f for f in range(3))
    system = ParallelServers(
        MM1(rate[m], delay[m]), MD1(rate[d], delay[d]), MG1(rate[g], cv[g], delay[g])
    )
    return system, rng.uniform(0.05, 0.95) * system.total_rate, rng


def budget_case(seed):
    """Draw a cap of the utilisation and a budget.

    The budget is at least 5 % of the way from the cheapest split to the unconstrained optimum.
    """
    system, _, rng = three_families(11, seed)
    n = len(system)
    while True:
        part = rng.uniform(0.05, 0.9)
        load, cap = part * system.total_rate, part + rng.uniform(0.05, 1, n) * (1 - part)
        most, price = cap * system.bank.rate, rng.uniform(0.1, 1, n)
        free, low = (
            limited_optimum(system.bank, load, most=most),
            cheapest(np.zeros(n), most, price, load)[1],
        )
        more = float(price @ free.flow) - low
        if more > 1e-3 * low:  # else the best split is the cheapest
            return system, load, cap, price, low + rng.uniform(0.05, 0.95) * more


FAMILIES = (lambda rate, cv, delay: MM1(rate, delay), lambda rate, cv, delay: MD1(rate, delay), MG1)


def random_system(rng):
    """Draw 1 to 8 servers of three families, rates over two or six decades, and a load."""
    n, decades = int(rng.integers(1, 9)), rng.choice([1.0, 3.0])
    rate, family = 10 ** rng.uniform(-decades, decades, n), np.sort(rng.integers(0, 3, n))
    cv = np.select([family == 0, family == 1], [1.0, 0.0], 10 ** rng.uniform(-1, 0.7, n))
    delay = rng.choice([0.0, 1.0]) * 10 ** rng.uniform(-3, 1, n) / rate.mean()
    banks = [
        FAMILIES[f](rate[family == f], cv[family == f], delay[family == f])
        for f in np.unique(family)
    ]
    away = 10 ** rng.uniform(-9, 0)
    part = min(rng.choice([1 - away, 1 - away, away, 1 - 1e-9]), 1 - 1e-9)
    return (
        ParallelServers(*banks),
        [truths.Server(*map(float, s)) for s in zip(rate, delay, cv, strict=True)],
        part * float(rate.sum()),
    )


def answered(system, load):
    """Whether a solver answers, without players, limits, control and tolls."""
    try:
        return system.optimum(load).certified and system.equilibrium(load).certified
    except NotCertifiedError:
        return False


def rows_case(seed):
    """Return a random system and load with one to four rows, some with bounds; most bind."""
    rng = np.random.default_rng([77, seed])
    while True:
        system, servers, load = random_system(rng)
        if len(system) > 1:
            break
    n, rate = len(system), system.bank.rate
    best = system.optimum(load, throw=False).flow
    # a split that meets all limits
    inside = rate * (load / system.total_rate) * rng.uniform(0.5, 1.0, n)
    inside = inside + (rate - inside) * ((load - inside.sum()) / (rate - inside).sum())
    rows, bounds = [], []
    for kind in rng.choice(["money", "group", "signed"], int(rng.integers(1, 5))):
        row = {
            "money": rng.uniform(0.1, 1, n),
            "group": (rng.random(n) < 0.5) * 1.0,
            "signed": rng.normal(size=n),
        }[kind]
        row[rng.integers(n)] += kind == "group" and not row.any()
        row = -row if kind != "group" and row @ best < row @ inside else row
        bound = float(
            row @ inside
            + rng.choice([rng.uniform(0.05, 0.95), 1.3], p=[0.75, 0.25])
            * (row @ best - row @ inside)
        )
        rows.append(row)
        bounds.append(
            bound if bound > row @ inside else float(row @ inside + 1e-3 * np.abs(row) @ inside)
        )
    least, most = np.zeros(n), np.full(n, np.inf)
    limits = (
        [LinearLimit(rows, bounds)]
        if rng.random() < 0.5
        else [LinearLimit(a, b) for a, b in zip(rows, bounds, strict=True)]
    )
    if rng.random() < 0.4:
        share = np.minimum(
            (inside + rng.uniform(0, 1, n) * (np.minimum(rate, load) - inside)) / load * (1 + 1e-9),
            1.0,
        )
        limits, most = [*limits, MaxShare(share)], share * load
    if rng.random() < 0.3:
        share = inside / load * rng.uniform(0, 1, n)
        limits, least = [*limits, MinShare(share)], share * load
    return (
        system,
        servers,
        load,
        limits,
        {"least": least, "most": most, "matrix": np.array(rows), "bound": np.array(bounds)},
    )
