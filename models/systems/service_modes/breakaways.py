"""Every load at which the best assignment changes its modes, each load with a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Breakaways, ModeChange, Modes
from ....reference.service_modes.breakaways import Examined, search
from ...core.progress import track
from ...core.solve import Task
from .operating_point import OperatingPoint
from .questions import OperatingPoints


@dataclass(frozen=True, eq=False, repr=False)
class CertifiedBreakaways(Breakaways):
    """Changes of the set of used modes in the order of their loads, a sequence of `ModeChange`.

    Attributes
    ----------
    changes : tuple of ModeChange
        Loads, used modes and assignments.
    loads : ndarray
        Loads whose best assignment was certified, ascending.
    gap : float
        Largest relative gap between the delay and its certified lower bound at these loads.
    left : tuple of (float, float)
        Intervals of loads in which the limit of time left no search for changes.
    modes : tuple of str
        Names of the modes.
    shares : str
        What this search has in common with that of the reference.
    """

    modes: tuple[str, ...] = field(default=())
    shares: ClassVar[str] = (
        "the search for the loads between certified best assignments; "
        "the best assignments at the loads of the scan are certified by the models"
    )

    def names(self, used: tuple[int, ...]) -> str:
        """Return the names of modes, such as ``"cloud + device"``."""
        return " + ".join(self.modes[m] for m in used)

    def __repr__(self) -> str:
        first, last = self.loads[[0, -1]]
        head = f"changes of the modes in use between the loads {first:.6g} and {last:.6g}"
        lines = [
            f"  {c.load:.9g}: {self.names(c.used_before)} -> {self.names(c.used_after)}, "
            + (f"a jump of {c.jump:.4g}" if c.jump else "no jump")
            for c in self.changes
        ]
        left = [f"  not searched: {low:.6g} to {high:.6g}" for low, high in self.left]
        return "\n".join([head, *(lines or ["  none"]), *left])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        return {
            "changes": [self._plain(change) for change in self.changes],
            "examined_loads": self.loads.tolist(),
            "gap": self.gap,
            "left": [list(interval) for interval in self.left],
        }

    def _plain(self, change: ModeChange) -> dict[str, Any]:
        used = {"before": change.used_before, "after": change.used_after}
        parts = {"before": change.before, "after": change.after}
        return {
            "load": change.load,
            "jump": change.jump,
            **{
                side: {self.modes[m]: float(parts[side][m]) for m in modes}
                for side, modes in used.items()
            },
        }


def breakaways(
    modes: Modes,
    names: tuple[str, ...],
    loads: Array,
    task: Task[Any, OperatingPoints, OperatingPoint],
    seconds: float,
) -> CertifiedBreakaways:
    """Return the changes of the set of used modes between loads.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    names : tuple of str
        Names of the modes.
    loads : ndarray
        Loads of the scan, ascending.
    task : Task
        Task of the best assignment.
    seconds : float
        Limit of time.
    """

    def examine(some: Array) -> Examined:
        rows = _certified(task, some)
        return Examined(rows.assignment, rows.mean_delay, rows.lower_bound)

    def shown(blocks: Iterator[Array]) -> Iterator[Array]:
        return track(blocks, "loads", len, loads.size)

    found = search(modes, loads, examine, seconds, shown)
    return CertifiedBreakaways(found.changes, found.loads, found.gap, found.left, names)


def _certified(task: Task[Any, OperatingPoints, OperatingPoint], loads: Array) -> OperatingPoints:
    """Return certified answers at loads; NotCertifiedError at the first load without one."""
    rows = task.solve(loads)
    for k in np.flatnonzero(~rows.certified):
        rows.put(np.array([k]), task.certified(loads[k : k + 1]).values(slice(None)))
    return rows
