"""Claims of the paper on the price of anarchy, true and false, by their numbers."""

import numpy as np
import pytest

from sojourn.reference import (
    MG1,
    MM1,
    InputError,
    candidate_worst_case,
    optimum,
    price_of_anarchy,
    saturation_limit,
)
from sojourn.reference.parallel import anarchy, thresholds


def test_theorem_5_is_false():
    """Between activations of the equilibrium the curve is not convex: a point above its chord."""
    bank = MM1([10.0, 1.0], [0.0, 100.0])
    load = np.array([10.4, 10.7, 10.99])
    poa = price_of_anarchy(bank, load)
    np.testing.assert_allclose(poa, [10.1047, 7.4925, 1.5721], atol=5e-5)
    assert np.all(thresholds(bank).equilibrium < load[0])
    chord = poa[0] + (poa[2] - poa[0]) * (load[1] - load[0]) / (load[2] - load[0])
    assert chord == pytest.approx(5.766, abs=5e-4)
    assert poa[1] > chord + 1.7


def test_corollary_2_is_false_where_variabilities_differ():
    bank = MG1([1.0, 1.0], [1.0, 20.0])
    assert float(price_of_anarchy(bank, 1.320485)) == pytest.approx(2.101683, abs=5e-7)
    rule = candidate_worst_case(bank)
    assert rule.worst == pytest.approx(1.753549, abs=5e-7)
    assert rule.worst_load == 2.0


def test_fixed_delays_make_it_unbounded():
    """Two M/M/1 servers of rate 1, one at delay D: about sqrt(D)/2."""
    for far in (1e4, 1e6, 1e8):
        worst = candidate_worst_case(MM1([1.0, 1.0], [0.0, far])).worst
        assert worst == pytest.approx(np.sqrt(far) / 2, rel=2 / far**0.25)


def test_scenario_1_peaks_at_the_last_equilibrium_activation():
    rule = candidate_worst_case(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
    assert rule.worst == pytest.approx(1.1195, abs=5e-5)
    assert rule.worst_load == pytest.approx(80.0)
    np.testing.assert_allclose(rule.load, [20.0, 80.0, 380.0])


def test_saturation_is_approached():
    bank = MG1([100.0, 80.0, 200.0], [0.5, 1.0, 3.0], [0.005, 0.005, 0.020])
    assert float(price_of_anarchy(bank, 380.0 * (1 - 1e-8))) == pytest.approx(
        saturation_limit(bank), rel=1e-6
    )


def test_saturation_of_haviv_and_roughgarden():
    """M/M/1 without delays: at most the number of servers, nearly so with one fast server."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 20):
        for _ in range(50):
            bank = MM1(10 ** rng.uniform(-3, 3, n))
            assert 1 - 1e-12 <= saturation_limit(bank) <= n * (1 + 1e-12)
    assert saturation_limit(MM1([1e12, 1.0, 1.0])) == pytest.approx(3.0, abs=1e-4)


def test_haviv_and_roughgarden_hold_at_every_load():
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 20):
        bank = MM1(10 ** rng.uniform(-3, 3, n))
        parts = np.array([0.0, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9])
        poa = price_of_anarchy(bank, bank.rate.sum() * parts)
        assert np.all((poa >= 1 - 1e-14) & (poa <= n * (1 + 1e-14)))


def test_loads_are_computed_in_blocks(monkeypatch):
    """Blocks have a bounded size, at least one load, and do not change the results."""
    bank, load = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), np.linspace(0, 379, 40)
    expected, sizes = price_of_anarchy(bank, load), []

    def counted(servers, block):
        sizes.append(block.size)
        return optimum(servers, block)

    monkeypatch.setattr(anarchy, "optimum", counted)
    for cells, rows in ((21, 7), (1, 1)):
        monkeypatch.setattr(anarchy, "CELLS", cells)
        sizes.clear()
        np.testing.assert_allclose(price_of_anarchy(bank, load), expected, rtol=1e-14)
        assert max(sizes) == rows
        assert sum(sizes) == load.size


def test_candidates_of_equally_near_servers_are_one():
    np.testing.assert_allclose(
        candidate_worst_case(MM1([10.0, 10.0, 5.0, 5.0])).load, [10.0, 30.0], rtol=1e-14
    )


@pytest.mark.parametrize("bank", [MM1(3.0), MM1([3.0, 3.0]), MM1([1e9, 1e-9], [0.0, 1e3])])
def test_saturation_is_the_only_candidate_where_no_server_starts_later(bank):
    """One server; equal servers; one so slow and far that it starts at the rounded total rate."""
    rule = candidate_worst_case(bank)
    np.testing.assert_array_equal(rule.load, [bank.rate.sum()])
    np.testing.assert_array_equal(rule.poa, [saturation_limit(bank)])
    assert rule.worst_load == bank.rate.sum()


def test_price_of_anarchy_is_1_while_both_use_one_server():
    bank = MM1([100.0, 80.0], [0.005, 0.005])
    np.testing.assert_allclose(price_of_anarchy(bank, [0.0, 1.0, 10.5]), 1.0, rtol=1e-14)


def test_shape_follows_the_load():
    bank = MM1([2.0, 1.0])
    assert price_of_anarchy(bank, 1.5).shape == ()
    assert price_of_anarchy(bank, []).shape == (0,)


def test_a_family_without_variability_is_refused():
    class WithoutVariability(MM1):
        k = None

    with pytest.raises(InputError, match="has no variability k"):
        saturation_limit(WithoutVariability([1.0]))
