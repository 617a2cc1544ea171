"""The assignment of jobs to modes in words and records: what answers on shared stages show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .....reference.errors import Array
from .....reference.plural import counted
from .....reference.service_modes import Modes
from .....reference.service_modes.shared.routed import assignment_of, mode_delay
from ....core.solution import finite_or_none
from ...routes.flows import SHOWN, RoutedFlows


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class AssignedJobs(RoutedFlows):
    """Jobs over M modes at S shared stages; base class of answers and evaluations.

    The attributes of `RoutedFlows` speak of stages as stations and of modes as routes: a station
    flow is a utilisation, a station latency the time in the stage per unit of work there. And:

    Attributes
    ----------
    mode_names : tuple of str
        Names of the M modes.
    assignment : ndarray, shape (M,)
        Part of the jobs in each mode.
    mode_delay : ndarray, shape (M,)
        Mean delay of a job of each mode, also of unused ones, in units of time.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage, in units of time; infinite at an overloaded stage.
    """

    mode_names: tuple[str, ...]
    assignment: Array
    mode_delay: Array
    stage_delay: Array

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the S stages."""
        return self.station_names

    @property
    def modes(self) -> tuple[str, ...]:
        """Names of the M modes."""
        return self.mode_names

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the modes with jobs."""
        return tuple(self.mode_names[m] for m in np.flatnonzero(self.assignment > 0))

    @property
    def p(self) -> float:
        """Part of the jobs in the first mode."""
        return float(self.assignment[0])

    def _lines(self) -> list[str]:
        """Return a line of text for each used mode and each stage, and one for other modes."""
        names = (*self.used, *self.station_names)
        width = max(map(len, names))
        order = np.argsort(-self.assignment, kind="stable")
        used = sorted(m for m in order[:SHOWN] if self.assignment[m] > 0)
        lines = [
            f"  {self.mode_names[m]:<{width}}  part {self.assignment[m]:.4f}"
            f"  delay {self.mode_delay[m]:.6g}"
            for m in used
        ]
        idle = np.flatnonzero(self.assignment <= 0)
        hidden = int((self.assignment > 0).sum()) - len(used)
        lines += [f"  ... and {counted(hidden, 'more mode')} with jobs"] * (hidden > 0)
        if idle.size:
            m = idle[np.argmin(self.mode_delay[idle])]
            fastest = f"the fastest is {self.mode_names[m]} with delay {self.mode_delay[m]:.6g}"
            lines.append(f"  no jobs in {counted(idle.size, 'mode')}: {fastest}")
        stages = zip(self.station_names, self.utilisation, self.stage_delay, strict=True)
        return lines + [
            f"  {name:<{width}}  utilisation {busy:.4f}  delay {delay:.6g}"
            for name, busy, delay in stages
        ]

    def _records(self) -> dict[str, list[dict[str, Any]]]:
        """Return a record for each stage and for each mode, ready for JSON."""
        stages = zip(self.station_names, self.utilisation.tolist(), self.stage_delay, strict=True)
        modes = zip(self.mode_names, self.assignment.tolist(), self.mode_delay, strict=True)
        return {
            "stages": [
                {"name": name, "utilisation": busy, "delay": finite_or_none(delay)}
                for name, busy, delay in stages
            ],
            "modes": [
                {"name": name, "assignment": part, "delay": finite_or_none(delay)}
                for name, part, delay in modes
            ],
        }


def jobs_of(rates: Modes, modes: tuple[str, ...], found: RoutedFlows) -> dict[str, Any]:
    """Return the attributes that `AssignedJobs` adds to flows over the routes of modes.

    Parameters
    ----------
    rates : Modes
        The works and fixed delays.
    modes : tuple of str
        Names of the modes.
    found : RoutedFlows
        Flows over the routes.
    """
    parts, stretch = assignment_of(rates, found.route_flow), found.station_latency
    with np.errstate(invalid="ignore"):  # no work at a full stage takes no time
        work = rates.time @ parts
        at_stages = np.where(work > 0, work * stretch, 0.0)
    return {
        "mode_names": modes,
        "assignment": parts,
        "mode_delay": mode_delay(rates, stretch),
        "stage_delay": at_stages,
    }
