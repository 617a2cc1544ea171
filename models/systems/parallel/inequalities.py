"""Limits at many loads as linear inequalities, and the limits that contradict each other there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, LoadError
from ....reference.parallel.limits import LIMIT_TOL, cheapest
from ...core.table import Mask
from ...latency.base import Latency
from .convex_inside import split_inside
from .convex_limit import ConvexRows
from .inside_limits import splits_inside
from .linear_limit import Limit, LinearLimit, load_dependence
from .splits import Limits

REMEDY = "relax one of them"
Indices = npt.NDArray[np.intp]


class Inequality(NamedTuple):
    """A limit at K loads: ``matrix @ flow <= bound``.

    Attributes
    ----------
    name : str
        Name of the limit.
    matrix : ndarray, shape (m, n) or ()
        Rows; a single number stands for a bound of the flow of each server.
    bound : ndarray, shape (K, m) or (1, m); (K, n) or (1, n) where `matrix` is a number
        Bounds; one row where they are the same at all loads.
    unit : ndarray, shape of `bound`
        Change of the bound when the limit is relaxed by one unit of its own.
    """

    name: str
    matrix: Array
    bound: Array
    unit: Array

    @classmethod
    def of(cls, linear: Sequence[LinearLimit], scale: Array | float = 1.0) -> Inequality:
        """Return the inequality of linear limits with one matrix; `scale` multiplies the bounds."""
        matrix = np.asarray(linear[0].matrix)
        bound = np.array([np.ravel(np.asarray(own.bound)) for own in linear]) * scale
        unit = np.array([np.ravel(np.asarray(own.bound_per_unit)) for own in linear]) * scale
        return cls(linear[0].name, matrix, bound, unit)

    @property
    def per_server(self) -> bool:
        """Whether it bounds the flow of each server, and has no rows."""
        return self.matrix.ndim == 0

    @property
    def flow_bounds(self) -> tuple[Array, Array]:
        """Least and most flow of each server that a bound of flows allows."""
        bound = self.bound / self.matrix
        if self.matrix > 0:
            return np.zeros_like(bound), bound
        return bound, np.full_like(bound, np.inf)

    def at(self, rows: Indices) -> Inequality:
        """Return the limit at some of the loads."""
        if len(self.bound) == 1:
            return self
        return self._replace(bound=self.bound[rows], unit=self.unit[rows])


def inequalities(
    limits: Sequence[Limit], bank: Latency, load: Array, errors: dict[int, LoadError]
) -> Iterator[tuple[Indices, list[Inequality]]]:
    """Yield the limits at loads, shape (K,), that share all matrices, with their indices.

    A `LoadError` of a limit at a load goes to `errors`, by the index of the load.
    """
    n, at_all = len(bank), dict[int, Inequality]()
    for j, limit in enumerate(limits):
        match load_dependence(limit):
            case "none":
                at_all[j] = Inequality.of([limit.linearise(bank, float(load[0]))._checked(n)])
            case "proportional":
                own = limit.linearise(bank, 1.0)._checked(n)
                at_all[j] = Inequality.of([own], load[:, None])
    varying = [(j, limit) for j, limit in enumerate(limits) if j not in at_all]
    groups: dict[Any, list[tuple[int, list[LinearLimit]]]] = {}
    for k in range(load.size) if varying else ():
        try:
            own_at = [limit.linearise(bank, float(load[k]))._checked(n) for _, limit in varying]
        except LoadError as error:
            errors[k] = error
            continue
        matrices = [np.asarray(own.matrix) for own in own_at]
        key = tuple(
            (own.name, m.shape, m.tobytes()) for own, m in zip(own_at, matrices, strict=True)
        )
        groups.setdefault(key, []).append((k, own_at))
    if not varying:
        yield np.arange(load.size), [at_all[j] for j in range(len(limits))]
    for group in groups.values():
        rows = np.array([k for k, _ in group])
        columns = zip(*(own for _, own in group), strict=True)
        here = {j: Inequality.of(own) for (j, _), own in zip(varying, columns, strict=True)}
        here |= {j: own.at(rows) for j, own in at_all.items()}
        yield rows, [here[j] for j in range(len(limits))]


def rows_of(linear: Sequence[Inequality], bank: Latency, count: int) -> tuple[Array, Array]:
    """Return the rows of all limits but bounds of flows, shape (m, n), and their bounds, (K, m)."""
    rows = [own for own in linear if not own.per_server]
    bounds = (np.broadcast_to(own.bound, (count, own.bound.shape[1])) for own in rows)
    return (
        np.concatenate([np.zeros((0, len(bank))), *(own.matrix for own in rows)]),
        np.concatenate([np.zeros((count, 0)), *bounds], axis=1),
    )


def bounds_of(linear: Sequence[Inequality], bank: Latency, count: int) -> tuple[Array, Array]:
    """Return the least and most flow of each server that all limits allow, shape (K, n)."""
    least, most = np.zeros((1, len(bank))), bank.rate[None]
    for own in linear:
        if own.per_server:
            low, high = own.flow_bounds
            least, most = np.maximum(least, low), np.minimum(most, high)
    shape = (count, len(bank))
    return np.broadcast_to(least, shape), np.broadcast_to(most, shape)


def bounds_meet(load: Array, least: Array, most: Array) -> tuple[Mask, Mask, Mask]:
    """Return where bounds of flows do not cross, and their sums allow the load, shape (K,) each."""
    return (
        np.all(least <= most, axis=1),
        least.sum(axis=1) <= load * (1 + LIMIT_TOL),
        most.sum(axis=1) >= load * (1 - LIMIT_TOL),
    )


def bounds_error(
    linear: Sequence[Inequality], bank: Latency, load: float, least: Array, most: Array
) -> LoadError:
    """Return the error of bounds of flows, shape (n,), that no split of the load meets.

    It names those in contradiction.
    """
    pairs = ((own.name, *own.flow_bounds) for own in linear if own.per_server)
    bounds = [(name, low[0], high[0]) for name, low, high in pairs]
    crossed = np.flatnonzero(least > most)
    if crossed.size:
        i = int(crossed[0])
        names = [name for name, low, high in bounds if low[i] >= least[i] > 0 or high[i] <= most[i]]
        at_server = f"and at most {most[i]:.6g} jobs at server {i + 1}"
        problem = f"ask for at least {least[i]:.6g} {at_server}"
    elif least.sum() > load * (1 + LIMIT_TOL):
        names = [name for name, low, _ in bounds if low.any()]
        problem = f"ask for at least {least.sum():.6g} jobs in all where the load is {load:.6g}"
    else:
        names = [name for name, _, high in bounds if np.any(high < bank.rate)]
        problem = f"allow at most {most.sum():.6g} jobs in all where the load is {load:.6g}"
    return LoadError("subject_to", names, problem, REMEDY)


class Together(NamedTuple):
    """Linear inequalities and convex limits of a bank at K loads.

    Attributes
    ----------
    bank : Latency
        n servers.
    load : ndarray, shape (K,)
        Total loads, jobs per unit of time.
    linear : list of Inequality
        The linear limits.
    convex : ConvexRows
        The convex ones.
    """

    bank: Latency
    load: Array
    linear: list[Inequality]
    convex: ConvexRows

    def only(self, chosen: Mask, rows: Indices) -> Together:
        """Return the chosen limits, the convex ones first, at some of the loads."""
        p = len(self.convex.limits)
        linear = [own.at(rows) for own, kept in zip(self.linear, chosen[p:], strict=True) if kept]
        convex = self.convex.only(np.flatnonzero(chosen[:p])).at(rows)
        return Together(self.bank, self.load[rows], linear, convex)

    @property
    def names(self) -> list[str]:
        """Names of the limits."""
        return [own.name for own in (*self.linear, *self.convex.limits)]

    def inside(self) -> tuple[Array, Mask, Array]:
        """Return splits that meet the limits, and whether any does.

        Returns
        -------
        tuple of ndarray
            The splits, shape (K, n); whether they meet the limits, (K,); with convex limits the
            splits of least relative excess, (K, n).
        """
        least, most = bounds_of(self.linear, self.bank, self.load.size)
        possible: Mask = np.logical_and.reduce(bounds_meet(self.load, least, most))
        inside, best, rows = np.zeros_like(least), np.zeros_like(least), np.flatnonzero(possible)
        matrix, bound = rows_of(self.linear, self.bank, self.load.size)
        if rows.size:
            bounds = (least[rows], most[rows], matrix, bound[rows])
            inside[rows], possible[rows] = splits_inside(self.bank, self.load[rows], *bounds)
        if self.convex.limits:
            bounds = (least, most, matrix, np.append(bound, self.convex.bound, axis=1), inside)
            limits = Limits(*bounds, self.convex)
            for k in np.flatnonzero(possible).tolist():
                own, load = limits.at(np.array([k])), float(self.load[k])
                inside[k], possible[k], best[k] = split_inside(own, load, inside[k])
        return inside, possible, best


def contradictions(given: Together) -> list[LoadError]:
    """Return the error of limits that no split meets, at each of K loads.

    It names a smallest set of limits in contradiction: without any one of them there is a split.
    """
    kept = np.ones((given.load.size, len(given.names)), dtype=bool)
    for j in range(kept.shape[1]):
        others = np.arange(kept.shape[1]) != j
        for pattern, rows in patterns(kept):
            kept[rows[~given.only(pattern & others, rows).inside()[1]], j] = False
    errors = dict[int, LoadError]()
    for pattern, rows in patterns(kept):
        named = _contradictions(given.only(pattern, rows))
        errors |= zip(rows.tolist(), named, strict=True)
    return [errors[k] for k in range(given.load.size)]


def _contradictions(kept: Together) -> Iterator[LoadError]:
    """Yield the error that names limits in contradiction, at each of K loads."""
    bank, load, linear, convex = kept
    matrix, bound = rows_of(linear, bank, load.size)
    remedy = REMEDY if len(kept.names) > 1 else "relax it or lower the load"
    if bound.shape[1] + len(convex.limits) != 1:
        for total in load.tolist():
            problem = f"cannot be met together by any split of the load {total:.6g}"
            yield LoadError("subject_to", kept.names, problem, remedy)
        return
    if convex.limits:
        name, unit, bound = convex.limits[0].name, convex.unit, convex.bound
        lowest = convex.terms(kept.inside()[2]).value[:, 0].sum(axis=-1)
    else:
        own = next(own for own in linear if not own.per_server)
        name, unit = own.name, own.unit
        lowest = cheapest(*bounds_of(linear, bank, load.size), matrix[0], load)[1]
    numbers = np.broadcast_arrays(lowest, bound[:, 0], unit[:, 0])
    for least, allowed, one in zip(*(column.tolist() for column in numbers), strict=True):
        worse, better = ("less", "at most") if one > 0 else ("more", "at least")
        problem = (
            f"leave the {name} no {worse} than {least / one:.6g} "
            f"where it is to be {better} {allowed / one:.6g}"
        )
        yield LoadError("subject_to", kept.names, problem, remedy)


def patterns(kept: Mask) -> list[tuple[Mask, Indices]]:
    """Return the different rows of an array of bools, each with the indices of its rows."""
    if np.all(kept == kept[:1]):
        return [(kept[0], np.arange(len(kept)))]
    different, which = np.unique(kept, axis=0, return_inverse=True)
    return [(own, np.flatnonzero(which.ravel() == i)) for i, own in enumerate(different)]
