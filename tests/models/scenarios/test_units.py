"""Units of a scenario file: the same system in any of them has the same answers, in those units, in everything that is printed and written."""

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import xarray as xr

from sojourn.models.scenarios import ScenarioError, Units, parse
from sojourn.models.scenarios.units import RATES, TIMES

SECOND = TIMES["s"]


def text(rate, delay, servers, at, curve=""):
    """Servers of (rate, delay, more) in seconds, in other units."""
    per, time = TIMES[RATES[rate]] / SECOND, SECOND / TIMES[delay]
    tables = "".join(f"[[servers]]\nrate = {r * per!r}\ndelay = {d * time!r}\n{more}" for r, d, more in servers)
    return f'[units]\nrate = "{rate}"\ndelay = "{delay}"\n[loads]\nat = {at * per!r}\n{curve}{tables}'


def close(found, expected):
    """Two results of JSON, number by number; what depends on the run is left out."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected.keys() - {"attempts", "timing", "gap", "balance", "potential_gap", "deviation_gain", "polished"}:
            close(found[key], expected[key])
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    else:
        assert found == expected


# ---- numbers


def run_json(sojourn, path, content, *arguments):
    path.write_text(content)
    status, out, err = sojourn("run", path, "--json", *arguments)
    assert (status, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize(("servers", "load", "expected"), [
    ([(10, 0, "")] * 3, 24, 0.5),
    ([(0.1, 0, ""), (0.1515151515, 0, "")], 0.2, 38.3059953),
])  # fmt: skip
def test_loads_are_in_the_unit_of_the_rates(sojourn, tmp_path, servers, load, expected):
    tables = "".join(f"[[servers]]\nrate = {r}\n{more}" for r, _, more in servers)
    head = '[units]\nrate = "1/ms"\ndelay = "ms"\n'
    found = run_json(sojourn, tmp_path / "a.toml", f"{head}[loads]\nat = {load}\n{tables}")
    assert found["optimum"]["mean_delay"] == pytest.approx(expected, rel=1e-9)
    assert (found["load"], found["units"]) == (load, {"rate": "1/ms", "delay": "ms"})
    found = run_json(sojourn, tmp_path / "a.toml", head + tables, "--load", str(load))
    assert found["optimum"]["mean_delay"] == pytest.approx(expected, rel=1e-9)


def test_dual_mode_per_millisecond(sojourn, tmp_path):
    content = '[units]\nrate = "1/ms"\ndelay = "ms"\n[dual_mode]\nlocal = [10, 3.33]\ncloud = [4.44, 5.71]\n[loads]\nat = 4.5\n'
    assert run_json(sojourn, tmp_path / "a.toml", content)["best"]["mean_delay"] == pytest.approx(6.99973623, rel=1e-9)


def test_load_below_1_is_a_rate(sojourn, tmp_path):
    """M/D/1 of 0.25 and 2 per second."""
    tables = '[[servers]]\nfamily = "M/D/1"\nrate = 0.25\n[[servers]]\nfamily = "M/D/1"\nrate = 2\ndelay = 0.4\n'
    head = '[units]\nrate = "1/s"\ndelay = "s"\n'
    for content, arguments in ((head + "[loads]\nat = 0.5\n" + tables, ()), (head + tables, ("--load", "0.5"))):
        found = run_json(sojourn, tmp_path / "a.toml", content, *arguments)
        assert found["equilibrium"]["load"] == 0.5
        assert found["equilibrium"]["mean_delay"] == pytest.approx(0.983333333, rel=1e-9)


# ---- the table of units


@pytest.mark.parametrize(("rate", "delay"), list(product(RATES, TIMES)))
def test_delay_of_the_file_is_rounded_once(rate, delay):
    units, ratio = Units(rate, delay), Fraction(TIMES[delay], TIMES[RATES[rate]])
    for value in (1.0, 0.1, 31.5, 1 / 3):
        assert units.from_delay(value) == float(Fraction(value) * ratio)
    assert units.delay_factor == float(1 / ratio)


def test_delays_are_those_that_python_reads():
    units = Units("1/s", "ms")
    given = np.arange(1, 2000) / 8
    assert [units.from_delay(d) for d in given] == [float(f"{d}e-3") for d in given]


@pytest.mark.parametrize(("value", "unit", "expected"), [(0.5, "1/s", 5e-4), (30.0, "1/min", 5e-4), (200.0, "rps", 0.2), (1.0, "1/us", 1e3)])
def test_rate_in_another_unit(value, unit, expected):
    assert Units("1/ms", "s").from_rate(value, unit) == pytest.approx(expected, rel=1e-15)


def test_dataset_is_converted_and_keeps_the_original():
    data = xr.Dataset(
        {"delay": ("load", [1.0, 2.0], {"units": "min"}), "flow": ("load", [3.0, 4.0], {"units": "1/min"}), "ratio": ("load", [1.0, 1.0])},
        coords={"load": ("load", [5.0, 6.0], {"units": "1/min"})},
        attrs={"time_unit": "min", "total_rate": 7.0},
    )
    shown = Units("1/min", "s").present(data)
    assert shown["delay"].values.tolist() == [60.0, 120.0]
    assert shown["delay"].attrs["units"] == "s"
    assert shown["load"].attrs["units"] == shown["flow"].attrs["units"] == "1/min"
    assert shown["flow"].values.tolist() == [3.0, 4.0]
    assert shown.attrs == {"total_rate": 7.0, "rate_unit": "1/min", "delay_unit": "s"}
    assert (data["delay"].attrs["units"], data["delay"].values.tolist()) == ("min", [1.0, 2.0])
    assert Units("rps", "s").present(data.assign_coords(load=("load", [1.0, 2.0], {"units": "1/s"})))["load"].attrs["units"] == "rps"


def test_unknown_unit_is_named():
    with pytest.raises(
        ScenarioError, match=r"^units\.rate = '1/minute': is not a known unit; use one of 1/us, 1/ms, 1/s, 1/min, 1/h, 1/day, rps"
    ):
        parse('[units]\nrate = "1/minute"\ndelay = "s"\n[[servers]]\nrate = 1\n', "x")
