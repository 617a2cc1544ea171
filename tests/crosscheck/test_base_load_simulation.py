"""Base loads, priorities and batches against a discrete-event simulation in Ciw."""

import ciw
import numpy as np
import pytest
from chunks import chunks
from scipy.stats import t as student

from sojourn.models import MD1, MG1, MM1

REPLICATIONS, HORIZON, WARM_UP = 12, 150.0, 25.0
RATE, BASE, FLOW = 100.0, 40.0, 30.0
SERVICE = {
    MM1: lambda: ciw.dists.Exponential(rate=RATE),
    MD1: lambda: ciw.dists.Deterministic(value=1 / RATE),
    # of coefficient of variation 2
    MG1: lambda: ciw.dists.Gamma(shape=0.25, scale=4 / RATE),
}
# priority of the base jobs and of the others in Ciw, smaller first, and what preemption does
ORDER = {
    "equal": (0, 0, False),
    "non-preemptive": (0, 1, False),
    "preemptive": (0, 1, "resume"),
    "last": (1, 0, False),
}
SIZES = {1.0: [1.0], 3.0: [0.0, 0.0, 1.0], 2.5: [0.4, 0.0, 0.3, 0.3]}  # probabilities of 1, 2, ...


def sizes(mean):
    """Return the distribution of batch sizes of a mean, and its coefficient of variation."""
    values, parts = np.arange(1, len(SIZES[mean]) + 1), np.array(SIZES[mean])
    assert parts @ values == pytest.approx(mean)
    return ciw.dists.Pmf(values.tolist(), parts.tolist()), (
        float(np.sqrt(parts @ values**2 - mean**2)) / mean
    )


def simulate(family, priority, batch, seed):
    """Return the mean sojourn time of the jobs that are split, in one replication."""
    first, second, preempt = ORDER[priority]
    network = ciw.create_network(
        arrival_distributions={
            "base": [ciw.dists.Exponential(rate=BASE)],
            "split": [ciw.dists.Exponential(rate=FLOW / batch)],
        },
        service_distributions={name: [SERVICE[family]()] for name in ("base", "split")},
        batching_distributions={
            "base": [ciw.dists.Deterministic(value=1)],
            "split": [sizes(batch)[0]],
        },
        priority_classes=({"base": first, "split": second}, [preempt]),
        number_of_servers=[1],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(HORIZON)
    times = [
        record.exit_date - record.arrival_date
        for record in simulation.get_all_records(only=["service"])
        if record.customer_class == "split" and record.arrival_date > WARM_UP
    ]
    return float(np.mean(times))


CASES = [
    (MM1, "preemptive", 1.0),
    (MD1, "non-preemptive", 2.5),
    (MM1, "last", 2.5),
    (MM1, "equal", 1.0),
    (MM1, "non-preemptive", 1.0),
    (MM1, "last", 1.0),
    (MD1, "equal", 1.0),
    (MD1, "preemptive", 3.0),
    (MG1, "non-preemptive", 1.0),
    (MM1, "equal", 3.0),
]


@pytest.mark.parametrize("case", chunks(len(CASES), 1, quick=0, often=3))
def test_mean_sojourn_times_lie_in_the_99_percent_interval(case):
    family, priority, batch = CASES[case[0]]
    samples = np.array([simulate(family, priority, batch, seed) for seed in range(REPLICATIONS)])
    half = student.ppf(0.995, REPLICATIONS - 1) * samples.std(ddof=1) / np.sqrt(REPLICATIONS)
    cv = [2.0] if family is MG1 else []
    given = {"base": BASE, "batch": batch, "batch_cv": sizes(batch)[1]}
    times = {
        other: float(family(RATE, *cv, base_priority=other, **given).latency([FLOW])[0])
        for other in ORDER
    }
    assert abs(samples.mean() - times[priority]) <= half, (samples.mean(), times, half)
    # the interval is narrow enough to tell the base jobs' priorities apart
    assert all(abs(samples.mean() - times[p]) > half for p in ORDER if p != priority)
