"""The problem statements: one system a file or folder."""

from sojourn.models.systems.dual_mode import DualMode, MaxLoad, MultiMode, OperatingPoint, TunableMode, TunableSolution
from sojourn.models.systems.parallel import ParallelServers

__all__ = ["DualMode", "MaxLoad", "MultiMode", "OperatingPoint", "ParallelServers", "TunableMode", "TunableSolution"]
