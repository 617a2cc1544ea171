"""Banks of M/M/1, M/D/1 and M/G/1 servers: formulas, derivatives, inverses, digits."""

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad

from sojourn.reference import MD1, MG1, MM1, MixedBank, equilibrium, optimum

BANKS = {
    "MM1": MM1([100.0, 80.0, 3.0], [0.005, 0.0, 0.2]),
    "MD1": MD1([100.0, 80.0, 3.0], [0.005, 0.0, 0.2]),
    "MG1": MG1([100.0, 80.0, 3.0], [0.0, 1.0, 7.0], [0.005, 0.0, 0.2]),
    "mixed": MixedBank([MM1([100.0], 0.005), MG1([80.0, 3.0], [1.5, 7.0], [0.0, 0.2])]),
}
PARTS = np.array([1e-9, 1e-3, 0.3, 0.9, 0.999])


@pytest.fixture(params=BANKS)
def bank(request):
    return BANKS[request.param]


def test_latency_is_pollaczek_and_khinchine(bank):
    """Waiting time rho (1 + cv^2) / (2 mu (1 - rho)), plus service time, plus delay."""
    cv = np.sqrt(2 * bank.k - 1)
    for part in PARTS:
        wait = part * (1 + cv**2) / (2 * bank.rate * (1 - part))
        np.testing.assert_allclose(
            bank.latency(part * bank.rate), bank.delay + 1 / bank.rate + wait, rtol=1e-12
        )


def test_mm1_is_its_textbook_form():
    bank = BANKS["MM1"]
    x = np.array([99.0, 1e-8, 1.5])
    np.testing.assert_allclose(bank.latency(x), bank.delay + 1 / (bank.rate - x), rtol=1e-13)
    np.testing.assert_allclose(
        bank.marginal(x), bank.delay + bank.rate / (bank.rate - x) ** 2, rtol=1e-13
    )
    np.testing.assert_allclose(
        bank.potential(x), bank.delay * x - np.log1p(-x / bank.rate), rtol=1e-13
    )


def test_marginal_and_slopes_are_derivatives(bank):
    x = 0.4 * bank.rate
    step = 1e-5 * bank.rate

    def total(flow):
        return flow * bank.latency(flow)

    np.testing.assert_allclose(
        bank.marginal(x), (total(x + step) - total(x - step)) / (2 * step), rtol=1e-8
    )
    for function, slope in (
        (bank.latency, bank.latency_slope),
        (bank.marginal, bank.marginal_slope),
    ):
        np.testing.assert_allclose(
            slope(x), (function(x + step) - function(x - step)) / (2 * step), rtol=1e-7
        )


def test_potential_is_the_integral_of_the_latency(bank):
    for part in (1e-6, 0.5, 0.99):
        x = part * bank.rate
        for i in range(len(bank)):
            value, _ = quad(lambda v, i=i: latency_of(bank, i, v), 0, x[i], epsrel=1e-12)
            assert bank.potential(x)[i] == pytest.approx(value, rel=1e-9)


def latency_of(bank, i, flow):
    return float(bank.take(np.array([i])).latency([flow])[0])


@pytest.mark.parametrize("part", [1e-12, 1e-6, 0.5, 0.999999])
def test_inverses_return_the_flow(bank, part):
    x = part * bank.rate
    # error of the flow from the rounding error of the price
    rounding = 4e-16 * bank.latency(x)
    np.testing.assert_allclose(
        bank.inverse_latency(bank.latency(x)),
        x,
        rtol=1e-9,
        atol=np.max(rounding / bank.latency_slope(x)),
    )
    rounding = 4e-16 * bank.marginal(x)
    np.testing.assert_allclose(
        bank.inverse_marginal(bank.marginal(x)),
        x,
        rtol=1e-9,
        atol=np.max(rounding / bank.marginal_slope(x)),
    )


@pytest.mark.parametrize("cv", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("part", [1e-15, 1e-9, 1e-3, 0.24, 0.26, 0.9, 1 - 1e-9])
def test_potential_keeps_all_digits(cv, part):
    """At light load x/mu + log(1 - x/mu) cancels; a large variability magnifies the error."""
    flow = 4.0 * part
    with mp.workdps(50):
        used, k = mp.mpf(flow) / 4, (1 + mp.mpf(cv) ** 2) / 2
        exact = mp.mpf(0.25) * flow - k * (used + mp.log(1 - used))
        assert abs(mp.mpf(float(MG1(4.0, cv).potential([flow])[0])) / exact - 1) < 1e-15


@pytest.mark.parametrize("part", [1e-12, 1e-3, 0.5, 1 - 1e-9])
def test_latency_and_marginal_keep_all_digits(bank, part):
    flow = part * bank.rate
    latency, marginal = bank.latency(flow), bank.marginal(flow)
    with mp.workdps(50):
        for i in range(len(bank)):
            mu, d, k, x = (mp.mpf(float(v[i])) for v in (bank.rate, bank.delay, bank.k, flow))
            exact = d + 1 / mu + k * x / (mu * (mu - x))
            assert abs(mp.mpf(float(latency[i])) / exact - 1) < 1e-15
            exact = d + 1 / mu + k * (mu**2 / (mu - x) ** 2 - 1) / mu
            assert abs(mp.mpf(float(marginal[i])) / exact - 1) < 2e-15


def test_inverses_are_0_below_the_idle_latency(bank):
    assert np.all(bank.inverse_latency(0.5 * bank.idle_latency) == 0)
    assert np.all(bank.inverse_marginal(bank.idle_latency) == 0)


@pytest.mark.parametrize("excess", [1e-18, 1e-9, 1.0, 1e12])
def test_operating_points_keep_all_digits(bank, excess):
    """The flow at light load and the spare capacity at heavy load, against 50 digits."""
    at_latency, at_marginal = bank.at_latency(excess), bank.at_marginal(excess)
    with mp.workdps(50):
        for i in range(len(bank)):
            mu = mp.mpf(float(bank.rate[i]))
            z = mp.mpf(excess) * mu / mp.mpf(float(bank.k[i]))
            for point, spare_capacity in (
                (at_latency, mu / (1 + z)),
                (at_marginal, mu / mp.sqrt(1 + z)),
            ):
                assert abs(mp.mpf(float(point.spare_capacity[i])) / spare_capacity - 1) < 1e-15
                assert abs(mp.mpf(float(point.flow[i])) / (mu - spare_capacity) - 1) < 1e-15
                # the slope of the flow is that of the spare capacity, with the other sign
                power = 2 if point is at_latency else 3
                slope = (spare_capacity**power / mu ** (power - 2)) / (
                    bank.k[i] * (1 if power == 2 else 2)
                )
                assert abs(mp.mpf(float(point.slope[i])) / slope - 1) < 1e-14


def test_functions_take_many_flows_at_once(bank):
    flows = PARTS[:, None] * bank.rate
    for function in (
        bank.latency,
        bank.marginal,
        bank.potential,
        bank.latency_slope,
        bank.marginal_slope,
    ):
        values = function(flows)
        assert values.shape == flows.shape
        np.testing.assert_array_equal(values[2], function(flows[2]))


def test_mixed_bank_is_its_banks_in_order():
    mixed = BANKS["mixed"]
    assert len(mixed) == 3
    np.testing.assert_array_equal(mixed.rate, [100.0, 80.0, 3.0])
    x = np.array([10.0, 20.0, 1.0])
    parts = np.concatenate([mixed.banks[0].latency(x[:1]), mixed.banks[1].latency(x[1:])])
    np.testing.assert_array_equal(mixed.latency(x), parts)


def test_take_keeps_the_numbers_of_each_server():
    mixed = BANKS["mixed"]
    part = mixed.take(np.array([2, 0]))
    # grouped by family: the M/M/1 server comes first
    np.testing.assert_array_equal(part.rate, [100.0, 3.0])
    np.testing.assert_array_equal(part.k, [1.0, (1 + 49) / 2])
    bank = BANKS["MG1"].take(slice(1, None))
    np.testing.assert_array_equal(bank.cv, [1.0, 7.0])
    assert bank.idle_latency[0] == pytest.approx(1 / 80)


def test_banks_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        BANKS["MM1"].rate[0] = 1.0


class Computed(MM1):
    """M/M/1 servers whose rate is a little more than its float."""

    @property
    def rate_error(self):
        return np.full(len(self), 2.0**-54)


def test_spare_capacity_includes_the_rounding_error_of_the_rate():
    bank = Computed([1.0, 1.0])
    assert bank.spare_capacity([1.0, 0.5]).tolist() == [2.0**-54, 0.5]
    assert MM1([1.0]).spare_capacity([1.0]).tolist() == [0.0]
    assert bank.latency([1.0, 0.5]).tolist() == [2.0**54, 2.0]
    assert MM1([1.0]).latency([1.0]).tolist() == [np.inf]
    total, low = MixedBank([bank, MM1([3.0])]).total_rate
    assert (total, low) == (5.0, 2.0**-53)
    # at this load the rates have no spare capacity without their rounding errors
    for split in (optimum(bank, 2.0), equilibrium(MixedBank([bank]), 2.0)):
        assert float(split.mean_delay) == pytest.approx(2.0**54, rel=1e-15)


def test_mixed_banks_in_mixed_banks_are_banks_side_by_side():
    inner = MixedBank([MM1([2.0, 3.0]), MD1(4.0)])
    outer = MixedBank([inner, MixedBank([MG1(5.0, cv=2.0)])])
    assert [type(bank) for bank in outer.banks] == [MM1, MD1, MG1]
    flow = [1.0, 1.0, 2.0, 3.0]
    flat = MixedBank([MM1([2.0, 3.0]), MD1(4.0), MG1(5.0, cv=2.0)])
    np.testing.assert_array_equal(outer.latency(flow), flat.latency(flow))
    np.testing.assert_array_equal(outer.rate, flat.rate)
