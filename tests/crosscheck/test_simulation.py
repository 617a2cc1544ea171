"""The latency formulas against a discrete-event simulation in Ciw, which has none of them."""

import ciw
import numpy as np
import pytest
from scipy.stats import t as student

from sojourn.models import MD1, MM1, ParallelServers

REPLICATIONS, HORIZON, WARM_UP = (
    12,
    80.0,
    20.0,
)  # 150 jobs/s: about 9,000 jobs counted in each replication
RATE, DELAY = np.array([100.0, 80.0, 40.0]), np.array([0.005, 0.010, 0.020])
SERVICE = {
    MM1: lambda rate: ciw.dists.Exponential(rate=rate),
    MD1: lambda rate: ciw.dists.Deterministic(value=1 / rate),
}


def simulate(family, flow, seed):
    """Return the mean sojourn times of one replication: of each server, and of all jobs."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=f) for f in flow],
        service_distributions=[SERVICE[family](rate) for rate in RATE],
        number_of_servers=[1] * len(flow),
        routing=np.zeros((len(flow), len(flow))).tolist(),
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(HORIZON)
    jobs = [
        (r.node - 1, r.waiting_time + r.service_time)
        for r in simulation.get_all_records()
        if r.arrival_date > WARM_UP
    ]
    server, time = np.array([j[0] for j in jobs]), np.array([j[1] for j in jobs])
    time = time + DELAY[server]
    return [*(time[server == i].mean() for i in range(len(flow))), time.mean()]


@pytest.mark.parametrize(
    ("family", "goal"),
    [
        (MM1, "optimum"),
        (MD1, "equilibrium"),
        pytest.param(MM1, "equilibrium", marks=pytest.mark.exhaustive),
        pytest.param(MD1, "optimum", marks=pytest.mark.exhaustive),
    ],
)
@pytest.mark.slow
def test_mean_delays_lie_in_the_99_percent_interval(family, goal):
    solution = getattr(ParallelServers(family(RATE, DELAY)), goal)(load=150.0)
    assert solution.active.all()
    samples = np.array([simulate(family, solution.flow, seed) for seed in range(REPLICATIONS)])
    half = (
        student.ppf(0.995, REPLICATIONS - 1) * samples.std(axis=0, ddof=1) / np.sqrt(REPLICATIONS)
    )
    expected = np.array([*solution.latency, solution.mean_delay])
    assert np.all(np.abs(samples.mean(axis=0) - expected) <= half), (
        samples.mean(axis=0),
        expected,
        half,
    )
    # the interval is narrow enough to tell M/M/1 from M/D/1
    other = ParallelServers((MD1 if family is MM1 else MM1)(RATE, DELAY)).bank.latency(
        solution.flow
    )
    assert np.all(np.abs(samples.mean(axis=0)[:3] - other) > half[:3])
