"""Certificates of sizes and late jobs against roots in 40 digits, over wide ranges of numbers.

The roots are found anew, by bisection and secants. Targets are slack, next to the least that can
be met, the least itself up to its last digit, and out of reach; units span 20 decades.
"""

import math

import mpmath as mp
import numpy as np
import pytest
from chunks import some

from sojourn.models import (
    MG1,
    MM1,
    InputError,
    MeanDelay,
    ParallelServers,
    RateBudget,
)
from sojourn.reference import joint_sizes

EPS = 2.0**-52
HAIR = mp.mpf(64 * EPS)  # relative, of targets that rounding cannot tell from the least one
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(40):
        yield


def root(function, low, high):
    """Return where an increasing function of a positive number changes its sign.

    The bracket is halved, in logarithms, and then shrinks by secants (Illinois method).
    """
    (a, fa), (b, fb) = ((mp.log(end), function(end)) for end in (low, high))
    step = 0
    while b - a > mp.mpf(10) ** -24:
        step += 1
        near = step % 4 and b - a < 1 and mp.isfinite(fb - fa) and fb > fa
        middle = b - fb * (b - a) / (fb - fa) if near else (a + b) / 2
        middle = min(max(middle, a + (b - a) / 1000), b - (b - a) / 1000)
        value = function(mp.exp(middle))
        if value > 0:
            fa, b, fb = fa / 2, middle, value
        else:
            fb, a, fa = fb / 2, middle, value
    return mp.exp(a)


class Exact:
    """Servers at given flows, in 40 digits; prices of rates are above 0."""

    def __init__(self, flow, k, delay, price, low, high):
        columns = zip(flow, k, delay, price, low, high, strict=True)
        self.rows = [tuple(mp.mpf(float(v)) for v in row) for row in columns if row[0] > 0]

    def at(self, z):
        """Return the spare capacities of least total delay at a price of money."""
        spare = []
        for x, k, _, p, low, high in self.rows:
            if z in (0, mp.inf):
                s = mp.inf if z == 0 else mp.mpf(0)
            elif k == 1:
                s = mp.sqrt(x / (z * p))
            else:  # 1/sqrt(psi) = sqrt(x/(z p)), psi = (1 - k)/mu^2 + k/s^2
                goal, s, step = mp.sqrt(x / (z * p)), mp.sqrt(k * x / (z * p)), mp.inf
                while abs(step) > mp.mpf(10) ** -30 * s:
                    psi = (1 - k) / (x + s) ** 2 + k / s**2
                    slope = (1 - k) / (x + s) ** 3 + k / s**3
                    step = (goal - 1 / mp.sqrt(psi)) * psi * mp.sqrt(psi) / slope
                    s += step
            spare.append(min(max(s, low - x, 0), high - x))
        return spare

    def cost(self, spare):
        """Return the money for the rates."""
        return sum(row[3] * (row[0] + s) for row, s in zip(self.rows, spare, strict=True))

    def total(self, spare):
        """Return the sum of flow times latency."""
        out = mp.mpf(0)
        for (x, k, d, *_), s in zip(self.rows, spare, strict=True):
            if s == 0:
                return mp.inf
            out += x * (d if s == mp.inf else d + (1 + k * x / s) / (x + s))
        return out

    def least(self, falls, rises, target):
        """Return the least of one amount with the other one in its target, None if out of reach."""
        # from the cheapest rates (price of money infinite) to the fastest ones
        best, other = (mp.inf, 0) if rises == self.cost else (0, mp.inf)
        if rises(self.at(best)) > target:
            return None
        if rises(self.at(other)) <= target:
            return falls(self.at(other))
        sign = 1 if rises == self.cost else -1
        ends = mp.mpf(10) ** -70, mp.mpf(10) ** 70
        q = root(lambda q: rises(self.at(q ** (-2 * sign))) - target, *ends)
        return falls(self.at(q ** (-2 * sign)))


def random_servers(rng):
    """Return load, shares, and the columns of `Exact` but the flows, and the unit of money."""
    n, wide = int(rng.integers(1, 4)), rng.choice([1.0, 7.0])
    time, money = (10 ** rng.uniform(-10, 10, 2)) ** rng.integers(0, 2, 2)
    load = 10 ** rng.uniform(-2, 2) / time
    share = 10 ** rng.uniform(-wide, 0, n)
    share /= math.fsum(share)
    k = np.ones(n) if rng.random() < 0.6 else rng.choice([0.5, 0.8, 3.0, 300.0], n)
    delay = time * rng.choice([0.0, 1.0], n) * 10 ** rng.uniform(-wide, wide, n)
    price = time * money * 10 ** rng.uniform(-wide, wide / 2, n)
    low = np.where(rng.random(n) < 0.4, share * load * (1 + 10 ** rng.uniform(-9, 1, n)), 0.0)
    high = np.maximum(low, share * load) * (1 + 10 ** rng.uniform(-9, 4, n))
    high[rng.random(n) < 0.5] = np.inf
    return load, share, (k, delay, price, low, high), money


def near(rng, least, free):
    """Return a target: slack, next to the least one, the least one, or below."""
    slack, form = 10 ** rng.uniform(-4, 4) * free, rng.integers(4)
    hair = 10 ** rng.uniform(-15, -3)
    return (least + slack, least * (1 + hair), least, least * (1 - 1e-9))[form]


@pytest.mark.parametrize("seed", some(1000, often=15))
def test_rates_at_a_split(seed):
    rng = np.random.default_rng(seed)
    load, share, columns, money = random_servers(rng)
    flow = load * (share / share.sum())
    exact, goal = Exact(flow, *columns), ("budget", "mean delay", "price")[rng.integers(3)]
    cheapest, fastest = exact.cost(exact.at(mp.inf)), exact.total(exact.at(0))
    k, delay, price, low, high = columns
    asked = {"rate_price": price, "min_rate": low, "max_rate": high, "split": share}
    if goal == "budget":
        amount = near(rng, float(cheapest), float(cheapest))
        asked["subject_to"] = [RateBudget(amount)]
        least = exact.least(exact.total, exact.cost, mp.mpf(amount))
        least, off = least and least / mp.mpf(load), mp.mpf(amount) / cheapest - 1
    elif goal == "mean delay":
        amount = near(rng, float(fastest) / load, max(float(fastest), 1.0) / load)
        if amount == 0:
            return
        asked["subject_to"] = [MeanDelay(amount)]
        target = mp.mpf(amount) * sum(row[0] for row in exact.rows)
        least, off = exact.least(exact.cost, exact.total, target), 1 - fastest / target
    else:
        amount = 10 ** rng.uniform(-6, 6) * money
        spare = exact.at(1 / mp.mpf(amount))
        least, off = exact.cost(spare) + mp.mpf(amount) * exact.total(spare), mp.inf
        asked["delay_cost"] = amount
    cv = np.sqrt(2.0 * k - 1.0)
    bank = MM1(np.full(len(k), load), delay) if np.all(k == 1) else MG1(load, cv, delay)
    try:
        found = ParallelServers(bank).size(load, **asked, throw=False)
    except InputError:
        assert least is None or off <= HAIR
        return
    if least is None or mp.isinf(least):
        assert off >= -HAIR
        return
    proof = found.certificate
    assert proof.lower_bound <= least * (1 + mp.mpf(10) ** -15)
    assert proof.upper_bound >= least * (1 - mp.mpf(10) ** -15)
    assert not found.certified or abs(found.objective / least - 1) <= 1.01e-6
    assert np.all(found.rate <= high * (1 + EPS))
    assert np.all(found.rate >= low * (1 - EPS))
    if goal == "budget":
        spent = sum(mp.mpf(p) * mp.mpf(r) for p, r in zip(price, found.rate, strict=True))
        assert spent <= mp.mpf(amount) * (1 + HAIR)


def best_of_splits(rng, exact_at, load, high, flow):
    """Return the least value of random splits, and of ever closer ones around the best."""
    n, best, at, size = len(high), mp.inf, None, 1.0
    tried = [flow, *np.eye(n) * load, *rng.dirichlet(np.full(n, 0.6), 10) * load]
    for _ in range(3):
        for x in tried:
            x = np.minimum(x, high * (1 - 1e-12))
            x = [mp.mpf(float(v)) for v in x]
            free = max(range(n), key=lambda i: high[i] - float(x[i]))
            x[free] += mp.mpf(load) - sum(x)
            if x[free] < 0 or x[free] >= high[free]:
                continue
            value = exact_at(x)
            if value is not None and value < best:
                best, at = value, np.array([float(v) for v in x])
        if at is None:
            return best
        size *= 0.1
        tried = [np.abs(at + size * load * w) for w in rng.normal(size=(6, n))]
        tried = [load * x / x.sum() for x in tried]
    return best


@pytest.mark.parametrize("seed", some(200, often=3))
def test_split_and_rates_together(seed):
    rng = np.random.default_rng(seed)
    n, unit = int(rng.integers(2, 4)), 10 ** rng.uniform(-9, 9)
    load, k = 10.0 / unit, np.full(n, rng.choice([0.5, 1.0, 1.0, 4.0]))
    delay, price = 10 ** rng.uniform(-3, 1, n) * unit, 10 ** rng.uniform(-2, 2, n) * unit
    high = np.where(rng.random(n) < 0.4, np.inf, load * 10 ** rng.uniform(-1, 1, n))
    low = np.where(rng.random(n) < 0.3, np.minimum(high, load) * rng.random(n), 0.0)
    opening = np.where(rng.random(n) < 0.3, 10 ** rng.uniform(-1, 2, n), 0.0)
    goal = ("delay_cost", "budget", "mean_delay")[rng.integers(3)]
    scale = {"delay_cost": 1.0, "budget": price.mean() * load, "mean_delay": unit}
    amount = scale[goal] * 10 ** rng.uniform(-1, 2)
    servers = (k, delay, price, low, high)

    def value(x):
        used = np.array([v > 0 for v in x])
        opens = math.fsum(opening[used]) + math.fsum((price * low)[~used])
        exact = Exact([0.0] * n, *servers)
        exact.rows = [
            (v, *(mp.mpf(float(c[i])) for c in servers)) for i, v in enumerate(x) if v > 0
        ]
        if goal == "budget":
            found = exact.least(exact.total, exact.cost, mp.mpf(amount) - opens)
            return found and found / mp.mpf(load)
        if goal == "mean_delay":
            found = exact.least(exact.cost, exact.total, mp.mpf(amount) * mp.mpf(load))
            return found and found + opens
        spare = exact.at(1 / mp.mpf(amount))
        return exact.cost(spare) + mp.mpf(amount) * exact.total(spare) + opens

    try:
        found = joint_sizes(load, *servers, opening=opening, **{goal: amount}, max_nodes=100)
    except InputError:
        if high.sum() > load:
            assert mp.isinf(best_of_splits(rng, value, load, high, np.full(n, load / n)))
        return
    best = best_of_splits(rng, value, load, high, found.flow)
    assert found.lower_bound <= best * (1 + mp.mpf(10) ** -15)
    assert not found.certified or found.value <= best * (1 + mp.mpf(1.01e-6))


@pytest.mark.parametrize("seed", some(400, often=12))
def test_fewest_late_jobs(seed):
    rng = np.random.default_rng(seed)
    n, unit = int(rng.integers(1, 5)), 10 ** rng.uniform(-9, 9)
    rate, delay = 10 ** rng.uniform(-2, 2, n) / unit, 10 ** rng.uniform(-3, 1, n) * unit
    part = (10 ** rng.uniform(-9, 0), 1 - 10 ** rng.uniform(-9, 0))[rng.integers(2)]
    load = min(float(rate.sum()) * part, float(rate.sum()) * (1 - 1e-9))
    within = float(rng.choice(delay)) + 10 ** rng.uniform(-2, 2) * unit
    system = ParallelServers(MM1(rate, delay))
    found = system.least_late_share(load, within)
    rows = [(mp.mpf(r), mp.mpf(within) - mp.mpf(d)) for r, d in zip(rate, delay, strict=True)]
    hopeful, others = [row for row in rows if row[1] > 0], [r for r, tau in rows if tau <= 0]

    def flows(price):
        """Return the flows with the marginal number of late jobs (1 + tau x) e^(-(r - x) tau)."""
        out = []
        for r, tau in hopeful:
            y = mp.log(price) + 1 + r * tau  # w + log(w) = y with w = 1 + tau x
            w = mp.lambertw(mp.exp(y)).real if y > 1 else mp.mpf(1)
            out.append(min(max((w - 1) / tau, 0), r))
        return out

    most = mp.mpf(load)
    if not hopeful or sum(flows(mp.mpf(1))) < most <= sum(flows(mp.mpf(1))) + sum(others):
        x = flows(mp.mpf(1))
    else:
        most -= sum(others) if sum(flows(mp.mpf(1))) < most else 0
        ends = mp.mpf(10) ** -(10**8), mp.mpf(10) ** 10**8
        with mp.workdps(60):
            x = flows(root(lambda price: sum(flows(price)) - most, *ends))
    late = mp.mpf(load) - sum(x)
    late += sum(v * mp.exp(-(r - v) * tau) for v, (r, tau) in zip(x, hopeful, strict=True))
    share = late / mp.mpf(load)
    assert found.certificate.lower_bound <= share * (1 + mp.mpf(10) ** -15)
    assert not found.certified or found.late_share <= share * (1 + mp.mpf(1e-9))
    assert math.fsum(found.flow) == pytest.approx(load, rel=1e-14)
