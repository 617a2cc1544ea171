"""Jobs that pass several stages in one of several service modes: which mode, and how much of each stage for it."""

from .curve import profile
from .dual_mode import DualMode
from .evaluation import OperatingEvaluation, TunableEvaluation
from .operating_point import MaxLoad, OperatingPoint
from .system import MultiMode
from .tunable import TunableMode, TunableSolution

__all__ = [
    "DualMode",
    "MaxLoad",
    "MultiMode",
    "OperatingEvaluation",
    "OperatingPoint",
    "TunableEvaluation",
    "TunableMode",
    "TunableSolution",
    "profile",
]
