"""The true worst case: the largest price of anarchy over all loads, with a certificate.

Between two loads at which the equilibrium starts a server, its latency L is convex in the load: the
used servers' flows x_i(L) are concave in L, so their sum is concave, and L its inverse. The total
delay F of the optimum is convex, with the optimum's multiplier as its slope. On a cell [a, b] of
such a segment the chord of L lies above L, and the tangents of F at a and b lie below F, so

    PoA(load) <= load chord(load) / tangent(load),

a quadratic over a line, hence quasi-convex: its largest value is at an end of the part on which one
tangent is used. That bounds the cell. The error of the bound is quadratic in the width of the cell,
so branch and bound needs few cells. For the bound close to saturation see
`sojourn.reference.parallel.saturation`.

Corollary 2 of Mancuso et al. evaluates the ends of the segments alone and is false; for
counterexamples, and cases where it is true, see `sojourn.reference.candidate_worst_case`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..composed import as_bank
from ..errors import Array, InputError, LoadError
from ..html_table import HtmlTable
from ..plural import counted
from ..server_bank import ServerBank
from ..validation import LARGEST, as_float, check_within
from .anarchy import ratio_of
from .flow_balance import Which
from .optimum_equilibrium import Splitter, check_load
from .saturation import Saturation, saturation
from .thresholds import Thresholds, thresholds

GAP = 1e-8
ROUNDING = 1e-12  # relative rounding error of a bound close to saturation
MAX_EVALUATIONS = 4_000_000  # loads evaluated before the search ends with its current gap
PARTS = 8  # parts into which a cell is cut, while there are fewer than FEW cells
FEW = 500
# parts of a cell between loads for which prices are tabulated, and number of such cells after the
# last edge
SAMPLE, HALVINGS = 16, 6
CLOSEST = 1e-9  # first load over the last, where the limit at load 0 is not known
# relative distance of the last load to the total rate, where the limit there is not known: closer,
# the rounding error of latencies without a closed form is larger than the gap
FULL = 1e-6


@dataclass(frozen=True, repr=False)
class WorstCase(HtmlTable):
    """Largest price of anarchy over all loads, with a certificate.

    Attributes
    ----------
    poa : float
        Price of anarchy at `load`: a lower bound of the worst case.
    load : float
        Load at which `poa` is reached, jobs per unit of time. The total rate itself where `poa` is
        the limit at saturation.
    upper_bound : float
        Upper bound of the price of anarchy at every load.
    gap : float
        ``upper_bound / poa - 1``.
    certified : bool
        Whether the gap is at most the requested gap.
    candidate_poa, candidate_load : float
        Largest price of anarchy by the paper's rule (Corollary 2), at the activation loads of the
        equilibrium and the end of the range alone, and its load; at most `poa`.
    up_to : float
        Largest load of the search; the total rate where all loads were searched.
    evaluations : int
        Number of loads at which optimum and equilibrium were computed.
    note : str
        Reason why the gap is larger than requested; empty where it is not.
    shares : str
        Parts that the search shares with the search of `sojourn.reference`, for which the agreement
        of the two is no evidence; empty in results of `sojourn.reference`.
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
        if self.certified:
            state = f"certified within {self.gap:.0e}"
        else:
            note = f" ({self.note})" * bool(self.note)
            state = f"NOT CERTIFIED, gap {self.gap:.0e}{note}"
        shared = f"\n  shared with the reference's search: {self.shares}" * bool(self.shares)
        return (
            f"worst price of anarchy {self.poa:.9g} at load {self.load:.6g}; "
            f"no load up to {self.up_to:.6g} has more than {self.upper_bound:.9g}\n"
            f"  {state}, {counted(self.evaluations, 'load')} looked at; "
            f"by the paper's rule {self.candidate_poa:.9g} at load {self.candidate_load:.6g}"
            f"{shared}"
        )


class Points(NamedTuple):
    """Optimum and equilibrium at K loads; every field has shape (K,).

    Attributes
    ----------
    load : ndarray
        Total loads.
    spare_capacity : ndarray
        Spare capacity of all servers, total rate less load.
    latency : ndarray
        Latency L of the equilibrium.
    total_delay : ndarray
        Total delay F of the optimum: load times mean delay.
    slope : ndarray
        Derivative of F in the load, the multiplier of the optimum.
    poa : ndarray
        Price of anarchy.
    """

    load: Array
    spare_capacity: Array
    latency: Array
    total_delay: Array
    slope: Array
    poa: Array

    def at(self, index: object) -> Points:
        """Return the points at an index."""
        return Points(*(field[index] for field in self))  # type: ignore[call-overload]


def worst_case(
    servers: ServerBank | Sequence[ServerBank], *, gap: float = GAP, up_to: float | None = None
) -> WorstCase:
    """Return the largest price of anarchy over all loads, by branch and bound, with a certificate.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers of any families.
    gap : float, default 1e-8
        Relative distance between the lower and the upper bound at which the search ends; at least
        1e-11.
    up_to : float, optional
        Largest load of the search, jobs per unit of time. By default the total rate for M/M/1,
        M/D/1 and M/G/1, and (1 - 1e-6) times the total rate for other families, whose limit at
        saturation is not known. Where a latency is 0 at no load, the search starts at 1e-9 of the
        largest load.

    Returns
    -------
    WorstCase

    Raises
    ------
    InputError
        On a gap that is not finite or below 1e-11, or without `up_to` where rates are infinite.
    LoadError
        On an `up_to` that is not above 0 and below the total rate.

    Notes
    -----
    The bound of a cell is derived in the header of `sojourn.reference.parallel.worst_case`.

    Examples
    --------
    >>> from sojourn.reference import MG1
    >>> found = worst_case(MG1([1.0, 1.0], cv=[1.0, 20.0]))
    >>> round(found.poa, 6), round(found.load, 4), round(found.candidate_poa, 6)
    (2.101683, 1.3205, 1.753549)
    """
    bank = as_bank(servers)
    bank._validated  # noqa: B018  the check of a family, before any answer
    gap = check_gap(gap)
    edges, end, last = cell_edges(bank, thresholds(bank), up_to)
    if not edges.size:
        return WorstCase(1.0, last, 1.0, 0.0, True, 1.0, last, last, 0)
    return _Search(bank, edges, end, last, gap).run()


def cell_edges(
    bank: ServerBank, starts: Thresholds, up_to: float | None
) -> tuple[Array, Saturation | None, float]:
    """Return the edges of the cells of a search, its end at saturation, and its largest load.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    starts : Thresholds
        Activation loads of the servers.
    up_to : float or None
        See `worst_case`.

    Returns
    -------
    edges : ndarray, shape (m,)
        The least load, the activation loads of the equilibrium, and the largest load unless the
        search ends at saturation. None where the price of anarchy is 1 at every load.
    end : Saturation or None
    last : float
    """
    end = saturation(bank) if up_to is None else None
    last = last_load(bank, up_to, end)
    first = first_load(bank, starts, last)
    if first >= last or all_alike(bank):
        return np.empty(0), end, last
    inside = (starts.equilibrium > first) & (starts.equilibrium < last)
    breakpoints = np.unique(starts.equilibrium[inside])
    return np.concatenate([[first], breakpoints, [last] if end is None else []]), end, last


def check_gap(gap: float) -> float:
    """Return the gap as a float; InputError unless it is finite and above rounding error."""
    problem, remedy = "is not a finite number above rounding error", "give a relative distance"
    return check_within("gap", gap, 1e-11, LARGEST, problem, f"{remedy} such as 1e-8")


def splitters(bank: ServerBank, load: Array) -> dict[Which, Splitter]:
    """Return the optimum and the equilibrium of a bank, with tables of prices for loads."""
    return {
        "optimum": Splitter(bank, "optimum", load),
        "equilibrium": Splitter(bank, "equilibrium", load),
    }


def evaluate(splitters: Mapping[Which, Splitter], load: Array) -> Points:
    """Compute optimum and equilibrium at loads of shape (K,)."""
    best, selfish = splitters["optimum"].split(load), splitters["equilibrium"].split(load)
    total, low = splitters["optimum"].servers.bank.total_rate
    return Points(
        load=load,
        spare_capacity=(total - load) + low,
        latency=selfish.mean_delay,
        total_delay=best.mean_delay * load,
        slope=best.multiplier,
        poa=ratio_of(selfish, best),
    )


def cell_bound(a: Points, b: Points) -> Array:
    """Return an upper bound of the price of anarchy on each cell [a, b], shape (K,).

    Within a cell the equilibrium must not start a server.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        width = np.where(
            np.isfinite(a.spare_capacity), a.spare_capacity - b.spare_capacity, b.load - a.load
        )
        # The load at which the tangents meet. An error in it cannot make the bound wrong, as each
        # tangent lies below F on its side of any load.
        meet = (b.total_delay - a.total_delay - b.slope * width) / (a.slope - b.slope)
        meet = np.clip(np.where(np.isfinite(meet), meet, 0.5 * width), 0.0, width)
        latency = a.latency + (b.latency - a.latency) / width * meet
        below = np.minimum(a.total_delay + a.slope * meet, b.total_delay - b.slope * (width - meet))
        # at load 0 numerator and denominator are 0, and the ratio is that of the latencies
        ratio = (a.load + meet) * latency / below
        ratio = np.where(a.load + meet > 0, np.where(below > 0, ratio, np.inf), 1.0)
    bound: Array = np.maximum(ratio, np.maximum(a.poa, b.poa))
    return bound


def first_load(bank: ServerBank, starts: Thresholds, last: float) -> float:
    """Return the load up to which the optimum uses one server, so that the price of anarchy is 1.

    Where latencies are 0 at no load, the ratio at load 0 is one of zeros, and the first load is at
    least a small fraction of the last.
    """
    if len(bank) == 1:
        return last
    least = CLOSEST * last if bank.idle_latency.min() == 0 else 0.0
    return max(float(np.sort(starts.optimum)[1]), least)


def last_load(bank: ServerBank, up_to: float | None, end: Saturation | None) -> float:
    """Return the largest load of the search; see `worst_case`."""
    total = float(bank.total_rate[0])
    if up_to is None:
        if np.isinf(total):
            problem = "the rates are infinite, and so are the loads"
            raise InputError("up_to", None, problem, "give the largest load to search")
        return total if end is not None else total * (1 - FULL)
    value = as_float("up_to", up_to)
    if not value > 0:
        raise LoadError("up_to", up_to, "is not above 0", "give the largest load to search")
    try:
        check_load(bank, value)
    except LoadError as error:
        remedy = "leave it out to search every load"
        raise LoadError("up_to", up_to, error.problem, remedy) from None
    return value


def all_alike(bank: ServerBank) -> bool:
    """Return whether every split is both optimum and equilibrium.

    This is so where all servers are equal, or one has latency 0 at any load.
    """
    if bank.latency_limit.min() == 0:
        return True
    end = saturation(bank)
    if end is not None:
        return all(np.ptp(v) == 0 for v in (end.rate, end.k, end.fixed))
    stored = [getattr(bank, name) for name in bank._stored()]
    # fields that are not one number a server are not compared
    return bool(stored) and all(
        isinstance(v, np.ndarray) and v.dtype.kind == "f" and np.all(v == v[:1]) for v in stored
    )


class _Search:
    """Branch and bound over the loads.

    Attributes
    ----------
    left, right : Points
        Ends of the open cells: those that may hold a price of anarchy above the best by the gap.
    tail : Points or None
        Lower end of the cell that reaches to saturation, while that is open.
    best, best_load : float
        Largest price of anarchy so far, and its load.
    closed_bound : float
        Largest upper bound of the closed cells.
    """

    def __init__(
        self, bank: ServerBank, edges: Array, end: Saturation | None, last: float, gap: float
    ) -> None:
        self.bank, self.end, self.last, self.gap = bank, end, last, gap
        self.splitters = splitters(bank, _sample(bank, edges, end is not None))
        self.best, self.best_load, self.evaluations = 0.0, last, 0
        loads = edges if end is None else np.append(edges, beyond(bank, edges[-1]))
        points = self._evaluate(loads)
        known = points.poa[: edges.size]
        self.candidate, self.candidate_load = float(known.max()), float(edges[known.argmax()])
        if end is not None and end.limit >= self.candidate:
            self.candidate, self.candidate_load = end.limit, last
            if end.limit >= self.best:
                self.best, self.best_load = end.limit, last
        self.candidate = max(self.candidate, 1.0)
        self.closed_bound = 1.0
        self.tail = points.at([edges.size - 1]) if end is not None else None
        self._close_tail()
        if self.tail is None:  # the loads beyond the last edge are ends of no cell
            points = points.at(slice(edges.size))
        else:
            self.tail = points.at([-1])
        self.left, self.right = points.at(slice(None, -1)), points.at(slice(1, None))

    def run(self) -> WorstCase:
        """Cut cells until the gap is met or none is open, and return the result."""
        while self._close_cells() and self.evaluations < MAX_EVALUATIONS:
            self._split()
        open_bound = float(cell_bound(self.left, self.right).max(initial=1.0))
        upper = max(self.closed_bound, self.best, open_bound, self._tail_bound())
        poa = max(self.best, 1.0)
        upper = max(upper * (1 + ROUNDING), poa)
        gap = upper / poa - 1
        return WorstCase(
            poa=poa,
            load=self.best_load,
            upper_bound=upper,
            gap=gap,
            certified=bool(gap <= self.gap),
            candidate_poa=self.candidate,
            candidate_load=self.candidate_load,
            up_to=self.last,
            evaluations=int(self.evaluations),
        )

    def _evaluate(self, load: Array) -> Points:
        """Compute optimum and equilibrium at loads, and keep the largest price of anarchy."""
        new = evaluate(self.splitters, load)
        self.evaluations += load.size
        if new.poa.max() > self.best:
            self.best, self.best_load = float(new.poa.max()), float(load[new.poa.argmax()])
        return new

    def _tail_bound(self) -> float:
        """Return the bound of the cell that reaches to saturation; 1 where that is closed."""
        if self.tail is None or self.end is None:
            return 1.0
        tail = self.tail
        return self.end.bound(tail.spare_capacity[0], tail.latency[0], tail.total_delay[0])

    def _close_cells(self) -> bool:
        """Close cells that cannot improve the best by the gap, and return whether any is open."""
        bound = cell_bound(self.left, self.right)
        # no load lies between two neighbouring floats
        wide = self.right.load - self.left.load > 4 * np.spacing(self.right.load)
        open_ = (bound > self._enough()) & wide
        self.closed_bound = max(self.closed_bound, float(bound[~open_].max(initial=1.0)))
        self.left, self.right = self.left.at(open_), self.right.at(open_)
        self._close_tail()
        return bool(open_.any()) or self.tail is not None

    def _close_tail(self) -> None:
        """Close the cell that reaches to saturation, if it cannot improve the best by the gap."""
        if self.tail is None:
            return
        bound = self._tail_bound()
        if bound <= self._enough() or self.tail.spare_capacity[0] < 1e-13 * self.last:
            self.closed_bound, self.tail = max(self.closed_bound, bound), None

    def _enough(self) -> float:
        """Return the bound up to which a cell is closed."""
        return self.best * (1 + 0.9 * self.gap)

    def _split(self) -> None:
        """Cut each open cell into parts; the last one at 1/2, 1/4 and 1/8 of its spare capacity."""
        loads = inside(self.left, self.right, PARTS if self.left.load.size < FEW else 2)
        further = np.empty(0) if self.tail is None else beyond(self.bank, self.tail.load[0])
        new = self._evaluate(np.concatenate([loads.ravel(), further]))
        ends = zip(self.left, new, self.right, strict=True)
        rows = [
            np.column_stack([a, inner[: loads.size].reshape(loads.shape), b])
            for a, inner, b in ends
        ]
        left, right = [r[:, :-1].ravel() for r in rows], [r[:, 1:].ravel() for r in rows]
        if self.tail is not None:
            pairs = zip(self.tail, new, strict=True)
            chain = [np.concatenate([t, inner[loads.size :]]) for t, inner in pairs]
            self.tail = Points(*(c[-1:] for c in chain))
            left = [np.append(a, c[:-1]) for a, c in zip(left, chain, strict=True)]
            right = [np.append(b, c[1:]) for b, c in zip(right, chain, strict=True)]
        self.left, self.right = Points(*left), Points(*right)


def _sample(bank: ServerBank, edges: Array, to_saturation: bool) -> Array:
    """Return loads like those of the search, for its tables of prices.

    They cut the cells between the edges, and those of `HALVINGS` halvings of the spare capacity
    beyond the last edge, into even parts.
    """
    total = float(bank.total_rate[0])
    spare = (total - edges[-1]) * 0.5 ** np.arange(1, HALVINGS if to_saturation else 1)
    ends = np.append(edges, total - spare)
    even = ends[:-1, None] + np.diff(ends)[:, None] * np.arange(SAMPLE) / SAMPLE
    return np.append(even, ends[-1])


def beyond(bank: ServerBank, load: float) -> Array:
    """Return the loads of 1/2, 1/4 and 1/8 of the spare capacity at a load."""
    total, low = bank.total_rate
    spare = ((total - load) + low) * 0.5 ** np.arange(1, 4)
    return np.unique((total - spare) + low)


def inside(a: Points, b: Points, parts: int) -> Array:
    """Return loads that cut each cell into parts, shape (K, parts - 1).

    The cuts are even, or even in the logarithm of the spare capacity where that shrinks by more
    than a factor of 4.
    """
    step = np.arange(1, parts) / parts
    even = a.load[:, None] + (b.load - a.load)[:, None] * step
    if not np.all(np.isfinite(a.spare_capacity)):
        return even
    total = a.load + a.spare_capacity
    ratio = (b.spare_capacity / a.spare_capacity)[:, None]
    shrinking = total[:, None] - a.spare_capacity[:, None] * ratio**step
    cut = np.where(ratio < 0.25, shrinking, even)
    return np.clip(cut, a.load[:, None], b.load[:, None])
