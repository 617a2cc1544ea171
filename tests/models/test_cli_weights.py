"""Evaluation of the split in use: `sojourn run --weights-in`."""

import json
import re

import pytest

from sojourn.models import load_scenario

REPLICAS = """
title = "four alike and a cloud"
[units]
rate = "1/s"
delay = "ms"
[loads]
at = "50%"
curve = [10, 30]
[[servers]]
name = "web"
rate = 10
replicas = 4
[[servers]]
name = "cloud"
rate = 20
delay = 30
"""


@pytest.fixture
def replicas(tmp_path):
    path = tmp_path / "replicas.toml"
    path.write_text(REPLICAS)
    return str(path)


def test_split_is_printed_beside_optimum_and_equilibrium(sojourn):
    status, out, err = sojourn("run", "--weights-in", "50,30,20")
    text = " ".join(out.split())
    assert (status, err) == (0, "")
    assert " edge 1 0.5000 205 95.0% " in text
    assert " mean delay 122.278 " in text
    assert re.search(
        r"4\.298088 times the optimum, certified within \de-1\d 93\.8286 ms are lost", text
    )
    assert "a user gains 178.827 ms by moving from edge 1 to cloud" in text
    assert "split given" not in sojourn("run")[1]


def test_json_has_it_in_the_units_of_the_file(sojourn):
    found = json.loads(sojourn("run", "--weights-in", " 50, 30 ,20", "--json")[1])
    scenario = load_scenario("1")
    true = scenario.system.evaluate(scenario.load, weights=[50, 30, 20])
    given = found["given"]
    assert given["mean_delay"] == pytest.approx(1e3 * true.mean_delay, rel=1e-14)
    assert given["ratio"] == true.ratio
    assert (given["ratio_lower"], given["ratio_upper"]) == (true.ratio.lower, true.ratio.upper)
    assert given["loss"] == pytest.approx(1e3 * true.loss, rel=1e-13)
    assert given["deviation_gain"] == pytest.approx(1e3 * true.deviation_gain, rel=1e-13)
    assert (
        given["optimum_delay_lower"]
        <= found["optimum"]["mean_delay"]
        <= given["optimum_delay_upper"]
    )
    assert given["move"] == {"from": "edge 1", "to": "cloud"}
    assert [s["share"] for s in given["servers"]] == pytest.approx([0.5, 0.3, 0.2])
    assert given["servers"][0]["latency"] == pytest.approx(205.0)
    assert (
        found["price_of_anarchy_lower"]
        <= found["price_of_anarchy"]
        <= found["price_of_anarchy_upper"]
    )
    assert "given" not in json.loads(sojourn("run", "--json")[1])


def test_result_file_has_it_too(sojourn, replicas, tmp_path):
    assert sojourn("run", replicas, "--weights-in", "1,1", "--out", str(tmp_path))[0] == 0
    assert json.loads((tmp_path / "result.json").read_text())["given"]["servers"][1][
        "share"
    ] == pytest.approx(1 / 2)


def test_unstable_split_is_evaluated(sojourn):
    status, out, err = sojourn("run", "--weights-in", "80,10,10")
    assert (status, err) == (0, "")
    assert "unstable: edge 1 gets its rate or more, and its queue grows without bound" in " ".join(
        out.split()
    )
    assert "times the optimum" not in out
    given = json.loads(sojourn("run", "--weights-in", "80,10,10", "--json")[1])["given"]
    assert given["mean_delay"] is given["ratio"] is given["loss"] is None
    assert given["overloaded"] == ["edge 1"]


def test_weight_of_a_row_is_shared_by_its_replicas(sojourn, replicas):
    given = json.loads(sojourn("run", replicas, "--weights-in", "80,20", "--json")[1])["given"]
    assert [s["name"] for s in given["servers"]] == ["web x 4", "cloud"]
    assert [s["flow"] for s in given["servers"]] == pytest.approx([6.0, 6.0])
    assert [s["share"] for s in given["servers"]] == pytest.approx([0.8, 0.2])
    assert given["mean_delay"] == pytest.approx(0.8 * 1000 / 4 + 0.2 * (30 + 1000 / 14))
    assert given["move"] == {"from": "web x 4", "to": "cloud"}
    full = json.loads(sojourn("run", replicas, "--load", "50", "--weights-in", "9,1", "--json")[1])[
        "given"
    ]
    assert full["overloaded"] == ["web x 4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--weights-in", "50,30"],
            "--weights-in = '50,30': has 2 numbers for 3 rows of servers; "
            "give one for each of edge 1, edge 2, cloud",
        ),
        (
            ["--weights-in", "50,x,20"],
            "--weights-in = '50,x,20': is not a list of numbers with commas between; "
            "give one a row, such as 1,1,1",
        ),
        (["--weights-in", ""], "--weights-in = '': is not a list of numbers"),
        (
            ["--weights-in", "50,-3,20"],
            "--weights-in[1] = '50,-3,20': is negative; "
            "give a number, 0 for a server that is not used",
        ),
        (["--weights-in", "0,0,0"], "--weights-in = '0,0,0': is 0 for all servers"),
        (["--weights-in", "1,nan,1"], "--weights-in[1] = '1,nan,1': is not a finite number"),
        (
            ["dual-a", "--weights-in", "1,1"],
            "--weights-in = '1,1': is a split over servers, "
            "and the jobs of this system have none to choose",
        ),
    ],
)
def test_bad_split_is_refused(sojourn, arguments, message):
    status, out, err = sojourn("run", *arguments)
    assert (status, out) == (2, "")
    assert f"error: {message}" in " ".join(err.split())
