"""Groups of users over shared stations: groups at a distance, listed routes, and networks."""

from .groups import Groups
from .listed import Routes
from .network import Network
from .system import RouteSystem

__all__ = ["Groups", "Network", "RouteSystem", "Routes"]
