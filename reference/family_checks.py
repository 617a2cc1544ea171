"""Checks that the methods of a family of latencies fit each other, one property a function.

A check returns a short text about its tests, or raises `InputError`.
`sojourn.models.check_latency` runs all of them at many loads. A family from outside this library is
checked by `fit_together` before its first answer, at a few loads: certificates are computed from
its slopes, integrals and inverses, and would prove nothing if one of these belonged to another
function.

Throughout, ``points`` are loads of shape (K, n), K of each of n servers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .errors import Array, InputError
from .finite_differences import differences, integral
from .plural import counted

if TYPE_CHECKING:
    from .server_bank import ServerBank

ROUNDING = 1e-9  # relative size of a fall, or of a break of convexity, that may be rounding error
NEAR = 1e-6  # relative error that a derivative or an integral may have; wrong ones have more
SAME = 1e-9  # relative distance allowed between two ways to the same number
WIDER = 30.0  # factor on the error estimate of differences, for a kink in the worst place
OVERFLOWS = 1e100  # latency after which a value that is not finite is an overflow
REACH = 10.0  # latency, in units of the idle latency, up to which a server without a rate is tested
FEW = np.array([[0.03], [0.2], [0.5], [0.8], [0.95]])  # loads of the first check, over `reach`
CORRECT = "correct it, or leave it out: the base class has one"
DEFINE = "give `marginal` or `latency_slope`: a family with kinks or noise must define one"


def check_shape(name: str, x: Array, y: Array, *, bounded: bool) -> None:
    """Raise InputError where latencies are not finite, negative, falling or not convex.

    Parameters
    ----------
    name : str
        Field that errors name.
    x, y : ndarray, shape (K,)
        Loads in rising order, and the latency at each.
    bounded : bool
        Whether the server has a finite rate.
    """
    # beyond a pole a formula may return values that mean nothing
    rate_remedy = "" if bounded else "give rate=, the load that it must stay below, or "
    known = max(2, int(np.argmin(np.isfinite(y))) or len(y))
    if not bounded and y[known - 1] > OVERFLOWS:
        x, y = x[:known], y[:known]
    for k in np.flatnonzero(~np.isfinite(y)):
        problem, remedy = f"at load {x[k]:.6g} is not finite", "give a finite latency"
        raise InputError(name, float(y[k]), problem, f"{rate_remedy}{remedy}")
    for k in np.flatnonzero(y < 0):
        problem, remedy = f"at load {x[k]:.6g} is a negative latency", "give a latency of 0 or more"
        raise InputError(name, float(y[k]), problem, f"{rate_remedy}{remedy}")
    for k in np.flatnonzero(y[1:] < y[:-1] * (1 - ROUNDING)):
        problem = f"at load {x[k + 1]:.6g} falls from {y[k]:.6g} at {x[k]:.6g}"
        remedy = f"{rate_remedy}give a latency that never falls"
        raise InputError(name, float(y[k + 1]), problem, remedy)
    width = np.diff(x)
    rise = np.diff(y) / width
    noise = ROUNDING * (rise[:-1] + rise[1:])
    noise += 1e-14 * y[1:-1] / np.minimum(width[:-1], width[1:])
    for k in np.flatnonzero(rise[1:] < rise[:-1] - noise):
        problem = (
            f"at load {x[k + 1]:.6g} is not convex: "
            f"it rises by {rise[k]:.6g} a job before and {rise[k + 1]:.6g} after"
        )
        remedy = "a latency must be convex; fit one with Measured"
        raise InputError(name, float(y[k + 1]), problem, remedy)


def worst(
    what: str,
    of: str,
    got: Array,
    expected: Array,
    points: Array,
    allowed: Array | float,
    remedy: str,
) -> None:
    """Raise InputError at the value with the largest error, if that is not allowed.

    Parameters
    ----------
    what : str
        Method that was evaluated; the field of the error.
    of : str
        Description of the expected value.
    got, expected, points : ndarray, shape (K, n)
        Values, expected values, and the loads at which they were computed.
    allowed : ndarray, shape (K, n), or float
        Largest allowed error.
    remedy : str
    """
    error = np.abs(got - expected) / allowed
    error = np.where(np.isnan(got) & ~np.isnan(expected), np.inf, error)
    if np.any(error > 1):
        k, i = np.unravel_index(int(np.nanargmax(error)), error.shape)
        problem = f"at load {points[k, i]:.6g} of server {i} is not {of}, {expected[k, i]:.8g}"
        raise InputError(f"{what}[{i}]", float(got[k, i]), problem, remedy)


def convex(bank: ServerBank, points: Array) -> str:
    """Check that each latency is finite, not negative, never falling and convex."""
    value = bank.latency(points)
    for i in range(len(bank)):
        bounded = bool(np.isfinite(bank.rate[i]))
        check_shape(f"latency[{i}]", points[:, i], value[:, i], bounded=bounded)
    return f"{counted(len(points), 'load')} a server"


def empty(bank: ServerBank, points: Array) -> str:
    """Check that the latency of an empty server is its delay plus ``service``."""
    no_load = np.zeros((1, len(bank)))
    idle, latency = bank.idle_latency[None], bank.latency(no_load)
    of, remedy = "what the latency is there", "correct service"
    worst("idle_latency", of, idle, latency, no_load, size(bank), remedy)
    return "the latency at no load is delay + service"


def size(bank: ServerBank) -> Array:
    """Return the error of each server's latency that counts as rounding, shape (n,)."""
    light = bank.latency(np.minimum(1.0, 0.5 * bank.rate))
    return np.asarray(SAME * np.maximum(bank.idle_latency, light))


def derivatives(bank: ServerBank, points: Array) -> str:
    """Check the marginal delay and the slopes against differences, within the errors of these."""
    latency, unknown, checked = bank.latency(points), 0, []
    for name, function, of in (
        ("marginal", lambda x: x * bank.latency(x), "the derivative of x l(x)"),
        ("latency_slope", bank.latency, "the derivative of the latency"),
        ("marginal_slope", bank.marginal, "the derivative of the marginal delay"),
    ):
        if not bank.overrides(name):  # derived from the others
            continue
        expected, error = differences(function, points, bank.rate)
        scale = latency if name == "marginal" else np.abs(function(points)) / points
        allowed = NEAR * (np.abs(expected) + scale)
        got = getattr(bank, name)(points)
        worst(name, of, got, expected, points, allowed + WIDER * error, CORRECT)
        checked.append(name)
        unknown += int(np.count_nonzero(~(WIDER * error <= allowed)))
    if not checked:
        return "none is given"
    total = len(checked) * points.size
    where = f", but at {unknown} of {total} where the latency bends or is too noisy"
    return f"{', '.join(checked)} against differences of order 8{where if unknown else ''}"


def smooth(bank: ServerBank, points: Array) -> None:
    """Raise InputError where a derivative is needed that differences of the latency do not give."""
    if not bank.uses_finite_differences:
        return
    value, error = differences(bank.latency, points, bank.rate)
    relative = error / (np.abs(value) + bank.latency(points) / points)
    k, i = np.unravel_index(int(np.argmax(relative)), relative.shape)
    if relative[k, i] > NEAR:
        problem = (
            f"at load {points[k, i]:.6g} of server {i} is known only to within {error[k, i]:.1g} "
            "from differences of the latency"
        )
        raise InputError(f"latency_slope[{i}]", float(value[k, i]), problem, DEFINE)


def potential(bank: ServerBank, points: Array) -> str:
    """Check the potential, the integral of the latency from 0, against quadrature."""
    expected, got = integral(bank.latency, points, bank.rate), bank.potential(points)
    of = "the integral of the latency"
    worst("potential", of, got, expected, points, NEAR * expected, CORRECT)
    no_load = np.zeros((1, len(bank)))
    got, allowed = bank.potential(no_load), SAME * expected[:1]
    worst("potential", "0", got, no_load, no_load, allowed, "integrate from 0")
    return "against quadrature"


def inverses(bank: ServerBank, points: Array, *, own: bool = False) -> str:
    """Check that the flow at a price has that price, and is 0 below the idle latency.

    Parameters
    ----------
    bank : ServerBank
    points : ndarray, shape (K, n)
    own : bool, default False
        Whether to check those methods alone that the family overrides.
    """
    for name in ("inverse_latency", "inverse_marginal", "at_latency", "at_marginal"):
        if own and not bank.overrides(name):
            continue
        prefix, of = name.split("_")
        price_of: Callable[[Array], Array] = getattr(bank, of)
        price = price_of(points)
        if prefix == "inverse":
            flow = getattr(bank, name)(price)
        else:
            flow = getattr(bank, name)(price - bank.idle_latency).flow
        # Prices are compared, not flows: where the price hardly rises, many flows have it. An
        # infinite flow at a price that is reached is replaced by 0, which has another price.
        back = price_of(np.where(np.isfinite(flow), flow, 0.0))
        back = np.where(price < bank.latency_limit, back, price)
        if prefix == "at":
            remedy = "correct it, or leave it out"
            worst(name, "the flow of that price", back, price, points, NEAR * price, remedy)
            continue
        of_flow, expected = f"{of} of {name}", "the one that it was asked for"
        worst(of_flow, expected, back, price, points, NEAR * price, CORRECT)
        below = getattr(bank, name)(0.5 * bank.idle_latency)[None]
        zero, allowed = np.zeros_like(below), SAME * points[:1]
        expected = "0 below the latency of an empty server"
        worst(name, expected, below, zero, below, allowed, "return 0 there")
    return "price of the flow at a price"


def reach(bank: ServerBank) -> Array:
    """Return the load below which each server is tested, shape (n,).

    It is the rate; where that is infinite, a load of about `REACH` times the idle latency.
    """
    finite = np.isfinite(bank.rate)
    if finite.all():
        return bank.rate
    largest = np.where(finite, 0.5 * bank.rate, np.inf)
    loads = np.minimum(np.logspace(-20, 20, 121, base=2.0)[:, None], largest)
    idle, light = bank.idle_latency, bank.latency(np.minimum(1.0, 0.5 * bank.rate))
    far = bank.latency(loads) > REACH * np.where(idle > 0, idle, light)
    load = np.where(far.any(axis=0), loads[far.argmax(axis=0), np.arange(len(bank))], 1.0)
    return np.where(finite, bank.rate, load)


def fit_together(bank: ServerBank) -> None:
    """Raise InputError where the methods of a family do not fit each other, at a few loads."""
    with np.errstate(all="ignore"):
        try:
            points = FEW * reach(bank)
            for check in FIRST_CHECKS:
                check(bank, points)
        except InputError:
            raise
        except Exception as error:  # a family may raise anything
            raise raised(type(bank).__name__, error) from error


def _own_potential(bank: ServerBank, points: Array) -> None:
    """Check the potential, where the family overrides it, at two loads a server."""
    if bank.overrides("potential"):
        potential(bank, points[[1, -1]])


FIRST_CHECKS: tuple[Callable[[ServerBank, Array], object], ...] = (
    convex,
    empty,
    derivatives,
    _own_potential,
    partial(inverses, own=True),
)


def raised(name: str, error: Exception) -> InputError:
    """Return the InputError for an error that a method of a family raised."""
    remedy = "make it work for any load within the capacity"
    return InputError(name, type(error).__name__, f"was raised: {error}", remedy)
