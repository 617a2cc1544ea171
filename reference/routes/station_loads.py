"""Loads of stations with more digits than floats have, at flows that carry exactly the loads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compensated_sum import exact_product, exact_sum
from ..errors import Array
from .columns import Columns, RouteFlow
from .routed import RoutedSystem

Index = npt.NDArray[np.intp]
BITS = 51  # of the parts of numbers whose sums have no rounding error


class StationLoads(NamedTuple):
    """Loads of the stations at flows that carry exactly the load of each group.

    The flows are those of a `RouteFlow`, but that the route with the largest flow in each group
    takes what its group's flows lack of the load, without rounding.

    Attributes
    ----------
    flow, spare_capacity : ndarray, shape (A,)
        Load and spare capacity of each station, both with full relative accuracy.
    correction : ndarray, shape (R,)
        Flow that each route takes besides its ``flow``, with the ``rest`` of that.
    fixed_delay : float
        Sum over routes of flow times fixed delay.
    """

    flow: Array
    spare_capacity: Array
    correction: Array
    fixed_delay: float


def station_loads(
    system: RoutedSystem, found: RouteFlow, load: Array | None = None
) -> StationLoads:
    """Return the loads of the stations.

    Parameters
    ----------
    found : RouteFlow
        R routes and their flows.
    load : ndarray, shape (G,), optional
        Load of each group, jobs per unit of time, which its flows sum to up to rounding; by
        default that sum.
    """
    columns, x = found.columns, found.flow
    correction = np.zeros(x.size) if found.rest is None else found.rest.copy()
    if load is not None:
        total, rest = grouped_sum(columns.group, x, load.size)
        rest = rest + columns.group_flow(correction, load.size)
        largest = _largest(columns, x, load.size)
        group = columns.group[largest]
        correction[largest] += ((load - total) - rest)[group]
    work, stations = columns.work, columns.work.shape[1]
    route = np.repeat(np.arange(x.size), np.diff(work.indptr))
    once = bool(np.all(work.data == 1.0))
    terms, errors = (x[route], 0.0) if once else exact_product(work.data, x[route])
    high, low = grouped_sum(work.indices, terms, stations)
    small = errors + (correction[route] if once else work.data * correction[route])
    low = low + np.bincount(work.indices, weights=small, minlength=stations)
    flow = np.maximum(high + low, 0.0)
    spare_capacity = system.bank.spare_capacity(flow) - ((high - flow) + low)
    delays = np.concatenate([x * columns.delay, correction * columns.delay])
    return StationLoads(flow, spare_capacity, correction, float(exact_sum(delays)[0]))


def grouped_sum(index: Index, terms: Array, count: int) -> tuple[Array, Array]:
    """Return the sums of the terms >= 0 of each index, as pairs high + low, shape (count,).

    The high parts of the terms are multiples of one power of 2 for each index, so large that their
    sums have no rounding error.
    """
    total = np.bincount(index, weights=terms, minlength=count)
    unit = np.ldexp(1.0, np.frexp(total)[1] - BITS)[index]
    high = np.rint(terms / unit) * unit
    return (
        np.bincount(index, weights=high, minlength=count).astype(np.float64),
        np.bincount(index, weights=terms - high, minlength=count).astype(np.float64),
    )


def _largest(columns: Columns, x: Array, groups: int) -> Index:
    """Return the position of the route with the largest flow in each group with a route."""
    most = np.zeros(groups)
    np.maximum.at(most, columns.group, x)
    candidates = np.flatnonzero(x == most[columns.group])
    first = np.unique(columns.group[candidates], return_index=True)[1]
    return np.asarray(candidates[first])
