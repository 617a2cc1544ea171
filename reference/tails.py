"""Late jobs: the probability that a job is at a server for longer than a given time.

P(T > t; x) is that probability at a flow x, the network delay included. For M/G/1 servers, first
come, first served, and for M/M/c stations, x P(T > t; x) is increasing and convex in x below the
rate, so that the late jobs of a split are a convex function of it. At and above the rate every job
is late.

Where the sojourn is a wait and then an exponential service, its tail is made of the integrals

    I_j(a, b, t) = int_0^t e^{-a s} (t - s)^j e^{-b (t - s)} ds,   j = 0, 1, 2,

which stay accurate where a and b are nearly equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .compensated_sum import EPS
from .errors import Array, InputError

if TYPE_CHECKING:
    from .server_bank import ServerBank

EXACT, APPROXIMATION, NO_TAIL = "exact", "approximation", ""
"""Kinds of the tail of a server."""
NO_TAILS = "has no probability of late jobs"
REMEDY = "use MM1, MD1, MG1 or MMc servers, first come, first served"
STEEP = 16  # rounding errors of a probability of late jobs, for each power of e that it is small by
CLOSE = 2.0  # |b - a| t up to which quadrature replaces differences of exponentials
NAMED = 3  # servers that a warning names
NODES = 14  # of that quadrature, whose error is then below that of rounding


class LateJobs(NamedTuple):
    """Late jobs of servers at a flow: P(time of a job > t), and its derivatives in the flow.

    Attributes
    ----------
    share : ndarray, shape (..., n)
        Probability that a job is late, the network delay included.
    slope : ndarray, shape (..., n)
        First derivative of `share` in the flow, units of time.
    curvature : ndarray, shape (..., n)
        Second derivative of `share` in the flow, units of time squared.
    """

    share: Array
    slope: Array
    curvature: Array

    @property
    def rounding(self) -> Array:
        """Largest relative rounding error of `share`, shape (..., n).

        It is that at a flow and a spare capacity of which each has full relative accuracy, and at a
        time up to its own rounding: M/D/1 tails have kinks in the time.
        """
        # a rounding error of an exponent is as much larger than that of the share as the exponent
        return EPS * STEEP * (1.0 - np.log(np.maximum(self.share, 1e-300)))


def check_tails(bank: ServerBank) -> None:
    """Raise InputError at the first server of a bank without a probability of late jobs."""
    start = 0
    for part in bank.banks:
        kinds = part.tail_kind
        if NO_TAIL in kinds:
            field = f"servers[{start + kinds.index(NO_TAIL)}]"
            problem = NO_TAILS
            if set(kinds) != {NO_TAIL} or hasattr(part, "base_priority"):
                problem += " with priorities or batches"
            raise InputError(field, type(part).__name__, problem, REMEDY)
        start += len(part)


def exponential_late(at_server: Array, spare_capacity: Array) -> LateJobs:
    """Return the late jobs where the time at a server is exponential with the rate mu - x.

    Parameters
    ----------
    at_server : ndarray, shape (..., n)
        Time less the network delay, > 0.
    spare_capacity : ndarray, shape (..., n)
        mu - x > 0.
    """
    share = np.exp(-spare_capacity * at_server)
    return LateJobs(share, at_server * share, at_server * at_server * share)


def exponential_wait(chance: LateJobs, decay: Array, fall: Array, wait: Array) -> LateJobs:
    """Return P(W > w) = C e^{-b w} and its derivatives in the flow.

    Parameters
    ----------
    chance : LateJobs
        Probability C to wait, and its derivatives in the flow.
    decay, fall : ndarray, shape (..., n)
        Decay b, and by how much it falls per unit of flow.
    wait : ndarray, shape (..., n)
        Time w >= 0.
    """
    c, slope, curvature = chance
    left, grown = np.exp(-decay * wait), fall * wait
    second = curvature + grown * (2.0 * slope + grown * c)
    return LateJobs(c * left, (slope + grown * c) * left, second * left)


def integrals(a: Array, b: Array, t: Array) -> tuple[Array, Array, Array]:
    """Return I_j(a, b, t) for j = 0, 1, 2, to rounding error; see the header of the module.

    With v = (t - s)/t they are t^{j+1} e^{-a t} int_0^1 v^j e^{u v} dv, where u = (a - b) t.
    """
    a, b, t = np.broadcast_arrays(a, b, t)
    u = (a - b) * t
    near = np.abs(u) < CLOSE
    wide = np.where(near, CLOSE, u)
    # e^{u - max(u, 0)} and e^{-max(u, 0)}: the larger exponential is taken out
    end, start = np.exp(np.minimum(wide, 0.0)), np.exp(-np.maximum(wide, 0.0))
    zeroth = (end - start) / wide
    first = (end - zeroth) / wide
    second = (end - 2.0 * first) / wide
    parts = [zeroth, first, second]
    if np.count_nonzero(near):
        few = np.where(near, u, 0.0)
        grown = np.zeros((3, *u.shape))
        for v, weight in zip(*_gauss(NODES), strict=True):
            term = weight * np.exp(few * v - np.maximum(few, 0.0))
            for j in range(3):
                grown[j] += term * v**j
        parts = [
            np.where(near, near_part, part) for near_part, part in zip(grown, parts, strict=True)
        ]
    scale = np.exp(-np.minimum(a, b) * t) * t
    return scale * parts[0], scale * t * parts[1], scale * t * t * parts[2]


@lru_cache(1)
def _gauss(count: int) -> tuple[list[float], list[float]]:
    """Return nodes and weights of Gauss and Legendre's quadrature on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return ((nodes + 1.0) / 2.0).tolist(), (weights / 2.0).tolist()


def after_wait(service: Array, chance: LateJobs, decay: Array, fall: Array, t: Array) -> LateJobs:
    """Return the late jobs of a wait of tail C e^{-b w} before an exponential service of rate a.

    P(T > t) = e^{-a t} + C a I_0(a, b, t), with the derivatives of C and of b in the flow.

    Parameters
    ----------
    service : ndarray, shape (..., n)
        Rate a of the service.
    chance : LateJobs
        Probability C to wait, and its derivatives in the flow.
    decay, fall : ndarray, shape (..., n)
        Decay b of the tail of the wait, and by how much it falls per unit of flow.
    t : ndarray, shape (..., n)
        Time, > 0.
    """
    zeroth, first, second = (service * i for i in integrals(service, decay, t))
    first, second = fall * first, fall * fall * second
    return LateJobs(
        np.exp(-service * t) + chance.share * zeroth,
        chance.slope * zeroth + chance.share * first,
        chance.curvature * zeroth + 2.0 * chance.slope * first + chance.share * second,
    )


def tail_caveats(bank: ServerBank, names: Sequence[str]) -> list[str]:
    """Return a warning about the servers whose late jobs are an approximation; else none.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    names : sequence of n str
        Names of the servers.
    """
    named = zip(names, bank.tail_kind, strict=True)
    rough = [name for name, kind in named if kind == APPROXIMATION]
    if not rough:
        return []
    listed = ", ".join(rough[:NAMED]) + ", ..." * (len(rough) > NAMED)
    return [
        f"the late jobs of {listed} are an approximation: the tail of the wait is taken as "
        "exponential, and the law of the service time is known by its mean and cv alone"
    ]
