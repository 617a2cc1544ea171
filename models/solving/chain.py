"""Down the chain of solvers until an answer is certified."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from sojourn.models.solving.errors import NotCertifiedError
from sojourn.models.solving.solution import Attempt, Solution


class How(TypedDict, total=False):
    """How to solve; see `sojourn.models.ParallelServers.optimum`."""

    formulation: str
    solver: str | None
    solver_options: Mapping[str, Any] | None
    polish: bool
    gap: float | None
    throw: bool


def check_how(goal: str, how: Mapping[str, object]) -> None:
    """Raise TypeError on an option that there is not, as Python does for a keyword."""
    for key in how:
        if key not in How.__annotations__:
            near = difflib.get_close_matches(key, How.__annotations__, 1)
            hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(How.__annotations__)}"
            raise TypeError(f"{goal}() got an unexpected keyword argument {key!r}; {hint}")


def first_certified(
    plan: Sequence[tuple[str, str]], ask: Callable[[str, str], tuple[Solution | None, Attempt]], what: str, wanted: float, *, throw: bool
) -> Solution:
    """Ask solvers in turn; return the first certified answer.

    Parameters
    ----------
    plan : sequence of (solver, formulation)
    ask : callable
        From a solver and a formulation to its answer, if any, and the record of the attempt.
    what : str
        What is solved for, for the message.
    wanted : float
        The gap that the answers are held to, for the message.
    throw : bool
        Raise when no answer is certified; else return the best, if there is any.

    Raises
    ------
    NotCertifiedError
    """
    attempts: list[Attempt] = []
    best: Solution | None = None
    for solver, formulation in plan:
        found, attempt = ask(solver, formulation)
        attempts.append(attempt)
        if found is not None and (best is None or found.certificate.gap < best.certificate.gap):
            best = found
        if best is not None and best.certified:
            break
    best = best and replace(best, attempts=tuple(attempts))
    if best is not None and (best.certified or not throw):
        return best
    tried = "; ".join(f"{a.solver} ({a.formulation}): {a.status}, gap {a.gap:.1e}" for a in attempts)
    remedy = "Ask for a wider gap=, name another solver=, or take the best answer with throw=False"
    raise NotCertifiedError(f"no certified {what}, gap {wanted:.1e} wanted. Tried {tried}. {remedy}", best, tuple(attempts))
