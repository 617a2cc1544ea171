"""Flows of groups over routes, in numbers: optimum, equilibrium, capacity; no cones."""

from .anarchy import price_of_anarchy
from .bounds import RouteCertificate, certify
from .capacity import RouteCapacity, capacity
from .columns import Columns, RouteFlow
from .engine import RouteAnswer, equilibrium, optimum
from .graph import GraphRoutes
from .route_set import ListedRoutes, RouteSet
from .routed import RoutedSystem
from .worst_case import RouteWorstCase, worst_case

__all__ = [
    "Columns",
    "GraphRoutes",
    "ListedRoutes",
    "RouteAnswer",
    "RouteCapacity",
    "RouteCertificate",
    "RouteFlow",
    "RouteSet",
    "RouteWorstCase",
    "RoutedSystem",
    "capacity",
    "certify",
    "equilibrium",
    "optimum",
    "price_of_anarchy",
    "worst_case",
]


def __dir__() -> list[str]:
    return sorted(__all__)
