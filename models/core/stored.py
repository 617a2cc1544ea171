"""Stored answers of an earlier curve, which are certified again without a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.errors import Array

Column = Callable[..., Array]
"""Function of a variable's name and the shape of one row; returns its values, shape (K, ...)."""
_stored: ContextVar[StoredAnswers | None] = ContextVar("stored_answers", default=None)


class NotStoredError(Exception):
    """A question cannot take its answers from the stored ones, and is not to be solved."""


@dataclass(eq=False)
class StoredAnswers:
    """The variables of an earlier curve, and whether the questions asked since could use them.

    Attributes
    ----------
    kept : mapping of str to array
        Variables of the curve over its loads, shape (K, ...), among them ``load``.
    strict : bool
        Whether a question that cannot take its answers from it raises NotStoredError, instead of
        being solved by a solver.
    used : bool
        Whether a question took answers from it.
    solved : bool
        Whether a question was solved by a solver, since it could not take its answers from it.
    """

    kept: Mapping[str, Any]
    strict: bool = False
    used: bool = False
    solved: bool = False

    @property
    def whole(self) -> bool:
        """Whether all answers since were taken from the stored ones."""
        return self.used and not self.solved

    def solve_again(self) -> None:
        """Note that a question is solved by a solver; NotStoredError where it must not be."""
        self.solved = True
        if self.strict:
            raise NotStoredError

    def rows(self, loads: Array, start: int) -> list[int]:
        """Return the positions of loads among the stored loads, in order from `start` on.

        Raises
        ------
        LookupError
            Where a load is not stored.
        """
        stored, rows = np.asarray(self.kept["load"]).tolist(), []
        for load in loads.tolist():
            try:
                start = stored.index(load, start) + 1
            except ValueError:
                raise LookupError(load) from None
            rows.append(start - 1)
        return rows

    def column(self, rows: list[int], name: str, *shape: int) -> Array:
        """Return the given rows of a variable, shape (K, *shape).

        Raises
        ------
        LookupError
            Where there is no such variable, or it has fewer numbers a row.
        """
        values = np.asarray(self.kept[name])[rows][(slice(None), *(slice(n) for n in shape))]
        if values.shape != (len(rows), *shape) or values.dtype.kind != "f":
            raise LookupError(name)
        return values


@contextmanager
def use_stored_answers(stored: StoredAnswers | None) -> Iterator[None]:
    """Let every task made inside the block use stored answers where its question can."""
    token = _stored.set(stored)
    try:
        yield
    finally:
        _stored.reset(token)


def stored_answers() -> StoredAnswers | None:
    """Return the stored answers in use, or None."""
    return _stored.get()


class _JoinedVariables(dict[str, Any]):
    """Variables of several curves at some of their loads, joined when they are asked for."""

    def __init__(self, parts: Sequence[tuple[StoredAnswers, list[int]]]) -> None:
        super().__init__()
        self.parts = parts

    def __missing__(self, name: str) -> Any:
        self[name] = np.concatenate([np.asarray(s.kept[name])[rows] for s, rows in self.parts])
        return self[name]


def joined_answers(parts: Sequence[tuple[StoredAnswers, list[int]]]) -> StoredAnswers:
    """Return the given rows of the stored answers of several curves, one curve after the other.

    The result is strict.
    """
    return StoredAnswers(_JoinedVariables(parts), strict=True)
