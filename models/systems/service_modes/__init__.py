"""Jobs that pass several stages in one of several service modes: which mode, and how much of each stage for it."""

from sojourn.models.systems.dual_mode.dual_mode import DualMode
from sojourn.models.systems.dual_mode.multi_mode import MultiMode
from sojourn.models.systems.dual_mode.operating_point import MaxLoad, OperatingPoint
from sojourn.models.systems.dual_mode.tunable import TunableMode, TunableSolution

__all__ = ["DualMode", "MaxLoad", "MultiMode", "OperatingPoint", "TunableMode", "TunableSolution"]
