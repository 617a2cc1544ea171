"""Parallel servers: n servers, each reached over a network delay, that share one stream of jobs."""

from .certificate import Certificate
from .control import ControlledSplit, Tolls
from .convex_limit import ConvexLimit, ConvexTerms
from .decisions.sizes.sized import SizedServers
from .decisions.sizes.targets import MeanDelay, RateBudget, ServerDelay
from .decisions.weights import WholeSplit
from .evaluation import Evaluation
from .game_curves import control_curve, players_curve
from .late_share import LateShare
from .limits import (
    Budget,
    GroupShare,
    MaxShare,
    MaxUtilisation,
    MinShare,
    ServerPercentile,
    register_limit,
)
from .linear_limit import Limit, LinearLimit
from .misspecification import misspecified_delays
from .solution import Solution
from .system import ParallelServers
from .worst_case import WorstCaseInterruptedError

__all__ = [
    "Budget",
    "Certificate",
    "ControlledSplit",
    "ConvexLimit",
    "ConvexTerms",
    "Evaluation",
    "GroupShare",
    "LateShare",
    "Limit",
    "LinearLimit",
    "MaxShare",
    "MaxUtilisation",
    "MeanDelay",
    "MinShare",
    "ParallelServers",
    "RateBudget",
    "ServerDelay",
    "ServerPercentile",
    "SizedServers",
    "Solution",
    "Tolls",
    "WholeSplit",
    "WorstCaseInterruptedError",
    "control_curve",
    "misspecified_delays",
    "players_curve",
    "register_limit",
]
