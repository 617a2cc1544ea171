"""Plans of many systems solved together, for a kind of system that the library does not know."""

import warnings

import numpy as np
import pytest

from sojourn.models import LoadError
from sojourn.models.core.curve import CurvePlan
from sojourn.models.core.system import System, planned
from sojourn.models.core.together import solve_together
from sojourn.models.core.variables import Delays

CALLS = []


class Queue(System):
    """An M/M/1 queue."""

    time_unit, max_load = "min", None

    def __init__(self, rate, sweep):
        self.max_load, self.sweep = rate, sweep(rate)

    def plan(self, loads, **more):
        return CurvePlan(self, loads, {"": self.sweep}, **more)

    @planned(plan)
    def curve(self, loads, **more):
        return self.plan(loads, **more).solve()


class Alone:
    """Delays of a queue, three points at a time."""

    block, shape = 3, None

    def __init__(self, *rates):
        self.rates = np.array(rates)

    def solve(self, loads, *columns):
        *tags, index = columns if len(self.rates) > 1 else (*columns, 0 * loads)
        CALLS.append((loads.tolist(), np.asarray(index).tolist()))
        delay = sum(tags, 1 / (self.rates[index.astype(int)] - loads))
        ones = np.ones(loads.size)
        return Delays(delay, delay, delay, 0 * ones, ones > 0)


class Joint(Alone):
    """Sweeps that can be joined."""

    shape = "queue"

    @staticmethod
    def together(sweeps):
        return Joint(*(rate for sweep in sweeps for rate in sweep.rates))


class Refusing(Joint):
    """Sweeps that turn out not to be joined."""

    @staticmethod
    def together(sweeps):
        return None


class Failing(Joint):
    """Sweeps that fail where they are joined."""

    def solve(self, *points):
        if len(self.rates) > 1:
            raise ZeroDivisionError
        return super().solve(*points)

    @staticmethod
    def together(sweeps):
        return Failing(*(sweep.rates[0] for sweep in sweeps))


class Warned(Joint):
    """Sweeps that warn at loads above 3."""

    def solve(self, loads, *index):
        if (loads > 3).any():
            warnings.warn("busy", stacklevel=1)
        return super().solve(loads, *index)

    @staticmethod
    def together(sweeps):
        return Warned(*(sweep.rates[0] for sweep in sweeps))


@pytest.fixture(autouse=True)
def calls():
    CALLS.clear()


def outcomes(plans):
    return dict(solve_together(plans))


def check(plans, found):
    """Check that the results are the curves of the plans."""
    for place, plan in enumerate(plans):
        (variables, coords, attrs), error, messages = found[place]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            curve = plan.solve()
        assert error is None
        assert messages == [str(w.message) for w in caught]
        for mapping, of in ((variables, curve.data_vars), (coords, curve.coords)):
            assert mapping.keys() == set(of)
            for name, (dims, values, labels) in mapping.items():
                assert (dims, labels) == (of[name].dims, of[name].attrs)
                np.testing.assert_array_equal(values, of[name].values, name)
                assert values.dtype == of[name].dtype
        assert attrs == curve.attrs


def test_points_of_systems_of_one_shape_are_solved_in_common_blocks():
    plans = [Queue(4.0 + k, Joint).plan(loads) for k, loads in enumerate([[1.0, 2.0], [3.0]] * 2)]
    found = outcomes(plans)
    assert CALLS == [([1.0, 2.0, 3.0], [0, 0, 1]), ([1.0, 2.0, 3.0], [2, 2, 3])]
    check(plans, found)


def test_a_system_with_more_points_than_a_block_is_divided_as_it_is_alone():
    plans = [Queue(9.0, Joint).plan(loads) for loads in ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [5.0])]
    found = outcomes(plans)
    assert [index for _, index in CALLS] == [[0, 0], [1, 1, 1], [1, 2]]
    check(plans, found)


def test_each_system_has_its_own_columns_coordinates_and_attributes():
    plans = [
        Queue(9.0, Joint).plan(
            [1.0, 2.0],
            columns=[np.array([k, 10.0 * k])],
            coords={"kind": ("kind", ["a", "b"][k:])},
            attrs=lambda k=k: {"number": k},
            closing=lambda points, variables: {"sum": sum(variables["delay"][1])},
        )
        for k in (0, 1)
    ]
    found = outcomes(plans)
    assert [index for _, index in CALLS] == [[0, 0], [1, 1]]
    check(plans, found)
    assert found[1][0][2]["number"] == 1


@pytest.mark.parametrize("sweep", [Alone, Refusing, Failing])
def test_sweeps_that_cannot_be_joined_are_solved_one_after_another(sweep):
    plans = [Queue(9.0, sweep).plan([k, k + 1.0]) for k in (1.0, 2.0)]
    found = outcomes(plans)
    assert [loads for loads, _ in CALLS] == [[1.0, 2.0], [2.0, 3.0]]
    check(plans, found)


def test_a_warning_belongs_to_the_system_that_it_is_about():
    plans = [Queue(9.0, Warned).plan([load]) for load in (1.0, 2.0, 3.0, 2.5, 4.0, 1.5)]
    found = outcomes(plans)
    assert [messages for _, _, messages in map(found.get, range(6))] == [[]] * 4 + [["busy"], []]
    check(plans, found)
    # the second block warned, so its systems were solved one after another
    assert [len(loads) for loads, _ in CALLS[:5]] == [3, 3, 1, 1, 1]


def test_a_warning_that_is_not_repeated_is_kept():
    class Once(Joint):
        def solve(self, loads, *index):
            if index:
                warnings.warn("said once", stacklevel=1)
            return super().solve(loads, *index)

        @staticmethod
        def together(sweeps):
            return Once(*(sweep.rates[0] for sweep in sweeps))

    found = outcomes([Queue(9.0, Once).plan([1.0]) for _ in range(3)])
    assert [found[place].messages for place in range(3)] == [[], [], ["said once"]]


def test_systems_that_carry_a_part_of_the_loads_or_none():
    loads = [1.0, 5.0, 0.0, 3.0]
    plans = [Queue(rate, Joint).plan(loads) for rate in (9.0, 4.0, 0.5)]
    plans += [Queue(9.0, Joint).plan([-1.0]), Queue(2.0, Joint).plan([5.0, 2.0])]
    found = outcomes(plans)
    check(plans[:3], found)
    assert "4 loads cannot be carried" not in str(found[0].messages)
    assert found[1].messages == ["1 of 4 loads cannot be carried (see reason)"]
    assert found[2].result[1]["reason"][1].tolist()[2] == ""
    for place, value in ((3, -1.0), (4, 5.0)):
        assert found[place].result is None
        assert isinstance(found[place].error, LoadError)
        assert str(found[place].error).startswith(f"loads[0] = {value}: ")


def test_errors_of_a_system_are_its_own():
    def variables(points, rows):
        return 1 / 0

    plans = [Queue(9.0, Joint).plan([1.0]), Queue(9.0, Joint).plan([1.0], variables=variables)]
    found = outcomes(plans)
    check(plans[:1], found)
    assert isinstance(found[1].error, ZeroDivisionError)


def test_a_curve_of_its_own_has_no_plan():
    class Own(Queue):
        def curve(self, loads, **more):
            return super().curve(loads, **more)

    assert hasattr(Queue(4.0, Joint).curve, "plan")
    assert not hasattr(Own(4.0, Joint).curve, "plan")
    assert Own(4.0, Joint).curve([1.0]).identical(Queue(4.0, Joint).curve([1.0]))


def test_plans_are_prepared_together():
    prepared = []
    plans = [Queue(9.0, Joint).plan([1.0], prepare=prepared.extend) for _ in range(3)]
    outcomes(plans)
    assert prepared == plans
