"""Evaluation of given operating points and local parts."""

import json
import math

import numpy as np
import pytest

from sojourn.models import DualMode, InputError, LoadError, MultiMode, TunableMode
from sojourn.reference import service_modes as exact

A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
THREE = MultiMode([[4.0, 2.0, 3.0], [30.0, 40.0, 10.0]], stages=["edge", "cloud"])
EVEN = [[0.5, 0.5], [0.9, 0.1]]


def test_numbers_are_those_of_the_reference():
    found = A.evaluate(4.0, p=0.9, share=EVEN)
    parts, share = np.array([0.9, 0.1]), np.array(EVEN)
    assert found.mean_delay == pytest.approx(
        exact.mean_delay(A.rates, 4.0, parts, share), rel=1e-14
    )
    assert found.stage_delay.sum() == found.mean_delay
    local = 0.9 / (0.5 * 10 - 4 * 0.9) + 0.1 / (0.5 * 10 / 3 - 4 * 0.1)
    assert found.stage_delay[0] == pytest.approx(local, rel=1e-13)
    assert found.partition_delay == pytest.approx(
        exact.partition(A.rates, 4.0, 0.9).mean_delay, rel=1e-15
    )
    assert found.assignment_delay == pytest.approx(
        exact.assignment(A.rates, 4.0).mean_delay, rel=1e-15
    )
    assert found.partition_ratio == pytest.approx(
        found.mean_delay / found.partition_delay, rel=1e-14
    )
    assert found.assignment_ratio == pytest.approx(
        found.mean_delay / found.assignment_delay, rel=1e-14
    )
    assert found.loss == pytest.approx(found.mean_delay - found.assignment_delay, rel=1e-13)
    for number in (found.mean_delay, found.partition_ratio, found.assignment_ratio, found.loss):
        assert number.lower <= number <= number.upper < number.lower * (1 + 1e-11)


def test_by_default_the_partition_is_the_best():
    found, best = A.evaluate(4.5, p=0.5), exact.partition(A.rates, 4.5, 0.5)
    np.testing.assert_array_equal(found.share, best.share)
    assert found.mean_delay == best.mean_delay
    assert 1 <= found.partition_ratio <= found.partition_ratio.upper < 1 + 1e-12
    again = A.evaluate(4.5, p=0.5, share=best.share)
    assert again.mean_delay == pytest.approx(best.mean_delay, rel=1e-14)
    solved = A.assignment(4.5)
    least = A.evaluate(4.5, p=solved.p, share=solved.share)
    assert least.assignment_ratio == pytest.approx(1.0, abs=1e-10)
    assert least.loss.lower <= 1e-10


@pytest.mark.parametrize(
    ("p", "share", "overloaded"),
    [
        (0.5, [[0.5, 0.5], [0.5, 0.5]], ("local, mode 2", "cloud, mode 1")),
        (0.5, [[1.0, 0.0], [0.56, 0.44]], ("local, mode 2",)),
        (0.95, None, ("cloud, mode 1", "cloud, mode 2")),
        (1.0, None, ("cloud, mode 1",)),
    ],
)
def test_overloaded_stages_are_infinite_and_named(p, share, overloaded):
    found = A.evaluate(4.5, p=p, share=share)
    assert found.mean_delay == found.assignment_ratio.lower == found.loss == math.inf
    assert found.overloaded == overloaded
    assert not found.stable
    for name in overloaded:
        assert f"unstable: the queue of {name} grows without bound" in repr(found)
    assert ("no partition carries this assignment" in repr(found)) == (share is None)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["mean_delay"] is None


def test_three_modes():
    found = THREE.evaluate(2.0, p=[0.5, 0.2, 0.3])
    assert found.partition_ratio.upper < 1 + 1e-12
    assert found.assignment_delay == pytest.approx(THREE.assignment(2.0).mean_delay, rel=1e-9)
    assert found.to_dict()["assignment_ratio"] == found.assignment_ratio > 1
    worse = THREE.evaluate(2.0, p=[0.5, 0.2, 0.3], share=[[0.4, 0.3, 0.3], [0.3, 0.3, 0.4]])
    assert worse.partition_ratio > 1
    assert worse.mean_delay - found.mean_delay == pytest.approx(worse.loss - found.loss, rel=1e-9)
    assert worse.stage_delay.shape == (2,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 1.5}, r"^p = 1\.5: is not a part of the jobs"),
        ({"p": [0.5, 0.6]}, r"^p = \[0\.5, 0\.6\]: adds up to 1\.1"),
        ({"p": [0.5, 0.25, 0.25]}, r"^p = .*: does not say what each of 2 modes gets"),
        (
            {"p": 0.5, "share": [0.5, 0.5]},
            r"^share = \[0\.5, 0\.5\]: is not an array of shape \(2, 2\); "
            r"give a row a stage \(local, cloud\)",
        ),
        (
            {"p": 0.5, "share": [[0.5, 0.5], [1.1, -0.1]]},
            r"^share\[1\]\[0\] = 1\.1: is not a part of a stage; give a number from 0 to 1$",
        ),
        (
            {"p": 0.5, "share": [[0.5, math.nan], [0.5, 0.5]]},
            r"^share\[0\]\[1\] = nan: is not a part",
        ),
        (
            {"p": 0.5, "share": [[0.5, 0.5], [0.5, 0.4]]},
            r"^share\[1\] = \[0\.5, 0\.4\]: adds up to 0\.9, not to 1; give each mode its part",
        ),
    ],
)
def test_bad_operating_points_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        A.evaluate(4.0, **options)


def test_load_that_no_assignment_carries_is_refused():
    for load in (0.0, A.max_load, math.nan):
        with pytest.raises(LoadError, match=r"^load"):
            A.evaluate(load, p=0.5)
        with pytest.raises(LoadError, match=r"^load"):
            TunableMode(1.0, 4.0).evaluate(load or -1.0, f=0.2)


def test_a_least_delay_that_is_not_proved_is_said_to_be_found(monkeypatch):
    works = [[0.30, 0.10, 0.05, 0.20], [0.05, 0.25, 0.10, 0.12], [0.06, 0.05, 0.24, 0.11]]
    system, even = MultiMode.from_work(works), [0.25, 0.25, 0.25, 0.25]
    assert "found" not in repr(system.evaluate(5.0, even))
    monkeypatch.setattr("sojourn.reference.service_modes.search.MOST_HALVES", 1)
    found = system.evaluate(5.0, even)
    assert 0 <= found.assignment_delay.lower < 0.99 * found.assignment_delay
    assert f"times the least that was found, {found.assignment_delay:.9g}" in repr(found)
    assert f"no delay is below {found.assignment_delay.lower:.9g}" in repr(found)
    assert "the least of all" not in repr(found)


# ---- tunable


def test_local_part_is_compared_with_theorem_1():
    system = TunableMode(1.0, 4.0)
    found = system.evaluate(3.5, f=0.2)
    assert found.mean_delay == pytest.approx(float(system.exact.delay(0.2, 3.5)), rel=1e-14)
    np.testing.assert_allclose(found.stage_delay, [0.2 / (1 - 0.7), 0.8 / (4 - 2.8)], rtol=1e-14)
    assert found.least_delay == pytest.approx(float(system.exact.least_delay(3.5)), rel=1e-14)
    assert found.least_f == pytest.approx(1 / 7, rel=1e-12)
    assert found.ratio == pytest.approx(7 / 6, rel=1e-12)
    assert found.loss == pytest.approx(4 / 3 - 8 / 7, rel=1e-12)
    assert system.evaluate(3.5, f=1 / 7).ratio.upper < 1 + 1e-12
    assert "f = 0.2 at load 3.5: mean delay 1.33333333, 1.16667 times the least" in repr(found)


def test_local_part_that_overloads_a_server():
    found = TunableMode(1.0, 4.0).evaluate(3.5, f=0.5)
    assert found.mean_delay == math.inf
    assert found.overloaded == ("local",)
    assert "unstable: the queue of the local server" in repr(found)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["stage_delay"] == {
        "local": None,
        "cloud": pytest.approx(0.5 / 2.25),
    }
    alone = TunableMode(1.0, 4.0).evaluate(3.5, f=0)
    assert alone.stage_delay.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("f", [-0.1, 1.1, math.nan, "x", [0.5]])
def test_bad_local_part_is_refused(f):
    with pytest.raises(InputError, match=r"^f = "):
        TunableMode(1.0, 4.0).evaluate(3.5, f=f)
