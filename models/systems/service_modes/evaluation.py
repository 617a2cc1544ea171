"""Evaluation of a given operating point against the best partition, assignment or local part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference import service_modes as exact
from ....reference.errors import Array, InputError
from ....reference.service_modes.partition import divide, stage_delay
from ....reference.service_modes.stability import as_assignment, stage_spare_capacity
from ....reference.validation import as_fractions
from ...core.ratio import ROUNDING, BoundedValue, Ratio, excess, within
from ...core.solution import SUM, Evaluated, finite_or_none
from .operating_point import ASSIGNMENT_GAP, ModeSplit
from .partition import EPS, rounding_error

UNSTABLE = BoundedValue(np.inf, np.inf, np.inf)


@dataclass(frozen=True, eq=False, kw_only=True)
class OperatingEvaluation(ModeSplit, Evaluated):
    """Evaluation of a given operating point of S stages and M modes.

    The attributes of `ModeSplit` and `Evaluated`, and:

    Attributes
    ----------
    partition_delay : BoundedValue
        Least mean delay for this assignment, over all partitions (Theorem 3 of Jeff and Modiano);
        infinite where no partition is stable.
    partition_ratio : Ratio
        Mean delay divided by `partition_delay`.
    assignment_delay : BoundedValue
        Least mean delay over all assignments and partitions, by the exact method of
        `sojourn.reference.service_modes.assignment`.
    assignment_ratio : Ratio
        Mean delay divided by `assignment_delay`.
    """

    partition_delay: BoundedValue
    partition_ratio: Ratio
    assignment_delay: BoundedValue
    assignment_ratio: Ratio

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
        "fixed_delay",
        "mean_delay",
        "partition_delay",
        "assignment_delay",
    )

    @property
    def loss(self) -> BoundedValue:
        """Mean delay less the least one of all assignments, >= 0."""
        return excess(self.mean_delay, self.assignment_delay)

    def __repr__(self) -> str:
        lines = [f"operating point at load {self.load:g}: mean delay {self.mean_delay:.9g}"]
        if np.isfinite(self.partition_delay):
            ratio, least = f"{self.partition_ratio:.6g}", f"{self.partition_delay:.9g}"
            lines.append(f"  {ratio} times the least of this assignment, {least}")
        else:
            lines.append("  no partition carries this assignment")
        ratio, least = f"{self.assignment_ratio:.6g}", f"{self.assignment_delay:.9g}"
        proved = self.assignment_delay.lower
        if proved < (1 - ASSIGNMENT_GAP) * self.assignment_delay:
            found = f"the least that was found, {least}; no delay is below {proved:.9g}"
        else:
            found = f"the least of all, {least}"
        lines.append(f"  {ratio} times {found}")
        lines += self._lines()
        lines += [
            f"  unstable: the queue of {name} grows without bound" for name in self.overloaded
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; None stands for infinity."""
        return {**super().to_dict(), "fixed_delay": self.fixed_delay, **self._named_arrays()}


def evaluate(
    rates: exact.Modes,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    load: float,
    p: npt.ArrayLike,
    share: npt.ArrayLike | None,
) -> OperatingEvaluation:
    """Evaluate an operating point; see `MultiMode.evaluate`."""
    stages, modes = names
    assignment = as_assignment(rates, p)
    work, spare = assignment * rates.time, stage_spare_capacity(rates, load, assignment)
    fixed_delay, stable = float(assignment @ rates.delay), bool(np.all(spare > 0))
    best = divide(rates, load, assignment) if stable else None
    best_delay = UNSTABLE
    if best is not None:
        best_delay = within(best.mean_delay, float(rounding_error(spare)))
    if share is not None:
        given = _as_partition(share, stages, modes)
    elif best is not None:
        given = best.share
    else:  # no partition is stable: divide each stage in proportion to the work
        busy = work.sum(axis=1, keepdims=True)
        given = np.where(busy > 0, work / np.where(busy > 0, busy, 1.0), assignment)
    full = (work > 0) & (given <= load * work)
    mean_delay = best_delay
    if share is None and best is not None:
        delays = best.stage_delay
    else:
        delays = stage_delay(rates, load, assignment, given)
    if share is not None:
        served = (work > 0) & ~full
        relative = np.divide(given, given - load * work, out=np.ones_like(given), where=served)
        total = float(delays.sum()) + fixed_delay
        mean_delay = within(total, ROUNDING + 4 * EPS * float(relative.max()))
    assignment_delay = least_delay(rates, load)
    return OperatingEvaluation(
        load=load,
        stages=stages,
        modes=modes,
        assignment=assignment,
        share=given,
        stage_delay=delays,
        fixed_delay=fixed_delay,
        mean_delay=mean_delay,
        overloaded=tuple(f"{stages[s]}, {modes[m]}" for s, m in np.argwhere(full)),
        partition_delay=best_delay,
        partition_ratio=Ratio.to(mean_delay, best_delay),
        assignment_delay=assignment_delay,
        assignment_ratio=Ratio.to(mean_delay, assignment_delay),
    )


def least_delay(rates: exact.Modes, load: float) -> BoundedValue:
    """Return the least mean delay over all assignments and partitions, with its bounds."""
    best = exact.assignment(rates, load)
    rounding = float(rounding_error(stage_spare_capacity(rates, load, best.assignment)))
    value = within(best.mean_delay, rounding)
    if rates.modes == 2:  # the roots of a polynomial leave no gap
        return value
    return BoundedValue(value, best.lower_bound * (1 - rounding), value.upper)


def _as_partition(share: npt.ArrayLike, stages: tuple[str, ...], modes: tuple[str, ...]) -> Array:
    """Return shares as an array, shape (S, M), whose rows have sum 1."""
    given = as_fractions("share", share, "a stage")
    if given.shape != (len(stages), len(modes)):
        problem = f"is not an array of shape ({len(stages)}, {len(modes)})"
        remedy = f"give a row a stage ({', '.join(stages)}), a number a mode ({', '.join(modes)})"
        raise InputError("share", given.tolist(), problem, remedy)
    for s in np.flatnonzero(np.abs(given.sum(axis=1) - 1) > SUM):
        problem = f"adds up to {given[s].sum():.12g}, not to 1"
        remedy = f"give each mode its part of all of {stages[s]}"
        raise InputError(f"share[{s}]", given[s].tolist(), problem, remedy)
    return np.asarray(given / given.sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class TunableEvaluation(Evaluated):
    """Evaluation of a given local part of each job's work.

    The attributes of `Evaluated`, and:

    Attributes
    ----------
    f : float
        Part of each job's work done locally.
    stage_delay : ndarray, shape (2,)
        Mean time of a job at the servers "local" and "cloud".
    least_f : float
        Local part that minimises the mean delay (Theorem 1 of Jeff and Modiano).
    least_delay : BoundedValue
        Mean delay at `least_f`.
    ratio : Ratio
        Mean delay divided by `least_delay`, >= 1.
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
        """Mean delay less the least one, >= 0."""
        return excess(self.mean_delay, self.least_delay)

    def __repr__(self) -> str:
        local, cloud = self.stage_delay
        delay = f"mean delay {self.mean_delay:.9g}, {self.ratio:.6g} times the least"
        lines = [
            f"f = {self.f:.6g} at load {self.load:g}: {delay}",
            f"  the least is {self.least_delay:.9g}, at f = {self.least_f:.6g}",
            f"  delay {local:.6g} at the local server, {cloud:.6g} at the cloud",
        ]
        for name in self.overloaded:
            lines.append(f"  unstable: the queue of the {name} server grows without bound")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; None stands for infinity."""
        names = zip(("local", "cloud"), self.stage_delay, strict=True)
        delays = {name: finite_or_none(delay) for name, delay in names}
        return {**super().to_dict(), "f": self.f, "stage_delay": delays, "least_f": self.least_f}
