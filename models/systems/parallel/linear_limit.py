"""Linear limits on the flows of a bank."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.validation import as_floats, check_flag, check_text, raise_at_first
from ...latency.base import Latency
from .splits import compensated_sum


class Limit(ABC):
    """A linear limit on the flows, given as ``subject_to=[...]``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from sojourn.models import MM1, Limit, LinearLimit, ParallelServers
    >>> @dataclass(frozen=True)
    ... class Carbon(Limit):
    ...     grams: list  # a job
    ...     at_most: float  # per unit of time
    ...
    ...     def linearise(self, bank, load):
    ...         return LinearLimit(self.grams, self.at_most, name="carbon")
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> print(system.optimum(190, subject_to=[Carbon([1, 1, 4], 400)]).limits[0])
    carbon: binds at 400, shadow price 0.0001278
    """

    times: ClassVar[tuple[str, ...]] = ()
    """Fields that are times, which a scenario file gives in its unit of delays."""

    @abstractmethod
    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """Return the limit as rows on the flows; InputError on a limit that does not fit the servers."""

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Return what a split has of that which is limited, in the limit's unit."""
        return self.linearise(bank, load).checked(len(bank)).measure(flow)


@dataclass(frozen=True, eq=False)
class LinearLimit(Limit):
    """Any linear limit on the flows: ``matrix @ flow <= bound``.

    Parameters
    ----------
    matrix : array_like, shape (n,), (m, n) or ()
        One row or more; a number stands for this multiple of the identity, a bound for each server, whatever n.
    bound : array_like, shape (m,) or (); (n,) or () for bounds of servers
    name : str
        What is limited, in messages and results.
    bound_per_unit : array_like, of the shape of `bound` or ()
        By how much `bound` moves when the limit is relaxed by one unit of its own: a share of 1 is a flow of the whole load. Negative for a
        limit from below.
    own_bound : array_like, optional
        The limit in its own unit; by default ``bound / bound_per_unit``.
    of_time : bool
        Whether the own unit is a time.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> print(system.optimum(190, subject_to=[LinearLimit([[1, 1, 0], [0, 1, 1]], [80, 170], name="sites")]).limits[0])
    sites: binds at 1 of 2 rows, shadow price up to 2.001e-05 (row 1)
    """

    matrix: npt.ArrayLike
    bound: npt.ArrayLike
    name: str = "linear limit"
    bound_per_unit: npt.ArrayLike = 1.0
    own_bound: npt.ArrayLike | None = None
    of_time: bool = False

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """Return the limit itself."""
        return self

    @property
    def box(self) -> bool:
        """Whether it bounds the flow of each server."""
        return np.ndim(self.matrix) == 0

    def checked(self, n: int) -> LinearLimit:
        """Return the same with arrays that fit n servers: rows have two dimensions, and a bound, an own unit and an own bound each."""
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
        own = 1 if matrix.ndim == 1 else n if not matrix.ndim else len(matrix)
        shape = () if matrix.ndim == 1 else (own,)
        bound, unit = (self._fit(field, shape) for field in ("bound", "bound_per_unit"))
        raise_at_first(
            f"{self.name}.bound",
            bound,
            ~(np.isnan(bound) | (bound == -np.inf)),
            "is not a bound",
            "give a number",
        )
        shown = self._fit("own_bound", shape) if self.own_bound is not None else _over(bound, unit)
        return replace(
            self,
            matrix=np.atleast_2d(matrix) if matrix.ndim else matrix,
            bound=bound,
            bound_per_unit=unit,
            own_bound=shown,
        )

    def measure(self, flow: Array) -> Array:
        """Return what a split has, in the limit's own unit; of a limit that was `checked`."""
        matrix: Any = self.matrix
        has = matrix * flow if self.box else compensated_sum(matrix * flow)
        return _over(has.reshape(np.shape(self.bound)), self.bound_per_unit)

    def _fit(self, field: str, shape: tuple[int, ...]) -> Array:
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


def _over(value: Array, unit: Any) -> Array:
    """Quotient, 0 where the unit is."""
    return np.asarray(
        np.divide(
            value,
            unit,
            out=np.zeros(np.broadcast_shapes(np.shape(value), np.shape(unit))),
            where=np.asarray(unit) != 0,
        )
    )
