"""Two modes of many at each load: the delay between them, and their parts of the jobs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Modes, Segment, segments


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two modes at each of K loads, among which the best assignment is.

    Attributes
    ----------
    modes : ndarray of int, shape (K, 2)
    lines : Segment
        Delay over the stable interval of the two modes at each load.
    bound : ndarray, shape (K,)
        Lower bound of the delay of all assignments, also to other modes; infinite where there are
        no others.
    """

    modes: npt.NDArray[np.intp]
    lines: Segment
    bound: Array


def segments_of(modes: Modes, pairs: npt.NDArray[np.intp], loads: Array) -> Segment:
    """Return the segments of two modes of many at each load, shapes (K, 2) and (K,)."""
    several, place = np.unique(pairs, axis=0, return_inverse=True)
    parts = [np.flatnonzero(place.ravel() == i) for i in range(len(several))]
    fixed = bool(modes.delay.any())
    columns: list[tuple[Array, Array, Array, Array]] = []
    for pair, rows in zip(several, parts, strict=True):
        line = segments(modes.take(pair), loads[rows])
        above, below = line.above, line.below
        if fixed and not line.fixed:  # neither of the two has a delay: a term 0 / (c^2 + s^2)
            a, b = (line.start**2).sum(axis=1), (line.end**2).sum(axis=1)
            ab = 2 * (line.start * line.end).sum(axis=1)
            square = np.stack([a, ab, b], axis=-1)[:, None]
            above, below = (
                np.append(x, y, axis=1) for x, y in ((above, 0 * square), (below, square))
            )
        columns.append((line.start, line.end, above, below))
    back = np.argsort(np.concatenate(parts))
    start, end, above, below = (np.concatenate(c)[back] for c in zip(*columns, strict=True))
    return Segment(start, end, above, below, fixed)


def scatter(parts: Array, pairs: npt.NDArray[np.intp], modes: int) -> Array:
    """Return assignments, shape (K, M), of parts of the jobs in some modes, shape (K, 2)."""
    out = np.zeros((len(parts), modes))
    np.put_along_axis(out, pairs, parts, axis=1)
    return out
