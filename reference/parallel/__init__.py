"""Closed forms and exact algorithms of parallel servers in numbers, by NumPy; no cones."""

from .anarchy import CandidateWorstCase, candidate_worst_case, price_of_anarchy, saturation_limit
from .control import Controlled, controlled, price_of_optimum
from .decisions.day_rates import DayRates, rates_for_flows
from .decisions.day_sizes import rates_for_day
from .decisions.joint_sizes import JointSizes, joint_sizes
from .decisions.late_sizes import rates_for_late_share
from .decisions.percentile import (
    LeastLateShare,
    LeastPercentile,
    least_late_share,
    least_percentile,
    percentile_of,
)
from .decisions.sizes import SizedRates, rates_at_split
from .decisions.staffed_pools import StaffedNumbers, staff_pools
from .decisions.staffed_split import StaffedSplit, staff_split
from .decisions.staffing import least_servers
from .decisions.tail_sizes import rates_for_targets
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
    "DayRates",
    "JointSizes",
    "LeastLateShare",
    "LeastPercentile",
    "LimitedSplit",
    "Sensitivity",
    "SizedRates",
    "Split",
    "StaffedNumbers",
    "StaffedSplit",
    "Thresholds",
    "WholeWeights",
    "WorstCase",
    "candidate_worst_case",
    "controlled",
    "equilibrium",
    "joint_sizes",
    "least_late_share",
    "least_percentile",
    "least_servers",
    "limited_optimum",
    "optimum",
    "percentile_of",
    "price_of_anarchy",
    "price_of_optimum",
    "rates_at_split",
    "rates_for_day",
    "rates_for_flows",
    "rates_for_late_share",
    "rates_for_targets",
    "saturation_limit",
    "sensitivity",
    "staff_pools",
    "staff_split",
    "thresholds",
    "tolls",
    "whole_delays",
    "whole_weights",
    "worst_case",
]


def __dir__() -> list[str]:
    return sorted(__all__)
