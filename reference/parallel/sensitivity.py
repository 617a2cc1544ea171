"""What one more unit of rate, or of distance, at each server does to the mean delay, at the optimum and at the equilibrium.

For K equal players (one: the optimum; infinitely many: the equilibrium) the used servers share the price h_i = l_i + x_i l_i'/K. A change that
adds dl to server i's latency and dh to its price changes the mean delay T by

    load dT = x_i dl - (g_i - G)/h_i' dh,   G the mean of the marginal delays g weighted by 1/h'.

At the optimum all g are equal and the second term vanishes (the envelope theorem); the rest is the implicit function theorem.

At the equilibrium T is the common latency L, and load dT = load w_i dl with w the weights: better servers never hurt. (In the large too: flows
x_i(L) only rise where a server gets better, so the L at which they sum to the load only falls.) That is the difference to Braess's network.
With K players g_i - G <= (1 - 1/K) x_i l_i' and h_i' >= (1 + 1/K) l_i', so less distance never hurts either; nor does more rate or less
variability for latencies e + k/(mu - x).
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
    """Derivatives of the mean delay. At a load where a server starts they are those towards more use of the servers in use.

    Attributes
    ----------
    mean_delay : float
    rate : ndarray, shape (n,)
        Per unit of each server's rate; 0 or below.
    delay : ndarray, shape (n,)
        Per unit of each server's network delay; 0 or above. At the optimum it is the server's share.
    load : float
        Per unit of the load.
    """

    mean_delay: float
    rate: Array
    delay: Array
    load: float

    times: ClassVar[tuple[str, ...]] = ("mean_delay", "rate", "load")
    """Fields that are times where rates keep their unit."""


def sensitivity(
    servers: ServerBank | Sequence[ServerBank], load: float, players: float = math.inf
) -> Sensitivity:
    """Derivatives of the mean delay in every rate and delay and in the load.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers, of families in which a faster server does the same work in less time: l - d = phi(x/mu)/mu.
    load : float
        Above 0 and below the total rate.
    players : int or inf, default inf
        1 for the optimum, inf for the equilibrium; see `sojourn.reference.equilibrium`.

    Returns
    -------
    Sensitivity

    Raises
    ------
    LoadError, InputError

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> sensitivity(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 190.0, players=1).delay.round(4)
    array([0.2568, 0.18  , 0.5632])
    """
    bank = as_bank(servers)
    total = check_one_load(bank, load)
    split = equilibrium(bank, total, players)
    return derivatives(bank, total, split.flow, check_players(players), float(split.mean_delay))


def derivatives(
    bank: ServerBank, load: float, flow: Array, players: float, mean_delay: float
) -> Sensitivity:
    """Derivatives at a split that is known, shape (n,); see `sensitivity`."""
    used, own = flow > 0, 1.0 / players
    marginal, slope = (
        bank.marginal(flow),
        own * bank.marginal_slope(flow) + (1 - own) * bank.latency_slope(flow),
    )
    price = own * marginal + (1 - own) * bank.latency(flow)
    flat = used & (slope <= 0)  # takes whatever the others leave, at its own price
    rise = np.where(used & ~flat, 1.0 / np.where(slope > 0, slope, 1.0), 0.0)
    weight = flat.astype(float) if flat.any() else rise
    mean = float(weight @ marginal / weight.sum())
    moved = rise * (marginal - mean)  # load dT per unit of price, through the flows that leave
    if flat.any():
        moved[flat] = -moved.sum() / flat.sum()
    finite = np.isfinite(bank.rate)
    scale = np.where(finite, 1.0 / np.where(finite, bank.rate, 1.0), 0.0)
    price_by_rate = -scale * (price - bank.delay + flow * slope)
    by_rate = np.where(used, flow * bank.rate_slope(flow) - moved * price_by_rate, 0.0) / load
    by_delay = np.where(used, flow - moved, 0.0) / load
    return Sensitivity(mean_delay, by_rate, by_delay, (mean - mean_delay) / load)
