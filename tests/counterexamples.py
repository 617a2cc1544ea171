"""Counterexamples to Corollary 2 of Mancuso et al.: systems with one cv for all servers.

The largest price of anarchy is neither at the activation of a server nor at saturation.
"""

from typing import NamedTuple

import numpy as np


class Counterexample(NamedTuple):
    """A counterexample: servers as (number, rate, delay), k = (1 + cv^2)/2, and its worst case."""

    k: float
    servers: tuple[tuple[int, float, float], ...]
    load: float
    poa: float
    rule: float

    @property
    def numbers(self):
        """Return the rates and delays of all servers, and their cv."""
        count, rate, delay = np.array(self.servers).T
        count = count.astype(int)
        cv = np.sqrt(2 * self.k - 1)
        return {"rate": np.repeat(rate, count), "delay": np.repeat(delay, count), "cv": cv}


ONE_CV = (
    Counterexample(10, ((100, 1, 0), (1, 100, 0.99)), 163.708234435, 1.719399291148, 202 / 121),
    Counterexample(5, ((50, 1, 0), (1, 25, 0.96)), 72.678062105, 1.264629216018, 1.264462809917),
    Counterexample(50.5, ((24, 1, 0), (1, 25, 0.96)), 48.211490320, 1.456727780344, 1.456599286564),
    Counterexample(
        1000, ((1000, 1, 0), (1, 1000, 0.999)), 1168.0143031, 3.109574150520, 1.881144810964
    ),
)
SMALL = ONE_CV[2]
MM1_BY_A_HAIR = Counterexample(
    1,
    ((10700, 1, 0), (2435, 0.31, 0.2443), (1, 697, 1.94), (1, 175, 1.313)),
    9434.417607535,
    1.107055227855,
    1.107024383968,
)
