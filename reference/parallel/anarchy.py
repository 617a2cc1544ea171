"""Price of anarchy: what selfish routing costs, at a load, at saturation, and at the loads where the paper looks for the worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..composed import as_bank
from ..errors import Array, InputError
from ..server_bank import ServerBank
from .optimum_equilibrium import Split, check_load, equilibrium, optimum
from .thresholds import thresholds

CELLS = 4_000_000  # loads times servers worked on at once


@dataclass(frozen=True, eq=False)
class CandidateWorstCase:
    """Loads at which Corollary 2 of Mancuso et al. looks for the largest price of anarchy, and what it is there.

    Attributes
    ----------
    load : ndarray, shape (c,)
        Equilibrium activation loads below the total rate, sorted, and last the total rate itself.
    poa : ndarray, shape (c,)
        Price of anarchy at each; at the total rate its limit.
    """

    load: Array
    poa: Array

    @property
    def worst(self) -> float:
        """Largest price of anarchy at a candidate: a lower bound of the true worst case."""
        return float(self.poa.max())

    @property
    def worst_load(self) -> float:
        """Candidate at which it is reached."""
        return float(self.load[int(np.argmax(self.poa))])


def price_of_anarchy(
    servers: ServerBank | Sequence[ServerBank], load: npt.ArrayLike, players: float = math.inf
) -> Array:
    """Mean delay of the equilibrium over that of the optimum, L / T >= 1; eq. (19) of Mancuso et al.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers.
    load : array_like, shape () or (K,)
        0 <= load < total rate.
    players : int or inf, default inf
        As in `sojourn.reference.equilibrium`.

    Returns
    -------
    ndarray, shape of the load

    Raises
    ------
    LoadError
        As `sojourn.reference.optimum`.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> price_of_anarchy(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), [10.0, 80.0, 190.0]).round(4)
    array([1.    , 1.1195, 1.0295])
    """
    bank = as_bank(servers)
    loads = check_load(bank, load)
    flat, rows = np.atleast_1d(loads), max(1, CELLS // len(bank))
    blocks = [flat[i : i + rows] for i in range(0, flat.size, rows)]
    ratio = [ratio_of(equilibrium(bank, block, players), optimum(bank, block)) for block in blocks]
    return np.concatenate(ratio).reshape(loads.shape) if ratio else np.empty(loads.shape)


def ratio_of(selfish: Split, best: Split) -> Array:
    """Return mean delays over the least, and 1 where that is 0, as where a road is free: selfishness costs nothing there."""
    return np.divide(
        selfish.mean_delay,
        best.mean_delay,
        out=np.ones_like(best.mean_delay),
        where=best.mean_delay > 0,
    )


def saturation_limit(servers: ServerBank | Sequence[ServerBank]) -> float:
    """Limit of the price of anarchy as the load rises to the total rate; Theorem 6 and eqs. (27), (34) of Mancuso et al.

    It is (sum k_i) (sum mu_i) / (sum sqrt(k_i mu_i))^2 with the variability k = (1 + cv^2)/2. Delays do not matter there.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        Of families with a variability `k`: M/M/1, M/D/1, M/G/1.

    Raises
    ------
    InputError
        On a family without one.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> round(saturation_limit(MM1([100.0, 80.0, 200.0])), 6)
    1.041371
    """
    bank = as_bank(servers)
    k = getattr(bank, "k", None)
    if k is None:
        raise InputError(
            "servers",
            type(bank).__name__,
            "has no variability k",
            "give MM1, MD1 or MG1; of others ask price_of_anarchy at loads",
        )
    return float(k.sum() * bank.rate.sum() / np.sqrt(k * bank.rate).sum() ** 2)


def candidate_worst_case(servers: ServerBank | Sequence[ServerBank]) -> CandidateWorstCase:
    """Largest price of anarchy by the paper's rule: at the equilibrium's activation loads and at saturation; Corollary 2.

    Its cost is that of one optimum and one equilibrium over all n servers for each of up to n candidates.

    The rule is a lower bound, not the worst case (`sojourn.reference.parallel.worst_case`): Corollary 2 is false.
    With two servers of rate 1, no delay and cv 1 and 20 the price of anarchy is 2.1017 at load 1.3205, and 1.7535 at the
    candidates. It fails for one cv for all too; see the notes.

    Parameters
    ----------
    servers : Queue or sequence of Queue

    Returns
    -------
    CandidateWorstCase

    Raises
    ------
    InputError
        As `saturation_limit`.

    Notes
    -----
    *One cv for all, above 1: false for every cv*, k = (1 + cv^2)/2 > 1. Take W servers of rate 1 without delay and one of rate M
    at delay 1 - 1/M. All start at once, so saturation is the only candidate, of ratio R_sat. As W and then M grow, the ratio R
    at utilisation u of the small servers has (R - 1)/(R_sat - 1) -> k/(1 + (k - 1) u) > 1. A small case: k = 50.5, 24 servers
    of rate 1 without delay and one of rate 25 at 0.96: 1.456728 at load 48.2115, candidates 1.456599.

    *M/M/1: false by a hair.* 10,700 servers (rate 1, delay 0), 2,435 (0.31, 0.2443), one (697, 1.94) and one (175, 1.313):
    1.107055 at load 9434.42, candidates 1.107024. Known counterexamples for one cv have 21 servers or more.

    *M/D/1: open.*

    *M/M/1 at one distance: true*, and so for one cv wherever e = d + (1 - k)/mu >= 0 is the same for all, as latencies are then
    e + k/(mu - x). Let k = 1 be the unit of delay, N and F the delays carried by equilibrium and optimum, s <= t the spare
    capacities of the servers that each uses. Then N'' = 2 (N' - e)/s and F'' = 2 (F' - e)/t. Where N/F is stationary,
    N'/N = F'/F, so N' >= F' and N''/N' >= F''/F': a minimum. Equality holds for N = F, and for e = 0 with the same servers used,
    where N/F is monotone in 1/s.

    Examples
    --------
    >>> from sojourn.reference import MG1
    >>> round(candidate_worst_case(MG1([1.0, 1.0], cv=[1.0, 20.0])).worst, 6)
    1.753549
    """
    bank = as_bank(servers)
    start, total = thresholds(bank).equilibrium, float(bank.total_rate[0])
    load = np.unique(start[(start > 0) & (start < total)])
    poa = np.append(price_of_anarchy(bank, load), saturation_limit(bank))
    return CandidateWorstCase(np.append(load, total), poa)
