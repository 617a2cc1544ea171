"""Checks of the numbers of a latency family: each returns what was checked, or InputError."""

from __future__ import annotations

import itertools

import numpy as np

from ...reference import family_checks
from ...reference.errors import Array, InputError
from ...reference.family_checks import NEAR, SAME, reach, worst
from ...reference.guards import BOUNDED
from ...reference.validation import raise_at_first
from .base import Latency, MixedLatency, parameters

LOADS = 40  # random loads of each server
SLOW_STEP = LOADS // 4  # slow checks use every SLOW_STEP-th load
UNITS = {"minutes": 60.0, "milliseconds": 1e-3}  # in units of the bank, taken for seconds


def random_loads(bank: Latency, rng: np.random.Generator) -> Array:
    """Return rising random loads, shape (m, n), a quarter of them close to the rate.

    For a server without a rate, the largest loads have about ten times the idle latency.
    """
    fraction = rng.uniform(0.01, 0.9, (LOADS, len(bank)))
    fraction[: LOADS // 4] = 1.0 - 10 ** rng.uniform(-4.0, -1.0, (LOADS // 4, len(bank)))
    with np.errstate(all="ignore"):
        points: Array = np.sort(fraction * reach(bank), axis=0)
    return points


def shapes(bank: Latency, points: Array) -> str:
    """Check the shapes of the bank's arrays, and of latencies of one or more splits."""
    n = len(bank)
    for name in ("rate", "delay", "service", "latency_limit"):
        value = np.asarray(getattr(bank, name))
        if value.shape != (n,) or value.dtype.kind != "f":
            problem = "is not an array of one float per server"
            raise InputError(name, value.tolist(), problem, f"give shape ({n},)")
    remedy = "give the load that the server must stay below, or infinity"
    raise_at_first("rate", bank.rate, bank.rate > 0, "is not above 0", remedy)
    for shape in ((n,), (3, n), (2, 3, n)):
        result = np.shape(bank.latency(np.broadcast_to(points[0], shape)))
        if result != shape:
            problem = f"is its shape for flows of shape {shape}"
            raise InputError("latency", result, problem, "compute it elementwise, in NumPy")
    return f"arrays of shape ({n},); flows of any shape (..., {n})"


def edge(bank: Latency, points: Array) -> str:
    """Check that the latency is finite and rises up to the rate, and is infinite from there on."""
    finite = np.isfinite(bank.rate)
    if not finite.any():
        return "no load is too much"
    _rises_to_the_rate(bank, points[-1])
    _uses_spare_capacity(bank, points[len(points) // 2][None])
    remedy = (
        "define the method in the body of the class: "
        "the base class makes what is defined there infinite from the rate on"
    )
    for factor, name in itertools.product((1.0, 1.0 + 1e-9, 1.5), BOUNDED):
        beyond = np.where(finite, factor * bank.rate, points[-1])
        value = getattr(bank, name)(beyond)
        for i in np.flatnonzero(finite & ~np.isposinf(value)):
            problem = f"at load {beyond[i]:.6g}, {factor:.10g} of its rate, is not infinite"
            raise InputError(f"{name}[{i}]", float(value[i]), problem, remedy)
    return "finite and rising to 1e-12 below the rate, infinite from there on"


def _rises_to_the_rate(bank: Latency, last: Array) -> None:
    """Raise InputError unless the latency is finite and above that of the last loads."""
    finite, before = np.isfinite(bank.rate), bank.latency(last)
    remedy = "compute what diverges from the spare capacity, latency(flow, spare_capacity)"
    for fraction in (1e-6, 1e-9, 1e-12):
        spare_capacity = np.where(finite, fraction * bank.rate, np.inf)
        value = bank.latency(np.where(finite, bank.rate - spare_capacity, last), spare_capacity)
        for i in np.flatnonzero(~np.isfinite(value) | (value < before)):
            problem = (
                f"with a spare capacity of {fraction:g} of its rate is not finite or has fallen "
                f"from {before[i]:.8g} at load {last[i]:.6g}"
            )
            raise InputError(f"latency[{i}]", float(value[i]), problem, remedy)


def _uses_spare_capacity(bank: Latency, flow: Array) -> None:
    """Raise InputError unless the latency is the same with and without its spare capacity."""
    given, computed = bank.latency(flow, bank.spare_capacity(flow)), bank.latency(flow)
    of, remedy = "the same with its spare capacity", "use spare_capacity, or ignore it everywhere"
    worst("latency", of, given, computed, flow, family_checks.size(bank), remedy)


def derivatives(bank: Latency, points: Array) -> str:
    """Check the marginal delay and the slopes against finite differences.

    Where the family has no slopes, the differences themselves must be accurate.
    """
    family_checks.smooth(bank, points)
    return family_checks.derivatives(bank, points)


def potential(bank: Latency, points: Array) -> str:
    """Check that the potential is the integral of the latency from 0, at some of the loads."""
    return family_checks.potential(bank, points[::SLOW_STEP])


def parts(bank: Latency, points: Array) -> str:
    """Check that servers taken from a bank, and those with extra delay, are the same servers."""
    index = np.arange(len(bank))
    if not isinstance(bank, MixedLatency):  # which keeps the servers of a family together
        index = index[::-1]
    flow = points[:, index]
    taken, expected = bank.take(index).latency(flow), bank.latency(points)[:, index]
    remedy = "store every field as an array of shape (n,)"
    worst("take", "that of the server itself", taken, expected, flow, SAME * expected, remedy)
    extra = np.linspace(1.0, 2.0, len(bank)) * family_checks.size(bank) / SAME
    delayed, expected = bank.with_extra_delay(extra).latency(points), bank.latency(points) + extra
    of, remedy = "the latency and the extra delay", "add delay in latency()"
    worst("with_extra_delay", of, delayed, expected, points, SAME * expected, remedy)
    return "take and with_extra_delay"


def units(bank: Latency, points: Array) -> str:
    """Check the numbers of the bank in other units of time."""
    remedy = "name the fields in rates and times, or leave both out"
    for unit in UNITS.values():
        other, expected = bank.in_unit(unit), bank.rate * unit
        of = "the rate in the other unit"
        worst("scaled.rate", of, other.rate[None], expected[None], points, SAME * expected, remedy)
        flow = points * unit
        for name, factor in (("latency", 1.0 / unit), ("marginal", 1.0 / unit), ("potential", 1.0)):
            value, expected = getattr(other, name)(flow), getattr(bank, name)(points) * factor
            of = "the same in the other unit"
            worst(f"scaled.{name}", of, value, expected, flow, NEAR * expected, remedy)
    return ", ".join(UNITS)


def bad_input(bank: Latency, points: Array) -> str:
    """Check that the constructor refuses NaN, and -1 unless the latency is still a valid one."""
    if isinstance(bank, MixedLatency):
        return "; ".join(sorted({bad_input(b, points) for b in bank.banks}))
    family = type(bank)
    stored = {name: getattr(bank, name) for name in parameters(family) if hasattr(bank, name)}
    arrays = {name: value for name, value in stored.items() if _is_float_array(value)}
    if not all(name in arrays for name, required in parameters(family).items() if required):
        return "not checked: the parameters are not stored as arrays under their names"
    remedy = "raise InputError in the constructor; see sojourn.reference.validation.raise_at_first"
    for name, value in itertools.product(arrays, (np.nan, -1.0)):
        wrong = arrays[name].copy()
        wrong.flat[0] = value
        try:
            made = family(**{**stored, name: wrong})
        except InputError:
            continue
        if np.isnan(value) or not _is_valid(made):
            raise InputError(f"{name}[0]", value, "is taken without an error", remedy)
    return f"NaN and -1 in {', '.join(arrays)}"


def _is_float_array(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _is_valid(bank: Latency) -> bool:
    """Return whether the latency is increasing and convex at random loads."""
    try:
        loads = random_loads(bank, np.random.default_rng(0))
        return bool(family_checks.convex(bank, loads))
    except InputError:
        return False
