"""The theorems of Mancuso et al. that hold, as properties of random systems.

Those that do not hold are in test_anarchy.py.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from strategies import load_at, parts, systems

from sojourn.reference import equilibrium, optimum, price_of_anarchy, saturation_limit
from sojourn.reference.parallel import thresholds

ROUNDING = 1e-12
settings.register_profile("sojourn", deadline=None, max_examples=150, derandomize=True)
settings.load_profile("sojourn")


@given(systems, parts)
@pytest.mark.slow
def test_theorem_1_the_optimum_satisfies_the_kkt_conditions(system, part):
    load = load_at(system, part)
    split = optimum(system, load)
    price, used = split.multiplier, split.active
    assert np.sum(split.flow) == pytest.approx(load, rel=1e-12)
    np.testing.assert_allclose(
        system.marginal(split.flow, split.spare_capacity)[used], price, rtol=1e-9
    )
    assert np.all(system.idle_latency[~used] >= price * (1 - ROUNDING))


@given(systems, parts)
@pytest.mark.slow
def test_theorem_2_no_user_of_the_equilibrium_gains_by_moving(system, part):
    load = load_at(system, part)
    split = equilibrium(system, load)
    used = split.active
    assert np.sum(split.flow) == pytest.approx(load, rel=1e-12)
    np.testing.assert_allclose(
        system.latency(split.flow, split.spare_capacity)[used], split.mean_delay, rtol=1e-9
    )
    assert np.all(system.idle_latency[~used] >= split.mean_delay * (1 - ROUNDING))


@given(systems, parts)
@pytest.mark.slow
def test_theorem_3_the_equilibrium_is_never_faster_than_the_optimum(system, part):
    load = load_at(system, part)
    assert equilibrium(system, load).mean_delay >= optimum(system, load).mean_delay * (1 - ROUNDING)
    assert price_of_anarchy(system, load) >= 1 - ROUNDING


@given(systems, parts)
@pytest.mark.slow
def test_lemma_1_the_optimum_has_the_larger_multiplier(system, part):
    """The marginal delay of the optimum is above the common latency of the equilibrium."""
    load = load_at(system, part)
    assert optimum(system, load).multiplier >= equilibrium(system, load).multiplier * (1 - ROUNDING)


@given(systems)
def test_theorem_4_the_optimum_activates_no_later(system):
    found = thresholds(system)
    assert np.all(found.optimum <= found.equilibrium * (1 + ROUNDING))


@given(systems, parts)
@pytest.mark.slow
def test_corollary_1_the_optimum_uses_at_least_as_many_servers(system, part):
    load = load_at(system, part)
    starts = thresholds(system)
    # at an activation load the two roundings may fall on different sides
    assume(np.all(np.abs(np.concatenate([starts.optimum, starts.equilibrium]) / load - 1) > 1e-9))
    at_optimum, at_equilibrium = optimum(system, load).active, equilibrium(system, load).active
    assert at_optimum.sum() >= at_equilibrium.sum()
    assert np.all(at_optimum | ~at_equilibrium)


@given(systems)
@pytest.mark.slow
def test_theorem_6_the_price_of_anarchy_tends_to_its_limit(system):
    """Near saturation,
    in the spare capacity of all servers: delays are of the order of its inverse."""
    total = float(np.sum(system.rate))
    limit = saturation_limit(system)
    # the deviation is of first order in the spare capacity times the delays,
    # and the spare capacity must stay above the rounding of the load
    scale = float(np.max(system.idle_latency) * total / np.min(np.sqrt(system.k)))
    slack = min(1e-3, 1e-7 / scale)
    assume(slack > 1e-11)
    assert float(price_of_anarchy(system, total * (1 - slack))) == pytest.approx(limit, rel=1e-6)


@given(systems)
@pytest.mark.slow
def test_loads_are_solved_alike_alone_and_together(system):
    loads = np.array([load_at(system, p) for p in (1e-6, 0.1, 0.5, 0.9, 1 - 1e-6)])
    for solve in (optimum, equilibrium):
        together = solve(system, loads)
        for i, load in enumerate(loads):
            alone = solve(system, load)
            np.testing.assert_allclose(together.flow[i], alone.flow, rtol=1e-9, atol=1e-13 * load)
            assert together.mean_delay[i] == pytest.approx(float(alone.mean_delay), rel=1e-13)


@given(systems, parts)
@pytest.mark.slow
def test_the_unit_of_time_does_not_matter(system, part):
    load = load_at(system, part)
    slower = type(system)(
        [
            type(b)(**{**vars_of(b), "rate": b.rate / 1024, "delay": b.delay * 1024})
            for b in system.banks
        ]
    )
    for solve in (optimum, equilibrium):
        here, there = solve(system, load), solve(slower, load / 1024)
        # a power of two scales floats exactly
        np.testing.assert_allclose(there.flow * 1024, here.flow, rtol=1e-12)
        assert float(there.mean_delay) == pytest.approx(1024 * float(here.mean_delay), rel=1e-14)


def vars_of(bank):
    return {"cv": bank.cv} if type(bank).__name__ == "MG1" else {}
