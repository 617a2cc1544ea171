"""Simulations of the library against Ciw, which shares nothing with them."""

import ciw
import numpy as np
import pytest
from scipy.stats import t as student

from sojourn.models import MG1, MG1PS, MM1, MMc, ParallelServers, Tandem

REPLICATIONS, HORIZON, WARM_UP = 12, 150.0, 15.0
FLOW = 60.0
EXPONENTIAL = ciw.dists.Exponential
GAMMA = ciw.dists.Gamma(shape=0.25, scale=0.04)  # mean 0.01, cv 2

CASES = {
    "M/M/1": (MM1([100.0]), [EXPONENTIAL(rate=100.0)], [1], None),
    "M/G/1": (MG1([100.0], 2.0), [GAMMA], [1], None),
    "M/M/4": (MMc([25.0], 4), [EXPONENTIAL(rate=25.0)], [4], None),
    "sharing": (MG1PS([100.0]), [EXPONENTIAL(rate=100.0)], [np.inf], [1]),
    "series": (
        Tandem(MM1([100.0]), MMc([40.0], 2)),
        [EXPONENTIAL(rate=100.0), EXPONENTIAL(rate=40.0)],
        [1, 2],
        None,
    ),
}


def by_ciw(services, servers, thresholds, seed):
    """Return the mean, the 90th percentile and the utilisation of one replication."""
    n = len(services)
    network = ciw.create_network(
        arrival_distributions=[EXPONENTIAL(rate=FLOW), *[None] * (n - 1)],
        service_distributions=services,
        number_of_servers=servers,
        routing=[[float(j == i + 1) for j in range(n)] for i in range(n)],
        ps_thresholds=thresholds,
    )
    ciw.seed(seed)
    run = ciw.Simulation(network, node_class=ciw.PSNode if thresholds else None)
    run.simulate_until_max_time(HORIZON)
    came, left = {}, {}
    for record in run.get_all_records(only=["service"]):
        came[record.id_number] = min(came.get(record.id_number, np.inf), record.arrival_date)
        if record.node == n:
            left[record.id_number] = record.exit_date
    times = np.array([left[j] - came[j] for j in left if came[j] > WARM_UP])
    return times.mean(), np.quantile(times, 0.9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "M/M/4",
        *(pytest.param(n, marks=pytest.mark.exhaustive) for n in CASES if n != "M/M/4"),
    ],
)
def test_two_simulations_agree(name):
    """Their difference lies in the interval of 99 % of the difference."""
    bank, services, servers, thresholds = CASES[name]
    samples = np.array([by_ciw(services, servers, thresholds, s) for s in range(REPLICATIONS)])
    half = student.ppf(0.995, REPLICATIONS - 1) * samples.std(axis=0, ddof=1) / REPLICATIONS**0.5
    found = ParallelServers(bank).simulate(FLOW, weights=[1], jobs=300_000, seed=1)
    ours = np.stack([found.mean_delay.values, found.percentile.sel(p=0.9).values])
    own = (ours[:, 2] - ours[:, 1]) / 2
    assert np.all(np.abs(samples.mean(axis=0) - ours[:, 0]) <= np.hypot(half, own)), (
        samples.mean(axis=0),
        ours,
    )
    assert np.all(np.hypot(half, own) < 0.1 * ours[:, 0])  # narrow enough to say something
