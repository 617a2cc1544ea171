"""Counts of times in bins whose width is a fixed part of the time, found without a logarithm.

A bin holds the floats whose exponent and first `BITS` digits are the same, so that the index of a
bin is the float's pattern of bits, shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array

BITS = 8
RESOLUTION = 2.0**-BITS
"""Largest width of a bin relative to the times in it: the relative error of a percentile."""
SHIFT = np.int64(52 - BITS)
OCTAVES = 48  # times below 2^-48 of the largest of a chunk count as that: memory is bounded
SPAN = OCTAVES << BITS

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of times in bins from the bin `low` on.

    Attributes
    ----------
    low : int
        Index of the first bin.
    counts : ndarray of int, shape (m,)
        Number of times in each bin.
    """

    low: int
    counts: Counts

    @classmethod
    def empty(cls) -> Histogram:
        """Return the histogram of no times."""
        return cls(0, np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, times: Array) -> Histogram:
        """Return the histogram of times of 0 or more, shape (n,)."""
        if not times.size:
            return cls.empty()
        index = np.ascontiguousarray(times).view(np.int64) >> SHIFT
        low, high = int(index.min()), int(index.max())
        if high - low > SPAN:
            low = high - SPAN
            np.maximum(index, low, out=index)
        index -= low
        return cls(low, np.bincount(index))

    def joined(self, other: Histogram) -> Histogram:
        """Return the histogram of the times of both."""
        if not self.counts.size or not other.counts.size:
            return other if other.counts.size else self
        low = min(self.low, other.low)
        high = max(self.low + self.counts.size, other.low + other.counts.size)
        counts = np.zeros(high - low, dtype=np.int64)
        for part in (self, other):
            start = part.low - low
            counts[start : start + part.counts.size] += part.counts
        return Histogram(low, counts)

    @property
    def edges(self) -> Array:
        """Ends of the bins, shape (m + 1,)."""
        index = np.arange(self.low, self.low + self.counts.size + 1, dtype=np.int64)
        return (index << SHIFT).view(np.float64)

    @cached_property
    def cumulated(self) -> Array:
        """Number of times below each of the `edges`, shape (m + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.counts)])

    def below(self, time: float) -> float:
        """Return the number of times below a time, interpolated in its bin."""
        if not self.counts.size or time <= 0.0:
            return 0.0
        position = int(np.float64(time).view(np.int64) >> SHIFT) - self.low
        if not 0 <= position < self.counts.size:
            return 0.0 if position < 0 else float(self.cumulated[-1])
        start, end = (np.arange(2) + (self.low + position) << SHIFT).view(np.float64)
        part = (time - start) / (end - start)
        return float(self.cumulated[position] + part * self.counts[position])
