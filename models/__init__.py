"""Convex models of queueing systems whose load must be split, with certified solutions.

A name is imported when it is first used, so that ``sojourn --help`` does not wait for CVXPY.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what follows is what a type checker sees; `__getattr__` does the same when the program runs
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
        LatencyCheckError,
        LatencyReport,
        Measured,
        MM1Percentile,
        MM1Setup,
        MM1Vacations,
        MMc,
        Polynomial,
        Tandem,
        check_latency,
        families,
        register,
    )
    from sojourn.models.scenarios import load_scenario
    from sojourn.models.solving import Certificate, FormulationError, NotCertifiedError, PriceOfAnarchy, Solution, SolverNameError
    from sojourn.models.studies import load_study, study, verify
    from sojourn.models.systems import DualMode, Evaluation, MultiMode, OperatingEvaluation, OperatingPoint, ParallelServers, TunableMode
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
    "Evaluation",
    "FormulationError",
    "Function",
    "InputError",
    "Kingman",
    "KraemerLangenbachBelz",
    "Latency",
    "LatencyCheckError",
    "LatencyReport",
    "Limit",
    "LoadError",
    "MM1Percentile",
    "MM1Setup",
    "MM1Vacations",
    "MMc",
    "MaxShare",
    "MaxUtilisation",
    "Measured",
    "MinShare",
    "MultiMode",
    "NotCertifiedError",
    "OperatingEvaluation",
    "OperatingPoint",
    "ParallelServers",
    "Percentile",
    "Polynomial",
    "PriceOfAnarchy",
    "Solution",
    "SolverNameError",
    "Tandem",
    "Tolls",
    "TunableMode",
    "check_latency",
    "families",
    "load_scenario",
    "load_study",
    "register",
    "study",
    "verify",
]


# where the names are from: no module imports one that comes after it, so that looking in turn imports nothing in vain
HOMES = (
    "sojourn.reference.errors",
    "sojourn.models.latency",
    "sojourn.models.solving",
    "sojourn.models.systems",
    "sojourn.models.systems.control",
    "sojourn.models.systems.limits",
    "sojourn.models.scenarios",
    "sojourn.models.studies",
)

if not TYPE_CHECKING:  # else it would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a name, or one of the folders above, when it is first used (PEP 562)."""
        if f"{__name__}.{name}" in HOMES:
            return importlib.import_module(f"{__name__}.{name}")
        for home in HOMES if name in __all__ else ():
            module = importlib.import_module(home)
            if hasattr(module, name):
                globals()[name] = getattr(module, name)
                return globals()[name]
        # with these two arguments Python itself says which name may have been meant
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
