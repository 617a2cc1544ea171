"""`sojourn weights`: whole weights as text, JSON and configurations of proxies."""

import json

import crossplane
import pytest
import yaml

from sojourn.models import load_scenario
from sojourn.models.frontend import command
from sojourn.models.systems.parallel import command as own

FILE = """
title = "three sites"
[units]
rate = "1/s"
delay = "ms"
[loads]
at = 180
{more}
[[servers]]
name = "edge 1"
rate = 120
[[servers]]
name = "edge:8080"
rate = 45
delay = 2
[[servers]]
name = "cloud"
rate = 20
delay = 30
"""


@pytest.fixture
def file(tmp_path):
    def write(more=""):
        path = tmp_path / "sites.toml"
        path.write_text(FILE.format(more=more))
        return str(path)

    return write


def weights_of(record):
    return [server["weight"] for server in record["servers"]]


def test_text(sojourn, file):
    status, out, err = sojourn("weights", file(), "--total", 100)
    text = " ".join(out.split())
    assert (status, err) == (0, "")
    assert "load 180 jobs/s" in text
    assert " edge 1 66 0.6600 833.333 " in text
    assert " in all 100 736.813 " in text
    assert "38.7 % above the optimum, 531.369 ms" in text
    assert "certified: no unit of weight is better at another server" in text


def test_json_in_the_units_of_the_file(sojourn, file):
    status, out, _ = sojourn("weights", file(), "--at-most", 100, "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert (found["scenario"], found["total"], weights_of(found)) == ("sites", 95, [62, 23, 10])
    assert found["mean_delay"] == pytest.approx(532.3458090, abs=5e-8)
    assert found["ratio"] == pytest.approx(1.00184, abs=1e-5)
    assert found["units"] == {"rate": "1/s", "delay": "ms"}
    assert found["load"] == 180.0


def test_load_and_goal(sojourn, file):
    given = ("weights", file(), "--total", 1000, "--format", "json")
    selfish = json.loads(sojourn(*given, "--equilibrium")[1])
    assert (selfish["goal"], weights_of(selfish)) == ("equilibrium", [657, 241, 102])
    light = json.loads(sojourn(*given, "--load", "10%")[1])
    assert light["load"] == pytest.approx(18.5)
    assert weights_of(light)[2] == 0


def test_at_most_a_hundred_by_default(sojourn, file):
    assert json.loads(sojourn("weights", file(), "--format", "json")[1])["total"] == 95


def test_table_of_the_file(sojourn, file):
    record = json.loads(sojourn("weights", file("[weights]\ntotal = 37"), "--format", "json")[1])
    assert weights_of(record) == [24, 9, 4]
    path = file('[weights]\nat_most = 40\ngoal = "equilibrium"')
    record = json.loads(sojourn("weights", path, "--format", "json")[1])
    assert (record["goal"], record["total"] <= 40) == ("equilibrium", True)
    # the options of the command come first
    record = json.loads(sojourn("weights", path, "--total", 1000, "--format", "json")[1])
    assert weights_of(record) == [657, 241, 102]
    assert sojourn("run", path)[0] == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("total = 0", "weights.total = 0: is not a total of weights; give a whole number from 1"),
        ("at_most = 2.5", "weights.at_most = 2.5: is not a total"),
        ("total = true", "weights.total = True: is not a total"),
        ("total = 10\nat_most = 20", "weights.at_most = 20: stands beside weights.total"),
        ('goal = "best"', "weights.goal = 'best': is not a goal; use optimum or equilibrium"),
        ("totl = 10", "weights.totl = 10: is not a known key; did you mean total?"),
    ],
)
def test_wrong_tables(sojourn, file, table, message):
    status, _, err = sojourn("weights", file(f"[weights]\n{table}"))
    assert status == 2
    assert message in " ".join(err.split())


def test_limits_of_the_file_are_kept(sojourn, file):
    limit = '[[limits]]\nkind = "MaxUtilisation"\nutilisation = 0.98'
    record = json.loads(sojourn("weights", file(limit), "--total", 1000, "--format", "json")[1])
    assert record["servers"][0]["flow"] <= 0.98 * 120 + 1e-9
    assert "the limits are those of the optimum" in record["notes"][0]
    selfish = sojourn("weights", file(limit), "--total", 1000, "--format", "json", "--equilibrium")
    assert weights_of(json.loads(selfish[1])) == [657, 241, 102]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--total", "20"), "has no whole weights that are stable at the load 180; give total=29"),
        (("--total", "5", "--at-most", "9"), "give total= or at_most="),
        (("--format", "apache"), "is not a format; use text or json or nginx"),
        (("--total", "1000", "--format", "haproxy"), "allows weights up to 256, and edge 1 has"),
        (("--load", "190"), "not below the total rate"),
    ],
)
def test_refusals(sojourn, file, arguments, message):
    status, out, err = sojourn("weights", file(), *arguments)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())


def test_the_remedy_of_a_range_works(sojourn, file):
    _, _, err = sojourn("weights", file(), "--total", 1000, "--format", "haproxy")
    at_most = err.split()[-1]
    status, out, _ = sojourn("weights", file(), "--at-most", at_most, "--format", "haproxy")
    assert status == 0
    assert max(int(line.split()[-1]) for line in out.splitlines() if " weight " in line) <= 256


def test_other_kinds_of_systems_have_no_weights(sojourn):
    status, _, err = sojourn("weights", "dual-a")
    assert status == 2
    assert "scenario = 'dual-a': is a DualMode, for which there is no such command" in err


# ---- configurations


def stanza(sojourn, path, program, *arguments):
    status, out, err = sojourn("weights", path, "--format", program, *arguments)
    assert (status, err) == (0, "")
    comment, text = out.split("\n", 1)
    assert comment.startswith("# sites: weights of total 95 for load 180 jobs/s")
    assert "0.184 % above the optimum" in comment
    return text


def test_nginx_reads_its_upstream(sojourn, file, tmp_path):
    path = tmp_path / "nginx.conf"
    text = stanza(sojourn, file(), "nginx")
    path.write_text(f"events {{}}\nhttp {{\n{text}}}\n")
    found = crossplane.parse(str(path), strict=True)  # unknown directives are errors
    assert (found["status"], found["errors"]) == ("ok", [])
    (upstream,) = found["config"][0]["parsed"][1]["block"]
    assert (upstream["directive"], upstream["args"]) == ("upstream", ["sites"])
    servers = [(s["directive"], *s["args"]) for s in upstream["block"]]
    assert servers == [
        ("server", "edge-1", "weight=62"),
        ("server", "edge:8080", "weight=23"),
        ("server", "cloud", "weight=10"),
    ]


def test_nginx_has_no_weight_of_nothing(sojourn, file):
    _, out, _ = sojourn("weights", file(), "--format", "nginx", "--load", "10%", "--total", "10")
    assert "    server cloud down;\n" in out
    assert "weight=0" not in out


def test_haproxy(sojourn, file):
    assert stanza(sojourn, file(), "haproxy").splitlines() == [
        "backend sites",
        "    balance roundrobin",
        "    server edge-1 edge-1 weight 62",
        "    server edge_8080 edge:8080 weight 23",
        "    server cloud cloud weight 10",
    ]


def test_envoy(sojourn, file):
    route = yaml.safe_load(stanza(sojourn, file(), "envoy"))["route"]
    clusters = route["weighted_clusters"]["clusters"]
    assert clusters == [
        {"name": "edge-1", "weight": 62},
        {"name": "edge:8080", "weight": 23},
        {"name": "cloud", "weight": 10},
    ]


def test_istio(sojourn, file):
    service = yaml.safe_load(stanza(sojourn, file(), "istio"))
    assert (service["apiVersion"], service["kind"]) == (
        "networking.istio.io/v1",
        "VirtualService",
    )
    (http,) = service["spec"]["http"]
    assert [(r["destination"]["host"], r["weight"]) for r in http["route"]] == [
        ("edge-1", 62),
        ("edge:8080", 23),
        ("cloud", 10),
    ]


@pytest.mark.parametrize("program", ["envoy", "istio"])
def test_names_stay_text(sojourn, file, program):
    path = file()
    with open(path, encoding="utf-8") as toml:
        text = toml.read()
    with open(path, "w", encoding="utf-8") as toml:
        text = text.replace('"edge 1"', '"on"').replace('"cloud"', '"1.5"')
        toml.write(text.replace('"edge:8080"', '"###"'))
    shown = yaml.safe_load(stanza(sojourn, path, program))
    assert all(name in json.dumps(shown) for name in ('"on"', '"1.5"', '"server-2"'))


def test_names_of_hosts_differ(sojourn, file):
    path = file()
    with open(path, encoding="utf-8") as toml:
        text = toml.read().replace('"edge:8080"', '"edge-1"')
    with open(path, "w", encoding="utf-8") as toml:
        toml.write(text)
    hosts = [line.split()[1] for line in stanza(sojourn, path, "haproxy").splitlines()[2:]]
    assert len(set(hosts)) == 3


# ---- commands of folders


def test_folders_offer_commands():
    found = [function.__name__ for function in command.commands_of_folders()]
    assert set(found) >= {function.__name__ for function in own.COMMANDS} == {"weights", "size"}
    assert "testbed" in found


def test_settings_of_a_command_are_in_the_scenario(file):
    scenario = load_scenario(file("[weights]\ntotal = 37"))
    assert scenario.settings["weights"].total == 37
    assert load_scenario("dual-a").settings == {}
