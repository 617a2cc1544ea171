"""Users who leave what is slow for what is fast, by observed delays and how these rise with load.

In a round, the users of alternative r become x_r exp(a (C - c_r) / e_r) with the observed mean
delay c_r, the step a, and a level C for each group at which as many users come as go. e_r is what
the delay rises by when the load of all rises, per relative rise: to first order a step a = 1
then evens out the delays of alternatives that share nothing. Where they share stations, with
delays of increasing slopes H and x >= 0, diag(e_r / x_r) - H is positive semidefinite: it is half
the form sum_rq H_rq x_r x_q (u_r/x_r - u_q/x_q)^2. So steps up to 1 go down the convex potential of
the game near x, and no step needs to know who shares what (D. P. Bertsekas, E. M. Gafni,
*Projection methods for variational inequalities*, Math. Program. Study 17, 1982).

Where e_r is below what c_r changes by from round to round by chance, that is taken instead. Steps
that fall like n^(-2/3), and the average over the later rounds, get out of the observations what is
in them (B. T. Polyak, A. B. Juditsky, *Acceleration of stochastic approximation by averaging*, SIAM
J. Control Optim. 30, 1992).
"""

from __future__ import annotations

import numpy as np

from ...reference.errors import Array
from .jobs import Index

SLOW = 10.0  # rounds in which the steps are about 1
POWER = 2.0 / 3.0  # of the round by which the steps fall
FORGET = 1.0 / 3.0  # power of the round by which older rounds are forgotten
FARTHEST = 1.0  # largest change of the logarithm of a share in a round
LEAST = 1e-3  # share that an alternative keeps, over an even one
HALVINGS = 60  # of the level


class Users:
    """Groups of users who choose between alternatives.

    Parameters
    ----------
    group : ndarray of int, shape (R,)
        Group of each alternative.
    share : ndarray, shape (R,)
        Shares of the alternatives in the first round, with the sum 1 in each group; by default
        even ones.
    """

    def __init__(self, group: Index, share: Array | None = None) -> None:
        self.group, self.rounds = group, 0
        self.even = np.asarray(1.0 / np.bincount(group)[group])
        self.share = self.even if share is None else share
        self.groups = int(group.max()) + 1
        self.rise, self.learnt = np.zeros(group.size), np.zeros(group.size)
        self.chance, self.compared = np.zeros(group.size), np.zeros(group.size)
        self.before = np.full(group.size, np.nan)

    def learn(self, rise: Array) -> None:
        """Take observed rises of the delays, NaN where nothing was observed."""
        _follow(self.rise, self.learnt, rise)

    def move(self, delay: Array) -> None:
        """Let users move by the delays of a round, NaN where nothing was observed."""
        _follow(self.chance, self.compared, 0.5 * (delay - self.before) ** 2)
        self.before = np.where(np.isfinite(delay), delay, self.before)
        self.rounds += 1
        step = (1.0 + self.rounds / SLOW) ** -POWER
        share = np.maximum(self.moved(self.share, delay, step), LEAST * self.even)
        self.share = share / np.bincount(self.group, share)[self.group]

    def moved(self, share: Array, delay: Array, step: float = 1.0) -> Array:
        """Return the shares after a step; those of which nothing was observed stay."""
        seen = np.isfinite(delay)
        known, group = delay[seen], self.group[seen]
        scale = np.maximum(self.rise, np.sqrt(self.chance))[seen]
        scale = np.maximum(scale, np.finfo(float).eps * np.abs(known) + np.finfo(float).tiny)
        low, high = np.full(self.groups, np.inf), np.full(self.groups, -np.inf)
        np.minimum.at(low, group, known)
        np.maximum.at(high, group, known)
        empty = low > high
        low[empty] = high[empty] = 0.0
        before = np.bincount(group, share[seen], self.groups)
        for _ in range(HALVINGS):
            level = 0.5 * (low + high)
            off = np.clip((level[group] - known) / scale, -FARTHEST, FARTHEST)
            after = share[seen] * np.exp(step * off)
            more = np.bincount(group, after, self.groups) > before
            low, high = np.where(more, low, level), np.where(more, level, high)
        out = share.copy()
        out[seen] = after
        return out


def _follow(value: Array, count: Array, found: Array) -> None:
    """Take new observations into averages that forget older ones step by step."""
    seen = np.isfinite(found)
    value[seen] += (1.0 + count[seen]) ** -FORGET * (found[seen] - value[seen])
    count[seen] += 1.0
