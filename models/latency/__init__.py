"""Latency families: banks of servers as numbers and as CVXPY cones, and their base class."""

from .approximate import KraemerLangenbachBelz, MM1Setup
from .base import Latency, MixedLatency
from .bpr import BPR
from .check import LatencyCheckError, LatencyReport, PropertyCheck, check_latency
from .cone import Cone
from .function import Function
from .gg1 import MG1PS, Kingman, MM1Percentile, MM1Vacations
from .measured import Measured
from .mg1 import MD1, MG1, MM1
from .mmc import MMc
from .polynomial import Constant, Polynomial
from .registry import families, register
from .tandem import Tandem

__all__ = [
    "BPR",
    "MD1",
    "MG1",
    "MG1PS",
    "MM1",
    "Cone",
    "Constant",
    "Function",
    "Kingman",
    "KraemerLangenbachBelz",
    "Latency",
    "LatencyCheckError",
    "LatencyReport",
    "MM1Percentile",
    "MM1Setup",
    "MM1Vacations",
    "MMc",
    "Measured",
    "MixedLatency",
    "Polynomial",
    "PropertyCheck",
    "Tandem",
    "check_latency",
    "families",
    "register",
]
