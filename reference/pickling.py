"""State of copies and pickles of systems, banks and errors: plain data for other processes."""

from __future__ import annotations

import copyreg
from functools import cached_property
from typing import Any


def stored_attributes(self: object) -> dict[str, Any]:
    """Return the instance attributes by name, without the values of cached properties.

    A cached property is computed again in the copy at its first use.
    """
    return {
        name: value
        for name, value in vars(self).items()
        if not isinstance(getattr(type(self), name, None), cached_property)
    }


def state(self: object) -> Any:
    """Return the state of an object for copies and pickles, as its ``__getstate__``.

    It holds the `stored_attributes` and the values in slots.
    """
    held = object.__getstate__(self)
    attributes = stored_attributes(self)
    return (attributes, held[1]) if isinstance(held, tuple) else attributes


def as_raised(error: BaseException) -> tuple[Any, ...]:
    """Return the parts from which pickle makes an error again, as its ``__reduce__``.

    The default calls the class with the message alone, and a class may need more arguments.
    """
    return copyreg.__newobj__, (type(error), *error.args), vars(error)  # type: ignore[attr-defined]  # pickle's own
