"""A curve has the solutions at its loads, with names and units, also after errors."""

import math
import warnings

import numpy as np
import pytest
import xarray as xr
from replaced_solvers import forbid_solvers

from sojourn.models import MM1, FormulationError, InputError, LoadError, ParallelServers
from sojourn.models.core import solve as engine
from sojourn.models.core import solvers
from sojourn.models.core.curve import CurveInterruptedError
from sojourn.models.frontend.curve_dataset import Curve
from sojourn.models.systems.parallel.curve import curve
from sojourn.reference.parallel import optimum_equilibrium as exact

LOADS = [30.0, 350.0, 5.0, 190.0]  # not sorted
GOALS = ("optimum", "equilibrium")


@pytest.fixture
def system():
    return ParallelServers(
        MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), names=["edge 1", "edge 2", "cloud"]
    )


def test_dimensions_units_and_attributes(system):
    data = system.curve(LOADS)
    assert dict(data.sizes) == {"load": 4, "server": 3}
    assert set(data.data_vars) == {
        f"{g}_{q}" for g in GOALS for q in ("delay", "multiplier", "flow", "gap", "certified")
    } | {
        "price_of_anarchy",
        "price_of_anarchy_lower",
        "price_of_anarchy_upper",
    }
    np.testing.assert_array_equal(data["load"], LOADS)
    np.testing.assert_allclose(data["utilisation"], np.array(LOADS) / 380, rtol=1e-15)
    assert data["server"].values.tolist() == ["edge 1", "edge 2", "cloud"]
    assert data["optimum_flow"].dims == ("load", "server")
    assert data["optimum_flow"].attrs == {
        "long_name": "flow at the optimum",
        "units": "1/s",
        "role": "flow",
    }
    assert data["equilibrium_delay"].attrs == {
        "long_name": "mean delay at the equilibrium",
        "units": "s",
        "role": "delay",
        "ancillary_variables": "equilibrium_gap equilibrium_certified",
    }
    assert data["optimum_multiplier"].attrs["long_name"] == "marginal delay of the used servers"
    assert data["equilibrium_multiplier"].attrs["long_name"] == "common latency of the used servers"
    assert data["load"].attrs == {"long_name": "total load", "units": "1/s"}
    assert data["optimum_certified"].dtype == bool
    assert data.attrs["total_rate"] == data.attrs["max_load"] == 380.0
    assert data.attrs["time_unit"] == "s"
    for goal in GOALS:
        np.testing.assert_array_equal(
            data.attrs[f"{goal}_thresholds"], getattr(exact.thresholds(system.bank), goal)
        )


def test_numbers_are_the_reference_s(system):
    data = curve(system, LOADS)
    for goal in GOALS:
        true = getattr(exact, goal)(system.bank, LOADS)
        np.testing.assert_allclose(data[f"{goal}_delay"], true.mean_delay, rtol=1e-11)
        np.testing.assert_allclose(data[f"{goal}_multiplier"], true.multiplier, rtol=1e-11)
        np.testing.assert_allclose(data[f"{goal}_flow"], true.flow, rtol=0, atol=1e-9)
        np.testing.assert_allclose(data[f"{goal}_flow"].sum("server"), LOADS, rtol=1e-12)
        assert data[f"{goal}_certified"].all()
        assert float(data[f"{goal}_gap"].max()) < 1e-11
    np.testing.assert_allclose(
        data["price_of_anarchy"], data["equilibrium_delay"] / data["optimum_delay"], rtol=1e-15
    )


def test_curve_is_the_solutions_one_by_one(system):
    """A problem whose load is a parameter must not depend on the load before."""
    data = system.curve(LOADS)
    for load in LOADS:
        assert float(data["optimum_delay"].sel(load=load)) == pytest.approx(
            system.optimum(load).mean_delay, rel=1e-12
        )


@pytest.mark.parametrize("goal", GOALS)
def test_one_goal_alone(system, goal):
    data = system.curve(LOADS, which=goal)
    assert set(data.data_vars) == {
        f"{goal}_{q}" for q in ("delay", "multiplier", "flow", "gap", "certified")
    }


def test_unknown_goal(system):
    with pytest.raises(
        InputError,
        match=r"^which = 'best': is not something to solve for; use optimum or equilibrium$",
    ):
        system.curve(LOADS, which="best")


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        ([500.0, 400.0], r"^loads\[0\] = 500.0: not below the total rate 380"),
        ([10.0, 400.0, -1.0], r"^loads\[2\] = -1.0: a load cannot be negative"),
        ([math.nan], r"^loads\[0\] = nan: is not a finite number"),
        ([], r"^loads = \[\]: is not a list of loads; give one or more numbers"),
        (5.0, r"^loads = 5.0: is not a list of loads"),
        ([[1.0]], r"^loads = \[\[1.0\]\]: is not a list of loads"),
        (["a"], r"^loads = \['a'\]: is not made of numbers"),
    ],
)
def test_bad_loads_are_named_before_any_solver_starts(system, loads, message, monkeypatch):
    forbid_solvers(monkeypatch)
    with pytest.raises(InputError, match=message) as caught:
        system.curve(loads)
    assert isinstance(caught.value, LoadError) or loads == ["a"]


def test_options_are_passed_on(system):
    data = system.curve(LOADS, solver="SCS", polish=False, solver_options={"max_iters": 20_000})
    assert 1e-12 < float(data["optimum_gap"].max()) < 1e-2
    with pytest.raises(FormulationError, match="is not one of the equilibrium"):
        system.curve(LOADS, which="equilibrium", formulation="inv_pos")
    with pytest.raises(TypeError, match="'solvr'; did you mean solver"):
        system.curve(LOADS, solvr="SCS")


@pytest.mark.parametrize("goal", [None, *GOALS])
def test_round_trip_through_netcdf(system, goal, tmp_path):
    data = system.curve(LOADS, which=goal)
    data.to_netcdf(tmp_path / "curve.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "curve.nc", engine="scipy") as back:
        back.load()
    xr.testing.assert_identical(Curve(back).drop_attrs(), data.drop_attrs())
    for name, attribute in data.attrs.items():
        np.testing.assert_array_equal(back.attrs[name], attribute)
    for name, variable in data.variables.items():
        assert variable.attrs.items() <= back[name].attrs.items()


# ---- errors and interruptions


def interrupt_at(monkeypatch, goal, load):
    """Ctrl-C during a block of two loads."""
    honest = engine.Task.solve

    def solve(self, loads):
        if self.question.goal == goal and load in loads:
            raise KeyboardInterrupt
        return honest(self, loads)

    monkeypatch.setattr(engine, "MOST", 2)
    monkeypatch.setattr(engine.Task, "solve", solve)


@pytest.mark.parametrize("goal", GOALS)
def test_interrupted_curve_keeps_what_was_done(system, goal, monkeypatch):
    """In the second block, before or after its optima: both goals have the first block."""
    whole = system.curve(LOADS)
    interrupt_at(monkeypatch, goal, LOADS[2])
    with pytest.raises(CurveInterruptedError, match=r"^stopped after 2 loads$") as caught:
        system.curve(LOADS)
    xr.testing.assert_allclose(caught.value.dataset, whole.isel(load=slice(2)), rtol=1e-9)
    assert isinstance(
        caught.value, KeyboardInterrupt
    )  # so that `except Exception` does not catch it


def test_interrupted_at_once_keeps_an_empty_dataset(system, monkeypatch, tmp_path):
    interrupt_at(monkeypatch, "optimum", LOADS[0])
    with pytest.raises(CurveInterruptedError, match=r"^stopped after 0 loads$") as caught:
        system.curve(LOADS)
    assert dict(caught.value.dataset.sizes) == {"load": 0, "server": 3}
    caught.value.dataset.to_netcdf(tmp_path / "empty.nc", engine="scipy")


def spoil(monkeypatch, load, flow):
    """Make every solver return the given flow at one load, or none."""
    honest = engine.Compiled.solve

    def solve(self, *values, new=None):
        answers = honest(self, *values, new=new)
        loads = next(rows for parameter, rows in values if parameter.name() == "load")
        wrong = np.isclose(loads, load, rtol=1e-9, atol=0)
        places = answers.places.variables
        place = next(places[v.id] for v in self.problem.variables() if v.name() == "flow")
        answers.raw.x[np.ix_(wrong, place)] = np.nan if flow is None else flow
        return answers

    monkeypatch.setattr(engine.Compiled, "solve", solve)


def test_load_without_a_certificate_does_not_stop_the_others(system, monkeypatch):
    """All load is on the last server: a valid split, far from optimum and equilibrium."""
    spoil(
        monkeypatch, 190.0 * system._unit(190.0), np.array([0.0, 0.0, 190.0]) * system._unit(190.0)
    )
    where = "optimum_certified, equilibrium_certified, optimum_gap, equilibrium_gap"
    with pytest.warns(
        UserWarning, match=f"^2 of 8 answers are not certified; see {where}$"
    ) as caught:
        data = system.curve(LOADS, polish=False, gap=1e-2, formulation="beckmann")
    assert [w.filename for w in caught] == [__file__]  # the warning points at the caller
    for goal in GOALS:
        np.testing.assert_array_equal(data[f"{goal}_certified"], [True, True, True, False])
        assert float(data[f"{goal}_gap"][3]) > 1e-2
        np.testing.assert_allclose(
            data[f"{goal}_delay"][:3],
            getattr(exact, goal)(system.bank, LOADS[:3]).mean_delay,
            rtol=1e-2,
        )


def test_load_without_any_answer_is_a_row_of_nan(system, monkeypatch):
    spoil(monkeypatch, 190.0 * system._unit(190.0), None)
    monkeypatch.setattr(solvers, "SOLVERS", solvers.SOLVERS[:1])
    with pytest.warns(UserWarning, match="2 of 8 answers are not certified"):
        data = system.curve(LOADS, formulation="beckmann")
    assert data["optimum_delay"].isnull().values.tolist() == [False, False, False, True]
    assert data["optimum_flow"][3].isnull().all()
    assert data["optimum_gap"][3] == math.inf
    assert not data["equilibrium_certified"][3]
    np.testing.assert_allclose(
        data["price_of_anarchy"][:3], system.curve(LOADS[:3])["price_of_anarchy"], rtol=1e-12
    )


def test_certified_curve_has_no_warning(system):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        system.curve(LOADS)
