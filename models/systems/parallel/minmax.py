"""The equilibrium without an integral: the least largest latency over a prefix of the servers.

Let the servers be in the order of their idle latencies m_1 <= m_2 <= ..., and let L_k be the least
possible largest latency when only the first k servers are used. As k grows to the number of
servers that the equilibrium uses, L_k falls to the equilibrium's latency; from there on it is
m_k, since an empty server has the latency m_k too. So the first k with L_k <= m_(k+1) is the number
of used servers, and a bisection finds it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ...latency.base import Latency

MARGIN = 1e-12  # relative margin by which the rates of a prefix must exceed the load


def prefixes(bank: Latency, load: float) -> tuple[npt.NDArray[np.intp], Array, int]:
    """Return the order of the servers, their idle latencies, and the size of the least prefix.

    Parameters
    ----------
    bank : Latency
        n servers.
    load : float
        Total load, jobs per unit of time.

    Returns
    -------
    tuple
        Indices by idle latency, shape (n,); idle latencies in this order, shape (n,); the least
        number of servers in this order whose rates exceed the load.
    """
    order = np.argsort(bank.idle_latency, kind="stable")
    enough = np.cumsum(bank.rate[order]) > load * (1 + MARGIN)
    least = min(int(np.argmax(enough)) + 1 if enough.any() else len(bank), len(bank))
    return order, bank.idle_latency[order], least


class Bisection:
    """Search for the number of servers that the equilibrium uses.

    Parameters
    ----------
    bank : Latency
        n servers.
    load : float
        Total load, jobs per unit of time.
    """

    def __init__(self, bank: Latency, load: float) -> None:
        self.order, self.idle, self.low = prefixes(bank, load)
        self.high = len(bank)

    def next_count(self) -> tuple[int, bool]:
        """Return the number of servers to try next, and whether it is the last one."""
        return (self.low + self.high) // 2, self.low == self.high

    def record(self, count: int, latency: float) -> None:
        """Narrow the search: the first `count` servers reach the largest latency `latency`."""
        if latency <= self.idle[count]:
            self.high = count
        else:
            self.low = count + 1
