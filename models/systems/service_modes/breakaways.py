"""Every load at which the best assignment changes its modes, each load with a certificate."""

from __future__ import annotations

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

PART = 16  # loads between two steps of the progress bar


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
        return "\n".join([head, *(lines or ["  none"])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        return {
            "changes": [self._plain(change) for change in self.changes],
            "examined_loads": self.loads.tolist(),
            "gap": self.gap,
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
    """

    def examine(some: Array) -> Examined:
        parts = [some[at : at + PART] for at in range(0, some.size, PART)]
        rows = [_certified(task, part) for part in track(parts, "loads", len)]
        columns = ([getattr(r, name) for r in rows] for name in FIELDS)
        return Examined(*(np.concatenate(column) for column in columns))

    found = search(modes, loads, examine)
    return CertifiedBreakaways(found.changes, found.loads, found.gap, names)


FIELDS = ("assignment", "mean_delay", "lower_bound")


def _certified(task: Task[Any, OperatingPoints, OperatingPoint], loads: Array) -> OperatingPoints:
    """Return certified answers at loads; NotCertifiedError at the first load without one."""
    rows = task.solve(loads)
    for k in np.flatnonzero(~rows.certified):
        rows.put(np.array([k]), task.certified(loads[k : k + 1]).values(slice(None)))
    return rows
