"""The problem statements: one system a file or folder."""

from sojourn.models.systems.dual_mode import DualMode, MaxLoad, MultiMode, OperatingPoint, TunableMode, TunableSolution
from sojourn.models.systems.dual_mode.evaluation import OperatingEvaluation, TunableEvaluation
from sojourn.models.systems.evaluation import Evaluation
from sojourn.models.systems.parallel import ParallelServers

__all__ = [
    "DualMode",
    "Evaluation",
    "MaxLoad",
    "MultiMode",
    "OperatingEvaluation",
    "OperatingPoint",
    "ParallelServers",
    "TunableEvaluation",
    "TunableMode",
    "TunableSolution",
]
