"""Closed forms and exact algorithms of parallel servers in numbers, by NumPy; no cones."""

from .anarchy import CandidateWorstCase, candidate_worst_case, price_of_anarchy, saturation_limit
from .control import Controlled, controlled, price_of_optimum
from .decisions.joint_sizes import JointSizes, joint_sizes
from .decisions.late_sizes import rates_for_late_share
from .decisions.sizes import SizedRates, rates_at_split
from .decisions.weights import WholeWeights, whole_delays, whole_weights
from .limits import LimitedSplit, limited_optimum
from .optimum_equilibrium import Split, equilibrium, optimum
from .sensitivity import Sensitivity, sensitivity
from .thresholds import Thresholds, thresholds
from .tolls import tolls
from .worst_case import WorstCase, worst_case

__all__ = [
    "CandidateWorstCase",
    "Controlled",
    "JointSizes",
    "LimitedSplit",
    "Sensitivity",
    "SizedRates",
    "Split",
    "Thresholds",
    "WholeWeights",
    "WorstCase",
    "candidate_worst_case",
    "controlled",
    "equilibrium",
    "joint_sizes",
    "limited_optimum",
    "optimum",
    "price_of_anarchy",
    "price_of_optimum",
    "rates_at_split",
    "rates_for_late_share",
    "saturation_limit",
    "sensitivity",
    "thresholds",
    "tolls",
    "whole_delays",
    "whole_weights",
    "worst_case",
]


def __dir__() -> list[str]:
    return sorted(__all__)
