"""Convex models of queueing systems whose load must be split, with certified solutions."""

from sojourn.models.latency import MD1, MG1, MM1, Cone, Latency
from sojourn.models.scenarios import load_scenario
from sojourn.models.solving import Certificate, FormulationError, NotCertifiedError, Solution, SolverNameError, certify
from sojourn.models.studies import verify
from sojourn.models.systems import DualMode, MultiMode, OperatingPoint, ParallelServers, TunableMode
from sojourn.models.systems.control import ControlledSplit, Tolls
from sojourn.models.systems.limits import Budget, Limit, MaxShare, MaxUtilisation, MinShare, Percentile
from sojourn.reference.errors import InputError, LoadError

__all__ = [
    "MD1",
    "MG1",
    "MM1",
    "Budget",
    "Certificate",
    "Cone",
    "ControlledSplit",
    "DualMode",
    "FormulationError",
    "InputError",
    "Latency",
    "Limit",
    "LoadError",
    "MaxShare",
    "MaxUtilisation",
    "MinShare",
    "MultiMode",
    "NotCertifiedError",
    "OperatingPoint",
    "ParallelServers",
    "Percentile",
    "Solution",
    "SolverNameError",
    "Tolls",
    "TunableMode",
    "certify",
    "load_scenario",
    "verify",
]
