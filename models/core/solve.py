"""Down the chain of solvers until an answer is certified."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, replace
from typing import Any, ClassVar, Protocol, TypedDict, TypeVar

from ...reference.errors import InputError
from .errors import FormulationError, NotCertifiedError
from .solution import Attempt
from .solvers import solver_names, takes
from .wanted import check_gap


class Settings(TypedDict, total=False):
    """How to solve any problem: by whom, how tight, and what to do with an answer that misses its gap."""

    solver: str | None
    solver_options: Mapping[str, Any] | None
    gap: float | None
    throw: bool


class HowPolished(Settings, total=False):
    """The same, and whether Newton steps finish what the solver began."""

    polish: bool


class How(HowPolished, total=False):
    """How to solve; see `sojourn.models.ParallelServers.optimum`."""

    formulation: str
    subject_to: Sequence[Any]


class Bounded(Protocol):
    """A certificate, whatever else it says."""

    @property
    def gap(self) -> float:
        """Relative error that the answer can have."""


class Answer(Protocol):
    """A frozen dataclass with a certificate and a field `attempts`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def certificate(self) -> Bounded:
        """How far from the truth it can be."""

    @property
    def certified(self) -> bool:
        """Whether that is near enough."""


Found = TypeVar("Found", bound=Answer)


def check_how(goal: str, how: Mapping[str, object], known: type = How) -> None:
    """Raise TypeError on an option that there is not, as Python does for a keyword; InputError on a gap that is none."""
    for key in how:
        if key not in known.__annotations__:
            near = difflib.get_close_matches(key, known.__annotations__, 1)
            hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(known.__annotations__)}"
            raise TypeError(f"{goal}() got an unexpected keyword argument {key!r}; {hint}")
    if how.get("gap") is not None:
        check_gap(how["gap"])


def no_limits(how: Mapping[str, Any]) -> None:
    """Raise InputError on side constraints of something that selfish users take part in."""
    if how.get("subject_to"):
        problem = "selfish users keep no operator's limits: with them there are many equilibria, or none"
        raise InputError("subject_to", how["subject_to"], problem, "ask for the optimum within limits; tolls can bring a split about")


def able(solver: str | None, kind: str | None, what: str) -> tuple[str, ...]:
    """Return the solvers to try on a problem with one kind of cone beyond the linear ones, or none.

    Raises
    ------
    SolverNameError, FormulationError
        On a name that is none, or a solver that does not take the cone.
    """
    fit = tuple(s for s in solver_names(solver) if kind is None or kind in takes(s))
    if not fit:
        others = [s for s in solver_names(None) if kind in takes(s)]
        raise FormulationError("solver", solver, f"does not take the cone {kind} that the {what} needs", f"use {' or '.join(others)}")
    return fit


def first_certified(
    plan: Sequence[tuple[str, str]],
    ask: Callable[[str, str], tuple[Found | None, Attempt]],
    what: str,
    wanted: float,
    *,
    throw: bool,
    remedy: str | None = None,
) -> Found:
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
    remedy : str, optional
        What the message says to do.

    Raises
    ------
    NotCertifiedError
    """
    attempts: list[Attempt] = []
    best: Found | None = None
    for solver, formulation in plan:
        found, attempt = ask(solver, formulation)
        attempts.append(attempt)
        # one that is certified comes before any other, also before one whose gap is no number
        if found is not None and (best is None or found.certified or found.certificate.gap < best.certificate.gap):
            best = found
        if best is not None and best.certified:
            break
    best = best and replace(best, attempts=tuple(attempts))
    if best is not None and (best.certified or not throw):
        return best
    raise NotCertifiedError(not_certified(what, wanted, attempts, remedy or REMEDY), best, tuple(attempts))


REMEDY = "Ask for a wider gap=, name another solver=, or take the best answer with throw=False"

DERIVED = (
    "Their marginal delay is made of differences of the latency, which may know no more digits: give "
    "`marginal` or `latency_slope` (Function: derivative=), or ask for a wider gap="
)


def not_certified(what: str, wanted: float, attempts: Sequence[Attempt], remedy: str = REMEDY) -> str:
    """Return the message that no answer is certified: what was tried, and what else can be."""
    tried = "; ".join(f"{a.solver} ({a.formulation}): {a.status}, gap {a.gap:.1e}" for a in attempts)
    return f"no certified {what}, gap {wanted:.1e} wanted. Tried {tried}. {remedy}"
