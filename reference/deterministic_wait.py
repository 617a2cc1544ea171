"""The tail of the wait of M/D/1 servers, first come, first served, with all digits.

Crommelin's series of 1932 alternates and loses its digits after some twenty service times. Instead,
with a service time of 1 and k - 1 <= w < k, a wait is longer than w if at least k jobs wait or come
in a time of k - w (G. Franx, *A simple solution for the M/D/c waiting time distribution*, 2001):

    P(W > w) = P(K + A >= k),  A of Poisson's law with the mean rho (k - w),

where K, the number of waiting jobs, is a geometric sum. With a_i the probability of more than i
arrivals in a service time, its tail solves

    P(K > j) (1 - a_0) = a_1 P(K > j - 1) + ... + a_j P(K > 0) + (a_{j+1} + a_{j+2} + ...).

All terms are positive. From `LONG` service times on the tail is its exponential of slowest decay,
C e^{-theta w} with rho (e^theta - 1) = theta and C = (1 - rho)/(theta + rho - 1), whose relative
error is below 1e-13 where the tail is above 1e-30.
"""

from __future__ import annotations

import numpy as np

from .errors import Array
from .tails import LateJobs

LONG = 32  # service times from which the tail is one exponential
TERMS = 30  # of Poisson's law beyond `LONG`, for a mean of at most 1
STEPS = 30  # of Newton's method; it converges from above in about six
SMALL = 0.5  # theta below which (e^theta - 1 - theta)/theta is a series
CELLS = 4096  # servers computed at once


def deterministic_wait(used: Array, unused: Array, wait: Array) -> LateJobs:
    """Return P(W > w) of M/D/1 servers, and its derivatives in the utilisation.

    Parameters
    ----------
    used, unused : ndarray, shape (...)
        Utilisation rho, 0 <= rho < 1, and 1 - rho.
    wait : ndarray, shape (...)
        Time w >= 0 in service times.
    """
    shape = np.broadcast_shapes(used.shape, unused.shape, wait.shape)
    rho, spare, w = (np.broadcast_to(v, shape).ravel() for v in (used, unused, wait))
    out = np.zeros((3, rho.size))
    for i in range(0, rho.size, CELLS):
        rows = np.arange(i, min(i + CELLS, rho.size))
        short = w[rows] < LONG
        near, far = rows[short], rows[~short & (rho[rows] > 0)]
        if near.size:
            out[:, near] = _of_geometric_sum(rho[near], w[near])
        if far.size:
            out[:, far] = _slowest_exponential(rho[far], spare[far], w[far])
    return LateJobs(*(v.reshape(shape) for v in out))


def _of_geometric_sum(rho: Array, w: Array) -> Array:
    """Return the tail and its two derivatives by the recursion, shape (3, m)."""
    whole = np.floor(w).astype(np.intp)
    count = int(whole.max()) + 1
    mass = _poisson(rho, count + TERMS)
    later = np.cumsum(mass[::-1], axis=0)[::-1]  # P(A >= i)
    more = later[1:]  # a_i = P(A > i)
    beyond = np.cumsum(more[::-1], axis=0)[::-1][1:]  # a_{i+1} + a_{i+2} + ...
    before = np.concatenate([np.zeros((1, rho.size)), mass])
    # each with its derivatives in rho
    a = np.stack([more[:count], mass[:count], (before[:count] - mass[:count])])
    rest = np.stack([beyond[:count], more[:count], mass[:count]])
    grown = np.exp(rho)  # 1/(1 - a_0)
    tail = np.empty((3, count, rho.size))
    for j in range(count):
        value, first, second = rest[:, j]
        if j:
            x, y = a[:, 1 : j + 1], tail[:, :j][:, ::-1]
            value = value + _dot(x[0], y[0])
            first = first + _dot(x[0], y[1]) + _dot(x[1], y[0])
            second = second + _dot(x[0], y[2]) + 2.0 * _dot(x[1], y[1]) + _dot(x[2], y[0])
        tail[:, j] = grown * np.stack([value, first + value, second + 2.0 * first + value])
    return _with_arrivals(tail, rho, whole + 1 - w, whole)


def _with_arrivals(tail: Array, rho: Array, time: Array, whole: np.ndarray) -> Array:
    """Return P(K + A > whole), with the derivatives in rho, for A of the mean rho time."""
    from scipy.special import pdtrc  # imported here: it would slow down the import of the package

    count = tail.shape[1]
    mass = _poisson(rho * time, count)
    zeros = np.zeros((2, rho.size))
    shifted = np.concatenate([zeros, mass])
    one, two = shifted[1:-1], shifted[:-2]
    arrivals = np.stack([mass, time * (one - mass), time * time * (two - 2.0 * one + mass)])
    index = whole - np.arange(count)[:, None]
    known = index >= 0
    waiting = np.where(known, np.take_along_axis(tail, np.maximum(index, 0)[None], axis=1), 0.0)
    last = np.take_along_axis(shifted, whole[None] + 2, axis=0)[0]
    last_but_one = np.take_along_axis(shifted, whole[None] + 1, axis=0)[0]
    x, y = arrivals, waiting
    return np.stack(
        [
            _dot(x[0], y[0]) + pdtrc(whole, rho * time),
            _dot(x[0], y[1]) + _dot(x[1], y[0]) + time * last,
            _dot(x[0], y[2])
            + 2.0 * _dot(x[1], y[1])
            + _dot(x[2], y[0])
            + time * time * (last_but_one - last),
        ]
    )


def _poisson(mean: Array, count: int) -> Array:
    """Return Poisson's probabilities of 0 to count - 1, shape (count, m)."""
    mass = np.empty((count, mean.size))
    mass[0] = np.exp(-mean)
    for i in range(1, count):
        np.multiply(mass[i - 1], mean / i, out=mass[i])
    return mass


def _dot(x: Array, y: Array) -> Array:
    """Return the sum of products over the first axis."""
    return np.asarray(np.einsum("im,im->m", x, y))


def _slowest_exponential(rho: Array, spare: Array, w: Array) -> Array:
    """Return C e^{-theta w} and its two derivatives in rho, shape (3, m)."""
    theta = decay(spare / rho)
    gap = theta - spare
    slope = -theta / (rho * gap)
    gap_slope = slope + 1.0
    bend = -(slope * rho * gap - theta * (gap + rho * gap_slope)) / (rho * gap) ** 2
    part = spare / gap
    above = -gap - spare * gap_slope
    part_slope = above / gap**2
    part_bend = -spare * bend / gap**2 - 2.0 * above * gap_slope / gap**3
    fall = slope * w
    fallen = np.exp(-theta * w)
    second = part_bend - 2.0 * part_slope * fall + part * (fall * fall - bend * w)
    return np.stack([part, part_slope - part * fall, second]) * fallen


def decay(excess: Array) -> Array:
    """Return theta > 0 with (e^theta - 1 - theta)/theta = `excess`, by Newton's method."""
    theta = 2.0 * np.log1p(excess)  # not below the root, as u - 1/u >= 2 log u for u >= 1
    for _ in range(STEPS):
        few = np.minimum(theta, SMALL)
        series, term = np.zeros_like(few), np.ones_like(few)
        for i in range(2, 16):
            term = term * few / i
            series = series + term
        value = np.where(theta < SMALL, series, (np.expm1(theta) - theta) / theta)
        step = (value - excess) * theta / (np.expm1(theta) - value)
        theta = theta - step
        if np.all(np.abs(step) <= 1e-15 * theta):
            break
    return np.asarray(theta)
