"""What a queue does not say in closed form: slopes by differences, integrals by quadrature, flows at a price by bracketed roots."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from .compensated_sum import EPS, TINY
from .errors import Array

ArrayLike = npt.ArrayLike
STEP = 0.01  # first step, of the distance to the nearer end of the capacity
FINER = 4.0  # each next step is so many times smaller, where the function bends within the last
LEVELS = 6  # steps tried
ENOUGH = 1e-11  # error of function over flow at which no finer step is tried
CONVERGED = 0.1  # by how much an order is better than the last where truncation is the error
LIGHT = 1e-6  # part of the capacity below which a slope is taken there
# central differences of order 8, and by how much those of orders 6 and 4 are off; weights of steps
# 0 to 4 for the first and the second derivative; Fornberg (1988), table 1
ODD = np.array(
    [
        [0, 4 / 5, -1 / 5, 4 / 105, -1 / 280],
        [0, 3 / 4, -3 / 20, 1 / 60, 0],
        [0, 2 / 3, -1 / 12, 0, 0],
    ]
)
EVEN = np.array(
    [
        [-205 / 144, 8 / 5, -1 / 5, 8 / 315, -1 / 560],
        [-49 / 36, 3 / 2, -3 / 20, 1 / 90, 0],
        [-5 / 4, 4 / 3, -1 / 12, 0, 0],
    ]
)
ODD, EVEN = (np.stack([w[0], w[0] - w[1], w[1] - w[2]]) for w in (ODD, EVEN))
PROBE = 3e-6  # step of secants, relative: its square and rounding over it are both about 1e-11
LOG_FULL = 36.0  # log of flow over spare capacity at which they are a rounding error apart
LOG_MOST = 700.0  # nearly the log of the largest float


def slope(function: Callable[[Array], Array], flow: ArrayLike, rate: Array) -> Array:
    """Return the derivative of a smooth function of the flow, mostly to 1e-12 of function over flow; see `differences`."""
    return differences(function, flow, rate)[0]


def curvature(function: Callable[[Array], Array], flow: ArrayLike, rate: Array) -> Array:
    """Return the second derivative of a smooth function of the flow, mostly to 1e-9 of function over flow squared; see `differences`."""
    return differences(function, flow, rate, second=True)[0]


def differences(
    function: Callable[[Array], Array], flow: ArrayLike, rate: Array, *, second: bool = False
) -> tuple[Array, Array]:
    """Return the first (or second) derivative of a function of the flow, and about how wrong it is at most.

    Central differences of order 8 at steps that get finer until they are good enough, each flow's
    best kept. The error is told from those of orders 6 and 4 on the same values, so that it shows
    bends and kinks within the step as well as noise in the values, and is never less than the
    rounding of the values. At no load the derivative is that next to it; within a few floats of the
    rate it is infinite.
    SciPy's `differentiate` also adapts its step, and takes 3 ms a call where this takes 40 us.
    """
    x = np.asarray(flow, dtype=np.float64)
    finite = np.isfinite(rate)
    x = np.maximum(x, LIGHT * np.where(finite, rate, np.maximum(x, LIGHT)))
    # next to the rate neighbouring floats are too far apart to differ by less
    near = np.where(finite, np.minimum(x, np.maximum(rate - x, 1e-13 * rate)), x)
    power = 2 if second else 1
    places = np.arange(5.0).reshape(-1, *(1,) * near.ndim)
    best, error = np.full(near.shape, np.nan), np.full(near.shape, np.inf)
    with np.errstate(all="ignore"):  # a float next to the rate has none beyond
        for level in range(LEVELS):
            step = (STEP / FINER**level) * near
            above, below = function(x + places * step), function(x - places * step)
            odd, even = (
                (w @ v.reshape(5, -1)).reshape(3, *near.shape)
                for w, v in ((ODD, above - below), (EVEN, above + below))
            )
            # a kink in the middle shows in the other derivative alone
            off6, off4 = np.abs(odd[1:]) + np.abs(even[1:])
            # truncation shrinks from order to order by the same factor; noise and kinks do not
            ratio = off6 / (off4 + TINY)
            off = off6 * np.where(ratio < CONVERGED, ratio, np.maximum(ratio, 1.0))
            # rounding of the values, and of where they are taken
            off += EPS * (4.0 * np.abs(above[0]) + x / step * np.abs(odd[0]))
            scale = step**power
            off, better = off / scale, off < error * scale
            best, error = (
                np.where(better, (even if second else odd)[0] / scale, best),
                np.where(better, off, error),
            )
            if not np.any(better) or np.all(
                error <= ENOUGH ** (1 / power) * (np.abs(best) + np.abs(above[0]) / x**power)
            ):
                break
    # within a few floats of the rate no difference says anything: there the slope is without bound
    return np.where(np.isnan(best) & finite, np.inf, best), error


def integral(function: Callable[[Array], Array], flow: ArrayLike, rate: Array) -> Array:
    """Return the integral of an increasing function from 0 to the flow, to about 1e-12.

    Within a rate it is taken over s = -log(1 - x/rate): what grows as 1/(rate - x) is flat there.
    Where Gauss's rules of two sizes agree, that is it; else it is adaptive quadrature.
    """
    flow = np.asarray(flow, dtype=np.float64)
    finite = np.isfinite(rate)
    capacity = np.where(finite, rate, 1.0)
    end = np.where(finite, -np.log1p(-np.where(finite, flow, 0.0) / capacity), flow)
    most = function(flow)
    scale = np.where(most > 0, most, 1.0) * np.where(flow > 0, flow, 1.0)

    def at(part: float | Array) -> Array:
        s = end * part
        x = np.where(finite, -capacity * np.expm1(-np.where(finite, s, 0.0)), s)
        weight = np.where(finite, capacity * np.exp(-np.where(finite, s, 0.0)), 1.0)
        return np.asarray(function(np.minimum(x, flow)) * weight * end / scale)

    smaller, larger = (
        np.tensordot(w, at(s.reshape(-1, *(1,) * end.ndim)), axes=1) for s, w in _gauss()
    )
    if np.all(np.abs(larger - smaller) <= 1e-13):
        return np.asarray(scale * larger)
    from scipy.integrate import quad_vec  # sojourn.reference is to import in a blink

    mean, _ = quad_vec(at, 0.0, 1.0, epsabs=1e-13, epsrel=1e-13, norm="max", limit=200)
    return np.asarray(scale * mean)


@cache
def _gauss() -> list[tuple[Array, Array]]:
    """Points and weights of two rules on [0, 1]."""
    rules = (np.polynomial.legendre.leggauss(n) for n in (16, 24))
    return [(0.5 + 0.5 * s, 0.5 * w) for s, w in rules]


def flow_at(
    function: Callable[[Array], Array], price: ArrayLike, idle: Array, rate: Array
) -> Array:
    """Return the flow at which an increasing function has a value: 0 up to its value at no load, infinite where it never gets so far.

    The search is in the logarithm of flow over spare capacity, or of the flow where no load is too much.
    """
    from scipy.optimize import elementwise

    shape = np.broadcast_shapes(np.shape(price), idle.shape)
    price, idle, rate = (
        np.broadcast_to(np.asarray(a, dtype=np.float64), shape) for a in (price, idle, rate)
    )
    finite, tolerance = np.isfinite(rate), np.flatnonzero((price > idle).ravel())
    capacity = np.where(finite, rate, 1.0)

    def flow(log: Array) -> Array:
        return np.where(
            finite,
            capacity / (1.0 + np.exp(-np.clip(log, -LOG_MOST, LOG_MOST))),
            np.exp(np.minimum(log, LOG_MOST)),
        )

    def above(log: Array, where: npt.NDArray[np.intp]) -> Array:
        """From -1 to 1, for the servers that the root finder still works on: a bank answers for all of them."""
        full = np.full(shape, -LOG_MOST)
        full.flat[where] = log
        with np.errstate(over="ignore", invalid="ignore"):
            value = function(flow(full))
            ratio = (value - price) / (value + price)
        return np.asarray(np.where(np.isinf(value), 1.0, ratio).flat[where])

    low, high = (
        np.full(tolerance.shape, -LOG_MOST),
        np.where(finite, LOG_FULL, LOG_MOST).flat[tolerance],
    )
    out = np.zeros(shape)
    if tolerance.size:
        short, there = above(high, tolerance) < 0, above(low, tolerance) >= 0
        root = np.where(short, np.inf, low)
        open_ = ~short & ~there
        ends = {"xatol": 2 * EPS, "xrtol": 2 * EPS, "fatol": 0.0, "frtol": 0.0}
        found = elementwise.find_root(
            above, (low[open_], high[open_]), args=(tolerance[open_],), tolerances=ends, maxiter=200
        )
        root[open_] = found.x
        logs = np.full(shape, -LOG_MOST)
        logs.flat[tolerance] = np.where(
            short, np.where(finite, LOG_FULL, LOG_MOST).flat[tolerance], root
        )
        out.flat[tolerance] = flow(logs).flat[tolerance]
        out.flat[tolerance[short]] = np.where(finite, out, np.inf).flat[tolerance[short]]
    return out


def difference_error_bound(
    function: Callable[[Array], Array],
    price: Array,
    flow: Array,
    rate: Array,
    least: Array,
    most: Array,
) -> Array:
    """Return how far a convex function less price times flow can fall below its value at a flow, on [least, most]; from its values alone.

    A secant, drawn out, lies below the function beyond its ends. Differences of a function with a kink are no derivative of it, and the flow
    that they give at a price not the best; then this is large.
    """
    near, start, end = np.where(np.isfinite(rate), np.minimum(flow, rate - flow), flow), least, most
    step = PROBE * np.where(near > 0, near, np.minimum(rate, most))
    far, places = 0.5 * near, (np.maximum(flow + k * step, 0.0) for k in range(-2, 3))
    first, left, here, right, last = (function(x) - price * x for x in places)
    # beyond a farther point that is higher nothing is lower; next to the rate the secants' rounding would otherwise be drawn out far
    rise, fall = (function(x) - price * x > here for x in (flow + far, np.maximum(flow - far, 0.0)))
    most, least = (
        np.where(rise, np.minimum(most, flow + far), most),
        np.where(fall, np.maximum(least, flow - far), least),
    )
    # beyond the points the outer secants go on falling, if they do
    after = np.maximum(right - last, 0.0) / step * np.maximum(most - flow - 2.0 * step, 0.0)
    before = np.maximum(left - first, 0.0) / step * np.maximum(flow - 2.0 * step - least, 0.0)
    # between them the secants of the neighbours, each drawn out over one step
    lowest = np.min([first, left, here, right, last], axis=0)
    steepest = np.max(np.abs([left - first, here - left, right - here, last - right]), axis=0)
    amid = np.maximum(here - lowest, 0.0) + np.maximum(steepest, np.maximum(before, after))
    # at an end only one side counts, and the price need not be met there
    upwards = np.maximum(here - right + np.maximum(last - right, 0.0), 0.0) + after
    downwards = np.maximum(here - left + np.maximum(first - left, 0.0), 0.0) + before
    return np.asarray(np.where(flow <= start, upwards, np.where(flow >= end, downwards, amid)))
