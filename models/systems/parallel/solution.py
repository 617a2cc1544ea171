"""The solution of a split problem: flows, mean delay, certificate and shadow prices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ...core.solution import CertifiedAnswer, finite, finite_or_none
from .certificate import Certificate
from .prices import Goal

if TYPE_CHECKING:
    from .decisions.weights import WholeSplit

SHOWN = 12  # servers that a printed split lists


@dataclass(frozen=True, eq=False)
class ShadowPrice:
    """A limit at the optimum: its bound, its value there, and its shadow price.

    Attributes
    ----------
    limit : str
        Name of the limit.
    bound : ndarray, shape (n,), (m,) or ()
        The bound in the limit's own unit: one for each server or row, or one for all.
    value : ndarray, shape of `bound`
        The quantity that the limit bounds, at this split, in the same unit.
    price : ndarray, shape of `bound`
        Decrease of the least mean delay per unit by which the bound is relaxed; 0 where the limit
        does not bind.
    of_time : bool
        Whether the limited quantity is a time. The price is then time per time, without a unit.
    each : {"server", "row"}
        What each number stands for where there are several.
    """

    limit: str
    bound: Array
    value: Array
    price: Array
    of_time: bool = False
    each: str = "server"

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the attributes that are times."""
        return ("bound", "value") if self.of_time else ("price",)

    def only(self, servers: npt.NDArray[np.intp]) -> ShadowPrice:
        """Return the shadow price of the chosen servers; of rows, or of one bound, all of it.

        Parameters
        ----------
        servers : ndarray of int
            Indices of the servers, from 0.
        """
        if self.each != "server":
            return self
        return replace(
            self, bound=self.bound[servers], value=self.value[servers], price=self.price[servers]
        )

    def __str__(self) -> str:
        binding = int(np.count_nonzero(self.price))
        if not binding:
            return f"{self.limit}: does not bind"
        if not self.price.ndim:
            bound, price = float(self.bound), float(self.price)
            return f"{self.limit}: binds at {bound:.6g}, shadow price {price:.4g}"
        dearest = int(np.argmax(self.price))
        return (
            f"{self.limit}: binds at {binding} of {self.price.size} {self.each}s, "
            f"shadow price up to {self.price[dearest]:.4g} ({self.each} {dearest + 1})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the name and three lists of numbers, ready for JSON; infinite numbers are None."""
        bound, value, price = (
            [finite({"": v})[""] for v in np.atleast_1d(a).tolist()]
            for a in (self.bound, self.value, self.price)
        )
        return {"limit": self.limit, "bound": bound, "value": value, "price": price}


@dataclass(frozen=True, eq=False, kw_only=True)
class ServerSplit:
    """A split of the load over n servers; base class of `Solution` and `Evaluation`.

    Attributes
    ----------
    load : float
        Total load, jobs per unit of time.
    names : tuple of str
        Names of the n servers.
    flow : ndarray, shape (n,)
        Load of each server, jobs per unit of time.
    share : ndarray, shape (n,)
        Share of the load of each server.
    latency : ndarray, shape (n,)
        Latency of each server at its flow, in units of time; infinite where the flow is the rate
        or more.
    caveats : tuple of str
        Warnings about the latencies at this split, such as that a flow is beyond all samples.
    percentile_at : callable or None
        Function of `percentile`; None in copies and pickles, and where the split is one for several
        loads.
    """

    load: float
    names: tuple[str, ...]
    flow: Array
    share: Array
    latency: Array
    caveats: tuple[str, ...] = ()
    percentile_at: Callable[[float], Array] | None = field(default=None, repr=False)

    def __getstate__(self) -> Any:
        """Return the attributes for copies and pickles, which the servers need not allow."""
        return {**vars(self), "percentile_at": None}

    def percentile(self, p: float = 0.99) -> float:
        """Return the p-th percentile of the times of all jobs at this split.

        It is the time within which the part p of all jobs is back, network delays included. It is
        no mean of the percentiles of the servers.

        Parameters
        ----------
        p : float, default 0.99
            Part of the jobs, above 0 and below 1.

        Returns
        -------
        float
            In the unit of time of the system; infinite where more than the part 1 - p of the jobs
            is at servers with a flow of their rate or more.

        Raises
        ------
        InputError
            On servers without a probability of late jobs (`sojourn.reference.ServerBank.late_jobs`)
            and where `percentile_at` is None.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[100, 80, 200], delay=[0.005, 0.005, 0.020]))
        >>> round(system.evaluate(load=190, share=[0.3, 0.2, 0.5]).percentile(0.99), 6)
        0.097212
        """
        if self.percentile_at is None:
            problem = "is a copy, or a split for several loads"
            remedy = "use the answer itself, or ParallelServers.evaluate"
            raise InputError("split", type(self).__name__, problem, remedy)
        return float(self.percentile_at(p))

    def _lines(self, more: str = "", column: npt.NDArray[Any] | None = None) -> list[str]:
        """Return a line of text for each of the servers with the largest flows.

        A further column of numbers has the name `more`.
        """
        width = max(len(name) for name in self.names)
        shown = sorted(np.argsort(-self.flow, kind="stable")[:SHOWN])
        lines = [
            f"  {self.names[i]:<{width}}  share {self.share[i]:8.4f}  latency {self.latency[i]:.6g}"
            for i in shown
        ]
        if column is not None:
            cells = [f"{more} {v:.4g}" if v % 1 else f"{more} {v:.0f}" for v in column[shown]]
            lines = [f"{line}  {cell}" for line, cell in zip(lines, cells, strict=True)]
        hidden = self.flow.size - len(shown)
        return lines + ([f"  ... and {hidden} more servers"] if hidden else [])

    def _servers(self, **more: Sequence[Any]) -> list[dict[str, Any]]:
        """Return a record for each server, ready for JSON."""
        columns = {
            "name": self.names,
            "flow": self.flow.tolist(),
            "share": self.share.tolist(),
            "latency": map(finite_or_none, self.latency),
        }
        return [
            dict(zip((*columns, *more), row, strict=True))
            for row in zip(*columns.values(), *more.values(), strict=True)
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution(ServerSplit, CertifiedAnswer):
    """A split of the load over n servers, found by a solver, with a certificate of its error.

    It also has the attributes of `ServerSplit` (``load``, ``names``, ``flow``, ``share``,
    ``latency``, ``caveats``) and of `sojourn.models.core.solution.CertifiedAnswer` (``certified``,
    ``solver``, ``formulation``, ``status``, ``polished``, ``attempts``, ``timing``, ``problem``).

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
        The problem that was solved.
    mean_delay : float
        Mean delay of a job, in units of time.
    active : ndarray of bool, shape (n,)
        Whether each server is used. Where the flows are the solver's own, a flow of up to 1e-7 of
        the load counts as unused.
    multiplier : float
        Marginal delay that the used servers share (optimum), or their common latency
        (equilibrium), in units of time.
    certificate : Certificate
        Bounds of the true mean delay, and the largest relative error.
    players : float
        Number of equal players of an equilibrium; inf where no single user changes a delay.
    limits : tuple of ShadowPrice
        One for each limit, in the order of ``subject_to``.
    round_to : callable or None
        Function of `weights`; None in copies and pickles, and where players or users with a leader
        have other latencies than the servers.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> best = ParallelServers(MM1(rate=[10.0, 5.0])).optimum(load=9.0)
    >>> best.flow.round(4), round(best.mean_delay, 6)
    (array([6.4853, 2.5147]), 0.317447)
    >>> best.certified, best.certificate.gap < 1e-9
    (True, True)
    """

    goal: Goal
    mean_delay: float
    active: npt.NDArray[np.bool_]
    multiplier: float
    certificate: Certificate
    players: float = math.inf
    limits: tuple[ShadowPrice, ...] = ()
    round_to: Callable[[int | None, int | None], WholeSplit] | None = field(
        default=None, repr=False
    )

    times: ClassVar[tuple[str, ...]] = ("mean_delay", "latency", "multiplier")

    def __repr__(self) -> str:
        if self.goal == "optimum":
            kind = "marginal delay"
        else:
            kind = "common latency" if math.isinf(self.players) else "price"
        of_players = "" if math.isinf(self.players) else f" of {self.players:g} players"
        head = (
            f"{self.goal}{of_players} at load {self.load:g}: mean delay {self.mean_delay:.9g}, "
            f"{kind} {self.multiplier:.9g}"
        )
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        limits = [f"  {limit}" for limit in self.limits]
        return "\n".join([head, *caveats, f"  {self.proof}", *self._lines(), *limits])

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for copies and pickles, which the servers need not allow."""
        return {
            **CertifiedAnswer.__getstate__(self),
            "percentile_at": None,
            "round_to": None,
        }

    def weights(self, total: int | None = None, *, at_most: int | None = None) -> WholeSplit:
        """Return the best whole weights, such as those of a proxy.

        Of an optimum they have the least mean delay, within the same limits. Of an equilibrium they
        are one of W players with one unit of weight each: no unit has a lower latency at another
        server. The total matters more than the rounding: next to saturation, `at_most` finds
        weights with a far lower mean delay.

        Parameters
        ----------
        total : int, optional
            Sum of the weights, such as 100 for percentages. With the load itself they are whole
            jobs per unit of time.
        at_most : int, optional
            Largest sum; the weights have the sum of least mean delay.

        Returns
        -------
        WholeSplit
            The weights, their mean delay in the unit of time of the system, and its distance from
            this solution.

        Raises
        ------
        InputError
            Unless one of `total` and `at_most` is given; where no whole weights of that total are
            stable (the error names the least total that has some); on limits that bound several
            servers together; where this solution is a copy, or one of finitely many players.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> best = ParallelServers(MM1(rate=[10.0, 5.0])).optimum(load=9.0)
        >>> best.weights(10).weights, best.weights(at_most=100).weights
        (array([7, 3]), array([49, 19]))
        """
        if self.round_to is None:
            problem = "is a copy, or of players or users whose latencies are not the servers'"
            remedy = "use the answer of optimum or equilibrium itself, or ParallelServers.weights"
            raise InputError("solution", self.goal, problem, remedy)
        return self.round_to(total, at_most)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the problem as plain numbers and strings, ready for JSON.

        Infinite numbers are None, since JSON has none.
        """
        return {
            "goal": self.goal,
            "servers": self._servers(active=self.active.tolist()),
            **super().to_dict(),
            "players": finite_or_none(self.players),
            "limits": [limit.to_dict() for limit in self.limits],
            "caveats": list(self.caveats),
        }
