"""Numbers of servers of stations that share a load, together with its split; no solver runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .....reference.errors import InputError
from .....reference.parallel.decisions.staffed_split import staff_split
from .....reference.parallel.optimum_equilibrium import optimum
from .....reference.validation import as_float, as_floats
from ....core.certificate import bounds
from ....core.ratio import ROUNDING
from ....latency.base import Latency
from ....latency.mmc import MMc
from .staffed import StaffedServers

if TYPE_CHECKING:
    from ..system import ParallelServers


def check_mmc(bank: Latency) -> MMc:
    """Return the stations of one or more banks of M/M/c as one bank; InputError on others."""
    start = 0
    for part in bank.banks:
        if not isinstance(part, MMc):
            field, family = f"servers[{start}]", type(part).__name__
            raise InputError(field, family, "has no number of servers", "use MMc(rate)")
        start += len(part)
    rate, servers, delay = (
        np.concatenate([getattr(part, name) for part in bank.banks])
        for name in ("each", "servers", "delay")
    )
    return MMc(rate, servers, delay)


def staff(
    system: ParallelServers,
    load: float,
    price: npt.ArrayLike,
    delay_cost: float,
    max_servers: npt.ArrayLike | None,
    gap: float,
) -> StaffedServers:
    """Return numbers of servers and the split of least cost; see `ParallelServers.staff`."""
    bank = check_mmc(system.bank)
    found = staff_split(
        bank.each,
        load,
        price=price,
        delay_cost=delay_cost,
        delay=bank.delay,
        most=max_servers,
        gap=gap,
    )
    used = np.flatnonzero(found.servers)
    stations = MMc(bank.each[used], found.servers[used], bank.delay[used])
    names = tuple(system.names[i] for i in used)
    split = optimum(stations, load)
    n, total = len(bank), float(split.load)
    flow, rate = np.zeros(n), np.zeros(n)
    latency = np.full(n, np.inf)
    flow[used], rate[used] = split.flow, stations.rate
    latency[used] = stations.latency(split.flow, split.spare_capacity)
    mean = float(split.mean_delay)
    cost = math.fsum((as_floats("price", price) * found.servers).tolist())
    weight = as_float("delay_cost", delay_cost)
    objective = cost + weight * total * mean
    proof = bounds(objective, min(found.lower_bound, objective), objective, ROUNDING)
    return StaffedServers(
        load=total,
        names=system.names,
        flow=flow,
        share=flow / total,
        latency=latency,
        caveats=tuple(stations.caveats(split.flow, names)),
        servers=found.servers,
        utilisation=np.divide(flow, rate, out=np.zeros(n), where=rate > 0),
        mean_delay=mean,
        cost=cost,
        delay_cost=weight,
        objective=objective,
        certificate=proof,
        certified=proof.gap <= as_float("gap", gap) * (1 + ROUNDING) + 4 * ROUNDING,
        nodes=found.nodes,
        system=type(system)(stations, names=names, time_unit=system.time_unit),
    )
