"""The largest multiple of the loads that the stations can carry, with a proof from both sides.

The stations carry the multiple s of the loads q if a flow over the routes leaves spare capacity at
each station. The largest multiple is the inverse of the least largest utilisation t at the loads
themselves, a linear program: minimise t subject to W'x <= t mu, with the flows x of the routes.

*Proof from below.* The largest utilisation u of any flow: the multiples below 1/u are carried.

*Proof from above.* Any lengths l >= 0 of the stations, 0 where the rate is infinite. The load of a
group times the length of its shortest route, added over the groups, is at most the sum of the
lengths times the loads of the stations, and so below the sum of the lengths times the rates:

    s sum_k q_k SP_k(l) <= sum_a l_a v_a < sum_a l_a mu_a,

so s < mu'l / q'SP(l). Fixed delays do not count. The best lengths are the dual values of the linear
program; the stations of a positive length are those that limit the loads (as a cut limits a flow).
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS, exact_sum
from ..errors import Array, LoadError
from .columns import RouteFlow
from .lengths import least_largest_utilisation, quick_flow
from .price_bounds import ROUNDING, exact_prices, most_stations
from .routed import RoutedSystem
from .station_loads import station_loads

Index = npt.NDArray[np.intp]
NAMED = 5  # largest number of stations, and of groups, that a message names
DIGITS = 17  # of a float
KNOWN = 1e-9  # relative distance of the bounds up to which the largest load is known
LIMITING = 1e-9  # length times rate, as a part of the sum, above which a station is named


@dataclass(frozen=True, eq=False)
class RouteCapacity:
    """The largest multiple of the loads that the stations can carry.

    Attributes
    ----------
    multiple : float
        The largest multiple, the shortest number between its bounds; infinite where no group needs
        a station with a finite rate.
    max_load : float
        The largest total load, likewise.
    lower, upper : float
        Bounds of the largest multiple: smaller ones than `lower` are carried, those from `upper` on
        are not.
    limiting : ndarray of int
        Stations that limit the multiple: those with a positive length.
    price : ndarray, shape (A,)
        Lengths of the stations that prove the upper bound, in jobs: of 1/rate, the lengths times
        the rates sum to 1.
    flow : RouteFlow
        A flow of the loads with the least largest utilisation.
    concerned : ndarray of int
        Groups whose loads the limiting stations limit.
    """

    multiple: float
    max_load: float
    lower: float
    upper: float
    limiting: Index
    price: Array
    flow: RouteFlow
    concerned: Index


_KNOWN: WeakKeyDictionary[RoutedSystem, RouteCapacity] = WeakKeyDictionary()
_QUICK: WeakKeyDictionary[RoutedSystem, float] = WeakKeyDictionary()


def capacity(system: RoutedSystem) -> RouteCapacity:
    """Return the largest multiple of the loads that the stations can carry.

    It is computed once for each system.
    """
    if system not in _KNOWN:
        with np.errstate(all="ignore"):
            _KNOWN[system] = _capacity(system)
    return _KNOWN[system]


def known_capacity(system: RoutedSystem) -> RouteCapacity | None:
    """Return the capacity where it has been computed before, else None."""
    return _KNOWN.get(system)


def _capacity(system: RoutedSystem) -> RouteCapacity:
    flow, length = least_largest_utilisation(system)
    lower = lower_multiple(system, flow)
    upper, length, least = upper_multiple(system, length)
    limiting = np.flatnonzero(length * _finite_rate(system) > LIMITING)
    multiple, total = shortest_between(lower, upper), system.total_load
    most = shortest_between(lower * total, upper * total)
    concerned = np.flatnonzero(least > 0)
    return RouteCapacity(multiple, most, lower, upper, limiting, length, flow, concerned)


def shortest_between(low: float, high: float) -> float:
    """Return the number with the fewest digits between two numbers, or the lower where none is."""
    if np.isinf(high):
        return low
    rounded = (float(f"{0.5 * (low + high):.{digits}e}") for digits in range(DIGITS))
    return next((value for value in rounded if low <= value <= high), low)


def lower_multiple(system: RoutedSystem, flow: RouteFlow) -> float:
    """Return a multiple below which a flow of the loads proves that the stations carry it."""
    at = station_loads(system, flow, system.load)
    used = float(np.max(at.flow / system.bank.rate))
    return (1.0 - ROUNDING) / used if used > 0 else np.inf


def upper_multiple(system: RoutedSystem, length: Array) -> tuple[float, Array, Array]:
    """Return a multiple that lengths prove to be too much, and the lengths and costs that do.

    Parameters
    ----------
    length : ndarray, shape (A,)
        Any lengths; negative ones and those of stations without a rate become 0.

    Returns
    -------
    multiple : float
        Infinite where the lengths prove nothing.
    length : ndarray, shape (A,)
        The lengths, scaled.
    least : ndarray, shape (G,)
        Length of the shortest route of each group.
    """
    rate = _finite_rate(system)
    length = np.where((rate > 0) & np.isfinite(length), np.maximum(length, 0.0), 0.0)
    length = length / max(float(length @ rate), np.finfo(float).tiny)
    least = system.routes.least_cost(length, delays=False)
    length = exact_prices(system, length, float(np.max(least)))
    least = system.routes.least_cost(length, delays=False)
    needed, offered = (float(exact_sum(t)[0]) for t in (system.load * least, length * rate))
    if not needed > 0:
        return np.inf, length, least
    return offered / needed * (1.0 + ROUNDING + EPS * most_stations(system)), length, least


def _finite_rate(system: RoutedSystem) -> Array:
    """Return the rate of each station, shape (A,), and 0 where it is infinite."""
    rate = system.bank.rate
    return np.where(np.isfinite(rate), rate, 0.0)


def check_multiple(system: RoutedSystem, multiple: float) -> None:
    """Raise an error unless the stations can carry a multiple of the loads.

    Where it is far below the largest one, a few searches of the shortest routes show it. A multiple
    between bounds that are not next to each other is refused.

    Raises
    ------
    LoadError
        With the largest load, the stations that limit it and, where it is not all groups, the
        groups; or with the bounds.
    """
    if system not in _KNOWN and _fits_quickly(system, multiple):
        return
    found = capacity(system)
    if multiple < found.lower:
        return
    total = system.total_load
    stations = _named([system.stations[a] for a in found.limiting], "station")
    if multiple < found.upper and found.upper > found.lower * (1.0 + KNOWN):
        low, high = found.lower * total, found.upper * total
        problem = f"may not be carried: the largest load is between {low:.10g} and {high:.10g}"
        remedy = f"give less than {found.lower:.10g} times the loads of the groups"
        raise LoadError("load", multiple * total, problem, remedy)
    problem = f"is not below {found.max_load:.10g}, the largest load for {stations}"
    if found.concerned.size < len(system.groups):
        groups = _named([system.groups[k] for k in found.concerned], "group")
        problem += f", which {groups} cannot avoid"
    remedy = f"give less than {found.multiple:.10g} times the loads of the groups, or add capacity"
    raise LoadError("load", multiple * total, problem, remedy)


def _fits_quickly(system: RoutedSystem, multiple: float) -> bool:
    """Return whether a flow that is found quickly proves that a multiple is carried."""
    if multiple >= _QUICK.get(system, 0.0):
        with np.errstate(all="ignore"):
            flow = quick_flow(system, multiple)
            _QUICK[system] = 0.0 if flow is None else lower_multiple(system, flow)
    return multiple < _QUICK[system]


def _named(names: list[str], word: str) -> str:
    """Return a list of names in words, with the number of those left out."""
    shown = [repr(name) for name in names[:NAMED]]
    more = len(names) - len(shown)
    if more:
        shown.append(f"{more} more")
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{word}{'s' * (len(names) > 1)} {listed}"
