"""Users of shared stages who choose their mode by the delays that they observe."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .....reference.errors import Array
from .....reference.service_modes.stability import as_assignment
from ....simulation.network import Network
from ....simulation.play import Game, observed, play
from ....simulation.service import Exponential
from .simulation import SimulatedSharedModes, network_of

if TYPE_CHECKING:
    import xarray as xr

    from .system import SharedModes


class PlayedSharedModes(SimulatedSharedModes):
    """Base class of `sojourn.models.SharedModes`: users who play the game of the modes."""

    def play(
        self,
        load: float | None = None,
        *,
        rounds: int = 200,
        jobs: int = 20_000,
        share: Any = None,
        seed: int = 0,
    ) -> xr.Dataset:
        """Let users choose modes by the delays that they observe; return how the jobs move.

        Each round is simulated; then users go over to modes that were faster. The shares tend to
        the equilibrium, of which the rounds use no formula.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        rounds : int, default 200
            Number of rounds.
        jobs : int, default 20,000
            Number of simulated jobs in each round.
        share : float or array_like, shape (M,), optional
            Part of the jobs in each mode in the first round, as ``p`` of `evaluate`; it may
            overload a stage. By default equal ones.
        seed : int, default 0
            The same seed gives the same numbers.

        Returns
        -------
        xarray.Dataset
            The trajectory of the modes, the equilibrium beside it, and what the users found, with
            its error; see `sojourn.models.simulation.play.play`.

        Raises
        ------
        LoadError, InputError
            On a load that the stages cannot carry, and on shares that are negative or do not sum to
            1.

        Notes
        -----
        See `sojourn.models.simulation.play`. Of several equilibria, the distance is that of the
        utilisations, which all have in common.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> pair = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> moves = pair.play(load=4.0, rounds=100, jobs=8_000)
        >>> moves.equilibrium_share.values.round(4)
        array([0.875, 0.125])
        >>> bool(moves.final_distance <= moves.final_error < 0.05)
        True
        """
        system = cast("SharedModes", self)
        best = system.equilibrium(load)
        start = None if share is None else as_assignment(self.rates, share)

        def network(flow: Array) -> Network:
            return network_of(system, 1.0, flow, Exponential())[0]

        game = Game(
            over="mode",
            names=self.modes,
            group=np.zeros(len(self.modes), dtype=np.intp),
            load=np.array([best.load]),
            stations=self.stages,
            use=self.rates.time.T,
            observe=partial(observed, network, self.rates.time.T),
            equilibrium=best.assignment,
            equilibrium_delay=best.mean_delay,
        )
        return play(game, rounds, jobs, start, seed, self.time_unit)
