"""Equilibria of users who see something else than the latency: K equal players, and the followers of a leader.

Each is the Wardrop equilibrium of a bank of servers *as seen*; what it means for the true delay is certified here: the price that the users
share lies between two bounds, and the flows rise with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sojourn.models.latency.base import Latency
from sojourn.models.solving.certificate import Certificate, rounding
from sojourn.models.solving.solution import Attempt, Solution
from sojourn.models.systems.search import Search
from sojourn.reference.errors import Array

ROUNDING = 1e-14  # of a sum of n delays


@dataclass(frozen=True, eq=False)
class SelfishSearch(Search):
    """A question about servers as seen (`bank`), answered in delays of the servers as they are.

    Attributes
    ----------
    true : Latency
    base : ndarray, shape (n,)
        What the servers carry before.
    players : float
        K, for the record.
    """

    true: Latency
    base: Array
    players: float

    def ask(self, solver: str, formulation: str) -> tuple[Solution | None, Attempt]:
        """Return a solver's answer in true delays, if it has one, and the record of the attempt."""
        seen, attempt = super().ask(solver, formulation)
        if seen is None:
            return None, attempt
        flow = self.base + seen.flow
        value = _mean_delay(self.true, flow, self.true.spare_capacity(flow))
        low, high = self._delay_bounds(np.maximum(flow, 0.0), seen.certificate.lower_bound, seen.certificate.upper_bound)
        low = max(low, float(self.true.idle_latency.min()))  # no job is served faster
        certificate = _delay_certificate(seen.certificate, value, low, high)
        bound = 8 * float(rounding(self.bank, np.array(self.load), seen.flow, "equilibrium"))
        solution = replace(
            seen,
            load=float(self.load + self.base.sum()),
            flow=flow,
            share=flow / (self.load + self.base.sum()),
            active=seen.active | (self.base > 0),
            mean_delay=value,
            latency=self.true.latency(np.minimum(flow, np.nextafter(self.true.rate, 0))),
            certificate=certificate,
            certified=seen.certified and bool(self.wanted.met(certificate.gap, bound)),
            players=self.players,
            caveats=tuple(self.true.caveats(flow, self.names)),
        )
        return solution, replace(attempt, gap=certificate.gap)

    def _delay_bounds(self, flow: Array, lowest: float, highest: float) -> tuple[float, float]:
        """Bounds of the true mean delay, from a flow and bounds of the price that the users share.

        The true flows x* lie between those at both prices, and sum to the same load. With f the convex delay carried, g its slope, and any c,
        sum f(x*) - f(x) = sum (g(between) - c) (x* - x) + c (load - sum x).
        """
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            return 0.0, math.inf
        total, prices = self.load + float(self.base.sum()), (lowest, highest)
        points = [self.bank.at_latency(np.maximum((p - self.bank.delay) - self.bank.service, 0.0)) for p in prices]
        if not all(np.all(p.spare > 0) for p in points):
            return 0.0, math.inf
        spare = self.true.spare_capacity(flow)
        # nobody carries more than there is, whatever a flat price would give him
        ends = [(self.base + np.minimum(p.flow, self.load), p.spare) for p in points] + [(flow, spare)]
        c = 0.5 * (lowest + highest)
        reach = np.max([np.abs(x - flow) for x, _ in ends], axis=0)
        steep = np.max([np.abs(self.true.marginal(x, y) - c) for x, y in ends], axis=0)
        off = float(steep @ reach) + c * abs(math.fsum([*flow, -total]))
        carried = _carried(self.true, flow, spare)
        if not math.isfinite(carried):
            return 0.0, math.inf
        return (carried - off) / total, (carried + off) / total


def _carried(bank: Latency, flow: Array, spare: Array) -> float:
    return math.fsum(flow * bank.latency(flow, spare)) if np.all(spare > 0) else math.inf


def _mean_delay(bank: Latency, flow: Array, spare: Array) -> float:
    inside = np.maximum(flow, 0.0)
    return _carried(bank, inside, spare) / math.fsum(inside)


def _delay_certificate(seen: Certificate, value: float, low: float, high: float) -> Certificate:
    low, high = min(low, value) * (1 - ROUNDING), max(high, value) * (1 + ROUNDING)
    gap = max(high - value, value - low) / low if math.isfinite(high) else math.inf
    return replace(seen, lower_bound=low, upper_bound=high, gap=gap)
