r"""Which modes are in use at every load, with the loads at which this changes, certified.

At two loads l < u let x_l and x_u solve the program of the module ``support`` with the same modes B
in use. For a load (1 - f) l + f u between them let x and p be the same mixtures of the loads of the
modes and of the prices of the stages, and let x* solve the program on B alone, without signs, with
Delta = x* - x and d = rho* - rho. The modes of B have one
cost at c(rho*), and at p up to errors eps, so

    sum_s d_s (c(rho*_s) - c(rho_s)) = sum_s d_s h_s - sum_m Delta_m eps_m,    h = p - c(rho) >= 0.

Delta = P d, where P are the first S columns of the left inverse of the works on B above a row of
ones. Let m_s be a slope that c does not fall below between rho*_s and rho_s. By the Cauchy-Schwarz
inequality, with b_s = h_s + sum_m |P_ms eps_m|,

    sum_s m_s d_s^2 <= sum_s |d_s| b_s,
    |d_s| <= delta_s = sqrt(sum_r b_r^2 / m_r) / sqrt(m_s).

The left side of the first line grows along the segment from x to x*, so it is enough that the
slopes m hold for distances up to delta. As c is convex, h_s is at most a quarter of the change of
rho_s times that of c'. So delta is of the order of (u - l)^2. Where x_m > sum_s |P_ms| delta_s at
both ends for all m in B, and every other mode costs more than one in B at all prices so near, the
point x* is the solution, and B is in use at all loads from l to u. Where that is not shown, the
interval is halved, until it is narrower than asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...compensated_sum import EPS
from ...errors import Array, LoadError
from ...guards import check_players
from ...html_table import HtmlTable
from ...plural import counted
from ...routes import capacity
from ...validation import as_float, check_within
from ..modes import Modes, of_modes
from .hull import hull
from .routed import Index, assignment_of, routed
from .support import Point, Prices, at_no_load, solved

GAP = 1e-9
LEAST_GAP, LARGEST_GAP = 1e-12, 0.1
FULL = 1e-3  # relative distance of the last load from the largest one
CLOSEST = 1e-6  # first load over the last, where two modes are fastest without load
MOST = 5000  # solved loads
CELLS = 16  # narrowest cells in the bounds of a threshold
LOWEST = -0.5  # utilisation from which on prices rise and are convex, for all players
ROUNDING = 16 * EPS


@dataclass(frozen=True)
class Threshold:
    """A load at which the set of modes in use changes.

    Attributes
    ----------
    load : float
        The middle of the bounds, jobs per unit of time.
    lower, upper : float
        Bounds of the load; up to `lower` the modes `before` are in use, from `upper` on those
        `after`.
    before, after : tuple of int
        Indices of the modes in use.
    """

    lower: float
    upper: float
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def load(self) -> float:
        """Middle of the bounds."""
        return 0.5 * (self.lower + self.upper)

    @property
    def starts(self) -> tuple[int, ...]:
        """Modes that are in use from this load on."""
        return tuple(m for m in self.after if m not in self.before)

    @property
    def stops(self) -> tuple[int, ...]:
        """Modes that are in use up to this load."""
        return tuple(m for m in self.before if m not in self.after)


@dataclass(frozen=True, eq=False)
class ModesInUse(HtmlTable):
    """Modes in use at all loads of an interval.

    Attributes
    ----------
    first : tuple of int
        Modes in use at the smallest load.
    thresholds : tuple of Threshold
        Loads at which this changes, ascending. Between them it is proved that it does not.
    low, high : float
        Smallest and largest load, jobs per unit of time.
    players : float
        Number K of equal players: 1 at the optimum, infinite of selfish users.
    gap : float
        Largest distance of the bounds of a threshold, relative to its load.
    certified : bool
        Whether this is the distance that was asked for.
    evaluations : int
        Number of loads that were solved.
    """

    first: tuple[int, ...]
    thresholds: tuple[Threshold, ...]
    low: float
    high: float
    players: float
    gap: float
    certified: bool
    evaluations: int

    @property
    def loads(self) -> Array:
        """Loads of the thresholds, shape (N,)."""
        return np.array([threshold.load for threshold in self.thresholds])

    def at(self, load: float) -> tuple[int, ...] | None:
        """Return the modes in use at a load; None within the bounds of a threshold."""
        used: tuple[int, ...] | None = self.first
        for threshold in self.thresholds:
            if load > threshold.lower:
                used = threshold.after if load >= threshold.upper else None
        return used

    def __repr__(self) -> str:
        state = "certified" if self.certified else "NOT CERTIFIED"
        lines = [f"  from load {t.load:.9g}: modes {t.after}" for t in self.thresholds]
        head = (
            f"modes in use from load {self.low:g} to {self.high:.6g}: {self.first}, "
            f"{state} within {self.gap:.0e}, {counted(self.evaluations, 'load')} solved"
        )
        return "\n".join([head, *lines])


@of_modes
def modes_in_use(
    modes: Modes,
    players: float = 1.0,
    low: float | None = None,
    high: float | None = None,
    gap: float = GAP,
) -> ModesInUse:
    """Return the modes in use at all loads of an interval, and where this changes.

    A mode that a mixture of others replaces at no cost, see
    `sojourn.reference.service_modes.shared.hull`, is never taken to be in use.

    Parameters
    ----------
    modes : Modes
        S stages, each shared by M modes.
    players : float, default 1
        Number K of equal players: 1 for the optimum, infinite for the equilibrium of selfish users.
    low, high : float, optional
        Smallest and largest load; by default 0 and 0.999 of the largest load.
    gap : float, default 1e-9
        Largest distance of the bounds of a threshold, relative to it.

    Returns
    -------
    ModesInUse

    Raises
    ------
    LoadError, InputError
        On an interval that is not within the loads that the stages can carry, a number of players
        that is not a whole number from 1 on, and a gap that is not from 1e-12 to 0.1.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> found = modes_in_use(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode)
    >>> found.loads.round(9), found.thresholds[0].before, found.thresholds[0].after
    (array([2.85714286]), (0,), (0, 1))
    """
    players = check_players(players)
    remedy = "give a distance such as 1e-9"
    gap = check_within("gap", gap, LEAST_GAP, LARGEST_GAP, "is not from 1e-12 to 0.1", remedy)
    kept = hull(modes)
    prices = Prices(modes.time[:, kept], modes.delay[kept], 1.0 / players)
    ends = _ends(modes, prices, low, high)
    search = _Search(modes.take(kept), prices, ends, gap)
    return search.result(players, kept)


def _ends(
    modes: Modes, prices: Prices, low: float | None, high: float | None
) -> tuple[float, float]:
    """Return the smallest and the largest load."""
    most = capacity(routed(modes)).lower
    last = (1.0 - FULL) * most if high is None else as_float("high", high)
    if not 0 < last < most:
        remedy = "leave it out for 0.999 of the largest load"
        raise LoadError("high", last, f"is not above 0 and below {most:.10g}", remedy)
    if low is not None:
        first = as_float("low", low)
        if not 0 <= first < last:
            problem = f"is not from 0 to the largest load, {last:.10g}"
            raise LoadError("low", first, problem, "give a smaller one, or leave it out")
    alone = np.sort(prices.costs(np.ones(modes.stages)))
    tie = alone.size > 1 and alone[1] <= alone[0] * (1.0 + ROUNDING)
    least = CLOSEST * last if tie else 0.0
    return (least if low is None else max(first, least)), last


class _Search:
    """Halves intervals of loads until each is proved to have one set of modes, or is narrow."""

    def __init__(self, modes: Modes, prices: Prices, ends: tuple[float, float], gap: float) -> None:
        self.prices, self.ends, self.gap = prices, ends, gap
        narrow, least = gap / CELLS, CLOSEST * ends[1]
        system = routed(modes)
        self.full = assignment_of(modes, capacity(system).flow)
        self.evaluations = 0
        low, high = ends
        first = at_no_load(prices) if low == 0 else self._solved(low)
        self.last = self._solved(high)
        self.cells: list[tuple[Point, Point]] = []
        self.proved: list[bool] = []
        waiting = [(first, self.last)]
        while waiting:
            a, b = waiting.pop()
            known = constant(a, b)
            is_narrow = b.load - a.load <= narrow * max(b.load, least)
            if known or is_narrow or self.evaluations >= MOST:
                self.cells.append((a, b))
                self.proved.append(known)
                continue
            middle = self._solved(0.5 * (a.load + b.load), (a, b))
            waiting += [(middle, b), (a, middle)]

    def _solved(self, load: float, between: tuple[Point, Point] | None = None) -> Point:
        """Return the point of a load, from the largest load's assignment or two other points."""
        self.evaluations += 1
        if between is None:
            return solved(self.prices, load, self.full)
        a, b = between
        part = (load - a.load) / (b.load - a.load)
        return solved(self.prices, load, (1.0 - part) * a.flow + part * b.flow)

    def result(self, players: float, kept: Index) -> ModesInUse:
        """Return the thresholds: the neighbouring cells without a proof, joined."""
        thresholds = list(self._thresholds(kept))
        low, high = self.ends
        least = CLOSEST * high
        gaps = ((t.upper - t.lower) / max(t.upper, least) for t in thresholds)
        gap = max(gaps, default=0.0)
        return ModesInUse(
            first=_named(self.cells[0][0], kept),
            thresholds=tuple(thresholds),
            low=low,
            high=high,
            players=players,
            gap=gap,
            certified=gap <= self.gap,
            evaluations=self.evaluations,
        )

    def _thresholds(self, kept: Index) -> Iterator[Threshold]:
        open_at: Point | None = None
        cells = [*zip(self.cells, self.proved, strict=True), ((self.last, self.last), True)]
        for (a, _), known in cells:
            if not known and open_at is None:
                open_at = a
            elif known and open_at is not None:
                ends = _named(open_at, kept), _named(a, kept)
                yield Threshold(open_at.load, a.load, *ends)
                open_at = None


def _named(at: Point, kept: Index) -> tuple[int, ...]:
    return tuple(int(kept[m]) for m in at.used)


@np.errstate(all="ignore")
def constant(a: Point, b: Point) -> bool:
    """Return whether it is proved that the same modes are in use at all loads from a to b."""
    if a.used != b.used:
        return False
    prices, used = a.prices, list(a.used)
    error = _errors(a, b)
    if error is None:
        return False
    distance, inverse = error
    low, high = (f(a.utilisation, b.utilisation) for f in (np.minimum, np.maximum))
    if not (high + distance < 1.0).all():
        return False
    height = 0.25 * (high - low) * (prices.slope(high) - prices.slope(low))
    wrong = height + prices.slope(high + distance) * (distance + ROUNDING)
    if len(used) > 1:
        least = np.minimum(a.flow[used], b.flow[used])
        if not (least > np.abs(inverse) @ distance + ROUNDING * b.load).all():
            return False
    return bool(_others_cost_more(a, b, wrong).all())


def _errors(a: Point, b: Point) -> tuple[Array, Array] | None:
    """Return delta of each stage and the matrix P; None where there is no bound."""
    prices, used = a.prices, list(a.used)
    work = prices.work[:, used]
    stages = work.shape[0]
    if len(used) == 1:
        return np.zeros(stages), np.zeros((1, stages))
    sizes = work.max(axis=1)
    sizes = np.where(sizes > 0, sizes, 1.0)
    rows = np.vstack([work / sizes[:, None], np.ones(len(used))])
    if np.linalg.matrix_rank(rows) < len(used):
        return None
    inverse = np.linalg.pinv(rows)[:, :stages] / sizes
    low, high = (f(a.utilisation, b.utilisation) for f in (np.minimum, np.maximum))
    height = 0.25 * (high - low) * (prices.slope(high) - prices.slope(low))
    apart = np.zeros(len(used))
    for at in (a, b):
        costs = at.costs[used]
        rounding = ROUNDING * (at.price @ work + prices.delay[used])
        apart = np.maximum(apart, np.abs(costs - costs.mean()) + rounding)
    off = height + np.abs(inverse).T @ apart + prices.slope(high) * ROUNDING
    distance = np.zeros(stages)
    for _ in range(8):
        if not (low - distance > LOWEST).all():
            return None
        least = prices.slope(low - distance)
        needed = np.sqrt(np.sum(off**2 / least)) / np.sqrt(least)
        if (needed < distance).all():
            return distance, inverse
        distance = 2.0 * needed
    return None


def _others_cost_more(a: Point, b: Point, wrong: Array) -> Array:
    """Return whether each mode that is not in use costs more than one in use, shape (M - |B|,)."""
    prices, used = a.prices, list(a.used)
    others = [m for m in range(prices.delay.size) if m not in a.used]
    apart = prices.work[:, others, None] - prices.work[:, None, used]
    later = prices.delay[others, None] - prices.delay[None, used]
    margin = np.full(later.shape, np.inf)
    both = prices.work[:, others, None] + prices.work[:, None, used]
    for at in (a, b):
        terms = np.einsum("s,sok->ok", at.price, apart) + later
        size = np.einsum("s,sok->ok", at.price, both) + prices.delay[others, None]
        margin = np.minimum(margin, terms - ROUNDING * size)
    needed = np.einsum("s,sok->ok", wrong, np.abs(apart))
    return np.asarray((margin > needed).any(axis=1))
