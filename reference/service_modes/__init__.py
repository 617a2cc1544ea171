"""The dual-mode and tunable-mode systems of Jeff and Modiano, in closed form."""

from sojourn.reference.dual_mode.assignment import Assignment, assignment, best_assignment
from sojourn.reference.dual_mode.breakaway import Breakaway, breakaway, light_load_assignment
from sojourn.reference.dual_mode.modes import Canonical, Modes, canonical
from sojourn.reference.dual_mode.partition import Decomposition, Partition, decompose, delay, mean_delay, partition
from sojourn.reference.dual_mode.regimes import Regime, Regimes, regime, regimes, touch_points
from sojourn.reference.dual_mode.segment import Segment, segment, segments
from sojourn.reference.dual_mode.stability import (
    Capacity,
    StablePoint,
    capacity,
    is_stable,
    stable_interval,
    stable_point,
)
from sojourn.reference.dual_mode.tunable import TunableMode

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
    "assignment",
    "best_assignment",
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
]
