"""Certificates of limits on late jobs next to saturation, against optima at 50 digits.

The conditions of Karush, Kuhn and Tucker are solved in spare capacities y, by Newton steps; each
f_i and h_i is convex, so that a split that meets them is the optimum.
"""

from itertools import combinations

import numpy as np
import pytest
from chunks import some
from late_limits import bank, late

from sojourn.models import LateShare, LoadError, ParallelServers
from sojourn.reference import least_late_share

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp
DIGITS, KINDS = 50, ("MM1", "MG1", "MMc", "MD1")


class Server:
    """One server at 50 digits: its latency and its late jobs as functions of the spare capacity."""

    def __init__(self, system_bank, kind, i):
        number = lambda name: mp.mpf(float(getattr(system_bank, name)[i]))  # noqa: E731
        self.kind, self.delay = kind, number("delay")
        self.each = number("each") if kind == "MMc" else number("rate")
        self.count = int(system_bank.servers[i]) if kind == "MMc" else 1
        self.rate = self.each * self.count
        self.cv = {"MM1": mp.mpf(1), "MD1": mp.mpf(0)}.get(kind)
        self.cv = number("cv") if kind == "MG1" else self.cv

    def chance(self, y):
        """Probability to wait: rho, or Erlang's C."""
        x = self.rate - y
        a, c = x / self.each, self.count
        if c == 1:
            return a
        last = a**c / mp.factorial(c) * self.rate / y
        return last / (last + mp.fsum(a**k / mp.factorial(k) for k in range(c)))

    def total(self, y):
        """f = x l(x)."""
        x = self.rate - y
        if self.kind == "MMc":
            return x * (self.delay + 1 / self.each + self.chance(y) / y)
        weight = (1 + self.cv**2) / 2
        return x * (self.delay + 1 / self.rate + weight * x / (self.rate * y))

    def late(self, y, time):
        """h = x P(T > t)."""
        x, t = self.rate - y, time - self.delay
        if t <= 0:
            return x
        return x * getattr(self, f"late_{self.kind.lower()}")(y, t)

    def late_mm1(self, y, t):
        return mp.exp(-y * t)

    def late_mmc(self, y, t):
        return self._after_wait(self.chance(y), y, self.each, t)

    def late_mg1(self, y, t):
        cv, chance, decay = self.cv, self.chance(y), 2 * y / (1 + self.cv**2)
        if cv <= 1:
            left = t - (1 - cv) / self.each
            return self._after_wait(chance, decay, self.each / cv, left) if left > 0 else mp.mpf(1)
        slow = (1 - mp.sqrt((cv**2 - 1) / (cv**2 + 1))) / 2
        return mp.fsum(
            p * self._after_wait(chance, decay, 2 * p * self.each, t) for p in (slow, 1 - slow)
        )

    def late_md1(self, y, t):
        """The dominant pole of the wait: next to saturation the others leave nothing here."""
        rho, w = 1 - y / self.rate, t * self.rate - 1
        if w < 0 or rho < 0.5:
            return mp.mpf(w < 0)
        pole = mp.findroot(lambda s: mp.expm1(s) * rho - s, 2 * y / self.rate)
        return (1 - rho) / (rho * mp.exp(pole) - 1) * mp.exp(-pole * w)

    def _after_wait(self, chance, decay, service, t):
        """P(W + S > t), W of the tail C e^{-b w} and S exponential with the rate a."""
        both = (mp.exp(-decay * t) - mp.exp(-service * t)) / (service - decay)
        return mp.exp(-service * t) + chance * service * both


def slopes(f, y):
    """Return the first two derivatives in the flow."""
    step = y * mp.mpf(10) ** (-DIGITS // 3)
    low, here, high = f(y - step), f(y), f(y + step)
    return (low - high) / (2 * step), (low - 2 * here + high) / step**2


def true_optimum(servers, load, limits, found):
    """Return the least mean delay, from the active limits that fulfil all conditions."""
    used = [i for i, x in enumerate(found.flow) if x > 0]
    pairs = [(mp.mpf(float(limit.within)), mp.mpf(float(limit.at_most)) * load) for limit in limits]
    indices = range(len(limits))
    first = tuple(j for j in indices if found.limits[j].price > 0)
    subsets = [first, *(s for m in range(len(limits) + 1) for s in combinations(indices, m))]
    for active in subsets:
        try:
            solved = newton(servers, load, [pairs[j] for j in active], used, active, found)
        except (ZeroDivisionError, ValueError, ArithmeticError):
            continue
        if solved is None:
            continue
        y, c, z = solved
        late_jobs = [
            mp.fsum(s.late(own, time) for s, own in zip(servers, y, strict=True))
            for time, _ in pairs
        ]
        met = all(
            h <= b * (1 + mp.mpf(10) ** -30) for h, (_, b) in zip(late_jobs, pairs, strict=True)
        )
        price = dict(zip(active, z, strict=True))
        idle = (
            slopes(servers[i].total, y[i])[0]
            + mp.fsum(
                price[j] * slopes(lambda v, i=i, j=j: servers[i].late(v, pairs[j][0]), y[i])[0]
                for j in active
            )
            >= c * (1 - mp.mpf(10) ** -20)
            for i in range(len(servers))
            if i not in used
        )
        if met and all(p >= 0 for p in z) and all(idle):
            return mp.fsum(s.total(own) for s, own in zip(servers, y, strict=True)) / load
    return None


def newton(servers, load, rows, used, active, found):
    """Return spare capacities, the price of the load and those of the rows; None without them."""
    n, m = len(used), len(rows)
    y = [s.rate - mp.mpf(float(x)) for s, x in zip(servers, found.flow, strict=True)]
    c = mp.mpf(float(found.multiplier))
    z = [mp.mpf(float(found.limits[j].price)) for j in active]
    for _ in range(60):
        matrix, side = mp.zeros(n + 1 + m), mp.zeros(n + 1 + m, 1)
        for k, i in enumerate(used):
            first, second = slopes(servers[i].total, y[i])
            matrix[k, n] = matrix[n, k] = -1
            for j, (time, _) in enumerate(rows):
                rise, bend = slopes(lambda v, i=i, t=time: servers[i].late(v, t), y[i])
                first, second = first + z[j] * rise, second + z[j] * bend
                matrix[k, n + 1 + j] = matrix[n + 1 + j, k] = rise
            matrix[k, k], side[k] = second, c - first
        side[n] = mp.fsum(s.rate - own for s, own in zip(servers, y, strict=True)) - load
        for j, (time, b) in enumerate(rows):
            h = mp.fsum(s.late(own, time) for s, own in zip(servers, y, strict=True))
            side[n + 1 + j] = b - h
        step = scaled_solve(matrix, side, [*(y[i] for i in used), c, *(v or c for v in z)])
        part = min([mp.mpf(1), *(y[i] / (2 * abs(step[k])) for k, i in enumerate(used) if step[k])])
        size = max(abs(step[k]) / y[i] for k, i in enumerate(used))
        for k, i in enumerate(used):
            y[i] = y[i] - part * step[k]
        c, z = c + part * step[n], [own + part * step[n + 1 + j] for j, own in enumerate(z)]
        if part == 1 and size < mp.mpf(10) ** -18:
            return y, c, z
    return None


def scaled_solve(matrix, side, unit):
    """Solve a symmetric system in units in which its entries are near 1."""
    n = len(unit)
    scaled = mp.matrix([[matrix[i, j] * unit[i] * unit[j] for j in range(n)] for i in range(n)])
    step = mp.lu_solve(scaled, mp.matrix([side[i] * unit[i] for i in range(n)]))
    return [step[i] * unit[i] for i in range(n)]


def limited(seed, nines):
    """Return a system, a load next to saturation, and late shares below those of the optimum."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    system = ParallelServers(bank(rng, kind))
    load = (1 - 10.0**-nines) * system.total_rate
    free, limits = system.optimum(load), []
    for time in free.mean_delay * rng.choice([0.7, 1.5, 3.0, 6.0, 15.0], 2, replace=False):
        fewest, most = (
            float(least_late_share(system.bank, load, time).share),
            late(system, free.flow, time),
        )
        part = rng.choice([1e-3, 0.1, 0.5, 0.9, 0.999])
        limits.append(LateShare(time, min(1.0, fewest + part * max(most - fewest, 1e-9 * fewest))))
    return kind, system, load, limits


@pytest.mark.parametrize("nines", [6, 9])
@pytest.mark.parametrize("seed", some(120, quick=2, often=8))
def test_the_certificate_covers_the_error_next_to_saturation(seed, nines):
    """Whether an answer is certified or not; see `test_late_share` for how many are."""
    kind, system, load, limits = limited(seed, nines)
    limits = limits[: 1 + seed // 4 % 2]
    try:
        found = system.optimum(load, subject_to=limits, throw=False)
    except LoadError:  # each can be met, but not both
        limits = limits[:1]
        found = system.optimum(load, subject_to=limits, throw=False)
    proof, rounding = found.certificate, 8 * np.finfo(float).eps  # of sums; the gap has it
    with mpmath.workdps(DIGITS):
        servers = [Server(system.bank, kind, i) for i in range(len(system))]
        true = true_optimum(servers, mp.mpf(float(load)), limits, found)
        assert proof.lower_bound * (1 - rounding) <= true <= proof.upper_bound * (1 + rounding)
        assert abs(found.mean_delay - true) <= proof.gap * true
