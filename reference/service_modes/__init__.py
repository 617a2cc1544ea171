"""Service modes in numbers: those of Jeff and Modiano, and any number of modes, by NumPy."""

from .assignment import Assignment, assignment, best_assignment, best_assignments
from .breakaway import Breakaway, breakaway, light_load_assignment
from .capacity import Capacity, capacity
from .many_modes import Winner, winner
from .modes import Canonical, Modes, canonical
from .partition import Decomposition, Partition, decompose, delay, mean_delay, partition
from .pruning import useful
from .regimes import Regime, Regimes, regime, regimes, touch_points
from .segment import Segment, segment, segments
from .stability import StablePoint, is_stable, stable_interval, stable_point
from .tunable import TunableMode

__all__ = [
    "Assignment",
    "Breakaway",
    "Canonical",
    "Capacity",
    "Decomposition",
    "Modes",
    "Partition",
    "Regime",
    "Regimes",
    "Segment",
    "StablePoint",
    "TunableMode",
    "Winner",
    "assignment",
    "best_assignment",
    "best_assignments",
    "breakaway",
    "canonical",
    "capacity",
    "decompose",
    "delay",
    "is_stable",
    "light_load_assignment",
    "mean_delay",
    "partition",
    "regime",
    "regimes",
    "segment",
    "segments",
    "stable_interval",
    "stable_point",
    "touch_points",
    "useful",
    "winner",
]


def __dir__() -> list[str]:
    return sorted(__all__)
