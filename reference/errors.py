"""Errors on input: one message with the field, its index, the value, the problem and the remedy."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from .pickling import as_raised

Array = npt.NDArray[np.float64]

# C0, DEL and C1, characters that turn or break a line, and halves of surrogate pairs
CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
VALUE = 80  # largest number of characters of the value in a message
PART = 1000  # largest number of characters of any other part of a message


def escaped(text: str) -> str:
    r"""Return a text with its control and direction characters escaped, safe to print.

    Examples
    --------
    >>> print(escaped("red \x1b[31m, turned \u202e"))
    red \x1b[31m, turned \u202e
    """
    return text if text.isprintable() else CONTROLS.sub(lambda match: ascii(match[0])[1:-1], text)


class InputError(ValueError):
    """A value that no queueing system can have.

    Parameters
    ----------
    field : str
        The field, with its index where it is one of several: ``"rate[2]"``.
    value : object
        The value that was given.
    problem : str
        Why it cannot be used.
    remedy : str
        What to write instead.

    Attributes
    ----------
    field, value, problem, remedy
        As given.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        self.field, self.value, self.problem, self.remedy = field, value, problem, remedy
        parts = (_shortened(escaped(part), PART) for part in (field, problem, remedy))
        shown = _shortened(_repr_of(value), VALUE)
        super().__init__("{} = {value}: {}; {}".format(*parts, value=shown))

    __reduce__ = as_raised


class LoadError(InputError):
    """A load that the system cannot carry, or that is not a number."""


def _repr_of(value: object) -> str:
    """Return the representation of a value on one line, safe to print."""
    try:
        value = value.item() if isinstance(value, np.generic) else value
        return escaped(" ".join(repr(value).split()))
    except Exception:  # nested too deeply, too many digits, or an error in the value's own code
        return f"something of type {type(value).__name__}"


def _shortened(text: str, length: int) -> str:
    """Return a text, or the beginning and the end of one longer than `length` characters."""
    if len(text) <= length:
        return text
    return f"{text[: length // 2]}...{text[3 - length // 2 :]}"
