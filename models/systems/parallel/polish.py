"""From a solver's flows to certified answers: polished where that lowers the gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from .certificate import Certificates, certify_rows
from .newton import NO_START, Steps, polish_with_prices
from .prices import Goal, multiplier

ROUNDING = 1e-12  # gaps below this are rounding errors, and cannot rank two answers


@dataclass(frozen=True, eq=False)
class Polished:
    """K certified answers.

    Attributes
    ----------
    flow : ndarray, shape (K, n)
        Flows.
    steps : ndarray of int, shape (K,)
        Newton steps of each; 0 where the flows are the solver's own.
    certificates : Certificates
        A certificate for each.
    multiplier : ndarray, shape (K,)
        Price that the used servers share; see `sojourn.models.systems.parallel.prices.multiplier`.
    """

    flow: Array
    steps: Steps
    certificates: Certificates
    multiplier: Array


def polish_and_certify(
    bank: ServerBank, load: Array, flow: Array, goal: Goal, *, polish: bool
) -> Polished:
    """Return K certified answers from K flows, shape (K, n), for loads of shape (K,).

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (K,)
        Total loads.
    flow : ndarray, shape (K, n)
        The solver's flows.
    goal : {"optimum", "equilibrium"}
        The problem that was solved.
    polish : bool
        Whether to take Newton steps; the solver's flows are kept where their gap is smaller.
    """
    if not polish:
        return _of_solver(bank, load, flow, goal)
    x, steps, price = polish_with_prices(bank, load, flow, goal)
    found = Polished(x, steps, certify_rows(bank, load, x, goal, price), price)
    gap = found.certificates.gap
    # gaps below ROUNDING cannot rank two answers; there keep the polished one
    doubtful = np.flatnonzero((steps == NO_START) | ~(gap <= ROUNDING))
    if doubtful.size:
        own = _of_solver(bank.at(doubtful), load[doubtful], flow[doubtful], goal)
        worse = (steps[doubtful] == NO_START) | ~(gap[doubtful] <= own.certificates.gap)
        rows = doubtful[worse]
        for name in ("flow", "steps", "multiplier"):
            getattr(found, name)[rows] = getattr(own, name)[worse]
        found.certificates.put(rows, own.certificates.values(worse))
    return found


def _of_solver(bank: ServerBank, load: Array, flow: Array, goal: Goal) -> Polished:
    """Return a solver's own flows, certified."""
    with np.errstate(all="ignore"):
        price = multiplier(bank, load, flow, goal)
    steps = np.zeros(load.shape, dtype=np.intp)
    return Polished(flow, steps, certify_rows(bank, load, flow, goal, price), price)
