"""Limits on the flows: the base class for limits of one's own, and the linear limit itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.validation import as_floats, check_flag, check_text, raise_at_first
from ...latency.base import Latency
from .splits import compensated_sum

LoadDependence = Literal["any", "none", "proportional"]


class Limit(ABC):
    """A limit on the flows, given to `ParallelServers.optimum` as ``subject_to=[...]``.

    To write a limit of your own, derive a class, preferably a frozen dataclass with the numbers of
    the limit as its fields, and give it the method `linearise`: from the bank and the load to a
    `LinearLimit`, the inequality ``matrix @ flow <= bound``. A limit that is not linear in the
    flows at a fixed load derives from `ConvexLimit`; one that is not convex cannot be written.
    Everything else follows: the solver, the certificate, the shadow price in ``Solution.limits``
    and, with `register_limit`, the table ``[[limits]]`` of a scenario file.

    A limit from below is a row with negative signs: ``-flow <= -bound``. Give the `LinearLimit` a
    ``bound_per_unit`` where the limit has a unit of its own, such as a share.

    Attributes
    ----------
    times : tuple of str
        Names of the fields that are times; a scenario file gives them in its unit of delays.
    load_dependence : {"any", "none", "proportional"}
        How the result of `linearise` depends on the load: in any way, the default; not at all; or
        with ``bound`` and ``bound_per_unit`` in proportion to it, and all else the same. A curve
        calls `linearise` at every load in the first case, and once otherwise. It belongs to the
        `linearise` of the same class: a class with another `linearise` declares its own.

    Examples
    --------
    At most 400 grams of carbon per unit of time, where a job causes 1, 1 and 4 grams:

    >>> from dataclasses import dataclass
    >>> from sojourn.models import MM1, Limit, LinearLimit, ParallelServers
    >>> @dataclass(frozen=True)
    ... class Carbon(Limit):
    ...     grams: list  # per job, one number for each server
    ...     at_most: float  # per unit of time
    ...
    ...     def linearise(self, bank, load):
    ...         return LinearLimit(self.grams, self.at_most, name="carbon")
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> print(system.optimum(190, subject_to=[Carbon([1, 1, 4], 400)]).limits[0])
    carbon: binds at 400, shadow price 0.0001278
    """

    times: ClassVar[tuple[str, ...]] = ()
    load_dependence: ClassVar[LoadDependence] = "any"

    @abstractmethod
    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """Return the limit as linear inequalities on the flows.

        Parameters
        ----------
        bank : Latency
            The n servers.
        load : float
            Total load, jobs per unit of time.

        Raises
        ------
        InputError
            On numbers that do not fit the servers.
        """

    def check(self, bank: Latency, load: float) -> None:
        """Raise InputError where the limit does not fit the servers.

        Parameters
        ----------
        bank : Latency
            The n servers.
        load : float
            A total load, jobs per unit of time.
        """
        self.linearise(bank, load)._checked(len(bank))

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Return the quantity that the limit bounds, at a split, in the limit's own unit.

        By default ``matrix @ flow / bound_per_unit``; override it where the limited quantity is
        not linear in the flows.

        Parameters
        ----------
        bank : Latency
            The n servers.
        flow : ndarray, shape (n,)
            Load of each server, jobs per unit of time.
        load : float
            Total load, jobs per unit of time.

        Returns
        -------
        ndarray, shape (n,), (m,) or ()
            A number for each bound.
        """
        return self.linearise(bank, load)._checked(len(bank))._measure(flow)


@dataclass(frozen=True, eq=False)
class LinearLimit(Limit):
    """Any linear limit on the flows: ``matrix @ flow <= bound``.

    Parameters
    ----------
    matrix : array_like, shape (n,), (m, n) or ()
        One row or several. A single number stands for this multiple of the identity: a bound for
        each server, whatever n is.
    bound : array_like, shape (m,) or (); (n,) or () where `matrix` is a number
        Bound of each row.
    name : str, default "linear limit"
        Name in messages and results.
    bound_per_unit : array_like, shape of `bound` or (), default 1
        Change of `bound` when the limit is relaxed by one unit of its own: for a share it is the
        load, since a share of 1 is a flow of the whole load. Negative for a limit from below.
    own_bound : array_like, shape of `bound`, optional
        The bound in the limit's own unit; by default ``bound / bound_per_unit``.
    of_time : bool, default False
        Whether the own unit is a unit of time.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> sites = LinearLimit([[1, 1, 0], [0, 1, 1]], [80, 170], name="sites")
    >>> print(system.optimum(190, subject_to=[sites]).limits[0])
    sites: binds at 1 of 2 rows, shadow price up to 2.001e-05 (row 1)
    """

    matrix: npt.ArrayLike
    bound: npt.ArrayLike
    name: str = "linear limit"
    bound_per_unit: npt.ArrayLike = 1.0
    own_bound: npt.ArrayLike | None = None
    of_time: bool = False

    load_dependence: ClassVar[LoadDependence] = "none"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """Return the limit itself."""
        return self

    @property
    def _per_server(self) -> bool:
        """Whether it bounds the flow of each server, and has no rows."""
        return np.ndim(self.matrix) == 0

    def _checked(self, n: int) -> LinearLimit:
        """Return the same limit with arrays that fit n servers.

        The rows have two dimensions, and every row has a bound, a unit and an own bound.
        """
        check_text("LinearLimit.name", self.name)
        check_flag("LinearLimit.of_time", self.of_time)
        matrix = as_floats(f"{self.name}.matrix", self.matrix)
        if matrix.ndim > 2 or (matrix.ndim and matrix.shape[-1] != n) or matrix.shape[:1] == (0,):
            raise InputError(
                f"{self.name}.matrix",
                matrix.tolist(),
                f"is not made of rows of {n} numbers",
                f"give shape ({n},) or (m, {n})",
            )
        raise_at_first(
            f"{self.name}.matrix",
            matrix,
            np.isfinite(matrix),
            "is not finite",
            "give a number a job",
        )
        if matrix.shape == () and matrix == 0:
            raise InputError(
                f"{self.name}.matrix",
                matrix.tolist(),
                "limits nothing",
                "give a number that is not 0",
            )
        shape = () if matrix.ndim == 1 else (n if not matrix.ndim else len(matrix),)
        bound, unit = (self._fit(field, shape) for field in ("bound", "bound_per_unit"))
        raise_at_first(
            f"{self.name}.bound",
            bound,
            ~(np.isnan(bound) | (bound == -np.inf)),
            "is not a bound",
            "give a number",
        )
        given = self.own_bound is not None
        own_bound = self._fit("own_bound", shape) if given else _quotient(bound, unit)
        return replace(
            self,
            matrix=np.atleast_2d(matrix) if matrix.ndim else matrix,
            bound=bound,
            bound_per_unit=unit,
            own_bound=own_bound,
        )

    def _measure(self, flow: Array) -> Array:
        """Return the limited quantity at a split in the limit's own unit; of a checked limit."""
        matrix: Any = self.matrix
        value = matrix * flow if self._per_server else compensated_sum(matrix * flow)
        return _quotient(value.reshape(np.shape(self.bound)), self.bound_per_unit)

    def _fit(self, field: str, shape: tuple[int, ...]) -> Array:
        """Return a field as an array of the shape; InputError where it does not fit."""
        value = as_floats(f"{self.name}.{field}", getattr(self, field))
        if value.shape not in ((), shape):
            what = f"one number for each of {shape[0]} rows" if shape else "one number"
            raise InputError(
                f"{self.name}.{field}",
                value.tolist(),
                f"is not {what}",
                f"give shape {shape} or one number",
            )
        return np.broadcast_to(value, shape)


def load_dependence(limit: Limit) -> LoadDependence:
    """Return the `Limit.load_dependence` of the class that has the limit's `linearise`."""
    own = next(vars(cls) for cls in type(limit).__mro__ if "linearise" in vars(cls))
    dependence: LoadDependence = own.get("load_dependence", "any")
    return dependence


def _quotient(value: Array, unit: Any) -> Array:
    """Return value / unit, and 0 where the unit is 0."""
    zeros = np.zeros(np.broadcast_shapes(np.shape(value), np.shape(unit)))
    return np.asarray(np.divide(value, unit, out=zeros, where=np.asarray(unit) != 0))
