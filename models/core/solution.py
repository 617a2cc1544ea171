"""Results of any system: how an answer was computed, its certificate, and its numbers for JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ...reference.html_table import HtmlTable
from ...reference.plural import counted
from .ratio import BoundedValue, Ratio, excess

if TYPE_CHECKING:
    import cvxpy as cp

SUM = 1e-9  # relative error that given shares or flows may have in their sum
NAMED = 12  # servers without spare capacity that a text names


@dataclass(frozen=True)
class Timing:
    """Seconds spent on an answer.

    Attributes
    ----------
    build : float
        Writing the CVXPY problem.
    compile : float
        CVXPY's reduction to a cone program.
    solve : float
        The solver.
    finish : float
        Newton steps and the certificate.
    """

    build: float
    compile: float
    solve: float
    finish: float = 0.0

    def __add__(self, other: Timing) -> Timing:
        """Return the sum of two timings, part by part."""
        return Timing(
            self.build + other.build,
            self.compile + other.compile,
            self.solve + other.solve,
            self.finish + other.finish,
        )


@dataclass(frozen=True)
class Attempt:
    """One run of one solver.

    Attributes
    ----------
    solver, formulation : str
        Names of the solver and of the formulation.
    status : str
        CVXPY's status, or the error that the solver raised.
    gap : float
        Certified relative error of its answer; infinite where it returned none.
    seconds : float
        Time of the run, with Newton steps and certificate.
    """

    solver: str
    formulation: str
    status: str
    gap: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Provenance:
    """How an answer was computed.

    Attributes
    ----------
    solver, formulation : str
        Names of the solver and of the formulation.
    status : str
        CVXPY's status of the solver's answer.
    attempts : tuple of Attempt
        All runs of solvers, in order; the last one gave the answer unless none was certified.
    timing : Timing
        Seconds spent on the answer.
    write_problem : callable or None
        Writes the CVXPY problem again; None in copies and pickles.
    """

    solver: str
    formulation: str
    status: str
    attempts: tuple[Attempt, ...]
    timing: Timing
    write_problem: Callable[[], cp.Problem] | None = field(default=None, repr=False)

    @cached_property
    def problem(self) -> cp.Problem | None:
        """The CVXPY problem with the solver's answer, in the unit of time of the model.

        None in copies and pickles, and where an algorithm of the question's own gave the answer;
        the method ``model`` of a system writes it.
        """
        return None if self.write_problem is None else self.write_problem()

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for copies and pickles: a CVXPY problem can be neither."""
        attributes = {key: value for key, value in vars(self).items() if key != "problem"}
        return {**attributes, "write_problem": None}


@dataclass(frozen=True, eq=False, kw_only=True)
class CertifiedAnswer(HtmlTable, Provenance):
    """Base class of answers with a certificate. A subclass adds the numbers of its question.

    Attributes
    ----------
    certificate
        Bounds of the true value: an object with ``lower_bound``, ``upper_bound`` and ``gap``, such
        as `sojourn.models.core.certificate.Bounds`.
    certified : bool
        Whether the gap of the certificate meets the required gap.
    polished : int
        Count of Newton steps after the solver; 0 for the solver's own answer.
    """

    certificate: Any
    certified: bool
    polished: int = 0

    @property
    def proof(self) -> str:
        """Summary of certificate, solver and formulation, for people."""
        steps = f", {counted(self.polished, 'Newton step')}" if self.polished else ""
        verdict = "certified" if self.certified else "NOT CERTIFIED"
        source = f"{self.solver.lower()}, {self.formulation}{steps}"
        return f"{verdict} within {self.certificate.gap:.1e} ({source})"

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.9g}" for name, value in self._numbers().items())
        return f"{numbers}\n  {self.proof}"

    def _numbers(self) -> dict[str, float]:
        """Return the floats that a subclass adds, by name."""
        known = {f.name for f in fields(CertifiedAnswer)}
        added = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in known}
        return {name: value for name, value in added.items() if isinstance(value, float)}

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON, without the problem.

        Infinite numbers are None, since JSON has none.
        """
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
    """Base class of evaluations of a given decision. A subclass adds its numbers.

    Attributes
    ----------
    load : float
        Load, in jobs per unit of time.
    mean_delay : BoundedValue
        Mean time of a job in the system, with bounds of the rounding error; infinite where a server
        is overloaded.
    overloaded : tuple of str
        Names of the servers whose queues grow without bound.
    """

    load: float
    mean_delay: BoundedValue
    overloaded: tuple[str, ...]

    bounded: ClassVar[tuple[str, ...]]
    """Names of the attributes that are `BoundedValue` or None, which `to_dict` returns."""

    @property
    def stable(self) -> bool:
        """Whether no server is overloaded."""
        return not self.overloaded

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON.

        Infinite numbers are None, since JSON has none.
        """
        out: dict[str, Any] = {
            "load": self.load,
            "stable": self.stable,
            "overloaded": list(self.overloaded),
        }
        for name in self.bounded:
            number: BoundedValue | None = getattr(self, name)
            for end in ("", "lower", "upper"):
                value = getattr(number, end) if number is not None and end else number
                out[f"{name}_{end}".rstrip("_")] = None if value is None else finite_or_none(value)
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared(Evaluated):
    """Base class of evaluations that compare a decision with the optimum and the equilibrium.

    It also has the attributes of `Evaluated`. Delays are in units of time. A `BoundedValue` is a
    float with the bounds ``lower`` and ``upper``.

    Attributes
    ----------
    optimum_delay, equilibrium_delay : BoundedValue
        Mean delays of the optimum and of the equilibrium at this load.
    """

    optimum_delay: BoundedValue
    equilibrium_delay: BoundedValue

    bounded: ClassVar[tuple[str, ...]] = (
        "mean_delay",
        "optimum_delay",
        "equilibrium_delay",
        "ratio",
        "loss",
    )
    times: ClassVar[tuple[str, ...]] = bounded[:3]

    @property
    def ratio(self) -> Ratio:
        """Mean delay divided by that of the optimum, >= 1."""
        return Ratio.to(self.mean_delay, self.optimum_delay)

    @property
    def loss(self) -> BoundedValue:
        """Mean delay less that of the optimum, >= 0."""
        return excess(self.mean_delay, self.optimum_delay)

    def _comparison(self, what: str) -> list[str]:
        """Return two lines of text about the delays; `what` is the noun of the decision."""
        ratio = self.ratio
        proof = f", certified within {ratio.spread:.1e} of it" if math.isfinite(ratio) else ""
        return [
            f"{what} at load {self.load:g}: mean delay {self.mean_delay:.9g}, "
            f"{ratio:.6g} times the least{proof}",
            f"  optimum {self.optimum_delay:.9g}, equilibrium {self.equilibrium_delay:.9g}",
        ]

    def _instability(self) -> list[str]:
        """Return a line of text for each of the first servers without spare capacity."""
        return [
            f"  unstable: {name} gets its rate or more, and its queue grows without bound"
            for name in self.overloaded[:NAMED]
        ]


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the values with None for those that are not finite."""
    return {k: finite_or_none(v) if isinstance(v, float) else v for k, v in values.items()}


def finite_or_none(value: Any) -> float | None:
    """Return a number as a float, or None where it is not finite, which JSON cannot hold."""
    number = float(value)
    return number if math.isfinite(number) else None
