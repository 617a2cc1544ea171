"""Answers to K questions as columns: what a sweep fills in row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Rows = Mask | npt.NDArray[np.intp] | slice | int


@dataclass(frozen=True, eq=False)
class Table:
    """Arrays with one leading axis, of length K."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of one part after those of the other."""
        return cls(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(cls)))

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
