"""Stations of the families of latencies that have a law of service times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import InputError
from ...reference.tails import EXACT
from ...reference.validation import list_or_none
from ..latency.approximate import KraemerLangenbachBelz, MM1Setup
from ..latency.base import Latency
from ..latency.bpr import BPR
from ..latency.function import Function
from ..latency.gg1 import MG1PS, Kingman, MM1Percentile, MM1Vacations
from ..latency.measured import Measured
from ..latency.mg1 import MD1, MG1, MM1
from ..latency.mmc import MMc
from ..latency.polynomial import Constant, Polynomial
from ..latency.tandem import Tandem
from .service import Service, as_service
from .station import SHARING, Station

Given = Service | str | npt.ArrayLike | None
"""Law of service times that a user gives for one server."""

WITHOUT_LAW = "simulate MM1, MD1, MG1, MMc or another family with service times"
OF_FORMULA = ("is a formula of a latency, without a law of service times", WITHOUT_LAW)
OF_VARIABILITY = (
    "is an approximation from the variability of arrivals and services, without their laws",
    "simulate MG1, whose arrivals are Poisson",
)
REFUSED: Mapping[type[Latency], tuple[str, str]] = {
    BPR: ("is a road: a formula of its delay, without jobs that queue", WITHOUT_LAW),
    Function: OF_FORMULA,
    Kingman: OF_VARIABILITY,
    KraemerLangenbachBelz: OF_VARIABILITY,
    Measured: (
        "has latencies that were measured, without service times",
        "simulate MG1 with service= the measured service times",
    ),
    MM1Percentile: (
        "is a percentile as a latency, of which the mean over servers is no time of a job",
        "simulate MM1, and read its percentiles",
    ),
    Polynomial: OF_FORMULA,
}
"""Families that cannot be simulated: the problem, and the remedy."""


def stations_of(
    bank: Latency, service: Any = None, *, field: str = "servers"
) -> tuple[Station, ...]:
    """Return the stations of a bank, one for each of its n servers.

    Parameters
    ----------
    bank : Latency
        n servers.
    service : optional
        Law of the service times: None for that of the family, which is the gamma distribution
        where it has a cv alone; a `Service`, a name, or samples, for all servers; or a list of n of
        these.
    field : str, default "servers"
        Name of the servers in messages.

    Raises
    ------
    InputError
        On a family without a law of service times, and on a law that does not exist.

    Examples
    --------
    >>> [station.rate for station in stations_of(MM1([3.0, 2.0]))]
    [3.0, 2.0]
    """
    laws, found = _laws(service, len(bank)), list[Station]()
    for part in bank.banks:
        maker = _of_class(type(part), STATIONS)
        if maker is None:
            problem, remedy = _of_class(type(part), REFUSED) or (
                "has a latency of its own, without a law of service times",
                WITHOUT_LAW,
            )
            raise InputError(f"{field}[{len(found)}]", type(part).__name__, problem, remedy)
        start = len(found)
        for i in range(len(part)):
            found.append(maker(part, i, laws[start + i], f"{field}[{start + i}]"))
    return tuple(found)


def _of_class(family: type[Latency], table: Mapping[type[Latency], Any]) -> Any:
    """Return the entry of a class: its own, or that of the nearest base class of the library.

    A class that defines a latency of its own is not the family that it is derived from.
    """
    for base in family.__mro__:
        if base in table:
            return table[base]
        if "latency" in vars(base):
            return None
    return None


def _laws(service: Any, n: int) -> list[Given]:
    """Return what is given for each server."""
    listed = None if isinstance(service, str) else list_or_none(service)
    if listed is None or all(
        isinstance(v, float | int | np.number) and not isinstance(v, bool) for v in listed
    ):  # one law, or samples, of all servers
        return [service] * n
    if len(listed) != n:
        remedy = f"give one for all servers, or {n}"
        raise InputError("service", service, f"is not one law for each of {n} servers", remedy)
    return listed


def _at(values: Any, i: int) -> float:
    """Return the value of a server of an array with one entry for each, or for all."""
    return float(np.ravel(values)[i if np.size(values) > 1 else 0])


def _shared(bank: Any, i: int, given: Given, field: str) -> Station:
    """Return a server of MM1, MD1 or MG1."""
    priority = "equal" if bank.base_priority is None else str(bank.base_priority[i])
    return Station(
        rate=_at(bank.service_rate, i),
        service=as_service(given, _at(bank.cv, i)),
        delay=_at(bank.delay, i),
        base=_at(bank.base, i),
        base_priority=priority,
        batch=_at(bank.batch, i),
        batch_cv=_at(bank.batch_cv, i),
    )


def _mmc(bank: Any, i: int, given: Given, field: str) -> Station:
    servers = int(bank.servers[i])
    return Station(
        _at(bank.each, i), as_service(given, 1.0), delay=_at(bank.delay, i), servers=servers
    )


def _sharing(bank: Any, i: int, given: Given, field: str) -> Station:
    law = as_service(given, 1.0)
    return Station(_at(bank.rate, i), law, delay=_at(bank.delay, i), discipline=SHARING)


def _vacations(bank: Any, i: int, given: Given, field: str) -> Station:
    return Station(
        _at(bank.rate, i),
        as_service(given, 1.0),
        delay=_at(bank.delay, i),
        vacation=_at(bank.vacation, i),
        vacation_cv=_at(bank.vacation_cv, i),
    )


def _setup(bank: Any, i: int, given: Given, field: str) -> Station:
    return Station(
        _at(bank.rate, i),
        as_service(given, 1.0),
        delay=_at(bank.delay, i),
        setup=_at(bank.setup, i),
        setup_cv=_at(bank.setup_cv, i),
    )


def _constant(bank: Any, i: int, given: Given, field: str) -> Station:
    return Station(np.inf, delay=_at(bank.delay, i))


def _tandem(bank: Any, i: int, given: Given, field: str) -> Station:
    """Return the first station of a pair, which leads to the second; delays count together."""
    from dataclasses import replace

    parts: list[Station] = []
    for place, half in (("first", bank.first), ("second", bank.second)):
        (station,) = stations_of(half.take(np.array([i])), given, field=f"{field}.{place}")
        parts += station.series
    for part in parts:
        if part.base or part.batch > 1 or part.setup or part.vacation:
            problem = "has base loads, batches, set-ups or vacations at a station of a series"
            raise InputError(field, "Tandem", problem, "simulate the stations one by one")
    joined = replace(parts[-1], then=None, delay=0.0)
    for part in reversed(parts[:-1]):
        joined = replace(part, then=joined, delay=0.0)
    return replace(joined, delay=_at(bank.delay, i))


Maker = Callable[[Any, int, Given, str], Station]
STATIONS: Mapping[type[Latency], Maker] = {
    MM1: _shared,
    MD1: _shared,
    MG1: _shared,
    MMc: _mmc,
    MG1PS: _sharing,
    MM1Vacations: _vacations,
    MM1Setup: _setup,
    Constant: _constant,
    Tandem: _tandem,
}
"""Families that can be simulated."""


def known_laws(bank: Latency, stations: Sequence[Station]) -> npt.NDArray[np.bool_]:
    """Return whether the law of the time at each server is known in closed form, shape (n,).

    Parameters
    ----------
    bank : Latency
        n servers.
    stations : sequence of Station, length n
        What is simulated: a server has its closed form with the family's own law alone.
    """
    own, kinds = stations_of(bank), bank.tail_kind
    return np.array(
        [
            a.service == b.service and (kind == EXACT or (bool(kind) and a.service.cv == 1.0))
            for a, b, kind in zip(stations, own, kinds, strict=True)
        ]
    )
