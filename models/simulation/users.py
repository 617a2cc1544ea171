"""Users who move by observed delays, and by how these rise with what stations get.

From a round users know the mean delay c_r of each alternative, and at each station how much the
time of a job rises when the load of all rises, which over what the station gets is the slope D_s.
With the use A of the stations the delays are to first order those of a game with the potential

    sum_r c_r d_r + 1/(2 a) (|sqrt(D) A^T d|^2 + sum_r l_r d_r^2 / x_r)

of the changes d of the flows x. Users move to the equilibrium of that game, a quadratic program,
within a factor of 2.7: a step of Newton's method for the equilibrium (N. H. Josephy, *Newton's
method for generalized equations*, 1979), of length a = 1 at first. l_r is what the delay of r,
relative to its group, changes by from round to round by chance: users do not react to noise with
more than their own number.

Steps that fall like n^(-2/3), and the average over the later rounds, get out of the observations
what is in them (B. T. Polyak, A. B. Juditsky, *Acceleration of stochastic approximation by
averaging*, SIAM J. Control Optim. 30, 1992).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import block_array, csc_array, csc_matrix, diags_array, eye_array

from ...reference.errors import Array
from .jobs import Index

SLOW = 10.0  # rounds in which the steps are about 1
POWER = 2.0 / 3.0  # of the round by which the steps fall
FORGET = 1.0 / 3.0  # power of the round by which older rounds are forgotten
FARTHEST = 1.0  # largest change of the logarithm of a flow in a round
HOPE = 2.0  # standard errors by which an alternative that users left may be faster
TRIES = 0.05  # flow that each alternative keeps, over an even one, times the number of the round
LEFT = 0.1  # flow, over an even one, up to which few of the users of an alternative are seen
LEAST = 1e-6  # smallest curvature, relative to the largest: the program has one answer


class Users:
    """Groups of users who choose between alternatives.

    Parameters
    ----------
    group : ndarray of int, shape (R,)
        Group of each alternative.
    load : ndarray, shape (G,)
        Load of each group.
    use : ndarray, shape (R, A)
        What a job of each alternative brings to each station.
    share : ndarray, shape (R,), optional
        Shares of the alternatives in the first round, with the sum 1 in each group; by default
        even ones.
    """

    def __init__(self, group: Index, load: Array, use: Array, share: Array | None = None) -> None:
        self.group, self.load, self.use, self.rounds = group, load, use, 0
        self.learnt = 0
        self.even = np.asarray((load / np.bincount(group))[group])
        self.flow = self.even if share is None else np.asarray(share * load[group])
        self.rises, self.squares = np.zeros((2, use.shape[1]))
        self.chance, self.compared = np.zeros((2, group.size))
        self.before = np.full(group.size, np.nan)

    @property
    def slope(self) -> Array:
        """Slope of the time at each station over what it gets, shape (A,)."""
        return self.rises / np.maximum(self.squares, np.finfo(float).tiny)

    @property
    def tries(self) -> Array:
        """Flows that the alternatives keep, shape (R,)."""
        return TRIES / (1.0 + self.rounds) * self.even

    def learn(self, rise: Array) -> None:
        """Take the rises of the times at the stations, shape (A,), NaN where no job was.

        Slopes are by least squares, in which a rise that few jobs showed counts little.
        """
        got, seen = self.flow @ self.use, np.isfinite(rise)
        kept = 1.0 - (1.0 + self.learnt) ** -FORGET
        self.squares = kept * self.squares + np.where(seen, got, 0.0) ** 2
        self.rises = kept * self.rises + got * np.where(seen, np.maximum(rise, 0.0), 0.0)
        self.learnt += 1

    def move(self, delay: Array) -> None:
        """Let users move by the delays of a round, NaN where nothing was observed."""
        seen = np.isfinite(delay)
        of, flow = self.group[seen], self.flow[seen]
        total = np.bincount(of, flow * delay[seen], self.load.size)
        number = np.bincount(of, flow, self.load.size)
        mean = np.asarray(total / np.maximum(number, np.finfo(float).tiny))
        off = delay - mean[self.group]
        _follow(self.chance, self.compared, 0.5 * (off - self.before) ** 2)
        self.before = np.where(seen, off, self.before)
        self.rounds += 1
        flow = self.moved(self.flow, delay, (1.0 + self.rounds / SLOW) ** -POWER)
        flow = np.maximum(flow, self.tries)
        self.flow = np.asarray(flow * (self.load / np.bincount(self.group, flow))[self.group])

    def to_go(self, flow: Array, delay: Array, rounds: Array) -> Array:
        """Return how users would move from average flows by average delays, shape (R,).

        Alternatives that users have left may be faster than they were to the few who stayed.

        Parameters
        ----------
        flow, delay : ndarray, shape (R,)
            Averages, NaN where no delay was observed.
        rounds : ndarray, shape (R,)
            Number of rounds in which it was.
        """
        left = flow <= np.maximum(3.0 * self.tries, LEFT * self.even)
        error = np.sqrt(self.chance / np.maximum(rounds, 1))
        return self.moved(flow, np.where(left, delay - HOPE * error, delay), sure=left) - flow

    def moved(self, flow: Array, delay: Array, step: float = 1.0, sure: Any = False) -> Array:
        """Return the flows after a step; those of which nothing was observed stay.

        Where users are `sure` of the delays, they move as far as these say.
        """
        seen = np.isfinite(delay) & (flow > 0)
        root, of = np.sqrt(flow[seen]), self.group[seen]
        bend = (root[:, None] * self.use[seen]) * np.sqrt(self.slope)
        own = np.sqrt(np.where(sure, 0.0, self.chance)[seen])
        own += LEAST * max(own.max(), (bend**2).sum(axis=1).max()) + np.finfo(float).tiny
        # the least delay of a group changes nothing, and leaves no digits away
        least = np.full(self.load.size, np.inf)
        np.minimum.at(least, of, delay[seen])
        most = np.where(sure, self.load[self.group], np.expm1(FARTHEST) * flow)[seen] / root
        change = _equilibrium(own, bend, step * root * (delay[seen] - least[of]), of, root, most)
        out = flow.copy()
        out[seen] += root * change
        return np.maximum(out, 0.0)


def _equilibrium(
    own: Array, bend: Array, cost: Array, group: Index, root: Array, most: Array
) -> Array:
    """Return v up to `most` with the least (own v^2 + |bend^T v|^2) / 2 + cost^T v.

    In each group the sum of root v is 0. The vector bend^T v has variables of its own, so that what
    is sparse stays sparse.
    """
    import clarabel  # the import takes time

    n, stations = bend.shape
    scale, unit = max(float(own.max()), float((bend**2).sum(axis=1).max())), float(root.max())
    rows, of = np.unique(group, return_inverse=True)
    sums = csc_array((root / unit, (of, np.arange(n))), shape=(rows.size, n))
    far, most = -np.expm1(-FARTHEST) * root / unit, most / unit
    bounds = [[csc_array(bend.T / np.sqrt(scale)), -eye_array(stations)], [sums, None]]
    bounds += [[eye_array(n), None], [-eye_array(n), None]]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    solver = clarabel.DefaultSolver(
        csc_matrix(diags_array(np.concatenate([own / scale, np.ones(stations)]))),
        np.concatenate([cost / (scale * unit), np.zeros(stations)]),
        csc_matrix(block_array(bounds)),
        np.concatenate([np.zeros(stations + rows.size), most, far]),
        [clarabel.ZeroConeT(stations + rows.size), clarabel.NonnegativeConeT(2 * n)],
        settings,
    )
    found = solver.solve()
    if found.status not in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
        return np.zeros(n)  # a round without a move costs little
    # whatever a solver says, nobody moves farther
    return np.asarray(unit * np.clip(found.x[:n], -far, most))


def _follow(value: Array, count: Array, found: npt.NDArray[np.float64]) -> None:
    """Take new observations into averages that forget older ones step by step."""
    seen = np.isfinite(found)
    value[seen] += (1.0 + count[seen]) ** -FORGET * (found[seen] - value[seen])
    count[seen] += 1.0
