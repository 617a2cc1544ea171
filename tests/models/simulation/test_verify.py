"""The simulated numbers beside models and closed forms, for each kind of system that has them."""

import importlib
from dataclasses import replace

import pytest

from sojourn.models import (
    BPR,
    MM1,
    DualMode,
    Groups,
    InputError,
    MultiMode,
    ParallelServers,
    Routes,
    SharedModes,
    verify,
)
from sojourn.models.frontend.kinds import kind_of

WORK = [[0.1, 0.3, 0.2], [0.225, 0.175, 0.19]]
BOTH = {"optimum mean delay", "equilibrium mean delay"}
PAIR = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
CHAIN = Routes({"a": MM1(3.0), "b": MM1(4.0, 0.1)}, {"all": [["a", "b"], ["b"]]}, {"all": 2.0})
REGIONS = Groups(MM1([5.0, 8.0]), load=[2.0, 3.0], delay=[[0.0, 0.1], [0.1, 0.0]])


@pytest.mark.parametrize(
    ("system", "part", "quantities"),
    [
        (ParallelServers(MM1([10.0, 5.0])), 0.6, BOTH),
        (PAIR, 0.6, {"best delay"}),
        (PAIR.tunable, 0.6, {"tunable delay"}),
        (MultiMode.from_work(WORK), 0.6, {"best delay"}),
        (SharedModes.from_work(WORK), 0.6, BOTH),
        (CHAIN, 0.6, BOTH),
        (REGIONS, 0.6, BOTH),
    ],
    ids=["servers", "dual mode", "tunable mode", "modes", "shared modes", "chain", "groups"],
)
def test_simulated_delays_stand_beside_the_others(system, part, quantities):
    load = part * system.max_load
    found = verify(system, [load], simulate=40_000, seed=2)
    assert found.passed
    assert not found.notes
    simulated = {c.quantity: c for c in found.checks if c.simulated is not None}
    assert simulated.keys() == quantities
    for check in simulated.values():
        assert check.simulated.lower < check.simulated < check.simulated.upper
        assert check.covered
        assert check.simulated.upper < 1.3 * check.simulated.lower
    assert verify(system, [load], simulate=40_000, seed=2).checks == found.checks


def test_a_kind_without_a_simulation_is_refused(monkeypatch):
    kind = replace(kind_of(PAIR.tunable), splits={})
    module = importlib.import_module("sojourn.models.studies.verify")
    monkeypatch.setattr(module, "kind_of", lambda _: kind)
    with pytest.raises(InputError, match=r"simulate .* no simulation, tunable_mode"):
        verify(PAIR.tunable, [1.0], simulate=1000)


def test_roads_are_refused():
    road = Routes({"road": BPR(1.0, 5.0)}, {"all": [["road"]]}, {"all": 2.0})
    with pytest.raises(InputError, match=r"stations\[0\] = 'BPR': is a road"):
        verify(road, [2.0], simulate=1000)
