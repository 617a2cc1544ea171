"""What is wrong with an input: the field, the place, the value and the remedy, in one message."""

from __future__ import annotations

import re
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from .pickling import as_raised

Array = npt.NDArray[np.float64]
Given = TypeVar("Given")
Rest = ParamSpec("Rest")

# C0, DEL and C1, what turns or breaks a line, and halves of a character
CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
VALUE, PART = (
    80,
    1000,
)  # characters of a message that a value may have, and that any other part of it may


def escaped(text: str) -> str:
    r"""Return a text with its control and direction characters escaped, as it can be printed.

    Examples
    --------
    >>> print(escaped("red \x1b[31m, turned \u202e"))
    red \x1b[31m, turned \u202e
    """
    return text if text.isprintable() else CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


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
        parts = (_short(escaped(part), PART) for part in (field, problem, remedy))
        super().__init__("{} = {value}: {}; {}".format(*parts, value=_short(_said(value), VALUE)))

    __reduce__ = as_raised


class LoadError(InputError):
    """A load that the system cannot carry, or that is not a number."""


def _said(value: object) -> str:
    try:
        return escaped(
            " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
        )
    except Exception:  # nested too deeply, too many digits, or what someone else's code raises
        return f"something of type {type(value).__name__}"


def _short(text: str, most: int) -> str:
    """The text, or its two ends: of a list or a path both say something."""
    return text if len(text) <= most else f"{text[: most // 2]}...{text[3 - most // 2 :]}"
