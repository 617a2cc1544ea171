"""Users who choose again and again by the delays that they observe, in simulated rounds.

In each round jobs are simulated at the present shares, each station from empty, and recorded after
a warm-up. Then users go over to what is faster; see `sojourn.models.simulation.users`. How times
rise with the load is observed as well: some rounds are simulated a second time, with the same
random numbers and 2 % more jobs per unit of time. A few users stay at each alternative, fewer
and fewer, so that there is something to observe everywhere. No formula of a delay is used, but for
the length of the warm-up.

The answer is the average over the last half of the rounds, with an error that is found from the
rounds alone: the half width of its confidence interval by batch means, and what users would still
move by the delays observed there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...reference.errors import Array
from ...reference.validation import as_integer, as_seed
from ..core.variables import variable
from .jobs import Index
from .network import Network
from .record import relaxations
from .users import TRIES, Users

if TYPE_CHECKING:
    import xarray as xr

FEWEST = 100  # jobs of a round
MORE = 0.02  # relative rise of the load in a second run of a round
EARLY, SELDOM = 16, 8  # rounds that are all run twice, and later every such one
BATCHES = 8  # of the rounds of the last half
SHORTEST = 6  # rounds of a batch: longer than the memory of the users
LEVEL = 0.99  # of the error
UNSETTLED = 0.05  # error from which it is said
RELAXED = 5.0  # relaxation times of the slowest station in a warm-up


class Observed(NamedTuple):
    """What the jobs of a round observed.

    Attributes
    ----------
    total, jobs : ndarray, shape (R,)
        Sum of the delays and number of the jobs of each alternative.
    time : ndarray, shape (A,)
        Mean time at each station for one unit of what jobs bring there, NaN where no job was.
    shortfall : ndarray, shape (A,)
        Factor by which the round is too short for each station to forget that it was empty.
    """

    total: Array
    jobs: Array
    time: Array
    shortfall: Array

    @property
    def delay(self) -> Array:
        """Mean delay of each alternative, NaN where no job took it."""
        return ratio(self.total, self.jobs)


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
    stations : tuple of str
        The A stations.
    use : ndarray, shape (R, A)
        What a job of each alternative brings to each of A stations.
    observe : callable
        From the flows of the alternatives, shape (R,), a factor of them in the run, the number of
        jobs and a seed to what these jobs observed.
    equilibrium : ndarray, shape (R,)
        Shares of the alternatives at the computed equilibrium, with the sum 1 in each group.
    equilibrium_delay : float
        Mean delay of all jobs there.
    """

    over: str
    names: tuple[str, ...]
    group: Index
    load: Array
    stations: tuple[str, ...]
    use: Array
    observe: Callable[[Array, float, int, np.random.SeedSequence], Observed]
    equilibrium: Array
    equilibrium_delay: float

    def flow(self, share: Array) -> Array:
        """Return the flows of the alternatives, shape (..., R)."""
        return np.asarray(share * self.load[self.group])

    def share(self, flow: Array) -> Array:
        """Return the shares of flows of the alternatives, shape (..., R)."""
        return np.asarray(flow / self.load[self.group])

    def at_stations(self, share: Array) -> Array:
        """Return what stations get, over what the busiest one gets at the equilibrium."""
        busiest = (self.flow(self.equilibrium) @ self.use).max()
        return np.asarray(self.flow(share) @ self.use / busiest)

    def distance(self, share: Array) -> Array:
        """Return how far shares, shape (..., R), are from the equilibrium, by what stations get.

        The largest difference at a station, relative to what the busiest one gets at the
        equilibrium. Of several equilibria all have this in common.
        """
        off = self.at_stations(share) - self.at_stations(self.equilibrium)
        return np.asarray(np.abs(off).max(axis=-1))


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
        computed equilibrium: ``equilibrium_share`` and ``equilibrium_delay``. What the users found:
        ``final_share``, the average over the last half of the rounds, its ``final_distance``, and
        ``final_error``, a bound of that distance at a level of 99 % which knows no equilibrium. The
        attribute ``notes`` says where the users have not settled, and where rounds are too short
        for a queue to forget that it was empty: then the users see other delays than those of the
        equilibrium, and the bound does not hold.
    """
    rounds = as_integer("rounds", rounds, "a number of rounds")
    jobs = as_integer("jobs", jobs, "a number of jobs", FEWEST)
    users = Users(game.group, game.load, game.use, start)
    shares, found = np.empty((rounds, game.group.size)), list[Observed]()
    for n, own in enumerate(np.random.SeedSequence(as_seed(seed)).spawn(rounds)):
        flow = users.flow
        shares[n] = game.share(flow)
        found.append(game.observe(flow, 1.0, jobs, _copy(own)))
        if n < EARLY or n % SELDOM == 0:
            risen = game.observe(flow, 1.0 + MORE, jobs, _copy(own))
            users.learn((risen.time - found[n].time) / MORE)
        users.move(found[n].delay)
    share, error = _settled(game, users, shares, found)
    data = _trajectory(game, shares, found, time_unit)
    data["final_share"] = variable(share, "average share of the last half", "share", (game.over,))
    distance = game.distance(share)
    data["final_distance"] = variable(distance, "distance of the average share", "part", ())
    data["final_error"] = variable(error, "bound of the distance of the average", "part", ())
    return data.assign_attrs(notes="\n".join(_notes(game, rounds, jobs, error, found)))


def _copy(seed: np.random.SeedSequence) -> np.random.SeedSequence:
    """Return a seed from which the same seeds are spawned as from another one, whenever."""
    return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)


def _settled(game: Game, users: Users, shares: Array, found: list[Observed]) -> tuple[Array, float]:
    """Return the average share of the last half of the rounds, and a bound of its distance."""
    from scipy.special import stdtrit

    rounds = len(shares)
    last = slice(rounds // 2, None)
    share = shares[last].mean(axis=0)
    batches = min(BATCHES, len(shares[last]) // SHORTEST)
    if batches < 2:
        return share, np.inf
    late = found[min(EARLY, rounds // 2) :]
    total = np.sum([seen.total for seen in late], axis=0)
    count = np.sum([seen.jobs for seen in late], axis=0)
    seen = np.sum([seen.jobs > 0 for seen in late], axis=0)
    to_go = game.share(users.to_go(game.flow(share), ratio(total, count), seen))
    means = [game.at_stations(part.mean(axis=0)) for part in np.array_split(shares[last], batches)]
    used = game.use.any(axis=0).sum()  # the largest of so many
    student = stdtrit(batches - 1, 1.0 - 0.5 * (1.0 - LEVEL) / used)
    half = student * np.std(means, axis=0, ddof=1) / np.sqrt(batches)
    # those whom no alternative loses, and whom others lack
    kept = game.at_stations(game.share(users.tries)) + TRIES / rounds * game.at_stations(share)
    kept *= 2.0  # as long as the rounds were half as many
    return share, float((half + np.abs(game.at_stations(to_go)) + kept).max())


def _notes(game: Game, rounds: int, jobs: int, error: float, found: list[Observed]) -> list[str]:
    """Return what a reader of the answer has to know."""
    factor = np.median([seen.shortfall for seen in found[rounds // 2 :]], axis=0)
    worst, notes = int(factor.argmax()), []
    if factor[worst] > 1.0:
        notes.append(
            f"rounds are too short: {game.stations[worst]} forgets that it was empty in rounds of "
            f"{factor[worst]:.3g} times {jobs:,} jobs; until then it seems faster than it is"
        )
    if not error <= UNSETTLED:
        notes.append(
            f"the users have not settled: after {rounds} rounds their distance from the "
            f"equilibrium may be {error:.3g}; give more rounds, or more jobs in each"
        )
    return notes


def ratio(total: Array, count: Array) -> Array:
    """Return quotients, NaN where there is nothing to divide by."""
    found = np.full(total.shape, np.nan)
    np.divide(total, count, out=found, where=count > 0)
    return found


def _trajectory(game: Game, shares: Array, found: list[Observed], time_unit: str) -> xr.Dataset:
    """Return the dataset of a trajectory."""
    import xarray as xr  # the import takes time

    each = ("round", game.over)
    share, delay = f"share of each {game.over}", f"observed delay of each {game.over}"
    known, best = game.equilibrium, game.equilibrium_delay
    delays = [seen.delay for seen in found]
    mean = [seen.total.sum() / seen.jobs.sum() for seen in found]
    distance = game.distance(shares)
    data = {
        "share": variable(shares, share, "part", each),
        "delay": variable(delays, delay, "each", each, time_unit),
        "mean_delay": variable(mean, "observed mean delay", "delay", ("round",), time_unit),
        "distance": variable(distance, "distance from the equilibrium", "part", ("round",)),
        "equilibrium_share": variable(known, "share at the equilibrium", "share", (game.over,)),
        "equilibrium_delay": variable(
            best, "mean delay of the equilibrium", "delay", (), time_unit
        ),
    }
    rounds = ("round", np.arange(1, len(mean) + 1), {"long_name": "round"})
    coordinates = {"round": rounds, game.over: list(game.names)}
    return xr.Dataset(data, coordinates, {"time_unit": time_unit})


def observed(
    of: Callable[[Array], Network],
    use: Array,
    flow: Array,
    scale: float,
    jobs: int,
    seed: np.random.SeedSequence,
) -> Observed:
    """Return what the jobs of a network observe; background jobs are left out.

    Parameters
    ----------
    of : callable
        From flows of the alternatives to a network with a class of jobs for each that has any, in
        their order, and after these background jobs.
    use : ndarray, shape (R, A)
        See `Game`.
    flow, scale, jobs, seed
        See `Game.observe`.
    """
    used = np.flatnonzero(flow > 0)
    known, network = of(flow), of(flow * scale)
    slow = RELAXED * relaxations(known)
    warm = int(min(slow.max(), jobs))
    total, count = np.zeros(flow.size), np.zeros(flow.size)
    spent, brought = np.zeros(len(known.nodes)), np.zeros(len(known.nodes))
    for chunk in network.run(warm + jobs, warm + jobs, seed):
        late = (chunk.number >= warm) & (chunk.kind < used.size)
        kind = used[chunk.kind[late]]
        total += np.bincount(kind, chunk.delay[late], minlength=flow.size)
        count += np.bincount(kind, minlength=flow.size)
        spent += [visits.delay.sum() for visits in chunk.visits]
        brought += [visits.delay.size for visits in chunk.visits]
    visits, _ = Network(known.nodes, known.classes[: used.size]).flows()
    time = ratio(spent, brought) * ratio(visits, flow @ use)
    return Observed(total, count, time, slow / jobs)
