"""Answers to K questions as columns: what a sweep fills in row by row."""

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
    """Arrays with one leading axis, of length K."""

    absent: ClassVar[Mapping[str, Any]] = {
        "gap": np.inf,
        "certified": False,
        "lower_bound": 0.0,
        "upper_bound": np.inf,
        "steps": 0,
    }
    """What a column has where there is no answer; the others have NaN."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of one part after those of the other."""
        return cls(
            *(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(cls))
        )

    def put(self, rows: Rows, values: Sequence[Any]) -> None:
        """Write values, one a column, into some rows."""
        for field, value in zip(fields(self), values, strict=True):
            getattr(self, field.name)[rows] = value

    def values(self, rows: Rows) -> list[Any]:
        """Return the columns of some rows."""
        return [getattr(self, field.name)[rows] for field in fields(self)]

    def only(self, rows: Rows) -> Self:
        """Return some of the rows."""
        return type(self)(*self.values(rows))

    def spread(self, rows: Mask) -> Self:
        """Return a longer table with these rows where `rows` is true, and no answers elsewhere."""
        columns = []
        for field, values in zip(fields(self), self.values(slice(None)), strict=True):
            nothing = self.absent.get(
                field.name, np.nan if values.dtype.kind in "fc" else values.dtype.type()
            )
            columns.append(np.full((rows.size, *values.shape[1:]), nothing, values.dtype))
            columns[-1][rows] = values
        return type(self)(*columns)
