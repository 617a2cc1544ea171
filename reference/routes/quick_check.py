"""A proof without a linear program that the stations carry a multiple of the loads."""

from __future__ import annotations

import numpy as np

from .routed import RoutedSystem

ROUNDS = 40  # all-or-nothing flows
STEEP = 8.0  # logarithm of the lengths of a full and an empty station
MOST = 0.99  # utilisation that counts as a proof


def surely_carried(system: RoutedSystem, multiple: float) -> bool:
    """Return whether a flow is found soon that keeps all stations below their rates.

    The flow is the mean of flows of all loads over the shortest routes. Each station has a length
    that grows with its utilisation by the mean so far. Where the answer is False the loads may fit
    or not; see `sojourn.reference.routes.capacity`.

    Parameters
    ----------
    system : RoutedSystem
    multiple : float
        Multiple of the loads, above 0.
    """
    rate, load = system.bank.rate, multiple * system.load
    per_rate = np.where(np.isfinite(rate), 1.0 / rate, 0.0)
    used, length = np.zeros(rate.size), per_rate
    for i in range(ROUNDS):
        shortest = system.routes.cheapest(length, delays=False)
        flow = shortest.station_flow(load[shortest.group])
        used += (flow * per_rate - used) / (i + 1.0)
        most = float(np.max(used))
        if most < MOST:
            return True
        length = per_rate * np.exp(STEEP * (used / most - 1.0))
    return False
