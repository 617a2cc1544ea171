"""Curves over loads, and delay profiles over assignments."""

import numpy as np
import pytest
import xarray as xr
from replaced_solvers import forbid_solvers

from sojourn.models import DualMode, InputError, LoadError, MultiMode, NotCertifiedError
from sojourn.models.core import solve as engine
from sojourn.models.core.curve import CurveInterruptedError
from sojourn.models.frontend.curve_dataset import Curve
from sojourn.models.systems.service_modes.curve import delay_profile
from sojourn.models.systems.service_modes.sum_of_squares import coefficients
from sojourn.reference import service_modes as exact

A, C = (DualMode.canonical(mu0=1.0, K=4.0, f=f) for f in ((0.1, 0.3), (0.25, 0.4)))
THREE = MultiMode(
    [[6.0, 2.5], [20.0, 30.0], [4.0, 9.0]], stages=["device", "edge", "cloud"], time_unit="ms"
)
LOADS = [1.0, 4.5, 3.0]


@pytest.fixture(scope="module")
def data():
    return A.curve(LOADS, breakaway=True)


def test_values_are_those_of_the_reference(data):
    p, delay = exact.best_assignment(A.rates, LOADS)
    np.testing.assert_allclose(data.p, p, atol=1e-9)
    np.testing.assert_allclose(data.delay, delay, rtol=1e-10)
    assert np.all(data.lower_bound <= delay)
    assert data.certified.all()
    np.testing.assert_allclose(data.share[1], exact.assignment(A.rates, 4.5).share, atol=1e-9)
    np.testing.assert_allclose(data.tunable_delay, A.tunable.exact.least_delay(LOADS))
    np.testing.assert_allclose(
        data.single_mode_delay.sel(mode="mode 1"), exact.delay(A.rates, LOADS, 1.0)
    )
    assert np.isinf(data.single_mode_delay.sel(mode="mode 2", load=4.5))


def test_names_units_and_marks(data):
    assert data.share.dims == ("load", "stage", "mode")
    assert list(data["load"].values) == LOADS  # in the order given
    assert list(data.stage.values) == ["local", "cloud"]
    np.testing.assert_allclose(data.utilisation, np.array(LOADS) / 5)
    assert (data.delay.attrs["units"], data["load"].attrs["units"]) == ("s", "1/s")
    assert data.attrs["breakaway_load"] == pytest.approx(4.1996935, abs=1e-6)
    assert data.attrs["breakaway_p"] == pytest.approx(0.652, abs=1e-4)
    assert data.attrs["touch_loads"] == pytest.approx([20 / 7])
    assert (data.attrs["max_load"], data.attrs["capacity"]) == pytest.approx((5, 5))


def test_without_breakaway_there_are_no_attributes():
    marks = C.curve([1.0], breakaway=True).attrs
    assert not {"breakaway_load", "breakaway_p", "touch_loads"} & set(marks)


def test_one_load_is_one_semidefinite_program(monkeypatch):
    """The search for the breakaway, about 60 more, runs only for ``breakaway`` or ``refine``."""
    original, solved = engine.Compiled.solve, []

    def counting(self, *values, new=None):
        if values[0][0].name() == "numerator":
            solved.append(len(values[0][1]))
        return original(self, *values, new=new)

    monkeypatch.setattr(engine.Compiled, "solve", counting)
    data = A.curve(LOADS)
    assert sum(solved) == len(LOADS)
    assert not {"breakaway_load", "breakaway_from", "breakaway_p"} & set(data.attrs)
    assert data.attrs["touch_loads"] == pytest.approx([20 / 7])  # in closed form
    solved.clear()
    assert "breakaway_load" in A.curve([1.0], breakaway=True).attrs
    assert sum(solved) > 1 + 24
    assert "breakaway_load" in A.curve([1.0, 4.8], refine=0.5).attrs


@pytest.mark.parametrize("field", ["refine", "breakaway"])
def test_options_of_the_best_assignment_are_refused_beside_p(field):
    with pytest.raises(
        InputError, match=rf"^{field} = True: is for the best assignment at every load"
    ):
        A.curve([1.0], p=0.5, **{field: True})


def test_three_stages_have_no_tunable_bound():
    data = THREE.curve([2.0])
    assert "tunable_delay" not in data
    assert data.sizes["stage"] == 3
    assert data.delay.attrs["units"] == "ms"
    assert data.attrs["capacity"] == THREE.max_load


@pytest.mark.parametrize("system", [A, C, THREE], ids=["A", "C", "three"])
def test_survives_a_file(system, tmp_path):
    data = system.curve([0.5, 2.0])
    data.to_netcdf(tmp_path / "curve.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "curve.nc", engine="scipy") as back:
        xr.testing.assert_allclose(Curve(back.load()), data)


def interrupt_at(monkeypatch, load):
    """Interrupt in the block of a load; two loads a block."""
    original = engine.Task.solve

    def interrupted(self, loads, *rest):
        if load in loads:
            raise KeyboardInterrupt
        return original(self, loads, *rest)

    monkeypatch.setattr(engine, "MOST", 2)
    monkeypatch.setattr(engine.Task, "solve", interrupted)


def test_ctrl_c_keeps_the_solved_loads(monkeypatch):
    interrupt_at(monkeypatch, LOADS[2])
    with pytest.raises(CurveInterruptedError) as caught:
        A.curve(LOADS)
    np.testing.assert_allclose(caught.value.dataset["load"], LOADS[:2])
    assert caught.value.dataset.certified.all()


def test_load_without_an_answer_does_not_stop_the_others(monkeypatch):
    """No solver answers the semidefinite program of one load."""
    original, broken = engine.Compiled.solve, coefficients(exact.segment(A.rates, LOADS[1]))[0]

    def failing(self, *values, new=None):
        answers, given = original(self, *values, new=new), values[0][1]
        if given.shape[1:] == broken.shape:
            answers.raw.x[np.isclose(given, broken).all(axis=1)] = np.nan
        return answers

    monkeypatch.setattr(engine.Compiled, "solve", failing)
    with pytest.warns(UserWarning, match="1 of 3 answers are not certified"):
        data = A.curve(LOADS)
    assert np.isnan(data.p[1])
    assert np.isnan(data.share[1]).all()
    assert data.gap[1] == np.inf
    assert list(data.certified.values) == [True, False, True]


def test_uncertified_answers_are_kept_with_a_warning():
    with pytest.warns(UserWarning, match="not certified"):
        data = A.curve([2.0], solver="CLARABEL", solver_options={"max_iter": 3}, gap=1e-12)
    assert not data.certified.any()
    assert np.isfinite(data.delay).all()


@pytest.mark.parametrize(("loads", "message"), [
    ([8.0, 7.0], r"^loads\[0\] = 8\.0: not below the maximum 5"),
    ([1.0, -1.0], r"^loads\[1\] = -1\.0: there are no jobs"),
    ([], r"^loads = \[\]: is not a list of loads"),
    (2.0, r"^loads = 2\.0: is not a list of loads"),
])  # fmt: skip
def test_bad_loads_are_named_before_any_solver_starts(loads, message):
    with pytest.raises(LoadError, match=message):
        A.curve(loads)


# ---- delay profile


def test_profile_is_the_delay_over_p_and_its_least():
    shape = delay_profile(A, [2.0, 4.5], points=201)
    assert shape.delay.shape == (2, 201)
    low, high = A.stable_interval(4.5)
    outside = (shape.p <= low) | (shape.p >= high)
    assert np.isnan(shape.delay[1][outside]).all()
    assert np.isfinite(shape.delay[1][~outside]).all()
    assert np.all(shape.delay.min("p") >= shape.best_delay * (1 - 1e-12))
    np.testing.assert_allclose(shape.best_p, [1, exact.assignment(A.rates, 4.5).p])


@pytest.mark.parametrize("points", [1, 2.5, True, "many"])
def test_bad_number_of_points_is_named(points):
    with pytest.raises(InputError, match=r"^points = "):
        delay_profile(A, [2.0], points)


def test_profile_names_a_bad_load():
    with pytest.raises(LoadError, match=r"^loads\[1\] = 5\.0"):
        delay_profile(A, [2.0, 5.0])


# ---- attributes and interrupts


def test_dimensions_and_quantities(data):
    assert dict(data.sizes) == {"load": 3, "stage": 2, "mode": 2}
    over_load = {"p", "delay", "lower_bound", "gap", "certified", "tunable_delay"}
    assert set(data.data_vars) == over_load | {"share", "single_mode_delay"}
    assert {data[name].dims for name in over_load} == {("load",)}
    assert data.single_mode_delay.dims == ("load", "mode")
    assert data.certified.dtype == bool
    assert data.attrs["time_unit"] == "s"
    for name in ("delay", "lower_bound", "single_mode_delay", "tunable_delay"):
        assert data[name].attrs["units"] == "s"


@pytest.mark.parametrize("system", [A, C], ids=["A", "C"])
def test_marks_survive_a_file(system, tmp_path):
    """`assert_allclose` of xarray does not look at attributes."""
    data = system.curve([0.5], breakaway=True)
    data.to_netcdf(tmp_path / "curve.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "curve.nc", engine="scipy") as back:
        assert set(back.attrs) == set(data.attrs)
        for name, attribute in data.attrs.items():
            np.testing.assert_array_equal(np.atleast_1d(back.attrs[name]), np.atleast_1d(attribute))
        assert back.load()["delay"].attrs.items() >= data["delay"].attrs.items()


def test_ctrl_c_at_once_keeps_an_empty_dataset(monkeypatch, tmp_path):
    interrupt_at(monkeypatch, LOADS[0])
    with pytest.raises(CurveInterruptedError, match=r"^stopped after 0 loads$") as caught:
        A.curve(LOADS)
    assert dict(caught.value.dataset.sizes) == {"load": 0, "stage": 2, "mode": 2}
    caught.value.dataset.to_netcdf(tmp_path / "empty.nc", engine="scipy")


def test_ctrl_c_during_the_search_for_the_breakaway_keeps_all_loads(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(DualMode, "breakaway", interrupted)
    with pytest.raises(CurveInterruptedError, match=r"^stopped after 3 loads$") as caught:
        A.curve(LOADS, breakaway=True)
    assert caught.value.dataset.certified.all()


@pytest.mark.parametrize(("loads", "message"), [
    ([1.0, np.nan], r"^loads\[1\] = nan: is not a finite number"),
    ([np.inf], r"^loads\[0\] = inf: is not a finite number"),
    ([0.0, 2.0, -2.0], r"^loads\[2\] = -2\.0: there are no jobs"),
    ([[1.0]], r"^loads = \[\[1\.0\]\]: is not a list of loads"),
    (["a"], r"^loads = \['a'\]: is not made of numbers"),
])  # fmt: skip
def test_no_solver_starts_on_bad_loads(loads, message, monkeypatch):
    forbid_solvers(monkeypatch)
    with pytest.raises(InputError, match=message):
        A.curve(loads)


@pytest.mark.ecos
def test_curve_passes_its_options_on():
    with pytest.raises(TypeError, match="'solvr'; did you mean solver"):
        A.curve([1.0], solvr="SCS")
    with pytest.raises(InputError, match=r"^solver = 'ECOS': does not take the cone PSD"):
        A.curve([1.0], solver="ECOS")


def test_three_modes_have_no_profile():
    system = MultiMode([[6.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with pytest.raises(InputError, match=r"^modes = 3: .* for two modes"):
        delay_profile(system, [1.0])


def test_breakaway_without_a_certificate_does_not_lose_the_loads(monkeypatch):
    """The breakaway is only an attribute.

    A system that fails without a monkeypatch: K = 109812.0477090255,
    f = (3.899340715614109e-06, 1.0109178412784095e-05).
    """

    def failing(*_, **__):
        raise NotCertifiedError("nothing", None, ())

    monkeypatch.setattr(DualMode, "breakaway", failing)
    with pytest.warns(UserWarning, match="^the breakaway is not marked: nothing$"):
        data = A.curve(LOADS, breakaway=True)
    assert data.certified.all()
    assert "breakaway_load" not in data.attrs


def test_profile_takes_one_load_and_names_its_units():
    shape = delay_profile(A, 2.0, points=11)
    assert dict(shape.sizes) == {"load": 1, "p": 11}
    assert (shape.p.values[0], shape.p.values[-1]) == (0.0, 1.0)
    assert (shape.delay.attrs["units"], shape["load"].attrs["units"]) == ("s", "1/s")
    np.testing.assert_allclose(shape.delay[0], exact.delay(A.rates, 2.0, shape.p.values))
