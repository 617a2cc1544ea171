"""Routes as rows of a sparse matrix, and flows on them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array

from ..compensated_sum import exact_sum
from ..errors import Array
from ..pickling import state


def firsts(group: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the position of the first entry of each group in a sorted array."""
    return np.flatnonzero(np.concatenate([[group.size > 0], group[1:] != group[:-1]]))


@dataclass(frozen=True, eq=False)
class Columns:
    """R routes of G groups over A stations, sorted by group.

    They are the columns of the convex program, one variable each.

    Attributes
    ----------
    group : ndarray of int, shape (R,)
        Index of the group of each route, ascending.
    work : csr_array, shape (R, A)
        Work of each route at each station: the load that one unit of flow brings. It is 1 where the
        route passes a station once.
    delay : ndarray, shape (R,)
        Fixed delay of each route, in units of time.
    """

    group: npt.NDArray[np.intp]
    work: csr_array
    delay: Array

    times: ClassVar[tuple[str, ...]] = ("delay",)

    __getstate__ = state

    def __post_init__(self) -> None:
        self.work.sort_indices()

    @classmethod
    def of(cls, group: npt.NDArray[np.intp], work: csr_array, delay: Array) -> Columns:
        """Return routes in any order, sorted by group."""
        order = np.argsort(group, kind="stable")
        return cls(group[order], csr_array(work[order]), delay[order])

    def __len__(self) -> int:
        return int(self.group.size)

    @cached_property
    def transposed(self) -> csc_array:
        """Work by station and route, shape (A, R)."""
        return self.work.T

    @cached_property
    def dense(self) -> Array:
        """Work by route and station as a dense array, shape (R, A)."""
        return np.asarray(self.work.toarray())

    @cached_property
    def single(self) -> bool:
        """Whether each route is one visit to one station."""
        work = self.work
        return bool(np.all(np.diff(work.indptr) == 1) and np.all(work.data == 1.0))

    def starts(self, groups: int) -> npt.NDArray[np.intp]:
        """Return the position of the first route of each of G groups, shape (G,)."""
        return np.searchsorted(self.group, np.arange(groups))

    def costs(self, price: Array) -> Array:
        """Return the cost of each route at station prices, shape (R,): work times price, and delay.

        Parameters
        ----------
        price : ndarray, shape (A,)
            Prices of the stations, in units of time.
        """
        return np.asarray(self.work @ price + self.delay)

    def least(self, costs: Array, groups: int) -> Array:
        """Return the least of the routes' costs in each of G groups, shape (G,).

        It is infinite for a group without a route.
        """
        first = firsts(self.group)
        out = np.full(groups, np.inf)
        if first.size:
            out[self.group[first]] = np.minimum.reduceat(costs, first)
        return out

    def station_flow(self, flow: Array) -> Array:
        """Return the load of each station, shape (A,), from the flows of the routes, shape (R,)."""
        return np.asarray(self.transposed @ flow)

    def group_flow(self, flow: Array, groups: int) -> Array:
        """Return the load of each of G groups, shape (G,), from the flows of the routes."""
        return np.asarray(np.bincount(self.group, weights=flow, minlength=groups), np.float64)

    def only(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Columns:
        """Return some of the routes; `rows` is ascending."""
        return Columns(self.group[rows], csr_array(self.work[rows]), self.delay[rows])

    def joined(self, others: Columns) -> tuple[Columns, npt.NDArray[np.intp]]:
        """Return these routes and those of the others that are not among them.

        Returns
        -------
        columns : Columns
            All routes.
        place : ndarray of int, shape (R,)
            Position in ``columns`` of each of these routes.
        """
        known = set(self.keys)
        new = np.array([i for i, key in enumerate(others.keys) if key not in known], dtype=np.intp)
        if not new.size:
            return self, np.arange(len(self))
        columns, order = self.with_new(others.only(new))
        place = np.empty(order.size, dtype=np.intp)
        place[order] = np.arange(order.size)
        return columns, place[: len(self)]

    def with_new(self, new: Columns) -> tuple[Columns, npt.NDArray[np.intp]]:
        """Return these routes and new ones.

        Returns
        -------
        columns : Columns
            All routes.
        order : ndarray of int
            Position of each of them in these routes followed by the new ones.
        """
        from scipy.sparse import vstack

        group = np.concatenate([self.group, new.group])
        order = np.argsort(group, kind="stable")
        work = csr_array(vstack([self.work, new.work], format="csr")[order])
        return Columns(group[order], work, np.concatenate([self.delay, new.delay])[order]), order

    @property
    def stations(self) -> list[list[int]]:
        """The stations at which each route has work, ascending."""
        ends, passed = self.work.indptr.tolist(), self.work.indices.tolist()
        return [passed[i:j] for i, j in pairwise(ends)]

    def places(self, others: Columns) -> npt.NDArray[np.intp]:
        """Return the position among these routes of each of the others, which are among them."""
        place = {key: r for r, key in enumerate(self.keys)}
        return np.array([place[key] for key in others.keys], dtype=np.intp)

    @cached_property
    def keys(self) -> Sequence[Hashable]:
        """A key for each route; equal for routes of one group with equal work and delay.

        Of the work it has the product with random numbers, which tells routes apart.
        """
        mark = np.random.default_rng(19).uniform(0.5, 1.0, self.work.shape[1])
        self.work.sort_indices()  # equal work then has an equal sum, to the last digit
        marks = (self.group, self.work @ mark, self.delay)
        return list(zip(*(values.tolist() for values in marks), strict=True))


@dataclass(frozen=True, eq=False)
class RouteFlow:
    """Flows on routes.

    Attributes
    ----------
    columns : Columns
        R routes.
    flow : ndarray, shape (R,)
        Flow of each route, jobs per unit of time, 0 or more.
    price : ndarray, shape (A,), optional
        Prices of the stations where they are known more exactly than from the flows.
    rest : ndarray, shape (R,), optional
        What the exact flow of each route has beyond the digits of ``flow``; 0 by default.
    """

    columns: Columns
    flow: Array
    price: Array | None = None
    rest: Array | None = None

    __getstate__ = state

    @cached_property
    def station_flow(self) -> Array:
        """Load of each station, shape (A,), jobs per unit of time."""
        return self.columns.station_flow(self.flow)

    @property
    def fixed_delay(self) -> float:
        """Sum over routes of flow times fixed delay: a number of jobs."""
        return float(exact_sum(self.flow * self.columns.delay)[0])

    def fitted(self, load: Array) -> RouteFlow:
        """Return the flows rescaled so that those of each group sum to its load.

        Negative flows become 0; a group without a flow uses its first route. Digits beyond those of
        ``flow`` are lost.

        Parameters
        ----------
        load : ndarray, shape (G,)
            Load of each group, jobs per unit of time.
        """
        columns = self.columns
        x = np.where(np.isfinite(self.flow), np.maximum(self.flow, 0.0), 0.0)
        total = columns.group_flow(x, load.size)
        starts = columns.starts(load.size)
        empty = (total <= 0) & (load > 0)
        x[starts[empty]] = 1.0
        total[empty] = 1.0
        factor = np.divide(load, total, out=np.zeros_like(load), where=total > 0)
        return RouteFlow(columns, x * factor[columns.group], self.price)

    def used(self) -> RouteFlow:
        """Return the routes with a flow above 0."""
        rows = np.flatnonzero(self.flow > 0)
        rest = None if self.rest is None else self.rest[rows]
        return RouteFlow(self.columns.only(rows), self.flow[rows], self.price, rest)
