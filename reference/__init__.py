"""Closed forms and exact algorithms in NumPy and SciPy: what the convex models are checked against."""

from sojourn.reference.anarchy import CandidateWorstCase, candidate_worst_case, price_of_anarchy, saturation_limit
from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.parallel import Split, Thresholds, equilibrium, optimum, thresholds
from sojourn.reference.queues import MD1, MG1, MM1, Pool, Queue

__all__ = [
    "MD1",
    "MG1",
    "MM1",
    "CandidateWorstCase",
    "InputError",
    "LoadError",
    "Pool",
    "Queue",
    "Split",
    "Thresholds",
    "candidate_worst_case",
    "equilibrium",
    "optimum",
    "price_of_anarchy",
    "saturation_limit",
    "thresholds",
]
