"""The split whose percentile over all jobs is least, and that with the fewest late jobs.

`sojourn.reference.parallel.decisions.percentile` has the theory; no solver runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from .....reference.errors import Array
from .....reference.html_table import HtmlTable
from .....reference.parallel.decisions.percentile import (
    LeastLateShare,
    LeastPercentile,
    least_late_share,
    least_percentile,
    percentile_of,
)
from .....reference.parallel.optimum_equilibrium import equilibrium, optimum
from .....reference.tails import check_tails, tail_caveats
from .....reference.validation import as_fraction, as_positive
from ....core.certificate import Bounds, bounds
from ....core.ratio import ROUNDING
from ....core.solution import finite
from ....core.tolerance import POLISHED
from ....latency.base import Latency
from ..linear_limit import Limit
from ..solution import ServerSplit
from .each_server import bounds_of_flows

TOGETHER = "the split of fewest late jobs within it is no root of one price"
HOPELESS = (
    "at their rate, where jobs wait without end, since more of their jobs cannot be late; "
    "cap them with subject_to=[MaxUtilisation(0.95)]"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class TailSplit(HtmlTable, ServerSplit):
    """Base class of the splits that minimise late jobs.

    Attributes
    ----------
    mean_delay : float
        Mean delay of a job; infinite where a server is filled to its rate.
    filled : tuple of str
        Names of the servers that are filled to their rate.
    certificate : Bounds
        Bounds of the least value; no solver is needed to prove them.
    certified : bool
        Whether the gap of the certificate is at most 1e-9.
    """

    mean_delay: float
    filled: tuple[str, ...]
    certificate: Bounds
    certified: bool

    def _text(self, *head: str) -> str:
        """Return the text of the split under its first lines."""
        verdict = "certified" if self.certified else "NOT CERTIFIED"
        proof = f"  {verdict} within {self.certificate.gap:.1e} (no solver)"
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        return "\n".join([*head, *caveats, proof, *self._lines()])

    def _record(self, *names: str) -> dict[str, Any]:
        """Return numbers by their names, and those that all these splits have, ready for JSON."""
        numbers = {name: float(getattr(self, name)) for name in ("load", *names, "mean_delay")}
        return {
            **finite(numbers),
            "servers": self._servers(),
            "filled": list(self.filled),
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "caveats": list(self.caveats),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class PercentileSplit(TailSplit):
    """The split of a load whose p-th percentile over all jobs is least.

    It also has the attributes of `ServerSplit` (``load``, ``names``, ``flow``, ``share``,
    ``latency``, ``caveats``). Times are in units of time.

    Attributes
    ----------
    p : float
        Part of the jobs.
    time : float
        The p-th percentile of the times of all jobs: the part `p` of them is back within it.
    mean_delay : float
        Mean delay of a job; infinite where a server is filled to its rate.
    filled : tuple of str
        Names of the servers that are filled to their rate.
    certificate : Bounds
        Bounds of the least percentile; no solver is needed to prove them.
    certified : bool
        Whether the gap of the certificate is at most 1e-9.
    optimum_time, equilibrium_time : float
        The p-th percentile at the split of least mean delay and at that of selfish users, both
        without limits.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100, 80, 200], delay=[0.005, 0.005, 0.020]))
    >>> least = system.least_percentile(load=190, p=0.99)
    >>> round(least.time, 6), round(least.optimum_time, 6), round(least.equilibrium_time, 6)
    (0.081416, 0.085395, 0.100884)
    >>> least.certified, least.flow.round(2)
    (True, array([ 43.4 ,  27.67, 118.93]))
    """

    p: float
    time: float
    optimum_time: float
    equilibrium_time: float

    times: ClassVar[tuple[str, ...]] = (
        "latency",
        "mean_delay",
        "certificate",
        "time",
        "optimum_time",
        "equilibrium_time",
    )

    def __repr__(self) -> str:
        return self._text(
            f"least {100 * self.p:g}th percentile at load {self.load:g}: {self.time:.9g}, "
            f"mean delay {self.mean_delay:.9g}",
            f"  {self.optimum_time:.6g} at the optimum, "
            f"{self.equilibrium_time:.6g} at the equilibrium",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        return self._record("p", "time", "optimum_time", "equilibrium_time")


@dataclass(frozen=True, eq=False, kw_only=True)
class LateSplit(TailSplit):
    """The split of a load with the smallest share of jobs that take longer than a given time.

    It also has the attributes of `ServerSplit` (``load``, ``names``, ``flow``, ``share``,
    ``latency``, ``caveats``). Times are in units of time.

    Attributes
    ----------
    within : float
        Time after which a job is late, its network delay included.
    late_share : float
        Share of all jobs that are late.
    mean_delay : float
        Mean delay of a job; infinite where a server is filled to its rate.
    filled : tuple of str
        Names of the servers that are filled to their rate.
    certificate : Bounds
        Bounds of the smallest share; no solver is needed to prove them.
    certified : bool
        Whether the gap of the certificate is at most 1e-9.
    optimum_share, equilibrium_share : float
        Share of late jobs at the split of least mean delay and at that of selfish users, both
        without limits.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100, 80, 200], delay=[0.005, 0.005, 0.020]))
    >>> best = system.least_late_share(load=190, within=0.1)
    >>> round(best.late_share, 6), round(best.optimum_share, 6), best.certified
    (0.002956, 0.004631, True)
    """

    within: float
    late_share: float
    optimum_share: float
    equilibrium_share: float

    times: ClassVar[tuple[str, ...]] = ("latency", "mean_delay", "within")

    def __repr__(self) -> str:
        return self._text(
            f"fewest jobs later than {self.within:g} at load {self.load:g}: "
            f"{100 * self.late_share:.6g} %, mean delay {self.mean_delay:.9g}",
            f"  {100 * self.optimum_share:.4g} % at the optimum, "
            f"{100 * self.equilibrium_share:.4g} % at the equilibrium",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        return self._record("within", "late_share", "optimum_share", "equilibrium_share")


def percentile_split(
    bank: Latency, names: tuple[str, ...], load: float, p: float, limits: Sequence[Limit]
) -> PercentileSplit:
    """Return the split of least percentile; see `ParallelServers.least_percentile`."""
    p = as_fraction("p", p, "the jobs", ends=False)
    least, most = _bounds(bank, load, limits)
    found = least_percentile(bank, load, p, least=least, most=most)
    time = float(found.percentile)
    of_optimum, of_equilibrium = (
        float(percentile_of(bank, split.flow, p, split.spare_capacity))
        for split in (optimum(bank, load), equilibrium(bank, load))
    )
    return PercentileSplit(
        **_fields(bank, names, load, found, time),
        p=p,
        time=time,
        optimum_time=of_optimum,
        equilibrium_time=of_equilibrium,
    )


def late_split(
    bank: Latency, names: tuple[str, ...], load: float, within: float, limits: Sequence[Limit]
) -> LateSplit:
    """Return the split of fewest late jobs; see `ParallelServers.least_late_share`."""
    within = as_positive("within", within, "give a time in the unit of the delays")
    least, most = _bounds(bank, load, limits)
    found = least_late_share(bank, load, within, least=least, most=most)
    share = float(found.share)

    def late(flow: Array, spare_capacity: Array) -> float:
        jobs = flow * bank.late_jobs(flow, within, spare_capacity).share
        return math.fsum(jobs.tolist()) / load

    of_optimum, of_equilibrium = (
        late(split.flow, split.spare_capacity)
        for split in (optimum(bank, load), equilibrium(bank, load))
    )
    return LateSplit(
        **_fields(bank, names, load, found, share),
        within=within,
        late_share=share,
        optimum_share=of_optimum,
        equilibrium_share=of_equilibrium,
    )


def _bounds(
    bank: Latency, load: float, limits: Sequence[Limit]
) -> tuple[Array | float, Array | float]:
    """Return the bounds of the flows; InputError on servers without tails first."""
    check_tails(bank)
    if not limits:
        return 0.0, math.inf
    ((least, most),) = bounds_of_flows(bank, np.array([load]), limits, TOGETHER)
    return least, most


def _fields(
    bank: Latency,
    names: tuple[str, ...],
    load: float,
    found: LeastPercentile | LeastLateShare,
    value: float,
) -> dict[str, Any]:
    """Return the fields that both splits have, from the answer and its least `value`."""
    flow, spare_capacity = found.flow, found.spare_capacity
    proof = bounds(value, min(float(found.lower), value), value, ROUNDING)
    used, full = flow > 0, (flow > 0) & (spare_capacity <= 0)
    latency = bank.latency(flow, spare_capacity)
    mean = math.fsum((flow * np.where(used, latency, 0.0)).tolist()) / load
    filled = tuple(np.array(names, dtype=object)[full])
    verb = "carries" if len(filled) == 1 else "carry"
    sacrificed = [f"{', '.join(filled)} {verb} jobs {HOPELESS}"] if filled else []
    return {
        "load": load,
        "names": names,
        "flow": flow,
        "share": flow / load,
        "latency": latency,
        "caveats": (*bank.caveats(flow, names), *tail_caveats(bank, names), *sacrificed),
        "percentile_at": partial(percentile_of, bank, flow, spare_capacity=spare_capacity),
        "mean_delay": mean,
        "filled": filled,
        "certificate": proof,
        "certified": proof.gap <= POLISHED,
    }
