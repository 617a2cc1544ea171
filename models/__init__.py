"""Convex models of queueing systems whose load must be split, with certified solutions.

A name is imported when it is first used, so that ``sojourn --help`` does not wait for CVXPY.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if (
    TYPE_CHECKING
):  # what follows is what a type checker sees; `__getattr__` does the same when the program runs
    from ..reference.errors import InputError, LoadError
    from .core.errors import FormulationError, NotCertifiedError, SolverNameError
    from .core.ratio import PriceOfAnarchy
    from .frontend.kinds import SystemKind, register_system
    from .frontend.loader import load_scenario
    from .latency import (
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
    from .studies import load_study, study, verify
    from .systems.parallel import (
        Budget,
        Certificate,
        ControlledSplit,
        Evaluation,
        GroupShare,
        Limit,
        LinearLimit,
        MaxShare,
        MaxUtilisation,
        MinShare,
        ParallelServers,
        ServerPercentile,
        Solution,
        Tolls,
        register_limit,
    )
    from .systems.service_modes import (
        DualMode,
        MultiMode,
        OperatingEvaluation,
        OperatingPoint,
        TunableMode,
    )

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
    "GroupShare",
    "InputError",
    "Kingman",
    "KraemerLangenbachBelz",
    "Latency",
    "LatencyCheckError",
    "LatencyReport",
    "Limit",
    "LinearLimit",
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
    "Polynomial",
    "PriceOfAnarchy",
    "ServerPercentile",
    "Solution",
    "SolverNameError",
    "SystemKind",
    "Tandem",
    "Tolls",
    "TunableMode",
    "check_latency",
    "families",
    "load_scenario",
    "load_study",
    "register",
    "register_limit",
    "register_system",
    "study",
    "verify",
]


# where the names are from: no module imports one that comes after it, so that looking in turn imports nothing in vain
HOMES = (
    "..reference.errors",
    ".core.errors",
    ".core.ratio",
    ".latency",
    ".systems.parallel",
    ".systems.service_modes",
    ".frontend.kinds",
    ".frontend.loader",
    ".studies",
)
FOLDERS = ("benchmarks", "core", "frontend", "latency", "studies", "systems")

if not TYPE_CHECKING:  # else it would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a name, or one of the folders, when it is first used (PEP 562)."""
        if name in FOLDERS:
            return importlib.import_module(f".{name}", __name__)
        for home in HOMES if name in __all__ else ():
            module = importlib.import_module(home, __name__)
            if not isinstance(
                getattr(module, name, module), ModuleType
            ):  # a file of a folder may have the name of another's function
                globals()[name] = getattr(module, name)
                return globals()[name]
        # with these two arguments Python itself says which name may have been meant
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__]
        )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
