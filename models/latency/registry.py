"""Latency families by name: those of the library, and those that other packages add.

An installed package adds a family as an entry point of the group ``sojourn.latencies``.
"""

from __future__ import annotations

from ..core.registry import Registry
from .approximate import KraemerLangenbachBelz, MM1Setup
from .base import Latency
from .bpr import BPR
from .gg1 import MG1PS, Kingman, MM1Percentile, MM1Vacations
from .measured import Measured
from .mg1 import MD1, MG1, MM1
from .mmc import MMc
from .polynomial import Constant, Polynomial
from .tandem import Tandem

REGISTRY: Registry[type[Latency]] = Registry(
    "family",
    "servers",
    Latency,
    "sojourn.latencies",
    {
        "M/M/1": MM1,
        "M/D/1": MD1,
        "M/G/1": MG1,
        "M/M/c": MMc,
        "G/G/1": Kingman,
        "G/G/1-KLB": KraemerLangenbachBelz,
        "M/G/1-PS": MG1PS,
        "M/M/1-vacations": MM1Vacations,
        "M/M/1-setup": MM1Setup,
        "M/M/1-percentile": MM1Percentile,
        "tandem": Tandem,
        "polynomial": Polynomial,
        "constant": Constant,
        "BPR": BPR,
        "measured": Measured,
    },
)

register = REGISTRY.register
families = REGISTRY.all
names = REGISTRY.names
family_named = REGISTRY.named
