"""Groups of users over shared stations: groups at a distance, listed routes, and networks."""

from .evaluation import RouteEvaluation, RouteMove
from .flows import UsedRoute
from .groups import Groups
from .limits import MaxGroupFlow
from .listed import Routes
from .network import Network
from .sites import SizedSites
from .solution import LargestLoad, RouteSolution
from .system import RouteSystem
from .tolls import RouteTolls

__all__ = [
    "Groups",
    "LargestLoad",
    "MaxGroupFlow",
    "Network",
    "RouteEvaluation",
    "RouteMove",
    "RouteSolution",
    "RouteSystem",
    "RouteTolls",
    "Routes",
    "SizedSites",
    "UsedRoute",
]
