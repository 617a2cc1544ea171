"""Fixed delays of modes, beside the stages: partitions, evaluations, assignments and breakaways."""

import numpy as np
import pytest
from chunks import some

from sojourn.models import MultiMode
from sojourn.reference import service_modes as exact

RATE, DELAY = [[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]], [0.02, 0.0]
SYSTEM, WITHOUT = MultiMode(RATE, delay=DELAY), MultiMode(RATE)


def test_partition_adds_the_mean_fixed_delay():
    found, plain = SYSTEM.partition(2.0, 0.8), WITHOUT.partition(2.0, 0.8)
    np.testing.assert_array_equal(found.share, plain.share)
    assert found.fixed_delay == pytest.approx(0.016, rel=1e-14)
    assert found.mean_delay == pytest.approx(plain.mean_delay + 0.016, rel=1e-14)
    assert found.certificate.lower_bound == pytest.approx(
        plain.certificate.lower_bound + 0.016, rel=1e-13
    )
    assert found.to_dict()["fixed_delay"] == found.fixed_delay
    curve = SYSTEM.curve([1.0, 2.0], p=0.8)
    assert float(curve.delay[1]) == pytest.approx(found.mean_delay, rel=1e-14)


def test_evaluation_adds_the_mean_fixed_delay():
    share = [[0.7, 0.3], [0.8, 0.2], [0.9, 0.1]]
    found, plain = (system.evaluate(2.0, 0.8, share) for system in (SYSTEM, WITHOUT))
    assert found.mean_delay == pytest.approx(plain.mean_delay + 0.016, rel=1e-14)
    assert found.partition_delay == pytest.approx(plain.partition_delay + 0.016, rel=1e-13)
    assert found.assignment_delay == pytest.approx(SYSTEM.assignment(2.0).mean_delay, rel=1e-10)
    assert repr(found).splitlines()[-1] == "  fixed delay of their modes 0.016"
    assert found.to_dict()["fixed_delay"] == pytest.approx(0.016)


@pytest.mark.parametrize("seed", some(400, often=8))
def test_two_modes_agree_with_the_reference(seed):
    rng = np.random.default_rng(seed)
    work = rng.exponential(1.0, (int(rng.integers(1, 5)), 2))
    delay = rng.exponential(1.0, 2) * rng.permutation([1.0, rng.integers(0, 2)])
    system = MultiMode.from_work(work, delay=delay)
    for load in np.array([0.01, rng.uniform(0.1, 0.9), 0.99, 0.9999]) * system.max_load:
        found, true = system.assignment(load), exact.assignment(system.rates, load)
        assert found.certified
        assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-11)
        assert found.certificate.lower_bound <= true.mean_delay * (1 + 1e-12)
        assert found.mean_delay == pytest.approx(
            found.stage_delay.sum() + found.assignment @ delay, rel=1e-13
        )


@pytest.mark.parametrize("delay", [[1e-9, 0.0], [1e4, 0.0], [1e3, 1e3]])
def test_delays_of_another_size(delay):
    system = MultiMode(RATE, delay=delay)
    for load in (0.5, 2.0, 3.5):
        found, true = system.assignment(load), exact.assignment(system.rates, load)
        assert found.certified
        assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-11)


def test_breakaway_with_fixed_delays():
    """A fixed delay of the other mode keeps all jobs in the first one for longer."""
    pair = [[0.05, 0.15], [0.2375, 0.2125]]
    plain = MultiMode.from_work(pair).breakaway()
    later = MultiMode.from_work(pair, delay=[0.0, 0.3]).breakaway()
    assert later.load > plain.load
    assert later.load == pytest.approx(
        exact.breakaway(MultiMode.from_work(pair, delay=[0.0, 0.3]).rates).load, rel=1e-9
    )


def test_single_modes_of_a_curve_have_their_delays():
    data, plain = SYSTEM.curve([1.0, 2.0]), WITHOUT.curve([1.0, 2.0])
    more = (data.single_mode_delay - plain.single_mode_delay).values
    np.testing.assert_allclose(more[:, 0], 0.02, rtol=1e-12)
