"""Accuracy of an answer from values that may be any finite numbers.

A solver can return flows above the rates, negative ones, or numbers that overflow. None of them
may look like a right answer, nor like one whose error is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

import numpy as np

from ....reference.errors import Array
from .problem import NO_ANSWER, Accuracy, Truth

Judge = Callable[[Mapping[str, Array]], Accuracy]


def accuracy(
    truth: Truth,
    value: float,
    violations: Iterable[Any],
    answer: Array | None = None,
    gap: float | None = None,
) -> Accuracy:
    """Return the accuracy of a value and an answer; what is not a number is infinite.

    Parameters
    ----------
    truth : Truth
        The true answer.
    value : float
        What the answer reaches; infinite outside the stable region.
    violations : iterable of numbers
        Relative violations of the constraints.
    answer : ndarray, shape (m,), optional
        To be compared with `Truth.answer`; left out where that is not unique.
    gap : float, optional
        See `Accuracy`; left out where there is no certificate of a given answer.
    """
    flow_error = math.nan
    if answer is not None:
        scale = np.abs(truth.answer).max()
        flow_error = _known(np.abs(answer - truth.answer).max() / scale)
    return Accuracy(
        _known(abs(value / truth.value - 1.0)),
        flow_error,
        max(map(_known, violations)),
        math.nan if gap is None else _known(gap),
    )


def gap_of(value: float, lower: float, upper: float) -> float:
    """Return the largest relative error of a value where the true one is within bounds."""
    return max(upper - value, value - lower) / lower if lower > 0.0 else math.inf


def for_any_values(judge: Judge) -> Judge:
    """Wrap a judge: numbers that overflow have an infinite error, and give no warning."""

    @wraps(judge)
    def judged(values: Mapping[str, Array]) -> Accuracy:
        with np.errstate(all="ignore"):
            try:
                return judge(values)
            except (ArithmeticError, np.linalg.LinAlgError):
                return NO_ANSWER

    return judged


def _known(number: Any) -> float:
    """Return a number as a float, infinite where it is not a number."""
    return math.inf if math.isnan(number) else float(number)
