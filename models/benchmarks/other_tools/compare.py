"""Comparison of all methods on all instances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ....reference.validation import LARGEST, SMALLEST, check_within
from ...core.progress import track
from ..report import repeat, timed
from .answer import Answer, Unavailable, evaluate
from .instance import INSTANCES, Instance
from .methods import METHODS, Method

LIMIT = 30.0  # seconds
REPEATS = 5
QUICK = 1.0  # seconds up to which a method is timed more than once


@dataclass(frozen=True)
class ToolRow:
    """Result of a method on an instance.

    Attributes
    ----------
    system, method : str
        Names of the instance and of the method.
    mean_delay : float
        True mean delay, in seconds, of the split that the method returned.
    error : float
        Mean delay divided by the least, less 1; the largest of many loads.
    seconds : float
        Median of `repeats` runs, all loads together; for LINE without the start of its environment.
    repeats : int
    certifies : str
        What the method states about its error.
    settings : str
    problem : str
        Why there is no answer; "" where there is one.
    """

    system: str
    method: str
    mean_delay: float = math.nan
    error: float = math.nan
    seconds: float = math.nan
    repeats: int = 0
    certifies: str = ""
    settings: str = ""
    problem: str = ""


def compare(
    instances: Sequence[Callable[[], Instance]] = INSTANCES,
    methods: Mapping[str, Method] = METHODS,
    limit: float = LIMIT,
) -> Iterator[ToolRow]:
    """Run all methods on all instances, and yield a row for each when it is done.

    Parameters
    ----------
    instances : sequence of callable
        Functions that make an `Instance`.
    methods : mapping of str to callable
        Functions from an instance and a time limit to an `Answer`.
    limit : float, default 30.0
        Seconds after which a method that can be stopped has to end.

    Yields
    ------
    ToolRow

    Raises
    ------
    InputError
        On a limit that is not above 0.

    Examples
    --------
    >>> from sojourn.models.benchmarks.other_tools import INSTANCES, METHODS, compare
    >>> names = ("sojourn, convex program", "SciPy, SLSQP")
    >>> rows = compare(INSTANCES[:1], {name: METHODS[name] for name in names})
    >>> all(abs(row.error) < 1e-6 for row in rows)
    True
    """
    check_within("limit", limit, SMALLEST, LARGEST, "is not a time", "give seconds above 0")
    pairs = [(make(), name) for make in instances for name in methods]
    return (
        run_method(instance, name, methods[name], limit)
        for instance, name in track(pairs, "methods on systems")
    )


def run_method(instance: Instance, name: str, method: Method, limit: float) -> ToolRow:
    """Run a method on an instance; where it fails, the row holds the reason."""
    try:
        answer, seconds = _timed(method, instance, limit)
        times = repeat(seconds, lambda: _timed(method, instance, limit)[1], QUICK, REPEATS)
        mean_delay, error, problem = evaluate(instance, answer.flow)
    except Exception as failure:  # other libraries may raise anything
        kind = "skipped" if isinstance(failure, Unavailable) else type(failure).__name__
        return ToolRow(instance.name, name, problem=f"{kind}: {failure}")
    return ToolRow(
        instance.name,
        name,
        mean_delay,
        error,
        median(times),
        len(times),
        answer.certifies,
        answer.settings,
        problem,
    )


def _timed(method: Method, instance: Instance, limit: float) -> tuple[Answer, float]:
    answer, seconds = timed(lambda: method(instance, limit))
    return answer, seconds if answer.seconds is None else answer.seconds
