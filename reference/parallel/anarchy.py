"""Price of anarchy: mean delay of selfish routing over that of the optimum.

At a load, in the limit of saturation, and at the candidate loads of the paper's rule for the worst
case.
"""

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

CELLS = 4_000_000  # loads times servers computed at once


@dataclass(frozen=True, eq=False)
class CandidateWorstCase:
    """Price of anarchy at the candidate loads of Corollary 2 of Mancuso et al.

    Attributes
    ----------
    load : ndarray, shape (c,)
        Activation loads of the equilibrium below the total rate, sorted, and last the total rate
        itself; jobs per unit of time.
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
        """Candidate of the largest price of anarchy, jobs per unit of time."""
        return float(self.load[int(np.argmax(self.poa))])


def price_of_anarchy(
    servers: ServerBank | Sequence[ServerBank], load: npt.ArrayLike, players: float = math.inf
) -> Array:
    """Return the mean delay of the equilibrium over that of the optimum, L / T >= 1.

    Eq. (19) of Mancuso et al.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers.
    load : array_like, shape () or (K,)
        Total loads, 0 <= load < total rate, jobs per unit of time.
    players : int or inf, default inf
        Number of equal players, as in `sojourn.reference.equilibrium`.

    Returns
    -------
    ndarray, shape of the load

    Raises
    ------
    LoadError
        As `sojourn.reference.optimum`.
    InputError
        On a number of players that is not a whole number from 1 or infinity.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> price_of_anarchy(bank, [10.0, 80.0, 190.0]).round(4)
    array([1.    , 1.1195, 1.0295])
    """
    bank = as_bank(servers)
    loads = check_load(bank, load)
    flat, size = np.atleast_1d(loads), max(1, CELLS // len(bank))
    blocks = [flat[i : i + size] for i in range(0, flat.size, size)]
    ratio = [ratio_of(equilibrium(bank, block, players), optimum(bank, block)) for block in blocks]
    return np.concatenate(ratio).reshape(loads.shape) if ratio else np.empty(loads.shape)


def ratio_of(selfish: Split, best: Split) -> Array:
    """Return the ratio of two mean delays; 1 where the least delay is 0, as on a free server."""
    one = np.ones_like(best.mean_delay)
    return np.divide(selfish.mean_delay, best.mean_delay, out=one, where=best.mean_delay > 0)


def saturation_limit(servers: ServerBank | Sequence[ServerBank]) -> float:
    """Return the limit of the price of anarchy as the load rises to the total rate.

    It is (sum k_i) (sum mu_i) / (sum sqrt(k_i mu_i))^2 with the variabilities k = (1 + cv^2)/2, and
    does not depend on the delays; Theorem 6 and eqs. (27), (34) of Mancuso et al. With a base load
    mu and k are R and k' of the latency e + k'/(R - x); see `sojourn.reference.base_load`.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers, of families with a variability ``k``: M/M/1, M/D/1, M/G/1.

    Returns
    -------
    float

    Raises
    ------
    InputError
        On a family without ``k``.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> round(saturation_limit(MM1([100.0, 80.0, 200.0])), 6)
    1.041371
    """
    bank = as_bank(servers)
    k = getattr(bank, "k", None)
    if k is None:
        remedy = "give MM1, MD1 or MG1; for other families use price_of_anarchy at loads"
        raise InputError("servers", type(bank).__name__, "has no variability k", remedy)
    return float(k.sum() * bank.rate.sum() / np.sqrt(k * bank.rate).sum() ** 2)


def candidate_worst_case(servers: ServerBank | Sequence[ServerBank]) -> CandidateWorstCase:
    """Return the largest price of anarchy by the rule of Corollary 2 of Mancuso et al.

    The rule takes the activation loads of the equilibrium and saturation as candidates. Its cost is
    one optimum and one equilibrium over n servers for each of up to n candidates.

    The result is a lower bound of the worst case (`sojourn.reference.worst_case`), as Corollary 2
    is false. With two servers of rate 1, no delay and cv 1 and 20 the price of anarchy is 2.1017 at
    load 1.3205, and 1.7535 at the candidates. The corollary is also false for one cv of all
    servers; see the notes.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers, of families with a variability ``k``.

    Returns
    -------
    CandidateWorstCase

    Raises
    ------
    InputError
        As `sojourn.reference.saturation_limit`.

    Notes
    -----
    *One cv of all servers, above 1: false for every cv*, k = (1 + cv^2)/2 > 1. Take W servers of
    rate 1 without delay and one of rate M at delay 1 - 1/M. All start at once, so saturation is the
    only candidate, of ratio R_sat. As W and then M grow, the ratio R at utilisation u of the small
    servers has (R - 1)/(R_sat - 1) -> k/(1 + (k - 1) u) > 1. A small case: k = 50.5, 24 servers of
    rate 1 without delay and one of rate 25 at 0.96: 1.456728 at load 48.2115, candidates 1.456599.

    *M/M/1: false by a small amount.* 10,700 servers (rate 1, delay 0), 2,435 (0.31, 0.2443), one
    (697, 1.94) and one (175, 1.313): 1.107055 at load 9434.42, candidates 1.107024. Known
    counterexamples for one cv have 21 servers or more.

    *M/D/1: open.*

    *M/M/1 at one distance: true*, and so for one cv wherever e = d + (1 - k)/mu >= 0 is the same
    for all, as latencies are then e + k/(mu - x). Let k = 1 be the unit of delay, N and F the total
    delays of equilibrium and optimum, s <= t the spare capacities of the servers that each uses.
    Then N'' = 2 (N' - e)/s and F'' = 2 (F' - e)/t. Where N/F is stationary, N'/N = F'/F, so
    N' >= F' and N''/N' >= F''/F': a minimum. Equality holds for N = F, and for e = 0 with the same
    servers used, where N/F is monotone in 1/s.

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
