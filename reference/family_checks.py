"""Whether the numbers of a family of latencies fit each other, one property a function: what was looked at, or an InputError.

`sojourn.models.check_latency` looks at all of them at many loads. A family that is not of this
library is looked at here before its first answer, at a few loads: a certificate is made of its
slopes, integrals and inverses, and would prove nothing were one of them that of another function.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .errors import Array, InputError
from .finite_differences import differences, integral

if TYPE_CHECKING:
    from .server_bank import ServerBank

ROUNDING = 1e-9  # of a value, that may look like a fall or a dent
NEAR = 1e-6  # relative distance at which a derivative or an integral is its own; a wrong one is farther off
SAME = 1e-9  # relative distance between two ways to the same number
WIDER = 30.0  # times the error that differences tell, for a kink in just the wrong place
OVERFLOWS = 1e100  # latency after which what is not finite is too much for a float
REACH = 10.0  # latencies of servers without a rate are looked at up to so many times that of an empty one
FEW = np.array([[0.03], [0.2], [0.5], [0.8], [0.95]])  # parts of what servers reach
CORRECT = "correct it, or leave it out: the base class has one"
SAY = "give `marginal` or `latency_slope`, which a family that has kinks or noise must say"


def check_shape(name: str, x: Array, y: Array, *, bounded: bool) -> None:
    """Raise InputError on the first of rising loads `x` at which the latencies `y` are not finite, negative, falling or not convex."""
    beyond = (
        "" if bounded else "give rate=, the load that it must stay below, or "
    )  # beyond a pole a formula may go on
    known = max(2, int(np.argmin(np.isfinite(y))) or len(y))
    if (
        not bounded and y[known - 1] > OVERFLOWS
    ):  # far out an unbounded load may be too much for a float
        x, y = x[:known], y[:known]
    for k in np.flatnonzero(~np.isfinite(y)):
        raise InputError(
            name, float(y[k]), f"at load {x[k]:.6g} is not finite", f"{beyond}give a finite latency"
        )
    for k in np.flatnonzero(y < 0):
        raise InputError(
            name,
            float(y[k]),
            f"at load {x[k]:.6g} is a negative latency",
            f"{beyond}give a latency of 0 or more",
        )
    for k in np.flatnonzero(y[1:] < y[:-1] * (1 - ROUNDING)):
        problem = f"at load {x[k + 1]:.6g} falls from {y[k]:.6g} at {x[k]:.6g}"
        raise InputError(name, float(y[k + 1]), problem, f"{beyond}give a latency that never falls")
    rise = np.diff(y) / np.diff(x)
    noise = ROUNDING * (rise[:-1] + rise[1:]) + 1e-14 * y[1:-1] / np.minimum(
        np.diff(x)[:-1], np.diff(x)[1:]
    )
    for k in np.flatnonzero(rise[1:] < rise[:-1] - noise):
        problem = f"at load {x[k + 1]:.6g} is not convex: it rises by {rise[k]:.6g} a job before and {rise[k + 1]:.6g} after"
        raise InputError(
            name, float(y[k + 1]), problem, "a latency must be convex; fit one with Measured"
        )


def worst(
    what: str,
    of: str,
    got: Array,
    expected: Array,
    points: Array,
    allowed: Array | float,
    remedy: str,
) -> None:
    """Raise InputError at the number that is farthest from what it should be."""
    off = np.abs(got - expected) / allowed
    off = np.where(np.isnan(got) & ~np.isnan(expected), np.inf, off)
    if np.any(off > 1):
        k, i = np.unravel_index(int(np.nanargmax(off)), off.shape)
        problem = f"at load {points[k, i]:.6g} of server {i} is not {of}, {expected[k, i]:.8g}"
        raise InputError(f"{what}[{i}]", float(got[k, i]), problem, remedy)


def convex(bank: ServerBank, points: Array) -> str:
    """Finite, never falling, convex."""
    value = bank.latency(points)
    for i in range(len(bank)):
        check_shape(
            f"latency[{i}]", points[:, i], value[:, i], bounded=bool(np.isfinite(bank.rate[i]))
        )
    return f"{len(points)} loads a server"


def empty(bank: ServerBank, points: Array) -> str:
    """The latency of an empty server is its delay and `service`."""
    nothing = np.zeros((1, len(bank)))
    here = bank.latency(nothing)
    worst(
        "idle_latency",
        "what the latency is there",
        bank.idle_latency[None],
        here,
        nothing,
        size(bank),
        "correct service",
    )
    return "the latency at no load is delay + service"


def size(bank: ServerBank) -> Array:
    """What counts as a rounding error: relative to the latency itself."""
    return np.asarray(
        SAME * np.maximum(bank.idle_latency, bank.latency(np.minimum(1.0, 0.5 * bank.rate)))
    )


def derivatives(bank: ServerBank, points: Array) -> str:
    """The marginal delay and the slopes against differences, as far as these know them."""
    latency, unknown, said = bank.latency(points), 0, []
    for name, function, of in (
        ("marginal", lambda x: x * bank.latency(x), "the derivative of x l(x)"),
        ("latency_slope", bank.latency, "the derivative of the latency"),
        ("marginal_slope", bank.marginal, "the derivative of the marginal delay"),
    ):
        if not bank.overrides(name):  # made of the others
            continue
        expected, error = differences(function, points, bank.rate)
        allowed = NEAR * (
            np.abs(expected)
            + (latency if name == "marginal" else np.abs(function(points)) / points)
        )
        worst(
            name,
            of,
            getattr(bank, name)(points),
            expected,
            points,
            allowed + WIDER * error,
            CORRECT,
        )
        said.append(name)
        unknown += int(np.count_nonzero(~(WIDER * error <= allowed)))
    where = (
        f", but at {unknown} of {len(said) * points.size} where the latency bends or is too noisy"
        if unknown
        else ""
    )
    return f"{', '.join(said)} against differences of order 8{where}" if said else "none is given"


def smooth(bank: ServerBank, points: Array) -> None:
    """Raise InputError where differences of the latency do not say its derivative, and the family does not either."""
    if not bank.uses_finite_differences:
        return
    value, error = differences(bank.latency, points, bank.rate)
    off = error / (np.abs(value) + bank.latency(points) / points)
    k, i = np.unravel_index(int(np.argmax(off)), off.shape)
    if off[k, i] > NEAR:
        problem = f"at load {points[k, i]:.6g} of server {i} is known to {error[k, i]:.1g} alone, from differences of the latency"
        raise InputError(f"latency_slope[{i}]", float(value[k, i]), problem, SAY)


def potential(bank: ServerBank, points: Array) -> str:
    """The integral of the latency from 0, against quadrature."""
    expected = integral(bank.latency, points, bank.rate)
    worst(
        "potential",
        "the integral of the latency",
        bank.potential(points),
        expected,
        points,
        NEAR * expected,
        CORRECT,
    )
    nothing = np.zeros((1, len(bank)))
    worst(
        "potential",
        "0",
        bank.potential(nothing),
        nothing,
        nothing,
        SAME * expected[:1],
        "integrate from 0",
    )
    return "against quadrature"


def inverses(bank: ServerBank, points: Array, *, own: bool = False) -> str:
    """Flows at a price have that price; 0 below that of an empty server. All, or those alone that the family has of its `own`."""
    for name in ("inverse_latency", "inverse_marginal", "at_latency", "at_marginal"):
        if own and not bank.overrides(name):
            continue
        options, of = name.split("_")
        price: Callable[[Array], Array] = getattr(bank, of)
        at = price(points)
        flow = (
            getattr(bank, name)(at)
            if options == "inverse"
            else getattr(bank, name)(at - bank.idle_latency).flow
        )
        # where the price hardly rises, many flows have it: what counts is the price of the flow; and an infinite flow at a price that is
        # reached is none: it is read as no flow, whose price is another
        back = np.where(at < bank.latency_limit, price(np.where(np.isfinite(flow), flow, 0.0)), at)
        if options == "at":
            worst(
                name,
                "the flow of that price",
                back,
                at,
                points,
                NEAR * at,
                "correct it, or leave it out",
            )
            continue
        worst(
            f"{of} of {name}", "the one that it was asked for", back, at, points, NEAR * at, CORRECT
        )
        below = getattr(bank, name)(0.5 * bank.idle_latency)[None]
        worst(
            name,
            "0 below the latency of an empty server",
            below,
            np.zeros_like(below),
            below,
            SAME * points[:1],
            "return 0 there",
        )
    return "price of the flow at a price"


def reach(bank: ServerBank) -> Array:
    """Load of each server that is worth a look: its rate; where that is infinite, one of about `REACH` times the idle latency."""
    finite = np.isfinite(bank.rate)
    if finite.all():
        return bank.rate
    loads = np.minimum(
        np.logspace(-20, 20, 121, base=2.0)[:, None], np.where(finite, 0.5 * bank.rate, np.inf)
    )
    idle = bank.idle_latency
    far = bank.latency(loads) > REACH * np.where(
        idle > 0, idle, bank.latency(np.minimum(1.0, 0.5 * bank.rate))
    )
    found = np.where(far.any(axis=0), loads[far.argmax(axis=0), np.arange(len(bank))], 1.0)
    return np.where(finite, bank.rate, found)


def fit_together(bank: ServerBank) -> None:
    """Raise InputError where the numbers of a family do not fit each other, at a few loads."""
    with np.errstate(all="ignore"):
        try:
            points = FEW * reach(bank)
            for look in FIRST_LOOK:
                look(bank, points)
        except InputError:
            raise
        except Exception as error:  # a family may raise anything
            raise raised(type(bank).__name__, error) from error


def _own_potential(bank: ServerBank, points: Array) -> None:
    if bank.overrides("potential"):
        potential(bank, points[[1, -1]])


FIRST_LOOK: tuple[Callable[[ServerBank, Array], object], ...] = (
    convex,
    empty,
    derivatives,
    _own_potential,
    partial(inverses, own=True),
)


def raised(name: str, error: Exception) -> InputError:
    """Return an error that a family raised as what is wrong with it."""
    return InputError(
        name,
        type(error).__name__,
        f"was raised: {error}",
        "make it work for any load within the capacity",
    )
