"""Flows of servers at a price of late jobs: the inverse of the marginal number of late jobs.

Of the x jobs per unit of time at a server, f(x) = x P(T > t; x) are late; f is convex, and
m(x) = P + x P' rises from P(T > t; 0) on. At the price c a server takes the flow at which m(x) = c.
Prices span hundreds of powers of ten, so they are given as logarithms.

Where the time at a server is exponential, with tau = t - delay,

    (1 + tau x) e^{-(R - x) tau} = c,   so   1 + tau x = W(c e^{1 + R tau})

with Lambert's function W. For other families it is a root, by Newton's method in a bracket.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS
from ...errors import Array
from ...mg1 import MM1
from ...server_bank import ServerBank

Mask = npt.NDArray[np.bool_]
STEPS = 100  # of Newton's method, of which some six are usual
NEAR = 1e-7  # relative step after which one more step reaches rounding error
FARTHEST = 1e8  # factor by which a bracket without an end is extended
FULL = 1e-20  # spare capacity, as a part of the rate, of a server that counts as full


class LateFlow(NamedTuple):
    """Servers at a price of late jobs; every field has the shape (K, n).

    Attributes
    ----------
    flow, spare_capacity : ndarray
        Flow x, and rate less flow, each with all its digits.
    response : ndarray
        Derivative of the flow in the logarithm of the price; 0 at a bound.
    """

    flow: Array
    spare_capacity: Array
    response: Array


class LatePrices:
    """The flows of n servers at K prices of late jobs, for K times.

    Parameters
    ----------
    bank : ServerBank
        n servers with `sojourn.reference.ServerBank.late_jobs`.
    least, most : ndarray, shape (n,)
        Bounds of the flow of each server, from 0 to its rate.
    time : ndarray, shape (K,)
        Time after which a job is late.
    """

    def __init__(self, bank: ServerBank, least: Array, most: Array, time: Array) -> None:
        self.bank, self.least, self.most, self.time = bank, least, most, time[:, None]
        self.most_spare = bank.spare_capacity(least)
        self.least_spare = np.where(most < bank.rate, bank.spare_capacity(most), 0.0)
        empty = bank.late_jobs(np.zeros(len(bank)), self.time).share
        self.hopeless = empty == 1.0
        with np.errstate(divide="ignore"):
            self.first = np.log(empty)  # logarithm of the price at which a server is first used

    def at(self, price: Array, start: LateFlow) -> LateFlow:
        """Return the servers at prices.

        Parameters
        ----------
        price : ndarray, shape (K,)
            Logarithms of the prices.
        start : LateFlow
            Where Newton's method starts, such as the servers at other prices.
        """
        c, out, low = price[:, None], [], 0
        unused = (c <= self.first) | (self.hopeless & (c <= 0.0))
        for part in self.bank.banks:
            cut = np.s_[..., low : low + len(part)]
            low += len(part)
            if isinstance(part, MM1):
                found = _exponential(part, c, self.time)
            else:
                near, idle = LateFlow(*(v[cut] for v in start)), unused[cut] | self.hopeless[cut]
                most = self.most[cut]
                found = _by_newton(part, c, self.time, most, near, idle)
            out.append(found)
        columns = zip(*out, strict=True)
        flow, spare, response = (np.concatenate(column, axis=-1) for column in columns)
        full = ~unused & (self.hopeless | (flow >= self.most) | (spare <= self.least_spare))
        unused |= ~full & (flow <= self.least)
        flow = np.where(unused, self.least, np.where(full, self.most, flow))
        spare = np.where(unused, self.most_spare, np.where(full, self.least_spare, spare))
        return LateFlow(flow, spare, np.where(unused | full, 0.0, response))


def _exponential(bank: ServerBank, price: Array, time: Array) -> LateFlow:
    """Return M/M/1 servers at prices, in closed form."""
    from scipy.special import wrightomega  # imported here: it would slow down the import

    tau = np.where(time > bank.delay, time - bank.delay, 1.0 / bank.rate)
    with np.errstate(all="ignore"):
        whole = bank.rate * tau
        w = wrightomega(price + 1.0 + whole)
        used = np.maximum(w - 1.0, 0.0)  # tau x
        unused = np.maximum(whole - used, 0.0)  # tau (R - x)
        # one step of Newton's method gives each of them its own digits
        used = used + (price + whole - used - np.log1p(used)) * (1.0 + used) / (2.0 + used)
        left = unused - np.log1p(-unused / (1.0 + whole)) - (np.log1p(whole) - price)
        unused = unused - left * (1.0 + whole - unused) / (2.0 + whole - unused)
        used, unused = np.maximum(used, 0.0), np.maximum(unused, 0.0)
        light = used < unused
        flow = np.where(light, used / tau, bank.rate - unused / tau)
        spare = np.where(light, bank.spare_capacity(flow), unused / tau)
        response = (1.0 + used) / (2.0 + used) / tau
    return LateFlow(flow, spare, response)


def _by_newton(
    bank: ServerBank, price: Array, time: Array, most: Array, start: LateFlow, idle: Mask
) -> LateFlow:
    """Return servers at prices, by Newton's method from `start` within a bracket.

    The logarithm of the marginal number of late jobs is nearly linear in the flow where this grows
    exponentially, and in the logarithm of the flow where it grows as a power. A step out of the
    bracket is replaced by the middle, in the logarithm of x/(R - x). No flow of an `idle` server is
    used.
    """
    rate = bank.rate
    bounded = np.where(most < rate, bank.spare_capacity(most), FULL * rate)
    top = most / bounded
    shape = np.broadcast_shapes(price.shape, time.shape, start.flow.shape)
    low, high = np.zeros(shape), np.broadcast_to(top, shape).copy()
    flow, spare = start.flow, start.spare_capacity
    outside = (flow <= 0) | (spare <= bounded) | (flow >= most)
    even = np.sqrt(np.minimum(top, 1.0 / top)) * np.ones(shape)
    flow = np.where(outside, rate * (even / (1.0 + even)), flow)
    spare = np.where(outside, rate / (1.0 + even), spare)
    response, last = np.zeros(shape), False
    for _ in range(STEPS):
        share, slope, curvature = bank.late_jobs(flow, time, spare)
        marginal, rise = share + flow * slope, 2.0 * slope + flow * curvature
        with np.errstate(all="ignore"):
            missing = price - np.log(marginal)
            ratio = flow / spare
            low = np.where(missing > 0, ratio, low)
            high = np.where(missing < 0, ratio, high)
            response = marginal / rise
            linear = missing * response
            power = flow * np.expm1(linear / flow)
            step = np.where(flow < response, linear, power)
            new_flow, new_spare = flow + step, spare - step
            new = new_flow / new_spare
            size = np.abs(step) / np.minimum(flow, spare)
            # a last step may leave the bracket by a rounding error
            inside = (new_flow > 0) & (new_spare > 0) & ((new > low) & (new < high) | (size < NEAR))
            floor = np.where(low > 0, low, high / FARTHEST)
            middle = np.sqrt(floor * np.minimum(high, floor * FARTHEST**2))
            moved = np.where(inside, 0.0, middle)
            new_flow = np.where(inside, new_flow, rate * (moved / (1.0 + moved)))
            new_spare = np.where(inside, new_spare, rate / (1.0 + moved))
            # closer to the price than its rounding error, any flow is as good
            kept = np.abs(missing) <= 2 * EPS * (1.0 + np.abs(price))
            done = idle | kept | (high <= low * (1.0 + 1e-15)) | (high < FULL)
            done |= low >= top * (1.0 - 1e-15)
        light = new_flow < new_spare
        flow = np.where(kept, flow, np.where(light, new_flow, rate - new_spare))
        spare = np.where(kept, spare, np.where(light, bank.spare_capacity(new_flow), new_spare))
        if last:
            break
        last = bool(np.all(done | (inside & (size < NEAR))))
    return LateFlow(flow, spare, np.where(np.isfinite(response), response, 0.0))
