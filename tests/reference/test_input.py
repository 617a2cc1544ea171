"""Bad input names the field, the index, the value and the remedy."""

import numpy as np
import pytest

from sojourn.reference import MG1, MM1, InputError, LoadError, Pool, equilibrium, optimum

SYSTEM = MM1([100.0, 80.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MM1([1.0, 0.0]), r"rate\[1\] = 0.0: a server needs a rate above 0; give a positive service rate"),
        (lambda: MM1([1.0, -3.0]), r"rate\[1\] = -3.0: a server needs a rate above 0"),
        (lambda: MM1([1.0, -2.0, -3.0]), r"rate\[1\] = -2.0"),
        (lambda: MM1([1.0, np.nan]), r"rate\[1\] = nan: is not finite"),
        (lambda: MM1([np.inf]), r"rate\[0\] = inf: is not finite"),
        (lambda: MM1([]), r"rate = \[\]: the system has no server; give at least one"),
        (lambda: MM1([1.0, 2.0], [0.0, -1e-3]), r"delay\[1\] = -0.001: a delay cannot be negative; give 0 or more"),
        (lambda: MG1([1.0], [-0.5]), r"cv\[0\] = -0.5: a coefficient of variation cannot be negative"),
        (lambda: MM1([1.0, 2.0, 3.0], [0.1, 0.2]), r"delay = \[0.1, 0.2\]: has 2 values where rate has 3; give one value per server, or one"),
        (lambda: MG1([1.0, 2.0], [1, 2, 3]), r"rate = \[1.0, 2.0\]: has 2 values where cv has 3"),
        (lambda: MM1("fast"), "rate = 'fast': is not made of numbers"),
        (lambda: MM1([[1.0, 2.0]]), r"rate = \[\[1.0, 2.0\]\]: has 2 dimensions; give one number per server"),
        (lambda: Pool([]), r"servers = \[\]: the system has no server"),
        (lambda: Pool([SYSTEM, 3.0]), r"servers\[1\] = 3.0: is not a bank of servers"),
    ],
)
def test_servers(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("solve", [optimum, equilibrium])
@pytest.mark.parametrize(
    ("load", "message"),
    [
        (180.0, "load = 180.0: not below the total rate 180: the queues grow without bound; lower the load or add rate"),
        (612.0, "load = 612.0: not below the total rate 180"),
        (-1.0, "load = -1.0: a load cannot be negative"),
        (np.nan, "load = nan: is not a finite number"),
        (np.inf, "load = inf: is not a finite number"),
        ([1.0, 200.0], r"load\[1\] = 200.0: not below the total rate 180"),
        ([[1.0]], "has 2 dimensions"),
        ("much", "is not made of numbers"),
    ],
)
def test_loads(solve, load, message):
    with pytest.raises(InputError, match=message):
        solve(SYSTEM, load)


def test_load_errors_are_value_errors_that_carry_their_parts():
    with pytest.raises(LoadError) as caught:
        optimum(SYSTEM, 200.0)
    error = caught.value
    assert isinstance(error, ValueError)
    assert (error.field, error.value) == ("load", 200.0)
    assert error.remedy == "lower the load or add rate"


def test_a_load_between_the_total_rate_and_its_rounding_is_taken():
    """The rates sum to 2^53 + 1, which rounds to 2^53."""
    bank = MM1([2.0**53, 1.0])
    assert float(optimum(bank, 2.0**53).spare.sum()) == pytest.approx(1.0, rel=1e-12)
    with pytest.raises(LoadError, match="not below the total rate"):
        optimum(bank, 2.0**53 + 2)


def test_the_last_stable_load_is_taken():
    split = optimum(SYSTEM, np.nextafter(180.0, 0))
    assert np.all(np.isfinite(split.flow))
    assert np.all(split.spare > 0)
