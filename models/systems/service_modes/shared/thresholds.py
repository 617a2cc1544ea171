"""The modes in use at every load, at the optimum and at the equilibrium, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .....reference.errors import Array
from .....reference.html_table import HtmlTable
from .....reference.service_modes.shared import ModesInUse
from .....reference.validation import as_float, check_choice
from ....core.solution import finite_or_none
from ...parallel.prices import GOALS, Goal


@dataclass(frozen=True, eq=False)
class SharedThresholds(HtmlTable):
    """Loads at which the modes in use change, at the optimum and at the equilibrium.

    Attributes
    ----------
    optimum, equilibrium : ModesInUse
        The modes in use, as indices, at the smallest load and from each threshold on, with proved
        bounds of the thresholds.
    mode_names : tuple of str
        Names of the M modes.
    """

    optimum: ModesInUse
    equilibrium: ModesInUse
    mode_names: tuple[str, ...]

    @property
    def certified(self) -> bool:
        """Whether the bounds of all thresholds are as close as asked for."""
        return self.optimum.certified and self.equilibrium.certified

    @property
    def optimum_loads(self) -> Array:
        """Thresholds of the optimum, jobs per unit of time."""
        return self.optimum.loads

    @property
    def equilibrium_loads(self) -> Array:
        """Thresholds of the equilibrium, jobs per unit of time."""
        return self.equilibrium.loads

    def used(self, goal: Goal, load: float) -> tuple[str, ...] | None:
        """Return the names of the modes in use at a load; None within bounds of a threshold."""
        check_choice("goal", goal, GOALS, "use optimum or equilibrium")
        used = getattr(self, goal).at(as_float("load", load))
        return None if used is None else self._named(used)

    def _named(self, modes: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self.mode_names[m] for m in modes)

    def __repr__(self) -> str:
        state = "certified" if self.certified else "NOT CERTIFIED"
        gap = max(self.optimum.gap, self.equilibrium.gap)
        lines = [f"modes in use up to load {self.optimum.high:.6g}, {state} within {gap:.0e}"]
        for goal in GOALS:
            found: ModesInUse = getattr(self, goal)
            lines.append(f"  {goal}: {', '.join(self._named(found.first))}")
            lines += [
                f"    from load {t.load:.9g}: {', '.join(self._named(t.after))}"
                for t in found.thresholds
            ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        return {"certified": self.certified, **{goal: self._record(goal) for goal in GOALS}}

    def _record(self, goal: str) -> dict[str, Any]:
        found: ModesInUse = getattr(self, goal)
        return {
            "first": list(self._named(found.first)),
            "players": finite_or_none(found.players),
            "low": found.low,
            "high": found.high,
            "gap": found.gap,
            "certified": found.certified,
            "thresholds": [
                {
                    "load": t.load,
                    "lower": t.lower,
                    "upper": t.upper,
                    "used": list(self._named(t.after)),
                }
                for t in found.thresholds
            ],
        }
