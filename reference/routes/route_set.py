"""The routes that groups may take, as a search for the cheapest one at given station prices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import Array
from ..pickling import state
from .columns import Columns


class RouteSet(ABC):
    """All routes that G groups may take over A stations.

    Attributes
    ----------
    groups, stations : int
        G and A.
    """

    groups: int
    stations: int

    __getstate__ = state

    @abstractmethod
    def least_cost(self, price: Array, *, delays: bool = True) -> Array:
        """Return the cost of the cheapest route of each group, shape (G,), in units of time.

        Parameters
        ----------
        price : ndarray, shape (A,)
            Prices of the stations, 0 or more, in units of time.
        delays : bool, default True
            Whether the fixed delays of the routes count.
        """

    @abstractmethod
    def cheapest(self, price: Array, *, delays: bool = True) -> Columns:
        """Return one cheapest route of each group, G routes; see `least_cost`."""

    @property
    def listed(self) -> Columns | None:
        """All routes, where they are a list; None where they are too many to list."""
        return None


@dataclass(frozen=True, eq=False)
class ListedRoutes(RouteSet):
    """Routes given as a list.

    Attributes
    ----------
    columns : Columns
        All routes, at least one for each group.
    groups : int
        Number of groups G.
    """

    columns: Columns
    groups: int

    @property
    def stations(self) -> int:  # type: ignore[override]
        """Number of stations A."""
        return int(self.columns.work.shape[1])

    @property
    def listed(self) -> Columns:
        """All routes."""
        return self.columns

    @cached_property
    def _without_delays(self) -> Columns:
        zero = np.zeros(len(self.columns))
        return Columns(self.columns.group, self.columns.work, zero)

    def _priced(self, delays: bool) -> Columns:
        return self.columns if delays else self._without_delays

    def least_cost(self, price: Array, *, delays: bool = True) -> Array:
        """Return the least cost of each group over the list; see `RouteSet.least_cost`."""
        columns = self._priced(delays)
        return columns.least(columns.costs(price), self.groups)

    def cheapest(self, price: Array, *, delays: bool = True) -> Columns:
        """Return the first cheapest route of each group; see `RouteSet.cheapest`."""
        columns = self._priced(delays)
        costs = columns.costs(price)
        least = columns.least(costs, self.groups)
        best = np.flatnonzero(costs == least[columns.group])
        first = np.unique(columns.group[best], return_index=True)[1]
        return self.columns.only(best[first])
