"""Entry points of installed packages, found by name and loaded at first use."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ...reference.errors import InputError

OWN = "whose module is imported (--import on the command line)"
"""The objects that need no entry point, in messages about unknown names."""


@cache
def offered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, without loading them."""
    return {point.name: point for point in entry_points(group=group)}


def loaded(point: EntryPoint, field: str) -> Any:
    """Return the object of an entry point.

    Raises
    ------
    InputError
        Where the import fails; it names `field` and the error.
    """
    try:
        return point.load()
    except Exception as error:  # the code of another package may raise anything
        problem = f"is the entry point {point.value}, which raised {type(error).__name__}: {error}"
        raise InputError(field, point.name, problem, "correct or uninstall that package") from error
