"""The flow with the least largest utilisation, and lengths that prove it, by linear programming.

The program has a variable for each route in use. Where there are many routes they are added as the
lengths ask for them: the shortest route of each group, until no group has a shorter one. Groups
that avoid the stations that limit the loads keep the flow of the first rounds, so that the program
is about the others alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array, hstack, vstack

from ..errors import Array
from .columns import Columns, RouteFlow
from .routed import RoutedSystem
from .transportation import transported, uses_one_station

AT_ONCE = 4000  # routes up to which a list of them makes one program
ROUNDS = 6  # rounds of all-or-nothing flows that give the first routes
STEEP = 8.0  # logarithm of the lengths of a full and an empty station in these rounds
ADDED = 100  # largest number of programs
EXACT = 1e-13  # relative distance of flow and lengths at which they are exact
CLOSE = 0.8  # part of the largest utilisation from which on a station may limit the loads


class Routes(NamedTuple):
    """Routes and the part of its group's load that takes each.

    Attributes
    ----------
    columns : Columns
        R routes.
    share : ndarray, shape (R,)
    """

    columns: Columns
    share: Array

    def utilisation(self, load: Array, per_rate: Array) -> Array:
        """Return the utilisation of each station, shape (A,)."""
        columns = self.columns
        return columns.station_flow(self.share * load[columns.group]) * per_rate


def least_largest_utilisation(system: RoutedSystem) -> tuple[RouteFlow, Array]:
    """Return a flow of the loads with the least largest utilisation, and the dual lengths."""
    routes, rate, load = system.routes, system.bank.rate, system.load
    limited = np.isfinite(rate)
    per_rate = np.where(limited, 1.0 / rate, 0.0)
    listed = routes.listed
    if listed is not None and limited.any() and uses_one_station(listed, limited):
        return _by_transportation(system, listed, per_rate)
    first = routes.cheapest(per_rate, delays=False)
    if not np.any(first.work @ per_rate):
        return RouteFlow(first, load[first.group]), per_rate
    if listed is not None and len(listed) <= AT_ONCE:
        known = Routes(listed, np.zeros(len(listed)))
        known, length = _solve(known, load, per_rate, np.ones(load.size, dtype=bool), 0.0)
    else:
        known, length = _by_columns(system, first, per_rate)
    return RouteFlow(known.columns, known.share * load[known.columns.group]).fitted(load), length


def _by_columns(system: RoutedSystem, first: Columns, per_rate: Array) -> tuple[Routes, Array]:
    """Return routes with the least largest utilisation, added as lengths ask for them."""
    load, routes = system.load, system.routes
    known, best = _first_routes(system, first, per_rate)
    used = known.utilisation(load, per_rate)
    close = used >= CLOSE * np.max(used)
    playing = np.zeros(load.size, dtype=bool)
    playing[known.columns.group[known.columns.work @ close.astype(float) > 0]] = True
    for _ in range(ADDED):
        known, length = _solve(known, load, per_rate, playing, best.utilisation)
        shortest = routes.cheapest(length, delays=False)
        least = shortest.work @ length
        best = max(best, Lengths(length, float(load[shortest.group] @ least)), key=_proved)
        if np.max(known.utilisation(load, per_rate)) <= best.utilisation * (1.0 + EXACT):
            break
        own = known.columns.group_flow(known.share * (known.columns.work @ length), load.size)
        shorter = own[shortest.group] - least > EXACT * np.max(own)
        if not shorter.any():
            break
        playing[shortest.group[shorter]] = True
        new = shortest.only(shorter)
        known = _merged([known, Routes(new, np.zeros(len(new)))])
    return known, best.length


class Lengths(NamedTuple):
    """Lengths of the stations, and the largest utilisation that they prove of any flow."""

    length: Array
    utilisation: float


def _proved(lengths: Lengths) -> float:
    """Return the utilisation that lengths prove."""
    return lengths.utilisation


def _first_routes(system: RoutedSystem, first: Columns, per_rate: Array) -> tuple[Routes, Lengths]:
    """Return the routes of a few all-or-nothing flows, each at lengths that avoid the others.

    Also return the best of these lengths.
    """
    load, rate = system.load, np.where(per_rate > 0, system.bank.rate, 0.0)
    found, best = [Routes(first, np.full(len(first), 1.0 / ROUNDS))], Lengths(per_rate, 0.0)
    used = found[0].utilisation(load, per_rate)
    for _ in range(ROUNDS - 1):
        length = per_rate * np.exp(STEEP * (used / np.max(used) - 1.0))
        length /= length @ rate
        shortest = system.routes.cheapest(length, delays=False)
        needed = float(load[shortest.group] @ (shortest.work @ length))
        best = max(best, Lengths(length, needed), key=_proved)
        found.append(Routes(shortest, np.full(len(shortest), 1.0 / ROUNDS)))
        used = used + found[-1].utilisation(load, per_rate)
    return _merged(found), best


def _merged(parts: list[Routes]) -> Routes:
    """Return the routes of all parts, each once, with the sums of their shares."""
    group = np.concatenate([part.columns.group for part in parts])
    work = csr_array(vstack([part.columns.work for part in parts], format="csr"))
    share = np.concatenate([part.share for part in parts])
    delay = np.concatenate([part.columns.delay for part in parts])
    # equal routes have equal products with any vector
    key = work @ np.random.default_rng(0).random(work.shape[1]) + delay
    order = np.lexsort((key, group))
    new = np.append(True, (np.diff(group[order]) != 0) | (np.diff(key[order]) != 0))
    rows = order[new]
    sums = np.bincount(np.cumsum(new) - 1, weights=share[order]).astype(np.float64)
    return Routes(Columns(group[rows], csr_array(work[rows]), delay[rows]), sums)


def _solve(
    known: Routes,
    load: Array,
    per_rate: Array,
    playing: npt.NDArray[np.bool_],
    least: float,
) -> tuple[Routes, Array]:
    """Return the shares with the least largest utilisation over known routes, and the lengths.

    Variables are the part of its group's load that takes each route, and the largest utilisation
    in units of the present one, or of that of even shares.

    Parameters
    ----------
    playing : ndarray of bool, shape (G,)
        Groups whose shares may change.
    least : float
        Utilisation below which the largest cannot be; stations that stay below it are left out.

    Returns
    -------
    known : Routes
    length : ndarray, shape (A,)
        With length times rate summing to 1.
    """
    from scipy.optimize import linprog

    columns = known.columns
    rows = np.flatnonzero(playing[columns.group])
    number = (np.cumsum(playing) - 1)[columns.group[rows]]
    fixed = np.where(playing[columns.group], 0.0, known.share)
    base = Routes(columns, fixed).utilisation(load, per_rate)
    weight = csr_array(columns.work[rows] * per_rate)
    weight = csr_array(weight.multiply(load[columns.group[rows]][:, None]))
    count = np.bincount(number)
    even = np.maximum(known.share[rows], 1.0 / (1e3 * count[number]))
    even /= np.bincount(number, weights=even)[number]
    unit = float(np.max(base + weight.T @ even))
    most = base + _largest_use(weight, number)
    used = np.flatnonzero((most > 0) & (most >= least * (1.0 - CLOSE * EXACT)))
    limits = hstack([weight[:, used].T / unit, csc_array(-np.ones((used.size, 1)))], format="csc")
    shape = (count.size, rows.size + 1)
    sums = csc_array((np.ones(rows.size), (number, np.arange(rows.size))), shape=shape)
    cost = np.zeros(rows.size + 1)
    cost[-1] = 1.0
    answer = linprog(
        cost,
        A_ub=limits,
        b_ub=-base[used] / unit,
        A_eq=sums,
        b_eq=np.ones(count.size),
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    share = known.share.copy()
    share[rows] = np.maximum(answer.x[:-1], 0.0)
    length = np.zeros(per_rate.size)
    length[used] = np.maximum(-answer.ineqlin.marginals, 0.0) * per_rate[used]
    return Routes(columns, share), length


def _largest_use(weight: csr_array, group: npt.NDArray[np.intp]) -> Array:
    """Return the utilisation of each station if each group takes the route that uses it most.

    Parameters
    ----------
    weight : csr_array, shape (R, A)
        Utilisation of the stations if a group takes one route alone.
    group : ndarray of int, shape (R,)
        Group of each route, ascending.
    """
    stations = weight.shape[1]
    entry = np.repeat(group, np.diff(weight.indptr)) * np.int64(stations) + weight.indices
    order = np.argsort(entry, kind="stable")
    if not order.size:
        return np.zeros(stations)
    starts = np.flatnonzero(np.diff(entry[order], prepend=-1))
    largest = np.maximum.reduceat(weight.data[order], starts)
    station = entry[order[starts]] % stations
    return np.bincount(station, weights=largest, minlength=stations).astype(np.float64)


def _by_transportation(
    system: RoutedSystem, listed: Columns, per_rate: Array
) -> tuple[RouteFlow, Array]:
    """Return the flow and the lengths where each route uses one station with a rate, or none."""
    load, limited = system.load, np.flatnonzero(per_rate > 0)
    work = listed.work[:, limited] if limited.size < per_rate.size else listed.work
    unlimited = np.flatnonzero(np.diff(work.indptr) == 0)
    free, first = np.unique(listed.group[unlimited], return_index=True)
    needs = np.ones(load.size, dtype=bool)
    needs[free] = False
    flow, length = np.zeros(len(listed)), np.zeros(per_rate.size)
    flow[unlimited[first]] = load[free]
    rows = np.s_[:] if needs.all() else needs[listed.group]
    number = np.cumsum(needs) - 1
    works = np.zeros(limited.size)
    works[work.indices] = work.data
    rate = np.divide(1.0, per_rate[limited] * works, out=np.zeros_like(works), where=works > 0)
    chosen = Columns(number[listed.group[rows]], work[rows], listed.delay[rows])
    if needs.any():
        flow[rows], counted = transported(chosen, load[needs], rate)
        length[limited] = np.divide(counted, works, out=np.zeros_like(works), where=works > 0)
    return RouteFlow(listed, flow).used().fitted(load), length
