"""Results at K points as columns of numbers, filled in row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Rows = Mask | npt.NDArray[np.intp] | slice | int


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length K: a subclass is a dataclass whose fields are arrays.

    A field has the shape (K,), or (K, ...) where a row holds several numbers.
    """

    absent: ClassVar[Mapping[str, Any]] = {
        "gap": np.inf,
        "certified": False,
        "lower_bound": 0.0,
        "upper_bound": np.inf,
        "steps": 0,
    }
    """Value of a column in rows without an answer; columns that are not listed have NaN."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several tables, one table after the other."""
        return cls(
            *(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(cls))
        )

    def put(self, rows: Rows, values: Sequence[Any]) -> None:
        """Overwrite the given rows; `values` holds one array for each column."""
        for field, value in zip(fields(self), values, strict=True):
            getattr(self, field.name)[rows] = value

    def values(self, rows: Rows) -> list[Any]:
        """Return the given rows as a list with one array for each column."""
        return [getattr(self, field.name)[rows] for field in fields(self)]

    def only(self, rows: Rows) -> Self:
        """Return a table of the given rows."""
        return type(self)(*self.values(rows))

    def spread(self, rows: Mask) -> Self:
        """Return a longer table with these rows where `rows` is True, and no answers elsewhere.

        Parameters
        ----------
        rows : ndarray of bool, shape (N,)
            True at K places.
        """
        columns = []
        for field, values in zip(fields(self), self.values(slice(None)), strict=True):
            missing = np.nan if values.dtype.kind in "fc" else values.dtype.type()
            missing = self.absent.get(field.name, missing)
            columns.append(np.full((rows.size, *values.shape[1:]), missing, values.dtype))
            columns[-1][rows] = values
        return type(self)(*columns)
