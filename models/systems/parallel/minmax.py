"""The equilibrium without an integral: the least of the largest latency over a prefix of the servers.

With the servers in the order of their idle latencies, let L_k be the least, over splits among the first k, of the largest latency.
L_k falls to the equilibrium's latency at the true number of servers and equals m_k from there on, so the first k with L_k <= m_(k+1)
is the true one, and bisection finds it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ...latency.base import Latency


def prefixes(bank: Latency, load: float) -> tuple[npt.NDArray[np.intp], Array, int]:
    """Servers in order, their idle latencies, and the least number of them that can carry the load."""
    order = np.argsort(bank.idle_latency, kind="stable")
    enough = np.cumsum(bank.rate[order]) > load * (1 + 1e-12)
    return (
        order,
        bank.idle_latency[order],
        min(int(np.argmax(enough)) + 1 if enough.any() else len(bank), len(bank)),
    )


class Bisection:
    """Search for the number of servers that are used, told the latency found for each number asked."""

    def __init__(self, bank: Latency, load: float) -> None:
        self.order, self.idle, self.low = prefixes(bank, load)
        self.high = len(bank)

    def ask(self) -> tuple[int, bool]:
        """Return the number of servers to try next, and whether it is the last."""
        return (self.low + self.high) // 2, self.low == self.high

    def tell(self, count: int, latency: float) -> None:
        """Say that `count` servers reach a largest latency of `latency`."""
        if latency <= self.idle[count]:
            self.high = count
        else:
            self.low = count + 1
