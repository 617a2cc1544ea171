"""The best assignment as the load tends to 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Modes

SERVICE_TIME_TOL = 1e-14  # relative difference of service times that is rounding
TINY = float(np.finfo(float).tiny)


def light_load_assignment(modes: Modes) -> Array:
    """Return the limit of the best assignment as the load tends to 0, shape (M,).

    Notes
    -----
    It is the mode of least total time. Of several such modes the terms of first order in the load
    decide. Modes that share no stage then work side by side, with the delay load sum_m p_m^2 q_m,
    q_m = sum_s a_sm^2, beside the total time; it is least where p_m is in proportion to 1/q_m, and
    then load / sum_m (1/q_m). Two modes with work at one stage are not mixed: to divide a stage
    costs time at every load. Of the modes with work at the same stages, one of least q_m is enough.
    """
    unit = modes.time.sum(axis=0).max()
    total = (modes.time.sum(axis=0) + modes.delay) / unit
    squares = np.maximum(((modes.time / unit) ** 2).sum(axis=0), TINY)
    fastest = np.flatnonzero(total - total.min() <= 2 * SERVICE_TIME_TOL * total.min())
    by_stages: dict[bytes, int] = {}
    for m in fastest.tolist():
        kept = by_stages.setdefault((modes.time[:, m] > 0).tobytes(), m)
        if squares[m] < squares[kept]:
            by_stages[(modes.time[:, m] > 0).tobytes()] = m
    best = max(
        _apart(modes.time > 0, sorted(by_stages.values())), key=lambda g: (1 / squares[g]).sum()
    )
    p = np.zeros(modes.modes)
    p[best] = 1 / squares[best]
    return np.asarray(p / p.sum())


def _apart(busy: npt.NDArray[np.bool_], modes: list[int]) -> Iterator[list[int]]:
    """Yield the sets of modes of which no two have work at the same stage."""
    for i, first in enumerate(modes):
        others = [m for m in modes[i + 1 :] if not np.any(busy[:, m] & busy[:, first])]
        yield [first]
        yield from ([first, *rest] for rest in _apart(busy, others))
