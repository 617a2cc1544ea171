"""Answers that a curve had before, which its questions certify again, by today's code and without a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.errors import Array

Column = Callable[..., Array]
"""From the name of a variable and the shape of one row to its values at K points, shape (K, ...)."""
_recalled: ContextVar[StoredAnswers | None] = ContextVar("stored_answers", default=None)


@dataclass(eq=False)
class StoredAnswers:
    """What a curve has kept, and what became of the questions that were asked since.

    Attributes
    ----------
    kept : mapping
        Variables of the curve over its loads, shape (K, ...), among them ``load``.
    used, solved : bool
        Whether any question took its answers from it, and whether any was solved instead.
    """

    kept: Mapping[str, Any]
    used: bool = False
    solved: bool = False

    @property
    def whole(self) -> bool:
        """Whether the curve is what was kept, and nothing else."""
        return self.used and not self.solved

    def rows(self, loads: Array, start: int) -> list[int]:
        """Return where the loads are among those kept, in order from `start` on; LookupError where one is not."""
        there, rows = np.asarray(self.kept["load"]).tolist(), []
        for load in loads.tolist():
            try:
                start = there.index(load, start) + 1
            except ValueError:
                raise LookupError(load) from None
            rows.append(start - 1)
        return rows

    def column(self, rows: list[int], name: str, *shape: int) -> Array:
        """Return a variable at some rows, each of a shape; LookupError where it is not there, or smaller."""
        values = np.asarray(self.kept[name])[rows][(slice(None), *(slice(n) for n in shape))]
        if values.shape != (len(rows), *shape) or values.dtype.kind != "f":
            raise LookupError(name)
        return values


@contextmanager
def use_stored_answers(kept: Mapping[str, Any]) -> Iterator[StoredAnswers]:
    """Have the questions of a curve take the answers that were kept, where they can."""
    recall = StoredAnswers(kept)
    before = _recalled.set(recall)
    try:
        yield recall
    finally:
        _recalled.reset(before)


def stored_answers() -> StoredAnswers | None:
    """Return what is to be recalled, if anything."""
    return _recalled.get()
