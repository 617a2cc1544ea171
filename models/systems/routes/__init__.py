"""Groups of users over shared stations: groups at a distance, listed routes, and networks."""

from .groups import Groups
from .listed import Routes
from .network import Network
from .solution import LargestLoad, RouteSolution, UsedRoute
from .system import RouteSystem

__all__ = [
    "Groups",
    "LargestLoad",
    "Network",
    "RouteSolution",
    "RouteSystem",
    "Routes",
    "UsedRoute",
]
