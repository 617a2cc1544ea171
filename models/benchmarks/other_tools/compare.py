"""Every method on every system."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ....reference.validation import LARGEST, SMALLEST, check_within
from ...core.progress import track
from ..report import repeated, timed
from .answer import Answer, Skipped, judge
from .case import CASES, Case
from .methods import METHODS, Method

LIMIT = 30.0  # seconds
REPEATS = 5
QUICK = 1.0  # seconds up to which a method is timed more than once


@dataclass(frozen=True)
class PeerRow:
    """A method on a system.

    Attributes
    ----------
    system, method : str
    mean_delay : float
        True, at the split that the method returned; seconds.
    error : float
        Over the least mean delay, less 1; of many loads the largest.
    seconds : float
        Median of `repeats`, all loads together; of LINE without the start of its environment.
    repeats : int
    certifies : str
        What the method says about how near to the truth it is.
    settings : str
    problem : str
        Why there is no answer, where there is none.
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
    cases: Sequence[Callable[[], Case]] = CASES,
    methods: Mapping[str, Method] = METHODS,
    limit: float = LIMIT,
) -> Iterator[PeerRow]:
    """Give the same systems to this library and to others, and yield a row for each: whoever stops in between keeps those that there are.

    Parameters
    ----------
    cases : sequence of callable
        Each makes a `Case`.
    methods : mapping of str to callable
        From a case and a time limit to an `Answer`.
    limit : float, default 30.0
        Seconds after which a method that can be stopped has to end.

    Yields
    ------
    PeerRow

    Raises
    ------
    InputError

    Examples
    --------
    >>> from sojourn.models.benchmarks.other_tools import CASES, METHODS, compare
    >>> rows = compare(CASES[:1], {name: METHODS[name] for name in ("sojourn, convex program", "SciPy, SLSQP")})
    >>> all(abs(row.error) < 1e-6 for row in rows)
    True
    """
    check_within("limit", limit, SMALLEST, LARGEST, "is not a time", "give seconds above 0")
    pairs = [(make(), name) for make in cases for name in methods]
    return (
        ask(case, name, methods[name], limit) for case, name in track(pairs, "methods on systems")
    )


def ask(case: Case, name: str, method: Method, limit: float) -> PeerRow:
    """Put a system to a method; one that cannot answer, or fails, is a row that says why."""
    try:
        answer, seconds = _timed(method, case, limit)
        times = repeated(seconds, lambda: _timed(method, case, limit)[1], QUICK, REPEATS)
        delay, error, problem = judge(case, answer.flow)
    except Exception as reason:  # other people's code may raise anything
        kind = "skipped" if isinstance(reason, Skipped) else type(reason).__name__
        return PeerRow(case.name, name, problem=f"{kind}: {reason}")
    return PeerRow(
        case.name,
        name,
        delay,
        error,
        median(times),
        len(times),
        answer.certifies,
        answer.settings,
        problem,
    )


def _timed(method: Method, case: Case, limit: float) -> tuple[Answer, float]:
    answer, spent = timed(lambda: method(case, limit))
    return answer, spent if answer.seconds is None else answer.seconds
