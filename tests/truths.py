"""True mean delays of M/M/1, M/D/1 and M/G/1 servers to fifty digits: one scalar root in a price, in decimal arithmetic of 80 digits.

Every latency is e + k/y with the spare capacity y, so a price says y: q e.g. 1 for the marginal delay e + k mu/y^2, 0 for the latency, 1/K for
one of K equal players. Nothing here is the library's.
"""

from decimal import Decimal, localcontext
from functools import wraps

DIGITS = 80
CLOSE = Decimal("1e-55")


def with_digits(function):
    @wraps(function)
    def inside(*args, **kwargs):
        with localcontext() as context:
            context.prec = DIGITS
            return +function(*args, **kwargs)

    return inside


class Server:
    """One server: rate mu, latency e + k/(mu - x)."""

    def __init__(self, rate, delay, cv):
        self.rate, self.k = Decimal(rate), (1 + Decimal(cv) ** 2) / 2
        self.fixed = Decimal(delay) + (1 - self.k) / self.rate
        self.idle = Decimal(delay) + 1 / self.rate

    def spare(self, price, own):
        """Spare capacity at a price above the idle one, and by how much the flow rises with the price."""
        a, b, above = own * self.k * self.rate, (1 - own) * self.k, price - self.fixed
        if own == 0:
            return b / above, b / above**2
        root = (b * b + 4 * a * above).sqrt()
        inverse = 2 * above / (b + root)
        return 1 / inverse, 1 / (inverse**2 * root)

    def flow(self, price, own, charge=0):
        """Flow at a price, 0 below the idle latency, and its slope."""
        if price - charge <= self.idle:
            return Decimal(0), Decimal(0)
        spare, slope = self.spare(price - charge, own)
        return self.rate - spare, slope

    def carried(self, flow):
        """Flow times latency."""
        return flow * (self.fixed + self.k / (self.rate - flow))


def root(function):
    """Root above 0 of an increasing function with its slope: a bracket in the logarithm, then Newton's steps within it."""
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
    """Flows at a common price that carry the load, each within its limits; their slopes; and the price."""
    n = len(servers)
    least, most, charge = least or [Decimal(0)] * n, most or [s.rate for s in servers], charge or [Decimal(0)] * n

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
    """Of K equal players: 1 is the optimum, None the equilibrium of infinitely many."""
    own = Decimal(0) if players is None else 1 / Decimal(players)
    return mean_delay(servers, Decimal(load), flows(servers, Decimal(load), own)[0])


@with_digits
def followers(servers, load, leader):
    """Of all jobs, where selfish users come on top of a leader's flows."""
    base = [Decimal(x) for x in leader]
    return mean_delay(servers, Decimal(load), flows(servers, Decimal(load), Decimal(0), least=base)[0])


@with_digits
def tolled(servers, load, tolls):
    """Of selfish users who pay tolls, without the tolls."""
    x = flows(servers, Decimal(load), Decimal(0), charge=[Decimal(t) for t in tolls])[0]
    return mean_delay(servers, Decimal(load), x)


@with_digits
def limited(servers, load, least=None, most=None, price=None, money=None):
    """Optimum within limits."""
    load, n = Decimal(load), len(servers)
    low = [Decimal(v) for v in least] if least is not None else [Decimal(0)] * n
    high = [min(Decimal(v), s.rate) for v, s in zip(most, servers, strict=True)] if most is not None else [s.rate for s in servers]
    x, _, _ = flows(servers, load, Decimal(1), low, high)
    if price is not None:
        price, money = [Decimal(p) for p in price], Decimal(money)

        def under(z):
            x, slopes, _ = flows(servers, load, Decimal(1), low, high, [z * p for p in price])
            spent, total = sum(p * f for p, f in zip(price, x, strict=True)), sum(slopes)
            mean = sum(p * w for p, w in zip(price, slopes, strict=True)) / total if total else Decimal(0)
            return money - spent, sum(w * (p - mean) ** 2 for p, w in zip(price, slopes, strict=True))

        if under(Decimal(0))[0] < 0:
            z = root(under)
            x, _, _ = flows(servers, load, Decimal(1), low, high, [z * p for p in price])
    return mean_delay(servers, load, x)
