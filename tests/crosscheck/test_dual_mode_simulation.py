"""The delay of a dual-mode operating point against a discrete-event simulation in Ciw."""

import ciw
import numpy as np
import pytest
from scipy.stats import t as student

from sojourn.models import DualMode

REPLICATIONS, HORIZON, WARM_UP = (
    12,
    1500.0,
    300.0,
)  # 2.5 or 3.4 jobs a second: about 3,500 counted in each replication
SYSTEM = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


def simulate(point, load, seed):
    """Return mean times of one replication: local stage, cloud stage, whole system."""
    arrivals, service = load * point.assignment, point.share * SYSTEM.rates.rate
    # nodes: the local server's part for each mode, then the cloud server's; a job stays in its mode
    network = ciw.create_network(
        arrival_distributions=[
            ciw.dists.Exponential(rate=arrivals[0]),
            ciw.dists.Exponential(rate=arrivals[1]),
            None,
            None,
        ],
        service_distributions=[ciw.dists.Exponential(rate=rate) for rate in service.ravel()],
        number_of_servers=[1] * 4,
        routing=np.eye(4, k=2).tolist(),
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(HORIZON)
    visits = [
        (r.node > 2, r.waiting_time + r.service_time)
        for r in simulation.get_all_records()
        if r.arrival_date > WARM_UP
    ]
    cloud, time = np.array([v[0] for v in visits]), np.array([v[1] for v in visits])
    stages = np.array([time[~cloud].mean(), time[cloud].mean()])
    return [*stages, stages.sum()]


@pytest.mark.parametrize(
    ("load", "p"), [(3.4, 0.8), pytest.param(2.5, 0.6, marks=pytest.mark.exhaustive)]
)
@pytest.mark.slow
def test_stage_delays_and_their_sum_lie_in_the_99_percent_interval(load, p):
    point = SYSTEM.partition(load, p)
    samples = np.array([simulate(point, load, seed) for seed in range(REPLICATIONS)])
    half = (
        student.ppf(0.995, REPLICATIONS - 1) * samples.std(axis=0, ddof=1) / np.sqrt(REPLICATIONS)
    )
    expected = np.array([*point.stage_delay, point.mean_delay])
    assert np.all(np.abs(samples.mean(axis=0) - expected) <= half), (
        samples.mean(axis=0),
        expected,
        half,
    )
    # the interval is narrow enough to tell this point from all jobs in one mode
    assert abs(samples.mean(axis=0)[2] - SYSTEM.partition(2.5, 1.0).mean_delay) > half[2]
