"""Closed forms and exact algorithms in NumPy and SciPy: what the convex models are checked against."""

from sojourn.reference.anarchy import CandidateWorstCase, candidate_worst_case, price_of_anarchy, saturation_limit
from sojourn.reference.control import Controlled, controlled, price_of_optimum
from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.limited import LimitedSplit, limited_optimum
from sojourn.reference.mg1 import MD1, MG1, MM1
from sojourn.reference.parallel import Split, Thresholds, equilibrium, optimum, thresholds
from sojourn.reference.queues import Pool, Queue
from sojourn.reference.sensitivity import Sensitivity, sensitivity
from sojourn.reference.tolls import tolls
from sojourn.reference.worst_case import WorstCase, worst_case

__all__ = [
    "MD1",
    "MG1",
    "MM1",
    "CandidateWorstCase",
    "Controlled",
    "InputError",
    "LimitedSplit",
    "LoadError",
    "Pool",
    "Queue",
    "Sensitivity",
    "Split",
    "Thresholds",
    "WorstCase",
    "candidate_worst_case",
    "controlled",
    "equilibrium",
    "limited_optimum",
    "optimum",
    "price_of_anarchy",
    "price_of_optimum",
    "saturation_limit",
    "sensitivity",
    "thresholds",
    "tolls",
    "worst_case",
]
