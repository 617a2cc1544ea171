"""Marginal-cost tolls: what makes selfish users do what is best for all (Pigou 1920)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..composed import as_queue
from ..errors import Array, one_number
from ..queues import Queue
from .optimum_equilibrium import optimum


def tolls(servers: Queue | Sequence[Queue], load: float) -> Array:
    """Toll of each server, in time: what a job there adds to the delay of the others, x l'(x) at the optimum.

    With it every used server costs a user its marginal delay, so the optimum is the equilibrium.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers.
    load : float
        0 <= load < total rate.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    LoadError

    Examples
    --------
    >>> from sojourn.reference import MM1, equilibrium
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> equilibrium(bank.farther(tolls(bank, 190.0)), 190.0).flow.round(3)
    array([ 48.789,  34.196, 107.015])
    """
    queue = as_queue(servers)
    best = optimum(queue, one_number("load", load))
    toll = queue.marginal(best.flow, best.spare) - queue.latency(best.flow, best.spare)
    return np.where(best.active, toll, 0.0)
