"""Plain data: what copies and pickles hold of systems, banks and errors, so that they go to other processes."""

from __future__ import annotations

import copyreg
from functools import cached_property
from typing import Any


def given(self: object) -> dict[str, Any]:
    """Return what an object holds by name, but for its cached properties: they are worked out again where they are used."""
    return {
        name: value
        for name, value in vars(self).items()
        if not isinstance(getattr(type(self), name, None), cached_property)
    }


def state(self: object) -> Any:
    """Return what copies and pickles of an object hold, as its ``__getstate__``: what is `given`, also in slots."""
    held = object.__getstate__(self)
    return (given(self), held[1]) if isinstance(held, tuple) else given(self)


def as_raised(error: BaseException) -> tuple[Any, ...]:
    """Return how to make an error again as it is, as its ``__reduce__``: its class, called with its text, may want more than that."""
    return copyreg.__newobj__, (type(error), *error.args), vars(error)  # type: ignore[attr-defined]  # pickle's own
