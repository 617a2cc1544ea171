"""Service modes in numbers: those of Jeff and Modiano, and any number of modes, by NumPy."""

from .assignment import Assignment, assignment, best_assignment, best_assignments
from .breakaway import Breakaway, breakaway, light_load_assignment
from .breakaways import Breakaways, ModeChange, breakaways
from .capacity import Capacity, capacity
from .light_load import assignment_at_light_load
from .many_modes import Winner, winner
from .modes import Canonical, Modes, canonical
from .partition import Decomposition, Partition, decompose, delay, mean_delay, partition
from .pruning import useful
from .regimes import Regime, Regimes, regime, regimes, touch_points
from .saturation import Saturation, modes_at_saturation
from .segment import Segment, segment, segments
from .stability import StablePoint, is_stable, stable_interval, stable_point
from .tunable import TunableMode

__all__ = [
    "Assignment",
    "Breakaway",
    "Breakaways",
    "Canonical",
    "Capacity",
    "Decomposition",
    "ModeChange",
    "Modes",
    "Partition",
    "Regime",
    "Regimes",
    "Saturation",
    "Segment",
    "StablePoint",
    "TunableMode",
    "Winner",
    "assignment",
    "assignment_at_light_load",
    "best_assignment",
    "best_assignments",
    "breakaway",
    "breakaways",
    "canonical",
    "capacity",
    "decompose",
    "delay",
    "is_stable",
    "light_load_assignment",
    "mean_delay",
    "modes_at_saturation",
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
