"""Numerical slopes, integrals and inverses, for values that a family has not in closed form.

Slopes are finite differences, integrals quadrature, flows at a price bracketed roots.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from .compensated_sum import EPS, TINY
from .errors import Array

ArrayLike = npt.ArrayLike
STEP = 0.01  # first step, relative to the distance to the nearer end of [0, rate]
FINER = 4.0  # factor between steps, where the function bends within the last one
LEVELS = 6  # largest number of steps
ENOUGH = 1e-11  # error, relative to function over flow, at which no finer step is tried
CONVERGED = 0.1  # ratio of the errors of two orders below which truncation is the error
LIGHT = 1e-6  # flow, relative to the rate, below which a slope is taken there
# Central differences of order 8, and the distances of those of orders 6 and 4 to the next order:
# weights of steps 0 to 4 for the first and the second derivative; Fornberg (1988), table 1.
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
PROBE = 3e-6  # relative step of secants: its square, and rounding over it, are both about 1e-11
LOG_FULL = 36.0  # log of flow over spare capacity where flow and rate differ by a rounding error
LOG_LIMIT = 700.0  # nearly the logarithm of the largest float


def slope(function: Callable[[Array], Array], flow: ArrayLike, rate: Array) -> Array:
    """Return the derivative of a smooth function of the flow; see `differences`.

    The error is mostly below 1e-12 of function over flow.
    """
    return differences(function, flow, rate)[0]


def curvature(function: Callable[[Array], Array], flow: ArrayLike, rate: Array) -> Array:
    """Return the second derivative of a smooth function of the flow; see `differences`.

    The error is mostly below 1e-9 of function over flow squared.
    """
    return differences(function, flow, rate, second=True)[0]


def differences(
    function: Callable[[Array], Array], flow: ArrayLike, rate: Array, *, second: bool = False
) -> tuple[Array, Array]:
    """Return the first (or second) derivative of a function of the flow and an error estimate.

    Central differences of order 8 at ever finer steps, until they are accurate enough; of each
    flow the best is kept. The error is estimated from the differences of orders 6 and 4 on the same
    values, so that it grows with bends and kinks within the step and with noise in the values, and
    is never below the rounding error of the values. At flow 0 the derivative is that next to it;
    within a few floats of the rate it is infinite. SciPy's `scipy.differentiate.derivative` adapts
    its step too, but takes 3 ms a call where this function takes 40 us.

    Parameters
    ----------
    function : callable
        Of flows of shape (..., n).
    flow : array_like, shape (..., n)
    rate : ndarray, shape (n,)
        Flow that the function must stay below; may be infinite.
    second : bool, default False
        Whether to return the second derivative.

    Returns
    -------
    derivative, error : ndarray, shape (..., n)
    """
    x = np.asarray(flow, dtype=np.float64)
    finite = np.isfinite(rate)
    x = np.maximum(x, LIGHT * np.where(finite, rate, np.maximum(x, LIGHT)))
    # next to the rate a smaller step would be lost in the distance between floats
    distance = np.where(finite, np.minimum(x, np.maximum(rate - x, 1e-13 * rate)), x)
    power = 2 if second else 1
    places = np.arange(5.0).reshape(-1, *(1,) * distance.ndim)
    best, error = np.full(distance.shape, np.nan), np.full(distance.shape, np.inf)
    with np.errstate(all="ignore"):  # next to the rate no float is beyond
        for level in range(LEVELS):
            step = (STEP / FINER**level) * distance
            above, below = function(x + places * step), function(x - places * step)
            odd, even = (
                (w @ v.reshape(5, -1)).reshape(3, *distance.shape)
                for w, v in ((ODD, above - below), (EVEN, above + below))
            )
            # a kink in the middle shows in the other derivative only
            error6, error4 = np.abs(odd[1:]) + np.abs(even[1:])
            # truncation shrinks from order to order by the same factor; noise and kinks do not
            ratio = error6 / (error4 + TINY)
            error8 = error6 * np.where(ratio < CONVERGED, ratio, np.maximum(ratio, 1.0))
            # rounding of the values, and of the places where they are taken
            error8 += EPS * (4.0 * np.abs(above[0]) + x / step * np.abs(odd[0]))
            scale = step**power
            error8, better = error8 / scale, error8 < error * scale
            best = np.where(better, (even if second else odd)[0] / scale, best)
            error = np.where(better, error8, error)
            size = np.abs(best) + np.abs(above[0]) / x**power
            if not np.any(better) or np.all(error <= ENOUGH ** (1 / power) * size):
                break
    # within a few floats of the rate there is no difference: the slope has no bound there
    return np.where(np.isnan(best) & finite, np.inf, best), error


def integral(function: Callable[[Array], Array], flow: ArrayLike, rate: Array) -> Array:
    """Return the integral of an increasing function from 0 to the flow, to about 1e-12.

    Where the rate is finite the variable is s = -log(1 - x/rate): a function that grows as
    1/(rate - x) is flat in s. The integral is that of a Gauss-Legendre rule where two of different
    size agree, else adaptive quadrature.
    """
    flow = np.asarray(flow, dtype=np.float64)
    finite = np.isfinite(rate)
    capacity = np.where(finite, rate, 1.0)
    end = np.where(finite, -np.log1p(-np.where(finite, flow, 0.0) / capacity), flow)
    last = function(flow)
    scale = np.where(last > 0, last, 1.0) * np.where(flow > 0, flow, 1.0)

    def integrand(part: float | Array) -> Array:
        """Return the scaled integrand at fractions of the range of s."""
        s = end * part
        x = np.where(finite, -capacity * np.expm1(-np.where(finite, s, 0.0)), s)
        weight = np.where(finite, capacity * np.exp(-np.where(finite, s, 0.0)), 1.0)
        return np.asarray(function(np.minimum(x, flow)) * weight * end / scale)

    smaller, larger = (
        np.tensordot(weights, integrand(points.reshape(-1, *(1,) * end.ndim)), axes=1)
        for points, weights in _gauss_rules()
    )
    if np.all(np.abs(larger - smaller) <= 1e-13):
        return np.asarray(scale * larger)
    # imported here, so that the import of sojourn.reference is fast
    from scipy.integrate import quad_vec

    mean, _ = quad_vec(integrand, 0.0, 1.0, epsabs=1e-13, epsrel=1e-13, norm="max", limit=200)
    return np.asarray(scale * mean)


@cache
def _gauss_rules() -> list[tuple[Array, Array]]:
    """Return points and weights of two Gauss-Legendre rules on [0, 1]."""
    rules = (np.polynomial.legendre.leggauss(n) for n in (16, 24))
    return [(0.5 + 0.5 * s, 0.5 * w) for s, w in rules]


def flow_at(
    function: Callable[[Array], Array], price: ArrayLike, idle: Array, rate: Array
) -> Array:
    """Return the flow at which an increasing function has a given value.

    It is 0 up to the function's value at no load, and infinite where the function never reaches
    the value. The search is in the logarithm of flow over spare capacity, or of the flow where the
    rate is infinite.

    Parameters
    ----------
    function : callable
        Latency or marginal delay of flows of shape (..., n).
    price : array_like, shape (..., n)
        Values of the function.
    idle : ndarray, shape (n,)
        Value of the function at no load.
    rate : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (..., n)
    """
    from scipy.optimize import elementwise

    shape = np.broadcast_shapes(np.shape(price), idle.shape)
    price, idle, rate = (
        np.broadcast_to(np.asarray(a, dtype=np.float64), shape) for a in (price, idle, rate)
    )
    finite, used = np.isfinite(rate), np.flatnonzero((price > idle).ravel())
    capacity = np.where(finite, rate, 1.0)

    def flow(log: Array) -> Array:
        """Return the flow at the logarithm that is searched."""
        within = capacity / (1.0 + np.exp(-np.clip(log, -LOG_LIMIT, LOG_LIMIT)))
        return np.where(finite, within, np.exp(np.minimum(log, LOG_LIMIT)))

    def above(log: Array, where: npt.NDArray[np.intp]) -> Array:
        """Return the relative distance to the price, from -1 to 1, of the servers at `where`.

        The function is evaluated for all servers, as a bank has no values for some of them.
        """
        logs = np.full(shape, -LOG_LIMIT)
        logs.flat[where] = log
        with np.errstate(over="ignore", invalid="ignore"):
            value = function(flow(logs))
            ratio = (value - price) / (value + price)
        return np.asarray(np.where(np.isinf(value), 1.0, ratio).flat[where])

    low = np.full(used.shape, -LOG_LIMIT)
    high = np.where(finite, LOG_FULL, LOG_LIMIT).flat[used]
    out = np.zeros(shape)
    if used.size:
        unreached, at_once = above(high, used) < 0, above(low, used) >= 0
        log = np.where(unreached, high, low)
        open_ = ~unreached & ~at_once
        ends = {"xatol": 2 * EPS, "xrtol": 2 * EPS, "fatol": 0.0, "frtol": 0.0}
        log[open_] = elementwise.find_root(
            above, (low[open_], high[open_]), args=(used[open_],), tolerances=ends, maxiter=200
        ).x
        logs = np.full(shape, -LOG_LIMIT)
        logs.flat[used] = log
        out.flat[used] = flow(logs).flat[used]
        out.flat[used[unreached]] = np.where(finite, out, np.inf).flat[used[unreached]]
    return out


def difference_error_bound(
    function: Callable[[Array], Array],
    price: Array,
    flow: Array,
    rate: Array,
    least: Array,
    most: Array,
) -> Array:
    """Return how far a convex function less price times flow can fall below its value at a flow.

    The bound holds on [least, most] and is made of values of the function alone: a secant, extended
    beyond its ends, lies below a convex function there. It is large at a kink, where a difference
    of the function is no derivative, and the flow that it gives is not the minimiser.

    Parameters
    ----------
    function : callable
        Convex, of flows of shape (..., n).
    price, flow : ndarray, shape (..., n)
    rate : ndarray, shape (n,)
    least, most : ndarray, shape (..., n)
        Interval of flows on which the bound holds.

    Returns
    -------
    ndarray, shape (..., n)
    """
    distance = np.where(np.isfinite(rate), np.minimum(flow, rate - flow), flow)
    start, end = least, most
    step = PROBE * np.where(distance > 0, distance, np.minimum(rate, most))
    far, places = 0.5 * distance, (np.maximum(flow + k * step, 0.0) for k in range(-2, 3))
    first, left, here, right, last = (function(x) - price * x for x in places)
    # Beyond a farther point of larger value the function is larger too. Next to the rate the
    # rounding error of the secants would otherwise be extended far.
    rise, fall = (function(x) - price * x > here for x in (flow + far, np.maximum(flow - far, 0.0)))
    most = np.where(rise, np.minimum(most, flow + far), most)
    least = np.where(fall, np.maximum(least, flow - far), least)
    # beyond the five points: the fall of the outer secants, where they fall
    after = np.maximum(right - last, 0.0) / step * np.maximum(most - flow - 2.0 * step, 0.0)
    before = np.maximum(left - first, 0.0) / step * np.maximum(flow - 2.0 * step - least, 0.0)
    # between them: the secants of the neighbours, each extended over one step
    lowest = np.min([first, left, here, right, last], axis=0)
    steepest = np.max(np.abs([left - first, here - left, right - here, last - right]), axis=0)
    amid = np.maximum(here - lowest, 0.0) + np.maximum(steepest, np.maximum(before, after))
    # at an end of the interval one side counts, and the price need not be the slope there
    upwards = np.maximum(here - right + np.maximum(last - right, 0.0), 0.0) + after
    downwards = np.maximum(here - left + np.maximum(first - left, 0.0), 0.0) + before
    return np.asarray(np.where(flow <= start, upwards, np.where(flow >= end, downwards, amid)))
