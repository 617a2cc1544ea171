"""Errors on bad input name the field, the index, the value and the remedy."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr

from sojourn.reference import (
    MG1,
    MM1,
    InputError,
    LoadError,
    MixedBank,
    controlled,
    equilibrium,
    limited_optimum,
    optimum,
    price_of_anarchy,
)
from sojourn.reference import service_modes as dual_mode
from sojourn.reference.parallel import tolls, worst_case

SYSTEM = MM1([100.0, 80.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MM1([1.0, 0.0]),
            r"rate\[1\] = 0.0: a server needs a rate above 0; give a positive service rate",
        ),
        (lambda: MM1([1.0, -3.0]), r"rate\[1\] = -3.0: a server needs a rate above 0"),
        (lambda: MM1([1.0, -2.0, -3.0]), r"rate\[1\] = -2.0"),
        (lambda: MM1([1.0, np.nan]), r"rate\[1\] = nan: is not finite"),
        (lambda: MM1([np.inf]), r"rate\[0\] = inf: is not finite"),
        (lambda: MM1([]), r"rate = \[\]: the system has no server; give at least one"),
        (
            lambda: MM1([1.0, 2.0], [0.0, -1e-3]),
            r"delay\[1\] = -0.001: a delay cannot be negative; give 0 or more",
        ),
        (
            lambda: MG1([1.0], [-0.5]),
            r"cv\[0\] = -0.5: a coefficient of variation cannot be negative",
        ),
        (
            lambda: MM1([1.0, 2.0, 3.0], [0.1, 0.2]),
            r"delay = \[0.1, 0.2\]: has 2 values where rate has 3; give one value per server, or",
        ),
        (lambda: MG1([1.0, 2.0], [1, 2, 3]), r"rate = \[1.0, 2.0\]: has 2 values where cv has 3"),
        (lambda: MM1("fast"), "rate = 'fast': is not made of numbers"),
        (
            lambda: MM1([[1.0, 2.0]]),
            r"rate = \[\[1.0, 2.0\]\]: has 2 dimensions; give one number per server",
        ),
        (lambda: MixedBank([]), r"servers = \[\]: the system has no server"),
        (lambda: MixedBank([SYSTEM, 3.0]), r"servers\[1\] = 3.0: is not a bank of servers"),
    ],
)
def test_servers(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("solve", [optimum, equilibrium])
@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            180.0,
            "load = 180.0: not below the total rate 180: the queues grow without bound; "
            "lower the load or add rate",
        ),
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


def test_a_load_between_the_total_rate_and_its_rounding_is_accepted():
    """The rates sum to 2^53 + 1, which rounds to 2^53."""
    bank = MM1([2.0**53, 1.0])
    assert float(optimum(bank, 2.0**53).spare_capacity.sum()) == pytest.approx(1.0, rel=1e-12)
    with pytest.raises(LoadError, match="not below the total rate"):
        optimum(bank, 2.0**53 + 2)


def test_the_last_stable_load_is_accepted():
    split = optimum(SYSTEM, np.nextafter(180.0, 0))
    assert np.all(np.isfinite(split.flow))
    assert np.all(split.spare_capacity > 0)


class Quantity:
    """A number or an array with a unit, which NumPy discards as that of a pint quantity."""

    def __init__(self, magnitude, units):
        self.magnitude, self.units = magnitude, units

    def __repr__(self):
        return f"<Quantity({self.magnitude}, '{self.units}')>"

    def __float__(self):
        return float(self.magnitude)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.magnitude, dtype=dtype)


class Tagged(np.ndarray):
    """An array with a unit, as of astropy and unyt."""

    unit = "ms"

    @property
    def value(self):
        return self.view(np.ndarray)


class Labelled:
    """An xarray object of an array with a unit."""

    data = Quantity(3.0, "kHz")

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.data, dtype=dtype)


UNIT = "has a unit of its own, {}; give the number in the common unit"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MM1(rate=Quantity(3, "kHz"), delay=Quantity(5, "ms")),
            r"rate = <Quantity\(3, 'kHz'\)>: " + UNIT.format("kHz"),
        ),
        (
            lambda: MM1([3.0, 4.0], delay=[0.1, Quantity(5, "ms")]),
            r"delay\[1\] = <Quantity\(5, 'ms'\)>: " + UNIT.format("ms"),
        ),
        (
            lambda: MM1(np.array([1.0, Quantity(5, "kHz")], dtype=object)),
            r"rate\[1\] = .*: " + UNIT.format("kHz"),
        ),
        (lambda: MM1(Quantity(np.array([3.0, 4.0]), "kHz")), "rate = .*: " + UNIT.format("kHz")),
        (lambda: MM1(np.array([3.0, 4.0]).view(Tagged)), "rate = .*: " + UNIT.format("ms")),
        (lambda: MM1([1.0], timedelta(seconds=1)), "delay = .*: " + UNIT.format("timedelta")),
        (
            lambda: MM1([1.0], [np.timedelta64(5, "ms")]),
            r"delay\[0\] = .*: " + UNIT.format("timedelta64"),
        ),
        (
            lambda: MM1([1.0], np.array([5], dtype="timedelta64[ms]")),
            "delay = .*: " + UNIT.format(r"timedelta64\[ms\]"),
        ),
        (lambda: MM1(Labelled()), "rate = .*: " + UNIT.format("kHz")),
        (
            lambda: MM1(np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])),
            r"rate\[1\] = masked: has no number; give one there, or leave the entry out",
        ),
        (lambda: MM1([1.0, np.ma.masked]), r"rate\[1\] = masked: has no number"),
        (
            lambda: MM1([2.0, 1 + 0j]),
            r"rate\[1\] = \(1\+0j\): is a complex number; give a real number",
        ),
        (lambda: MM1(np.array([2.0, 1.0 + 3j])), r"rate\[0\] = \(2\+0j\): is a complex number"),
        (lambda: MM1(np.complex128(2.0)), r"rate = \(2\+0j\): is a complex number"),
        (
            lambda: MM1([1.0, True]),
            r"rate\[1\] = True: is true or false, not a number; give a number",
        ),
        (lambda: MM1(np.array([True, False])), r"rate\[0\] = True: is true or false"),
        (lambda: MM1(np.array([2.0, False], dtype=object)), r"rate\[1\] = False: is true or false"),
        (
            lambda: MM1([np.array([1.0, 2.0]), (3.0, True)]),
            r"rate\[1\]\[1\] = True: is true or false",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_values_that_are_not_plain_numbers_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda value: optimum(SYSTEM, value),
        lambda value: equilibrium(SYSTEM, 20.0, players=value),
        lambda value: controlled(SYSTEM, 20.0, value),
        lambda value: tolls(SYSTEM, value),
        lambda value: worst_case(SYSTEM, gap=value),
        lambda value: worst_case(SYSTEM, up_to=value),
        lambda value: limited_optimum(SYSTEM, 20.0, most=value),
        lambda value: limited_optimum(SYSTEM, 20.0, bound=value),
        lambda value: price_of_anarchy(SYSTEM, [20.0, value]),
        lambda value: dual_mode.is_stable(
            dual_mode.Modes([[1.0, 2.0]]), value, [1.0, 0.0], [[1.0, 0.0]]
        ),
        lambda value: dual_mode.is_stable(
            dual_mode.Modes([[1.0, 2.0]]), 0.5, [value, 0.0], [[1.0, 0.0]]
        ),
        lambda value: dual_mode.Modes([[value, 2.0]]),
        lambda value: dual_mode.Canonical(1.0, value, 0.1, 0.3),
    ],
)
@pytest.mark.parametrize(
    "value",
    [Quantity(1, "kHz"), True, 1j, np.ma.masked],
    ids=["unit", "boolean", "complex", "masked"],
)
def test_every_function_refuses_values_that_are_not_plain_numbers(call, value):
    message = r"has a unit of its own, kHz|is true or false|is a complex number|has no number"
    with pytest.raises(InputError, match=message):
        call(value)


def test_plain_numbers_are_accepted_in_any_container():
    plain = MM1([1.0, 2.0])
    data = xr.DataArray([1.0, 2.0], attrs={"units": "kHz"})
    for given in (
        (1, 2),
        np.array([1, 2], dtype=np.uint8),
        [Fraction(1), Decimal(2)],
        np.ma.array([1.0, 2.0]),
        data,
        data.to_series(),
        range(1, 3),
    ):
        np.testing.assert_array_equal(MM1(given).rate, plain.rate)
