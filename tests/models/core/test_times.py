"""Results converted to a unit of time equal those of the system written in that unit."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from sojourn.models import (
    MM1,
    Budget,
    DualMode,
    MaxShare,
    ParallelServers,
    ServerPercentile,
    TunableMode,
)
from sojourn.models.core.times import in_time_unit

RATE, DELAY = np.array([100.0, 80.0, 200.0]), np.array([5.0, 5.0, 20.0])
IN_RUN = {
    "problem",
    "timing",
    "attempts",
    "gap",
    "balance",
    "potential_gap",
    "deviation_gain",
    "polished",
    "status",
    "difference",
    "least_flow",
}


def parallel(time):
    """Return a system with rates per second and delays multiplied by `time`."""
    return ParallelServers(MM1(RATE / time, DELAY / 1e3 * time))


LIMITS = {
    "share": lambda time: [MaxShare([1, 1, 0.5])],
    "percentile": lambda time: [ServerPercentile(0.99, within=0.100 * time)],
    "budget": lambda time: [Budget(price=[1, 1, 2], at_most=250 / time)],
}
RESULTS = {
    "optimum": lambda time: parallel(time).optimum(190 / time),
    "equilibrium": lambda time: parallel(time).equilibrium(190 / time),
    "tolls": lambda time: parallel(time).tolls(190 / time),
    "control": lambda time: parallel(time).control(190 / time, 0.1),
    "tunable": lambda time: TunableMode(1.0 / time, 4.0).optimum(3.5 / time),
    "partition": lambda time: DualMode.canonical(mu0=1.0 / time, K=4.0, f=(0.1, 0.3)).partition(
        3.5 / time, 0.9
    ),
    **{
        name: lambda time, limits=limits: parallel(time).optimum(
            190 / time, subject_to=limits(time)
        )
        for name, limits in LIMITS.items()
    },
}


def compare(found, expected, rate, where=""):
    """Compare two results; the rates of the second are divided by `rate`.

    A rate price is a time per rate, so its number is the same in both.
    """
    for f in fields(expected):
        value, expected_value, place = (
            getattr(found, f.name),
            getattr(expected, f.name),
            f"{where}.{f.name}",
        )
        if f.name in IN_RUN:
            continue
        if is_dataclass(expected_value):
            compare(value, expected_value, rate, place)
        elif (
            isinstance(expected_value, tuple) and expected_value and is_dataclass(expected_value[0])
        ):
            for a, b in zip(value, expected_value, strict=True):
                compare(a, b, rate, place)
        elif isinstance(expected_value, float | np.ndarray):
            # numbers that are not converted are rates, which differ by the unit
            times = (1.0, rate, 1.0 / rate)
            if f.name in ("load", "flow", "leader"):
                np.testing.assert_allclose(
                    value, np.asarray(expected_value) * rate, rtol=1e-9, err_msg=place
                )
            elif f.name in (
                "lower_bound",
                "mean_delay",
                "latency",
                "multiplier",
                "toll",
                "stage_delay",
                "upper_bound",
            ):
                np.testing.assert_allclose(value, expected_value, rtol=1e-9, err_msg=place)
            else:
                assert any(
                    np.allclose(
                        value, np.asarray(expected_value) * t, rtol=1e-6, atol=1e-12, equal_nan=True
                    )
                    for t in times
                ), place


@pytest.mark.parametrize("name", RESULTS)
def test_result_in_milliseconds_is_that_of_the_system_in_milliseconds(name):
    seconds, milliseconds = RESULTS[name](1.0), RESULTS[name](1000.0)
    compare(in_time_unit(seconds, 1000.0), milliseconds, 1000.0)


def test_price_of_a_limit_on_time_is_without_unit():
    (price,) = RESULTS["percentile"](1.0).limits
    (shown,) = in_time_unit(RESULTS["percentile"](1.0), 1000.0).limits
    np.testing.assert_array_equal(shown.price, price.price)
    assert shown.price.max() > 0
    np.testing.assert_allclose(shown.bound, price.bound * 1000.0)
    np.testing.assert_allclose(shown.value, price.value * 1000.0)
    (share,), (in_ms,) = (
        RESULTS["share"](1.0).limits,
        in_time_unit(RESULTS["share"](1.0), 1000.0).limits,
    )
    np.testing.assert_array_equal(in_ms.price, share.price * 1000.0)
    np.testing.assert_array_equal(in_ms.bound, share.bound)


def test_original_is_left_as_it_is():
    found = RESULTS["optimum"](1.0)
    delay, latency = found.mean_delay, found.latency.copy()
    shown = in_time_unit(found, 1000.0)
    assert shown.mean_delay == 1000.0 * delay
    assert (found.mean_delay, shown.flow is found.flow) == (delay, True)
    np.testing.assert_array_equal(found.latency, latency)


def test_sensitivity_is_in_the_unit_of_delays():
    value, expected_value = (
        parallel(1.0).sensitivity(190.0),
        in_time_unit(parallel(1.0).sensitivity(190.0), 1000.0),
    )
    np.testing.assert_array_equal(expected_value.rate, 1000.0 * value.rate)
    np.testing.assert_array_equal(expected_value.delay, value.delay)
    assert (expected_value.mean_delay, expected_value.load) == (
        1000.0 * value.mean_delay,
        1000.0 * value.load,
    )
