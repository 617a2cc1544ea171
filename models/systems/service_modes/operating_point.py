"""What comes back of a system with service modes: an operating point, or the largest load, with its certificate and its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ....reference.errors import Array
from ...core.certificate import Bounds
from ...core.solution import CertifiedAnswer, finite_or_none


@dataclass(frozen=True, eq=False, kw_only=True)
class ModeSplit:
    """An operating point (p, alpha, beta) of S stages and M modes. Abstract: it is an answer, or judged.

    Attributes
    ----------
    load : float
        Jobs per unit of time.
    stages, modes : tuple of str
        Their names.
    assignment : ndarray, shape (M,)
        Part of the jobs that each mode gets.
    share : ndarray, shape (S, M)
        Part of each stage's capacity that each mode gets.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage; infinite at one that is overloaded.
    """

    load: float
    stages: tuple[str, ...]
    modes: tuple[str, ...]
    assignment: Array
    share: Array
    stage_delay: Array

    def _lines(self) -> list[str]:
        """A line for the jobs, and one for each stage."""
        width = max(map(len, self.stages))
        return [
            "  jobs: "
            + ", ".join(f"{a:.4f} {m}" for a, m in zip(self.assignment, self.modes, strict=True)),
            *(
                f"  {name:<{width}}  for them {', '.join(f'{part:.4f}' for part in row)}  delay {delay:.6g}"
                for name, row, delay in zip(self.stages, self.share, self.stage_delay, strict=True)
            ),
        ]

    def _parts(self) -> dict[str, Any]:
        """Assignment, shares and delays by name, ready for JSON."""
        return {
            "assignment": dict(zip(self.modes, self.assignment.tolist(), strict=True)),
            "share": {
                s: dict(zip(self.modes, row, strict=True))
                for s, row in zip(self.stages, self.share.tolist(), strict=True)
            },
            "stage_delay": {
                s: finite_or_none(d) for s, d in zip(self.stages, self.stage_delay, strict=True)
            },
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class OperatingPoint(ModeSplit, CertifiedAnswer):
    """A certified operating point; `ModeSplit` and `CertifiedAnswer` say what else it has.

    Attributes
    ----------
    goal : {"partition", "assignment"}
        What was chosen: the partition alone, or the assignment of jobs with it.
    mean_delay : float
        Mean time of a job in the system.
    certificate : Bounds
        The least mean delay (of this assignment, or of all) lies between its bounds.
    """

    goal: Literal["partition", "assignment"]
    mean_delay: float
    certificate: Bounds

    times: ClassVar[tuple[str, ...]] = ("stage_delay", "mean_delay", "certificate")

    @property
    def p(self) -> float:
        """Part of the jobs in the first mode."""
        return float(self.assignment[0])

    @property
    def alpha(self) -> float:
        """Part of the first stage (the local server) for the first mode."""
        return float(self.share[0, 0])

    @property
    def beta(self) -> float:
        """Part of the last stage (the cloud server) for the first mode."""
        return float(self.share[-1, 0])

    def __repr__(self) -> str:
        what = "best partition" if self.goal == "partition" else "best assignment and partition"
        return "\n".join(
            [
                f"{what} at load {self.load:g}: mean delay {self.mean_delay:.9g}",
                f"  {self.proof}",
                *self._lines(),
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; all but the problem. What is infinite is None: JSON has no word for it."""
        return {"goal": self.goal, **self._parts(), **super().to_dict()}


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxLoad(CertifiedAnswer):
    """The largest load that the stages can carry, as the linear program says it; `CertifiedAnswer` says what else it has.

    Attributes
    ----------
    max_load : float
        Every smaller load can be carried with this assignment.
    assignment : ndarray, shape (M,)
        Part of the jobs that each mode gets there.
    price : ndarray, shape (S,)
        What the largest load gains by a relative increase of each stage's capacity, in parts of it; 0 for a stage that is no bottleneck.
    certificate : Bounds
        From the assignment below, from the prices above: weak duality.
    """

    max_load: float
    assignment: Array
    price: Array
    certificate: Bounds

    def __repr__(self) -> str:
        return f"largest load {self.max_load:.9g}, {self.proof}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; all but the problem."""
        return {
            "assignment": self.assignment.tolist(),
            "price": self.price.tolist(),
            **super().to_dict(),
        }
