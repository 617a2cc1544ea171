"""Closed forms and exact algorithms of parallel servers in numbers, by NumPy; no cones."""

from .anarchy import CandidateWorstCase, candidate_worst_case, price_of_anarchy, saturation_limit
from .control import Controlled, controlled, price_of_optimum
from .decisions.percentile import (
    LeastLateShare,
    LeastPercentile,
    least_late_share,
    least_percentile,
    percentile_of,
)
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
    "LeastLateShare",
    "LeastPercentile",
    "LimitedSplit",
    "Sensitivity",
    "Split",
    "Thresholds",
    "WholeWeights",
    "WorstCase",
    "candidate_worst_case",
    "controlled",
    "equilibrium",
    "least_late_share",
    "least_percentile",
    "limited_optimum",
    "optimum",
    "percentile_of",
    "price_of_anarchy",
    "price_of_optimum",
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
