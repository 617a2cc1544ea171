"""Systems whose jobs pass several stages in one of several service modes.

`MultiMode` and `DualMode` have modes and divide the capacity of each stage between them;
`SharedModes` has stages that serve all modes by processor sharing;
`TunableMode` has one mode whose division of the work between two servers can be chosen.
"""

from .curve import delay_profile
from .dual_mode import DualMode
from .evaluation import OperatingEvaluation, TunableEvaluation
from .operating_point import MaxLoad, OperatingPoint
from .shared import (
    PriceOfReserving,
    SharedEvaluation,
    SharedModes,
    SharedSolution,
    SharedThresholds,
    SharedTolls,
)
from .system import MultiMode
from .tunable import TunableMode, TunableSolution

__all__ = [
    "DualMode",
    "MaxLoad",
    "MultiMode",
    "OperatingEvaluation",
    "OperatingPoint",
    "PriceOfReserving",
    "SharedEvaluation",
    "SharedModes",
    "SharedSolution",
    "SharedThresholds",
    "SharedTolls",
    "TunableEvaluation",
    "TunableMode",
    "TunableSolution",
    "delay_profile",
]
