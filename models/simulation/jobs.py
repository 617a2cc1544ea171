"""Stations of a network, classes of jobs with their routes, and jobs on their way, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array
from .service import Service

Index = npt.NDArray[np.intp]
Discipline = Literal["queue", "sharing", "delay"]


@dataclass(frozen=True)
class Node:
    """A station of a network.

    Attributes
    ----------
    name : str
    discipline : {"queue", "sharing", "delay"}
        Servers behind one queue, first come, first served; servers that serve all jobs present,
        each at the same part of their speed and at most at that of one server; or a time that does
        not depend on other jobs.
    service : Service
        Distribution of the works of jobs, of mean 1; each visit scales it.
    servers : int
        Number of servers, each of speed 1.
    """

    name: str
    discipline: Discipline
    service: Service
    servers: int = 1


@dataclass(frozen=True)
class JobClass:
    """A class of jobs with Poisson arrivals and one route.

    Attributes
    ----------
    rate : float
        Jobs per unit of time, above 0.
    visits : tuple of int
        Stations in the order of the visits; one may occur several times.
    work : tuple of float
        Mean work of each visit, in units of time of one server.
    delay : float
        Fixed delay of each job, beside the stations.
    counted : bool
        Whether the jobs are counted, and are no background.
    """

    rate: float
    visits: tuple[int, ...]
    work: tuple[float, ...]
    delay: float = 0.0
    counted: bool = True


@dataclass(frozen=True)
class Jobs:
    """Jobs on their way, in arrays of one length n.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Time of the arrival at the next station, or at the end of the route.
    entry : ndarray, shape (n,)
        Time of the arrival at the network.
    kind, step, number : ndarray of int, shape (n,)
        Class, number of the next visit, and number in order of arrival at the network.
    """

    time: Array
    entry: Array
    kind: Index
    step: Index
    number: Index

    @classmethod
    def none(cls) -> Jobs:
        """Return no jobs."""
        return cls(np.empty(0), np.empty(0), *(np.empty(0, np.intp) for _ in range(3)))

    @classmethod
    def joined(cls, parts: Sequence[Jobs]) -> Jobs:
        """Return several sets of jobs as one."""
        some = [part for part in parts if part.time.size]
        if len(some) < 2:
            return some[0] if some else cls.none()
        columns = zip(*(part._columns() for part in some), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def take(self, index: npt.NDArray[np.generic] | slice) -> Jobs:
        """Return some of the jobs."""
        step, number = self.step[index], self.number[index]
        return Jobs(self.time[index], self.entry[index], self.kind[index], step, number)

    def by(self, key: Array | Index) -> Jobs:
        """Return the jobs in the order of a key, shape (n,), such as their times."""
        # most have this order: to look is cheaper than to sort and copy
        in_order = bool((key[1:] >= key[:-1]).all())
        return self if in_order else self.take(np.argsort(key, kind="stable"))

    def moved(self, time: Array, steps: int | Index = 1) -> Jobs:
        """Return the same jobs after one or more visits, at other times."""
        return Jobs(time, self.entry, self.kind, self.step + steps, self.number)

    def since(self, origin: float) -> Jobs:
        """Return the same jobs with times from `origin` on."""
        return Jobs(self.time - origin, self.entry - origin, self.kind, self.step, self.number)

    def _columns(self) -> tuple[Array, Array, Index, Index, Index]:
        return self.time, self.entry, self.kind, self.step, self.number


@dataclass(frozen=True)
class Ways:
    """The routes of all classes as arrays, shape (K, longest route + 1).

    Attributes
    ----------
    station : ndarray of int
        Node of each visit, -1 after the last.
    work : ndarray
        Mean work of each visit, 0 after the last.
    """

    station: Index
    work: Array

    @classmethod
    def of(cls, classes: Sequence[JobClass]) -> Ways:
        """Return the routes of classes."""
        shape = len(classes), 1 + max(len(kind.visits) for kind in classes)
        station, work = np.full(shape, -1, dtype=np.intp), np.zeros(shape)
        for k, kind in enumerate(classes):
            station[k, : len(kind.visits)] = kind.visits
            work[k, : len(kind.work)] = kind.work
        return cls(station, work)


@dataclass(frozen=True)
class Visits:
    """Visits to one station that were completed in a chunk.

    Attributes
    ----------
    delay : ndarray, shape (n,)
        Time of each visit, waiting included.
    work : float
        Work that came to the station in the chunk, in units of time of one server.
    """

    delay: Array
    work: float
