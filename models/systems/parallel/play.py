"""Users of parallel servers who choose by the delays that they observe, in simulated rounds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.parallel import optimum_equilibrium as exact
from ....reference.validation import as_integer
from ...simulation.families import stations_of
from ...simulation.play import RELAXED, Game, Observed, play, ratio
from ...simulation.run import Task
from ...simulation.station import Station
from .evaluation import WAYS, flow_of
from .simulation import SimulatedSplit, check_base

if TYPE_CHECKING:
    import xarray as xr


BATCH = 2  # largest number of batches of a run, of which the sum alone counts


class PlayedSplit(SimulatedSplit):
    """Base class of `ParallelServers`: users who play the game of the servers."""

    def play(
        self,
        load: float,
        *,
        rounds: int = 200,
        jobs: int = 20_000,
        share: npt.ArrayLike | None = None,
        seed: int = 0,
    ) -> xr.Dataset:
        """Let users choose servers by the delays that they observe, and return how the split moves.

        Each round is simulated; then users go over to servers that were faster. The shares tend to
        the equilibrium, of which the rounds use no formula.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        rounds : int, default 200
            Number of rounds.
        jobs : int, default 20,000
            Number of simulated jobs in each round.
        share : array_like, shape (n,), optional
            Shares of the first round, which may overload a server; by default equal ones.
        seed : int, default 0
            The same seed gives the same numbers.

        Returns
        -------
        xarray.Dataset
            The trajectory of the servers, the equilibrium beside it, and what the users found, with
            its error; see `sojourn.models.simulation.play.play`.

        Raises
        ------
        LoadError, InputError
            On a load or shares that are none, and as `ParallelServers.simulate` on a family that
            cannot be simulated.

        Notes
        -----
        See `sojourn.models.simulation.play`.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> moves = ParallelServers(MM1([10.0, 5.0])).play(load=9.0, rounds=50, jobs=5_000)
        >>> moves.equilibrium_share.values.round(4)
        array([0.7778, 0.2222])
        >>> bool(moves.distance[-1] < 0.05)
        True
        """
        load, stations = self.check_load(load), stations_of(self.bank)
        given = dict(zip(WAYS, (None, share, None), strict=True))
        start = None if share is None else flow_of(self, load, given) / load  # type: ignore[arg-type]
        best, n = exact.equilibrium(self.bank, load), len(stations)
        check_base(self.names, stations, np.full(n, load / n), as_integer("jobs", jobs, "a number"))

        game = Game(
            over="server",
            names=self.names,
            group=np.zeros(n, dtype=np.intp),
            load=np.array([load]),
            stations=self.names,
            use=np.eye(n),
            observe=partial(_observed, stations),
            equilibrium=best.flow / load,
            equilibrium_delay=float(best.flow @ self.bank.latency(best.flow)) / load,
        )
        return play(game, rounds, jobs, start, seed, self.time_unit)


def _observed(
    stations: tuple[Station, ...],
    flow: Array,
    scale: float,
    jobs: int,
    seed: np.random.SeedSequence,
) -> Observed:
    """Return what the jobs of each server observe; see `Game.observe`."""
    total, count, slow = (np.zeros(flow.size) for _ in range(3))
    each = np.random.default_rng(seed).multinomial(jobs, flow / flow.sum()).tolist()
    for i, (station, own) in enumerate(zip(stations, seed.spawn(flow.size), strict=True)):
        if each[i]:
            found = Task(station, float(flow[i]), each[i], own, BATCH, scale).run()
            count[i] = found.jobs
            total[i] = sum(b.total for b in found.batches) + station.delay * found.jobs
            # a relaxation time is one job or more, and one that is alone forgets nothing
            slow[i] = RELAXED * (station.relaxation(float(flow[i])) - 1.0) / each[i]
    return Observed(total, count, ratio(total, count), slow)
