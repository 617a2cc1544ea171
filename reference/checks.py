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

from .derived import differences, integral
from .errors import Array, InputError

if TYPE_CHECKING:
    from .queues import Queue

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


def convex(queue: Queue, points: Array) -> str:
    """Finite, never falling, convex."""
    value = queue.latency(points)
    for i in range(len(queue)):
        check_shape(
            f"latency[{i}]", points[:, i], value[:, i], bounded=bool(np.isfinite(queue.rate[i]))
        )
    return f"{len(points)} loads a server"


def empty(queue: Queue, points: Array) -> str:
    """The latency of an empty server is its delay and `service`."""
    nothing = np.zeros((1, len(queue)))
    here = queue.latency(nothing)
    worst(
        "idle_latency",
        "what the latency is there",
        queue.idle_latency[None],
        here,
        nothing,
        size(queue),
        "correct service",
    )
    return "the latency at no load is delay + service"


def size(queue: Queue) -> Array:
    """What counts as a rounding error: relative to the latency itself."""
    return np.asarray(
        SAME * np.maximum(queue.idle_latency, queue.latency(np.minimum(1.0, 0.5 * queue.rate)))
    )


def derivatives(queue: Queue, points: Array) -> str:
    """The marginal delay and the slopes against differences, as far as these know them."""
    latency, unknown, said = queue.latency(points), 0, []
    for name, function, of in (
        ("marginal", lambda x: x * queue.latency(x), "the derivative of x l(x)"),
        ("latency_slope", queue.latency, "the derivative of the latency"),
        ("marginal_slope", queue.marginal, "the derivative of the marginal delay"),
    ):
        if not queue.says(name):  # made of the others
            continue
        expected, error = differences(function, points, queue.rate)
        allowed = NEAR * (
            np.abs(expected)
            + (latency if name == "marginal" else np.abs(function(points)) / points)
        )
        worst(
            name,
            of,
            getattr(queue, name)(points),
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


def smooth(queue: Queue, points: Array) -> None:
    """Raise InputError where differences of the latency do not say its derivative, and the family does not either."""
    if not queue.derived:
        return
    value, error = differences(queue.latency, points, queue.rate)
    off = error / (np.abs(value) + queue.latency(points) / points)
    k, i = np.unravel_index(int(np.argmax(off)), off.shape)
    if off[k, i] > NEAR:
        problem = f"at load {points[k, i]:.6g} of server {i} is known to {error[k, i]:.1g} alone, from differences of the latency"
        raise InputError(f"latency_slope[{i}]", float(value[k, i]), problem, SAY)


def potential(queue: Queue, points: Array) -> str:
    """The integral of the latency from 0, against quadrature."""
    expected = integral(queue.latency, points, queue.rate)
    worst(
        "potential",
        "the integral of the latency",
        queue.potential(points),
        expected,
        points,
        NEAR * expected,
        CORRECT,
    )
    nothing = np.zeros((1, len(queue)))
    worst(
        "potential",
        "0",
        queue.potential(nothing),
        nothing,
        nothing,
        SAME * expected[:1],
        "integrate from 0",
    )
    return "against quadrature"


def inverses(queue: Queue, points: Array, *, own: bool = False) -> str:
    """Flows at a price have that price; 0 below that of an empty server. All, or those alone that the family has of its `own`."""
    for name in ("inverse_latency", "inverse_marginal", "at_latency", "at_marginal"):
        if own and not queue.says(name):
            continue
        how, of = name.split("_")
        price: Callable[[Array], Array] = getattr(queue, of)
        at = price(points)
        flow = (
            getattr(queue, name)(at)
            if how == "inverse"
            else getattr(queue, name)(at - queue.idle_latency).flow
        )
        # where the price hardly rises, many flows have it: what counts is the price of the flow; and an infinite flow at a price that is
        # reached is none: it is read as no flow, whose price is another
        back = np.where(at < queue.ceiling, price(np.where(np.isfinite(flow), flow, 0.0)), at)
        if how == "at":
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
        below = getattr(queue, name)(0.5 * queue.idle_latency)[None]
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


def reach(queue: Queue) -> Array:
    """Load of each server that is worth a look: its rate; where that is infinite, one of about `REACH` times the idle latency."""
    finite = np.isfinite(queue.rate)
    if finite.all():
        return queue.rate
    loads = np.minimum(
        np.logspace(-20, 20, 121, base=2.0)[:, None], np.where(finite, 0.5 * queue.rate, np.inf)
    )
    idle = queue.idle_latency
    far = queue.latency(loads) > REACH * np.where(
        idle > 0, idle, queue.latency(np.minimum(1.0, 0.5 * queue.rate))
    )
    found = np.where(far.any(axis=0), loads[far.argmax(axis=0), np.arange(len(queue))], 1.0)
    return np.where(finite, queue.rate, found)


def fit_together(queue: Queue) -> None:
    """Raise InputError where the numbers of a family do not fit each other, at a few loads."""
    with np.errstate(all="ignore"):
        try:
            points = FEW * reach(queue)
            for look in FIRST_LOOK:
                look(queue, points)
        except InputError:
            raise
        except Exception as error:  # a family may raise anything
            raise raised(type(queue).__name__, error) from error


def _own_potential(queue: Queue, points: Array) -> None:
    if queue.says("potential"):
        potential(queue, points[[1, -1]])


FIRST_LOOK: tuple[Callable[[Queue, Array], object], ...] = (
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
