"""M/M/1, M/D/1 and M/G/1 as cones; their numbers are in `sojourn.reference.mg1`.

With y = mu - x, k = (1 + cv^2)/2, m = d + 1/mu and e = m - k/mu, the latency is l(x) = m + (k/mu) x/y = e + k/y. Two ways to write
what a server carries:

- ``"quad_over_lin"``: x l(x) = m x + (k/mu) x^2/y, without cancellation at light load;
- ``"inv_pos"``: x l(x) = e x + k (mu/y - 1), better conditioned close to saturation.

Both are second-order cones. The potential needs the exponential cone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np

from ...reference import mg1 as numbers
from .base import Latency, product_at_least
from .cone import Cone

SOC = frozenset({"SOC"})
EVEN = 4.0  # brings the factors of a cone, mu/(mu - x) and 1 - x/mu, nearer to each other: far apart, a solver loses digits


class PollaczekKhinchineCones(Latency, numbers.PollaczekKhinchine):
    """Cones of every latency of the form e + k/(mu - x)."""

    forms = ("inv_pos", "quad_over_lin")
    rates = ("rate",)
    times: ClassVar[tuple[str, ...]] = ("delay",)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried, x l(x), as second-order cones.

        Parameters
        ----------
        flow : cvxpy.Expression, shape (n,)
            Affine.
        form : {"inv_pos", "quad_over_lin"}, optional

        Examples
        --------
        An M/M/1 delay minimised inside a problem of one's own:

        >>> import cvxpy as cp
        >>> bank = MM1(rate=[100.0, 80.0], delay=0.005)
        >>> x = cp.Variable(2, nonneg=True)
        >>> cone = bank.total_cone(x)
        >>> problem = cp.Problem(cp.Minimize(cp.sum(cone.value) / 90), [cp.sum(x) == 90, *cone.constraints])
        >>> round(float(problem.solve(solver="CLARABEL")), 6)
        0.027085
        """
        extra = cp.Variable(flow.shape)
        spare_capacity = self.rate - flow
        if form == "quad_over_lin":
            value = cp.multiply(self.idle_latency, flow) + cp.multiply(
                EVEN * self.k / self.rate, extra
            )
            return Cone(value, (product_at_least(extra, EVEN * spare_capacity, flow),), SOC)
        value = cp.multiply(self.fixed, flow) + cp.multiply(self.k, EVEN * extra - 1)
        return Cone(
            value, (product_at_least(extra, EVEN * spare_capacity, np.sqrt(self.rate)),), SOC
        )

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Integral of the latency, e x - k log(1 - x/mu), as exponential cones."""
        value = cp.multiply(self.fixed, flow)
        value -= cp.multiply(self.k, cp.log(self.rate - flow) - np.log(self.rate))
        return Cone(value, (), frozenset({"EXP"}))

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency, e + k/(mu - x), as second-order cones."""
        extra = cp.Variable(flow.shape)
        value = self.fixed + cp.multiply(EVEN * self.k / self.rate, extra)
        return Cone(
            value, (product_at_least(extra, EVEN * (self.rate - flow), np.sqrt(self.rate)),), SOC
        )


class MM1(PollaczekKhinchineCones, numbers.MM1):
    """M/M/1 servers as numbers and cones; parameters and errors as `sojourn.reference.MM1`."""


class MD1(PollaczekKhinchineCones, numbers.MD1):
    """M/D/1 servers as numbers and cones; parameters and errors as `sojourn.reference.MD1`."""


class MG1(PollaczekKhinchineCones, numbers.MG1):
    """M/G/1 servers as numbers and cones; parameters and errors as `sojourn.reference.MG1`."""

    example: ClassVar[Mapping[str, Any]] = {"cv": [0.0, 1.0, 9.0]}
