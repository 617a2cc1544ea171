"""Systems are plain data, solved or not: they go to other processes and come back as they were."""

import copy
import pickle

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn.models import MM1, DualMode, MultiMode, ParallelServers, TunableMode

THERE_AND_BACK = [copy.copy, copy.deepcopy, lambda system: pickle.loads(pickle.dumps(system))]  # noqa: S301
WITHOUT_LAMBDAS = [name for name in FAMILIES if not name.startswith("function")]  # those need cloudpickle, as everywhere


@pytest.mark.parametrize("name", WITHOUT_LAMBDAS)
def test_every_family_pickles(name):
    system = ParallelServers(FAMILIES[name])
    system.bank.latency(np.zeros(len(system)))
    again = pickle.loads(pickle.dumps(system))  # noqa: S301
    flow = 0.3 * np.where(np.isfinite(system.bank.rate), system.bank.rate, 1.0)
    np.testing.assert_array_equal(again.bank.latency(flow), system.bank.latency(flow))
    assert (again.names, again.time_unit) == (system.names, system.time_unit)


@pytest.mark.parametrize("sent", THERE_AND_BACK)
def test_a_solved_system_pickles_and_solves_alike(sent):
    """Its programs stay behind: CVXPY problems that were solved do not pickle."""
    system = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3), time_unit="ms")
    first = system.assignment(4.5)
    again = sent(system)
    assert system._kept["assignment"]
    assert not again._kept
    assert again.assignment(4.5).mean_delay == first.mean_delay
    assert (again.canonical_form, again.time_unit, again.modes) == (system.canonical_form, "ms", system.modes)


def test_what_was_solved_is_no_part_of_the_other_systems():
    solved, fresh = (ParallelServers(MM1([3.0, 2.0], 0.1)) for _ in range(2))
    solved.optimum(2.0)
    assert pickle.dumps(solved.__getstate__()["_kinds"]) == pickle.dumps(fresh.__getstate__()["_kinds"])
    assert pickle.loads(pickle.dumps(solved)).optimum(2.0).mean_delay == solved.optimum(2.0).mean_delay  # noqa: S301
    modes = pickle.loads(pickle.dumps(MultiMode([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]])))  # noqa: S301
    assert modes.max_load == 4.0
    assert pickle.loads(pickle.dumps(TunableMode(1.0, 4.0))).max_load == 5.0  # noqa: S301


def test_a_tunable_mode_over_loads_is_its_optimum_at_each():
    system, loads = TunableMode(1.0, 4.0, time_unit="ms"), [2.0, 3.5, 4.9]
    data = system.curve(loads)
    for load, delay, flow in zip(loads, data["optimum_delay"].values, data["optimum_flow"].values, strict=True):
        assert delay == pytest.approx(system.optimum(load).mean_delay, rel=1e-9)
        assert flow[0] / load == pytest.approx(system.optimum(load).f, abs=1e-9)
    assert list(data["server"].values) == ["local", "cloud"]
    assert data["optimum_delay"].attrs["units"] == "ms"
