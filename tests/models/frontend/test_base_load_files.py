"""Base loads, their priorities and batches in scenario files."""

import json

import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse

HEAD = '[units]\nrate = "{rate}"\ndelay = "{delay}"\n[loads]\nat = {at}\n'
FILE = """
[[servers]]
rate = {a}
base = {b}
[[servers]]
rate = {a}
base = {b}
base_priority = "preemptive"
[[servers]]
rate = {a}
base_priority = "last"
base = {b}
[[servers]]
cv = 2
service_time = {s}
base = {b}
base_priority = "non-preemptive"
batch = 2.5
batch_cv = 1
[[servers]]
family = "M/D/1"
rate = {a}
batch = 3
replicas = 2
"""
GIVEN = {"base": 40.0}
SAME = [
    MM1(100.0, **GIVEN),
    MM1(100.0, base_priority=["preemptive", "last"], base=[40.0, 40.0]),
    MG1(125.0, 2.0, base_priority="non-preemptive", batch=2.5, batch_cv=1, **GIVEN),
    MD1([100.0, 100.0], batch=3),
]


def scenario(rate="1/s", delay="ms", factor=1.0, time=1e3, at=150.0):
    head = HEAD.format(rate=rate, delay=delay, at=at * factor)
    return parse(head + FILE.format(a=100 * factor, b=40 * factor, s=0.008 * time), "mine")


@pytest.mark.parametrize(
    ("rate", "delay", "factor", "time"),
    [("1/s", "ms", 1.0, 1e3), ("1/min", "s", 60.0, 1.0), ("rps", "us", 1.0, 1e6)],
)
def test_same_system_in_all_units(rate, delay, factor, time):
    read = scenario(rate, delay, factor, time)
    bank = read.system.bank
    flow = 30.0 * factor
    expected = np.concatenate([b.latency(np.full(len(b), 30.0)) for b in SAME])
    np.testing.assert_allclose(bank.latency(np.full(6, flow)) * factor, expected, rtol=1e-12)
    assert len(bank.banks) == 4  # neighbours with the same fields are one bank
    assert read.system.optimum(read.load).certified


def test_rows_of_a_csv_file(tmp_path):
    (tmp_path / "servers.csv").write_text(
        "name,rate,base,base_priority\na,100,40,preemptive\nb,100,40,last\nc,100,0,equal\n"
    )
    text = HEAD.format(rate="1/s", delay="ms", at=100) + '[servers]\nfile = "servers.csv"\n'
    bank = parse(text, "mine", tmp_path).system.bank
    of = {"base": [40.0, 40.0, 0.0], "base_priority": ["preemptive", "last", None]}
    np.testing.assert_array_equal(bank.latency([30.0] * 3), MM1(100.0, **of).latency([30.0] * 3))
    assert isinstance(bank, MM1)


def test_a_unit_in_the_name_of_a_column(tmp_path):
    (tmp_path / "servers.csv").write_text("rate,own_min\n100,40\n")
    text = HEAD.format(rate="1/s", delay="ms", at=10)
    text += '[servers]\nfile = "servers.csv"\ncolumns = { base = "own_min" }\n'
    with pytest.raises(ScenarioError, match=r"^servers\.columns\.base = 'own_min': ends in a unit"):
        parse(text, "mine", tmp_path)


def test_the_command_prints_utilisations_with_the_base_load(sojourn, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        HEAD.format(rate="1/s", delay="ms", at=60)
        + "[[servers]]\nrate = 100\nbase = 40\n[[servers]]\nrate = 100\n"
    )
    status, out, _ = sojourn("run", str(path), "--weights-in", "50,50", "--json")
    given = json.loads(out)["given"]
    assert status == 0
    assert [s["utilisation"] for s in given["servers"]] == pytest.approx([0.7, 0.3])
    assert sojourn("verify", str(path))[0] == 0
    assert "base?" in sojourn("families")[1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            "rate = 10\nbase = 10",
            r"^servers\[1\]\.base = 10\.0: is not below the rate of the server, 10; give less",
        ),
        ("rate = 10\nbase = -1", r"^servers\[1\]\.base = -1(\.0)?: .*; give 0 or more$"),
        ("rate = 10\nbase = '4'", r"^servers\[1\]\.base = '4': is not a number"),
        (
            "rate = 10\nbase = 1\nbase_priority = 'first'",
            r"^servers\[1\]\.base_priority = 'first': is no priority .*; give one of equal, non-",
        ),
        ("rate = 10\nbase_priority = 3", r"^servers\[1\]\.base_priority = 3: is not text"),
        ("rate = 10\nbatch = 0.5", r"^servers\[1\]\.batch = 0\.5: is no mean size of batches"),
        (
            "rate = 10\nbatch = 2.5",
            r"^servers\[1\]\.batch_cv = 0\.0: is too small: sizes are whole numbers, and their "
            r"mean is 2\.5; give 0\.2 or more, or a whole mean$",
        ),
        (
            "rate = 10\nservers = 2\nfamily = 'M/M/c'\nbase = 3",
            r'^servers\[1\]\.base = 3: is no field of M/M/c; give family = "M/M/1" or "M/D/1" or ',
        ),
        ("rate = 10\nbse = 3", r"^servers\[1\]\.bse = 3: is not a known key; did you mean base\?$"),
    ],
)
def test_errors_name_place_value_and_remedy(fields, message):
    text = (
        HEAD.format(rate="1/s", delay="ms", at=10)
        + f"[[servers]]\nrate = 100\n[[servers]]\n{fields}\n"
    )
    with pytest.raises(ScenarioError, match=message):
        parse(text, "mine")
