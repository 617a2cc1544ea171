"""Systems of given works, speeds and fixed delays, and the errors of wrong ones."""

import numpy as np
import pytest

from sojourn.models import DualMode, InputError, MultiMode


def test_works_in_units_of_work():
    flops, speed = [[2.0, 8.0], [6.0, 0.0]], [4.0, 2.0]
    system = MultiMode.from_work(flops, speed, ["device", "cloud"], ["a", "b"], "ms", [0.0, 0.1])
    np.testing.assert_array_equal(system.rates.time, [[0.5, 2.0], [3.0, 0.0]])
    assert (system.stages, system.modes, system.time_unit) == (
        ("device", "cloud"),
        ("a", "b"),
        "ms",
    )
    assert system.rates.delay.tolist() == [0.0, 0.1]
    as_rates = MultiMode([[2.0, 0.5], [1 / 3, np.inf]], delay=[0.0, 0.1])
    assert as_rates.assignment(0.5).mean_delay == pytest.approx(
        system.assignment(0.5).mean_delay, rel=1e-12
    )
    dual = DualMode.from_work(flops)
    assert (dual.canonical_form.mu0, dual.canonical_form.f1) == (0.125, 0.25)
    with pytest.raises(InputError, match="3 stages, 2 modes"):
        DualMode.from_work([*flops, flops[0]])


@pytest.mark.parametrize(("given", "message"), [
    ({"work": [[1.0, 0.0], [2.0, 0.0]]}, r"^work\[:\]\[1\] = \[0\.0, 0\.0\]: the mode asks no"),
    ({"work": [[1.0, 2.0], [0.0, 0.0]]}, r"^work\[1\] = \[0\.0, 0\.0\]: no mode uses the stage"),
    ({"work": [[1.0, -2.0]]}, r"^work\[0\]\[1\] = -2\.0: is not a finite work of 0 or more"),
    ({"work": [[1.0, np.inf]]}, r"^work\[0\]\[1\] = inf: is not a finite work"),
    ({"work": [1.0, 2.0]}, r"^work = \[1\.0, 2\.0\]: is not an array of stages by modes"),
    ({"work": [[1.0, 2.0]], "speed": [1.0, 2.0]}, r"^speed = .*: is not one number for each of 1"),
    ({"work": [[1.0, 2.0]], "speed": [0.0]}, r"^speed\[0\] = 0\.0: is not a finite number above 0"),
    ({"work": [[1.0, 2.0]], "speed": [np.nan]}, r"^speed\[0\] = nan: is not a finite number above"),
    ({"work": [[1.0, 2.0]], "delay": [1.0]}, r"^delay = \[1\.0\]: is not one number for each of 2"),
    ({"work": [[1.0, 2.0]], "delay": [0, -1]}, r"^delay\[1\] = -1\.0: is not a finite number of 0"),
    ({"work": [[1.0, 2.0]], "modes": ["a", "b", "c"]}, r"^modes = "),
    ({"work": [[1.0, 2.0]], "stages": ["a", "b"]}, r"^stages = "),
])  # fmt: skip
def test_bad_works_are_named(given, message):
    with pytest.raises(InputError, match=message):
        MultiMode.from_work(**given)


def test_bad_rates_are_named():
    with pytest.raises(InputError, match=r"^rate\[1\] = \[inf, inf\]: no mode uses the stage"):
        MultiMode([[1.0, 2.0], [np.inf, np.inf]])
    with pytest.raises(InputError, match=r"^delay\[0\] = inf: is not a finite number of 0 or more"):
        MultiMode([[1.0, 2.0]], delay=[np.inf, 0.0])
