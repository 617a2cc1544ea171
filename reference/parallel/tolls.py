"""Marginal-cost tolls: what makes selfish users do what is best for all (Pigou 1920)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..composed import as_bank
from ..errors import Array
from ..server_bank import ServerBank
from ..validation import as_float
from .optimum_equilibrium import optimum


def tolls(servers: ServerBank | Sequence[ServerBank], load: float) -> Array:
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
    >>> equilibrium(bank.with_extra_delay(tolls(bank, 190.0)), 190.0).flow.round(3)
    array([ 48.789,  34.196, 107.015])
    """
    bank = as_bank(servers)
    best = optimum(bank, as_float("load", load))
    toll = bank.marginal(best.flow, best.spare_capacity) - bank.latency(
        best.flow, best.spare_capacity
    )
    return np.where(best.active, toll, 0.0)
