"""From a solver's flows to certified answers: polished where that lowers the gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from .certificate import Certificates, certify_rows
from .newton import NO_START, Steps, polish_rows
from .prices import Goal

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
    """

    flow: Array
    steps: Steps
    certificates: Certificates


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
        no_steps = np.zeros(load.shape, dtype=np.intp)
        return Polished(flow, no_steps, certify_rows(bank, load, flow, goal))
    polished, steps = polish_rows(bank, load, flow, goal)
    certificates = certify_rows(bank, load, polished, goal)
    # gaps below ROUNDING cannot rank two answers; there keep the polished one
    doubtful = np.flatnonzero((steps == NO_START) | ~(certificates.gap <= ROUNDING))
    if doubtful.size:
        own = certify_rows(bank.at(doubtful), load[doubtful], flow[doubtful], goal)
        worse = (steps[doubtful] == NO_START) | ~(certificates.gap[doubtful] <= own.gap)
        rows = doubtful[worse]
        polished[rows], steps[rows] = flow[rows], 0
        certificates.put(rows, own.values(worse))
    return Polished(polished, steps, certificates)
