"""From its rate on a server's latency and what derives from it are infinite, for every family."""

import warnings

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn import reference
from sojourn.models import MM1, Latency, MMc, ParallelServers
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.base import Scaled
from sojourn.models.latency.player_latency import FollowerLatency, PlayerLatency

NAMES = ("latency", "marginal", "potential", "latency_slope", "marginal_slope")
BOUNDED = {name: bank for name, bank in FAMILIES.items() if np.all(np.isfinite(bank.rate))}
VIEWS = {
    "reference": reference.MG1([100.0, 80.0, 200.0], 3.0, 0.01),
    "mixed": MixedLatency(
        [FAMILIES["M/M/1"], FAMILIES["M/M/c"], FAMILIES["function within a rate"]]
    ),
    "scaled": Scaled(FAMILIES["M/M/1"], 0.1, 10.0),
    "players": PlayerLatency(FAMILIES["M/M/1"], 2.0),
    "one player": PlayerLatency(FAMILIES["M/M/c"], 1.0),
    "followers": FollowerLatency(FAMILIES["M/M/c"], np.array([10.0, 0.0, 900.0])),
    "reference players": reference.parallel.players.PlayerCost(reference.MM1([3.0, 1.0, 2.0]), 3.0),
}


class Formula(Latency):
    """A family with its latency only, which changes its sign at the rate."""

    def __init__(self, rate, delay=0.0):
        self.rate, self.delay = np.array(rate, dtype=float), np.zeros(len(rate)) + delay

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 / (
            self.rate - np.asarray(flow) if spare_capacity is None else np.asarray(spare_capacity)
        )


@pytest.fixture(params=[*BOUNDED, *VIEWS, "formula alone"])
def bank(request):
    return {**BOUNDED, **VIEWS, "formula alone": Formula([10.0, 5.0, 1.0])}[request.param]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_infinite_from_the_rate_on(bank):
    for name in NAMES:
        function = getattr(bank, name)
        for part in (1.0, 1.2, 1e6, np.inf):
            assert np.isposinf(function(part * bank.rate)).all(), (name, part)
        assert np.isposinf(function(np.full((2, len(bank)), 1.2) * bank.rate)).all()
        assert np.isfinite(function(0.9 * bank.rate)).all()
    for name in ("latency", "marginal"):
        for spare_capacity in (0.0, -1e-300, -1.0):
            given = np.full(len(bank), spare_capacity)
            assert np.isposinf(getattr(bank, name)(bank.rate - given, given)).all()
            assert np.isposinf(getattr(bank, name)(bank.rate - given, spare_capacity=given)).all()


def test_a_full_server_does_not_change_the_others(bank):
    inside, mixed = 0.6 * bank.rate, 0.6 * bank.rate
    mixed[1] = 1.1 * bank.rate[1]
    for name in NAMES:
        expected, got = getattr(bank, name)(inside), getattr(bank, name)(mixed)
        assert np.isposinf(got[1])
        np.testing.assert_array_equal(np.delete(got, 1), np.delete(expected, 1))


def test_servers_without_a_rate_take_any_load():
    for name in ("polynomial", "BPR", "function"):
        bank = FAMILIES[name]
        assert np.isfinite(bank.latency(np.full(len(bank), 1e6))).all()


def test_followers_of_servers_without_a_rate():
    bank = MixedLatency([FAMILIES["polynomial"], FAMILIES["M/M/c"]])
    followers = FollowerLatency(bank, np.full(6, 0.5))
    assert np.isfinite(followers.latency(np.ones(6))).all()
    assert followers.rate_error[:3].tolist() == [0.0, 0.0, 0.0]
    assert np.isfinite(reference.controlled(bank, 20.0, 0.3).mean_delay)


def test_mm1_beyond_its_rate():
    assert np.isposinf(MM1([100.0]).latency([120.0])).all()
    assert MM1([100.0, 200.0]).latency([120.0, 120.0]).tolist() == [np.inf, 1 / 80]
    assert np.isposinf(MM1([100.0]).latency(120.0)).all()


def test_a_negative_flow_is_computed_by_the_formula():
    assert MM1([100.0]).latency([-100.0])[0] == pytest.approx(1 / 200)
    assert MMc([50.0], 2).latency([-100.0])[0] == 1 / 50  # M/M/c takes it for 0


@pytest.mark.parametrize("load", [0.5, 1 - 1e-15, np.nextafter(1.0, 0.0)])
def test_certificates_next_to_the_rate_cover_the_error(load):
    """Also at the last float below the rate, where few floats split so little spare capacity."""
    for bank in (MM1([1.0]), MM1([0.25, 0.75])):
        system = ParallelServers(bank)
        for goal in ("optimum", "equilibrium"):
            answer = getattr(system, goal)(load, throw=False)
            exact = float(getattr(reference, goal)(bank, load).mean_delay)
            gap = answer.certificate.gap
            assert answer.certified == (gap < 1e-4)
            assert answer.certified or (len(bank) > 1 and load != 0.5)
            assert answer.mean_delay == pytest.approx(exact, rel=max(2 * gap, 1e-12))
