"""What comes back: an answer, its certificate, and how it was found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ...core.solution import CertifiedAnswer, finite, finite_or_none
from .certificate import Certificate
from .prices import Goal


@dataclass(frozen=True, eq=False)
class ShadowPrice:
    """A side constraint at the optimum, and what it costs.

    Attributes
    ----------
    limit : str
        What is limited.
    bound : ndarray, shape (n,) or ()
        The limit: one a server, or one for all.
    value : ndarray, shape (n,) or ()
        What the split has.
    price : ndarray, shape (n,) or ()
        By how much the least mean delay would fall per unit by which that bound were relaxed; 0 where it does not bind.
    of_time : bool
        Whether a time is limited: its price is then time per time.
    each : str
        What there is one number for, where there are several: a server, or a row.
    """

    limit: str
    bound: Array
    value: Array
    price: Array
    of_time: bool = False
    each: str = "server"

    @property
    def times(self) -> tuple[str, ...]:
        """Fields that are times."""
        return ("bound", "value") if self.of_time else ("price",)

    def only(self, servers: npt.NDArray[np.intp]) -> ShadowPrice:
        """Return the limit at some servers, where there is one number for each."""
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
            return f"{self.limit}: binds at {float(self.bound):.6g}, shadow price {float(self.price):.4g}"
        most = int(np.argmax(self.price))
        of = f"{binding} of {self.price.size} {self.each}s"
        return f"{self.limit}: binds at {of}, shadow price up to {self.price[most]:.4g} ({self.each} {most + 1})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        bound, value, price = (
            [finite({"": v})[""] for v in np.atleast_1d(a).tolist()]
            for a in (self.bound, self.value, self.price)
        )
        return {"limit": self.limit, "bound": bound, "value": value, "price": price}


@dataclass(frozen=True, eq=False, kw_only=True)
class ServerSplit:
    """A split of the load over n servers. Abstract: it is an answer, or judged.

    Attributes
    ----------
    load : float
        Total load, jobs per unit of time.
    names : tuple of str
        The servers.
    flow, share : ndarray, shape (n,)
        Load of each server, and its part of the whole.
    latency : ndarray, shape (n,)
        Latency that each server offers; infinite where it gets its rate or more.
    caveats : tuple of str
        What must be said of the latencies at this split, such as that nothing was ever measured there.
    """

    load: float
    names: tuple[str, ...]
    flow: Array
    share: Array
    latency: Array
    caveats: tuple[str, ...] = ()

    def _lines(self, busy: Array | None = None) -> list[str]:
        """A line for each of the servers with the largest flows."""
        width, shown = (
            max(len(n) for n in self.names),
            sorted(np.argsort(-self.flow, kind="stable")[:12]),
        )
        lines = [
            f"  {self.names[i]:<{width}}  share {self.share[i]:8.4f}  latency {self.latency[i]:.6g}"
            for i in shown
        ]
        if busy is not None:
            lines = [f"{line}  busy {busy[i]:.4g}" for line, i in zip(lines, shown, strict=True)]
        return lines + (
            [f"  ... and {self.flow.size - len(shown)} more servers"]
            if self.flow.size > len(shown)
            else []
        )

    def _servers(self, **more: Sequence[Any]) -> list[dict[str, Any]]:
        """A record of each server, ready for JSON."""
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
    """A certified split of the load over n servers; `ServerSplit` and `CertifiedAnswer` say what else it has.

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
    mean_delay : float
        Mean delay of a job.
    active : ndarray of bool, shape (n,)
        Which servers get jobs: more than a solver's residue where the answer is not polished.
    multiplier : float
        Marginal delay of the used servers (optimum) or their common latency (equilibrium).
    certificate : Certificate
    players : float
        How many equal players the equilibrium is of; infinite where no user counts.
    limits : tuple of ShadowPrice
        The side constraints and what each costs.
    """

    goal: Goal
    mean_delay: float
    active: npt.NDArray[np.bool_]
    multiplier: float
    certificate: Certificate
    players: float = math.inf
    limits: tuple[ShadowPrice, ...] = ()

    times: ClassVar[tuple[str, ...]] = ("mean_delay", "latency", "multiplier")

    def __repr__(self) -> str:
        kind = (
            "marginal delay"
            if self.goal == "optimum"
            else "common latency"
            if math.isinf(self.players)
            else "price"
        )
        who = "" if math.isinf(self.players) else f" of {self.players:g} players"
        head = f"{self.goal}{who} at load {self.load:g}: mean delay {self.mean_delay:.9g}, {kind} {self.multiplier:.9g}"
        caveats, limits = (
            [f"  but {caveat}" for caveat in self.caveats],
            [f"  {limit}" for limit in self.limits],
        )
        return "\n".join([head, *caveats, f"  {self.proof}", *self._lines(), *limits])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; all but the problem. What is infinite is None: JSON has no word for it."""
        return {
            "goal": self.goal,
            "servers": self._servers(active=self.active.tolist()),
            **super().to_dict(),
            "players": finite_or_none(self.players),
            "limits": [limit.to_dict() for limit in self.limits],
            "caveats": list(self.caveats),
        }
