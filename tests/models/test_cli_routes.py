"""The command on systems with routes: tables, files, and errors."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sojourn.models import load_scenario
from sojourn.models.systems.routes import verify

OWN = """
title = "two sites"
[units]
rate = "1/s"
delay = "ms"
[loads]
curve = ["20%", "80%"]
[[stations]]
name = "near"
rate = 100
[[stations]]
name = "far"
family = "M/M/c"
rate = 30
servers = 4
[[groups]]
name = "north"
load = 80
delay = [5, 30]
[[groups]]
name = "south"
load = 40
delay = { near = 15, far = 2 }
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_report_of_groups(sojourn, own):
    code, out, err = sojourn("run", own)
    assert (code, err) == (0, "")
    assert out.startswith("two sites\n")
    assert "load 120 jobs/s = 0.5455 of the largest load 220" in out
    text = " ".join(out.split())
    assert "the stations carry 1.83333 times the file's loads, limited by near, far" in text
    system = load_scenario(own).system
    best, selfish = system.optimum(), system.equilibrium()
    near = next(line for line in out.splitlines() if line.startswith(" near"))
    assert [float(cell.rstrip("%")) for cell in near.split()[1:]] == pytest.approx(
        [
            *(s.station_flow[0] for s in (best, selfish)),
            *(100 * s.utilisation[0] for s in (best, selfish)),
            *(1000 * s.station_latency[0] for s in (best, selfish)),
        ],
        rel=1e-3,
    )
    south = next(line for line in out.splitlines() if line.startswith(" south"))
    delays = [1000 * s.group_delay[1] for s in (best, selfish)]
    assert [float(c) for c in south.split()[1:4]] == pytest.approx([40, *delays], rel=1e-5)
    assert re.search(r"equilibrium +certified within \S+ \(\S+, routes", out)


def test_result_is_in_the_units_of_the_file(sojourn, own):
    code, out, _ = sojourn("run", own, "--json")
    found = json.loads(out)
    best = load_scenario(own).system.optimum()
    assert code == 0
    optimum = found["optimum"]
    assert optimum["mean_delay"] == pytest.approx(1000 * best.mean_delay, rel=1e-12)
    lower = 1000 * best.certificate.lower_bound
    assert optimum["certificate"]["lower_bound"] == pytest.approx(lower, rel=1e-12)
    # the mean over the routes of a group, with their fixed delays, is its delay
    for group in optimum["groups"]:
        mean = sum(route["share"] * route["delay"] for route in group["routes"])
        assert mean == pytest.approx(group["delay"], rel=1e-9)
    assert found["own_load"] == found["load"] == 120.0
    assert found["capacity"]["limiting"] == ["near", "far"]
    assert [g["group"] for g in found["gains"]["optimum"]] == ["north", "south"]


def test_gains_at_the_optimum_are_those_of_the_slowest_route_in_use(sojourn, own):
    found = json.loads(sojourn("run", own, "--json")[1])
    system = load_scenario(own).system
    best = system.optimum()
    latency = 1000 * best.station_latency + [[5, 30], [15, 2]]
    for k, (record, group) in enumerate(
        zip(found["gains"]["optimum"], found["optimum"]["groups"], strict=True)
    ):
        used = [["near", "far"].index(route["stations"][0]) for route in group["routes"]]
        gain = latency[k, used].max() - latency[k].min()
        assert record["gain"] == pytest.approx(gain, rel=1e-6, abs=1e-9)
    assert max(record["gain"] for record in found["gains"]["optimum"]) > 0.1
    assert max(record["gain"] for record in found["gains"]["equilibrium"]) < 1e-6


def test_files(sojourn, own, tmp_path):
    code, _, err = sojourn("run", own, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "result.json", "stations.csv", "groups.csv", "stations.png", "curve.nc", "curve.csv",
        "curve.png",
    }  # fmt: skip
    best = load_scenario(own).system.optimum()
    stations = pd.read_csv(tmp_path / "out" / "stations.csv", index_col="station")
    np.testing.assert_allclose(stations["optimum_load (1/s)"], best.station_flow, rtol=1e-9)
    np.testing.assert_allclose(
        stations["optimum_latency (ms)"], 1000 * best.station_latency, rtol=1e-9
    )
    groups = pd.read_csv(tmp_path / "out" / "groups.csv", index_col="group")
    np.testing.assert_allclose(groups["optimum_delay (ms)"], 1000 * best.group_delay, rtol=1e-9)
    curve = xr.load_dataset(tmp_path / "out" / "curve.nc")
    assert curve["load"].values[[0, -1]] == pytest.approx([44, 176])


def test_network_has_a_map(sojourn, tmp_path):
    code, out, err = sojourn("run", "braess", "--out", tmp_path)
    assert (code, err) == (0, "")
    assert "load 40 jobs/min = 1 of the file's own load, of which no load is too much" in out
    assert "no station limits the load" in out
    assert "sation" not in out  # no column of utilisation
    names = {path.name for path in tmp_path.iterdir()}
    assert {"network.png", "stations.png", "curve.png", "result.json"} <= names


def test_load_is_part_of_the_largest_or_of_the_own_load(sojourn):
    found = json.loads(sojourn("run", "chain", "--json", "--load", "50%")[1])
    assert found["load"] == pytest.approx(0.5 * found["max_load"])
    found = json.loads(sojourn("run", "braess", "--json", "--load", "150%")[1])
    assert (found["load"], found["max_load"]) == (60.0, None)


def test_too_much_load_names_the_stations_that_limit_it(sojourn, own):
    code, out, err = sojourn("run", own, "--load", "221")
    assert (code, out) == (2, "")
    assert err.startswith(
        "error: --load = '221': is not below 220, the largest load for stations 'near' and 'far'; "
    )


def test_weights_are_refused(sojourn, own):
    code, out, err = sojourn("run", own, "--weights-in", "1,2")
    assert (code, out) == (2, "")
    assert "--weights-in = '1,2': is a split over servers, and these users take routes" in err


def test_anarchy(sojourn, own, tmp_path):
    code, out, err = sojourn("anarchy", own, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    found = json.loads((tmp_path / "out" / "anarchy.json").read_text(encoding="utf-8"))
    worst, system = found["worst_case"], load_scenario(own).system
    assert worst["certified"]
    assert f"worst price of anarchy  {worst['poa']:.6f} at load {worst['load']:.6g}" in out
    loads = np.linspace(0.02, 0.99, 60) * system.max_load
    assert system.curve(loads).price_of_anarchy.max() <= worst["upper_bound"]
    poa = [row["price_of_anarchy"] for row in found["players"]]
    assert poa == sorted(poa)
    assert poa[-1] == pytest.approx(worst["poa"], rel=1e-5)
    toll = found["tolls"]["toll"]
    best = system.optimum(worst["load"])
    paid = 1000 * (system.bank.marginal(best.station_flow) - best.station_latency)
    assert [toll["near"], toll["far"]] == pytest.approx(paid, rel=1e-6)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"anarchy.json", "anarchy.png", "search.csv", "search.nc"}


def test_anarchy_of_roads_is_up_to_the_largest_load_of_the_scenario(sojourn):
    code, out, err = sojourn("anarchy", "braess", "--load", "100%")
    assert (code, err) == (0, "")
    assert re.search(r"no load from 0 to 60 jobs/min has more than 1\.236", out)
    assert "tolls at load 40" in out
    bridge = next(line for line in out.splitlines() if line.startswith(" bridge"))
    assert float(bridge.split()[1]) == pytest.approx(7.6923, rel=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "regions",
        "braess",
        *(pytest.param(n, marks=pytest.mark.exhaustive) for n in ("chain", "crossing")),
    ],
)
def test_verify_agrees_on_built_in_scenarios(sojourn, name):
    code, out, err = sojourn("verify", name, "--json")
    checks = json.loads(out)["checks"]
    assert (code, err) == (0, "")
    quantities = {check["quantity"].partition(" (")[0] for check in checks}
    assert {"optimum mean delay", "equilibrium of clarabel alone", "price of anarchy"} <= quantities
    assert ("largest load" in quantities) is (name != "braess")
    # the solver's own answers differ from the reference, by less than they certify
    alone = [check for check in checks if "alone" in check["quantity"]]
    assert max(check["difference"] for check in alone) > 1e-13
    assert all(check["difference"] <= check["certificate"] + 1e-12 for check in alone)


def test_verify_finds_a_wrong_model(sojourn, own, monkeypatch):
    solve = verify.solve
    monkeypatch.setattr(verify, "solve", lambda system, *at: solve(system, at[0], 1.001 * at[1]))
    code, out, _ = sojourn("verify", own, "--load", "50%")
    assert code == 1
    assert "DIFFERS" in out
