"""The last digits of flows next to capacity: an interior point with the certificate as judge.

Next to capacity a flow that is off by a rounding error changes the cost of a full station by far
more than the routes' other costs differ, so that the costs at the flow do not tell which routes
are cheapest. The interior point has the prices of the stations as variables of their own, with all
their digits; routes are told apart by their flow and their reduced cost.
"""

from __future__ import annotations

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .augmented import Augmented
from .bounds import EXACT, RouteCertificate, certify
from .columns import Columns, RouteFlow
from .generation import FEW, cheaper
from .interior_point import Point, advance, at_columns, with_columns
from .routed import RoutedSystem

STEEP = 0.99  # utilisation from which costs may be too steep for the costs at a flow
MOST = 1000  # unknowns of the equations
PARTS = (1e-6, 1e-3)  # gaps of the first points, relative to the total cost
ITERATIONS = 40  # largest number from a first point
JUDGED = 1e-12  # gap relative to the total cost from which the certificate judges
LEAST = 1e-30  # gap relative to the total cost at which the iterations end
ROUNDED = 0.01  # part of what rounding allows that a gap is to have


def met(certificate: RouteCertificate) -> bool:
    """Return whether the gap is far below what rounding allows."""
    return certificate.gap <= max(ROUNDED * certificate.rounding, EXACT)


def sharpened(
    system: RoutedSystem, players: float, multiple: float, found: RouteFlow
) -> RouteFlow:
    """Return flows of a smaller gap of the mean delay, or the same.

    Parameters
    ----------
    system : RoutedSystem
    players : float
        Number of players K, 1 or more.
    multiple : float
        Multiple of the loads.
    found : RouteFlow
        Flows that carry the loads, near the equilibrium.
    """
    utilisation = float(np.max(found.station_flow / system.bank.rate, initial=0.0))
    columns = found.columns
    if utilisation < STEEP or len(columns) + columns.work.shape[1] + system.load.size > MOST:
        return found
    best = found, certify(system, multiple, found, players)
    for part in PARTS:
        if met(best[1]):
            break
        best = _improved(system, players, multiple, best, part)
    return best[0]


def _improved(
    system: RoutedSystem,
    players: float,
    multiple: float,
    best: tuple[RouteFlow, RouteCertificate],
    part: float,
) -> tuple[RouteFlow, RouteCertificate]:
    """Return the flows of the least gap among those given and those of the iterations."""
    bank, load = system.cost_bank(players), multiple * system.load
    point = _first(system, bank, load, best[0], part)
    # larger weights are below the rounding error of the cost of a route
    most = load / (EPS * np.maximum(point.level, np.finfo(float).tiny))

    def equations(columns: Columns, groups: int, weight: Array, slope: Array) -> Augmented:
        return Augmented(columns, groups, np.minimum(weight, most[columns.group]), slope)

    for _ in range(ITERATIONS):
        point, _ = advance(bank, point, load, equations)
        total = float(point.price @ point.station_flow + point.flow @ point.columns.delay)
        if not np.isfinite(total) or point.gap <= LEAST * total:
            break
        if point.gap <= JUDGED * total:
            flow = _used(point, load)
            certificate = certify(system, multiple, flow, players)
            best = (flow, certificate) if certificate.gap < best[1].gap else best
            if met(best[1]):
                break
        new = cheaper(system, point.columns, np.maximum(point.price, 0.0))
        point = with_columns(bank, point, new, load)
    return best


def _first(
    system: RoutedSystem, bank: ServerBank, load: Array, found: RouteFlow, part: float
) -> Point:
    """Return a point next to the flows, with all routes of a list that is not too long."""
    used = found.used()
    point = at_columns(bank, used.columns, load, used.flow, part)
    listed = system.routes.listed
    if listed is None or len(listed) > FEW:
        return point
    known = set(used.columns.keys)
    new = np.array([key not in known for key in listed.keys])
    return with_columns(bank, point, listed.only(new), load)


def _used(point: Point, load: Array) -> RouteFlow:
    """Return the flows of the routes that have more of their group's load than of its cost."""
    group = point.columns.group
    used = point.flow / load[group] >= point.reduced / np.abs(point.level[group])
    return RouteFlow(point.columns, np.where(used, point.flow, 0.0)).fitted(load).used()
