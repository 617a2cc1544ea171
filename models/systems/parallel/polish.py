"""From a solver's flows to answers: polished where that gains, certified whatever they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from .certificate import Certificates, certify_rows
from .newton import NOWHERE, Steps, polish_rows
from .prices import Goal

ROUNDING = 1e-12  # gap below which one answer is not better than another


@dataclass(frozen=True, eq=False)
class Finished:
    """K answers: flows, shape (K, n), Newton steps of each (0 where the solver's own answer stands), and their certificates."""

    flow: Array
    steps: Steps
    certificates: Certificates


def finish(bank: ServerBank, load: Array, flow: Array, goal: Goal, *, polish: bool) -> Finished:
    """Polish K flows, shape (K, n), where it is asked for and gains; certify."""
    if not polish:
        return Finished(
            flow, np.zeros(load.shape, dtype=np.intp), certify_rows(bank, load, flow, goal)
        )
    polished, steps = polish_rows(bank, load, flow, goal)
    certificates = certify_rows(bank, load, polished, goal)
    # the gap is quadratic in the flows: between two that are rounding, the polished flows are the better ones
    doubtful = np.flatnonzero((steps == NOWHERE) | ~(certificates.gap <= ROUNDING))
    if doubtful.size:
        own = certify_rows(bank, load[doubtful], flow[doubtful], goal)
        worse = (steps[doubtful] == NOWHERE) | ~(certificates.gap[doubtful] <= own.gap)
        rows = doubtful[worse]
        polished[rows], steps[rows] = flow[rows], 0
        certificates.put(rows, own.values(worse))
    return Finished(polished, steps, certificates)
