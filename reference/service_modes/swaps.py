"""Better assignments by exchange: one of the modes in use for one of the others, ever again.

A search that starts from a good assignment ends sooner. This proves nothing.
"""

from __future__ import annotations

import numpy as np

from .cells import descend
from .search import POLISH, Best

ROUNDS = 20  # of exchanges at a load, at most
PARTS = (1.0, 0.3)  # roots of the part of the new mode that are tried, over the mean one
GAIN = 1e-10  # relative, of a round that is followed by another


def exchange(best: Best) -> None:
    """Put the best assignments that exchanges of modes reach in the place of those given."""
    for k in range(best.delay.size):
        for _ in range(ROUNDS):
            before = best.delay[k]
            _round(best, k)
            if not best.delay[k] < before * (1 - GAIN):
                break


def _round(best: Best, k: int) -> None:
    """Try all exchanges of one mode at a load."""
    problem, support, w = best.problem, best.support[:, k], best.w[:, k]
    others = np.setdiff1d(np.arange(problem.modes.modes), support)
    place, other = (a.ravel() for a in np.meshgrid(np.arange(w.size), others))
    column = np.arange(place.size)
    trial = np.repeat(support[:, None], place.size, axis=1)
    trial[place, column] = other
    starts = np.repeat(w[:, None], len(PARTS) * place.size, axis=1)
    mean = np.sqrt((w * w).mean())
    for i, part in enumerate(PARTS):
        starts[place, i * place.size + column] = part * mean
    trial, point = np.tile(trial, len(PARTS)), np.full(starts.shape[1], k)
    stable = np.flatnonzero(np.isfinite(problem.at(trial, point).delay(starts)))
    if not stable.size:
        return
    found, delay = descend(problem.at(trial[:, stable], point[stable]), starts[:, stable], POLISH)
    least = int(np.argmin(delay))
    if delay[least] < best.delay[k]:
        modes = trial[:, stable[least]]
        order = np.argsort(modes)
        best.put(k, modes[order], found[order, least], float(delay[least]))
