"""M/M/1, M/D/1 and M/G/1 banks with cones; their numbers are in `sojourn.reference.mg1`.

With service rate mu, delay d, spare capacity y = mu - x, variability k = (1 + cv^2)/2, idle latency
m = d + 1/mu and fixed part e = m - k/mu, the latency is l(x) = m + (k/mu) x/y = e + k/y. With base
loads and batches mu, k and e are other numbers, and all else is the same; see
`sojourn.reference.base_load`. The total delay x l(x) has two forms:

- ``"quad_over_lin"``: x l(x) = m x + (k/mu) x^2/y, without cancellation at light load;
- ``"inv_pos"``: x l(x) = e x + k (mu/y - 1), better conditioned close to saturation.

Both forms, and the latency, need second-order cones; the potential needs exponential cones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np

from ...reference import mg1 as reference
from ...reference.bank_fields import store
from ...reference.base_load import SharedServers
from ...reference.errors import Array
from ...reference.pollaczek_khinchine import PollaczekKhinchine
from ...reference.validation import as_server_array
from .base import ArrayLike, Latency, product_at_least
from .cone import Cone

SOC = frozenset({"SOC"})
# The cones bound the product of mu/(mu - x), which is large, and 1 - x/mu, which is small. Moving
# this factor from one to the other keeps their sizes closer, and the solver more accurate.
CONE_BALANCE = 4.0


class PollaczekKhinchineCones(Latency, PollaczekKhinchine):
    """Cones of every bank with a latency of the form e + k/(mu - x).

    A family adds the numbers: its `k`, and where they differ its `work` and `pause` (see
    `sojourn.reference.pollaczek_khinchine.PollaczekKhinchine`).
    """

    forms = ("inv_pos", "quad_over_lin")
    rates: ClassVar[tuple[str, ...]] = ("rate",)
    times: ClassVar[tuple[str, ...]] = ("delay",)
    signed_cone_numbers = ("fixed", "k_log_rate")

    def cone_numbers(self) -> Mapping[str, Array]:
        """Return the numbers of the cones by name; see `Latency`."""
        rate, k = self.rate, self.k
        return {
            "rate": rate,
            "k": k,
            "fixed": self.fixed,
            "idle_latency": self.idle_latency,
            "root_rate": np.sqrt(rate),
            "k_per_rate": k / rate,
            "k_log_rate": k * np.log(rate),
        }

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Return the total delay x l(x) of each server as second-order cones.

        Parameters
        ----------
        flow : cvxpy.Expression, shape (n,)
            Load of each server, affine.
        form : {"inv_pos", "quad_over_lin"}, optional
            See `sojourn.models.latency.mg1`; the default is ``"inv_pos"``.

        Returns
        -------
        Cone

        Examples
        --------
        Minimise the mean delay of M/M/1 servers in a CVXPY problem:

        >>> import cvxpy as cp
        >>> bank = MM1(rate=[100.0, 80.0], delay=0.005)
        >>> x = cp.Variable(2, nonneg=True)
        >>> cone = bank.total_cone(x)
        >>> constraints = [cp.sum(x) == 90, *cone.constraints]
        >>> problem = cp.Problem(cp.Minimize(cp.sum(cone.value) / 90), constraints)
        >>> round(float(problem.solve(solver="CLARABEL")), 6)
        0.027085
        """
        numbers, bound = self.numbers_in_cones(), cp.Variable(flow.shape)
        spare_capacity = CONE_BALANCE * (numbers["rate"] - flow)
        if form == "quad_over_lin":
            congestion = cp.multiply(CONE_BALANCE * numbers["k_per_rate"], bound)
            value = cp.multiply(numbers["idle_latency"], flow) + congestion
            return Cone(value, (product_at_least(bound, spare_capacity, flow),), SOC)
        value = cp.multiply(numbers["fixed"], flow)
        value += cp.multiply(numbers["k"], CONE_BALANCE * bound - 1)
        return Cone(value, (product_at_least(bound, spare_capacity, numbers["root_rate"]),), SOC)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Return the integral of the latency, e x - k log(1 - x/mu), as exponential cones."""
        numbers, logarithm = self.numbers_in_cones(), cp.Variable(flow.shape)
        value = cp.multiply(numbers["fixed"], flow) - cp.multiply(numbers["k"], logarithm)
        # not the atom `cp.log`: a program cannot multiply it and the rate in it by parameters
        below = cp.ExpCone(logarithm, cp.Constant(np.ones(flow.shape)), numbers["rate"] - flow)
        return Cone(value + numbers["k_log_rate"], (below,), frozenset({"EXP"}))

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Return the latency, e + k/(mu - x), as second-order cones."""
        numbers, bound = self.numbers_in_cones(), cp.Variable(flow.shape)
        value = numbers["fixed"] + cp.multiply(CONE_BALANCE * numbers["k_per_rate"], bound)
        spare_capacity = CONE_BALANCE * (numbers["rate"] - flow)
        return Cone(value, (product_at_least(bound, spare_capacity, numbers["root_rate"]),), SOC)


class SharedCones(PollaczekKhinchineCones, SharedServers):
    """Cones of banks that may carry a base load, and jobs in batches; see `SharedServers`."""

    rates = ("rate", "base", "_given_rate")
    texts = ("base_priority",)

    @property
    def full_load(self) -> Array:
        """Load of each server at a utilisation of 1, shape (n,): service rate less base load."""
        return np.asarray(np.where(self._is_last, self.rate - self.base, self.rate))

    def scaled(self, rate: float, time: float) -> Latency:
        """Return the servers in other units, the rate being less by the base load as before."""
        made = super().scaled(rate, time)
        if isinstance(made, SharedCones) and made._given_rate is not None:
            store(made, rate=made._pole_of(made._given_rate, made.base))
        return made

    @property
    def _gives_caveats(self) -> bool:
        """Whether jobs go before the base jobs of a server, which they can crowd out."""
        return bool(np.any(self._is_last))

    def caveats(self, flow: ArrayLike, names: Sequence[str]) -> list[str]:
        """Return a warning for each server whose base jobs, which go last, wait without end."""
        x, full = as_server_array("flow", flow, len(self)), self.full_load
        return [
            f"{names[i]} carries {x[i]:.6g} before a base load of {self.base[i]:.6g}, in all no "
            f"less than its rate {self.rate[i]:.6g}: its base jobs wait without end; "
            "limit it with MaxUtilisation"
            for i in np.flatnonzero(self._is_last & (x >= full)).tolist()
        ]


class MM1(SharedCones, reference.MM1):
    """M/M/1 servers as numbers and cones; `sojourn.reference.MM1` has the numbers only.

    l(x) = delay + 1/(rate - x), eq. (20) of Mancuso et al. Arrivals are Poisson and service times
    exponential. Use this bank in systems (`sojourn.models.ParallelServers`) and CVXPY programs.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.
    base : array_like, shape (n,) or (), default 0
        Base load b of each server, jobs per unit of time, 0 <= b < rate: jobs that it has to serve
        besides those that are split. They come one by one in a Poisson stream and have the same
        service times.
    base_priority : {None, "equal", "non-preemptive", "preemptive", "last"}, default None
        Priority of the base jobs; one word, or a sequence of n words. None is ``"equal"``: one
        queue, first come, first served. Base jobs go first with ``"non-preemptive"``; with
        ``"preemptive"`` they also interrupt a job in service, which later resumes. With ``"last"``
        they go after all others, which do not interrupt them; see the notes.
    batch : array_like, shape (n,) or (), default 1
        Mean number of jobs in a batch, 1 or more. All jobs of a batch come at the same time, to one
        server; flows and loads still count jobs.
    batch_cv : array_like, shape (n,) or (), default 0
        Coefficient of variation of this number: with 0 all batches are of one whole size.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    Second-order cones for the total delay (forms ``"inv_pos"`` and ``"quad_over_lin"``) and for the
    latency, exponential cones for the potential; see `sojourn.models.latency.mg1`.

    With a base load or batches the latency is the mean of the jobs that are split, which alone is
    minimised: that of the base jobs, and of all jobs together, is not. The formulas are Cobham's
    (1954), also in Kleinrock, *Queueing Systems* II, chapter 3; see `sojourn.reference.base_load`.
    In one queue, M/M/1 servers with a base load b have the latency delay + 1/(rate - b - x).
    `rate` then is what is left for the flow, rate less base load, and `service_rate` is the rate
    that was given. Base jobs that go last do not bound the flow by more than the rate: from
    ``full_load``, rate less base load, on they wait without end. An answer with such a flow has a
    caveat; `sojourn.models.MaxUtilisation` excludes it.

    Examples
    --------
    >>> bank = MM1(rate=[100.0, 80.0], delay=0.005)
    >>> bank.latency([50.0, 0.0])
    array([0.025 , 0.0175])
    >>> from sojourn.models import ParallelServers
    >>> ParallelServers(bank).optimum(load=90.0).flow.round(2)
    array([52.49, 37.51])
    >>> behind = MM1(rate=100.0, base=40.0, base_priority="non-preemptive")
    >>> behind.rate, behind.latency([30.0]).round(6)
    (array([60.]), array([0.048889]))
    """


class MD1(SharedCones, reference.MD1):
    """M/D/1 servers as numbers and cones; `sojourn.reference.MD1` has the numbers only.

    l(x) = delay + 1/rate + x/(2 rate (rate - x)): eq. (28) of Mancuso et al. with cv = 0. Arrivals
    are Poisson and all jobs of a server take the same service time. Use this bank in systems
    (`sojourn.models.ParallelServers`) and CVXPY programs.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.
    base : array_like, shape (n,) or (), default 0
        Base load b of each server, jobs per unit of time, 0 <= b < rate: jobs that it has to serve
        besides those that are split. They come one by one in a Poisson stream and have the same
        service times.
    base_priority : {None, "equal", "non-preemptive", "preemptive", "last"}, default None
        Priority of the base jobs; one word, or a sequence of n words. None is ``"equal"``: one
        queue, first come, first served. Base jobs go first with ``"non-preemptive"``; with
        ``"preemptive"`` they also interrupt a job in service, which later resumes. With ``"last"``
        they go after all others, which do not interrupt them; see the notes.
    batch : array_like, shape (n,) or (), default 1
        Mean number of jobs in a batch, 1 or more. All jobs of a batch come at the same time, to one
        server; flows and loads still count jobs.
    batch_cv : array_like, shape (n,) or (), default 0
        Coefficient of variation of this number: with 0 all batches are of one whole size.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    The cones are those of `MM1`, and so are the notes on base loads and batches.

    Examples
    --------
    >>> MD1(rate=100.0).latency([50.0])
    array([0.015])
    """


class MG1(SharedCones, reference.MG1):
    """M/G/1 servers as numbers and cones; `sojourn.reference.MG1` has the numbers only.

    l(x) = delay + 1/rate + (1 + cv^2)/2 x/(rate (rate - x)): Pollaczek and Khinchine's mean,
    eq. (28) of Mancuso et al. Arrivals are Poisson and jobs are served first come, first served.
    Use this bank in systems (`sojourn.models.ParallelServers`) and CVXPY programs.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    cv : array_like, shape (n,) or ()
        Coefficient of variation of the service time (standard deviation over mean), >= 0:
        0 is M/D/1, 1 is M/M/1.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.
    base : array_like, shape (n,) or (), default 0
        Base load b of each server, jobs per unit of time, 0 <= b < rate: jobs that it has to serve
        besides those that are split. They come one by one in a Poisson stream and have the same
        service times.
    base_priority : {None, "equal", "non-preemptive", "preemptive", "last"}, default None
        Priority of the base jobs; one word, or a sequence of n words. None is ``"equal"``: one
        queue, first come, first served. Base jobs go first with ``"non-preemptive"``; with
        ``"preemptive"`` they also interrupt a job in service, which later resumes. With ``"last"``
        they go after all others, which do not interrupt them; see the notes.
    batch : array_like, shape (n,) or (), default 1
        Mean number of jobs in a batch, 1 or more. All jobs of a batch come at the same time, to one
        server; flows and loads still count jobs.
    batch_cv : array_like, shape (n,) or (), default 0
        Coefficient of variation of this number: with 0 all batches are of one whole size.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    The cones are those of `MM1`, and so are the notes on base loads and batches.

    Examples
    --------
    >>> MG1(rate=100.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    example: ClassVar[Mapping[str, Any]] = {"cv": [0.0, 1.0, 9.0]}
