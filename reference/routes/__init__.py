"""Flows of groups over routes, in numbers: optimum, equilibrium, capacity; no cones."""

from .columns import Columns, RouteFlow
from .graph import GraphRoutes
from .route_set import ListedRoutes, RouteSet
from .routed import RoutedSystem

__all__ = ["Columns", "GraphRoutes", "ListedRoutes", "RouteFlow", "RouteSet", "RoutedSystem"]


def __dir__() -> list[str]:
    return sorted(__all__)
