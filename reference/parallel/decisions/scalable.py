"""Servers whose rate is one number that scales their service time: M/M/1, M/D/1 and M/G/1.

With variability k = (1 + cv^2)/2 the total delay of a server with the flow x and the rate mu is

    x l(x) = x (d + 1/mu) + k x^2/(mu (mu - x)),

which is convex in mu for every cv: 1/(mu (mu - x)) is a product of two positive, decreasing, convex
functions. The coefficient of variation stays the same while the rate changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...composed import MixedBank
from ...errors import Array, InputError
from ...mg1 import MD1, MG1, MM1
from ...server_bank import ServerBank


def check_scalable(bank: ServerBank, names: tuple[str, ...]) -> None:
    """Raise InputError at the first server that has more than one rate, or none.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    names : tuple of str
        Their names, for the error.
    """
    start = 0
    for part in families(bank):
        own = isinstance(part, MM1 | MD1 | MG1) and type(part).__module__.startswith("sojourn.")
        if not own or part._numbers is not None:
            shared = " with a base load or batches" if own else ""
            problem = f"of {names[start]}, {type(part).__name__}{shared}: is no single rate to size"
            remedy = "use MM1, MD1 and MG1 servers without base loads and batches"
            raise InputError(f"servers[{start}]", type(part).__name__, problem, remedy)
        start += len(part)


def at_rates(bank: ServerBank, rate: Array) -> Any:
    """Return the servers with other rates, of the same class.

    Parameters
    ----------
    bank : ServerBank
        Servers that `check_scalable` accepts.
    rate : ndarray, shape (n,)
        Rates above 0; a server with the rate 0 is left out.
    """
    if isinstance(bank, MixedBank):
        each = zip(bank.parts, np.split(rate, bank.edges[1:-1]), strict=True)
        return bank._like([at_rates(part, own) for part, own in each if np.any(own > 0)])
    kept = np.flatnonzero(rate > 0)
    rates = rate[kept]
    rates.flags.writeable = False
    return bank.take(kept)._with(rate=rates)


def server_delay(flow: Array, rate: Array, k: Array, delay: Array) -> Array:
    """Return the mean time of a job at each server, shape (..., n).

    Parameters
    ----------
    flow : ndarray, shape (..., n)
        Load x of each server, jobs per unit of time.
    rate : ndarray, shape (n,)
        Rates; times are infinite where they are not above the flow, and delays where infinite.
    k, delay : ndarray, shape (n,)
        Variabilities and network delays.
    """
    stable = (rate > flow) & np.isfinite(rate)
    mu = np.where(stable, rate, 1.0)
    spare = np.where(stable, rate - flow, 1.0)
    at_server = np.where(stable, (1.0 + k * flow / spare) / mu, np.inf)
    return np.asarray(delay + np.where(np.isposinf(rate), 0.0, at_server))


def total_delay(flow: Array, rate: Array, k: Array, delay: Array) -> Array:
    """Return flow times latency of each server, shape (..., n); 0 without a flow.

    Parameters are those of `server_delay`.
    """
    used = flow > 0
    latency = np.where(used, server_delay(flow, rate, k, delay), 0.0)
    return np.asarray(flow * latency)


def families(bank: ServerBank) -> list[Any]:
    """Return the banks of one family, in order."""
    if isinstance(bank, MixedBank):
        return [family for part in bank.parts for family in families(part)]
    return [bank]
