"""True mean delays of M/M/1, M/D/1 and M/G/1 servers to fifty digits.

Each is one scalar root in a price, computed in decimal arithmetic of 80 digits. A latency is
e + k/y in the spare capacity y, so a price determines y: the price is the marginal delay
e + k mu/y^2 for q = 1, the latency for q = 0, and the cost of one of K equal players for q = 1/K.
Nothing here is the library's code.
"""

from decimal import Decimal, localcontext
from fractions import Fraction
from functools import wraps

DIGITS = 80
CLOSE = Decimal("1e-55")
EPS = 2.0**-52


def with_digits(function):
    @wraps(function)
    def inside(*args, **kwargs):
        with localcontext() as context:
            context.prec = DIGITS
            found = function(*args, **kwargs)
            return None if found is None else +found

    return inside


class Server:
    """One server: rate mu, latency e + k/(mu - x)."""

    def __init__(self, rate, delay, cv):
        self.rate, self.k = Decimal(rate), (1 + Decimal(cv) ** 2) / 2
        self.fixed = Decimal(delay) + (1 - self.k) / self.rate
        self.idle = Decimal(delay) + 1 / self.rate

    def spare_capacity(self, price, own):
        """Return the spare capacity at a price, and the derivative of the flow in the price."""
        a, b, above = own * self.k * self.rate, (1 - own) * self.k, price - self.fixed
        if own == 0:
            return b / above, b / above**2
        root = (b * b + 4 * a * above).sqrt()
        inverse = 2 * above / (b + root)
        return 1 / inverse, 1 / (inverse**2 * root)

    def flow(self, price, own, charge=0):
        """Return the flow at a price, 0 below the idle latency, and its slope."""
        if price - charge <= self.idle:
            return Decimal(0), Decimal(0)
        spare_capacity, slope = self.spare_capacity(price - charge, own)
        return self.rate - spare_capacity, slope

    def carried(self, flow):
        """Return flow times latency."""
        return flow * (self.fixed + self.k / (self.rate - flow))


def root(function):
    """Return the root above 0 of an increasing function: a bracket, then Newton steps within it."""
    low = high = Decimal(1)
    while function(low)[0] > 0:
        high, low = low, low / 1000
        if low < Decimal("1e-70"):
            return Decimal(0)
    while function(high)[0] < 0:
        low, high = high, high * 1000
    while high > low * Decimal("1.01"):
        middle = (low * high).sqrt()
        low, high = (low, middle) if function(middle)[0] > 0 else (middle, high)
    at = (low + high) / 2
    while True:
        value, slope = function(at)
        low, high = (low, at) if value > 0 else (at, high)
        if value == 0 or high - low <= CLOSE * high:
            return at
        new = at - value / slope if slope > 0 else low
        if slope > 0 and abs(new - at) <= CLOSE * at:
            return new
        at = new if low < new < high else (low + high) / 2


def flows(servers, load, own, least=None, most=None, charge=None):
    """Return the flows at the common price that carries the load, their slopes and the price."""
    n = len(servers)
    least, most, charge = (
        least or [Decimal(0)] * n,
        most or [s.rate for s in servers],
        charge or [Decimal(0)] * n,
    )

    def at(price):
        pairs = [s.flow(price, own, z) for s, z in zip(servers, charge, strict=True)]
        inside = [low < x < high for (x, _), low, high in zip(pairs, least, most, strict=True)]
        x = [min(max(x, low), high) for (x, _), low, high in zip(pairs, least, most, strict=True)]
        return x, [w if here else Decimal(0) for (_, w), here in zip(pairs, inside, strict=True)]

    start = min(s.idle + z for s, z in zip(servers, charge, strict=True))

    def over(above):
        x, slopes = at(start + above)
        return sum(x) - load, sum(slopes)

    price = start + root(over)
    return *at(price), price


def mean_delay(servers, load, x):
    return sum(s.carried(f) for s, f in zip(servers, x, strict=True)) / load


@with_digits
def equilibrium(servers, load, players):
    """Return the mean delay of K equal players: 1 is the optimum, None the equilibrium."""
    own = Decimal(0) if players is None else 1 / Decimal(players)
    return mean_delay(servers, Decimal(load), flows(servers, Decimal(load), own)[0])


@with_digits
def followers(servers, load, leader):
    """Return the mean delay of all jobs where selfish users follow a leader's flows."""
    base = [Decimal(x) for x in leader]
    return mean_delay(
        servers, Decimal(load), flows(servers, Decimal(load), Decimal(0), least=base)[0]
    )


@with_digits
def tolled(servers, load, tolls):
    """Return the mean delay, without the tolls, of selfish users who pay tolls."""
    x = flows(servers, Decimal(load), Decimal(0), charge=[Decimal(t) for t in tolls])[0]
    return mean_delay(servers, Decimal(load), x)


@with_digits
def limited(servers, load, least=None, most=None, price=None, money=None):
    """Return the mean delay of the optimum within limits."""
    load, n = Decimal(load), len(servers)
    low = [Decimal(v) for v in least] if least is not None else [Decimal(0)] * n
    high = (
        [min(Decimal(v), s.rate) for v, s in zip(most, servers, strict=True)]
        if most is not None
        else [s.rate for s in servers]
    )
    x, _, _ = flows(servers, load, Decimal(1), low, high)
    if price is not None:
        price, money = [Decimal(p) for p in price], Decimal(money)

        def under(z):
            x, slopes, _ = flows(servers, load, Decimal(1), low, high, [z * p for p in price])
            spent, total = sum(p * f for p, f in zip(price, x, strict=True)), sum(slopes)
            mean = (
                sum(p * w for p, w in zip(price, slopes, strict=True)) / total
                if total
                else Decimal(0)
            )
            return money - spent, sum(
                w * (p - mean) ** 2 for p, w in zip(price, slopes, strict=True)
            )

        if under(Decimal(0))[0] < 0:
            z = root(under)
            x, _, _ = flows(servers, load, Decimal(1), low, high, [z * p for p in price])
    return mean_delay(servers, load, x)


def solution(matrix, right):
    """Return the solution of linear equations; None where it is not unique."""
    rows = [[*row, r] for row, r in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        best = max(range(k, len(rows)), key=lambda i: abs(rows[i][k]))
        rows[k], rows[best] = rows[best], rows[k]
        if rows[k][k] == 0:
            return None
        for i in range(len(rows)):
            if i != k:
                part = rows[i][k] / rows[k][k]
                rows[i] = [a - part * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] / row[k] for k, row in enumerate(rows)]


@with_digits
def within_rows(servers, load, least, most, matrix, bound, near):
    """Return the optimum within bounds of the flows and rows A x <= b.

    Newton steps start from prices of the rows `near` the truth; None where they do not converge.
    The optimality conditions hold to fifty digits, which proves the result.
    """
    load, low, high = (
        Decimal(load),
        [Decimal(v) for v in least],
        [min(Decimal(v), s.rate) for v, s in zip(most, servers, strict=True)],
    )
    matrix, bound, prices = (
        [[Decimal(a) for a in row] for row in matrix],
        [Decimal(b) for b in bound],
        [Decimal(z) for z in near],
    )

    def at(prices):
        charge = [
            sum(z * row[i] for z, row in zip(prices, matrix, strict=True))
            for i in range(len(servers))
        ]
        x, slopes, _ = flows(servers, load, Decimal(1), low, high, charge)
        return (
            x,
            slopes,
            [
                sum(a * f for a, f in zip(row, x, strict=True)) - b
                for row, b in zip(matrix, bound, strict=True)
            ],
        )

    tight, met = [z > 0 for z in prices], CLOSE ** Decimal("0.8")
    for _ in range(60):
        x, slopes, over = at(prices)
        size = [sum(abs(a) * f for a, f in zip(row, x, strict=True)) for row in matrix]
        chosen = [j for j, used in enumerate(tight) if used]
        if all(abs(over[j]) <= met * size[j] for j in chosen):
            wrong = [j for j in chosen if prices[j] < 0] + [
                j for j, used in enumerate(tight) if not used and over[j] > met * size[j]
            ]
            if not wrong:
                return mean_delay(servers, load, x)
            tight[wrong[0]] = not tight[wrong[0]]
            prices[wrong[0]] = Decimal(0)
            continue
        whole = sum(slopes)
        if not whole:
            return None
        middle = [sum(a * w for a, w in zip(row, slopes, strict=True)) / whole for row in matrix]
        bend = [
            [
                sum(
                    (matrix[j][i] - middle[j]) * (matrix[k][i] - middle[k]) * w
                    for i, w in enumerate(slopes)
                )
                for k in chosen
            ]
            for j in chosen
        ]
        step = solution(bend, [over[j] for j in chosen])
        if step is None:
            return None
        for j, d in zip(chosen, step, strict=True):
            prices[j] += d
    return None


def off(value, true):
    """Return the relative distance of a float from the truth."""
    return float(abs(Decimal(float(value)) - true) / true)


def check(value, certificate, true):
    assert off(value, true) <= certificate.gap
    assert Fraction(certificate.lower_bound) <= Fraction(true) * Fraction(1 + 8 * EPS)
    assert Fraction(certificate.upper_bound) >= Fraction(true) * Fraction(1 - 8 * EPS)
