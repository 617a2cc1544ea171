"""The flow with the least largest utilisation, and lengths that prove it, by linear programming.

The program has a variable for each route. A list of routes makes one program of HiGHS. Where there
are more routes an interior point method adds them as the lengths ask for them, from the routes of
all-or-nothing flows at lengths that rise with the utilisation (multiplicative weights).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack, vstack

from ..errors import Array
from .columns import Columns, RouteFlow
from .routed import RoutedSystem
from .transportation import transported, uses_one_station
from .utilisation import least_use

AT_ONCE = 4000  # routes up to which a list of them makes one program
FEW = 2000  # routes up to which the simplex method solves the program
QUICK_ROUNDS = 25  # largest number of rounds of all-or-nothing flows that show a load to fit
ROUNDS = 50  # such rounds that give the first routes of the interior point method
MOST_FIRST = 150_000  # number of first routes up to which none is left out
OFTEN = 2.0  # number of rounds from which on a route is then one of the first
SMALL = 1e-9  # relative rounding error of a sum of shares
QUICK_STEEP, STEEP = 4.0, 8.0  # logarithm of lengths, full over empty, in both kinds of rounds


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
        flow, length = _solve(listed, load, per_rate)
    else:
        flow, length = _by_columns(system, first, per_rate)
    return flow.fitted(load), length


def quick_flow(system: RoutedSystem, multiple: float) -> RouteFlow | None:
    """Return a flow of the loads, after a few shortest paths, whose multiple may fit.

    None where `least_largest_utilisation` is as fast.
    """
    listed, limited = system.routes.listed, np.isfinite(system.bank.rate)
    if not limited.any() or (listed is not None and len(listed) <= AT_ONCE):
        return None
    if listed is not None and uses_one_station(listed, limited):
        return None
    per_rate = np.where(limited, 1.0 / system.bank.rate, 0.0)
    first = system.routes.cheapest(per_rate, delays=False)
    if not np.any(first.work @ per_rate):
        return None
    rounds = _rounds(system, first, per_rate, QUICK_STEEP, QUICK_ROUNDS, 1.0 / multiple)
    columns, share = _merged(rounds)
    return RouteFlow(columns, share * system.load[columns.group]).fitted(system.load)


def _by_columns(system: RoutedSystem, first: Columns, per_rate: Array) -> tuple[RouteFlow, Array]:
    """Return flows with the least largest utilisation, of routes that are added as needed."""
    columns, share = _merged(_rounds(system, first, per_rate, STEEP, ROUNDS))
    if len(columns) > MOST_FIRST:
        # routes of few rounds are left out, but the best of each group
        size = system.load.size
        least = np.minimum(OFTEN / ROUNDS, -columns.least(-share, size))[columns.group]
        rows = np.flatnonzero(share >= least * (1.0 - SMALL))
        columns, share = columns.only(rows), share[rows]
        share = share / columns.group_flow(share, size)[columns.group]
    return least_use(system, columns, share, per_rate)


def _rounds(
    system: RoutedSystem,
    first: Columns,
    per_rate: Array,
    steep: float,
    most: int,
    enough: float = 0.0,
) -> list[Columns]:
    """Return the routes of a few all-or-nothing flows, each at lengths that avoid the others.

    Up to `most` rounds, or until the largest utilisation of the mean flow is below `enough`.
    """
    load, found = system.load, [first]
    used = first.station_flow(load) * per_rate
    while len(found) < most and np.max(used) >= enough * len(found):
        length = per_rate * np.exp(steep * (used / np.max(used) - 1.0))
        found.append(system.routes.cheapest(length, delays=False))
        used = used + found[-1].station_flow(load) * per_rate
    return found


def _merged(rounds: list[Columns]) -> Routes:
    """Return the routes of all rounds, each once, with the part of the rounds that have it."""
    group = np.concatenate([columns.group for columns in rounds])
    work = csr_array(vstack([columns.work for columns in rounds], format="csr"))
    delay = np.concatenate([columns.delay for columns in rounds])
    # equal routes have equal products with any vector
    key = work @ np.random.default_rng(0).random(work.shape[1]) + delay
    order = np.lexsort((key, group))
    new = np.append(True, (np.diff(group[order]) != 0) | (np.diff(key[order]) != 0))
    rows = order[new]
    share = np.bincount(np.cumsum(new) - 1) / len(rounds)
    return Routes(Columns(group[rows], csr_array(work[rows]), delay[rows]), share)


def _solve(columns: Columns, load: Array, per_rate: Array) -> tuple[RouteFlow, Array]:
    """Return the flows with the least largest utilisation over listed routes, and the lengths.

    Variables are the part of its group's load that takes each route, and the largest utilisation
    in units of that of even shares. The lengths times the rates sum to 1.
    """
    from scipy.optimize import linprog

    group, size = columns.group, len(columns)
    weight = csr_array((columns.work * per_rate).multiply(load[group][:, None]))
    even = 1.0 / np.bincount(group)[group]
    unit = float(np.max(weight.T @ even))
    used = np.flatnonzero(weight.T @ np.ones(size) > 0)
    limits = hstack([weight[:, used].T / unit, csc_array(-np.ones((used.size, 1)))], format="csc")
    sums = csc_array((np.ones(size), (group, np.arange(size))), shape=(load.size, size + 1))
    cost = np.zeros(size + 1)
    cost[-1] = 1.0
    # the interior point method is the faster one for many routes, the simplex method for few
    answer = linprog(
        cost,
        A_ub=limits,
        b_ub=np.zeros(used.size),
        A_eq=sums,
        b_eq=np.ones(load.size),
        method="highs-ipm" if size > FEW else "highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if answer.x is None:
        return RouteFlow(columns, even * load[group]), per_rate
    length = np.zeros(per_rate.size)
    length[used] = np.maximum(-answer.ineqlin.marginals, 0.0) * per_rate[used]
    return RouteFlow(columns, np.maximum(answer.x[:-1], 0.0) * load[group]), length


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
