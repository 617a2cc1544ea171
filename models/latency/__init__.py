"""What a server costs: one family a file, its numbers and its cones."""

from sojourn.models.latency.approximate import KraemerLangenbachBelz, MM1Setup
from sojourn.models.latency.base import Latency, LatencyPool
from sojourn.models.latency.check import LatencyCheckError, LatencyReport, PropertyCheck, check_latency
from sojourn.models.latency.cone import Cone
from sojourn.models.latency.function import Function
from sojourn.models.latency.gg1 import MG1PS, Kingman, MM1Percentile, MM1Vacations
from sojourn.models.latency.measured import Measured
from sojourn.models.latency.mg1 import MD1, MG1, MM1
from sojourn.models.latency.mmc import MMc
from sojourn.models.latency.polynomial import BPR, Constant, Polynomial
from sojourn.models.latency.registry import families, register
from sojourn.models.latency.tandem import Tandem

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
    "LatencyPool",
    "LatencyReport",
    "MM1Percentile",
    "MM1Setup",
    "MM1Vacations",
    "MMc",
    "Measured",
    "Polynomial",
    "PropertyCheck",
    "Tandem",
    "check_latency",
    "families",
    "register",
]
