"""The optimum and the equilibrium of shared service modes as questions for the solver loop."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .....reference.errors import Array
from .....reference.routes import RouteFlow
from .....reference.routes.more_digits import with_more_digits
from .....reference.service_modes import Modes
from .....reference.service_modes.shared.few_modes import few_modes
from .....reference.service_modes.shared.routed import different, routes_of
from ....core.question import Points
from ....core.solution import Provenance
from ....core.stored import Column
from ...routes.limited import LimitedRouteSplit
from ...routes.questions import RouteSplit, RouteSplits
from .answers import SharedSolution, solution_of
from .words import jobs_of


@dataclass(frozen=True, eq=False)
class ModeSplit(RouteSplit):
    """The optimum or the equilibrium of jobs over modes, with few modes in use.

    Attributes
    ----------
    rates : Modes
        The works and fixed delays.
    modes : tuple of str
        Names of the modes.
    """

    rates: Modes = field(kw_only=True)
    modes: tuple[str, ...] = field(kw_only=True)

    def _certified(self, multiple: float, found: RouteFlow, steps: int) -> RouteSplits:
        """Return one row: flows on few routes, with their certificate."""
        columns = found.columns
        flow = few_modes(columns.dense.T, columns.delay, found.flow)
        if ((flow > 0) != (found.flow > 0)).any() or found.rest is None:
            few = replace(found, flow=flow, rest=None).used()
            exact = found.rest is not None
            found = with_more_digits(self.system, self.seen_by, multiple, few) if exact else few
        return super()._certified(multiple, found.used(), steps)

    def certify_stored(self, points: Points, column: Column) -> RouteSplits:
        """Return stored loads of the modes as they are, certified."""
        stored = column(f"{self.goal}_mode_flow", len(self.modes))[:, different(self.rates)]
        return super().certify_stored(points, lambda *_: stored)

    def solution(
        self, found: RouteSplits, points: Points, provenance: Provenance
    ) -> SharedSolution:
        """See `Question.solution`."""
        answer = super().solution(found, points, provenance)
        return solution_of(answer, jobs_of(self.rates, self.modes, answer))


@dataclass(frozen=True, eq=False)
class LimitedModeSplit(ModeSplit, LimitedRouteSplit):
    """The optimum of jobs over modes within limits, at one load."""


def mode_flow(rates: Modes, found: RouteSplits) -> Array:
    """Return the load of each mode at K loads, shape (K, M); NaN where there is no answer."""
    out = np.zeros((len(found.routes), rates.modes))
    flow = found.flow_on(routes_of(rates).columns)
    out[:, different(rates)] = flow
    out[np.isnan(flow).any(axis=1)] = np.nan
    return out
