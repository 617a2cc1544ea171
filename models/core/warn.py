"""Warnings that point to the code of the user, and the collection of those that others issue."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec

from .progress import no_progress

Given = ParamSpec("Given")

KEPT_WARNINGS = (UserWarning, RuntimeWarning)
"""Other categories are for programmers and depend on what the process has imported before."""
_collecting = threading.RLock()
"""`warnings.catch_warnings` acts on the whole process; a Dask worker may have several threads."""


def warn(text: str) -> None:
    """Issue a warning that points to the line outside the library that led to it."""
    frame, level, package = sys._getframe(), 1, __name__.partition(".")[0] + "."
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


class Outcome(NamedTuple):
    """Result of a function, or its exception, and the messages of its warnings."""

    result: Any
    error: Exception | None
    messages: list[str]


def attempt(function: Callable[Given, Any], *given: Given.args, **named: Given.kwargs) -> Outcome:
    """Call a function; keep its exception and its warnings, and show no progress bar."""
    result: Any = None
    error: Exception | None = None
    with _collecting, no_progress(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*given, **named)
        except Exception as raised:  # users' code may raise anything
            error = raised
    kept = [str(w.message) for w in caught if issubclass(w.category, KEPT_WARNINGS)]
    return Outcome(result, error, kept)
