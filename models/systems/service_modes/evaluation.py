"""What an operating point that somebody already has costs: against the best partition, the best assignment, the best local part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference import service_modes as exact
from ....reference.errors import Array, InputError
from ....reference.service_modes.partition import divide, stage_delay
from ....reference.service_modes.stability import as_assignment, slack
from ....reference.validation import as_fractions
from ...core.ratio import ROUNDING, BoundedValue, Ratio, excess, within
from ...core.solution import SUM, Evaluated, finite_or_none
from .operating_point import ModeSplit
from .partition import EPS, rounding

NEVER = BoundedValue(np.inf, np.inf, np.inf)


@dataclass(frozen=True, eq=False, kw_only=True)
class OperatingEvaluation(ModeSplit, Evaluated):
    """An operating point of S stages and M modes, judged; `ModeSplit` and `Evaluated` say what else it has.

    Attributes
    ----------
    partition_delay : Bounded
        Least mean delay for this assignment, over all partitions (Theorem 3); infinite where no partition is stable.
    partition_ratio : Ratio
        Mean delay over that.
    assignment_delay : Bounded or None
        Least mean delay over all assignments and partitions, in closed form, of two modes; None of another number.
    assignment_ratio : Ratio or None
        Mean delay over that.
    """

    partition_delay: BoundedValue
    partition_ratio: Ratio
    assignment_delay: BoundedValue | None
    assignment_ratio: Ratio | None

    bounded: ClassVar[tuple[str, ...]] = (
        "mean_delay",
        "partition_delay",
        "partition_ratio",
        "assignment_delay",
        "assignment_ratio",
        "loss",
    )
    times: ClassVar[tuple[str, ...]] = (
        "stage_delay",
        "mean_delay",
        "partition_delay",
        "assignment_delay",
    )

    @property
    def loss(self) -> BoundedValue:
        """Mean delay beyond the least: of all assignments with two modes, else of this one; >= 0."""
        return excess(self.mean_delay, self.assignment_delay or self.partition_delay)

    def __repr__(self) -> str:
        lines = [f"operating point at load {self.load:g}: mean delay {self.mean_delay:.9g}"]
        if np.isfinite(self.partition_delay):
            lines.append(
                f"  {self.partition_ratio:.6g} times the least of this assignment, {self.partition_delay:.9g}"
            )
        else:
            lines.append("  no partition carries this assignment")
        if self.assignment_delay is not None:
            lines.append(
                f"  {self.assignment_ratio:.6g} times the least of all, {self.assignment_delay:.9g}"
            )
        return "\n".join(
            lines
            + self._lines()
            + [f"  unstable: the queue of {name} grows without bound" for name in self.overloaded]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON. What is infinite is None: JSON has no word for it."""
        return {**super().to_dict(), **self._parts()}


def evaluate(
    rates: exact.Modes,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    load: float,
    p: npt.ArrayLike,
    share: npt.ArrayLike | None,
) -> OperatingEvaluation:
    """Judge an operating point; see `MultiMode.evaluate`."""
    stages, modes = names
    parts = as_assignment(rates, p)
    work, left = parts * rates.time, slack(rates, load, parts)
    keeps_up = bool(np.all(left > 0))
    least = divide(rates, load, parts) if keeps_up else None
    best = within(least.mean_delay, float(rounding(left))) if least is not None else NEVER
    if share is not None:
        given = _partition(share, stages, modes)
    elif least is not None:
        given = least.share
    else:  # each mode the same time too little
        busy = work.sum(axis=1, keepdims=True)
        given = np.where(busy > 0, work / np.where(busy > 0, busy, 1.0), parts)
    full = (work > 0) & (given <= load * work)
    each = (
        least.stage_delay
        if share is None and least is not None
        else stage_delay(rates, load, parts, given)
    )
    filled = np.divide(
        given, given - load * work, out=np.ones_like(given), where=(work > 0) & ~full
    )
    delay = (
        best
        if share is None
        else within(float(each.sum()), ROUNDING + 4 * EPS * float(filled.max()))
    )
    of_all, ratio = None, None
    if len(modes) == 2:
        point = exact.assignment(rates, load)
        of_all = within(point.mean_delay, float(rounding(slack(rates, load, point.assignment))))
        ratio = Ratio.to(delay, of_all)
    return OperatingEvaluation(
        load=load,
        stages=stages,
        modes=modes,
        assignment=parts,
        share=given,
        stage_delay=each,
        mean_delay=delay,
        overloaded=tuple(f"{stages[s]}, {modes[m]}" for s, m in np.argwhere(full)),
        partition_delay=best,
        partition_ratio=Ratio.to(delay, best),
        assignment_delay=of_all,
        assignment_ratio=ratio,
    )


def _partition(share: npt.ArrayLike, stages: tuple[str, ...], modes: tuple[str, ...]) -> Array:
    """Part of each stage for each mode; each row adds up to 1."""
    given = as_fractions("share", share, "a stage")
    if given.shape != (len(stages), len(modes)):
        remedy = f"give a row a stage ({', '.join(stages)}), a number a mode ({', '.join(modes)})"
        raise InputError(
            "share",
            given.tolist(),
            f"is not an array of shape ({len(stages)}, {len(modes)})",
            remedy,
        )
    for s in np.flatnonzero(np.abs(given.sum(axis=1) - 1) > SUM):
        problem = f"adds up to {given[s].sum():.12g}, not to 1"
        raise InputError(
            f"share[{s}]",
            given[s].tolist(),
            problem,
            f"give each mode its part of all of {stages[s]}",
        )
    return np.asarray(given / given.sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class TunableEvaluation(Evaluated):
    """A local part of each job's work, judged; `Evaluated` says what else it has.

    Attributes
    ----------
    f : float
        Part of each job's work done locally.
    stage_delay : ndarray, shape (2,)
        Mean time of a job at the servers "local" and "cloud".
    least_f : float
        The local part of least delay; Theorem 1.
    least_delay : Bounded
        Its mean delay.
    ratio : Ratio
        Mean delay over the least, >= 1.
    """

    f: float
    stage_delay: Array
    least_f: float
    least_delay: BoundedValue
    ratio: Ratio

    bounded: ClassVar[tuple[str, ...]] = ("mean_delay", "least_delay", "ratio", "loss")
    times: ClassVar[tuple[str, ...]] = ("stage_delay", "mean_delay", "least_delay")

    @property
    def loss(self) -> BoundedValue:
        """Mean delay beyond the least, >= 0."""
        return excess(self.mean_delay, self.least_delay)

    def __repr__(self) -> str:
        head = f"f = {self.f:.6g} at load {self.load:g}: mean delay {self.mean_delay:.9g}, {self.ratio:.6g} times the least"
        lines = [head, f"  the least is {self.least_delay:.9g}, at f = {self.least_f:.6g}"]
        lines.append(
            "  delay {:.6g} at the local server, {:.6g} at the cloud".format(*self.stage_delay)
        )
        return "\n".join(
            lines
            + [
                f"  unstable: the queue of the {name} server grows without bound"
                for name in self.overloaded
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON. What is infinite is None: JSON has no word for it."""
        delays = {
            s: finite_or_none(d) for s, d in zip(("local", "cloud"), self.stage_delay, strict=True)
        }
        return {**super().to_dict(), "f": self.f, "stage_delay": delays, "least_f": self.least_f}
