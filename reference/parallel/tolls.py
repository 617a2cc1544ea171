"""Marginal-cost tolls, under which the equilibrium of selfish users is the optimum (Pigou 1920)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..composed import as_bank
from ..errors import Array
from ..server_bank import ServerBank
from ..validation import as_float
from .optimum_equilibrium import optimum


def tolls(servers: ServerBank | Sequence[ServerBank], load: float) -> Array:
    """Return the toll of each server, in time: the delay that a job adds to other jobs, x l'(x).

    It is taken at the optimum. With the toll, the cost of every used server to a user is its
    marginal delay, so that the optimum is the equilibrium.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers.
    load : float
        Total load, 0 <= load < total rate, jobs per unit of time.

    Returns
    -------
    ndarray, shape (n,)
        In the unit of time; 0 for servers that are not used.

    Raises
    ------
    LoadError
        As `sojourn.reference.optimum`.
    InputError
        On a load that is not one number.

    Examples
    --------
    >>> from sojourn.reference import MM1, equilibrium
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> equilibrium(bank.with_extra_delay(tolls(bank, 190.0)), 190.0).flow.round(3)
    array([ 48.789,  34.196, 107.015])
    """
    bank = as_bank(servers)
    best = optimum(bank, as_float("load", load))
    marginal = bank.marginal(best.flow, best.spare_capacity)
    toll = marginal - bank.latency(best.flow, best.spare_capacity)
    return np.where(best.active, toll, 0.0)
