"""Convex models of queueing systems whose load must be split, with certified solutions."""

from sojourn.models.latency import MD1, MG1, MM1, Cone, Latency
from sojourn.models.scenarios import load_scenario
from sojourn.models.solving import Certificate, FormulationError, NotCertifiedError, Solution, SolverNameError, certify
from sojourn.models.studies import verify
from sojourn.models.systems import ParallelServers
from sojourn.reference.errors import InputError, LoadError

__all__ = [
    "MD1",
    "MG1",
    "MM1",
    "Certificate",
    "Cone",
    "FormulationError",
    "InputError",
    "Latency",
    "LoadError",
    "NotCertifiedError",
    "ParallelServers",
    "Solution",
    "SolverNameError",
    "certify",
    "load_scenario",
    "verify",
]
