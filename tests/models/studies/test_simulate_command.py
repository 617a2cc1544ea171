"""`sojourn simulate`: numbers beside closed forms as text, JSON and files, and what is refused."""

import json
import re

import numpy as np
import pytest
import xarray as xr

from sojourn.models import load_scenario

FILE = """
[units]
rate = "1/min"
delay = "ms"
[loads]
at = 6000
{more}
[[servers]]
name = "edge"
rate = 3000
replicas = 2
[[servers]]
name = "cloud"
rate = 6000
delay = 30
"""


@pytest.fixture
def file(tmp_path):
    def write(more=""):
        path = tmp_path / "sites.toml"
        path.write_text(FILE.format(more=more))
        return str(path)

    return write


def numbers(record, name):
    return [n for n in record["numbers"] if n["number"] == name]


def test_text(sojourn, file):
    status, out, err = sojourn("simulate", file(), "--jobs", 20_000, "--seed", 3)
    text = " ".join(out.split())
    assert (status, err) == (0, "")
    assert "load 6000 jobs/min = 0.5 of the total rate 12000" in text
    assert "20,000 jobs, seed 3" in text
    assert "interval of 99 %" in text
    assert "times in ms" in text
    assert re.search(r" latency cloud [\d.]+ [\d.]+ to [\d.]+ [\d.]+ ", text)
    assert " server percentile 0.99 cloud " in text
    assert "the closed form is in the interval of" in text


def test_json_in_the_units_of_the_file(sojourn, file):
    given = ("simulate", file(), "--jobs", 20_000, "--json")
    record = json.loads(sojourn(*given)[1])
    system = load_scenario(file()).system
    assert (record["split"], record["jobs"], record["seed"]) == ("optimum", 20_000, 0)
    assert record["units"] == {"rate": "1/min", "delay": "ms"}
    (mean,) = numbers(record, "mean_delay")
    assert mean["unit"] == "ms"
    assert mean["closed form"] == pytest.approx(60e3 * system.optimum(6000.0).mean_delay, rel=1e-6)
    assert mean["low"] < mean["simulated"] < mean["high"]
    assert [n["of"] for n in numbers(record, "utilisation")] == list(system.names)
    assert record == json.loads(sojourn(*given)[1])
    selfish = json.loads(sojourn(*given, "--split", "equilibrium", "--load", "90%")[1])
    (mean,) = numbers(selfish, "mean_delay")
    assert (selfish["split"], selfish["load"]) == ("equilibrium", 10_800.0)
    true = 60e3 * system.equilibrium(10_800.0).mean_delay
    assert mean["closed form"] == pytest.approx(true, rel=1e-6)


def test_weights_by_row_and_samples(sojourn, file, tmp_path):
    samples = tmp_path / "times.txt"
    samples.write_text("1\n1\n4\n")
    given = ("--jobs", 5000, "--weights", "50,50", "--service", samples, "--json")
    record = json.loads(sojourn("simulate", file(), *given)[1])
    assert (record["split"], record["weights"]) == (None, "50,50")
    busy = [n["closed form"] for n in numbers(record, "utilisation")]
    assert busy == pytest.approx([0.5, 0.5, 0.5])
    # cv^2 = 1/2: the mean of M/G/1 at a utilisation of 1/2 is 1.75 service times of 20 ms
    edge = numbers(record, "latency")[0]
    assert edge["simulated"] == pytest.approx(1.75 * 20, rel=0.1)
    assert any("the closed form is that of its family" in note for note in record["notes"])


def test_files(sojourn, file, tmp_path):
    folder = tmp_path / "out"
    status, out, _ = sojourn("simulate", file(), "--jobs", 5000, "--out", folder)
    assert status == 0
    assert "written to" in out
    record = json.loads((folder / "simulation.json").read_text())
    data = xr.load_dataset(folder / "simulation.nc")
    (mean,) = numbers(record, "mean_delay")
    assert float(data.mean_delay.sel(number="simulated")) == mean["simulated"]
    lines = (folder / "simulation.csv").read_text().splitlines()
    assert lines[0] == "number,of,simulated,low,high,closed form,unit"
    assert len(lines) == 1 + len(record["numbers"])


def test_limits_of_the_file_are_kept(sojourn, file):
    limit = '[[limits]]\nkind = "MaxUtilisation"\nutilisation = 0.505'
    record = json.loads(sojourn("simulate", file(limit), "--jobs", 5000, "--json")[1])
    edge, _, cloud = (n["closed form"] for n in numbers(record, "utilisation"))
    assert (edge, cloud) == pytest.approx((0.495, 0.505), abs=1e-6)
    assert "the limits are those of the optimum" in record["notes"][0]


@pytest.mark.parametrize("name", ["dual-a", "dual-a-shared", "regions", "chain"])
def test_other_kinds(sojourn, name):
    record = json.loads(sojourn("simulate", name, "--jobs", 2000, "--json")[1])
    assert record["scenario"] == name
    assert np.isfinite([n["simulated"] for n in record["numbers"]]).all()
    assert numbers(record, "mean_delay")[0]["closed form"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("scenario-0", "--split", "best"), "--split = 'best': is no split of a ParallelServers"),
        (("dual-a", "--split", "equilibrium"), "is no split of a DualMode; use optimum"),
        (("dual-a", "--weights", "1,2"), "--weights = '1,2': is for parallel servers, and dual-a"),
        (("scenario-0", "--weights", "1,2"), "--weights = '1,2': has 2 numbers for 3 rows"),
        (("scenario-0", "--weights", "1,1,1", "--split", "optimum"), "stands beside --weights"),
        (("scenario-0", "--jobs", 0), "jobs = 0"),
        (("scenario-0", "--service", "weibull"), "--service = 'weibull': cannot be read"),
        (("braess",), "is a formula of a latency, without a law of service times; simulate MM1"),
        (("scenario-0", "--load", "100%"), "load"),
    ],
)
def test_refused(sojourn, options, message):
    status, out, err = sojourn("simulate", *options)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())


def test_a_kind_without_a_simulation_is_refused(sojourn, monkeypatch):
    from sojourn.models.frontend import kinds

    for kind in kinds.kinds():
        monkeypatch.setitem(vars(kind), "splits", {})
    status, _, err = sojourn("simulate", "dual-a")
    assert status == 2
    assert "is a DualMode, which has no simulation; use run or verify" in " ".join(err.split())
