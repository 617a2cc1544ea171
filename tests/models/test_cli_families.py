"""Latency families by the command: list, benchmark, a user's module, unbounded systems."""

import json
import queue
import sys

import pytest

from sojourn.models.latency import registry

MIX = """
[units]
rate = "1/s"
delay = "ms"
[loads]
at = 20
curve = [5, 20, 60]
[[servers]]
name = "device"
rate = 10
[[servers]]
name = "roads"
family = "BPR"
free_flow = 200
capacity = 10
[[servers]]
name = "db"
family = "measured"
samples = "db.csv"
"""
MINE = """
from sojourn.models import MM1, register

@register("mine")
class Mine(MM1):
    "M/M/1 of the user."
"""


@pytest.fixture
def mix(tmp_path):
    (tmp_path / "db.csv").write_text(
        "load,latency\n" + "".join(f"{x},{1e3 / (20 - x)}\n" for x in range(1, 13))
    )
    path = tmp_path / "mix.toml"
    path.write_text(MIX)
    return path


def test_list(sojourn):
    status, out, err = sojourn("families")
    assert (status, err) == (0, "")
    for words in (
        "M/M/c",
        "rate, servers?, delay?",
        "tangents",
        "measured",
        "fields with ? may be left out",
    ):
        assert words in out
    assert (
        "percentile: the flow-weighted mean of the servers' percentiles, no percentile of all jobs"
        in " ".join(out.split())
    )
    rows = json.loads(sojourn("families", "--json")[1])
    written = {r["name"]: r["latency"] for r in rows}
    assert (
        written["M/M/1-percentile"]
        == "Flow-weighted mean of the p-th percentiles of M/M/1 servers, no percentile of all jobs"
    )
    assert {r["name"]: r["equilibrium"] for r in rows}["M/M/1"] == "EXP"
    assert {r["name"]: r["optimum"] for r in rows}["BPR"] == "SOC"
    assert all(r["latency"] for r in rows)


@pytest.mark.usefixtures("names")
@pytest.mark.slow
def test_family_of_an_own_module_is_in_the_list_the_benchmark_and_scenarios(sojourn, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    own = tmp_path / "own.toml"
    own.write_text('[units]\nrate = "1/s"\ndelay = "ms"\n[[servers]]\nfamily = "mine"\nrate = 10\n')
    start = ("--import", str(tmp_path / "mine.py"))
    assert "mine" in [r["name"] for r in json.loads(sojourn(*start, "families", "--json")[1])]
    assert json.loads(sojourn(*start, "run", str(own), "--json")[1])["load"] == 5.0
    # keep only the fastest families
    for name in set(registry.names()) - {"M/M/1", "M/M/1-setup", "BPR", "constant", "mine"}:
        del registry.REGISTRY.known[name]
    status, out, _ = sojourn(*start, "bench", "families", "--json")
    rows = json.loads(out)
    assert status == 0
    assert {r["family"] for r in rows} == set(registry.names())
    assert all(r["passed"] for r in rows), [r for r in rows if not r["passed"]]
    assert all(r["error"] <= 1e-9 for r in rows)


@pytest.mark.usefixtures("names")
def test_file_with_the_name_of_a_module_of_python_does_not_replace_it(sojourn, tmp_path):
    (tmp_path / "queue.py").write_text(MINE)
    assert sojourn("--import", str(tmp_path / "queue.py"), "list")[0] == 0
    assert sys.modules["queue"] is queue
    assert "mine" in registry.names()


@pytest.mark.parametrize("name", ["no_such_module", "no_such_file.py"])
def test_module_that_cannot_be_imported(sojourn, name):
    status, out, err = sojourn("--import", name, "list")
    assert (status, out) == (2, "")
    assert f"--import = '{name}': cannot be imported: " in err


@pytest.mark.slow
def test_system_without_a_largest_load(sojourn, mix, tmp_path):
    status, out, _ = sojourn("run", str(mix), "--out", str(tmp_path / "out"))
    assert status == 0
    assert "load 20 jobs/s, of which no load is too much" in out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "curve.csv",
        "curve.nc",
        "curve.png",
        "measured.png",
        "result.json",
    ]
    status, out, _ = sojourn("run", str(mix), "--load", "60", "--json")
    written = json.loads(out)
    assert written["total_rate"] is None
    assert all(
        written[goal]["caveats"][0].startswith("db carries ") for goal in ("optimum", "equilibrium")
    )
    assert (
        json.loads(sojourn("run", str(mix), "--load", "10", "--json")[1])["optimum"]["caveats"]
        == []
    )
    out = sojourn("run", str(mix), "--load", "60")[1]
    assert 0 < out.index("but db carries") < out.index("certified within")
    assert sojourn("verify", str(mix), "--load", "20")[0] == 0
    status, out, _ = sojourn("anarchy", str(mix), "--json")
    assert status == 0
    assert json.loads(out)["worst_case"]["up_to"] == 60.0
    status, _, err = sojourn("run", str(mix), "--load", "50%")
    assert status == 2
    assert "is a part of the total rate, which is infinite; give jobs/s, such as 10" in err
