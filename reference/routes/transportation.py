"""The least largest utilisation where each route uses one station with a rate: maximum flows.

Groups that each choose one station are a transportation problem: a flow from a source to the
groups, from a group to the stations it may use, and from these to a sink. The multiple s of the
loads is carried where the maximum flow with the capacities s q and mu carries all loads; else the
groups S that the flow leaves with a rest reach the stations N(S), all full, and s falls to
mu(N(S))/q(S): Dinkelbach, "On nonlinear fractional programming", Management Science 13 (1967). The
maximum flows of SciPy have whole numbers, so each adds to the flow what the last one left over in
units a million times smaller, until nothing is left that floats can hold.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from ..errors import Array
from .columns import Columns

WHOLE = 2**30 - 1  # largest number of units of a flow
STEPS = 60  # largest number of maximum flows
REST = 1e-15  # part of the loads that is left out


def uses_one_station(columns: Columns, limited: npt.NDArray[np.bool_]) -> bool:
    """Return whether each route uses at most one station with a rate, each with one work.

    Parameters
    ----------
    columns : Columns
        Routes.
    limited : ndarray of bool, shape (A,)
        Which stations have a finite rate.
    """
    work = columns.work[:, limited]
    if np.max(np.diff(work.indptr), initial=0) > 1:
        return False
    most, least = np.zeros(work.shape[1]), np.full(work.shape[1], np.inf)
    np.maximum.at(most, work.indices, work.data)
    np.minimum.at(least, work.indices, work.data)
    return bool(np.all(most <= least))


def transported(columns: Columns, load: Array, rate: Array) -> tuple[Array, Array]:
    """Return flows of the routes with the least largest utilisation, and the lengths that prove it.

    Parameters
    ----------
    columns : Columns
        R routes; each uses one station.
    load : ndarray, shape (G,)
        Load of each group; all have routes.
    rate : ndarray, shape (A,)
        Finite rate of each station; in units of flow: the rate over the work.

    Returns
    -------
    flow : ndarray, shape (R,)
    length : ndarray, shape (A,)
    """
    stations, station = rate.size, columns.work.indices
    pattern = csr_array((np.ones(station.size), (columns.group, station)), (load.size, stations))
    alike = _classes(pattern)
    first = np.unique(alike, return_index=True)[1]
    joint = np.bincount(alike, weights=load).astype(np.float64)
    flow, full = _of_classes(csr_array(pattern[first]), joint, rate)
    share = flow[alike[columns.group], station] / joint[alike[columns.group]]
    if pattern.nnz < station.size:  # routes of one group through one station share its flow
        share = share / pattern[columns.group, station]
    return np.asarray(share) * load[columns.group], np.where(full, 1.0, 0.0)


def _classes(pattern: csr_array) -> npt.NDArray[np.intp]:
    """Return the number of each group's class, shape (G,): groups that may use the same stations.

    The class of a group is one group with their loads.
    """
    pattern.sort_indices()
    numbers: dict[bytes, int] = {}
    ends = pattern.indptr
    keys = (pattern.indices[i:j].tobytes() for i, j in pairwise(ends))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def _of_classes(
    pattern: csr_array, load: Array, rate: Array
) -> tuple[csr_array, npt.NDArray[np.bool_]]:
    """Return a flow of the loads with the least largest utilisation, and the stations that limit.

    Parameters
    ----------
    pattern : csr_array, shape (G, A)
        Which stations each group may use.
    """
    flow, full = csr_array(pattern.shape), np.diff(pattern.tocsc().indptr) > 0
    multiple = float(np.sum(rate[full]) / np.sum(load))
    for _ in range(STEPS):
        left = np.maximum(multiple * load - flow.sum(axis=1), 0.0)
        if np.sum(left) <= REST * multiple * np.sum(load):
            break
        spare_capacity = np.maximum(rate - flow.sum(axis=0), 0.0)
        added, reached = _added(pattern, flow, left, spare_capacity)
        flow = csr_array(flow + added)
        flow.data = np.maximum(flow.data, 0.0)
        if reached.any():
            beside = pattern.T @ reached.astype(float) > 0
            least = float(np.sum(rate[beside]) / np.sum(load[reached]))
            if least < multiple:
                flow, multiple, full = flow * (least / multiple), least, beside
    return csr_array(flow / multiple), full


def _added(
    pattern: csr_array, flow: csr_array, left: Array, spare_capacity: Array
) -> tuple[csr_array, npt.NDArray[np.bool_]]:
    """Return a maximum flow of what is left, and the groups that keep a rest and those they reach.

    Parameters
    ----------
    pattern, flow : csr_array, shape (G, A)
        Which stations each group may use, and the present flow.
    left : ndarray, shape (G,)
        Load of each group that the present flow does not carry.
    spare_capacity : ndarray, shape (A,)
        Spare capacity of each station.
    """
    groups, stations = pattern.shape
    unit = float(np.sum(left)) / WHOLE

    def whole(values: Array) -> npt.NDArray[np.int32]:
        return np.minimum(values / unit, WHOLE).astype(np.int32)

    source, sink = groups + stations, groups + stations + 1
    allowed, back = pattern.tocoo(), flow.tocoo()
    parts = (
        (np.full(groups, source), np.arange(groups), whole(left)),
        (allowed.row, groups + allowed.col, np.full(allowed.nnz, WHOLE, dtype=np.int32)),
        (groups + back.col, back.row, whole(back.data)),
        (groups + np.arange(stations), np.full(stations, sink), whole(spare_capacity)),
    )
    row, col, capacity = (np.concatenate(part) for part in zip(*parts, strict=True))
    graph = csr_array((capacity, (row, col)), shape=(sink + 1, sink + 1))
    moved = maximum_flow(graph, source, sink).flow
    rest = csr_array(graph - moved)
    rest.eliminate_zeros()
    reached = np.zeros(sink + 1, dtype=bool)
    reached[breadth_first_order(rest, source, return_predecessors=False)] = True
    between = coo_array(moved[:groups, groups:source])
    added = csr_array((between.data * unit, (between.row, between.col)), pattern.shape)
    return added, reached[:groups]
