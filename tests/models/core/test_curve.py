"""The driver of curves, on a system that the library does not know: one M/M/1 queue."""

import math
import warnings

import numpy as np
import pytest
import xarray as xr

from sojourn.models import InputError, LoadError
from sojourn.models.core.curve import CurveInterruptedError, curve
from sojourn.models.core.system import System
from sojourn.models.core.variables import Delays, by_role, columns_of, variable

LOADS = [1.0, 0.25, 3.5]  # in any order


class ServerBank(System):
    """An M/M/1 queue of rate 4, whose delays have a gap of 1e-9."""

    time_unit, max_load = "min", 4.0

    def check_load(self, load):
        if not 0 < load < 4:
            raise LoadError("load", load, "is not between 0 and 4", "give another")
        return load

    def curve(self, loads, **options):
        return curve(
            self, loads, {"optimum": Question(), "equilibrium": Question(unknown=3.5)}, **options
        )


class Question:
    """Delays of the queue, two loads at a time; one load has no answer."""

    block = 2

    def __init__(self, unknown=math.nan):
        self.unknown = unknown

    def solve(self, loads):
        delay = np.where(loads == self.unknown, np.nan, 1 / (4 - loads))
        solved = np.isfinite(delay)
        return Delays(
            delay,
            *(np.where(solved, *sides) for sides in ((delay, 0), (delay, np.inf), (1e-9, np.inf))),
            solved,
        )


def test_curve_of_an_unknown_kind_has_the_default_variables():
    with pytest.warns(
        UserWarning,
        match="^1 of 6 answers are not certified; see optimum_certified, equilibrium_certified, ",
    ) as caught:
        data = ServerBank().curve(LOADS)
    assert [w.filename for w in caught] == [__file__]  # the line of the call
    assert data["load"].values.tolist() == LOADS
    assert data["load"].attrs["units"] == "1/min"
    np.testing.assert_allclose(data["utilisation"], np.array(LOADS) / 4)
    assert data.attrs == {"time_unit": "min", "max_load": 4.0}
    np.testing.assert_allclose(data["optimum_delay"], 1 / (4 - np.array(LOADS)))
    assert data["optimum_delay"].attrs["units"] == "min"
    assert data["equilibrium_delay"].isnull().values.tolist() == [False, False, True]
    assert data["equilibrium_certified"].values.tolist() == [True, True, False]
    assert data["price_of_anarchy"].values[:2].tolist() == pytest.approx([1, 1], abs=2e-9)
    assert data["price_of_anarchy_upper"][2] == math.inf


def test_variables_have_roles():
    data = ServerBank().curve(LOADS[:2])
    goals = ("optimum", "equilibrium")
    for role in ("delay", "gap", "certified"):
        assert by_role(data, role) == [f"{goal}_{role}" for goal in goals]
    assert by_role(data, "ratio", "bound") == [
        "price_of_anarchy",
        "price_of_anarchy_lower",
        "price_of_anarchy_upper",
    ]
    assert all("role" in values.attrs for values in data.data_vars.values())


def test_variables_of_an_unnamed_question_have_no_prefix():
    data = curve(ServerBank(), LOADS, {"": Question()}, capacity=8.0, attrs={"more": 1})
    assert set(data.data_vars) == {"delay", "gap", "certified"}
    np.testing.assert_allclose(data["utilisation"], np.array(LOADS) / 8)
    assert data.attrs["more"] == 1


def test_refinement_follows_the_variables_with_drawn_roles():
    data = ServerBank().curve([0.1, 3.4], refine=True)
    grid = np.linspace(0.1, 3.4, 4001)
    drawn = np.exp(np.interp(grid, data["load"], np.log(data["optimum_delay"])))
    assert np.max(np.abs(drawn * (4 - grid) - 1)) < 2e-3
    assert data["added"].values.sum() == data.sizes["load"] - 2


class Block:
    """Delays of two loads at a time, with Ctrl-C at one of them."""

    block = 2

    def __init__(self, stop=math.nan):
        self.stop, self.calls = stop, []

    def solve(self, loads, tags):
        self.calls.append(loads.tolist())
        if self.stop in loads:
            raise KeyboardInterrupt
        ones = np.ones(loads.size)
        return Delays(tags, ones, ones, 0 * ones, ones > 0)


def test_points_are_solved_in_blocks_with_their_columns():
    sweep = Block()
    data = curve(ServerBank(), [1.0, 2.0, 3.0], {"": sweep}, columns=[np.array([10.0, 20.0, 30.0])])
    assert sweep.calls == [[1.0, 2.0], [3.0]]
    assert data["delay"].values.tolist() == [10.0, 20.0, 30.0]


def test_only_loads_that_the_system_carries_are_solved():
    sweep, tags = Block(), np.array([10.0, 20.0, 30.0, 40.0, 50.0])
    with pytest.warns(UserWarning, match=r"^2 of 5 loads cannot be carried \(see reason\)$"):
        data = curve(ServerBank(), [7.0, 1.0, 4.0, 0.0, 3.0], {"": sweep}, columns=[tags])
    assert sweep.calls == [[1.0, 0.0], [3.0]]
    assert data["reason"].values.tolist() == [
        "load = 7.0: is not between 0 and 4; give another",
        "",
        "load = 4.0: is not between 0 and 4; give another",
        "",
        "",
    ]
    np.testing.assert_array_equal(data["delay"], [np.nan, 20.0, np.nan, 40.0, 50.0])
    assert data["gap"].values.tolist() == [math.inf, 0, math.inf, 0, 0]
    assert data["certified"].values.tolist() == [False, True, False, True, True]


def test_point_that_fails_the_further_check_is_not_solved_and_has_a_reason():
    sweep, tags = Block(), np.array([10.0, 20.0, 30.0])

    def check_point(load, tag):
        if tag == 20.0:
            raise LoadError("tag", tag, f"does not fit {load:g}", "give another")

    with pytest.warns(UserWarning, match="^1 of 3 loads cannot be carried"):
        data = curve(
            ServerBank(), [1.0, 2.0, 3.0], {"": sweep}, columns=[tags], check_point=check_point
        )
    assert sweep.calls == [[1.0, 3.0]]
    assert data["reason"].values.tolist() == ["", "tag = 20.0: does not fit 2; give another", ""]
    with pytest.raises(LoadError, match=r"^tag = 20\.0: does not fit 2"):
        curve(
            ServerBank(),
            [2.0, 5.0],
            {"": sweep},
            columns=[np.array([20.0, 20.0])],
            check_point=check_point,
        )


@pytest.mark.parametrize("loads", [[1.0, math.inf], [1.0, -0.5], [5.0, 4.0], [math.nan, 0.0]])
def test_invalid_loads_raise_before_anything_is_solved(loads):
    sweep = Block()
    with pytest.raises(LoadError, match=r"^loads\[[01]\] = "):
        curve(ServerBank(), loads, {"": sweep})
    assert sweep.calls == []


@pytest.mark.parametrize(("stop", "kept"), [(1.0, 0), (3.0, 2)])
def test_interruption_keeps_the_loads_at_which_all_questions_are_solved(stop, kept):
    tags = np.array([10.0, 20.0, 30.0])
    with pytest.raises(CurveInterruptedError, match=f"^stopped after {kept} loads$") as caught:
        curve(ServerBank(), [1.0, 2.0, 3.0], {"one": Block(), "two": Block(stop)}, columns=[tags])
    data = caught.value.dataset
    assert (
        data["one_delay"].values.tolist()
        == data["two_delay"].values.tolist()
        == tags[:kept].tolist()
    )


def test_large_delays_beside_the_answers_are_not_drawn():
    values = np.array([[1.0, 5.0], [3.0, 7.0]])
    data = xr.Dataset(
        {
            "delay": variable(np.array([1.0, 3.0]), "delay", "delay"),
            "other": variable(values, "other", "beside", ("load", "mode")),
            "one": variable(2.0, "a number", "delay", ()),
        },
        {"load": [1.0, 2.0], "mode": ["a", "b"]},
    )
    lines = [
        (name, place, values.tolist())
        for name, place, values in columns_of(data, ("delay", "beside"))
    ]
    assert [name for name, _, _ in lines] == ["delay", "other", "other"]
    assert lines[1] == ("other", {"mode": "a"}, [1.0, 3.0])
    assert lines[2][1] == {"mode": "b"}
    np.testing.assert_array_equal(lines[2][2], [5.0, np.nan])  # up to twice the largest delay, 6


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        ([1.0, 4.0, 5.0], r"^loads\[1\] = 4\.0: is not between 0 and 4"),
        ([1.0, math.nan], r"^loads\[1\] = nan: "),
        ([2.0, 1.0, 0.0], r"^loads\[2\] = 0\.0: "),
        ([], r"^loads = \[\]: is not a list of loads"),
        (2.0, r"^loads = 2\.0: is not a list of loads"),
        ([[1.0]], r"^loads = \[\[1\.0\]\]: is not a list of loads"),
        (["a"], r"^loads = \['a'\]: is not made of numbers"),
    ],
)
def test_error_names_the_first_invalid_load(loads, message):
    with pytest.raises(InputError, match=message):
        ServerBank().check_loads(loads)


def test_valid_loads_are_checked_at_both_ends_only():
    calls, system = [], ServerBank()
    system.check_load = lambda load: calls.append(load) or load
    assert system.check_loads([2.0, 3.0, 1.0]).tolist() == [2.0, 3.0, 1.0]
    assert calls == [1.0, 3.0]


def test_certified_answers_issue_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ServerBank().curve(LOADS[:2])
