"""Units of scenario files: output and files hold the same results in all units."""

import csv
import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import xarray as xr

from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse
from sojourn.models.frontend.units import RATES, TIMES, Units

SECOND = TIMES["s"]


SERVERS = [(3.0, 0.02, ""), (1.0, 0.0, "cv = 2\n"), (2.0, 0.35, 'family = "M/D/1"\n')]


def servers(units, at=2.9):
    """Return a file of three servers, given per second and in seconds, in other units."""
    per = TIMES[units.time] / SECOND
    tables = "".join(
        f"[[servers]]\nrate = {r * per!r}\ndelay = {d * SECOND / TIMES[units.delay]!r}\n{more}"
        for r, d, more in SERVERS
    )
    return (
        f'{head(units)}[loads]\nat = {at * per!r}\ncurve = ["30%", "80%"]\n'
        f"{tables}[variants.near]\ndelay = 0\n"
    )


def dual_mode(units, at=4.0):
    """Return a file of system A with mu0 = 1 per second, in other units."""
    per = TIMES[units.time] / SECOND
    return (
        f'{head(units)}[loads]\nat = {at * per!r}\ncurve = ["30%", "95%"]\n[dual_mode]\nmu0 = '
        f"{per!r}\nK = 4\nf = [0.1, 0.3]\n"
    )


def head(units):
    return f'[units]\nrate = "{units.rate}"\ndelay = "{units.delay}"\n'


TIME = {
    "mean_delay",
    "multiplier",
    "latency",
    "lower_bound",
    "upper_bound",
    "toll",
    "delay",
    "stage_delay",
    "single_mode_delay",
    "optimum_delay",
    "equilibrium_delay",
    "optimum_multiplier",
    "equilibrium_multiplier",
    "tunable_delay",
    "best_delay",
}
RATE = {
    "load",
    "total_rate",
    "flow",
    "total_flow",
    "thresholds",
    "candidate_load",
    "up_to",
    "max_load",
    "touch_points",
    "mu0",
    "optimum_flow",
    "equilibrium_flow",
}
PER_RATE = {"optimum_per_rate", "equilibrium_per_rate"}
RUN = {
    "attempts",
    "timing",
    "gap",
    "balance",
    "potential_gap",
    "deviation_gain",
    "polished",
    "units",
    "evaluations",
    "least_flow",
    "solver",
    "scenario",
    "status",
}


def in_seconds(value, units, kind=""):
    """Return a JSON result in seconds, without the values that depend on the run."""
    if isinstance(value, dict):
        return {
            k: in_seconds(v, units, _kind(k, v, value) or kind)
            for k, v in value.items()
            if k not in RUN
        }
    if isinstance(value, list):
        return [in_seconds(v, units, kind) for v in value]
    if not isinstance(value, float):
        return value
    time, rate = TIMES[units.delay] / SECOND, SECOND / TIMES[units.time]
    return value * {"time": time, "rate": rate, "per rate": time / rate}.get(kind, 1.0)


def _kind(key, value, beside):
    if "poa" in beside and key == "upper_bound":  # the worst case is a ratio
        return "ratio"
    of_variant = "ratio" in beside and key in ("optimum", "equilibrium")
    return (
        "time"
        if key in TIME or of_variant
        else "rate"
        if key in RATE
        else "per rate"
        if key in PER_RATE
        else ""
    )


def assert_close(found, expected, where=""):
    """Compare two results number by number, to 1e-12.

    Lower bounds depend on the solver and are compared to 1e-9. Profiles extend to the ends of the
    stable interval, where rounding errors grow, and are compared to 1e-10.
    """
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_close(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for k, (model, expected_model) in enumerate(zip(found, expected, strict=True)):
            assert_close(model, expected_model, f"{where}[{k}]")
    elif isinstance(expected, float):
        rel = 1e-9 if "lower_bound" in where else 1e-10 if "profile" in where else 1e-12
        assert found == pytest.approx(expected, rel=rel, abs=1e-12, nan_ok=True), where
    else:
        assert found == expected, where


# ---- numbers


def run_json(sojourn, path, content, *arguments):
    path.write_text(content)
    status, out, err = sojourn("run", path, "--json", *arguments)
    assert (status, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize(
    ("servers", "load", "expected"),
    [
        ([(10, 0, "")] * 3, 24, 0.5),
        ([(0.1, 0, ""), (0.1515151515, 0, "")], 0.2, 38.3059953),
    ],
)
def test_loads_are_in_the_unit_of_the_rates(sojourn, tmp_path, servers, load, expected):
    tables = "".join(f"[[servers]]\nrate = {r}\n{more}" for r, _, more in servers)
    head = '[units]\nrate = "1/ms"\ndelay = "ms"\n'
    found = run_json(sojourn, tmp_path / "a.toml", f"{head}[loads]\nat = {load}\n{tables}")
    assert found["optimum"]["mean_delay"] == pytest.approx(expected, rel=1e-9)
    assert (found["load"], found["units"]) == (load, {"rate": "1/ms", "delay": "ms"})
    found = run_json(sojourn, tmp_path / "a.toml", head + tables, "--load", str(load))
    assert found["optimum"]["mean_delay"] == pytest.approx(expected, rel=1e-9)


def test_dual_mode_per_millisecond(sojourn, tmp_path):
    content = (
        '[units]\nrate = "1/ms"\ndelay = "ms"\n[dual_mode]\nlocal = [10, 3.33]\ncloud = '
        "[4.44, 5.71]\n[loads]\nat = 4.5\n"
    )
    assert run_json(sojourn, tmp_path / "a.toml", content)["best"]["mean_delay"] == pytest.approx(
        6.99973623, rel=1e-9
    )


def test_load_below_1_is_a_rate(sojourn, tmp_path):
    """M/D/1 servers with rates of 0.25 and 2 per second."""
    tables = (
        '[[servers]]\nfamily = "M/D/1"\nrate = 0.25\n[[servers]]\nfamily = "M/D/1"\nrate = '
        "2\ndelay = 0.4\n"
    )
    head = '[units]\nrate = "1/s"\ndelay = "s"\n'
    for content, arguments in (
        (head + "[loads]\nat = 0.5\n" + tables, ()),
        (head + tables, ("--load", "0.5")),
    ):
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


def test_delays_are_correctly_rounded():
    units = Units("1/s", "ms")
    given = np.arange(1, 2000) / 8
    assert [units.from_delay(d) for d in given] == [float(f"{d}e-3") for d in given]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [(0.5, "1/s", 5e-4), (30.0, "1/min", 5e-4), (200.0, "rps", 0.2), (1.0, "1/us", 1e3)],
)
def test_rate_in_another_unit(value, unit, expected):
    assert Units("1/ms", "s").from_rate(value, unit) == pytest.approx(expected, rel=1e-15)


def test_dataset_is_converted_and_keeps_the_original():
    data = xr.Dataset(
        {
            "delay": ("load", [1.0, 2.0], {"units": "min"}),
            "flow": ("load", [3.0, 4.0], {"units": "1/min"}),
            "ratio": ("load", [1.0, 1.0]),
        },
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
    assert (
        Units("rps", "s")
        .present(data.assign_coords(load=("load", [1.0, 2.0], {"units": "1/s"})))["load"]
        .attrs["units"]
        == "rps"
    )


def test_unknown_unit_is_named():
    with pytest.raises(
        ScenarioError,
        match=(
            r"^units\.rate = '1/minute': is not a known unit; use one of 1/us, 1/ms, 1/s, "
            r"1/min, 1/h, 1/day, rps"
        ),
    ):
        parse('[units]\nrate = "1/minute"\ndelay = "s"\n[[servers]]\nrate = 1\n', "x")


# ---- one system in all units

BASE = Units("1/s", "s")
EVERY = [Units(rate, delay) for rate, delay in product(RATES, TIMES)]
SOME = [
    Units(rate, delay)
    for rate, delay in zip(RATES, ["h", "s", "ms", "s", "day", "min", "us"], strict=True)
]  # every unit once


@pytest.mark.parametrize("units", EVERY, ids=str)
def test_answers_are_the_same_in_every_combination(units):
    found, expected = parse(servers(units), "x"), parse(servers(BASE), "x")
    for goal in ("optimum", "equilibrium"):
        model, expected_model = (
            s.units.result(getattr(s.system, goal)(s.load)).to_dict() for s in (found, expected)
        )
        assert_close(in_seconds(model, units), in_seconds(expected_model, BASE))
    found, expected = parse(dual_mode(units), "x"), parse(dual_mode(BASE), "x")
    model, expected_model = (
        s.units.result(s.system.partition(s.load, 0.7)).to_dict() for s in (found, expected)
    )
    assert_close(in_seconds(model, units), in_seconds(expected_model, BASE))


@pytest.fixture(scope="module")
def kept():
    return {}


def everything(sojourn, folder, content, command="run"):
    """Return the JSON output and the contents of all files.

    Points added for a picture are left out: where a line is nearly straight, rounding errors decide
    whether a point is added.
    """
    path = folder / "a.toml"
    path.write_text(content)
    status, out, err = sojourn(command, path, "--json", "--out", folder / "out")
    assert (status, err) == (0, "")
    found = {"json": json.loads(out)}
    for file in sorted((folder / "out").iterdir()):
        if file.suffix == ".nc":
            with xr.open_dataset(file, engine="scipy") as stored:
                data = (
                    stored.isel({stored["added"].dims[0]: stored["added"].values == 0})
                    if "added" in stored
                    else stored
                )
                found[file.name] = {
                    str(n): v.values.tolist()
                    for n, v in data.variables.items()
                    if "gap" not in str(n)
                }
                found[f"units of {file.name}"] = {
                    str(n): v.attrs["units"]
                    for n, v in data.variables.items()
                    if "units" in v.attrs
                }
        elif file.suffix == ".csv":
            rows = [
                row
                for row in csv.DictReader(file.read_text().splitlines())
                if row.get("added") != "True"
            ]
            found[file.name] = {
                k.split("[")[0].split(" (")[0]: [_cell(r[k]) for r in rows]
                for k in rows[0]
                if "gap" not in k
            }
    return found


def _cell(text):
    try:
        return float(text)
    except ValueError:
        return text


@pytest.mark.parametrize(
    ("content", "command", "units"),
    [(servers, "run", u) for u in SOME]
    + [(servers, "anarchy", u) for u in SOME[1::4]]
    + [(dual_mode, "run", u) for u in SOME[1::4]],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.slow
def test_output_and_files_are_the_same_in_every_unit(
    sojourn, tmp_path, kept, content, command, units
):
    key = (content, command)
    if key not in kept:
        (tmp_path / "base").mkdir()
        kept[key] = everything(sojourn, tmp_path / "base", content(BASE), command)
    found, expected = everything(sojourn, tmp_path, content(units), command), kept[key]
    assert found["json"]["units"] == {"rate": units.rate, "delay": units.delay}
    for name in [n for n in expected if not n.startswith("units of")]:
        assert_close(in_seconds(found[name], units), in_seconds(expected[name], BASE), name)
        renamed = {"s": units.delay, "1/s": units.rate}
        if f"units of {name}" in expected:
            assert found[f"units of {name}"] == {
                k: renamed[v] for k, v in expected[f"units of {name}"].items()
            }


@pytest.mark.parametrize("content", [servers, dual_mode], ids=["parallel", "dual"])
def test_verification_is_in_the_units_of_the_file(sojourn, tmp_path, content):
    checks = {}
    for units in (BASE, Units("1/min", "ms")):
        (tmp_path / "a.toml").write_text(content(units))
        found = json.loads(sojourn("verify", tmp_path / "a.toml", "--load", "50%", "--json")[1])
        assert found["passed"]
        checks[units] = found["checks"]
    for model, expected_model in zip(*checks.values(), strict=True):
        if "flow" in model["quantity"]:  # the server with the largest difference
            continue
        factor = {"time": 1e3, "rate": 60.0, "number": 1.0}[model["kind"]]
        assert expected_model["load"] == pytest.approx(60.0 * model["load"], rel=1e-12)
        for side in ("model", "reference"):
            assert expected_model[side] == pytest.approx(
                factor * model[side], rel=1e-8, abs=1e-8 * factor
            )
