"""Random systems with routes, and their truth to twenty digits by a method of the tests' own.

The truth is a primal-dual interior point on enumerated routes in decimal arithmetic of 110 digits,
on the formulas of this module. Nothing of the solvers of the library takes part. Its potential
gap G is computed from the prices in the same arithmetic, and with G the error of every number that
is returned: see `Truth`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from decimal import Decimal, getcontext, localcontext

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from sojourn.models import BPR, MG1, MM1, Constant, MMc, Polynomial
from sojourn.models.latency.base import as_latency
from sojourn.reference.routes import Columns, GraphRoutes, ListedRoutes, RoutedSystem

DIGITS = 110
CLOSE = Decimal("1e-44")  # potential gap relative to the total cost at which the method ends
STEPS = 80
FAMILIES = ("mm1", "mg1", "bpr", "polynomial", "constant", "mmc")
QUEUES = ("mm1", "mg1", "mmc")  # with a rate, so that the loads have a largest multiple


class Station:
    """One station in decimals: latency, its slope and curvature at a load.

    Parameters
    ----------
    kind : str
        One of `FAMILIES`.
    values : tuple
        Arguments of the family, in the order of its class.
    """

    def __init__(self, kind, *values):
        self.kind, self.values = kind, values
        self.rate = {
            "mm1": lambda: values[0],
            "mg1": lambda: values[0],
            "mmc": lambda: values[0] * values[1],
        }.get(kind, lambda: math.inf)()

    def bank(self):
        """Return the station as a bank of the library."""
        if self.kind == "polynomial":
            return Polynomial([list(self.values)])
        kinds = {"mm1": MM1, "mg1": MG1, "bpr": BPR, "constant": Constant, "mmc": MMc}
        return kinds[self.kind](*([v] for v in self.values))

    def __repr__(self):
        return f"Station({self.kind!r}, {', '.join(map(repr, self.values))})"

    def exact_rate(self):
        """Return the rate in decimals; None where every load is possible."""
        if self.kind == "mmc":
            return Decimal(self.values[0]) * self.values[1]
        return None if math.isinf(self.rate) else Decimal(self.rate)

    def latency(self, x):
        """Return the latency, its slope and its curvature at a load, in decimals."""
        a = [Decimal(v) for v in self.values]
        zero = Decimal(0)
        match self.kind:
            case "mm1":
                y = a[0] - x
                return a[1] + 1 / y, 1 / y**2, 2 / y**3
            case "mg1":
                k, y = (1 + a[1] ** 2) / 2, a[0] - x
                return a[2] + 1 / a[0] + k * x / (a[0] * y), k / y**2, 2 * k / y**3
            case "bpr":
                free, capacity, b, power = a
                u, rise = x / capacity, free * b
                if power == 0 or x == 0:
                    first = rise / capacity if power == 1 else zero
                    return free + (rise if power == 0 else zero), first, zero
                first = rise * power / capacity * u ** (power - 1)
                second = first * (power - 1) / x
                return free + rise * u**power, first, second
            case "polynomial":
                value, first, second = zero, zero, zero
                for c in reversed(a):
                    second, first, value = second * x + 2 * first, first * x + value, value * x + c
                return value, first, second
            case "constant":
                return a[0], zero, zero
        return self._erlang(x)

    def _erlang(self, x):
        """Return 1/mu + w/mu, w the wait of Erlang C, a ratio of polynomials in a = x/mu."""
        mu, c, delay = Decimal(self.values[0]), int(self.values[1]), Decimal(self.values[2])
        a = x / mu
        terms = [Decimal(1) / math.factorial(j) for j in range(c)]
        lost = [Decimal(0)] * c + [Decimal(1) / math.factorial(c - 1)]
        gap = [Decimal(c), Decimal(-1)]
        bottom = _times(gap, _plus(_times(terms, gap), lost))
        n, n1, n2 = _jet(lost, a)
        d, d1, d2 = _jet(bottom, a)
        w = n / d
        w1 = (n1 - w * d1) / d
        w2 = (n2 - 2 * w1 * d1 - w * d2) / d
        return delay + (1 + w) / mu, w1 / mu**2, w2 / mu**3


def _plus(a, b):
    return [x + y for x, y in itertools.zip_longest(a, b, fillvalue=Decimal(0))]


def _times(a, b):
    out = [Decimal(0)] * (len(a) + len(b) - 1)
    for (i, x), (j, y) in itertools.product(enumerate(a), enumerate(b)):
        out[i + j] += x * y
    return out


def _jet(coefficients, x):
    """Return a polynomial and its first two derivatives."""
    value, first, second = Decimal(0), Decimal(0), Decimal(0)
    for c in reversed(coefficients):
        second, first, value = second * x + 2 * first, first * x + value, value * x + c
    return value, first, second


@dataclass(frozen=True)
class Case:
    """A system, its routes as a list, and a capacity.

    Attributes
    ----------
    stations : list of Station
    group, work, delay : ndarray
        Group of each route, shape (R,), its work at the stations, (R, A), and its delay, (R,).
    load : ndarray, shape (G,)
    capacity : float
        Largest multiple of the loads by a linear program; infinite where there is none.
    system : RoutedSystem
        The same for the library; a graph where there is one.
    """

    stations: list
    group: np.ndarray
    work: np.ndarray
    delay: np.ndarray
    load: np.ndarray
    capacity: float
    system: RoutedSystem

    def columns(self):
        return Columns(self.group, csr_array(self.work), self.delay)

    def scaled(self, factor):
        """Return the system with all loads times a factor."""
        load = self.load * factor
        system = RoutedSystem(self.system.bank, self.system.routes, load)
        return Case(
            self.stations,
            self.group,
            self.work,
            self.delay,
            load,
            self.capacity / factor,
            system,
        )


def case_of(stations, group, work, delay, load, routes=None):
    """Return a case from stations and routes; `routes` is a graph, where there is one."""
    group, work, delay, load = (
        np.asarray(group, dtype=np.intp),
        np.asarray(work, dtype=float),
        np.asarray(delay, dtype=float),
        np.asarray(load, dtype=float),
    )
    if routes is None:
        routes = ListedRoutes(Columns(group, csr_array(work), delay), load.size)
    bank = as_latency(tuple(s.bank() for s in stations))
    system = RoutedSystem(bank, routes, load)
    rates = np.array([s.rate for s in stations])
    with np.errstate(divide="ignore"):
        capacity = float(1 / least_utilisation(group, work, load, rates)[0])
    return Case(list(stations), group, work, delay, load, capacity, system)


def least_utilisation(group, work, load, rates):
    """Return the least largest utilisation and its flows on the routes, by linear programming.

    The utilisation is 0 where a flow needs no station with a rate, and its inverse infinite.
    """
    count, limited = group.size, np.isfinite(rates)
    balance = np.zeros((load.size, count + 1))
    balance[group, np.arange(count)] = 1 / load[group]
    part = work[:, limited].T / rates[limited, None]
    found = linprog(
        np.append(np.zeros(count), 1.0),
        A_ub=np.hstack([part, -np.ones((part.shape[0], 1))]) if part.size else None,
        b_ub=np.zeros(part.shape[0]) if part.size else None,
        A_eq=balance,
        b_eq=np.ones(load.size),
        method="highs",
    )
    assert found.status == 0, found.message
    return np.float64(max(found.x[-1], 0.0)), found.x[:-1]


def paths(tail, head, origin, destination, closed=()):
    """Return all simple paths from a node to another, as lists of links.

    They pass no node that is closed, but may start and end there.
    """
    found = []

    def extend(node, seen, links):
        if node == destination:
            found.append(list(links))
            return
        if node != origin and node in closed:
            return
        for a in np.flatnonzero(tail == node):
            if head[a] not in seen:
                extend(head[a], seen | {head[a]}, [*links, int(a)])

    extend(origin, {origin}, [])
    return found


def random_station(rng, families=FAMILIES):
    """Draw a station."""
    kind = str(rng.choice(list(families)))
    rate = float(10 ** rng.uniform(0, 2))
    delay = float(rng.choice([0.0, 10 ** rng.uniform(-3, 0)]))
    match kind:
        case "mm1":
            return Station("mm1", rate, delay)
        case "mg1":
            return Station("mg1", rate, float(10 ** rng.uniform(-1, 0.7)), delay)
        case "bpr":
            power = float(rng.choice([1.0, 1.5, 2.5, 4.0, 4.0, 5.0]))
            return Station("bpr", float(10 ** rng.uniform(-2, 0)), rate, 0.15, power)
        case "polynomial":
            c = rng.uniform(0, 1, int(rng.integers(2, 5))) * (10.0 ** rng.uniform(-2, 0))
            return Station("polynomial", *(float(v) / rate**j for j, v in enumerate(c)))
        case "constant":
            return Station("constant", float(10 ** rng.uniform(-2, 0.5)))
    return Station("mmc", rate, int(rng.integers(1, 9)), delay)


def random_case(seed):
    """Draw groups at servers, listed routes with work, or a small graph; and their load.

    The load lies between 0.001 and 0.999 of the capacity, evenly or close to either end.
    """
    rng = np.random.default_rng([19, seed])
    two = tuple(rng.choice(FAMILIES, 2, replace=False))
    families = (FAMILIES, QUEUES, QUEUES, two)[int(rng.integers(4))]
    draw = (_groups, _listed, _graph)[seed % 3]
    while True:
        case = draw(rng, families)
        if case is not None:
            break
    part = rng.choice([10 ** rng.uniform(-3, -0.3), rng.uniform(0.1, 0.95), 0.9, 0.99, 0.999])
    whole = case.capacity
    if not np.isfinite(whole):  # roads: up to a few times their practical capacity
        whole = 3 * 10 ** rng.uniform(0, 2) / case.load.sum()
    return case.scaled(float(part * whole))


def _groups(rng, families):
    groups, n = int(rng.integers(1, 7)), int(rng.integers(2, 13))
    stations = [random_station(rng, families) for _ in range(n)]
    allowed = rng.random((groups, n)) < rng.choice([0.5, 1.0])
    allowed[np.arange(groups), rng.integers(0, n, groups)] = True
    delay = np.round(rng.uniform(0, 1, (groups, n)) ** 2, int(rng.choice([1, 6])))
    group, server = np.nonzero(allowed)
    load = 10 ** rng.uniform(-1, 1, groups)
    return case_of(stations, group, np.eye(n)[server], delay[allowed], load)


def _listed(rng, families):
    groups, n = int(rng.integers(1, 7)), int(rng.integers(2, 13))
    stations = [random_station(rng, families) for _ in range(n)]
    group, work, delay = [], [], []
    for k in range(groups):
        for _ in range(int(rng.integers(1, 7))):
            row = np.zeros(n)
            chosen = rng.choice(n, int(rng.integers(1, min(n, 4) + 1)), replace=False)
            row[chosen] = rng.choice([1.0, 1.0, 2.0, 0.5, 0.1], chosen.size)
            group.append(k)
            work.append(row)
            delay.append(float(rng.choice([0.0, rng.uniform(0, 0.3)])))
    return case_of(stations, group, work, delay, 10 ** rng.uniform(-1, 1, groups))


def _graph(rng, families):
    nodes = int(rng.integers(3, 6))
    links = int(rng.integers(2 * nodes, 13))
    tail = rng.integers(0, nodes, links)
    head = (tail + rng.integers(1, nodes, links)) % nodes
    closed = np.flatnonzero(rng.random(nodes) < rng.choice([0.0, 0.3]))
    pairs = [(i, j) for i in range(nodes) for j in range(nodes) if i != j]
    found = {pair: paths(tail, head, *pair, closed) for pair in pairs}
    possible = [pair for pair in pairs if found[pair]]
    if not possible:
        return None
    count = min(int(rng.integers(1, 7)), len(possible))
    chosen = [possible[i] for i in rng.choice(len(possible), count, replace=False)]
    group, work = [], []
    for k, pair in enumerate(chosen):
        for route in found[pair]:
            row = np.zeros(links)
            row[route] = 1.0
            group.append(k)
            work.append(row)
    stations = [random_station(rng, families) for _ in range(links)]
    origin, destination = (np.array(ends, dtype=np.intp) for ends in zip(*chosen, strict=True))
    ends = tail.astype(np.intp), head.astype(np.intp)
    graph = GraphRoutes(nodes, *ends, origin, destination, np.isin(np.arange(nodes), closed))
    load = 10 ** rng.uniform(-1, 1, count)
    return case_of(stations, group, work, np.zeros(len(group)), load, graph)


@dataclass(frozen=True)
class Truth:
    """Optimum, equilibrium or equilibrium of K players of a case, in decimals.

    With the potential gap G of the flow v in prices T: the mean delay of the optimum is at most
    G/load off; that of the equilibrium and the delay of each group sqrt(G sum w^2 T') off, a load
    of a station sqrt(G/T'), as (T(v) - T(v*)) (v - v*) <= G summed over the stations. With G below
    1e-44 of the total cost that is below 1e-20 in all cases of `random_case`; `error` is the bound.

    Attributes
    ----------
    mean_delay : Decimal
    group_delay : list of Decimal
        Mean delay of each group at the flow found; it is unique at the equilibrium alone.
    station_flow : list of Decimal
    least_cost : list of Decimal
        Cost of the cheapest route of each group.
    error : float
        Bound of the relative error of the mean delay.
    """

    mean_delay: Decimal
    group_delay: list
    station_flow: list
    least_cost: list
    error: float


def truth(case, players=math.inf):
    """Return the equilibrium of K players of a case: the optimum for K = 1, else see `Truth`."""
    with localcontext() as context:
        context.prec = DIGITS
        return _InteriorPoint(case, players).run()


def judged(case, found, players=math.inf):
    """Return what each group saves by the cheapest routes, what all pay, and the station loads.

    In decimals, without rounding. The route with the largest flow of each group takes what the
    group's flows lack of its load.

    Parameters
    ----------
    found : RouteFlow
        Flows that carry the loads up to rounding.
    """
    with localcontext() as context:
        context.prec = DIGITS
        own = Decimal(0) if math.isinf(players) else 1 / Decimal(players)
        group, x = found.columns.group, _decimals(found.flow)
        x = x if found.rest is None else x + _decimals(found.rest)
        for k, load in enumerate(case.load):
            routes = np.flatnonzero(group == k)
            largest = routes[np.argmax(found.flow[routes])]
            x[largest] += Decimal(float(load)) - sum(x[routes])
        work = _decimals(found.columns.work.toarray())
        v = work.T @ x
        jets = [s.latency(a) for s, a in zip(case.stations, v, strict=True)]
        price = _array([t + own * a * t1 for (t, t1, _), a in zip(jets, v, strict=True)])
        cost = work @ price + _decimals(found.columns.delay)
        all_costs = _decimals(case.work) @ price + _decimals(case.delay)
        least = [min(all_costs[case.group == k]) for k in range(case.load.size)]
        saving = [Decimal(0)] * case.load.size
        for k, flow, c in zip(group, x, cost, strict=True):
            saving[k] += flow * (c - least[k])
        return saving, sum(x * cost), list(v)


class _InteriorPoint:
    """Feasible primal-dual interior point on routes x > 0, s > 0 with cost - pi = s.

    With y = D W' dx the equations have one unknown a station and a group:
    dx = theta (r + E dpi - W y), y - D W' dx = 0, E' dx = 0, theta = x/s.
    """

    def __init__(self, case, players):
        self.case = case
        self.own = Decimal(0) if math.isinf(players) else 1 / Decimal(players)
        self.q = [Decimal(float(v)) for v in case.load]
        self.delay = _decimals(case.delay)
        self.work, self.group = _decimals(case.work), case.group
        rates = [s.exact_rate() for s in case.stations]
        self.rates = rates
        count = np.bincount(case.group, minlength=case.load.size)
        even = case.load[case.group] / count[case.group]
        floats = np.array([s.rate for s in case.stations])
        best = least_utilisation(case.group, case.work, case.load, floats)[1]
        part = Decimal(1) / 2
        while True:  # some flow on every route, with at least half of the spare capacity kept
            x = (1 - part) * _decimals(np.maximum(best, 0)) + part * _decimals(even)
            x = self._fitted(x)
            v = self.work.T @ x
            if all(r is None or a < r for a, r in zip(v, rates, strict=True)):
                break
            part /= 8
            assert part > Decimal("1e-30"), "no flow within the rates"
        part /= 2
        x = (1 - part) * _decimals(np.maximum(best, 0)) + part * _decimals(even)
        self.x = self._fitted(x)

    def _fitted(self, x):
        """Return flows that sum to the loads to all digits."""
        sums = self._sum(x)
        return x * np.array([self.q[k] / sums[k] for k in self.group], dtype=object)

    def _sum(self, x):
        out = [Decimal(0)] * len(self.q)
        for k, value in zip(self.group, x, strict=True):
            out[k] += value
        return out

    def _at(self, v):
        """Return latencies, prices and slopes of the prices at station loads."""
        jets = [s.latency(a) for s, a in zip(self.case.stations, v, strict=True)]
        price = [t + self.own * a * t1 for (t, t1, _), a in zip(jets, v, strict=True)]
        own = self.own
        slope = [t1 + own * (t1 + a * t2) for (_, t1, t2), a in zip(jets, v, strict=True)]
        return np.array([j[0] for j in jets], dtype=object), _array(price), _array(slope)

    def run(self):
        """Return the truth: a barrier as far as it must go, then steps of both flows and prices."""
        x, _, _, _, cost = self._point(self.x)
        level = sum(x * cost) / sum(x)
        part = Decimal(1)
        for _ in range(40):
            for _ in range(4):
                part /= 10
                x, pi = self._centred(x, level * part)
            found = self._close(x, pi, level * part / x * self._unit())
            if found is not None:
                return self._truth(found, len(self.q))
        raise ArithmeticError("the truth did not converge")

    def _unit(self):
        return sum(self.q) / len(self.x)

    def _point(self, x):
        """Return flows that sum to the loads, station loads, prices, slopes and costs of routes."""
        x = self._fitted(x)
        v = self.work.T @ x
        _, price, slope = self._at(v)
        return x, v, price, slope, self.work @ price + self.delay

    def _centred(self, x, level):
        """Return the minimum of the potential less level x unit x sum log x, by Newton's method."""
        weight = level * self._unit()
        zero = np.full(len(x), Decimal(0), dtype=object)
        for _ in range(200):
            x, v, _, slope, cost = self._point(x)
            dx, pi, _ = self._step(x, weight / x, slope, cost - weight / x, zero)
            decrement = -sum(dx * (cost - weight / x))
            if decrement <= weight / 10:
                break
            step = self._longest(x, v, x, dx, pi, zero) * Decimal("0.95")

            def falls(step, x=x, dx=dx):
                _, _, _, _, cost = self._point(x + step * dx)
                return sum(dx * (cost - weight / (x + step * dx))) <= 0

            # the potential is convex: the step ends before its slope along the step is positive
            low, high = Decimal(0), step
            if falls(high):
                low = high
            for _ in range(6):
                if low > high / 2:
                    break
                middle = (low + high) / 2
                low, high = (middle, high) if falls(middle) else (low, middle)
            x = x + max(low, high / 2) * dx if low else x + high / 2 * dx
        return x, pi

    def _close(self, x, pi, s):
        """Return flows whose potential gap is below `CLOSE`, or None where steps do not end."""
        for _ in range(STEPS):
            x, v, _, slope, cost = self._point(x)
            total, least = sum(x * cost), self._least(cost)
            gap = total - sum(q * p for q, p in zip(self.q, least, strict=True))
            if gap <= CLOSE * total:
                return x
            residual = cost - pi[self.group] - s
            mu = sum(x * s) / len(x)
            if min(x) <= 0 or min(s) <= 0:
                return None
            affine = self._step(x, s, slope, residual, x * s)
            sigma = max(min(Decimal("0.1"), (1 - self._longest(x, v, s, *affine)) ** 2), CLOSE)
            change = self._step(x, s, slope, residual, x * s - sigma * mu)
            step = self._longest(x, v, s, *change) * Decimal("0.99")
            dx, dpi, ds = change
            x, pi, s = x + step * dx, pi + step * dpi, s + step * ds
        return None

    def _least(self, cost):
        out = [None] * len(self.q)
        for k, c in zip(self.group, cost, strict=True):
            out[k] = c if out[k] is None else min(out[k], c)
        return out

    def _step(self, x, s, slope, residual, complement):
        """Return the Newton step for the residuals of cost - pi - s and of x s."""
        work, groups, n = self.work, len(self.q), len(slope)
        theta = x / s
        # H dx - E dpi - ds = -residual; s dx + x ds = -complement
        right = -residual - complement / x
        weighted = work * theta[:, None]
        across = np.full((n, groups), Decimal(0), dtype=object)
        sums = [Decimal(0)] * groups
        of_right = [Decimal(0)] * groups
        for r, k in enumerate(self.group):
            across[:, k] += weighted[r]
            sums[k] += theta[r]
            of_right[k] += theta[r] * right[r]
        matrix = np.full((n + groups, n + groups), Decimal(0), dtype=object)
        matrix[:n, :n] = slope[:, None] * (weighted.T @ work)
        for a in range(n):
            matrix[a, a] += 1
        matrix[:n, n:] = -slope[:, None] * across
        matrix[n:, :n] = -across.T
        for k in range(groups):
            matrix[n + k, n + k] = sums[k]
        vector = np.concatenate([slope * (weighted.T @ right), -_array(of_right)])
        found = _solution(matrix, vector)
        y, dpi = found[:n], found[n:]
        dx = theta * (right + dpi[self.group] - work @ y)
        return dx, dpi, -(complement + s * dx) / x

    def _longest(self, x, v, s, dx, dpi, ds):
        """Return the longest step, at most 1, that keeps all variables positive."""
        dv = self.work.T @ dx
        step = Decimal(1)
        for value, change in itertools.chain(zip(x, dx, strict=True), zip(s, ds, strict=True)):
            if change < 0:
                step = min(step, -value / change)
        for rate, value, change in zip(self.rates, v, dv, strict=True):
            if rate is not None and change > 0:
                step = min(step, (rate - value) / change * Decimal("0.95"))
        return step

    def _truth(self, x, groups):
        v = self.work.T @ x
        latency, price, slope = self._at(v)
        cost = self.work @ price + self.delay
        least = self._least(cost)
        gap = sum(x * cost) - sum(q * p for q, p in zip(self.q, least, strict=True))
        floor = Decimal(10) ** (6 - getcontext().prec) * sum(x * cost)
        gap = max(gap, floor)
        delays = self.work @ latency + self.delay
        load = sum(self.q)
        mean = sum(x * delays) / load
        spread = sum((2 * a) ** 2 * d for a, d in zip(v, slope, strict=True))
        error = gap / load if self.own == 1 else 4 * (gap * spread).sqrt() / load
        of_group = self._sum(x * delays)
        of_group = [d / q for d, q in zip(of_group, self.q, strict=True)]
        return Truth(mean, of_group, list(v), least, float(error / mean))


def _array(values):
    return np.array(list(values), dtype=object)


def _decimals(values):
    values = np.asarray(values, dtype=float)
    flat = [Decimal(float(v)) for v in values.ravel()]
    return _array(flat).reshape(values.shape)


def _solution(matrix, vector):
    """Return the solution of linear equations by elimination with row pivots."""
    m = np.concatenate([matrix, vector[:, None]], axis=1)
    n = len(vector)
    for k in range(n):
        best = k + int(np.argmax(abs(m[k:, k])))
        m[[k, best]] = m[[best, k]]
        rows = m[k + 1 :, k] / m[k, k]
        m[k + 1 :, k:] -= rows[:, None] * m[k, k:]
    out = np.full(n, Decimal(0), dtype=object)
    for k in range(n - 1, -1, -1):
        out[k] = (m[k, n] - sum(m[k, k + 1 : n] * out[k + 1 :])) / m[k, k]
    return out
