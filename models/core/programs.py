"""Programs that are written and compiled once, for all questions and points that share them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .parametric import Compiled

MOST = 64  # programs that a process keeps


@dataclass(eq=False)
class WrittenProgram:
    """A program as a question wrote it, with its compiled forms.

    Attributes
    ----------
    program : Program
        See `sojourn.models.core.question.Program`.
    compiled : dict
        Compiled programs by solver, options of the user, and effort.
    """

    program: Any
    compiled: dict[tuple[str, str, str], Compiled] = field(default_factory=dict)


class ProgramStore:
    """Written programs by key; beyond a number of them, those that were used least recently go.

    A program is taken out while it is in use, so that two threads never share one.

    Parameters
    ----------
    most : int
        Number of programs to keep.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._kept = most, OrderedDict[Hashable, WrittenProgram]()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def borrow(self, key: Hashable, write: Callable[[], Any]) -> Iterator[WrittenProgram]:
        """Lend the program of a key, which is written where there is none.

        Parameters
        ----------
        key : hashable
            Programs of equal keys are the same but for the values of their parameters.
        write : callable
            Returns the program.
        """
        with self._lock:
            written = self._kept.pop(key, None)
        if written is None:
            written = WrittenProgram(write())
        try:
            yield written
        finally:
            with self._lock:
                self._kept[key] = written
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)


SHARED = ProgramStore()
"""Programs of the questions that have a `sojourn.models.core.question.Question.shape`."""
