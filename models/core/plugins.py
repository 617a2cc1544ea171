"""What installed packages add by entry points: known by name, loaded when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ...reference.errors import InputError

OWN = "whose module is imported (--import on the command line)"
"""What else is known by name, in messages."""


@cache
def offered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, none of them loaded."""
    return {point.name: point for point in entry_points(group=group)}


def loaded(point: EntryPoint, field: str) -> Any:
    """Return what an entry point holds; InputError, naming the field, where it does not load."""
    try:
        return point.load()
    except Exception as error:  # someone else's code may raise anything
        problem = f"is the entry point {point.value}, which raised {type(error).__name__}: {error}"
        raise InputError(field, point.name, problem, "correct or uninstall that package") from error
