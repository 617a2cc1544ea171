"""Loads as numbers, percentages and rates with units."""

import math

import numpy as np
import pytest

from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse
from sojourn.models.frontend.loads import Loads
from sojourn.models.frontend.units import Units
from sojourn.reference.errors import LoadError

CONSTANT = '[units]\nrate = "1/min"\ndelay = "s"\n[[servers]]\nfamily = "constant"\ndelay = 3\n'


def loads(units=None, most=8.0):
    return Loads(units or Units("1/s", "ms"), most, "total rate", lambda load: load)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, 0.5),
        (3, 3.0),
        ("3", 3.0),
        (" 0.5 ", 0.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e-3", 1e-3),
        ("+2", 2.0),
        ("70%", 0.7 * 8),
        ("70 %", 0.7 * 8),
        ("0.5%", 0.04),
        ("99.999%", 7.99992),
        ("0.5/s", 0.5),
        ("0.5 / s", 0.5),
        ("30/min", 0.5),
        ("0.002/ms", 2.0),
        ("1e-6/us", 1.0),
        ("7200/h", 2.0),
        ("86400/day", 1.0),
        ("5rps", 5.0),
        ("5 rps", 5.0),
        ("5e0rps", 5.0),
    ],
)
def test_load_is_read(value, expected):
    assert loads().read(value, "loads.at") == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("1/us", 5e-7),
        ("1/ms", 5e-4),
        ("1/s", 0.5),
        ("1/min", 30.0),
        ("1/h", 1800.0),
        ("1/day", 43200.0),
    ],
)
def test_load_with_a_unit_is_converted_and_one_without_is_not(unit, expected):
    read = loads(Units(unit, "s"), 1e9).read
    assert read("0.5/s", "x") == pytest.approx(expected, rel=1e-15)
    assert read("0.5rps", "x") == pytest.approx(expected, rel=1e-15)
    assert read(0.5, "x") == read("0.5", "x") == 0.5


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "half",
        "0.7x",
        "0,7",
        "7 0%",
        "%",
        "%70",
        "70%%",
        "5/",
        "/s",
        "5/minute",
        "5/S",
        "5 per s",
        "5s",
        "5ms",
        "nan",
        "inf",
        "1/0",
        "0x10",
        "1_0",
        "٣",
        "5 kHz",
    ],
)
def test_value_that_is_not_a_load_raises(value):
    with pytest.raises(
        LoadError,
        match=(
            r"^--load = .*: is not a load; give jobs/s below 8, a rate with its unit such as "
            r"0\.5/s, or a part of"
        ),
    ):
        loads().read(value, "--load", LoadError)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("0", "is not above 0 and finite"),
        ("0%", "is not above 0 and finite"),
        ("-3", "is not above 0 and finite"),
        ("-3/min", "is not above 0"),
        ("1e999", "is not above 0 and finite"),
        ("100%", "is not below 100% of the total rate"),
        ("100.1%", "is not below 100% of the total rate"),
        (0, "is out of range"),
        (-1.5, "is out of range"),
        (math.nan, "is out of range"),
        (math.inf, "is out of range"),
        (True, "is not a number"),
        (None, "is not a number"),
        ([1], "is not a number"),
    ],
)
def test_load_out_of_range_raises(value, problem):
    with pytest.raises(ScenarioError, match=rf"^loads\.curve\[3\] = .*: {problem}"):
        loads().read(value, "loads.curve[3]")


def test_percentage_of_an_infinite_load_raises_with_the_remedy():
    with pytest.raises(
        ScenarioError,
        match=(
            r"^loads\.at = '70%': is a part of the total rate, which is infinite; give "
            r"jobs/min, such as 10$"
        ),
    ):
        parse(CONSTANT + '[loads]\nat = "70%"\ncurve = [1]\n', "x")
    with pytest.raises(
        ScenarioError,
        match=(
            r"^loads\.curve\.to = None: is missing, and by default it is a part of the total "
            r"rate"
        ),
    ):
        parse(CONSTANT + "[loads]\nat = 1\ncurve = { from = 1 }\n", "x")


def test_unit_of_a_load_does_not_need_a_total_rate():
    scenario = parse(
        CONSTANT + '[loads]\nat = "0.5/s"\ncurve = { from = "1/s", to = 120.0, points = 3 }\n', "x"
    )
    assert scenario.load == 30.0
    np.testing.assert_array_equal(scenario.loads, [60.0, 90.0, 120.0])
    assert scenario.load_of("2/s", "--load") == 120.0


@pytest.mark.parametrize(("most", "to"), [(8.0, 0.99 * 8), (math.inf, 2 * 3.0)])
def test_own_load_of_a_file_is_its_operating_point(most, to):
    """It is the whole of percentages where no load is too much."""
    read = Loads(Units("1/s", "ms"), most, "largest load", lambda load: load, own=3.0)
    at, curve = read.read_all({})
    assert at == 3.0
    assert curve[-1] == pytest.approx(to, rel=1e-15)
    assert read.read("50%", "x") == (4.0 if most == 8.0 else 1.5)
    assert read.read_all({"at": "25%"})[0] == (2.0 if most == 8.0 else 0.75)
    if math.isinf(most):
        assert read.read("150%", "x") == 4.5
        assert read.remedy.endswith("or a part of the file's own load such as 70%")
