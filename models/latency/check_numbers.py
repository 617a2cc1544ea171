"""The numbers of a latency family, one property a function: what was looked at, or an InputError with what is wrong."""

from __future__ import annotations

import numpy as np

from sojourn.models.latency.base import Latency, LatencyPool, parameters
from sojourn.models.latency.shape import check_shape
from sojourn.reference.derived import integral, slope
from sojourn.reference.errors import Array, InputError
from sojourn.reference.queues import BOUNDED, Queue

POINTS = 40  # random loads a server
SOME = POINTS // 4  # every so many of them are looked at where looking is slow
NEAR = 1e-6  # relative distance at which a derivative or an integral is its own; a wrong one is farther off
KINK = 0.05  # of a load: differences reach no farther
SAME = 1e-9  # relative distance between two ways to the same number
REACH = 10.0  # latencies of servers without a rate are tried up to so many times that of an empty one
OTHERS = {"minutes": 60.0, "milliseconds": 1e-3}  # where the unit is a second


def random_loads(bank: Latency, rng: np.random.Generator) -> Array:
    """Rising loads, shape (m, n): all over the capacity and close to its end; where there is none, up to `REACH` times the idle latency."""
    finite = np.isfinite(bank.rate)
    with np.errstate(all="ignore"):
        reach = Queue.inverse_latency(bank, REACH * np.where(bank.idle_latency > 0, bank.idle_latency, bank.latency(np.ones(len(bank)))))
    reach = np.where(finite, bank.rate, np.where((reach > 0) & np.isfinite(reach), np.minimum(reach, 1e6), 1.0))
    part = rng.uniform(0.01, 0.9, (POINTS, len(bank)))
    part[: POINTS // 4] = 1.0 - 10 ** rng.uniform(-4.0, -1.0, (POINTS // 4, len(bank)))
    points: Array = np.sort(part * reach, axis=0)
    return points


def worst(what: str, of: str, got: Array, expected: Array, points: Array, allowed: Array | float, remedy: str) -> None:
    """Raise InputError at the number that is farthest from what it should be."""
    off = np.abs(got - expected) / allowed
    off = np.where(np.isnan(got) & ~np.isnan(expected), np.inf, off)
    if np.any(off > 1):
        k, i = np.unravel_index(int(np.nanargmax(off)), off.shape)
        problem = f"at load {points[k, i]:.6g} of server {i} is not {of}, {expected[k, i]:.8g}"
        raise InputError(f"{what}[{i}]", float(got[k, i]), problem, remedy)


def shapes(bank: Latency, points: Array) -> str:
    """One float a server; latencies of any number of splits at a time."""
    n = len(bank)
    for name in ("rate", "delay", "service", "ceiling"):
        value = np.asarray(getattr(bank, name))
        if value.shape != (n,) or value.dtype.kind != "f":
            raise InputError(name, value.tolist(), "is not an array of one float a server", f"give shape ({n},)")
    if bad := [i for i in range(n) if not bank.rate[i] > 0]:
        raise InputError(f"rate[{bad[0]}]", bank.rate[bad[0]], "is not above 0", "give the load that the server must stay below, or infinity")
    for shape in ((n,), (3, n), (2, 3, n)):
        got = np.shape(bank.latency(np.broadcast_to(points[0], shape)))
        if got != shape:
            raise InputError("latency", got, f"is its shape for flows of shape {shape}", "compute it elementwise, in NumPy")
    return f"arrays of shape ({n},); flows of any shape (..., {n})"


def convex(bank: Latency, points: Array) -> str:
    """Finite, never falling, convex."""
    value = bank.latency(points)
    for i in range(len(bank)):
        check_shape(f"latency[{i}]", points[:, i], value[:, i], bounded=bool(np.isfinite(bank.rate[i])))
    return f"{POINTS} random loads a server"


def empty(bank: Latency, points: Array) -> str:
    """The latency of an empty server is its delay and `service`."""
    nothing = np.zeros((1, len(bank)))
    here = bank.latency(nothing)
    worst("idle_latency", "what the latency is there", bank.idle_latency[None], here, nothing, _size(bank), "correct service")
    return "the latency at no load is delay + service"


def edge(bank: Latency, points: Array) -> str:
    """Finite and rising up to the rate, where it is said by the spare capacity; infinite from there on."""
    finite = np.flatnonzero(np.isfinite(bank.rate))
    if not finite.size:
        return "no load is too much"
    most = np.where(np.isfinite(bank.rate), bank.rate, points[-1])
    last = points[-1]
    for part in (1e-6, 1e-9, 1e-12):
        spare = np.where(np.isfinite(bank.rate), part * bank.rate, np.inf)
        at = np.where(np.isfinite(bank.rate), most - spare, last)
        value, before = bank.latency(at, spare), bank.latency(last)
        bad = ~np.isfinite(value) | (value < before)
        if np.any(bad):
            i = int(np.argmax(bad))
            problem = f"at {part:g} of its rate below it, after {before[i]:.8g} at load {last[i]:.6g}, is no latency"
            raise InputError(f"latency[{i}]", float(value[i]), problem, "compute what diverges from the spare capacity, latency(flow, spare)")
    inner = points[points.shape[0] // 2][None]
    with_spare = bank.latency(inner, bank.spare_capacity(inner))
    worst("latency", "the same with its spare capacity said", with_spare, bank.latency(inner), inner, _size(bank), "use spare, or neither")
    remedy = "compute it in the method of that name: Queue makes what a class defines infinite from the rate on"
    for part in (1.0, 1.0 + 1e-9, 1.5):
        beyond = np.where(np.isfinite(bank.rate), part * bank.rate, last)
        for name in BOUNDED:
            bad = ~np.isposinf(getattr(bank, name)(beyond)[finite])
            if np.any(bad):
                i = int(finite[np.argmax(bad)])
                problem = f"at load {beyond[i]:.6g}, {part:.10g} of its rate, is not infinite"
                raise InputError(f"{name}[{i}]", float(getattr(bank, name)(beyond)[i]), problem, remedy)
    return "finite and rising to 1e-12 below the rate, infinite from there on"


def _size(bank: Latency) -> Array:
    """What counts as a rounding error: relative to the latency itself."""
    return np.asarray(SAME * np.maximum(bank.idle_latency, bank.latency(np.minimum(1.0, 0.5 * bank.rate))))


def derivatives(bank: Latency, points: Array) -> str:
    """The marginal delay and the slopes against differences."""
    latency = bank.latency(points)
    remedy = "correct it, or leave it out: the base class has one"
    for name, function, carried in (
        ("marginal", lambda x: x * bank.latency(x), "the derivative of x l(x)"),
        ("latency_slope", bank.latency, "the derivative of the latency"),
        ("marginal_slope", bank.marginal, "the derivative of the marginal delay"),
    ):
        expected = slope(function, points, bank.rate)
        noise = latency if name == "marginal" else np.abs(function(points)) / points
        got = getattr(bank, name)(points)
        # differences across a kink are those of neither side
        smooth = np.all(np.abs(points - bank.kinks[:, None]) > KINK * points, axis=0)
        worst(name, carried, np.where(smooth, got, expected), expected, points, NEAR * (np.abs(expected) + noise), remedy)
    return "marginal and both slopes against differences of order 8"


def potential(bank: Latency, points: Array) -> str:
    """The integral of the latency from 0, against quadrature."""
    some = points[::SOME]
    expected = integral(bank.latency, some, bank.rate)
    worst("potential", "the integral of the latency", bank.potential(some), expected, some, NEAR * expected, "correct it, or leave it out")
    nothing = np.zeros((1, len(bank)))
    worst("potential", "0", bank.potential(nothing), nothing, nothing, SAME * expected[:1], "integrate from 0")
    return "against quadrature"


def inverses(bank: Latency, points: Array) -> str:
    """Flows at a price have that price; 0 below that of an empty server."""
    for name, price in (("inverse_latency", bank.latency), ("inverse_marginal", bank.marginal)):
        at = price(points)
        flow = getattr(bank, name)(at)
        # where the price hardly rises, many flows have it: what counts is the price of the flow
        reached = at < bank.ceiling
        # an infinite flow at a price that is reached is none: it is read as no flow, whose price is another
        back = np.where(reached, price(np.where(np.isfinite(flow), flow, 0.0)), at)
        what = f"{name.removeprefix('inverse_')} of {name}"
        worst(what, "the one that it was asked for", back, at, points, NEAR * at, "correct it, or leave it out: the base class has one")
        below = getattr(bank, name)(0.5 * bank.idle_latency)[None]
        worst(name, "0 below the latency of an empty server", below, np.zeros_like(below), below, SAME * points[:1], "return 0 there")
    for name, flow in (("at_latency", bank.inverse_latency), ("at_marginal", bank.inverse_marginal)):
        price = bank.latency if name == "at_latency" else bank.marginal
        excess = price(points) - bank.idle_latency
        expected, at = flow(price(points)), getattr(bank, name)(excess).flow
        got, expected = (price(np.where(np.isfinite(f), np.minimum(f, points[-1]), 0.0)) for f in (at, expected))
        worst(name, "the flow of the inverse", got, expected, points, NEAR * expected, "correct it, or leave it out")
    return "price of the flow at a price"


def parts(bank: Latency, points: Array) -> str:
    """Servers taken from a bank, and servers farther away, are the same servers."""
    index = np.arange(len(bank))[::-1]
    if isinstance(bank, LatencyPool):
        index = np.arange(len(bank))  # a pool keeps its families together
    taken, there = bank.take(index).latency(points[:, index]), bank.latency(points)[:, index]
    worst("take", "that of the server there", taken, there, points[:, index], SAME * there, "store every field as an array of shape (n,)")
    more = np.linspace(1.0, 2.0, len(bank)) * _size(bank) / SAME
    far, here = bank.farther(more).latency(points), bank.latency(points) + more
    worst("farther", "the latency and the longer delay", far, here, points, SAME * here, "add delay in latency()")
    return "take and farther"


def units(bank: Latency, points: Array) -> str:
    """The same servers in other units of time."""
    remedy = "name the fields in rates and times, or leave both out"
    for unit in OTHERS.values():
        rate, time, other = unit, 1.0 / unit, bank.in_unit(unit)
        worst("scaled.rate", "the rate in the other unit", other.rate[None], bank.rate[None] * rate, points, SAME * bank.rate * rate, remedy)
        for name, per in (("latency", time), ("marginal", time), ("potential", 1.0)):
            got, expected = getattr(other, name)(points * rate), getattr(bank, name)(points) * per
            worst(f"scaled.{name}", "the same in the other unit", got, expected, points * rate, NEAR * expected, remedy)
    return ", ".join(OTHERS)


def bad_input(bank: Latency, points: Array) -> str:
    """NaN is refused in every field; a negative number unless a latency comes of it."""
    if isinstance(bank, LatencyPool):
        return "; ".join(sorted({bad_input(b, points) for b in bank.banks}))
    fields = [f for f in parameters(type(bank)) if hasattr(bank, f)]
    given = {f: getattr(bank, f) for f in fields}
    tried = [f for f in fields if isinstance(given[f], np.ndarray) and given[f].dtype.kind == "f"]
    if not all(f in tried for f, required in parameters(type(bank)).items() if required):
        return "not tried: what it is made of is not kept as arrays of these names"
    for field in tried:
        for value in (np.nan, -1.0):
            wrong = given[field].copy()
            wrong.flat[0] = value
            try:
                made = type(bank)(**{**given, field: wrong})
            except InputError:
                continue
            if np.isnan(value) or not _a_latency(made):
                raise InputError(f"{field}[0]", value, "is taken without an error", "raise InputError in the constructor; see first_bad")
    return f"NaN and -1 in {', '.join(tried)}"


def _a_latency(bank: Latency) -> bool:
    try:
        at = random_loads(bank, np.random.default_rng(0))
        return bool(convex(bank, at))
    except InputError:
        return False
