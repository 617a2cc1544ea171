"""What every result has, whatever the system: who was asked and how long it took, what is proved, and its numbers ready for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from ...reference.html_table import HtmlTable
from .ratio import BoundedValue

if TYPE_CHECKING:
    import cvxpy as cp

SUM = 1e-9  # how far parts that somebody gives may be from adding up to the whole, relative


@dataclass(frozen=True)
class Timing:
    """Seconds spent: writing the problem, compiling it to cones, in the solver's hands, polishing and certifying."""

    build: float
    compile: float
    solve: float
    finish: float = 0.0

    def __add__(self, other: Timing) -> Timing:
        """Seconds of both."""
        return Timing(
            self.build + other.build,
            self.compile + other.compile,
            self.solve + other.solve,
            self.finish + other.finish,
        )


@dataclass(frozen=True)
class Attempt:
    """One solver's try.

    Attributes
    ----------
    solver, formulation, status : str
        `status` is the solver's own word, or the error it raised.
    gap : float
        Of the certificate of what it returned; infinite where it returned nothing.
    seconds : float
    """

    solver: str
    formulation: str
    status: str
    gap: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Provenance:
    """How an answer was found.

    Attributes
    ----------
    solver, formulation, status : str
        Who found it, from which problem, and the solver's own word for it.
    attempts : tuple of Attempt
        All that was tried, in order.
    timing : Timing
    problem : cvxpy.Problem
        The problem that was solved, in its own unit of time. Where one serves many questions, it holds the last one's numbers.
        None in a copy or pickle: it stays with the answer that it was solved for; `model` of a system writes it anew.
    """

    solver: str
    formulation: str
    status: str
    attempts: tuple[Attempt, ...]
    timing: Timing
    problem: cp.Problem | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: all but the problem, for a solved one can be neither."""
        return {**vars(self), "problem": None}


@dataclass(frozen=True, eq=False, kw_only=True)
class CertifiedAnswer(HtmlTable, Provenance):
    """An answer by a solver, with how it was found. Abstract: a kind of answer adds its numbers.

    Attributes
    ----------
    certificate
        How far from the truth the answer can be, with ``lower_bound``, ``upper_bound`` and ``gap``.
    certified : bool
        Whether the certificate meets the gap that was asked for.
    polished : int
        Newton steps after the solver; 0 for the solver's own answer.
    """

    certificate: Any
    certified: bool
    polished: int = 0

    @property
    def proof(self) -> str:
        """What is proved, and by whom the answer was found, in a few words."""
        options = f"{self.solver.lower()}, {self.formulation}" + (
            f", {self.polished} Newton steps" if self.polished else ""
        )
        return f"{'certified' if self.certified else 'NOT CERTIFIED'} within {self.certificate.gap:.1e} ({options})"

    def __repr__(self) -> str:
        return f"{', '.join(f'{name} {value:.9g}' for name, value in self._numbers().items())}\n  {self.proof}"

    def _numbers(self) -> dict[str, float]:
        """Numbers that a kind of answer adds."""
        known = {f.name for f in fields(CertifiedAnswer)}
        added = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in known}
        return {name: value for name, value in added.items() if isinstance(value, float)}

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; all but the problem. What is infinite is None: JSON has no word for it."""
        return {
            **finite(self._numbers()),
            "certificate": finite(vars(self.certificate)),
            **{
                name: getattr(self, name)
                for name in ("certified", "solver", "formulation", "status", "polished")
            },
            "attempts": [finite(vars(a)) for a in self.attempts],
            "timing": vars(self.timing),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluated(HtmlTable):
    """A decision that is already there, judged. Abstract: a kind of decision adds its numbers.

    Attributes
    ----------
    load : float
        Jobs per unit of time.
    mean_delay : Bounded
        Mean time of a job in the system, with ``lower`` and ``upper`` up to rounding; infinite where a server is overloaded.
    overloaded : tuple of str
        Servers whose queues grow without bound.
    """

    load: float
    mean_delay: BoundedValue
    overloaded: tuple[str, ...]

    bounded: ClassVar[tuple[str, ...]]  # numbers with bounds, or None

    @property
    def stable(self) -> bool:
        """Whether no queue grows without bound."""
        return not self.overloaded

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON. What is infinite is None: JSON has no word for it."""
        out: dict[str, Any] = {
            "load": self.load,
            "stable": self.stable,
            "overloaded": list(self.overloaded),
        }
        for name in self.bounded:
            number: BoundedValue | None = getattr(self, name)
            for end in ("", "lower", "upper"):
                out[f"{name}_{end}".rstrip("_")] = (
                    None
                    if number is None
                    else finite_or_none(getattr(number, end) if end else number)
                )
        return out


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with None for what is infinite."""
    return {k: finite_or_none(v) if isinstance(v, float) else v for k, v in values.items()}


def finite_or_none(value: Any) -> float | None:
    """Return a number for JSON, which has no word for what is infinite or missing."""
    number = float(value)
    return number if math.isfinite(number) else None
