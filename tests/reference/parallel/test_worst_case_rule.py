"""Corollary 2 of Mancuso et al., the rule for the worst case: where it is true, where false."""

import mpmath as mp
import numpy as np
import pytest
from counterexamples import MM1_BY_A_HAIR, ONE_CV, Counterexample
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn.reference import MG1, MM1, candidate_worst_case, price_of_anarchy, saturation_limit
from sojourn.reference.parallel import thresholds, worst_case

each = pytest.mark.parametrize("case", [*ONE_CV, MM1_BY_A_HAIR], ids=lambda c: f"k = {c.k:g}")


def exact(case, load):
    """Price of anarchy in 50 digits: both prices by bisection, over groups of equal servers."""
    with mp.workdps(50):
        k, load = mp.mpf(str(case.k)), mp.mpf(load)
        groups = [(n, mp.mpf(str(mu)), mp.mpf(str(d))) for n, mu, d in case.servers]

        def at_latency(price, mu, d):
            above = max(price - d - 1 / mu, mp.mpf(0))
            return above * mu**2 / (k + above * mu)

        def at_marginal(price, mu, d):
            return mu * (1 - 1 / mp.sqrt(1 + max(price - d - 1 / mu, mp.mpf(0)) * mu / k))

        def price(flow):
            low, high = mp.mpf(0), mp.mpf(10) ** 6
            for _ in range(190):
                middle = (low + high) / 2
                carried = sum(n * flow(middle, mu, d) for n, mu, d in groups)
                low, high = (middle, high) if carried < load else (low, middle)
            return high

        latency, marginal = price(at_latency), price(at_marginal)
        carried = mp.mpf(0)
        for n, mu, d in groups:
            x = at_marginal(marginal, mu, d)
            carried += n * x * (d + 1 / mu + k * x / (mu * (mu - x)))
        return latency * load / carried


def servers(case):
    numbers = case.numbers
    return MM1(numbers["rate"], numbers["delay"]) if case.k == 1 else MG1(**numbers)


@each
def test_with_one_cv_for_all_the_worst_load_is_inside_a_segment(case):
    bank = servers(case)
    rule = candidate_worst_case(bank)
    assert rule.worst == pytest.approx(case.rule, rel=1e-12)
    assert float(exact(case, case.load)) == pytest.approx(case.poa, rel=1e-12)
    assert float(price_of_anarchy(bank, case.load)) == pytest.approx(case.poa, rel=1e-12)
    assert case.poa > rule.worst * (1 + 2.5e-5)
    # a maximum within its segment, in 50 digits
    beside = max(exact(case, case.load * (1 + step)) for step in (-1e-5, 1e-5))
    assert beside < exact(case, case.load)


@pytest.mark.parametrize("case", ONE_CV, ids=lambda c: f"k = {c.k:g}")
def test_the_search_finds_the_worst_load(case):
    found = worst_case(servers(case))
    assert found.certified
    assert found.poa == pytest.approx(case.poa, rel=1e-10)
    assert found.load == pytest.approx(case.load, rel=1e-5)  # the curve is flat at its maximum
    assert found.candidate_poa == pytest.approx(case.rule, rel=1e-12)


def test_the_candidates_of_the_mm1_system_are_an_activation_and_saturation():
    bank = servers(MM1_BY_A_HAIR)
    rule = candidate_worst_case(bank)
    assert len(bank) == 13_137
    assert rule.worst_load == pytest.approx(
        thresholds(bank).equilibrium[10_700:13_135].max(), rel=1e-12
    )
    assert saturation_limit(bank) == pytest.approx(1.106902242114, rel=1e-12)


@pytest.mark.parametrize("k", [1.1, 2.0, 10.0])
@pytest.mark.parametrize("used", [0.1, 0.5])
def test_the_rule_is_false_for_every_cv_above_1(k, used):
    """W servers of rate 1 and delay 0 beside one of rate M and delay 1 - 1/M.

    (R - 1)/(R_sat - 1) tends to k/(1 + (k - 1) u) at utilisation u of the small servers.
    """
    limit, errors = k / (1 + (k - 1) * used), []
    for many, fast in ((10**14, 10**6), (10**22, 10**10)):
        case = Counterexample(k, ((many, 1, 0), (1, fast, 1 - 1 / fast)), 0, 0, 0)
        with mp.workdps(50):
            u, mu, root = mp.mpf(str(used)), mp.mpf(fast), mp.sqrt(fast)
            above = mp.mpf(str(k)) * u / (1 - u)
            load = many * u + above * mu**2 / (mp.mpf(str(k)) + above * mu)
            saturated = (many + 1) * (many + mu) / (many + root) ** 2
            errors.append(abs((exact(case, load) - 1) / (saturated - 1) - limit))
    assert limit > 1
    assert errors[1] < 0.02 * errors[0]  # as 1/sqrt(M)
    assert errors[1] < 1e-3


logs = st.floats(-1, 3).map(lambda e: 10.0**e)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(logs, min_size=2, max_size=8),
    st.one_of(st.just(0.0), st.floats(-4, 2).map(lambda e: 10.0**e)),
)
def test_the_rule_is_true_for_mm1_servers_at_one_distance(rates, delay):
    bank = MM1(rates, delay)
    found = worst_case(bank)
    assert found.certified
    assert found.candidate_poa == pytest.approx(candidate_worst_case(bank).worst, rel=1e-12)
    assert found.upper_bound <= found.candidate_poa * (1 + 2e-8)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(logs, min_size=2, max_size=8),
    st.floats(1, 30),
    st.one_of(st.just(0.0), st.floats(-4, 2).map(lambda e: 10.0**e)),
)
def test_the_rule_is_true_for_one_cv_and_equal_constant_parts(rates, cv, constant):
    """Latencies e + k/(mu - x) with one e: delays e + (k - 1)/mu, positive from cv = 1 on."""
    k, rate = (1 + cv**2) / 2, np.array(rates)
    found = worst_case(MG1(rate, cv, constant + (k - 1) / rate))
    assert found.upper_bound <= found.candidate_poa * (1 + 2e-8)
