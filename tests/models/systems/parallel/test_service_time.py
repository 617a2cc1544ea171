"""Service times in place of rates, and replicas in place of tables."""

import csv
import json

import numpy as np
import pytest

from sojourn.models import MG1, MM1, Constant, MMc, ParallelServers, Tandem
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse

HEAD = '[units]\nrate = "{rate}"\ndelay = "{delay}"\n'


def scenario(text, rate="1/s", delay="ms"):
    return parse(HEAD.format(rate=rate, delay=delay) + text, "mine")


# ---- service times


@pytest.mark.parametrize(("rate", "delay", "time", "expected"), [
    ("1/s", "ms", 3, 1000 / 3), ("1/s", "ms", 10, 100.0), ("1/ms",
     "ms", 7, 1 / 7), ("1/h", "min", 12, 5.0), ("rps", "us", 250, 4000.0),
    ("1/day", "h", 0.7, 24 / 0.7), ("1/ms", "s", 0.25, 1 / 250),
])  # fmt: skip
def test_rate_is_one_over_the_service_time(rate, delay, time, expected):
    assert (
        scenario(f"[[servers]]\nservice_time = {time}\n", rate, delay).system.bank.rate[0]
        == expected
    )


def test_service_time_of_any_family_with_a_rate():
    text = (
        "[[servers]]\nfamily = 'M/M/c'\nservers = 3\nservice_time = 20\n[[servers]]\nservice_time "
        "= 10\ncv = 2\ndelay = 5\n"
    )
    tandem = (
        "[[servers]]\nfamily = 'tandem'\n[servers.first]\nservice_time = 100\n[servers.second]\n"
        "rate = 20\n"
    )
    found = scenario(text + tandem).system
    expected = ParallelServers(MMc(50.0, 3), MG1(100.0, 2.0, 0.005), Tandem(MM1(10.0), MM1(20.0)))
    np.testing.assert_array_equal(
        found.bank.latency([60.0, 50.0, 5.0]), expected.bank.latency([60.0, 50.0, 5.0])
    )


@pytest.mark.parametrize(("text", "message"), [
    ("service_time = 3\nrate = 2",
     r"^servers\[0\]\.service_time = 3: is given together with rate, .*; give one of them$"),
    ("service_time = 0",
     r"^servers\[0\]\.service_time = 0\.0: is out of range; give a finite number above 0$"),
    ("service_time = inf", r"^servers\[0\]\.service_time = inf: is out of range"),
    ("service_time = true", r"^servers\[0\]\.service_time = True: is not a number"),
    ("service_time = 1e-308",
     r"^servers\[0\]\.service_time = 1e-308: is so short that its rate is not finite; give a "
     r"longer time$"),
    ("family = 'constant'\ndelay = 3\nservice_time = 3",
     r"^servers\[0\]\.service_time = 3: is not a known key"),
    ("family = 'tandem'\n[servers.first]\nrate = 1\nservice_time = 1\n[servers.second]\nrate = 1",
     r"^servers\[0\]\.first\.service_time = 1: is given together"),
    ("replicas = 2.5\nrate = 1",
     r"^servers\[0\]\.replicas = 2\.5: is not a number of servers; give a whole number from 1 to "
     r"1000000"),
    ("replicas = 0\nrate = 1", r"^servers\[0\]\.replicas = 0: is not a number of servers"),
    ("replicas = 1000001\nrate = 1",
     r"^servers\[0\]\.replicas = 1000001: is not a number of servers"),
    ("replicas = nan\nrate = 1", r"^servers\[0\]\.replicas = nan: is not a number of servers"),
    ("replicas = inf\nrate = 1", r"^servers\[0\]\.replicas = inf: is not a number of servers"),
    ("replicas = true\nrate = 1", r"^servers\[0\]\.replicas = True: is not a number of servers"),
    ("replicas = '3'\nrate = 1", r"^servers\[0\]\.replicas = '3': is not a number of servers"),
    ("family = 'tandem'\n[servers.first]\nrate = 1\nreplicas = 2\n[servers.second]\nrate = 1",
     r"^servers\[0\]\.first\.replicas = 2: is not a known"),
    ("name = 'a'\nreplicas = 2\nrate = 1\n[[servers]]\nname = 'a 2'\nrate = 1",
     r"^servers\[1\]\.name = 'a 2': is the name of servers\[0\] too"),
    ("name = 'a'\nreplicas = 2\nrate = 1\n[[servers]]\nname = 'a'\nrate = 1",
     r"^servers\[1\]\.name = 'a': is the name of servers\[0\] too"),
])  # fmt: skip
def test_mistake_is_named_with_its_place(text, message):
    with pytest.raises(ScenarioError, match=message):
        scenario("[[servers]]\n" + text + "\n")


# ---- replicas

MIXED = """[[servers]]
name = "web"
rate = 10
delay = 5
replicas = 3
[[servers]]
name = "station"
family = "M/D/1"
rate = 40
replicas = 2
[[servers]]
name = "cloud"
rate = 100
delay = 40
"""
ONE_BY_ONE = "".join(
f'[[servers]]\nname = "web {i}"\nrate = 10\ndelay = 5\n' for i in (1, 2, 3)) + "".join(
    f'[[servers]]\nname = "station {i}"\nfamily = "M/D/1"\nrate = 40\n' for i in (1, 2)
) + '[[servers]]\nname = "cloud"\nrate = 100\ndelay = 40\n'  # fmt: skip


@pytest.mark.parametrize("family", ["M/D/1", "M/M/c"])
def test_replicas_are_the_servers_that_tables_would_be(family):
    found, expected = (
        scenario(t.replace('"M/D/1"', f'"{family}"' + "\nservers = 2" * (family == "M/M/c")))
        for t in (MIXED, ONE_BY_ONE)
    )
    assert found.system.names == expected.system.names
    assert found.rows.names == ("web x 3", "station x 2", "cloud")
    flow = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    np.testing.assert_array_equal(
        found.system.bank.latency(flow), expected.system.bank.latency(flow)
    )
    assert found.load == expected.load
    assert scenario(
        MIXED.replace("replicas = 3\n", "replicas = 1\n").replace("replicas = 2\n", "")
    ).rows.single


@pytest.mark.slow
def test_replicas_are_one_row_of_json_and_files(sojourn, tmp_path):
    def run(text):
        path = tmp_path / "a.toml"
        path.write_text(
            HEAD.format(rate="1/s", delay="ms")
            + '[loads]\nat = "60%"\ncurve = ["30%", "60%"]\n'
            + text
        )
        folder = tmp_path / "out"
        status, out, err = sojourn("run", path, "--json", "--out", folder)
        assert (status, err) == (0, "")
        head, *rows = csv.reader((folder / "curve.csv").read_text().splitlines())
        return json.loads(out), {
            k.removesuffix(" (1/s)"): float(v)
            for k, v in zip(head, rows[-1], strict=True)
            if v not in ("True", "False")
        }

    (found, table), (expected, single) = run(MIXED), run(ONE_BY_ONE)
    for goal in ("optimum", "equilibrium"):
        web, station, cloud = found[goal]["servers"]
        assert (web["name"], web["replicas"], cloud["replicas"]) == ("web x 3", 3, 1)
        alone = expected[goal]["servers"]
        assert web["flow"] == pytest.approx(alone[0]["flow"], rel=1e-9)
        assert web["total_flow"] == pytest.approx(3 * web["flow"], rel=1e-15)
        assert web["share"] == pytest.approx(sum(s["share"] for s in alone[:3]), rel=1e-9)
        assert station["latency"] == pytest.approx(alone[3]["latency"], rel=1e-9)
        assert found["thresholds"][goal] == [expected["thresholds"][goal][i] for i in (0, 3, 5)]
        assert table[f"{goal}_flow[web x 3]"] == pytest.approx(
            single[f"{goal}_flow[web 1]"], rel=1e-9
        )
        assert table[f"{goal}_total_flow[web x 3]"] == pytest.approx(
            3 * table[f"{goal}_flow[web x 3]"], rel=1e-15
        )
        assert f"{goal}_total_flow[cloud]" not in table


@pytest.mark.slow
def test_replicas_are_one_row_of_the_tables(sojourn, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(HEAD.format(rate="1/s", delay="ms") + '[loads]\ncurve = ["60%"]\n' + MIXED)
    for command in ("run", "anarchy"):
        status, out, _ = sojourn(command, path)
        assert status == 0
        assert "web x 3" in out
        assert "web 1" not in out
    record = json.loads(sojourn("anarchy", path, "--json")[1])
    assert [(s["name"], s["replicas"]) for s in record["servers"]] == [
        ("web x 3", 3),
        ("station x 2", 2),
        ("cloud", 1),
    ]
    assert len(record["thresholds"]["optimum"]) == 3


def test_picture_names_replicas_once(tmp_path):
    from sojourn.models.systems.parallel.plots import plot_curve

    found = scenario(MIXED)
    data = found.rows.dataset(found.units.present(found.system.curve([20.0, 60.0, 120.0])))
    above, _ = plot_curve(data).axes
    assert any(t.get_text() == "web x 3 starts, optimum" for t in above.texts)
    assert not any("web 1" in t.get_text() for t in above.texts)
    assert data["optimum_total_flow"].sum("server").values == pytest.approx([20.0, 60.0, 120.0])


def test_two_thousand_replicas():
    found = scenario(
        "[[servers]]\nname = 'web'\nrate = 10\nreplicas = 2220\n[[servers]]\nrate = 2000\n"
    )
    assert found.rows.names == ("web x 2,220", "server 2")
    assert len(found.system) == 2221
    row = found.rows.solution(found.system.optimum(found.load), found.system.bank)
    x = row.flow * found.rows.replicas
    assert x.sum() == pytest.approx(found.load, rel=1e-12)
    # Kleinrock's square root rule: spare capacity in proportion to the root of the rates
    spare_capacity = (24200.0 - found.load) / (2220 * np.sqrt(10.0) + np.sqrt(2000.0))
    np.testing.assert_allclose(
        row.flow,
        [10.0 - spare_capacity * np.sqrt(10.0), 2000.0 - spare_capacity * np.sqrt(2000.0)],
        rtol=1e-9,
    )


def test_servers_of_one_latency_share_what_is_left():
    """Replicas with constant latencies share the flow of their row evenly."""
    found = scenario(
        "[loads]\nat = 12\ncurve = [12]\n[[servers]]\nrate = 10\n[[servers]]\nfamily = 'constant'\n"
        "delay = 300\nreplicas = 4\n"
    )
    assert isinstance(found.system.bank.banks[1], Constant)
    row = found.rows.solution(found.system.equilibrium(found.load), found.system.bank)
    assert row.flow @ found.rows.replicas == pytest.approx(12.0, rel=1e-12)
    assert row.flow[0] == pytest.approx(10 - 1 / 0.3, rel=1e-9)
