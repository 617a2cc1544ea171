"""Users who choose again and again by the delays that they observe, in simulated rounds.

In each round jobs are simulated at the present shares. Then a small part of the users of each
group, 2/(n + `SLOW`) in round n, goes over to what was fastest by the delays observed so far, of
which older ones are forgotten step by step. A few jobs try each alternative at random, fewer and
fewer, so that there is something to observe everywhere. No formula of a delay is used.

What a share was at the start counts by (`SLOW`/n)^2. With smaller and smaller steps the shares
follow the best-response dynamics of the game, whose limit is its equilibrium, as the game has a
convex potential (M. Benaim, J. Hofbauer, S. Sorin, *Stochastic approximations and differential
inclusions*, SIAM J. Control Optim. 44, 2005). Averages of best responses are also how traffic
assignment finds an equilibrium from simulated times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...reference.errors import Array
from ...reference.validation import as_integer, as_seed
from ..core.variables import variable
from .jobs import Index
from .network import Network

if TYPE_CHECKING:
    import xarray as xr

SLOW = 20.0  # rounds by which the step of the users is behind 2/n
FEWEST = 100  # jobs of a round
FORGET = 1.0 / 3.0  # power of the round by which older rounds are forgotten
TRIES = 0.05  # part of the jobs that try alternatives at random in the first round
WARM_UP = 0.1  # part of the jobs of a round that are not counted, beside the others
Observed = tuple[Array, Array]
"""Sum of the delays and number of the jobs of each alternative, shape (R,)."""


@dataclass(frozen=True)
class Game:
    """Alternatives between which groups of users choose.

    Attributes
    ----------
    over : str
        What the alternatives are, such as ``"server"``: the dimension of the dataset.
    names : tuple of str
        The R alternatives.
    group : ndarray of int, shape (R,)
        Group of each alternative, ascending.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    use : ndarray, shape (R, A)
        What a job of each alternative brings to each of A stations.
    observe : callable
        From the flows of the alternatives, shape (R,), the number of jobs and a seed to what these
        jobs observed.
    equilibrium : ndarray, shape (R,)
        Shares of the alternatives at the computed equilibrium, with the sum 1 in each group.
    equilibrium_delay : float
        Mean delay of all jobs there.
    """

    over: str
    names: tuple[str, ...]
    group: Index
    load: Array
    use: Array
    observe: Callable[[Array, int, np.random.SeedSequence], Observed]
    equilibrium: Array
    equilibrium_delay: float

    @property
    def even(self) -> Array:
        """The same share for all alternatives of a group, shape (R,)."""
        return np.asarray(1.0 / np.bincount(self.group)[self.group])

    def flow(self, share: Array) -> Array:
        """Return the flows of the alternatives, shape (..., R)."""
        return np.asarray(share * self.load[self.group])

    def fastest(self, delay: Array) -> Array:
        """Return shares that are 1 for the alternative of the least delay in each group."""
        order = np.lexsort((delay, self.group))
        first = order[np.searchsorted(self.group[order], np.arange(self.load.size))]
        out = np.zeros(delay.size)
        out[first] = 1.0
        return out

    def distance(self, share: Array) -> Array:
        """Return how far shares, shape (..., R), are from the equilibrium, by what stations get.

        The largest difference at a station, relative to what the busiest one gets at the
        equilibrium. Of several equilibria all have this in common.
        """
        best = self.flow(self.equilibrium) @ self.use
        return np.asarray(np.abs(self.flow(share) @ self.use - best).max(axis=-1) / best.max())


def play(
    game: Game, rounds: int, jobs: int, start: Array | None, seed: int, time_unit: str
) -> xr.Dataset:
    """Return the trajectory of a game over rounds.

    Parameters
    ----------
    game : Game
    rounds, jobs : int
        Number of rounds, and of jobs in each.
    start : ndarray, shape (R,), optional
        Shares of the first round; by default even ones.
    seed : int
        The same seed gives the same numbers.
    time_unit : str
        Unit of the delays.

    Returns
    -------
    xarray.Dataset
        Over ``round``: ``share`` of each alternative and its observed ``delay``, NaN where no job
        took it, ``mean_delay`` of the jobs, and the ``distance`` of `Game.distance`. Beside it the
        computed equilibrium: ``equilibrium_share`` and ``equilibrium_delay``.
    """
    rounds = as_integer("rounds", rounds, "a number of rounds")
    jobs = as_integer("jobs", jobs, "a number of jobs", FEWEST)
    present = game.even if start is None else start
    total, count = np.zeros(present.size), np.zeros(present.size)
    shares, delays = (np.full((rounds, present.size), np.nan) for _ in range(2))
    mean = np.empty(rounds)
    for n, own in enumerate(np.random.SeedSequence(as_seed(seed)).spawn(rounds)):
        tries = TRIES / np.sqrt(1.0 + n)
        shares[n] = (1.0 - tries) * present + tries * game.even
        times, number = game.observe(game.flow(shares[n]), jobs, own)
        delays[n] = _ratio(times, number, np.nan)
        mean[n] = times.sum() / number.sum()
        kept = 1.0 - (1.0 + n) ** -FORGET
        total, count = kept * total + times, kept * count + number
        # what nobody has seen is no reason to go there
        fastest = game.fastest(_ratio(total, count, np.inf))
        present = present + 2.0 / (n + 1.0 + SLOW) * (fastest - present)
    return _trajectory(game, shares, delays, mean, time_unit)


def _ratio(total: Array, count: Array, otherwise: float) -> Array:
    """Return quotients, and another number where there is nothing to divide by."""
    found = np.full(total.shape, otherwise)
    np.divide(total, count, out=found, where=count > 0)
    return found


def _trajectory(
    game: Game, shares: Array, delays: Array, mean: Array, time_unit: str
) -> xr.Dataset:
    """Return the dataset of a trajectory."""
    import xarray as xr  # the import takes time

    each = ("round", game.over)
    share, delay = f"share of each {game.over}", f"observed delay of each {game.over}"
    known, best = game.equilibrium, game.equilibrium_delay
    data = {
        "share": variable(shares, share, "part", each),
        "delay": variable(delays, delay, "each", each, time_unit),
        "mean_delay": variable(mean, "observed mean delay", "delay", ("round",), time_unit),
        "distance": variable(
            game.distance(shares), "distance from the equilibrium", "part", ("round",)
        ),
        "equilibrium_share": variable(known, "share at the equilibrium", "share", (game.over,)),
        "equilibrium_delay": variable(
            best, "mean delay of the equilibrium", "delay", (), time_unit
        ),
    }
    rounds = ("round", np.arange(1, len(mean) + 1), {"long_name": "round"})
    coordinates = {"round": rounds, game.over: list(game.names)}
    return xr.Dataset(data, coordinates, {"time_unit": time_unit})


def observed(network: Network, jobs: int, seed: np.random.SeedSequence) -> Observed:
    """Return what the jobs of each class of a network observe; background jobs are left out."""
    warm = int(WARM_UP * jobs)
    total, count = (np.zeros(len(network.classes)) for _ in range(2))
    for chunk in network.run(warm + jobs, warm + jobs, seed):
        late = chunk.number >= warm
        kind = chunk.kind[late]
        total += np.bincount(kind, chunk.delay[late], minlength=total.size)
        count += np.bincount(kind, minlength=total.size)
    own = np.array([kind.counted for kind in network.classes])
    return total[own], count[own]
