"""Convex models of queueing systems whose load must be split, with certified solutions."""

from sojourn.models.latency import (
    BPR,
    MD1,
    MG1,
    MG1PS,
    MM1,
    Cone,
    Constant,
    Function,
    Kingman,
    KraemerLangenbachBelz,
    Latency,
    MM1Percentile,
    MM1Setup,
    MM1Vacations,
    MMc,
    Polynomial,
    Tandem,
)
from sojourn.models.scenarios import load_scenario
from sojourn.models.solving import Certificate, FormulationError, NotCertifiedError, Solution, SolverNameError, certify
from sojourn.models.studies import verify
from sojourn.models.systems import DualMode, MultiMode, OperatingPoint, ParallelServers, TunableMode
from sojourn.models.systems.control import ControlledSplit, Tolls
from sojourn.models.systems.limits import Budget, Limit, MaxShare, MaxUtilisation, MinShare, Percentile
from sojourn.reference.errors import InputError, LoadError

__all__ = [
    "BPR",
    "MD1",
    "MG1",
    "MG1PS",
    "MM1",
    "Budget",
    "Certificate",
    "Cone",
    "Constant",
    "ControlledSplit",
    "DualMode",
    "FormulationError",
    "Function",
    "InputError",
    "Kingman",
    "KraemerLangenbachBelz",
    "Latency",
    "Limit",
    "LoadError",
    "MM1Percentile",
    "MM1Setup",
    "MM1Vacations",
    "MMc",
    "MaxShare",
    "MaxUtilisation",
    "MinShare",
    "MultiMode",
    "NotCertifiedError",
    "OperatingPoint",
    "ParallelServers",
    "Percentile",
    "Polynomial",
    "Solution",
    "SolverNameError",
    "Tandem",
    "Tolls",
    "TunableMode",
    "certify",
    "load_scenario",
    "verify",
]
