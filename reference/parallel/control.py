"""Partial control: an operator routes a fraction of the load first, then selfish users the rest.

A Stackelberg game. The followers reach the Wardrop equilibrium on servers that already carry the
flow of the leader: the total flow of server i is max(leader_i, l_i^-1(L)). With a fraction b of the
load under control, largest latency first (LLF) costs at most 1/b times the optimum on parallel
servers: T. Roughgarden, *Stackelberg scheduling strategies*, SIAM J. Comput. 33 (2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from ..bank_fields import store
from ..compensated_sum import exact_sum
from ..composed import RowIndex, View, as_bank, computed_rows, same_rows
from ..errors import Array, InputError
from ..server_bank import ArrayLike, Operation, ServerBank
from ..validation import as_float, as_fraction, as_fractions, check_choice
from .optimum_equilibrium import check_one_load, equilibrium, optimum

Strategy = Literal["llf", "scale"]
TIE = 1e-12  # relative difference of latencies that is rounding error


@dataclass(frozen=True, eq=False)
class Controlled:
    """Split under partial control.

    Attributes
    ----------
    fraction : float
        Fraction of the load that the operator routes.
    strategy : {"llf", "scale"}
    leader : ndarray, shape (n,)
        Flow that the operator sends to each server, jobs per unit of time.
    flow : ndarray, shape (n,)
        Total flow of each server, that of the followers included.
    mean_delay : float
        Mean delay of all jobs.
    latency : float
        Common latency of the followers; NaN where there are none.
    """

    fraction: float
    strategy: Strategy
    leader: Array
    flow: Array
    mean_delay: float
    latency: float


class ResidualLatency(View):
    """Servers with a base flow of the leader, and the latency in the flow of the followers.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    base : ndarray, shape (n,)
        Base flow; of shape (K, n), operating points are of K base flows.
    """

    worked_out = View.worked_out - {"rate_slope", "marginal_rate_slope"}

    def __init__(self, bank: ServerBank, base: Array) -> None:
        super().__init__(bank, base)
        self.base, self.rate = base, bank.spare_capacity(base)

    @cached_property
    def rate_error(self) -> Array:
        """Rounding error of the rate less the base flow; see `ServerBank.rate_error`."""
        terms = np.stack(
            np.broadcast_arrays(self.bank.rate, self.bank.rate_error, -self.base, -self.rate), -1
        )
        high, low = exact_sum(np.where(np.isfinite(self.rate)[..., None], terms, 0.0))
        return np.asarray(high + low)

    @cached_property
    def service(self) -> Array:
        """Latency at the base flow less the delay, shape (n,)."""
        return np.asarray(self.bank.latency(self.base) - self.delay)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the latency at a flow on top of the base flow."""
        if spare_capacity is None:
            spare_capacity = self.spare_capacity(flow)
        return np.asarray(self.bank.latency(self.base + np.asarray(flow), spare_capacity))

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral of the latency from the base flow on."""
        total = self.bank.potential(self.base + np.asarray(flow))
        return np.asarray(total - self.bank.potential(self.base))

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Return the flow on top of the base flow at a latency."""
        return np.asarray(np.maximum(self.bank.inverse_latency(latency) - self.base, 0.0))

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Return the operating point of latency `excess` >= 0 above that at the base flow."""
        point = self.bank.at_latency((self.service - self.bank.service) + np.asarray(excess))
        flow = np.where(np.asarray(excess) > 0, np.maximum(point.flow - self.base, 0.0), 0.0)
        return Operation(flow, point.spare_capacity, point.slope)

    def at(self, rows: RowIndex) -> Self:
        """Return the servers of some of the K base flows; see `sojourn.reference.ServerBank.at`."""
        if self.rate.ndim == 1 or same_rows(rows, len(self.rate)):
            return self
        base = self.base[rows] if self.base.ndim > 1 else self.base
        return store(type(self)(self.bank.at(rows), base), **computed_rows(self, rows))

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """Return the argument of the bank: a flow on top of the base flow is a total flow there."""
        return (value + self.base,) if kind == "rate" else (value,)


def check_fraction(fraction: float) -> float:
    """Return the fraction as a float; InputError unless it is from 0 to 1."""
    return as_fraction("fraction", fraction, "the load")


def check_strategy(strategy: str) -> Strategy:
    """Return the strategy; InputError unless it is one of `Strategy`."""
    return check_choice("strategy", strategy, get_args(Strategy), "is not a strategy")  # type: ignore[return-value]


def leader_flow(
    best: Array, latency: Array, load: float, fraction: float | Array, strategy: Strategy
) -> Array:
    """Return the flow that the operator sends to each server, shape (..., n).

    Parameters
    ----------
    best : ndarray, shape (n,)
        Flow at the optimum.
    latency : ndarray, shape (n,)
        Latency at the optimum.
    load : float
        Total load.
    fraction : float or ndarray, shape (...)
        Fraction of the load that the operator routes.
    strategy : {"llf", "scale"}
        ``"scale"``: the flow of the optimum times the fraction. ``"llf"``, largest latency first:
        the flow of the optimum from the slowest server to the fastest, until the fraction is used
        up.
    """
    part = np.asarray(fraction)[..., None]
    if strategy == "scale":
        return np.asarray(part * best)
    order = np.argsort(-latency, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(best[order])[:-1]])
    out = np.empty((*part.shape[:-1], best.size))
    out[..., order] = np.clip(part * load - before, 0.0, best[order])
    return np.where(part == 1.0, best, out)


def controlled(
    servers: ServerBank | Sequence[ServerBank], load: float, fraction: float, strategy: str = "llf"
) -> Controlled:
    """Return the split where an operator routes a fraction of the load, and selfish users the rest.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers.
    load : float
        Total load above 0 and below the total rate, jobs per unit of time.
    fraction : float
        Fraction of the load that the operator routes, from 0 (the equilibrium) to 1 (the optimum).
    strategy : {"llf", "scale"}, default "llf"
        Flow of the operator. ``"llf"``, largest latency first: the flow of the optimum from the
        slowest server to the fastest, until the fraction is used up. ``"scale"``: the flow of the
        optimum times the fraction.

    Returns
    -------
    Controlled

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On a fraction outside [0, 1], or another strategy.

    Notes
    -----
    With the fraction b, the mean delay under ``"llf"`` is at most 1/b times the least: Theorem 4.4
    of T. Roughgarden, SIAM J. Comput. 33 (2004).

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
    """Return the least fraction of the load whose control can make the split the optimum.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers.
    load : float
        Total load, 0 <= load < total rate, jobs per unit of time.

    Returns
    -------
    float

    Raises
    ------
    LoadError
        As `sojourn.reference.optimum`.
    InputError
        On a load that is not one number.

    Notes
    -----
    At the optimum the followers use the fastest servers alone. So the leader must carry the flow of
    all other servers, and then the followers fill the fastest up to the optimum. A. Kaporis and
    P. Spirakis, *The price of optimum in Stackelberg games*, Theor. Comput. Sci. 410 (2009),
    compute it by repeated equilibria.

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
    """Return the fractions as an array of shape (K,); InputError unless all are from 0 to 1."""
    array = as_fractions("fractions", fractions, "the load")
    if array.ndim != 1 or array.size == 0:
        problem, remedy = "is not a list of fractions", "give one or more numbers from 0 to 1"
        raise InputError("fractions", array.tolist(), problem, remedy)
    return array
