"""The library's simulation of networks against Ciw, and against its own closed forms' blind spots.

Ciw steps through events with code of its own. Both simulate the same systems, some of which have no
closed form, and their intervals must overlap.
"""

import math

import ciw
import numpy as np
import pytest
from scipy.stats import t as student

from sojourn.models import MD1, MG1, MM1, DualMode, Routes, SharedModes

RUNS = 16


def ciw_mean(network, jobs, node_class=ciw.Node, fixed=0.0):
    """Return the mean time of a job in the network and half the width of its 99.9 % interval."""
    means = []
    for seed in range(RUNS):
        ciw.seed(seed)
        simulation = ciw.Simulation(network, node_class=node_class)
        simulation.simulate_until_max_customers(jobs, method="Finish")
        entry, exit_ = {}, {}
        for r in simulation.get_all_records():
            entry[r.id_number] = min(entry.get(r.id_number, math.inf), r.arrival_date)
            exit_[r.id_number] = max(exit_.get(r.id_number, 0.0), r.exit_date)
        order = sorted(entry, key=entry.get)[jobs // 10 :]
        means.append(np.mean([exit_[i] - entry[i] for i in order]) + fixed)
    half = student.ppf(0.9995, RUNS - 1) * np.std(means, ddof=1) / math.sqrt(RUNS)
    return float(np.mean(means)), half


def exponentials(*rates):
    return [None if r is None else ciw.dists.Exponential(rate=r) for r in rates]


def reserved():
    """Return a dual-mode system in its two ways, and the loads that both take."""
    system, load, p = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), 3.0, 0.7
    point = system.partition(load, p)
    arrivals, rates = load * point.assignment, (point.share * system.rates.rate).ravel()
    network = ciw.create_network(
        arrival_distributions=exponentials(*arrivals, None, None),
        service_distributions=exponentials(*rates),
        number_of_servers=[1] * 4,
        routing=np.eye(4, k=2).tolist(),
    )
    return network, ciw.Node, system.simulate(load, p, jobs=200_000, level=0.999)


def constant_servers():
    """Two constant servers in series: the closed form is wrong, and both simulations say so."""
    network = ciw.create_network(
        arrival_distributions=exponentials(4.0, None),
        service_distributions=[ciw.dists.Deterministic(0.2), ciw.dists.Deterministic(0.15)],
        number_of_servers=[1, 1],
        routing=[[0.0, 1.0], [0.0, 0.0]],
    )
    chain = Routes({"a": MD1(5.0), "b": MD1(1 / 0.15)}, {"x": [("a", "b")]}, {"x": 4.0})
    return network, ciw.Node, chain.simulate(jobs=200_000, level=0.999)


def variable_then_exponential():
    """An M/G/1 queue with cv 1/2 before an M/M/1 queue: gamma of shape 4."""
    network = ciw.create_network(
        arrival_distributions=exponentials(2.5, None),
        service_distributions=[ciw.dists.Gamma(4.0, 0.25 / 5.0), ciw.dists.Exponential(4.0)],
        number_of_servers=[1, 1],
        routing=[[0.0, 1.0], [0.0, 0.0]],
    )
    chain = Routes({"a": MG1(5.0, cv=0.5), "b": MM1(4.0)}, {"x": [("a", "b")]}, {"x": 2.5})
    return network, ciw.Node, chain.simulate(jobs=200_000, level=0.999)


def shared():
    """One mode at two stages with processor sharing."""
    pair = SharedModes.from_work([[0.25], [0.15]])
    network = ciw.create_network(
        arrival_distributions=exponentials(2.5, None),
        service_distributions=exponentials(4.0, 1 / 0.15),
        number_of_servers=[float("inf")] * 2,
        routing=[[0.0, 1.0], [0.0, 0.0]],
    )
    return network, ciw.PSNode, pair.simulate(2.5, jobs=200_000, level=0.999)


SYSTEMS = (reserved, constant_servers, variable_then_exponential, shared)


@pytest.mark.slow
@pytest.mark.parametrize("make", SYSTEMS, ids=[make.__name__ for make in SYSTEMS])
def test_both_simulations_agree(make):
    network, node_class, data = make()
    value, low, high, known = data.mean_delay.values
    mean, half = ciw_mean(network, 2_500, node_class)
    assert max(low, mean - half) <= min(high, mean + half), (data.mean_delay.values, mean, half)
    assert half < 0.15 * value
    assert high - low < 0.1 * value
    if make is constant_servers:  # the first server lets no two jobs through at once
        assert high < known
