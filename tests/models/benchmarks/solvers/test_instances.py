"""Keys of chosen axes, and the instances that they name."""

import math

import pytest

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.instances import (
    LOADS,
    accuracy_at,
    instance_of,
    keys,
    problem_of,
    program_of,
    system_of,
)
from sojourn.models.benchmarks.solvers.problem import InstanceKey
from sojourn.models.benchmarks.solvers.problems import PROBLEMS

KEY = InstanceKey("mm1-optimum", "inv_pos", 3, 0.6, 10.0, 5.0)


def test_all_axes_have_defaults():
    found = keys()
    assert {key.problem for key in found} == {problem.name for problem in PROBLEMS}
    for problem in PROBLEMS:
        own = [key for key in found if key.problem == problem.name]
        assert {key.n for key in own} == {*problem.sizes}
        assert {(key.rate_spread, key.delay_spread) for key in own} == {*problem.spreads}
        assert {key.load for key in own} == {*LOADS}
    assert len({*found}) == len(found)
    assert len({key.name for key in found}) == len(found)


def test_axes_are_chosen_and_sizes_above_the_largest_left_out():
    found = keys(["assignment", "mm1-optimum"], [3, 40], [0.5], [(2, 0), (3.0, 1.0)], seeds=[7])
    assert {key.n for key in found if key.problem == "assignment"} == {3}
    assert {key.n for key in found if key.problem == "mm1-optimum"} == {3, 40}
    assert {key[4:] for key in found} == {(2.0, 0.0, 7), (3.0, 1.0, 7)}
    assert keys(["assignment"], [5000]) == []


def test_each_seed_has_its_own_instances():
    found = keys(["mm1-players"], [3], [0.5, 0.9], seeds=[2, 0])
    assert [(key.seed, key.load) for key in found] == [(2, 0.5), (2, 0.9), (0, 0.5), (0, 0.9)]
    for seed in (2, 0):
        assert {*keys(["mm1-players"], [3], [0.5, 0.9], seeds=[seed])} < {*found}
    assert instance_of(found[0]).truth.value != instance_of(found[2]).truth.value


def test_instances_have_names_of_their_own():
    """Loads and spreads that differ in their last digits have files of their own."""
    names = [KEY._replace(load=load).name for load in (1 - 1e-6, 0.5 - 1e-13, 0.5 - 1e-14)]
    names += [KEY._replace(rate_spread=spread).name for spread in (1e6, 1e6 + 0.5)]
    assert len({*names}) == 5
    assert names[0] == "mm1-optimum.inv_pos.n3.load0.999999.r10.d5.s0"
    assert names[3] == "mm1-optimum.inv_pos.n3.load0.6.r1e+06.d5.s0"


def test_formulations_are_chosen():
    assert {key.formulation for key in keys(formulations=["qp", "sos"])} == {"qp", "sos"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problems": ["mm1"]}, r"problems\[0\] = 'mm1': is not a problem of the benchmark"),
        ({"problems": "mm1-optimum"}, r"problems = .*is not a list"),
        ({"problems": []}, r"problems = \[\]: is not a list of one or more"),
        ({"sizes": [3, 1]}, r"sizes\[1\] = 1: is not a size"),
        ({"sizes": [3.0]}, r"sizes\[0\] = 3\.0: is not a size"),
        ({"sizes": [True]}, r"sizes\[0\] = True"),
        (
            {"loads": [0.5, 1.0]},
            r"loads\[1\] = 1\.0: is so near to the largest load, 1, ",
        ),
        ({"loads": [1 + 1e-9]}, r"loads\[0\] = 1\.000000001: is so near to the largest load"),
        (
            {"loads": [1 - 1e-12]},
            r"= 0\.999999999999: is so near .*; give a number below",
        ),
        (
            {"loads": [1e-300]},
            r"loads\[0\] = 1e-300: is not a part of the largest load from",
        ),
        ({"loads": [math.inf]}, r"loads\[0\] = inf: is not a part of the largest load"),
        ({"loads": [0.0]}, r"loads\[0\] = 0\.0"),
        ({"loads": [math.nan]}, r"loads\[0\] = nan"),
        ({"loads": ["60 %"]}, r"loads\[0\] = '60 %'"),
        ({"spreads": [(0.5, 1)]}, r"spreads\[0\]\[0\] = 0\.5: is not a ratio"),
        ({"spreads": [(2, -1)]}, r"spreads\[0\]\[1\] = -1: is not a delay"),
        ({"spreads": [(2, math.inf)]}, r"spreads\[0\]\[1\] = inf"),
        ({"spreads": [3.0]}, r"spreads\[0\] = 3\.0"),
        ({"spreads": [(1, 2, 3)]}, r"spreads\[0\] = \(1, 2, 3\): is not a pair"),
        ({"formulations": ["lp"]}, r"formulations\[0\] = 'lp'"),
        ({"problems": ["partition"], "formulations": ["qp"]}, r"formulations\[0\] = 'qp'"),
        ({"sizes": [3, 30, 3]}, r"sizes\[2\] = 3: is the same as sizes\[0\]; give each once"),
        ({"loads": [0.6, 0.6]}, r"loads\[1\] = 0\.6: is the same"),
        ({"spreads": [(2, 1), [2.0, 1.0]]}, r"spreads\[1\] = \[2\.0, 1\.0\]: is the same"),
        ({"problems": ["partition", "partition"]}, r"problems\[1\] = 'partition': is the same"),
        ({"seeds": [0, -1]}, r"seeds\[1\] = -1: is not a seed; give a whole number from 0 to 2147"),
        ({"seeds": [2**31]}, r"seeds\[0\] = 2147483648: is not a seed"),
        ({"seeds": [1, 0, 1]}, r"seeds\[2\] = 1: is the same as seeds\[0\]"),
        ({"seeds": []}, r"seeds = \[\]: is not a list of one or more"),
        ({"seeds": 3}, r"seeds = 3: is not a list"),
    ],
)
def test_wrong_axes_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        keys(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": "mm2"}, r"problem = 'mm2'"),
        ({"formulation": "qp"}, r"formulation = 'qp': is not one of mm1-optimum here"),
        ({"n": 0}, r"n = 0"),
        ({"n": 2_000_000}, r"n = 2000000"),
        ({"load": 1.0 + 1e-12}, r"load = 1\.000000000001: is so near"),
        ({"rate_spread": 0.0}, r"rate_spread = 0\.0"),
        ({"delay_spread": math.nan}, r"delay_spread = nan"),
        ({"seed": 0.5}, r"seed = 0\.5"),
    ],
)
def test_wrong_keys_are_named(change, message):
    with pytest.raises(InputError, match=message):
        instance_of(KEY._replace(**change))


def test_an_instance_depends_on_its_key_alone():
    values = [instance_of(KEY).truth.value]
    for other in keys(sizes=[3], loads=[0.6]):
        instance_of(other)
    values.append(instance_of(KEY).truth.value)
    assert values[0] == values[1]
    for changed in ({"seed": 1}, {"n": 4}, {"rate_spread": 11.0}, {"delay_spread": 0.0}):
        assert instance_of(KEY._replace(**changed)).truth.value != values[0]
    assert system_of(KEY) is system_of(KEY)
    assert problem_of(KEY.problem).name == KEY.problem


def test_answers_without_numbers_are_infinitely_wrong():
    instance, program = instance_of(KEY), program_of(KEY)
    for bad in (math.nan, math.inf, -1e300):
        accuracy = accuracy_at(instance, program, program.q * 0 + bad)
        assert accuracy.error == math.inf
        assert accuracy.violation > 1
    assert program.build_seconds > 0
