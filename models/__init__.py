"""Convex models of queueing systems whose load must be split, with certified solutions.

A name is imported when it is first used, so that ``sojourn --help`` does not wait for CVXPY.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the imports that `__getattr__` makes when the program runs
    from ..reference.errors import InputError, LoadError
    from .core.errors import FormulationError, NotCertifiedError, SolverNameError
    from .core.ratio import PriceOfAnarchy
    from .frontend.kinds import SystemKind, register_system
    from .frontend.loader import load_scenario
    from .latency import *
    from .studies import *
    from .systems.parallel import *
    from .systems.routes import *
    from .systems.service_modes import *

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
    "ConvexLimit",
    "ConvexTerms",
    "DualMode",
    "Evaluation",
    "FormulationError",
    "Function",
    "GroupShare",
    "Groups",
    "InputError",
    "Kingman",
    "KraemerLangenbachBelz",
    "LateShare",
    "LateSplit",
    "LateWait",
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
    "MaxGroupFlow",
    "MaxShare",
    "MaxUtilisation",
    "MeanDelay",
    "MeanWait",
    "Measured",
    "MinShare",
    "MultiMode",
    "Network",
    "NotCertifiedError",
    "OperatingEvaluation",
    "OperatingPoint",
    "ParallelServers",
    "PercentileSplit",
    "Polynomial",
    "PoolLateWait",
    "PoolWait",
    "Pools",
    "PriceOfAnarchy",
    "PriceOfReserving",
    "RateBudget",
    "RouteEvaluation",
    "RouteSolution",
    "RouteTolls",
    "Routes",
    "ServerBudget",
    "ServerDelay",
    "ServerPercentile",
    "SharedEvaluation",
    "SharedModes",
    "SharedSolution",
    "SharedThresholds",
    "SharedTolls",
    "SizedServers",
    "SizedSites",
    "Solution",
    "SolverNameError",
    "StaffedPools",
    "StaffedServers",
    "SystemKind",
    "Tandem",
    "Tolls",
    "TunableMode",
    "WholeSplit",
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

# the modules that define the names; none imports a later one, so a search in this order imports
# no module in vain
_PUBLIC_MODULES = (
    "..reference.errors",
    ".core.errors",
    ".core.ratio",
    ".latency",
    ".systems.parallel",
    ".systems.service_modes",
    ".systems.routes",
    ".frontend.kinds",
    ".frontend.loader",
    ".studies",
)
_PACKAGES = ("benchmarks", "core", "frontend", "latency", "simulation", "studies", "systems")

if not TYPE_CHECKING:  # a type checker would take any name for a public one

    def __getattr__(name: str) -> Any:
        """Import a public name or a package at its first use (PEP 562)."""
        if name in _PACKAGES:
            return importlib.import_module(f".{name}", __name__)
        for home in _PUBLIC_MODULES if name in __all__ else ():
            module = importlib.import_module(home, __name__)
            # a file of a package may have the name of a function of another package
            if not isinstance(getattr(module, name, module), ModuleType):
                globals()[name] = getattr(module, name)
                return globals()[name]
        # from the last two arguments Python suggests a similar name
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__]
        )


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])
