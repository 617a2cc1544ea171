"""The theorems of Jeff and Modiano as properties of random systems.

Proposition 2 is tested in its corrected form, beside what the printed form gives.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies_dual_mode import (
    any_ratios,
    breaking,
    closed,
    efficient,
    inner_pairs,
    load_at,
    overloading,
    parts,
    printed_delay,
    rates,
    ratios,
    redundant,
    rounding,
    systems,
)

from sojourn.reference.errors import LoadError
from sojourn.reference.service_modes import (
    Canonical,
    Modes,
    TunableMode,
    assignment,
    best_assignment,
    capacity,
    decompose,
    delay,
    is_stable,
    mean_delay,
    partition,
    regime,
    regimes,
    stable_interval,
    stable_point,
)

settings.register_profile("sojourn", deadline=None, max_examples=150, derandomize=True)
settings.load_profile("sojourn")

tunables = st.builds(TunableMode, rates, any_ratios)


def tunable_of(system):
    return TunableMode(system.mu0, system.K)


def alone(modes, mode, load):
    """Return the delay of one mode alone; infinite where a server is overloaded."""
    rate = modes.rate[:, mode]
    return float((1 / (rate - load)).sum()) if np.all(rate > load) else math.inf


@given(tunables, parts, closed)
def test_theorem_1_no_local_part_is_faster_than_the_best(system, part, f):
    load = part * system.max_load
    least, best = float(system.least_delay(load)), float(system.best_fraction(load))
    assert float(system.delay(f, load)) >= least * (1 - rounding(part))
    assert float(system.delay(best, load)) == pytest.approx(least, rel=rounding(part))


@given(st.builds(TunableMode, rates, ratios), parts)
def test_theorem_1_the_best_local_part_is_below_the_local_capacity_s(system, part):
    load = part * system.max_load
    root = math.sqrt(system.K)
    best = float(system.best_fraction(load))
    assert 0 <= best < 1 / (system.K + 1)
    assert (best > 0) == (load > system.mu0 * (system.K - root))


@given(systems(any_ratios), parts)
def test_theorem_2_the_largest_load_is_the_least_of_three(system, part):
    (l1, _), (_, c2) = system.dual_mode.rate
    most = capacity(system.dual_mode).max_load
    assert most == pytest.approx(min(l1, c2, (system.K + 1) * system.mu0), rel=1e-12)
    with pytest.raises(LoadError, match="not below the maximum"):
        assignment(system.dual_mode, most / part)


@given(systems(any_ratios), parts)
def test_lemma_1_every_smaller_load_has_a_stable_operating_point(system, part):
    load = load_at(system.dual_mode, part)
    point = stable_point(system.dual_mode, load)
    assert is_stable(system.dual_mode, load, point.assignment, point.partition)
    assert mean_delay(system.dual_mode, load, point.assignment, point.partition) < math.inf


@given(systems(any_ratios), st.floats(-9, 1), closed, closed, closed)
def test_lemma_2_no_larger_load_has_one(system, excess, p, alpha, beta):
    load = load_at(system.dual_mode, 1 + 10**excess)
    assert not is_stable(system.dual_mode, load, [p, 1 - p], [[alpha, 1 - alpha], [beta, 1 - beta]])
    limit = capacity(system.dual_mode).assignment
    even = [
        [a, 1 - a] for a in limit[0] * system.dual_mode.time[:, 0] / (system.dual_mode.time @ limit)
    ]
    assert not is_stable(system.dual_mode, load, limit, even)


@given(systems(any_ratios), parts, closed, closed, closed)
def test_theorem_3_no_partition_is_faster_than_the_best(system, part, at, alpha, beta):
    modes = system.dual_mode
    load = load_at(modes, part)
    low, high = stable_interval(modes, load)
    p = low + (high - low) * (0.01 + 0.98 * at)
    best = partition(modes, load, p)
    need = load * best.assignment * modes.time
    # what is left after every mode has what it needs, at random
    share = need + (1 - need.sum(axis=1, keepdims=True)) * np.array(
        [[alpha, 1 - alpha], [beta, 1 - beta]]
    )
    # both are sums over p, which is rounded; p is a hundredth of the interval or more from its ends
    lost = 1000 * rounding(part) / (system.f2 - system.f1)
    assert mean_delay(modes, load, best.assignment, share) >= best.mean_delay * (1 - lost)
    assert best.mean_delay == pytest.approx(float(printed_delay(modes, load, p)), rel=lost)


@given(systems(any_ratios), parts, closed)
def test_eq_2_the_delay_is_the_tunable_one_and_an_overhead(system, part, p):
    load = load_at(system.dual_mode, part)
    whole, two = float(delay(system.dual_mode, load, p)), decompose(system, load, p)
    # away from the ends of the interval, where what is left is all rounding
    f = float(system.local_part(p))
    left = min(1 - load * f / system.mu0, 1 - load * (1 - f) / (system.K * system.mu0))
    assume(abs(left) > 1e-9)
    assert float(two.tunable + two.overhead) == pytest.approx(whole, rel=1e-14 / abs(left))
    assert float(two.overhead) >= 0


@given(systems(any_ratios), parts, closed)
def test_proposition_1_no_assignment_is_faster_than_the_tunable_mode(system, part, p):
    load = load_at(system.dual_mode, part)
    bound = float(tunable_of(system).least_delay(load))
    # the tunable mode has the larger largest load
    assert float(delay(system.dual_mode, load, p)) >= bound * (1 - rounding(part))
    assert assignment(system.dual_mode, load).mean_delay >= bound * (1 - rounding(part))


@given(rates, any_ratios, parts)
def test_proposition_2_corrected_ideal_modes_attain_the_bound_at_1_minus_f(mu0, K, part):
    """For f = (0, 1) the local work is f(p) = 1 - p, so p* = 1 - f*; alpha = 0, beta = 1."""
    system = Canonical(mu0, K, 0.0, 1.0)
    load = load_at(system.dual_mode, part)
    best = assignment(system.dual_mode, load)
    assert best.mean_delay == pytest.approx(
        float(tunable_of(system).least_delay(load)), rel=rounding(part)
    )
    # where f* starts from 0 the slope is flat in sqrt(1 - p), which costs p some digits
    assert best.p == pytest.approx(1 - float(tunable_of(system).best_fraction(load)), abs=1e-9)
    if 0 < best.p < 1:
        np.testing.assert_array_equal(best.share, [[0.0, 1.0], [1.0, 0.0]])


def test_proposition_2_as_printed_fails():
    """K = 4, load 4: p* = 5/6; at the printed 1/6 the local utilisation would be 10/3."""
    system = Canonical(1.0, 4.0, 0.0, 1.0)
    printed = float(tunable_of(system).best_fraction(4.0))
    assert printed == pytest.approx(1 / 6)
    assert delay(system.dual_mode, 4.0, printed) == math.inf
    assert assignment(system.dual_mode, 4.0).p == pytest.approx(5 / 6, rel=1e-12)
    assert delay(system.dual_mode, 4.0, 5 / 6) == pytest.approx(
        float(tunable_of(system).least_delay(4.0)), rel=1e-14
    )


@given(redundant(), parts)
def test_theorem_4_a_mode_2_that_is_redundant_gets_nothing(system, part):
    load = load_at(system.dual_mode, part)
    best = assignment(system.dual_mode, load)
    assert best.p == 1
    assert best.mean_delay == pytest.approx(alone(system.dual_mode, 0, load), rel=rounding(part))


@given(breaking(), st.one_of(st.just(1.0), st.floats(1e-6, 1)))
def test_theorem_5_mode_1_has_it_all_at_low_loads(system, part):
    load = part * regimes(system).single_mode_until
    assert regimes(system).single_mode_until == pytest.approx(
        system.mu0 * (system.K - math.sqrt(system.K)) / (1 - system.f1 * (1 + math.sqrt(system.K))),
        rel=1e-12,
    )
    p = assignment(system.dual_mode, load).p
    if (system.f1, system.f2) == (0, 1):
        # no overhead keeps p at 1 there: p leaves continuously, and the load is rounded
        assert p == (pytest.approx(1, abs=1e-9) if part > 1 - 1e-9 else 1)
    else:
        assert p == 1


@given(breaking(), closed)
def test_theorem_6_mode_1_no_longer_has_it_all_at_high_loads(system, at):
    starts, most = system.K * system.mu0 / (1 - system.f1), capacity(system.dual_mode).max_load
    assume(starts < most * (1 - 1e-9))
    load = starts + (most * (1 - 1e-9) - starts) * at
    best = assignment(system.dual_mode, load)
    assert best.p < 1
    assert best.assignment[1] > 0


@given(efficient(), closed)
def test_theorem_7_both_modes_get_jobs_at_high_loads(system, at):
    starts = max(system.mu0 / system.f2, system.K * system.mu0 / (1 - system.f1))
    most = (system.K + 1) * system.mu0
    assert starts < most
    load = starts + (most - starts) * (1e-6 + (1 - 2e-6) * at)
    best = assignment(system.dual_mode, load)
    assert 0 < best.p < 1
    assert np.all((best.share > 0) | np.isinf(system.dual_mode.rate))


@given(efficient(), st.floats(-10, -2))
def test_theorem_7_the_limit_balances_the_servers(system, exponent):
    """p* lies in the stable interval, which contains the limit.

    At a part of the largest load the interval is (1/part - 1)/(f2 - f1) wide.
    """
    part = 1 - 10**exponent
    balanced = 1 / (system.K + 1)
    limit = (system.f2 - balanced) / (system.f2 - system.f1)
    assert regimes(system).saturation == pytest.approx(limit, rel=1e-14)
    p = assignment(system.dual_mode, load_at(system.dual_mode, part)).p
    assert abs(p - limit) <= ((1 / part - 1) + 1e-15) / (system.f2 - system.f1)


@given(overloading(), closed)
def test_theorem_8_mode_2_has_it_all_at_high_loads(system, at):
    root = math.sqrt(system.K)
    starts = system.mu0 * (system.K - root) / (1 - system.f2 * (1 + root))
    most = capacity(system.dual_mode).max_load
    assume(starts < most * (1 - 1e-6))
    load = starts + (most * (1 - 1e-6) - starts) * at
    best = assignment(system.dual_mode, load)
    assert best.p == 0
    assert best.mean_delay == pytest.approx(
        alone(system.dual_mode, 1, load), rel=rounding(load / most)
    )


@given(systems(any_ratios), parts)
@pytest.mark.slow
def test_the_order_of_the_servers_does_not_matter(system, part):
    modes = system.dual_mode
    swapped = Modes(modes.rate[::-1])
    assert capacity(swapped).max_load == pytest.approx(capacity(modes).max_load, rel=1e-14)
    load = load_at(modes, part) * (1 - 1e-14)
    here, there = assignment(modes, load), assignment(swapped, load)
    assert there.mean_delay == pytest.approx(here.mean_delay, rel=rounding(part))
    assert float(delay(swapped, load, here.p)) == pytest.approx(
        float(delay(modes, load, here.p)), rel=1e-13, abs=0
    )


@given(systems(), parts)
def test_p_is_where_the_regime_says(system, part):
    load = load_at(system.dual_mode, part)
    found, p = regime(system, load), assignment(system.dual_mode, load).p
    # ideal modes leave p = 1 continuously
    room = 1e-9 if (system.f1, system.f2) == (0, 1) else 0.0
    assert found.low - room <= p <= found.high + room
    assert found.theorem in (None, 4, 5, 6, 7, 8)


@given(systems(any_ratios, inner_pairs), st.floats(1e-3, 0.999), st.sampled_from([0, 1]))
def test_one_mode_alone_is_a_strict_local_minimum_where_it_is_stable(system, part, mode):
    """The overhead has slope of order 1/sqrt(1-p): 1e-20 of the jobs costs 1e-10 of the delay."""
    modes = system.dual_mode
    load = part * min(capacity(modes).max_load, float(modes.rate[:, mode].min()))
    near = np.eye(2)[mode] + 1e-20 * np.eye(2)[1 - mode]
    assert partition(modes, load, near).mean_delay > alone(modes, mode, load) * (1 + 1e-14)


@settings(max_examples=40)
@given(breaking())
@pytest.mark.slow
def test_p_does_not_return_to_mode_1(system):
    loads = capacity(system.dual_mode).max_load * np.linspace(0, 1, 60)[1:-1]
    left = best_assignment(system.dual_mode, loads)[0] < 1
    assert np.all(np.diff(left.astype(int)) >= 0)


def test_p_need_not_fall():
    """K = 2, f = (0.1, 0.4): all jobs in mode 1, then all in mode 2, then some in each."""
    modes = Canonical(1.0, 2.0, 0.1, 0.4).dual_mode
    p, _ = best_assignment(modes, np.linspace(0.01, 2.999, 300))
    kinds = ["one" if x == 1 else "two" if x == 0 else "both" for x in p]
    assert [k for i, k in enumerate(kinds) if i == 0 or kinds[i - 1] != k] == ["one", "two", "both"]
    assert p[-1] > 0.2


@given(systems(any_ratios), parts)
def test_the_unit_of_time_does_not_matter(system, part):
    """A power of two scales floats exactly."""
    load = load_at(system.dual_mode, part)
    here, there = (
        assignment(system.dual_mode, load),
        assignment(Modes(system.dual_mode.rate / 1024), load / 1024),
    )
    assert there.mean_delay == pytest.approx(1024 * here.mean_delay, rel=1e-13)
    assert there.p == pytest.approx(here.p, abs=1e-12)
