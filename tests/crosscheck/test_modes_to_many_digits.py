"""Service modes, reserved and shared, against truths of many digits found in other ways.

Loads are from 1e-12 of the largest one to 1 - 1e-9 of it; works differ by up to twelve powers of
ten, or by 1e-14. A certificate must cover the truth, always.
"""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from chunks import some

from sojourn.models import MultiMode, SharedModes

DIGITS, PROOF, EPS = 80, mp.mpf("1e-40"), 2.0**-52
GOLDEN = (math.sqrt(5) - 1) / 2


def works(rng):
    """Return random works and fixed delays, some of them hard."""
    S, M = int(rng.integers(1, 5)), int(rng.integers(1, 7))
    a = (
        rng.exponential(size=(S, M)),
        rng.dirichlet(np.ones(S), size=M).T,
        10.0 ** rng.uniform(-6, 6, (S, 1)) * rng.exponential(size=(S, M)),
        10.0 ** rng.uniform(-6, 6, (S, M)),
        1 + 10.0 ** rng.uniform(-14, -2) * rng.random((S, M)),
        rng.integers(1, 4, (S, M)).astype(float),
    )[rng.integers(6)]
    if rng.random() < 0.4:
        a = a * (rng.random((S, M)) < 0.6)
    if M > 2 and rng.random() < 0.3:
        a[:, 1] = a[:, 0]
    if not (a.any(axis=0).all() and a.any(axis=1).all()):
        return works(rng)
    scale = 10.0 ** rng.uniform(-6, 3) * np.median(a[a > 0])
    return a, scale * rng.exponential(size=M) if rng.random() < 0.35 else None


def part_of_capacity(rng):
    """Return a part of the largest load: medium, tiny, or nearly all."""
    parts = rng.uniform(0.01, 0.99), 10 ** rng.uniform(-12, -2), 1 - 10 ** rng.uniform(-9, -2)
    return float(parts[rng.integers(3)])


def within(bounds, true):
    """Return whether bounds hold, but for the rounding of the truth to a float."""
    low, high = bounds
    return low <= float(true) * (1 + EPS) and high >= float(true) * (1 - EPS)


def exact(array):
    return [mp.mpf(float(v)) for v in array]


class Shared:
    """Loads x of the modes that minimise a convex potential, by a primal-dual interior point.

    With c(rho) = 1/(1 - rho) + rho/(K (1 - rho)^2) a mode costs sum_s a_sm c(rho_s) + d_m.
    """

    def __init__(self, modes, load, players):
        self.work, self.delay = [exact(row) for row in modes.time], exact(modes.delay)
        self.columns = list(zip(*self.work, strict=True))
        self.load, self.own = mp.mpf(load), 0 if players == math.inf else 1 / mp.mpf(players)

    def busy(self, x):
        return [mp.fdot(row, x) for row in self.work]

    def costs(self, rho):
        price = [1 / (1 - r) + self.own * r / (1 - r) ** 2 for r in rho]
        return [
            mp.fdot(column, price) + d for column, d in zip(self.columns, self.delay, strict=True)
        ]

    def total(self, x):
        return mp.fsum(r / (1 - r) for r in self.busy(x)) + mp.fdot(x, self.delay)

    def step(self, x, z, level):
        """Return x, the reduced costs z and the cost level after a step of Newton's method."""
        n, rho = len(x), self.busy(x)
        costs = self.costs(rho)
        bend = [1 / (1 - r) ** 2 + self.own * (1 + r) / (1 - r) ** 3 for r in rho]
        aim = mp.fdot(x, z) / (10 * n)
        matrix, right = mp.zeros(n + 1), mp.zeros(n + 1, 1)
        for i, j in itertools.product(range(n), repeat=2):
            matrix[i, j] = mp.fsum(
                row[i] * row[j] * h for row, h in zip(self.work, bend, strict=True)
            )
        for i in range(n):
            matrix[i, i] += z[i] / x[i]
            matrix[i, n], matrix[n, i] = -1, 1
            right[i] = level - costs[i] + aim / x[i]
        right[n] = self.load - mp.fsum(x)
        found = mp.lu_solve(matrix, right)
        dx = [found[i] for i in range(n)]
        dz = [(aim - z[i] * dx[i]) / x[i] - z[i] for i in range(n)]
        longest = [-v / d for v, d in zip((*x, *z), (*dx, *dz), strict=True) if d < 0]
        longest += [(1 - r) / d for r, d in zip(rho, self.busy(dx), strict=True) if d > 0]
        t = min([1, *(mp.mpf("0.9") * v for v in longest)])
        move = [[v + t * d for v, d in zip(*pair, strict=True)] for pair in ((x, dx), (z, dz))]
        return *move, level + t * found[n]

    def solve(self, start):
        """Return the mean delay and the utilisations; a linear bound proves the potential."""
        x = [self.load * p / mp.fsum(start) for p in start]
        costs = self.costs(self.busy(x))
        level = min(costs) * mp.mpf("0.9")
        z = [c - level for c in costs]
        for _ in range(300):
            try:
                x, z, level = self.step(x, z, level)
            except ZeroDivisionError:  # equal modes, late
                break
            costs = self.costs(self.busy(x))
            saved = mp.fsum(v * (c - min(costs)) for v, c in zip(x, costs, strict=True))
            if saved <= mp.mpf("1e-50") * self.total(x):
                break
        return self.total(x) / self.load, self.busy(x), saved <= PROOF * self.total(x)


def inside(modes, parts, load, part):
    """Return parts of the jobs above 0 in all modes that leave some of the spare capacity."""
    even = 1.0
    while (
        load * (modes.time @ (parts + even * (1 / parts.size - parts))).max() >= (7 + 3 * part) / 10
    ):
        even /= 4
    return exact(parts + even * (1 / parts.size - parts))


@pytest.mark.parametrize("seed", some(1000, quick=6, often=16))
def test_shared_modes(seed):
    rng = np.random.default_rng([50, seed])
    work, delay = works(rng)
    system, part = SharedModes.from_work(work, delay=delay), part_of_capacity(rng)
    modes, load = system.rates, part * system.max_load
    players = (1, int(rng.integers(2, 6)), math.inf)[seed % 3]
    with mp.workdps(DIGITS):
        start = inside(modes, system.capacity().assignment, load, part)
        true, busy, proved = Shared(modes, load, players).solve(start)
        if not proved:
            pytest.skip("the truth has not enough digits")
        if players == 1:
            found = system.optimum(load)
            tolls = [
                mp.fdot(column, [r / (1 - r) ** 2 for r in busy])
                for column in zip(*modes.time, strict=True)
            ]
            true_tolls = np.array([float(t) for t in tolls])
            # where modes are equally fast without jobs, the split stands on differences of delays
            # in floats, and so do tolls, which are far smaller there
            least = max(1e-7 * true_tolls.max(), 64 * EPS * float(true))
            assert system.tolls(load).mode_toll == pytest.approx(true_tolls, rel=1e-7, abs=least)
        else:
            found = system.equilibrium(load, players=players, throw=False)
        proof = found.certificate
        assert within((proof.lower_bound, proof.upper_bound), true)
        error = float(abs(found.mean_delay / true - 1))
        assert error <= max(proof.gap, 2 * EPS)
        assert error <= max(1e-8, 64 * EPS / (1 - part))


def reserved_delay(work, delay, load, p):
    """Return the least mean delay of an assignment over all partitions (Theorem 3)."""
    total = mp.fdot(p, delay)
    for row in work:
        spare = 1 - load * mp.fdot(row, p)
        if spare <= 0:
            return mp.inf
        total += mp.fsum(mp.sqrt(a * q) for a, q in zip(row, p, strict=True)) ** 2 / spare
    return total


def best_of_pair(work, delay, load):
    """Return the least delay of two modes: a grid, finer towards both ends, and golden sections."""
    low, high = mp.mpf(0), mp.mpf(1)
    for first, second in work:
        slope, rest = load * (first - second), 1 - load * second
        if slope > 0:
            high = min(high, rest / slope)
        elif slope < 0:
            low = max(low, rest / slope)
        elif rest <= 0:
            return mp.inf
    if low >= high:
        return mp.inf

    def at(t):
        p = low + (high - low) * t
        return reserved_delay(work, delay, load, [p, 1 - p])

    near = [mp.mpf(10) ** -k for k in range(3, 26)]
    grid = sorted(
        [*(mp.sin(mp.pi * k / 200) ** 2 for k in range(101)), *near, *(1 - t for t in near)]
    )
    values = [at(t) for t in grid]
    best = min(values)
    for k in range(1, len(grid) - 1):
        if values[k] <= min(values[k - 1], values[k + 1], best * mp.mpf("1.001")):
            a, b = grid[k - 1], grid[k + 1]
            for _ in range(75):
                left, right = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
                a, b = (a, right) if at(left) < at(right) else (left, b)
            best = min(best, at((a + b) / 2))
    return best


@pytest.mark.parametrize("seed", some(1000, quick=6, often=16))
def test_reserved_modes(seed):
    """Two modes are enough at two stages, or at one stage with fixed delays."""
    rng = np.random.default_rng([51, seed])
    work, delay = works(rng)
    rows = 2 if delay is None else 1
    while not work[:rows].any(axis=0).all() or len(work) < rows:
        work, delay = works(rng)
        rows = 2 if delay is None else 1
    work = work[:rows]
    system, part = MultiMode.from_work(work, delay=delay), part_of_capacity(rng)
    modes, load = system.rates, part * system.max_load
    count, found = modes.modes, system.assignment(load)
    with mp.workdps(DIGITS):
        a, d, given = [exact(row) for row in modes.time], exact(modes.delay), mp.mpf(load)
        alone = [reserved_delay(a, d, given, [mp.mpf(m == k) for m in range(count)])
                 for k in range(count)]  # fmt: skip
        pairs = itertools.combinations(range(count), 2)
        both = [best_of_pair([(r[i], r[j]) for r in a], (d[i], d[j]), given) for i, j in pairs]
        true = min((*alone, *both))
        proof = found.certificate
        # a grid finds the least delay from above
        assert proof.lower_bound <= float(true) * (1 + 1e-13)
        assert proof.upper_bound >= float(true) * (1 - EPS)
        assert float(found.mean_delay / true - 1) <= max(1e-8, 64 * EPS / (1 - part))
        p = exact(found.assignment)
        exactly = reserved_delay(a, d, given, [q / mp.fsum(p) for q in p])
        evaluated = system.evaluate(load, found.assignment)
        for value, bounded in ((exactly, evaluated.mean_delay), (true, evaluated.assignment_delay)):
            assert bounded.lower <= float(value) * (1 + 1e-13)
            assert bounded.upper >= float(value) * (1 - EPS)
