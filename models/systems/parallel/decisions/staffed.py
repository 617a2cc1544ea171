"""Answers of `Pools.staff` and `ParallelServers.staff`: numbers of servers, with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from .....reference.errors import Array
from .....reference.html_table import HtmlTable
from ....core.certificate import Bounds
from ....core.solution import finite, finite_or_none
from ....latency.mmc import MMc
from ..solution import SHOWN, ServerSplit

if TYPE_CHECKING:
    from ..system import ParallelServers

Minimised = Literal["wait", "cost"]


@dataclass(frozen=True, eq=False)
class TargetValue:
    """A target of numbers of servers, with the value that they reach.

    Attributes
    ----------
    target : str
        Name of the bounded quantity.
    at_most : ndarray, shape (n,) or ()
        The target: of each pool, or one over all jobs.
    value : ndarray, shape of `at_most`
        The bounded quantity with these numbers of servers.
    of_time : bool
        Whether it is a time.
    """

    target: str
    at_most: Array
    value: Array
    of_time: bool

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the attributes that are times."""
        return ("at_most", "value") if self.of_time else ()

    def __str__(self) -> str:
        dearest = np.argmax(self.value / self.at_most)
        value, at_most = (float(np.ravel(a)[dearest]) for a in (self.value, self.at_most))
        up_to = "up to " if self.value.ndim else ""
        return f"{self.target}: {up_to}{value:.6g} of at most {at_most:.6g}"

    def to_dict(self) -> dict[str, Any]:
        """Return the name and two lists of numbers, ready for JSON; infinite numbers are None."""
        columns = {"at_most": self.at_most, "value": self.value}
        lists = {k: list(map(finite_or_none, np.ravel(v).tolist())) for k, v in columns.items()}
        return {"target": self.target, **lists}


@dataclass(frozen=True, eq=False, kw_only=True)
class StaffedPools(HtmlTable):
    """Numbers of servers of pools that have a load each, with their waits and a certificate.

    Attributes
    ----------
    minimise : {"wait", "cost"}
        The minimised quantity: the mean wait over all jobs, or the cost.
    names : tuple of str
        Names of the n pools.
    load : ndarray, shape (n,)
        Load of each pool, jobs per unit of time.
    servers : ndarray of int, shape (n,)
        Number of servers of each pool.
    utilisation : ndarray, shape (n,)
        Load divided by the rate of all servers of the pool; 0 without servers.
    waiting : ndarray, shape (n,)
        Share of the jobs of each pool that wait.
    wait : ndarray, shape (n,)
        Mean wait of a job of each pool.
    latency : ndarray, shape (n,)
        Mean time of a job of each pool: network delay, wait and service.
    mean_wait, mean_delay : float
        Means of wait and of latency over the jobs of all pools.
    cost : float
        Sum of price times number of servers, money per unit of time.
    certificate : Bounds
        Bounds of the least value of the minimised quantity.
    certified : bool
        Whether these bounds agree within 1e-9.
    last_gain, next_gain : float
        Least decrease of the mean wait per unit of money by a server that could be given up, and
        largest decrease by one more server, within the bounds of the numbers; inf and 0 where there
        is none. For a total of servers the numbers are exact because the first is not below the
        second.
    targets : tuple of TargetValue
        One for each target of waits, in the order of ``subject_to``.
    bank : MMc
        The pools with these numbers of servers, without those that have none.
    caveats : tuple of str
        Warnings of the family.

    Examples
    --------
    >>> from sojourn.models import MMc, Pools
    >>> pools = Pools(MMc(rate=[3.0, 10.0, 1.0]), names=["sales", "help", "repairs"])
    >>> found = pools.staff(load=[20.0, 50.0, 8.0], total=26)
    >>> found.servers, round(found.mean_wait, 9), found.certified
    (array([ 9,  7, 10]), 0.042847585, True)
    >>> found.wait.round(4), found.utilisation.round(4)
    (array([0.0448, 0.0162, 0.2046]), array([0.7407, 0.7143, 0.8   ]))
    >>> found.last_gain > found.next_gain
    True
    """

    minimise: Minimised
    names: tuple[str, ...]
    load: Array
    servers: npt.NDArray[np.int64]
    utilisation: Array
    waiting: Array
    wait: Array
    latency: Array
    mean_wait: float
    mean_delay: float
    cost: float
    certificate: Bounds
    certified: bool
    last_gain: float
    next_gain: float
    targets: tuple[TargetValue, ...]
    bank: MMc
    caveats: tuple[str, ...] = ()

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the attributes that are times."""
        certificate = ("certificate",) if self.minimise == "wait" else ()
        gains = ("last_gain", "next_gain")
        return ("wait", "latency", "mean_wait", "mean_delay", *gains, *certificate)

    @property
    def total(self) -> int:
        """Number of servers in all."""
        return int(self.servers.sum())

    @property
    def proof(self) -> str:
        """Summary of the certificate, for people."""
        what = "mean wait" if self.minimise == "wait" else "cost"
        verdict = "certified" if self.certified else "NOT CERTIFIED"
        return f"least {what} {verdict} within {self.certificate.gap:.1e}"

    def __repr__(self) -> str:
        head = (
            f"{self.total} servers for load {self.load.sum():g}: "
            f"mean wait {self.mean_wait:.9g}, cost {self.cost:.9g}"
        )
        more = "one more server" if self.minimise == "wait" else "a server that no target needs"
        gain = f"{more} saves at most {self.next_gain:.4g} of mean wait per unit of money"
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        targets = [f"  {target}" for target in self.targets]
        return "\n".join([head, *caveats, f"  {self.proof}", f"  {gain}", *targets, *self._lines()])

    def _lines(self) -> list[str]:
        """Return a line of text for each of the pools with the most servers."""
        width = max(map(len, self.names))
        shown = sorted(np.argsort(-self.servers, kind="stable")[:SHOWN].tolist())
        lines = [
            f"  {self.names[i]:<{width}}  servers {self.servers[i]}  load {self.load[i]:.6g}  "
            f"busy {self.utilisation[i]:.4f}  wait {self.wait[i]:.6g}"
            for i in shown
        ]
        hidden = len(self.names) - len(shown)
        return lines + ([f"  ... and {hidden} more pools"] if hidden else [])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        names = ("servers", "load", "utilisation", "waiting", "wait", "latency")
        columns = {"name": self.names, **{name: getattr(self, name).tolist() for name in names}}
        rows = zip(*columns.values(), strict=True)
        numbers = ("mean_wait", "mean_delay", "cost", "last_gain", "next_gain")
        return {
            "minimise": self.minimise,
            "total": self.total,
            "pools": [dict(zip(columns, row, strict=True)) for row in rows],
            **finite({name: getattr(self, name) for name in numbers}),
            "targets": [target.to_dict() for target in self.targets],
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "caveats": list(self.caveats),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class StaffedServers(HtmlTable, ServerSplit):
    """Numbers of servers and the split of a load over them, of least cost, with a certificate.

    It also has the attributes of `ServerSplit` (``load``, ``names``, ``flow``, ``share``,
    ``latency``, ``caveats``). Money is per unit of time.

    Attributes
    ----------
    servers : ndarray of int, shape (n,)
        Number of servers of each station; 0 where it is not used.
    utilisation : ndarray, shape (n,)
        Flow divided by the rate of all servers of the station; 0 without servers.
    mean_delay : float
        Mean delay of a job.
    cost : float
        Money for servers: the sum of price times number.
    delay_cost : float
        Money per job and unit of time.
    objective : float
        The minimised money: ``cost + delay_cost * load * mean_delay``.
    certificate : Bounds
        Bounds of the least value of the objective.
    certified : bool
        Whether the gap of the certificate meets the required gap.
    nodes : int
        Number of sets of numbers that the search has bounded.
    system : ParallelServers
        The stations with these numbers of servers, without those that have none.

    Examples
    --------
    >>> from sojourn.models import MMc, ParallelServers
    >>> system = ParallelServers(MMc(rate=[10.0, 25.0, 8.0], delay=[0.0, 0.05, 0.01]))
    >>> found = system.staff(150.0, price=[3, 6, 2.2], delay_cost=8.0, max_servers=[6, 4, 9])
    >>> found.servers, found.flow.round(3), round(found.objective, 6)
    (array([6, 4, 8]), array([39.261, 71.047, 39.692]), 199.922757)
    >>> found.system
    ParallelServers(3 servers, total rate 224)
    """

    servers: npt.NDArray[np.int64]
    utilisation: Array
    mean_delay: float
    cost: float
    delay_cost: float
    objective: float
    certificate: Bounds
    certified: bool
    nodes: int
    system: ParallelServers

    times: ClassVar[tuple[str, ...]] = ("latency", "mean_delay")

    @property
    def total(self) -> int:
        """Number of servers in all."""
        return int(self.servers.sum())

    @property
    def proof(self) -> str:
        """Summary of the certificate, for people."""
        verdict = "certified" if self.certified else "NOT CERTIFIED"
        within = f"within {self.certificate.gap:.1e}"
        return f"least money {verdict} {within} ({self.nodes} sets of numbers bounded)"

    def __repr__(self) -> str:
        head = (
            f"{self.total} servers for load {self.load:g}: money {self.objective:.9g}, "
            f"mean delay {self.mean_delay:.6g}"
        )
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        rows = self._lines("servers", self.servers)
        return "\n".join([head, *caveats, f"  {self.proof}", *rows])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        columns = {name: getattr(self, name).tolist() for name in ("servers", "utilisation")}
        numbers = ("mean_delay", "cost", "delay_cost", "objective")
        return {
            "load": self.load,
            "total": self.total,
            "servers": self._servers(**columns),
            **finite({name: getattr(self, name) for name in numbers}),
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "nodes": self.nodes,
            "caveats": list(self.caveats),
        }
