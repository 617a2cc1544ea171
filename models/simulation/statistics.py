"""Means, percentiles and utilisations of simulated jobs, with confidence intervals.

*Batch means.* Jobs come in chunks, in the order of their arrival. Consecutive chunks are one batch;
where there are too many batches, pairs of neighbours are joined, so that memory is bounded whatever
the number of jobs. The means of long batches are nearly independent. Those of times in a queue are
skewed to the right, so that Student's interval lies too low: it is adjusted for their skewness (R.
Willink, *A confidence interval and test for the mean of an asymmetric distribution*, Comm. Stat.
34, 2005; A. Tafazzoli and J. R. Wilson, *Skart*, IIE Trans. 43, 2011). Where the batches have
different numbers of jobs, it is that of a ratio of sums (Law and Kelton, *Simulation Modeling and
Analysis*, ch. 9). Measured in 3,000 runs each, just long enough: intervals of 99 % cover the mean
of M/M/1 at a utilisation of 0.8 in 99.0 % (Student's in 98.2 %), that of M/G/1 of cv 3 at 0.5 in
98.3 % (96.9 %).

*Percentiles* are read from a histogram of bins of a relative width of `RESOLUTION`. Their interval
is that of the share of jobs below them, by the same batches, carried over to times by the inverse
of the distribution and widened by one bin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...reference.errors import Array
from .histogram import RESOLUTION as RESOLUTION
from .histogram import Histogram

BATCHES = 32  # largest number of batches of one run; at least half as many in a long one
LEVEL = 0.99
"""Confidence level by default."""
SIGNIFICANT = 2.6  # standard errors from which a correlation of batches is no chance
CORRELATED = 0.05  # correlation of neighbouring batches that hardly changes an interval
NO_SKEW = 1e-6  # a sixth of a skewness that changes nothing
STEPS = 100  # halvings in the search for a percentile


class Estimate(NamedTuple):
    """An estimated number and its confidence interval.

    Attributes
    ----------
    value, low, high : float
        The number and the ends of its interval; these are infinite where nothing bounds it.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Batch:
    """Sums over consecutive jobs of a run.

    Attributes
    ----------
    jobs : int
        Number of recorded jobs.
    total : float
        Sum of their times.
    busy, elapsed : float
        Work that came, over the number of servers, and length of the batch, both in time.
    times : Histogram
        Histogram of the times.
    """

    jobs: int
    total: float
    busy: float
    elapsed: float
    times: Histogram

    def joined(self, other: Batch) -> Batch:
        """Return the sums over the jobs of both."""
        return Batch(
            self.jobs + other.jobs,
            self.total + other.total,
            self.busy + other.busy,
            self.elapsed + other.elapsed,
            self.times.joined(other.times),
        )


class Statistics:
    """Recorder of the times of jobs of one kind, such as those of one server.

    Examples
    --------
    >>> rng, recorder = np.random.default_rng(1), Statistics()
    >>> for _ in range(100):
    ...     recorder.add(rng.standard_exponential(1000))
    >>> found = recorder.mean()
    >>> recorder.jobs, found.low < 1.0 < found.high, round(found.value, 2)
    (100000, True, 1.0)
    >>> round(recorder.percentile(0.5).value, 2)  # log(2)
    0.69
    """

    def __init__(self, capacity: int = BATCHES, *, percentiles: bool = True) -> None:
        """Start without jobs.

        Parameters
        ----------
        capacity : int, default 32
            Largest number of batches, an even one.
        percentiles : bool, default True
            Whether to keep histograms of the times, some MB, for percentiles.
        """
        self._histogram = Histogram.of if percentiles else lambda times: Histogram.empty()
        self._capacity, self._span, self._pending = capacity, 1, 0
        self._full: list[Batch] = []
        self._part: Batch | None = None
        self._total: Histogram | None = None

    def add(self, times: Array, busy: float = 0.0, elapsed: float = 0.0) -> None:
        """Record a chunk of jobs; chunks of one run should have about the same length.

        Parameters
        ----------
        times : ndarray, shape (n,)
            Times of the jobs at the station or in the system, 0 or more, in order of arrival.
        busy, elapsed : float, optional
            For the utilisation: work that came during the chunk, a time, over the number of
            servers; and the length of the chunk.
        """
        chunk = Batch(times.size, float(times.sum()), busy, elapsed, self._histogram(times))
        self._part = chunk if self._part is None else self._part.joined(chunk)
        self._total, self._pending = None, self._pending + 1
        if self._pending == self._span:
            self._full.append(self._part)
            self._part, self._pending = None, 0
        if len(self._full) == self._capacity:
            pairs = zip(self._full[::2], self._full[1::2], strict=True)
            self._full = [first.joined(second) for first, second in pairs]
            self._span *= 2

    @classmethod
    def merged(cls, runs: Iterable[Statistics]) -> Statistics:
        """Return the record of the jobs of several independent runs."""
        found = cls()
        found._full = [batch for run in runs for batch in run.batches]
        found._capacity = 0  # it takes no more jobs
        return found

    @property
    def batches(self) -> list[Batch]:
        """Batches; what is left over is in the last one."""
        if self._part is None:
            return self._full
        if not self._full:
            return [self._part]
        return [*self._full[:-1], self._full[-1].joined(self._part)]

    @property
    def jobs(self) -> int:
        """Number of recorded jobs."""
        return sum(batch.jobs for batch in self.batches)

    @property
    def times(self) -> Histogram:
        """Histogram of all jobs."""
        if self._total is None:
            total = Histogram.empty()
            for batch in self.batches:
                total = total.joined(batch.times)
            self._total = total
        return self._total

    def mean(self, level: float = LEVEL) -> Estimate:
        """Return the mean time with its interval.

        Parameters
        ----------
        level : float, default 0.99
            Confidence level, above 0 and below 1.
        """
        return mean_of([self], [1.0], [0.0], level)

    def percentile(self, p: float, level: float = LEVEL) -> Estimate:
        """Return the time that a share p of the jobs does not exceed, with its interval.

        Parameters
        ----------
        p : float
            Share, above 0 and below 1.
        level : float, default 0.99
            Confidence level, above 0 and below 1.
        """
        return percentile_of([self], [1.0], [0.0], p, level)

    def utilisation(self, level: float = LEVEL) -> Estimate:
        """Return the utilisation with its interval; NaN where no time has passed."""
        spread = _ratio(self.batches, lambda b: b.busy, lambda b: b.elapsed)
        return _interval([spread], [1.0], 0.0, level)

    @property
    def shortfall(self) -> float:
        """Factor by which the run is too short, 1 where nothing is found.

        Neighbouring batches should be nearly independent. Where their correlation is no chance
        (von Neumann's test), it would fall to a twentieth in a run this many times as long.
        """
        batches = self.batches
        if len(batches) < 8:
            return 1.0
        mean = sum(b.total for b in batches) / max(self.jobs, 1)
        off = np.array([b.total - mean * b.jobs for b in batches])
        square = float(off @ off)
        found = float(off[1:] @ off[:-1]) / square if square > 0 else 0.0
        chance = SIGNIFICANT / math.sqrt(len(batches))
        return max(1.0, found / CORRELATED) if found > chance else 1.0


class Spread(NamedTuple):
    """A ratio of sums over batches.

    Attributes
    ----------
    value : float
        The ratio.
    variance : float
        Its estimated variance.
    third : float
        Estimate of its third cumulant, 0 of fewer than three batches.
    freedom : int
        Number of batches less one.
    """

    value: float
    variance: float
    third: float
    freedom: int


def mean_of(
    parts: Sequence[Statistics], shares: Sequence[float], delays: Sequence[float], level: float
) -> Estimate:
    """Return the mean time of a mixture of jobs of independent parts, with its interval.

    Parameters
    ----------
    parts : sequence of Statistics, length n
        Records of independent runs.
    shares : sequence of float, length n
        Share of each part in the mixture; the sum is 1.
    delays : sequence of float, length n
        Constant time of the jobs of each part besides what is recorded.
    level : float
        Confidence level.
    """
    spreads = [_ratio(part.batches, lambda b: b.total, lambda b: b.jobs) for part in parts]
    fixed = math.fsum(s * d for s, d in zip(shares, delays, strict=True))
    return _interval(spreads, shares, fixed, level)


def percentile_of(
    parts: Sequence[Statistics],
    shares: Sequence[float],
    delays: Sequence[float],
    p: float,
    level: float,
) -> Estimate:
    """Return a percentile of a mixture of jobs of independent parts; see `mean_of`.

    Parameters
    ----------
    parts, shares, delays, level
        As for `mean_of`.
    p : float
        Share of the jobs, above 0 and below 1.
    """
    if not all(part.jobs for part in parts):
        return Estimate(math.nan, -math.inf, math.inf)
    laws = [(part.times.edges, part.times.cumulated / part.jobs) for part in parts]
    mixed = list(zip(laws, shares, delays, strict=True))
    value = _inverse(mixed, p)
    spreads = []
    for part, delay in zip(parts, delays, strict=True):
        below = [batch.times.below(value - delay) for batch in part.batches]
        spreads.append(_spread(np.array(below), np.array([b.jobs for b in part.batches])))
    around = _interval(spreads, shares, 0.0, level)
    low, high = _inverse(mixed, around.low), _inverse(mixed, around.high)
    least = min(delays)
    return Estimate(
        value, low - RESOLUTION * max(low - least, 0.0), high + RESOLUTION * max(high - least, 0.0)
    )


Law = tuple[tuple[Array, Array], float, float]


def _inverse(mixed: Sequence[Law], p: float) -> float:
    """Return the time below which a share p of a mixture is; infinite from 1 on."""
    if p >= 1.0:
        return math.inf
    low = min(delay + edges[0] for (edges, _), _, delay in mixed)
    high = max(delay + edges[-1] for (edges, _), _, delay in mixed)
    if p <= 0.0:
        return float(low)
    if len(mixed) == 1:  # without a search
        (edges, law), _, delay = mixed[0]
        k = max(int(np.searchsorted(law, p)), 1)
        part = (p - law[k - 1]) / (law[k] - law[k - 1])
        return float(delay + edges[k - 1] + part * (edges[k] - edges[k - 1]))
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        share = sum(w * np.interp(middle - d, edges, law) for (edges, law), w, d in mixed)
        low, high = (low, middle) if share >= p else (middle, high)
    return float(high)


def _ratio(
    batches: Sequence[Batch], over: Callable[[Batch], float], under: Callable[[Batch], float]
) -> Spread:
    """Return the ratio of two sums over batches."""
    return _spread(np.array([over(b) for b in batches]), np.array([under(b) for b in batches]))


def _spread(over: Array, under: Array) -> Spread:
    """Return the ratio of the sums of two arrays, one entry a batch, as a `Spread`."""
    whole, count = float(under.sum()), over.size
    if whole <= 0.0:
        return Spread(math.nan, math.inf, 0.0, 0)
    value = float(over.sum()) / whole
    if count < 2:
        return Spread(value, math.inf, 0.0, 0)
    off = (over - value * under) / whole
    variance, third = count / (count - 1) * float(off @ off), 0.0
    if count > 2:
        third = count**2 / ((count - 1) * (count - 2)) * float(off**2 @ off)
    return Spread(value, variance, third, count - 1)


def _interval(
    spreads: Sequence[Spread], shares: Sequence[float], fixed: float, level: float
) -> Estimate:
    """Return a sum of independent ratios times shares, with Welch's interval, adjusted for skew."""
    from scipy.special import stdtrit

    value = fixed + math.fsum(w * s.value for s, w in zip(spreads, shares, strict=True))
    each = [(w**2 * s.variance, s.freedom) for s, w in zip(spreads, shares, strict=True) if w]
    variance = math.fsum(v for v, _ in each)
    if not math.isfinite(variance):
        return Estimate(value, -math.inf, math.inf)
    if variance == 0.0:
        return Estimate(value, value, value)
    freedom = variance**2 / math.fsum(v**2 / f for v, f in each)
    quantile, error = float(stdtrit(freedom, 0.5 + 0.5 * level)), math.sqrt(variance)
    third = math.fsum(w**3 * s.third for s, w in zip(spreads, shares, strict=True))
    sixth = third / (6.0 * error**3)  # of the skewness of the estimate
    below, above = (error * _skewed(side * quantile, sixth) for side in (1.0, -1.0))
    # at a small level a skewed interval lies beside the value
    return Estimate(value, value - max(below, 0.0), value - min(above, 0.0))


def _skewed(quantile: float, sixth: float) -> float:
    """Return the quantile of a standardised mean whose skewness is 6 times `sixth`.

    ((1 + 6 b (t - b))^(1/3) - 1) / (2 b) of Student's quantile t; it tends to t with b to 0.
    """
    if abs(sixth) < NO_SKEW:
        return quantile
    inner = 1.0 + 6.0 * sixth * (quantile - sixth)
    return (math.cbrt(inner) - 1.0) / (2.0 * sixth)
