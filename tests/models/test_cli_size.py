"""`sojourn size`: rates to buy as text, JSON and a picture of the frontier."""

import json

import numpy as np
import pytest
import xarray as xr

from sojourn.models import MM1, ParallelServers, load_scenario
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.systems.parallel.decisions.sizes.plots import plot_frontier

FILE = """
title = "three sites"
[units]
rate = "1/s"
delay = "ms"
[loads]
at = 190
{size}
[[servers]]
name = "edge 1"
rate = 100
delay = 5
rate_price = 1
[[servers]]
name = "edge 2"
rate = 80
delay = 5
rate_price = 1
{edge}
[[servers]]
name = "cloud"
rate = 100
replicas = 2
delay = 20
rate_price = 0.5
"""
SHARES = "split = [0.3157894736842105, 0.21052631578947367, 0.47368421052631576]"
SYSTEM = ParallelServers(MM1([100.0, 80.0, 100.0, 100.0], [0.005, 0.005, 0.020, 0.020]))
PRICE = [1.0, 1.0, 0.5, 0.5]


@pytest.fixture
def file(tmp_path):
    def write(size="", edge=""):
        path = tmp_path / "sites.toml"
        path.write_text(FILE.format(size=size, edge=edge))
        return str(path)

    return write


def found(sojourn, *arguments):
    status, out, err = sojourn("size", *arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def rates(record):
    return [server["rate"] for server in record["servers"]]


def test_text(sojourn, file):
    status, out, err = sojourn("size", file("[size]\nbudget = 230\n", "opening = 2"))
    text = " ".join(out.split())
    assert (status, err) == (0, "")
    assert "load 190 jobs/s" in text
    assert "server rate (1/s) present rate share latency (ms)" in text
    assert "cost 230 per s, of which 2 for openings" in text
    assert "least mean delay certified within" in text
    assert "one unit of money more changes the mean delay by -0." in text


def test_json_in_the_units_of_the_file(sojourn, file):
    record = found(sojourn, file(), "--budget", 230)
    best = SYSTEM.size(190.0, rate_price=PRICE, split="optimum", subject_to=_budget(230.0))
    assert record["mean_delay"] == pytest.approx(1000 * best.mean_delay, rel=1e-12)
    assert record["price_of_money"] == pytest.approx(1000 * best.price_of_money, rel=1e-12)
    assert record["certificate"]["upper_bound"] >= record["mean_delay"]
    assert record["units"] == {"rate": "1/s", "delay": "ms"}
    np.testing.assert_allclose(rates(record), best.rate, rtol=1e-12)


def _budget(money):
    from sojourn.models import RateBudget

    return [RateBudget(money)]


def test_the_table_of_the_file(sojourn, file):
    table = f"[size]\nmean_delay = 40\nserver_delay = [60, 60, 50]\n{SHARES}\n"
    record = found(sojourn, file(table, "min_rate = 70\nmax_rate = 71"))
    assert record["minimise"] == "cost"
    assert record["mean_delay"] == pytest.approx(40.0, rel=1e-9)
    assert 70 <= rates(record)[1] <= 71
    assert [s["share"] for s in record["servers"]][2:] == pytest.approx([9 / 38, 9 / 38])
    assert all(s["latency"] <= 60 * (1 + 1e-9) for s in record["servers"])


def test_prices_of_delay_are_per_unit_of_delay(sojourn, file):
    # 0.02 of money per job and millisecond are 20 per job and second
    by_option = found(sojourn, file(), "--delay-cost", 0.02)
    by_file = found(sojourn, file("[size]\ndelay_cost = 0.02\n"))
    best = SYSTEM.size(190.0, rate_price=PRICE, delay_cost=20.0)
    assert by_file == by_option
    assert by_file["delay_cost"] == 0.02
    assert by_file["objective"] == pytest.approx(best.objective, rel=1e-12)


def test_tails_in_the_file(sojourn, file):
    late = found(sojourn, file("[size]\nlate_share = { within = 150, at_most = 0.01 }\n"))
    each = found(sojourn, file("[size]\nserver_percentile = { p = 0.99, within = 150 }\n"))
    assert late["cost"] < each["cost"]


def test_an_option_replaces_the_budget_of_the_file(sojourn, file):
    path = file("[size]\nbudget = 230\n")
    assert found(sojourn, path, "--mean-delay", 30)["mean_delay"] == pytest.approx(30.0)
    assert found(sojourn, path, "--budget", 240)["cost"] == pytest.approx(240.0)
    assert found(sojourn, path, "--load", 100)["load"] == 100.0


def test_without_prices_each_unit_of_rate_costs_1(sojourn):
    record = found(sojourn, "scenario-1", "--budget", 300)
    assert sum(rates(record)) == pytest.approx(300.0)
    assert record["notes"] == ["no server has a rate_price: every unit of rate costs 1"]


def test_the_frontier_as_data_and_picture(sojourn, file, tmp_path):
    out = tmp_path / "out"
    status, _, _ = sojourn("size", file(), "--budget", 230, "--out", out)
    assert status == 0
    assert {p.name for p in out.iterdir()} == {
        "size.json",
        "frontier.nc",
        "frontier.csv",
        "frontier.png",
    }
    data = xr.open_dataset(out / "frontier.nc", engine="scipy")
    assert data.delay.attrs["units"] == "ms"
    assert bool(data.certified.all())
    assert np.all(np.diff(data.delay) < 0)
    assert np.all(data.delay_lower <= data.delay)
    assert data.attrs["present_delay"] == pytest.approx(
        1000 * SYSTEM.optimum(190.0).mean_delay, rel=1e-9
    )
    assert 230.0 in data.budget
    header = (out / "frontier.csv").read_text().splitlines()[0]
    assert header.startswith("budget,delay (ms),gap,certified,")
    assert "rate[cloud 2] (1/s)" in header


def test_servers_that_open_are_marked():
    data = SYSTEM.size_frontier(190.0, np.linspace(160, 400, 9), rate_price=PRICE)
    texts = _marks(plot_frontier(data, "fixed", (200.0, 0.05)))
    assert texts == []
    is_open = data.open.values.copy()
    is_open[:3, 1] = is_open[6:, 3] = False
    data["open"] = (("budget", "server"), is_open)
    assert _marks(plot_frontier(data)) == ["server 2 opens", "server 4 closes"]


def _marks(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("size", "edge", "field"),
    [
        ("[size]\nbudgets = 230", "", "size.budgets"),
        ("[size]\nbudget = -1", "", "size.budget"),
        ("[size]\nsplit = 'worst'", "", "size.split"),
        ("[size]\nsplit = [0.5, 0.5]", "", "size.split"),
        ("[size]\nminimise = 'money'", "", "size.minimise"),
        ("[size]\nserver_delay = [1, 2, -3]", "", "size.server_delay[2]"),
        ("[size]\nlate_share = { within = 150 }", "", "size.late_share.at_most"),
        ("[size]\nlate_share = 0.01", "", "late_share"),
        ("size = 3", "", "loads.size"),
        ("", "max_rate = 'much'", "servers[1].max_rate"),
        ("", "max_rte = 3", "servers[1].max_rte"),
        ("", "opening = -3", "servers[1].opening"),
    ],
)
def test_files_that_do_not_fit(file, size, edge, field):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file(size, edge))
    assert caught.value.field == field


def test_every_server_has_a_price_or_none(file, tmp_path):
    path = tmp_path / "one.toml"
    path.write_text(FILE.format(size="", edge="").replace("rate_price = 0.5", ""))
    with pytest.raises(ScenarioError, match="every server one") as caught:
        load_scenario(path)
    assert caught.value.field == "servers[2].rate_price"


def test_prices_in_a_csv_file(sojourn, tmp_path):
    (tmp_path / "servers.csv").write_text(
        "name,rate,delay,rate_price,max_rate\na,100,5,1,90\nb,80,5,1,\nc,200,20,0.5,400\n"
    )
    path = tmp_path / "sites.toml"
    path.write_text(
        '[units]\nrate = "1/s"\ndelay = "ms"\n[loads]\nat = 190\n'
        '[size]\nbudget = 400\n[servers]\nfile = "servers.csv"\n'
    )
    assert rates(found(sojourn, path))[0] == 90.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "has neither a budget nor a target"),
        (("--budget", 100), "RateBudget.money = 100.0: is not above"),
        (("--budget", 300, "--mean-delay", 30), "minimise = 'delay'"),
        (("--budget", 300, "--split", "worst"), "--split = 'worst'"),
    ],
)
def test_refusals(sojourn, file, arguments, words):
    status, _, err = sojourn("size", file(), *arguments)
    assert status != 0
    assert words in " ".join(err.split())
