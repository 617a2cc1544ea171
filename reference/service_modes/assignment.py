"""The best assignment of jobs to modes; for two modes Section VI of Jeff and Modiano."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..errors import Array, LoadError
from .many_modes import GAP, as_gap, best_points, prove_pair
from .modes import Modes, of_modes
from .partition import Partition, divide
from .segment import lowest, segment
from .stability import check_load, one_load


@dataclass(frozen=True, eq=False)
class Assignment(Partition):
    """Operating point of least mean delay, with a lower bound of the delay of every other one.

    Attributes
    ----------
    lower_bound : float
        The mean delay of every assignment is at least this.
    gap : float
        Relative gap of the mean delay to it, with the rounding error of the mean delay.

    Notes
    -----
    With two modes the delays keep their digits even where 1 - p loses its own.
    """

    lower_bound: float = 0.0
    gap: float = np.inf

    @property
    def p(self) -> float:
        """Fraction of the jobs in mode 1."""
        return float(self.assignment[0])


@of_modes
def assignment(modes: Modes, load: float, gap: float = GAP) -> Assignment:
    """Return the operating point of least mean delay: the best assignment and partition.

    At S stages it uses at most S modes, at most S + 1 with fixed delays.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.
    gap : float, default 1e-9
        Relative gap of the lower bound, where rounding allows it: near the largest load the
        rounding error is about 1e-15 / (1 - load / largest load).

    Returns
    -------
    Assignment

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the largest load.
    InputError
        On a gap outside [1e-12, 0.1].

    Notes
    -----
    With two modes the delay is a ratio N/D of polynomials along the stable interval (see
    `sojourn.reference.service_modes.segment`). The optimum is the best of the two ends and the
    roots of N'D - ND', of degree 4S - 2, at most 6 for two stages; 4S + 2 with fixed delays. The
    lower bound, and the optimum of more modes, is a search over all of them (see
    `sojourn.reference.service_modes.many_modes`).

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> best = assignment(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, load=4.5)
    >>> round(best.p, 6), round(best.mean_delay, 6)
    (0.575182, 6.938099)
    >>> work = [[0.3, 0.1, 0.05, 0.2], [0.05, 0.25, 0.1, 0.12], [0.06, 0.05, 0.24, 0.11]]
    >>> assignment(Modes.from_work(work), load=5.5).assignment.round(4)
    array([0.2567, 0.2969, 0.4464, 0.    ])
    """
    load, gap = one_load(modes, load), as_gap(gap)
    if modes.modes == 2:
        best = _of_pair(modes, load)
        lower, proven = prove_pair(modes, load, best.assignment, gap)
        return _with_bound(best, lower, proven)
    parts, _, (lower,), (proven,) = best_points(modes, np.array([load]), gap)
    best = divide(modes, load, parts[0])
    support = np.flatnonzero(parts[0])
    if support.size == 2:
        with suppress(LoadError):  # the pair may be stable within rounding error alone
            best = _spread(_of_pair(modes.take(support), load), support, modes.modes)
    return _with_bound(best, float(lower), float(proven))


@of_modes
def best_assignments(
    modes: Modes, loads: npt.ArrayLike, gap: float = GAP
) -> tuple[Array, Array, Array]:
    """Return the best assignments of any number of modes at many loads.

    All loads are searched at once, which takes less time than `assignment` at each.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    loads : array_like, shape () or (K,)
        Total loads above 0 and below the largest load, jobs per unit of time.
    gap : float, default 1e-9
        As for `assignment`.

    Returns
    -------
    assignment : ndarray, shape (K, M)
    mean_delay, lower_bound : ndarray, shape (K,)

    Raises
    ------
    LoadError, InputError
        As `assignment`.

    Examples
    --------
    >>> work = [[0.05, 0.5, 0.21021], [0.2375, 0.125, 0.1976975]]
    >>> best, mean_delay, lower_bound = best_assignments(Modes.from_work(work), [4.0, 4.95])
    >>> best.round(4)
    array([[0.    , 0.    , 1.    ],
           [0.0683, 0.    , 0.9317]])
    """
    rates = np.atleast_1d(check_load(modes, loads))
    best, delay, lower, _ = best_points(modes, rates, as_gap(gap))
    return best, delay, lower


def _of_pair(modes: Modes, load: float) -> Partition:
    """Return the best operating point of two modes, from the roots of the slope of the delay."""
    along = segment(modes, load)
    u, _ = lowest(along)
    best = divide(modes, float(load), along.assignment(u))
    return replace(best, stage_delay=along.stage_delay(u))


def _spread(pair: Partition, support: npt.NDArray[np.intp], modes: int) -> Partition:
    """Return an operating point of two modes as one of all modes."""
    parts, share = np.zeros(modes), np.zeros((len(pair.share), modes))
    parts[support], share[:, support] = pair.assignment, pair.share
    return replace(pair, assignment=parts, share=share)


def _with_bound(best: Partition, lower: float, gap: float) -> Assignment:
    """Return an operating point with its lower bound and gap."""
    given = (best.assignment, best.share, best.stage_delay, best.fixed_delay)
    return Assignment(*given, lower_bound=min(lower, best.mean_delay), gap=gap)


@of_modes
def best_assignment(modes: Modes, loads: npt.ArrayLike) -> tuple[Array, Array]:
    """Return the best fractions of jobs in mode 1, p*, and the least mean delays at many loads.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    loads : array_like, shape () or (K,)
        Total loads above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    p, mean_delay : ndarray, shape (K,)

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the largest load.
    InputError
        On another number of modes than two.
    """
    rows = []
    for load in np.atleast_1d(check_load(modes, loads)).tolist():
        along = segment(modes, load)
        u, least = lowest(along)
        rows.append((along.assignment(u)[0], least))
    p, least_delay = np.array(rows).reshape(-1, 2).T
    return p, least_delay
