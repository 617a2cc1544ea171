"""Equilibria of users who see something else than the latency: K equal players, and the followers of a leader.

Each is the Wardrop equilibrium of a bank of servers *as seen*; what it means for the true delay is certified in `certify_seen`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....reference.errors import Array
from ...core.solution import Attempt
from ...latency.base import Latency
from .certificate import certify_seen, rounding
from .search import Search
from .solution import Solution
from .splits import clip


@dataclass(frozen=True, eq=False)
class SelfishSearch(Search):
    """A question about servers as seen (`bank`), answered in delays of the servers as they are.

    Attributes
    ----------
    true : Latency
    base : ndarray, shape (n,)
        What the servers carry before.
    whole : float
        The load with the base.
    players : float
        K, for the record.
    """

    true: Latency
    base: Array
    whole: float
    players: float

    def ask(self, solver: str, formulation: str) -> tuple[Solution | None, Attempt]:
        """Return a solver's answer in true delays, if it has one, and the record of the attempt."""
        seen, attempt = super().ask(solver, formulation)
        if seen is None:
            return None, attempt
        flow = self.base + seen.flow
        certificate = certify_seen(self.true, self.bank, self.base, self.whole, flow, seen.certificate)
        solution = replace(
            seen,
            load=self.whole,
            flow=flow,
            share=flow / self.whole,
            active=seen.active | (self.base > 0),
            mean_delay=certificate.mean_delay,
            latency=self.true.latency(clip(self.true, flow)),
            certificate=certificate,
            certified=bool(self.wanted.met(certificate.gap, rounding(self.true, np.array(self.whole), flow, "equilibrium"))),
            players=self.players,
            caveats=tuple(self.true.caveats(flow, self.names)),
        )
        return solution, replace(attempt, gap=certificate.gap)
