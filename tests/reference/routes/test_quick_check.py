"""The proof without a linear program that loads fit, against the capacity."""

import numpy as np
import pytest

from sojourn.models import Constant, Network
from sojourn.models.benchmarks.speed.networks import grid
from sojourn.reference.routes import capacity
from sojourn.reference.routes.quick_check import surely_carried


@pytest.mark.parametrize("side", [3, 5, 8])
def test_only_loads_that_fit_are_carried_for_sure(side):
    system = grid(side).queues.routed
    most = capacity(system)
    assert surely_carried(system, 0.7 * most.lower)
    for part in (1.0 + 1e-9, 1.001, 2.0, 1e3):
        assert not surely_carried(system, part * most.upper)


def test_stations_without_a_rate_carry_any_load():
    ends = [("a", "b"), ("b", "c")]
    system = Network(Constant([1.0, 2.0]), ends=ends, load={("a", "c"): 5.0}).routed
    assert surely_carried(system, 1e9)


def test_a_load_that_fits_needs_no_linear_program(monkeypatch):
    network = grid(4).queues

    def refuse(*_):
        raise AssertionError("a linear program was solved")

    monkeypatch.setattr("sojourn.models.systems.routes.system.capacity", refuse)
    assert network.check_load(network.load) == network.load
    with pytest.raises(AssertionError, match="linear program"):
        network.check_load(np.float64(1.5 * network.load))
