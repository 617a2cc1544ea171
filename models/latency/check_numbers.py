"""The numbers of a latency family, one property a function: what was looked at, or an InputError with what is wrong."""

from __future__ import annotations

import itertools

import numpy as np

from ...reference import family_checks
from ...reference.errors import Array, InputError
from ...reference.family_checks import NEAR, SAME, reach, worst
from ...reference.guards import BOUNDED
from ...reference.validation import raise_at_first
from .base import Latency, MixedLatency, parameters

POINTS = 40  # random loads a server
SOME = POINTS // 4  # every so many of them are looked at where looking is slow
OTHERS = {"minutes": 60.0, "milliseconds": 1e-3}  # where the unit is a second


def random_loads(bank: Latency, rng: np.random.Generator) -> Array:
    """Rising loads, shape (m, n): all over what the servers `reach`, and close to its end."""
    part = rng.uniform(0.01, 0.9, (POINTS, len(bank)))
    part[: POINTS // 4] = 1.0 - 10 ** rng.uniform(-4.0, -1.0, (POINTS // 4, len(bank)))
    with np.errstate(all="ignore"):
        points: Array = np.sort(part * reach(bank), axis=0)
    return points


def shapes(bank: Latency, points: Array) -> str:
    """One float a server; latencies of any number of splits at a time."""
    n = len(bank)
    for name in ("rate", "delay", "service", "latency_limit"):
        value = np.asarray(getattr(bank, name))
        if value.shape != (n,) or value.dtype.kind != "f":
            raise InputError(
                name, value.tolist(), "is not an array of one float a server", f"give shape ({n},)"
            )
    raise_at_first(
        "rate",
        bank.rate,
        bank.rate > 0,
        "is not above 0",
        "give the load that the server must stay below, or infinity",
    )
    for shape in ((n,), (3, n), (2, 3, n)):
        got = np.shape(bank.latency(np.broadcast_to(points[0], shape)))
        if got != shape:
            raise InputError(
                "latency",
                got,
                f"is its shape for flows of shape {shape}",
                "compute it elementwise, in NumPy",
            )
    return f"arrays of shape ({n},); flows of any shape (..., {n})"


def edge(bank: Latency, points: Array) -> str:
    """Finite and rising up to the rate, where it is said by the spare capacity; infinite from there on."""
    finite, last = np.isfinite(bank.rate), points[-1]
    if not finite.any():
        return "no load is too much"
    before, remedy = (
        bank.latency(last),
        "compute what diverges from the spare capacity, latency(flow, spare)",
    )
    for part in (1e-6, 1e-9, 1e-12):
        spare_capacity = np.where(finite, part * bank.rate, np.inf)
        value = bank.latency(np.where(finite, bank.rate - spare_capacity, last), spare_capacity)
        for i in np.flatnonzero(~np.isfinite(value) | (value < before)):
            problem = f"at {part:g} of its rate below it, after {before[i]:.8g} at load {last[i]:.6g}, is no latency"
            raise InputError(f"latency[{i}]", float(value[i]), problem, remedy)
    inner, off = points[points.shape[0] // 2][None], family_checks.size(bank)
    with_spare = bank.latency(inner, bank.spare_capacity(inner))
    same = "the same with its spare capacity said"
    worst("latency", same, with_spare, bank.latency(inner), inner, off, "use spare, or neither")
    remedy = "compute it in the method of that name: Queue makes what a class defines infinite from the rate on"
    for part, name in itertools.product((1.0, 1.0 + 1e-9, 1.5), BOUNDED):
        beyond = np.where(finite, part * bank.rate, last)
        value = getattr(bank, name)(beyond)
        for i in np.flatnonzero(finite & ~np.isposinf(value)):
            problem = f"at load {beyond[i]:.6g}, {part:.10g} of its rate, is not infinite"
            raise InputError(f"{name}[{i}]", float(value[i]), problem, remedy)
    return "finite and rising to 1e-12 below the rate, infinite from there on"


def derivatives(bank: Latency, points: Array) -> str:
    """The marginal delay and the slopes against differences, which must know them where the family does not."""
    family_checks.smooth(bank, points)
    return family_checks.derivatives(bank, points)


def potential(bank: Latency, points: Array) -> str:
    """The integral of the latency from 0."""
    return family_checks.potential(bank, points[::SOME])


def parts(bank: Latency, points: Array) -> str:
    """Servers taken from a bank, and servers farther away, are the same servers."""
    index = np.arange(len(bank))[::-1]
    if isinstance(bank, MixedLatency):
        index = np.arange(len(bank))  # a pool keeps its families together
    taken, there = bank.take(index).latency(points[:, index]), bank.latency(points)[:, index]
    worst(
        "take",
        "that of the server there",
        taken,
        there,
        points[:, index],
        SAME * there,
        "store every field as an array of shape (n,)",
    )
    more = np.linspace(1.0, 2.0, len(bank)) * family_checks.size(bank) / SAME
    far, here = bank.with_extra_delay(more).latency(points), bank.latency(points) + more
    worst(
        "with_extra_delay",
        "the latency and the longer delay",
        far,
        here,
        points,
        SAME * here,
        "add delay in latency()",
    )
    return "take and farther"


def units(bank: Latency, points: Array) -> str:
    """The same servers in other units of time."""
    remedy = "name the fields in rates and times, or leave both out"
    for unit in OTHERS.values():
        rate, time, other = unit, 1.0 / unit, bank.in_unit(unit)
        worst(
            "scaled.rate",
            "the rate in the other unit",
            other.rate[None],
            bank.rate[None] * rate,
            points,
            SAME * bank.rate * rate,
            remedy,
        )
        for name, per in (("latency", time), ("marginal", time), ("potential", 1.0)):
            got, expected = getattr(other, name)(points * rate), getattr(bank, name)(points) * per
            worst(
                f"scaled.{name}",
                "the same in the other unit",
                got,
                expected,
                points * rate,
                NEAR * expected,
                remedy,
            )
    return ", ".join(OTHERS)


def bad_input(bank: Latency, points: Array) -> str:
    """NaN is refused in every field; a negative number unless a latency comes of it."""
    if isinstance(bank, MixedLatency):
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
                raise InputError(
                    f"{field}[0]",
                    value,
                    "is taken without an error",
                    "raise InputError in the constructor; see raise_at_first",
                )
    return f"NaN and -1 in {', '.join(tried)}"


def _a_latency(bank: Latency) -> bool:
    try:
        at = random_loads(bank, np.random.default_rng(0))
        return bool(family_checks.convex(bank, at))
    except InputError:
        return False
