"""Answers on stages that are shared by processor sharing, by the names of stages and modes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from .....reference.errors import Array
from ....core.ratio import Ratio
from ...routes.evaluation import RouteEvaluation
from ...routes.solution import LargestLoad, RouteSolution
from ...routes.tolls import RouteTolls
from .words import AssignedJobs

OF_MODES = ("mode_delay", "stage_delay")


class PriceOfReserving(Ratio):
    """Least mean delay of reserved stages over that of shared stages, with bounds."""

    __slots__ = ()


def parts_of(found: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name."""
    return {f.name: getattr(found, f.name) for f in fields(found)}


def _times(known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the fields that are times; a station latency has no unit here."""
    return (*(name for name in known if name != "station_latency"), *OF_MODES)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SharedSolution(AssignedJobs, RouteSolution):
    """Assignment of jobs to the modes of shared stages, found by a solver, with a certificate.

    It uses at most S of the modes, S + 1 with fixed delays, unless limits ask for more. The
    utilisations are unique; other assignments may have them too.

    It has the attributes of `RouteSolution`: ``goal``, ``players``, ``load``, ``mean_delay``,
    ``utilisation`` of each stage, ``mean_saving`` and ``largest_saving`` by other modes,
    ``certificate``, ``certified``, ``limits``, ...; and:

    Attributes
    ----------
    assignment : ndarray, shape (M,)
        Part of the jobs in each mode.
    mode_delay : ndarray, shape (M,)
        Mean delay of a job of each mode, also of unused ones, in units of time.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage, in units of time.
    mode_names : tuple of str
        Names of the M modes.
    """

    choices: ClassVar[str] = "modes"
    times: ClassVar[tuple[str, ...]] = _times(RouteSolution.times)

    def _numbers(self) -> dict[str, float]:
        """Return the floats by name; the multiple of the load 1 is the load itself."""
        return {name: v for name, v in super()._numbers().items() if name != "multiple"}


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedEvaluation(AssignedJobs, RouteEvaluation):
    """A given assignment of jobs to the modes of shared stages, compared with the best.

    It has the attributes of `RouteEvaluation`: ``mean_delay``, ``overloaded``, ``stable``,
    ``optimum_delay``, ``equilibrium_delay``, ``ratio``, ``loss``, ``mean_saving``,
    ``largest_saving``, ``utilisation``, ...; those of a mode that are in `SharedSolution`,
    ``assignment``, ``mode_delay`` and ``stage_delay``; and:

    Attributes
    ----------
    change : tuple of str, or None
        The mode that a user leaves, and that to which the user changes, to save
        ``largest_saving``; None where no user gains.
    """

    change: tuple[str, str] | None

    times: ClassVar[tuple[str, ...]] = _times(RouteEvaluation.times)

    def __repr__(self) -> str:
        lines = self._comparison("assignment")
        if self.change is not None:
            start, end = self.change
            lines.append(f"  a user saves {self.largest_saving:.6g} by a change: {start} to {end}")
        return "\n".join([*lines, *self._instability(), *self._lines()])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON; infinite numbers are None."""
        out = {k: v for k, v in super().to_dict().items() if k not in ("move", "residual")}
        change = (
            None if self.change is None else dict(zip(("from", "to"), self.change, strict=True))
        )
        return {**out, "change": change}


@dataclass(frozen=True, eq=False)
class SharedTolls(RouteTolls):
    """Tolls on the modes under which selfish users choose the optimum.

    It has the attributes of `RouteTolls`: ``optimum``, ``equilibrium``, ``mean_delay``,
    ``mean_toll``, ``certificate``, ``certified``; its ``toll`` of a stage is per unit of work
    there. And:

    Attributes
    ----------
    mode_names : tuple of str
        Names of the M modes.
    mode_toll : ndarray, shape (M,)
        Toll of each mode, in units of time: the work at each stage times its toll. It is the delay
        that a job of the mode adds to the other jobs.
    """

    mode_names: tuple[str, ...]
    mode_toll: Array

    times: ClassVar[tuple[str, ...]] = ("mode_toll", "mean_delay", "mean_toll", "certificate")

    def __repr__(self) -> str:
        width = max(map(len, self.mode_names))
        tolls = zip(self.mode_names, self.mode_toll, strict=True)
        lines = [f"  {name:<{width}}  toll {toll:.6g}" for name, toll in tolls]
        return "\n".join([self._head, *lines])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        stages = super().to_dict()
        tolls = dict(zip(self.mode_names, self.mode_toll.tolist(), strict=True))
        return {**stages, "toll": tolls, "stage_toll": stages["toll"]}


@dataclass(frozen=True, eq=False)
class SharedMaxLoad(LargestLoad):
    """The largest load that shared stages can carry: that of reserved stages.

    It has the attributes of `LargestLoad`, ``max_load`` with the bounds ``lower`` and ``upper``,
    ``limiting`` and ``price`` of the stages; and:

    Attributes
    ----------
    mode_names : tuple of str
        Names of the M modes.
    assignment : ndarray, shape (M,)
        Part of the jobs in each mode as the load tends to the largest.
    """

    mode_names: tuple[str, ...]
    assignment: Array

    def __repr__(self) -> str:
        used = [
            f"{part:.4f} {name}"
            for name, part in zip(self.mode_names, self.assignment, strict=True)
            if part > 0
        ]
        limiting = ", ".join(self.limiting)
        return (
            f"largest load {self.max_load:.9g}\n  limited by {limiting}\n  jobs: {', '.join(used)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON."""
        parts = dict(zip(self.mode_names, self.assignment.tolist(), strict=True))
        known = {k: v for k, v in super().to_dict().items() if k != "multiple"}
        return {**known, "assignment": parts}


def solution_of(found: RouteSolution, more: dict[str, Any]) -> SharedSolution:
    """Return an answer on routes with the attributes of modes."""
    return SharedSolution(**parts_of(found), **more)


def evaluation_of(found: RouteEvaluation, more: dict[str, Any]) -> SharedEvaluation:
    """Return an evaluation on routes with the attributes of modes."""
    names, delay = more["mode_names"], more["mode_delay"]
    change = None
    if found.move is not None:
        used = more["assignment"] > 0
        slowest = int(np.argmax(np.where(used, delay, -np.inf)))
        change = names[slowest], names[int(np.argmin(delay))]
    return SharedEvaluation(**parts_of(found), **more, change=change)
