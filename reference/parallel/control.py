"""Partial control: an operator routes a part of the load, then the rest routes itself (a Stackelberg game).

The followers see servers that already carry the leader's flow, and reach the Wardrop equilibrium on top of it: server i carries
max(leader_i, l_i^-1(L)) in all. T. Roughgarden, *Stackelberg scheduling strategies*, SIAM J. Comput. 33 (2004): with the part b of the
load under control, largest-latency-first (LLF) costs at most 1/b times the optimum on parallel servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..compensated_sum import exact_sum
from ..composed import View, as_bank
from ..errors import Array, InputError
from ..server_bank import ArrayLike, Operation, ServerBank
from ..validation import as_float, as_fraction, as_fractions, check_choice
from .optimum_equilibrium import check_one_load, equilibrium, optimum

Strategy = Literal["llf", "scale"]
TIE = 1e-12  # relative difference of latencies that is rounding


@dataclass(frozen=True, eq=False)
class Controlled:
    """What partial control leads to.

    Attributes
    ----------
    fraction : float
        Part of the load that is routed centrally.
    strategy : {"llf", "scale"}
    leader : ndarray, shape (n,)
        Flow that the operator sends to each server.
    flow : ndarray, shape (n,)
        All flow, the followers' too.
    mean_delay : float
        Of all jobs.
    latency : float
        What the followers see; NaN where there are none.
    """

    fraction: float
    strategy: Strategy
    leader: Array
    flow: Array
    mean_delay: float
    latency: float


class ResidualLatency(View):
    """Servers that already carry a flow, as those see them who come on top of it.

    Parameters
    ----------
    queue : Queue
        n servers.
    base : ndarray, shape (n,)
        What they carry; of shape (K, n), operating points are of K bases.
    """

    worked_out = View.worked_out - {"rate_slope"}

    def __init__(self, bank: ServerBank, base: Array) -> None:
        super().__init__(bank, base)
        self.base, self.rate = base, bank.spare_capacity(base)

    @cached_property
    def rate_error(self) -> Array:
        """What rounding left out of the rates less the base; see `ServerBank.rate_error`."""
        terms = np.stack([self.bank.rate, self.bank.rate_error, -self.base, -self.rate], axis=-1)
        high, low = exact_sum(np.where(np.isfinite(self.rate)[..., None], terms, 0.0))
        return np.asarray(high + low)

    @cached_property
    def service(self) -> Array:
        """Latency beyond the delay where no follower has come yet, shape (n,)."""
        return np.asarray(self.bank.latency(self.base) - self.delay)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Latency with the base."""
        return np.asarray(
            self.bank.latency(
                self.base + np.asarray(flow),
                self.spare_capacity(flow) if spare_capacity is None else spare_capacity,
            )
        )

    def potential(self, flow: ArrayLike) -> Array:
        """Integral of the latency from the base on."""
        return np.asarray(
            self.bank.potential(self.base + np.asarray(flow)) - self.bank.potential(self.base)
        )

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow on top of the base at a latency."""
        return np.asarray(np.maximum(self.bank.inverse_latency(latency) - self.base, 0.0))

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point at a latency above that of the base."""
        point = self.bank.at_latency((self.service - self.bank.service) + np.asarray(excess))
        return Operation(
            np.where(np.asarray(excess) > 0, np.maximum(point.flow - self.base, 0.0), 0.0),
            point.spare_capacity,
            point.slope,
        )

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """A flow on top of the base is all that the servers carry."""
        return (value + self.base,) if kind == "rate" else (value,)


def check_fraction(fraction: float) -> float:
    """Return the fraction as a float; InputError on one that is not between 0 and 1."""
    return as_fraction("fraction", fraction, "the load")


def check_strategy(strategy: str) -> Strategy:
    """Return the strategy; InputError on one that there is not."""
    return check_choice("strategy", strategy, get_args(Strategy), "is not a strategy")  # type: ignore[return-value]


def leader_flow(
    best: Array, latency: Array, load: float, fraction: float, strategy: Strategy
) -> Array:
    """Flow that the operator sends to each server.

    Parameters
    ----------
    best : ndarray, shape (n,)
        Flow at the optimum.
    latency : ndarray, shape (n,)
        Latency there.
    load, fraction : float
    strategy : {"llf", "scale"}
        ``"scale"`` the optimum, by the fraction. ``"llf"``, largest latency first: give the servers what they get at the optimum, from the
        slowest to the fastest, until the fraction is used up.
    """
    if strategy == "scale" or fraction == 1.0:
        return fraction * best
    order = np.argsort(-latency, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(best[order])[:-1]])
    out = np.empty_like(best)
    out[order] = np.clip(fraction * load - before, 0.0, best[order])
    return out


def controlled(
    servers: ServerBank | Sequence[ServerBank], load: float, fraction: float, strategy: str = "llf"
) -> Controlled:
    """Equilibrium of the users whom the operator does not route.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers.
    load : float
        Above 0 and below the total rate.
    fraction : float
        Part of the load that is routed centrally, from 0 (the equilibrium) to 1 (the optimum).
    strategy : {"llf", "scale"}
        See `leader_flow`.

    Returns
    -------
    Controlled

    Raises
    ------
    LoadError, InputError

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> [round(controlled(bank, 80.0, part).mean_delay, 6) for part in (0.0, 0.1, 0.2, 1.0)]
    [0.025, 0.023687, 0.02288, 0.022332]
    """
    bank, part, kind = as_bank(servers), check_fraction(fraction), check_strategy(strategy)
    total = check_one_load(bank, load)
    best = optimum(bank, total)
    leader = leader_flow(best.flow, bank.latency(best.flow, best.spare_capacity), total, part, kind)
    if part == 1.0:
        return Controlled(part, kind, leader, leader, float(best.mean_delay), np.nan)
    followers = equilibrium(ResidualLatency(bank, leader), total - leader.sum())
    flow = leader + followers.flow
    delay = float(flow @ bank.latency(flow, followers.spare_capacity)) / total
    return Controlled(part, kind, leader, flow, delay, float(followers.multiplier))


def price_of_optimum(servers: ServerBank | Sequence[ServerBank], load: float) -> float:
    """Smallest part of the load whose control can bring the optimum about.

    At the optimum the followers use the fastest servers alone. So the leader must carry what every other server gets there; and then the
    followers fill the fastest up to the optimum. A. Kaporis and P. Spirakis, *The price of optimum in Stackelberg games*, Theor. Comput. Sci.
    410 (2009), who find it by repeated equilibria.

    Parameters
    ----------
    servers : Queue or sequence of Queue
    load : float

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> round(price_of_optimum(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 80.0), 6)
    0.59685
    """
    bank = as_bank(servers)
    best = optimum(bank, as_float("load", load))
    if best.load <= 0:
        return 0.0
    latency = bank.latency(best.flow, best.spare_capacity)
    slower = best.active & (latency > latency[best.active].min() * (1 + TIE))
    return float(best.flow[slower].sum() / best.load)


def check_fractions(fractions: npt.ArrayLike) -> Array:
    """Return the fractions as an array of shape (K,); InputError on one that is none."""
    array = as_fractions("fractions", fractions, "the load")
    if array.ndim != 1 or array.size == 0:
        raise InputError(
            "fractions",
            array.tolist(),
            "is not a list of fractions",
            "give one or more numbers from 0 to 1",
        )
    return array
