"""Service times that a user gives for the servers: a word, or a file of samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...reference.errors import InputError
from ..core.reading import read_numbers

WORDS = ("deterministic", "exponential")
MOST = 100_000  # samples
REMEDY = f"use {' or '.join(WORDS)}, or name a text file with one service time a line"


def service_given(text: str | None) -> str | Sequence[float] | None:
    """Return the service times of ``--service``: a word, or samples divided by their mean.

    Raises
    ------
    InputError
        On another word, and on a file that is missing or has other things than times.
    """
    if text is None or text in WORDS:
        return text
    times = np.array(read_numbers(text, "--service", REMEDY))
    if not 1 <= times.size <= MOST:
        problem = f"has {times.size:,} service times"
        raise InputError("--service", text, problem, f"give 1 to {MOST:,}")
    good = np.isfinite(times) & (times >= 0)
    if not (good.all() and times.any()):
        bad = times[~good][0] if not good.all() else 0.0
        raise InputError("--service", float(bad), "is no service time", "give times above 0")
    return [float(time) for time in times / times.mean()]
