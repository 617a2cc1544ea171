"""A question behaves alike on every path: alone, over loads, in a study, with limits."""

import sys
import warnings

import numpy as np
import pytest
from cvxpy.reductions.dcp2cone.cone_matrix_stuffing import ParamConeProg
from cvxpy.reductions.utilities import ReducedMat

from sojourn.models import (
    MM1,
    Budget,
    DualMode,
    Groups,
    InputError,
    LateShare,
    MaxShare,
    MaxUtilisation,
    MinShare,
    MultiMode,
    ParallelServers,
    TunableMode,
    study,
    verify,
)
from sojourn.models.core import solve as engine
from sojourn.models.core.programs import ProgramStore
from sojourn.models.systems.parallel import control_curve, players_curve

LOADS = (100.0, 190.0)
PAIR_LOADS = (3.0, 4.5)


# systems are made anew for each call: some keep the programs that they have written
def servers():
    return ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))


def pair():
    return DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


def three_modes():
    return MultiMode([[4.0, 2.0, 3.0], [30.0, 40.0, 30.0], [80.0, 200.0, 100.0]])


def regions():
    return Groups(MM1([100.0, 80.0]), load={"a": 60.0, "b": 40.0}, delay=[[0, 0.1], [0.1, 0]])


def values(data, *names):
    """Return the named variables of a dataset, one row each."""
    return np.array([np.ravel(data[name].values) for name in names])


def delays(data):
    return values(data, "optimum_delay", "equilibrium_delay", "optimum_certified")


def flows(data):
    return values(data, "optimum_flow")


def answered(data):
    assert data.error.values.tolist() == [""]
    return data


def within_limits(**options):
    return servers().optimum(190.0, subject_to=[MaxShare(0.5)], **options).flow


def worst_case(**options):
    found = servers().worst_case(**options)
    return [found.poa, found.load]


def breakaway(**options):
    found = pair().breakaway(**options)
    return [found.load, found.p_after]


def checks(found):
    assert found.passed
    return [check.model for check in found.checks]


ALONE = {
    "optimum": lambda **o: servers().optimum(190.0, **o).flow,
    "equilibrium": lambda **o: servers().equilibrium(190.0, **o).flow,
    "players": lambda **o: servers().equilibrium(190.0, players=3, **o).flow,
    "limits": within_limits,
    "price of anarchy": lambda **o: servers().price_of_anarchy(190.0, **o),
    "control": lambda **o: servers().control(190.0, 0.3, **o).flow,
    "tolls": lambda **o: servers().tolls(190.0, **o).toll,
    "sensitivity": lambda **o: servers().sensitivity(190.0, **o).rate,
    "verify": lambda **o: checks(verify(servers(), [190.0], **o)),
    "assignment": lambda **o: pair().assignment(4.5, **o).share,
    "partition": lambda **o: pair().partition(3.0, 0.8, **o).share,
    "partition of three modes": lambda **o: three_modes().partition(1.0, [0.5, 0.5, 0], **o).share,
    "assignment of three modes": lambda **o: three_modes().assignment(1.0, **o).share,
    "capacity": lambda **o: three_modes().capacity(**o).max_load,
    "routes": lambda **o: regions().optimum(**o).station_flow,
    "equilibrium over routes": lambda **o: regions().equilibrium(**o).mean_delay,
    "anarchy over routes": lambda **o: regions().price_of_anarchy(**o),
    "tunable": lambda **o: TunableMode(1.0, 4.0).optimum(3.5, **o).flow,
}
"""Paths on which a solver has one point at a time."""

SWEEPS = {
    "curve": lambda **o: delays(servers().curve(LOADS, **o)),
    "curve of one goal": lambda **o: flows(servers().curve(LOADS, "optimum", **o)),
    "worst case": worst_case,
    "study": lambda **o: delays(answered(study([servers()], LOADS, **o))),
    "curve of assignments": lambda **o: values(pair().curve(PAIR_LOADS, **o), "delay", "p"),
    "curve of three modes": lambda **o: values(three_modes().curve([1.0, 2.0], **o), "delay"),
    "curve of partitions": lambda **o: values(pair().curve(PAIR_LOADS, p=0.6, **o), "delay"),
    "breakaway": breakaway,
    "study of service modes": lambda **o: values(answered(study([pair()], [3.0], **o)), "delay"),
    "verify of service modes": lambda **o: checks(verify(pair(), [3.0], **o)),
    "curve over routes": lambda **o: delays(regions().curve([50.0, 100.0], **o)),
    "study of routes": lambda **o: delays(answered(study([regions()], [50.0, 100.0], **o))),
    "tunable curve": lambda **o: flows(TunableMode(1.0, 4.0).curve([2.0, 3.5], **o)),
}
"""Paths that hand many points to a compiled program."""

GAMES = {
    "players curve": lambda **o: values(players_curve(servers(), [190.0], [1, 3], **o), "delay"),
    "control curve": lambda **o: values(control_curve(servers(), 190.0, [0.1, 0.3], **o), "ratio"),
}
"""Curves over other things than loads: one point at a time so far."""

PATHS = {**ALONE, **SWEEPS, **GAMES}


# ---- options


@pytest.mark.parametrize("call", PATHS.values(), ids=PATHS)
def test_unknown_keyword(call):
    with pytest.raises(TypeError, match=r"'solvr'; did you mean solver\?"):
        call(solvr="ECOS")


BAD = [("solver", "CLARABELL"), ("gap", -1.0), ("gap", "small")]


@pytest.mark.parametrize(("option", "value"), BAD)
@pytest.mark.parametrize("call", PATHS.values(), ids=PATHS)
def test_bad_value(call, option, value):
    with pytest.raises(InputError) as caught:
        call(**{option: value})
    assert caught.value.field == option
    assert str(value) in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("call", PATHS.values(), ids=PATHS)
def test_misspelt_solver_option(call):
    with pytest.raises(InputError, match="tol_gapp_abs") as caught:
        call(solver_options={"tol_gapp_abs": 1e-9})
    assert caught.value.field == "solver_options['tol_gapp_abs']"
    assert "did you mean tol_gap_abs?" in str(caught.value)


# ---- a CVXPY without the names that are its own

PRIVATE = {
    ParamConeProg: ("reduced_A", "reduced_P", "param_id_to_col", "total_param_size"),
    ReducedMat: ("reduced_mat", "problem_data_index", "cache"),
}


@pytest.fixture
def hide(monkeypatch):
    """Hide names of CVXPY's compiled program from callers outside CVXPY."""
    monkeypatch.setattr(engine, "UNSUPPORTED", set())  # of which a process keeps what it has seen

    def taken(*names):
        monkeypatch.setattr(engine, "SHARED", ProgramStore())  # without the compiled programs
        for kind in PRIVATE:
            found = kind.__getattribute__

            def looked_up(self, name, found=found):
                outside = not sys._getframe(1).f_globals["__name__"].startswith("cvxpy")
                if outside and name in names:
                    raise AttributeError(f"no attribute {name!r} in this CVXPY")
                return found(self, name)

            monkeypatch.setattr(kind, "__getattribute__", looked_up)

    return taken


def compared(call, hide, names):
    """Check that a call returns the same without the names; return its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = call()
    hide(*names)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    return [str(warning.message) for warning in caught]


HIDDEN = [name for names in PRIVATE.values() for name in names]
READ = ("reduced_A", "reduced_mat", "problem_data_index", "param_id_to_col")


@pytest.mark.parametrize("call", ALONE.values(), ids=ALONE)
def test_single_answers_without_private_names(call, hide):
    assert len(compared(call, hide, HIDDEN)) <= 1


@pytest.mark.parametrize("call", SWEEPS.values(), ids=SWEEPS)
def test_a_sweep_falls_back_with_one_warning(call, hide):
    said = compared(call, hide, HIDDEN)
    assert len(said) == 1
    assert "CVXPY" in said[0] or "came with warnings" in said[0]


@pytest.mark.parametrize("call", GAMES.values(), ids=GAMES)
def test_curves_of_games_without_private_names(call, hide):
    assert len(compared(call, hide, HIDDEN)) <= 1


@pytest.mark.parametrize("name", READ)
def test_any_private_name_can_be_missing(name, hide):
    assert len(compared(SWEEPS["curve"], hide, [name])) == 1


# ---- limits that bind nowhere

IDLE = {
    "MaxShare": lambda system, load: MaxShare(1.0),
    "MinShare": lambda system, load: MinShare(0.0),
    "MaxUtilisation": lambda system, load: MaxUtilisation(1.0),
    "Budget": lambda system, load: Budget(price=np.ones(len(system)), at_most=2 * load),
    "LateShare": lambda system, load: LateShare(within=1.0 / system.total_rate, at_most=1.0),
}


@pytest.mark.parametrize("count", [9, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("limit", IDLE)
def test_a_limit_that_binds_nowhere_changes_nothing(limit, count):
    """Up to loads of (1 - 1e-9) of the total rate: the same certified answer."""
    rng = np.random.default_rng(20)
    for k in range(count):
        n = int(rng.integers(2, 7))
        system = ParallelServers(MM1(10 ** rng.uniform(-1, 2, n), rng.uniform(0, 0.1, n)))
        load = (1 - 10.0 ** -(1 + k % 9)) * system.total_rate
        free = system.optimum(load)
        limited = system.optimum(load, subject_to=[IDLE[limit](system, load)])
        assert limited.certified
        assert limited.mean_delay == pytest.approx(free.mean_delay, rel=1e-9, abs=0)
        np.testing.assert_allclose(limited.flow, free.flow, rtol=0, atol=1e-9 * load)
        assert all(np.all(bound.price == 0) for bound in limited.limits)
