"""The true worst case: the largest price of anarchy over all loads, with a certificate.

Between two loads at which the equilibrium starts a server, its latency L is convex in the load: the used servers' flows x_i(L) are concave
in L, so their sum is, and L is its inverse. The delay F that the optimum carries is convex, with the optimum's multiplier as its slope. On a
cell [a, b] of such a segment the chord of L lies above L and the tangents of F at a and b lie below F, so

    PoA(load) <= load chord(load) / tangent(load),

a quadratic over a line, hence quasi-convex: its largest value is at an end of the part on which one tangent is used. That bounds the cell;
the bound is wrong by the square of the cell's width, and branch and bound needs few cells. Next to saturation see
`sojourn.reference.parallel.saturation`. Corollary 2 of Mancuso et al. looks at the ends of the segments alone and is false; where it
fails and where it holds is in `sojourn.reference.candidate_worst_case`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..composed import as_bank
from ..errors import Array, InputError, LoadError
from ..html_table import HtmlTable
from ..server_bank import ServerBank
from ..validation import LARGEST, as_float, check_within
from .anarchy import ratio_of
from .optimum_equilibrium import check_load, equilibrium, optimum
from .saturation import Saturation, saturation
from .thresholds import Thresholds, thresholds

GAP = 1e-8
ROUNDING = 1e-12  # of an optimum, an equilibrium and the bound made of them, close to saturation
MOST = 4_000_000  # loads looked at before the search stops with the gap it has
PARTS = 8  # into which a cell is cut while cells are few
CLOSEST = (
    1e-9  # part of the loads that is left out next to no load, where nothing is known of the limit
)
FULL = 1e-6  # and next to the total rate: closer, the rounding of what has no closed form is larger than the gap


@dataclass(frozen=True, repr=False)
class WorstCase(HtmlTable):
    """Largest price of anarchy over all loads.

    Attributes
    ----------
    poa : float
        Price of anarchy at `load`: a lower bound of the worst that is reached, or approached as the load rises to the total rate.
    load : float
        Where; the total rate itself for the limit at saturation.
    upper_bound : float
        No load has a larger price of anarchy.
    gap : float
        ``upper_bound / poa - 1``.
    certified : bool
        Whether the gap is the one that was asked for.
    candidate_poa, candidate_load : float
        What the paper's rule finds (Corollary 2): the equilibrium's activation loads and the end of the range alone; at most `poa`.
    up_to : float
        Loads up to here were searched; the total rate where all were.
    evaluations : int
        Loads at which optimum and equilibrium were computed.
    note : str
        Why the gap is not the one that was asked for; empty where it is.
    shares : str
        What the search shares with the reference's, so that their agreement does not speak for it; empty for the reference's own.
    """

    poa: float
    load: float
    upper_bound: float
    gap: float
    certified: bool
    candidate_poa: float
    candidate_load: float
    up_to: float
    evaluations: int
    note: str = ""
    shares: str = ""

    def __repr__(self) -> str:
        state = (
            f"certified within {self.gap:.0e}"
            if self.certified
            else f"NOT CERTIFIED, gap {self.gap:.0e}" + f" ({self.note})" * bool(self.note)
        )
        return (
            f"worst price of anarchy {self.poa:.9g} at load {self.load:.6g}; "
            f"no load up to {self.up_to:.6g} has more than {self.upper_bound:.9g}\n"
            f"  {state}, {self.evaluations} loads looked at; by the paper's rule {self.candidate_poa:.9g} at load {self.candidate_load:.6g}"
            + f"\n  shared with the reference's search: {self.shares}"
            * bool(self.shares)
        )


class Points(NamedTuple):
    """What is known at some loads, every field of shape (K,): `carried` is the optimum's total delay F, `slope` its derivative."""

    load: Array
    slack: Array
    latency: Array
    carried: Array
    slope: Array
    poa: Array

    def at(self, index: object) -> Points:
        """Return some of the points."""
        return Points(*(field[index] for field in self))  # type: ignore[call-overload]


def worst_case(
    servers: ServerBank | Sequence[ServerBank], *, gap: float = GAP, up_to: float | None = None
) -> WorstCase:
    """Largest price of anarchy over all loads, by branch and bound, with a certificate.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers of any families.
    gap : float, default 1e-8
        Relative distance between what is found and what is excluded; at least 1e-11.
    up_to : float, optional
        Search the loads up to this one alone: what a service that stays below it can suffer. By default all below the total rate for
        M/M/1, M/D/1 and M/G/1; up to (1 - 1e-6) of the total rate for other families, whose limit is not known (and from 1e-9 of the
        last load on, where a latency is 0 at no load).

    Returns
    -------
    WorstCase

    Raises
    ------
    InputError
        On a gap that is none, or no `up_to` where the rates are infinite.
    LoadError
        On an `up_to` that is not above 0 and below the total rate.

    Examples
    --------
    >>> from sojourn.reference import MG1
    >>> found = worst_case(MG1([1.0, 1.0], cv=[1.0, 20.0]))
    >>> round(found.poa, 6), round(found.load, 4), round(found.candidate_poa, 6)
    (2.101683, 1.3205, 1.753549)
    """
    bank = as_bank(servers)
    gap = check_gap(gap)
    end = saturation(bank) if up_to is None else None
    last = last_load(bank, up_to, end)
    starts = thresholds(bank)
    first = first_load(bank, starts, last)
    if first >= last or all_alike(bank):
        return WorstCase(1.0, last, 1.0, 0.0, True, 1.0, last, last, 0)
    breakpoints = np.unique(
        starts.equilibrium[(starts.equilibrium > first) & (starts.equilibrium < last)]
    )
    edges = np.concatenate([[first], breakpoints, [last] if end is None else []])
    return _Search(bank, edges, end, last, gap).run()


def check_gap(gap: float) -> float:
    """Return the gap as a float; InputError on one that is not finite, or not above rounding error."""
    return check_within(
        "gap",
        gap,
        1e-11,
        LARGEST,
        "is not a finite number above rounding error",
        "give a relative distance such as 1e-8",
    )


def evaluate(bank: ServerBank, load: Array) -> Points:
    """Solve for optimum and equilibrium at loads of shape (K,)."""
    best, selfish = optimum(bank, load), equilibrium(bank, load)
    total, low = bank.total_rate
    slack = (total - load) + low
    return Points(
        load,
        slack,
        selfish.mean_delay,
        best.mean_delay * load,
        best.multiplier,
        ratio_of(selfish, best),
    )


def cell_bound(a: Points, b: Points) -> Array:
    """Upper bound of the price of anarchy on each cell [a, b], within which the equilibrium starts no server; shape (K,)."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        width = np.where(np.isfinite(a.slack), a.slack - b.slack, b.load - a.load)
        # where the tangents meet; wherever it is, each is used on its side, so rounding cannot make the bound wrong
        meet = (b.carried - a.carried - b.slope * width) / (a.slope - b.slope)
        meet = np.clip(np.where(np.isfinite(meet), meet, 0.5 * width), 0.0, width)
        latency = a.latency + (b.latency - a.latency) / width * meet
        below = np.minimum(a.carried + a.slope * meet, b.carried - b.slope * (width - meet))
        # one line through the origin at a load of 0: there the ratio is that of the latencies
        ratio = (a.load + meet) * latency / below
        ratio = np.where(a.load + meet > 0, np.where(below > 0, ratio, np.inf), 1.0)
    bound: Array = np.maximum(ratio, np.maximum(a.poa, b.poa))
    return bound


def first_load(bank: ServerBank, starts: Thresholds, last: float) -> float:
    """Return the load up to which one server does it all, at the optimum too: the price of anarchy is 1 there.

    Where latencies are 0 at no load the ratio is one of zeros there, and the search starts at a trace of the last load.
    """
    if len(bank) == 1:
        return last
    return max(
        float(np.sort(starts.optimum)[1]), CLOSEST * last if bank.idle_latency.min() == 0 else 0.0
    )


def last_load(bank: ServerBank, up_to: float | None, end: Saturation | None) -> float:
    """Return the end of the loads to search; see `worst_case`."""
    total = float(bank.total_rate[0])
    if up_to is None:
        if np.isinf(total):
            raise InputError(
                "up_to",
                None,
                "the rates are infinite and the loads without end",
                "say up to which load to search",
            )
        return total if end is not None else total * (1 - FULL)
    value = as_float("up_to", up_to)
    if not value > 0:
        raise LoadError("up_to", up_to, "is not above 0", "give the largest load to search")
    try:
        check_load(bank, value)
    except LoadError as error:
        raise LoadError(
            "up_to", up_to, error.problem, "leave it out to search every load"
        ) from None
    return value


def all_alike(bank: ServerBank) -> bool:
    """Whether one server is every server, or one is free at any load: a split is then optimum and equilibrium at once."""
    if bank.latency_limit.min() == 0:
        return True
    end = saturation(bank)
    if end is not None:
        return all(np.ptp(v) == 0 for v in (end.rate, end.k, end.fixed))
    stored = [getattr(bank, name) for name in bank._stored()]
    # what is not a number a server is not looked into
    return bool(stored) and all(
        isinstance(v, np.ndarray) and v.dtype.kind == "f" and np.all(v == v[:1]) for v in stored
    )


class _Search:
    """Cells that may hold a load worse than the worst found."""

    def __init__(
        self, bank: ServerBank, edges: Array, end: Saturation | None, last: float, gap: float
    ) -> None:
        self.bank, self.end, self.last, self.gap = bank, end, last, gap
        points = evaluate(bank, edges)
        self.evaluations = edges.size
        self.best, self.best_load = float(points.poa.max()), float(points.load[points.poa.argmax()])
        if end is not None and end.limit >= self.best:
            self.best, self.best_load = end.limit, last
        self.candidate, self.candidate_load = max(self.best, 1.0), self.best_load
        self.excluded = 1.0
        self.left, self.right = points.at(slice(None, -1)), points.at(slice(1, None))
        self.tail = points.at(slice(-1, None)) if end is not None else None

    def run(self) -> WorstCase:
        while self._worth_a_look() and self.evaluations < MOST:
            self._split()
        upper = max(
            self.excluded, self.best, float(cell_bound(self.left, self.right).max(initial=1.0))
        )
        if self.tail is not None and self.end is not None:
            upper = max(
                upper,
                self.end.bound(self.tail.slack[0], self.tail.latency[0], self.tail.carried[0]),
            )
        poa = max(self.best, 1.0)
        upper = max(upper * (1 + ROUNDING), poa)
        distance = upper / poa - 1
        certified = bool(distance <= self.gap)
        return WorstCase(
            poa,
            self.best_load,
            upper,
            distance,
            certified,
            self.candidate,
            self.candidate_load,
            self.last,
            int(self.evaluations),
        )

    def _worth_a_look(self) -> bool:
        """Drop the cells that cannot hold a worse load by more than the gap; say whether any is left."""
        enough = self.best * (1 + 0.9 * self.gap)
        bound = cell_bound(self.left, self.right)
        # nothing lies between two neighbouring floats
        open_ = (bound > enough) & (
            self.right.load - self.left.load > 4 * np.spacing(self.right.load)
        )
        self.excluded = max(self.excluded, float(bound[~open_].max(initial=1.0)))
        self.left, self.right = self.left.at(open_), self.right.at(open_)
        if self.tail is not None and self.end is not None:
            bound_here = self.end.bound(
                self.tail.slack[0], self.tail.latency[0], self.tail.carried[0]
            )
            if bound_here <= enough or self.tail.slack[0] < 1e-13 * self.last:
                self.excluded = max(self.excluded, bound_here)
                self.tail = None
        return bool(open_.any()) or self.tail is not None

    def _split(self) -> None:
        parts = PARTS if self.left.load.size < 500 else 2
        loads = _inside(self.left, self.right, parts)
        tail = None if self.tail is None else self.tail.slack[0] * 0.5 ** np.arange(1, 4)
        total, low = self.bank.total_rate
        closer = np.empty(0) if tail is None else np.unique((total - tail) + low)
        new = evaluate(self.bank, np.concatenate([loads.ravel(), closer]))
        self.evaluations += new.load.size
        if new.poa.max() > self.best:
            self.best, self.best_load = float(new.poa.max()), float(new.load[new.poa.argmax()])
        grid = Points(*(f[: loads.size].reshape(loads.shape) for f in new))
        rows = Points(
            *(
                np.column_stack([a, f, b])
                for a, f, b in zip(self.left, grid, self.right, strict=True)
            )
        )
        if self.tail is not None:
            beyond = Points(
                *(np.concatenate([t, f[loads.size :]]) for t, f in zip(self.tail, new, strict=True))
            )
            self.tail = beyond.at(slice(-1, None))
            self.left = Points(
                *(np.append(r[:, :-1].ravel(), t[:-1]) for r, t in zip(rows, beyond, strict=True))
            )
            self.right = Points(
                *(np.append(r[:, 1:].ravel(), t[1:]) for r, t in zip(rows, beyond, strict=True))
            )
        else:
            self.left = Points(*(r[:, :-1].ravel() for r in rows))
            self.right = Points(*(r[:, 1:].ravel() for r in rows))


def _inside(a: Points, b: Points, parts: int) -> Array:
    """Loads that cut each cell into `parts`: evenly, or evenly in the logarithm of the slack where it shrinks a lot; shape (K, parts - 1)."""
    step = np.arange(1, parts) / parts
    even = a.load[:, None] + (b.load - a.load)[:, None] * step
    if not np.all(np.isfinite(a.slack)):
        return even
    total = a.load + a.slack
    ratio = (b.slack / a.slack)[:, None]
    shrinking = total[:, None] - a.slack[:, None] * ratio**step
    cut = np.where(ratio < 0.25, shrinking, even)
    return np.clip(cut, a.load[:, None], b.load[:, None])
