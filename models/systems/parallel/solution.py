"""What comes back: an answer, its certificate, and how it was found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ...core.solution import Attempt, Timing, finite
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
        return replace(self, bound=self.bound[servers], value=self.value[servers], price=self.price[servers])

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
        bound, value, price = ([finite({"": v})[""] for v in np.atleast_1d(a).tolist()] for a in (self.bound, self.value, self.price))
        return {"limit": self.limit, "bound": bound, "value": value, "price": price}


@dataclass(frozen=True, eq=False)
class Solution:
    """A certified split of the load over n servers.

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
    load : float
        Total load, jobs per unit of time.
    names : tuple of str
        The servers.
    flow : ndarray, shape (n,)
        Load of each server.
    share : ndarray, shape (n,)
        ``flow / load``.
    mean_delay : float
        Mean delay of a job.
    latency : ndarray, shape (n,)
        Latency that each server offers.
    active : ndarray of bool, shape (n,)
        Which servers get jobs: more than a solver's residue where the answer is not polished.
    multiplier : float
        Marginal delay of the used servers (optimum) or their common latency (equilibrium).
    certificate : Certificate
        How far from the truth this can be.
    certified : bool
        Whether the certificate meets the gap that was asked for.
    solver, formulation, status : str
        Who found it, from which problem, and the solver's own word for it.
    attempts : tuple of Attempt
        All that was tried, in order.
    polished : int
        Newton steps after the solver; 0 for the solver's own answer.
    timing : Timing
    problem : cvxpy.Problem
        The problem that was solved, in its own unit of time.
    players : float
        How many equal players the equilibrium is of; infinite where no user counts.
    limits : tuple of ShadowPrice
        The side constraints and what each costs.
    caveats : tuple of str
        What must be said of the latencies at this split, such as that nothing was ever measured there.
    """

    goal: Goal
    load: float
    names: tuple[str, ...]
    flow: Array
    share: Array
    mean_delay: float
    latency: Array
    active: npt.NDArray[np.bool_]
    multiplier: float
    certificate: Certificate
    certified: bool
    solver: str
    formulation: str
    status: str
    attempts: tuple[Attempt, ...]
    polished: int
    timing: Timing
    problem: cp.Problem = field(repr=False)
    players: float = math.inf
    limits: tuple[ShadowPrice, ...] = ()
    caveats: tuple[str, ...] = ()

    times: ClassVar[tuple[str, ...]] = ("mean_delay", "latency", "multiplier")

    def __repr__(self) -> str:
        kind = "marginal delay" if self.goal == "optimum" else "common latency" if math.isinf(self.players) else "price"
        who = "" if math.isinf(self.players) else f" of {self.players:g} players"
        how = f"{self.solver.lower()}, {self.formulation}" + (f", {self.polished} Newton steps" if self.polished else "")
        lines = [
            f"{self.goal}{who} at load {self.load:g}: mean delay {self.mean_delay:.9g}, {kind} {self.multiplier:.9g}",
            *(f"  but {caveat}" for caveat in self.caveats),
            f"  {'certified' if self.certified else 'NOT CERTIFIED'} within {self.certificate.gap:.1e} ({how})",
        ]
        width = max(len(n) for n in self.names)
        shown = np.argsort(-self.flow, kind="stable")[:12]
        lines += [f"  {self.names[i]:<{width}}  share {self.share[i]:8.4f}  latency {self.latency[i]:.6g}" for i in sorted(shown)]
        if self.flow.size > shown.size:
            lines.append(f"  ... and {self.flow.size - shown.size} more servers")
        lines += [f"  {limit}" for limit in self.limits]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; all but the problem. What is infinite is None: JSON has no word for it."""
        return {
            "goal": self.goal,
            "load": self.load,
            "mean_delay": self.mean_delay,
            "multiplier": self.multiplier,
            "servers": [
                {"name": n, "flow": float(f), "share": float(s), "latency": float(t), "active": bool(a)}
                for n, f, s, t, a in zip(self.names, self.flow, self.share, self.latency, self.active, strict=True)
            ],
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "solver": self.solver,
            "formulation": self.formulation,
            "status": self.status,
            "polished": self.polished,
            "attempts": [finite(vars(a)) for a in self.attempts],
            "timing": vars(self.timing),
            "players": self.players if math.isfinite(self.players) else None,
            "limits": [limit.to_dict() for limit in self.limits],
            "caveats": list(self.caveats),
        }
