"""The limit on late jobs: a share of all jobs of a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np

from ....reference.amounts import LARGE
from ....reference.errors import Array
from ....reference.mg1 import MM1
from ....reference.server_bank import ServerBank
from ....reference.validation import LARGEST, as_fraction, check_within
from ...latency.base import Latency
from ...latency.cone import Cone
from .convex_limit import ConvexLimit, ConvexTerms
from .linear_limit import LoadDependence


@dataclass(frozen=True)
class LateShare(ConvexLimit):
    """At most a given share of all jobs takes longer than a given time.

    Parameters
    ----------
    within : float
        Time above 0, in the unit of the delays, from sending a job to receiving its answer; the
        network delay is included.
    at_most : float
        Largest share of the jobs that are later, from 0 to 1; 1 is no limit.

    Raises
    ------
    InputError
        When it is used with servers without `Latency.late_jobs`.

    Notes
    -----
    With P(T_i > t; x) the probability that a job takes longer than t at server i with the flow x,
    the limit is sum x_i P(T_i > t; x_i) <= at_most load. Each term is increasing and convex in the
    flow. At an M/M/1 server, first come, first served, it is x e^{-(mu - x)(t - d)}, and all jobs
    are late where t <= d.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> best = system.optimum(190.0, subject_to=[LateShare(within=0.1, at_most=0.003)])
    >>> print(best.limits[0])
    late share: binds at 0.003, shadow price 2.271
    """

    within: float
    at_most: float

    name: ClassVar[str] = "late share"
    times: ClassVar[tuple[str, ...]] = ("within",)
    load_dependence: ClassVar[LoadDependence] = "none"

    def terms(self, bank: ServerBank, flow: Array, load: Any) -> ConvexTerms:
        """See `ConvexLimit.terms`."""
        return self.terms_at(bank, flow, bank.spare_capacity(flow), load)

    def terms_at(
        self, bank: ServerBank, flow: Array, spare_capacity: Array, load: Any
    ) -> ConvexTerms:
        """See `ConvexLimit.terms_at`."""
        late = bank.late_jobs(flow, self._time, spare_capacity)
        jobs, slope = flow * late.share, late.share + flow * late.slope
        curvature = 2.0 * late.slope + flow * late.curvature
        return ConvexTerms(jobs, slope, curvature, jobs * late.rounding)

    def bound_at(self, load: float) -> float:
        """See `ConvexLimit.bound_at`."""
        return as_fraction("LateShare.at_most", self.at_most, "the jobs")

    def unit_at(self, load: float) -> float:
        """See `ConvexLimit.unit_at`."""
        return load

    def cone(self, bank: Latency, flow: cp.Expression, load: float, scale: float) -> Cone | None:
        """Return the exponential cone of M/M/1 servers; see `ConvexLimit.cone`.

        With u the late jobs, x e^{-(mu - x) tau} <= u is x log(x/u) + tau x^2 <= mu tau x.
        """
        exponential = (
            isinstance(own, MM1) and own.has_exponential_times.all() for own in bank.banks
        )
        if not all(exponential):
            return None
        time, n = self._time - bank.delay, len(bank)
        if time.max() > LARGE / bank.rate.max():  # products would be no floats
            return None
        unit = float(np.exp(np.log(bank.rate).mean()))  # x and u in units in which they are near 1
        late, x = cp.Variable(n, nonneg=True), flow / unit
        some = time > 0
        exponent = np.where(some, np.log(scale / unit) + bank.rate * time, 0.0)
        square = cp.multiply(unit * time[some], cp.square(x[some]))
        linear = cp.multiply(exponent[some], x[some])
        constraints = [
            cp.rel_entr(x[some], late[some]) + square <= linear,
            late[~some] >= x[~some] * (unit / scale),
        ]
        kept = [constraint for constraint in constraints if constraint.size]
        return Cone(late, tuple(kept), frozenset({"EXP", "SOC"}))

    @property
    def _time(self) -> float:
        """The time, after a check."""
        remedy = "give a time above 0 in the unit of the delays"
        return check_within("LateShare.within", self.within, 0, LARGEST, "is not a time", remedy)
