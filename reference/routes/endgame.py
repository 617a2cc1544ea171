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
from .bounds import RouteCertificate, certify
from .columns import Columns, RouteFlow
from .crossover import crossed_over
from .generation import FEW, cheaper
from .interior_point import Point, advance, at_columns, with_columns
from .more_digits import with_more_digits
from .price_bounds import ROUNDING
from .routed import RoutedSystem

STEEP = 0.99  # utilisation from which costs may be too steep for the costs at a flow
MOST = 1000  # unknowns of the equations
PARTS = (1e-6, 1e-3)  # gaps of the first points, relative to the total cost
ITERATIONS = 40  # largest number from a first point
JUDGED = 1e-12  # gap relative to the total cost from which the certificate judges
LEAST = 1e-30  # gap relative to the total cost at which the iterations end
BELOW = 0.1  # product of flow and reduced cost of the first points, over that of spare capacities
FIRST_OWN = 0.1  # first part of a player's own delay in its cost, over the spare capacity
OWN_RATIO = 4.0  # ratio of one such part to the last


def _nearer(certificate: RouteCertificate, other: RouteCertificate) -> bool:
    """Return whether a certificate has the smaller potential gap, and no larger gap."""
    return certificate.potential_gap < other.potential_gap and certificate.gap <= other.gap


def sharpened(
    system: RoutedSystem, players: float, multiple: float, found: RouteFlow
) -> tuple[RouteFlow, bool]:
    """Return flows of smaller gaps, or the same, and whether rounding is what is left of them.

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
    if not STEEP <= utilisation < 1.0:
        return found, True
    found = with_more_digits(system, players, multiple, found)
    certificate = certify(system, multiple, found, players)
    best = found
    unknowns = sum(found.columns.work.shape) + system.load.size
    for part in PARTS:
        if certificate.potential_gap <= ROUNDING or unknowns > MOST:
            break
        with np.errstate(all="ignore"):
            best, certificate = _improved(system, players, multiple, (best, certificate), part)
    if best is not found:
        # the flows settle where rounding lets the costs of the routes be equal
        bank, load = system.cost_bank(players), multiple * system.load
        settled = crossed_over(system, bank, load, best)[0].used()
        settled = with_more_digits(system, players, multiple, settled)
        proof = certify(system, multiple, settled, players)
        if proof.potential_gap <= max(certificate.potential_gap, EPS):
            best, certificate = settled, proof
    return best, certificate.potential_gap <= ROUNDING


def followed(
    system: RoutedSystem,
    players: float,
    multiple: float,
    direct: RouteFlow,
    equilibrium: RouteFlow,
) -> RouteFlow:
    """Return flows of K players from the Wardrop equilibrium, or the direct ones if better.

    With more and more of each player's own delay in the cost, up to 1/K, the spare capacities of
    full stations change little from one number of players to the next.

    Parameters
    ----------
    direct : RouteFlow
        Flows of K players, found in another way.
    equilibrium : RouteFlow
        Flows of infinitely many players; for the others see `sharpened`.
    """
    found, rate = equilibrium, system.bank.rate
    own = FIRST_OWN * (1.0 - float(np.max(found.station_flow / rate, initial=0.0)))
    close = True
    while close and 0.0 < own < 1.0 / players:
        found, close = sharpened(system, 1.0 / own, multiple, found)
        own *= OWN_RATIO
    flows = direct, sharpened(system, players, multiple, found)[0]
    return min(flows, key=lambda flow: certify(system, multiple, flow, players).potential_gap)


def _improved(
    system: RoutedSystem,
    players: float,
    multiple: float,
    judged: tuple[RouteFlow, RouteCertificate],
    part: float,
) -> tuple[RouteFlow, RouteCertificate]:
    """Return the flows of the least gap among those given and those of the iterations."""
    bank, load = system.cost_bank(players), multiple * system.load
    point = _first(system, bank, load, judged[0], part)
    # larger weights are below the rounding error of the cost of a route
    most = load / (EPS * np.maximum(point.level, 0.0))

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
            judged = (flow, certificate) if _nearer(certificate, judged[1]) else judged
            if judged[1].potential_gap <= EPS:
                break
        new = cheaper(system, point.columns, np.maximum(point.price, 0.0))
        point = with_columns(bank, point, new, load)
    return judged


def _first(
    system: RoutedSystem, bank: ServerBank, load: Array, found: RouteFlow, part: float
) -> Point:
    """Return a point next to the flows, with all routes of a list that is not too long."""
    used = found.used()
    flow = used.station_flow
    # below the products of spare capacity and cost, which the interior point keeps apart from 0
    price, spare_capacity = bank.latency(flow), bank.spare_capacity(flow)
    limited = np.isfinite(spare_capacity) & (spare_capacity > 0)
    least = float(np.min(price[limited] * spare_capacity[limited], initial=np.inf))
    part = min(part, BELOW * least * len(used.columns) / float(price @ flow))
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
