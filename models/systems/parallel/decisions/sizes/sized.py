"""The answer of `ParallelServers.size`: rates of servers, what they cost, and a certificate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ......reference.errors import Array
from ......reference.html_table import HtmlTable
from ......reference.parallel.decisions.scalable import at_rates, server_delay, total_delay
from ......reference.plural import counted
from .....core.certificate import Bounds, bounds
from .....core.ratio import ROUNDING
from .....core.solution import finite, finite_or_none
from ...solution import ServerSplit
from .problem import Minimised, SizeProblem
from .program import SizeModel, size_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...system import ParallelServers

FIXED_CV = (
    "the coefficients of variation are those at the present rates; a server that is faster, but "
    "with other service times, can have another one"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class SizedServers(HtmlTable, ServerSplit):
    """Rates of servers for one load or several, with their cost and a certificate.

    It also has the attributes of `ServerSplit` (``load``, ``names``, ``flow``, ``share``,
    ``latency``, ``caveats``). For several loads, ``load`` and ``flow`` are means over the time, and
    ``latency`` is the mean over the jobs of the server; ``flows`` has those at each load. Rates are
    in jobs per unit of time, delays in units of time, money is per unit of time.

    Attributes
    ----------
    minimise : {"delay", "cost"}
        The minimised quantity: the mean delay, or the total cost.
    loads, duration : tuple of float
        The loads, and the part of the time in which each holds.
    flows : ndarray, shape (m, n)
        Flow of each server at each of the m loads; above 0 where the load uses the server.
    delays : ndarray, shape (m,)
        Mean delay of a job at each load; nan at the load 0.
    rate : ndarray, shape (n,)
        Rate of each server; 0 for a server that is not needed.
    spare_capacity : ndarray, shape (n,)
        Rate less the largest flow.
    open : ndarray of bool, shape (n,)
        Whether each server has jobs.
    mean_delay : float
        Mean delay of a job.
    cost : float
        Money for the rates, the sum of rate times price.
    opening_cost : float
        Money for opening the servers that are open.
    delay_cost : float or None
        Money per job and unit of time, where the delays have a price.
    objective : float
        The minimised quantity. With a `delay_cost` it is the money for rates, openings and delays.
    price_of_money : float or None
        Change of the least mean delay per unit of further money, negative; -1/(`delay_cost` load)
        where delays have a price. None where no budget or mean delay decides.
    certificate : Bounds
        Bounds of the least value of the minimised quantity.
    certified : bool
        Whether the gap of the certificate meets the required gap.
    nodes : int
        Number of boxes that the search has split; 0 where the first bound was enough.
    system : ParallelServers
        The servers with these rates, without those of rate 0.
    write_model : callable
        Function of `model`.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers, RateBudget
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> found = system.size(
    ...     190.0, rate_price=[1, 1, 0.5], split=[6 / 19, 4 / 19, 9 / 19],
    ...     subject_to=[RateBudget(200.0)],
    ... )  # fmt: skip
    >>> found.rate.round(4), round(found.mean_delay, 9), round(found.price_of_money, 6)
    (array([ 80.5031,  56.7407, 125.5124]), 0.053421574, -0.000751)
    """

    minimise: Minimised
    loads: tuple[float, ...]
    duration: tuple[float, ...]
    flows: Array
    delays: Array
    rate: Array
    spare_capacity: Array
    open: npt.NDArray[np.bool_]
    mean_delay: float
    cost: float
    opening_cost: float
    delay_cost: float | None
    objective: float
    price_of_money: float | None
    certificate: Bounds
    certified: bool
    nodes: int
    system: ParallelServers
    write_model: Callable[[], SizeModel] = field(repr=False)

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the attributes that are times."""
        of_delay = ("objective", "certificate") if self.minimise == "delay" else ()
        return ("latency", "mean_delay", "delays", "price_of_money", *of_delay)

    @property
    def peak_utilisation(self) -> Array:
        """Largest flow of each server divided by its rate, shape (n,); 0 without a rate."""
        return np.asarray(self.flows.max(axis=0) / np.where(self.rate > 0, self.rate, 1.0))

    @property
    def total_cost(self) -> float:
        """Money for rates and openings, per unit of time."""
        return self.cost + self.opening_cost

    def __repr__(self) -> str:
        several = len(self.loads) > 1
        loads = f"{len(self.loads)} loads up to {max(self.loads):g}"
        at = loads if several else f"load {self.load:g}"
        head = f"rates for {at}: mean delay {self.mean_delay:.9g}, cost {self.total_cost:.9g}"
        head += "" if self.delay_cost is None else f", with that of delays {self.objective:.9g}"
        price = self.price_of_money
        prices = [] if price is None else [f"  {price:.6g} of mean delay per unit of money"]
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        ends = f"{np.nanmin(self.delays):.6g} to {np.nanmax(self.delays):.6g}"
        busy = f"utilisation up to {self.peak_utilisation.max():.4g}"
        day = [f"  mean delay at the loads {ends}, {busy}"] if several else []
        rows = self._lines("rate", self.rate)
        return "\n".join([head, *caveats, f"  {self.proof}", *prices, *day, *rows])

    @property
    def proof(self) -> str:
        """Summary of the certificate, for people."""
        verdict = "certified" if self.certified else "NOT CERTIFIED"
        search = f" ({counted(self.nodes, 'node')} searched)" if self.nodes else ""
        what = "mean delay" if self.minimise == "delay" else "cost"
        return f"least {what} {verdict} within {self.certificate.gap:.1e}{search}"

    def plot(self, title: str = "") -> Figure:
        """Plot flows, utilisations and delays over the loads, in their order.

        Parameters
        ----------
        title : str, optional
            Title of the figure.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from .day_plot import plot_day

        return plot_day(self, title)

    def model(self) -> SizeModel:
        """Return the CVXPY problem of the rates at these flows, to which constraints can be added.

        It is in the unit of time of the system.

        Returns
        -------
        sojourn.models.systems.parallel.decisions.sizes.program.SizeModel
            The problem, the rates as a CVXPY expression of shape (n,), mean delay and cost.

        Examples
        --------
        >>> import cvxpy as cp
        >>> from sojourn.models import MM1, ParallelServers, RateBudget
        >>> system = ParallelServers(MM1(rate=[100.0, 80.0]))
        >>> found = system.size(90.0, rate_price=[1.0, 2.0], subject_to=[RateBudget(200.0)])
        >>> model = found.model()
        >>> own = [*model.problem.constraints, model.rate[0] <= 80.0]
        >>> value = cp.Problem(model.problem.objective, own).solve(solver="CLARABEL")
        >>> round(float(model.mean_delay.value), 5), round(found.mean_delay, 5)
        (0.03973, 0.03878)
        """
        return self.write_model()

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        columns = {
            name: getattr(self, name).tolist()
            for name in ("rate", "spare_capacity", "open", "peak_utilisation")
        }
        day = {"flows": self.flows.tolist(), "delays": [*map(finite_or_none, self.delays)]}
        several = day if len(self.loads) > 1 else {}
        numbers = ("mean_delay", "cost", "opening_cost", "total_cost", "objective")
        optional = ("delay_cost", "price_of_money")
        return {
            "minimise": self.minimise,
            "load": self.load,
            "loads": list(self.loads),
            "duration": list(self.duration),
            **several,
            "servers": self._servers(**columns),
            **finite({name: getattr(self, name) for name in numbers}),
            **{
                name: None if getattr(self, name) is None else finite_or_none(getattr(self, name))
                for name in optional
            },
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "nodes": self.nodes,
            "caveats": list(self.caveats),
        }


def sized_servers(
    problem: SizeProblem,
    rate: Array,
    flows: Array,
    lower: float,
    upper: float = -math.inf,
    *,
    price_of_money: float | None = None,
    nodes: int = 0,
    caveats: tuple[str, ...] = (),
) -> SizedServers:
    """Return the answer for rates and flows that were found.

    Parameters
    ----------
    problem : SizeProblem
        The question.
    rate : ndarray, shape (n,)
        Rate of each server.
    flows : ndarray, shape (m, n)
        Flow of each server at each load.
    lower : float
        Lower bound of the least value of the minimised quantity, openings included.
    upper : float, optional
        Upper bound of it, where the rates keep a budget or target only up to rounding.
    price_of_money : float, optional
        Change of the least mean delay per unit of money.
    nodes : int, default 0
        Number of boxes that a search has split.
    caveats : tuple of str, optional
        Warnings besides those of the families.
    """
    part = problem.duration[:, None]
    flow, load = _mean(part, flows), problem.mean_load
    at_loads = total_delay(flows, rate, problem.k, problem.delay)
    delays = _mean(part, at_loads)
    mean = math.fsum(delays.tolist()) / load
    is_open = flows.max(axis=0) > 0
    cost = math.fsum((problem.rate_price * rate).tolist())
    opening = problem.opening_cost(flows)
    weight = problem.delay_cost
    of_delays = 0.0 if weight is None else weight * load * mean
    objective = mean if problem.minimise == "delay" else cost + opening + of_delays
    proof = bounds(objective, min(lower, objective), max(upper, objective), ROUNDING)
    bought = rate > 0
    system = problem.system
    names = [name for name, kept in zip(system.names, bought.tolist(), strict=True) if kept]
    sized = type(system)(at_rates(problem.bank, rate), names=names, time_unit=system.time_unit)
    fixed = (FIXED_CV,) if np.any(problem.k[is_open] != 1.0) else ()
    return SizedServers(
        load=load,
        names=system.names,
        flow=flow,
        share=flow / load,
        latency=_latency(problem, rate, flow, delays),
        caveats=(*fixed, *caveats),
        minimise=problem.minimise,
        loads=tuple(problem.loads.tolist()),
        duration=tuple(problem.duration.tolist()),
        flows=flows,
        delays=_quotients(at_loads.sum(axis=1), problem.loads),
        rate=rate,
        spare_capacity=rate - flows.max(axis=0),
        open=is_open,
        mean_delay=mean,
        cost=cost,
        opening_cost=opening,
        delay_cost=weight,
        objective=objective,
        price_of_money=price_of_money,
        certificate=proof,
        certified=proof.gap <= problem.gap,
        nodes=nodes,
        system=sized,
        write_model=partial(size_model, problem, flows, rate),
    )


def _quotients(delays: Array, loads: Array) -> Array:
    """Return total delays divided by loads; nan at the load 0."""
    return np.where(loads > 0, delays / np.where(loads > 0, loads, 1.0), np.nan)


def _mean(part: Array, rows: Array) -> Array:
    """Return the mean of the rows over the time."""
    return rows[0] if len(rows) == 1 else np.asarray((part * rows).sum(axis=0))


def _latency(problem: SizeProblem, rate: Array, flow: Array, delays: Array) -> Array:
    """Return the mean latency at each server, that of an empty one where there are no jobs."""
    used = flow > 0
    idle = server_delay(np.zeros(len(rate)), rate, problem.k, problem.delay)
    return np.where(used, delays / np.where(used, flow, 1.0), idle)
