"""Derivatives of the mean delay in the rate and the delay of each server, and in the load.

For K equal players (one: the optimum; infinitely many: the equilibrium) the used servers have the
same price h_i = l_i + x_i l_i'/K. A change that adds dl to the latency of server i and dh to its
price changes the mean delay T by

    load dT = x_i dl - (g_i - G)/h_i' dh,   G the mean of the marginal delays g weighted by 1/h'.

At the optimum all g are equal and the second term vanishes (envelope theorem); the rest is the
implicit function theorem.

At the equilibrium T is the common latency L, and load dT = load w_i dl with w the weights: a
better server never increases the delay. This holds for large changes too: the flows x_i(L) only
rise where a server gets better, so the L at which they sum to the load only falls. In Braess's
network a better link can increase the delay. With K players g_i - G <= (1 - 1/K) x_i l_i' and
h_i' >= (1 + 1/K) l_i', so a shorter delay never increases T either; nor does a larger rate or a
smaller variability, for latencies e + k/(mu - x).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..composed import as_bank
from ..errors import Array
from ..guards import check_players
from ..server_bank import ServerBank
from .optimum_equilibrium import check_one_load, equilibrium


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Derivatives of the mean delay T.

    At a load where a server starts, they are those towards more use of the servers in use.

    Attributes
    ----------
    mean_delay : float
        T itself, in the unit of time.
    rate : ndarray, shape (n,)
        In the rate of each server, unit of time squared per job; 0 or below.
    delay : ndarray, shape (n,)
        In the network delay of each server, dimensionless; 0 or above. At the optimum it is the
        share of the server.
    load : float
        In the load, unit of time squared per job.
    """

    mean_delay: float
    rate: Array
    delay: Array
    load: float

    times: ClassVar[tuple[str, ...]] = ("mean_delay", "rate", "load")
    """Fields that scale with the unit of delays, where rates keep their unit."""


def sensitivity(
    servers: ServerBank | Sequence[ServerBank], load: float, players: float = math.inf
) -> Sensitivity:
    """Return the derivatives of the mean delay in every rate and delay and in the load.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers. Derivatives in the rate are `sojourn.reference.ServerBank.rate_slope` and
        `marginal_rate_slope`, by default those of a faster server that does the same work in less
        time, l - d = phi(x/mu)/mu. A base load stays the same.
    load : float
        Total load above 0 and below the total rate, jobs per unit of time.
    players : int or inf, default inf
        Number of equal players: 1 for the optimum, infinity for the equilibrium; see
        `sojourn.reference.equilibrium`.

    Returns
    -------
    Sensitivity

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On a number of players that is not a whole number from 1 or infinity.

    Notes
    -----
    The equations are in the header of `sojourn.reference.parallel.sensitivity`.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> sensitivity(bank, 190.0, players=1).delay.round(4)
    array([0.2568, 0.18  , 0.5632])
    """
    bank = as_bank(servers)
    total = check_one_load(bank, load)
    split = equilibrium(bank, total, players)
    return derivatives(bank, total, split.flow, check_players(players), float(split.mean_delay))


def derivatives(
    bank: ServerBank, load: float, flow: Array, players: float, mean_delay: float
) -> Sensitivity:
    """Return the derivatives at a known split; see `sensitivity`.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : float
    flow : ndarray, shape (n,)
    players : float
    mean_delay : float
    """
    used, own = flow > 0, 1.0 / players
    marginal = bank.marginal(flow)
    slope = own * bank.marginal_slope(flow) + (1 - own) * bank.latency_slope(flow)
    # a server of constant price takes the flow that leaves the others
    flat = used & (slope <= 0)
    rise = np.where(used & ~flat, 1.0 / np.where(slope > 0, slope, 1.0), 0.0)
    weight = flat.astype(float) if flat.any() else rise
    mean = float(weight @ marginal / weight.sum())
    moved = rise * (marginal - mean)  # load dT per unit of price, by the flows that move
    if flat.any():
        moved[flat] = -moved.sum() / flat.sum()
    by_rate, price_by_rate = bank.rate_slope(flow), bank.marginal_rate_slope(flow)
    price_by_rate = own * price_by_rate + (1 - own) * by_rate
    by_rate = np.where(used, flow * by_rate - moved * price_by_rate, 0.0) / load
    by_delay = np.where(used, flow - moved, 0.0) / load
    return Sensitivity(mean_delay, by_rate, by_delay, (mean - mean_delay) / load)
