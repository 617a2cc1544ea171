"""Random parallel servers of all three families."""

import numpy as np

from sojourn.models import MD1, MG1, MM1, ParallelServers


def three_families(*seed):
    """3 to 8 servers, at least one of each family, rates and delays over decades; a load; and the generator for more."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    rate, delay, cv = 10 ** rng.uniform(0, 2.5, n), 10 ** rng.uniform(-3, 0, n), 10 ** rng.uniform(-1, 0.7, n)
    family = np.concatenate([[0, 1, 2], rng.integers(0, 3, n - 3)])
    m, d, g = (family == f for f in range(3))
    system = ParallelServers(MM1(rate[m], delay[m]), MD1(rate[d], delay[d]), MG1(rate[g], cv[g], delay[g]))
    return system, rng.uniform(0.05, 0.95) * system.total_rate, rng
