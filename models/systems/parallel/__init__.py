"""Servers side by side that share one stream of jobs."""

from .certificate import Certificate
from .control import ControlledSplit, Tolls
from .evaluation import Evaluation
from .game_curves import control_curve, players_curve
from .limits import Budget, Limit, MaxShare, MaxUtilisation, MinShare, Percentile
from .misspecification import misjudged
from .solution import Solution
from .system import ParallelServers
from .worst_case import WorstCaseInterruptedError

__all__ = [
    "Budget",
    "Certificate",
    "ControlledSplit",
    "Evaluation",
    "Limit",
    "MaxShare",
    "MaxUtilisation",
    "MinShare",
    "ParallelServers",
    "Percentile",
    "Solution",
    "Tolls",
    "WorstCaseInterruptedError",
    "control_curve",
    "misjudged",
    "players_curve",
]
