"""`sojourn anarchy`: output, plots, files and exit codes."""

import functools
import json
import math
import re
import sys

import numpy as np
import pytest
import xarray as xr

from sojourn.models.benchmarks import worst_case_rule
from sojourn.models.core.curve import CurveInterruptedError
from sojourn.models.frontend.loader import load_scenario
from sojourn.models.frontend.report import present
from sojourn.models.systems.parallel.anarchy_plots import plot_anarchy
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve
from sojourn.models.systems.parallel.misspecification import misspecified_delays
from sojourn.reference import controlled, equilibrium
from sojourn.reference.parallel import tolls, worst_case

TWO = """[units]
rate = "1/s"
delay = "s"
[loads]
curve = ["30%", "60%", "90%"]
[[servers]]
rate = 1
[[servers]]
rate = 1
cv = 20
"""


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO)
    return path


@pytest.fixture
def quick(monkeypatch):
    """Compute players and control at few points, with the worst load of `two` among them."""
    players, control = players_curve, control_curve
    where = "sojourn.models.systems.parallel.game_curves"
    monkeypatch.setattr(
        f"{where}.players_curve",
        lambda s, loads, **options: players(s, loads[:3], **{**options, "refine": False}),
    )
    monkeypatch.setattr(
        f"{where}.control_curve",
        lambda s, at, **options: control(s, at, [0.0, 1.0], **{**options, "refine": False}),
    )


@pytest.mark.slow
def test_scenario_1(sojourn):
    status, out, err = sojourn("anarchy")
    assert (status, err) == (0, "")
    bank = load_scenario("1").system.bank
    assert re.search(
        r"worst price of anarchy +1\.119471 at load 80, 0\.2105 of the total rate", out
    )
    assert "no load has more than 1.119470803" in out
    assert "saturation alone: the same" in out
    assert re.search(r"each\s+price\s+certified\s+within\s+\de-1\d", out)
    assert re.search(r"edge 2 +10\.557 +20 +5\.285", out)
    assert f"{float(equilibrium(bank, 80.0, 4).mean_delay) * 1e3:.6g}" in out
    assert (
        f"{controlled(bank, 80.0, 0.2).mean_delay / controlled(bank, 80.0, 1.0).mean_delay:.6f}"
        in out
    )


@pytest.mark.usefixtures("quick")
def test_where_the_rule_is_too_low(sojourn, two):
    status, out, _ = sojourn("anarchy", two)
    assert status == 0
    assert re.search(r"2\.101683 at load 1\.320", out)
    assert "1.753549, too low" in out


@pytest.mark.slow
def test_json_is_the_reference(sojourn, two):
    status, out, err = sojourn("anarchy", two, "--json", "--load", "50%")
    assert (status, err) == (0, "")
    printed, bank = json.loads(out), load_scenario(two).system.bank
    true = worst_case(bank)
    assert printed["worst_case"]["poa"] == pytest.approx(true.poa, rel=2e-8)
    assert printed["worst_case"]["upper_bound"] >= true.poa
    assert printed["load"] == 1.0
    np.testing.assert_allclose([s["toll"] for s in printed["servers"]], tolls(bank, 1.0), rtol=1e-8)
    by_players = {row["players"]: row["delay"] for row in printed["players"]}
    for row in printed["players"]:
        assert (
            1
            <= row["price_of_anarchy_lower"]
            <= row["price_of_anarchy"]
            <= row["price_of_anarchy_upper"]
        )
    assert by_players[2.0] == pytest.approx(float(equilibrium(bank, 1.0, 2).mean_delay), rel=1e-9)
    assert by_players[None] == pytest.approx(float(equilibrium(bank, 1.0).mean_delay), rel=1e-9)
    assert printed["control"][0]["llf"] == pytest.approx(
        by_players[None] / by_players[1.0], rel=1e-9
    )
    assert printed["control"][-1]["scale"] == pytest.approx(1.0, rel=1e-12)


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_files(sojourn, two, tmp_path):
    folder = tmp_path / "report"
    status, out, _ = sojourn("anarchy", two, "--out", folder)
    assert status == 0
    assert "written to" in out
    assert sorted(p.name for p in folder.iterdir()) == [
        "anarchy.json", "anarchy.png", "control.csv", "control.nc", "players.csv", "players.nc",
    ]  # fmt: skip
    with xr.open_dataset(folder / "players.nc", engine="scipy") as data:
        assert float(data["price_of_anarchy"].max()) == pytest.approx(2.101683, abs=1e-6)
    assert json.loads((folder / "anarchy.json").read_text())["worst_case"]["certified"]


@pytest.mark.usefixtures("quick")
def test_a_file_that_cannot_be_written(sojourn, two, tmp_path):
    (tmp_path / "taken").write_text("")
    status, _, err = sojourn("anarchy", two, "--out", tmp_path / "taken")
    assert status == 3
    assert "cannot write" in err


@pytest.mark.parametrize(("arguments", "message"), [
    (["dual-a"],
     r"^error: scenario = 'dual-a': has a part of each stage for each mode: an operator chooses "
     r'both, and no user; where .* give discipline = "processor-sharing" in \[dual_mode\], or take '
     r"dual-a-shared$"),
    (["nope"], r"^error: scenario = 'nope': is neither a file nor a built-in scenario"),
    (["1", "--load", "400"], r"^error: --load = '400': not below the total rate 380"),
    (["1", "--solver", "NOPE"], r"^error: solver = 'NOPE': is not a solver"),
])  # fmt: skip
def test_bad_input(sojourn, arguments, message):
    status, out, err = sojourn("anarchy", *arguments)
    assert (status, out) == (2, "")
    assert re.search(message, err), err


@pytest.mark.usefixtures("quick")
def test_an_uncertified_search_is_reported(sojourn, two, monkeypatch):
    monkeypatch.setattr(sys.modules["sojourn.models.systems.parallel.worst_case"], "MOST", 4)
    status, out, _ = sojourn("anarchy", two)
    assert status == 1
    assert "NOT CERTIFIED: no load has more than" in out


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_an_interrupted_curve_is_kept(sojourn, two, tmp_path, monkeypatch):
    whole = players_curve

    def stopped(system, loads, **options):
        data = whole(system, loads[:2], **{**options, "refine": False})
        raise CurveInterruptedError(data)

    monkeypatch.setattr("sojourn.models.systems.parallel.game_curves.players_curve", stopped)
    status, _, _ = sojourn("anarchy", two, "--out", tmp_path / "report")
    assert status == 130
    with xr.open_dataset(tmp_path / "report" / "players.nc", engine="scipy") as data:
        assert data.sizes["load"] == 2


@pytest.mark.slow
def test_an_interrupted_control_curve_is_kept(sojourn, two, tmp_path, monkeypatch):
    whole = control_curve

    def stopped(system, load, **options):
        raise CurveInterruptedError(whole(system, load, [0.0, 0.5], **options))

    monkeypatch.setattr("sojourn.models.systems.parallel.game_curves.control_curve", stopped)
    status, out, _ = sojourn("anarchy", two, "--out", tmp_path / "report")
    assert status == 130
    assert "2.101683 at load 1.320" in out
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        "anarchy.json",
        "control.nc",
        "control.csv",
    }
    assert [
        row["fraction"]
        for row in json.loads((tmp_path / "report" / "anarchy.json").read_text())["control"]
    ] == [0.0, 0.5]


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_search_prints_its_bounds(sojourn, two, monkeypatch, as_json):
    module = sys.modules["sojourn.models.systems.parallel.worst_case"]
    monkeypatch.setattr(
        module._BestFirst, "_split", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    status, out, _ = sojourn("anarchy", two, *(["--json"] if as_json else []))
    assert status == 130
    if as_json:
        printed = json.loads(out)["worst_case"]
        assert printed["poa"] < 2.101683
        assert printed["upper_bound"] is None or printed["upper_bound"] > 2.101683
    else:
        assert "NOT CERTIFIED" in out


def test_one_server_has_no_loss(sojourn, tmp_path):
    path = tmp_path / "one.toml"
    path.write_text(
        '[units]\nrate = "1/s"\ndelay = "s"\n[[servers]]\nrate = 2\n[loads]\ncurve = ["50%"]\n'
    )
    status, out, err = sojourn("anarchy", path)
    assert (status, err) == (0, "")
    assert "1.000000" in out


@pytest.mark.usefixtures("quick")
def test_saturation_is_recognised_where_the_sum_of_the_rates_is_rounded(sojourn, tmp_path):
    path, rates = tmp_path / "six.toml", [3.34, 3.95, 42.5, 1.53, 15.9, 28.6]
    servers = "".join(
        f"[[servers]]\nrate = {rate}\ncv = {20 if i == 0 else 1}\n" for i, rate in enumerate(rates)
    )
    path.write_text(
        '[units]\nrate = "1/s"\ndelay = "s"\n'
        f'[loads]\nat = "70%"\ncurve = ["30%", "60%"]\n{servers}'
    )
    status, out, err = sojourn("anarchy", path)
    assert (status, err) == (0, "")
    assert "9.742585 as the load nears the total rate" in out
    assert f"at load {0.7 * 95.82:.6g}" in out


# ---- variants


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_a_worst_case_for_each_variant(sojourn, tmp_path):
    status, out, err = sojourn("anarchy", "scenario-3", "--out", tmp_path, "--json")
    assert (status, err) == (0, "")
    scenario, rows = load_scenario("3"), json.loads(out)["variants"]
    assert [(row["name"], row["title"]) for row in rows] == [
        (v.name, v.title) for v in scenario.variants
    ]
    for row, variant in zip(rows, scenario.variants, strict=True):
        true, printed = worst_case(variant.paid.bank), row["worst_case"]
        assert printed["certified"]
        assert printed["poa"] == pytest.approx(true.poa, rel=2e-8)
        assert printed["load"] == pytest.approx(true.load, rel=1e-9)
        assert printed["upper_bound"] >= true.poa
        assert row["largest_on_curve"] is None
        # the line in the plot reaches the worst load, also where it is before those of the file
        with xr.open_dataset(tmp_path / f"curve-{variant.name}.nc", engine="scipy") as data:
            assert float(data["price_of_anarchy"].max()) == pytest.approx(true.poa, rel=1e-8)
            assert float(data["load"].min()) < true.load
    assert rows[2]["worst_case"]["poa"] == pytest.approx(1.0715625, abs=1e-7)


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_misspecified_variants_have_no_certificate(sojourn, tmp_path):
    status, out, err = sojourn("anarchy", "scenario-4", "--out", tmp_path)
    assert (status, err) == (0, "")
    printed = " ".join(out.split())
    assert "decided on other delays than are paid, a variant has no search with a bound" in printed
    assert "refined to 0.0001, and is not certified" in printed
    assert re.search(r"delays removed +1\.120866 +140 +1\.120865716 +the same", out)
    rows = {
        row["name"]: row for row in json.loads((tmp_path / "anarchy.json").read_text())["variants"]
    }
    for name in ("ignoring-delays", "assuming-the-mean"):
        assert rows[name]["worst_case"] is None
        found = rows[name]["largest_on_curve"]
        assert (found["ratio"], found["load"]) == (
            pytest.approx(1.1474591, abs=1e-7),
            pytest.approx(100.0),
        )
        assert (found["from"], found["to"]) == (pytest.approx(3.8), pytest.approx(376.2))
        with xr.open_dataset(tmp_path / f"curve-{name}.nc", engine="scipy") as data:
            assert float(data["price_of_anarchy"].max()) == found["ratio"]
    assert rows["equal-delays"]["worst_case"]["poa"] == pytest.approx(1.0637245, abs=1e-7)
    assert rows["equal-delays"]["worst_case"]["certified"]


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_an_uncertified_variant_is_an_exit_code(sojourn, monkeypatch):
    # enough for the scenario, not for its variant
    monkeypatch.setattr(sys.modules["sojourn.models.systems.parallel.worst_case"], "MOST", 9)
    status, out, _ = sojourn("anarchy", "scenario-3")
    assert status == 1
    before, after = out.split("variants")
    assert "NOT CERTIFIED" not in before
    assert "NOT CERTIFIED" in after


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("stopped", ["worst_case", "misspecified_delays"])
@pytest.mark.slow
def test_an_interrupt_in_a_variant_keeps_the_others(stopped, sojourn, tmp_path, monkeypatch):
    if stopped == "misspecified_delays":

        def stop(*_, **__):
            raise CurveInterruptedError(xr.Dataset())

        monkeypatch.setattr(
            "sojourn.models.systems.parallel.misspecification.misspecified_delays", stop
        )
    else:
        module, solved = sys.modules["sojourn.models.systems.parallel.worst_case"], []
        whole = module._BestFirst._solved

        def solve(self, load):
            solved.append(self.bank)
            if len(set(map(id, solved))) > 2:
                raise KeyboardInterrupt
            return whole(self, load)

        monkeypatch.setattr(module._BestFirst, "_solved", solve)
    name = "scenario-4" if stopped == "misspecified_delays" else "scenario-3"
    status, _, _ = sojourn("anarchy", name, "--out", tmp_path)
    assert status == 130
    rows = json.loads((tmp_path / "anarchy.json").read_text())["variants"]
    assert [row["name"] for row in rows] == ([] if stopped == "misspecified_delays" else ["cv-0"])
    assert {"anarchy.png", "players.nc", "control.nc"} <= {p.name for p in tmp_path.iterdir()}


def test_plot_with_variants():
    scenario = load_scenario("scenario-4")
    system, variant = scenario.system, scenario.variants[0]
    players = players_curve(system, [376.0, 80.0, 4.0, 190.0], [2, math.inf])
    other = misspecified_delays(variant.assumed, variant.paid, [376.0, 100.0, 4.0])
    figure = plot_anarchy(
        players,
        control_curve(system, 80.0, [0.0, 1.0]),
        worst_case(system.bank),
        "four",
        {variant.name: other},
    )
    above, between, _ = figure.axes
    labels = [text.get_text() for text in between.get_legend().get_texts()]
    assert labels == ["as it is: up to 1.119, load 80", "ignoring-delays: up to 1.147, load 100"]
    for axes in (above, between):
        for line in axes.lines:
            assert np.all(np.diff(line.get_xdata()) > 0)  # sorted in any order of the loads
    figure.canvas.draw()


@pytest.mark.slow
def test_bench_worst_case_rule(sojourn, monkeypatch):
    two = ("M/M/1", "M/G/1, cv up to 30")
    families = {name: worst_case_rule.FAMILIES[name] for name in two}
    monkeypatch.setattr(worst_case_rule, "FAMILIES", families)
    # one search, printed twice
    search = functools.cache(worst_case_rule.worst_case_rule_counterexamples)
    monkeypatch.setattr(worst_case_rule, "worst_case_rule_counterexamples", search)
    status, out, err = sojourn("bench", "worst-case-rule", "--systems", 3)
    assert (status, err) == (0, "")
    assert "M/G/1, cv up to 30" in out
    rows = json.loads(sojourn("bench", "worst-case-rule", "--systems", 3, "--json")[1])
    assert {row["tried"] for row in rows} == {3}
    status, _, err = sojourn("bench", "worst-case-rule", "--systems", 0)
    assert status == 2
    assert "systems = 0: is not a number of systems" in err


# ---- the plot


def test_plot_shows_the_worst_case_and_that_of_the_rule(two):
    system = load_scenario(two).system
    players, control = (
        players_curve(system, [0.5, 1.0, 1.5]),
        control_curve(system, 1.0, [0.0, 0.5, 1.0]),
    )
    figure = plot_anarchy(players, control, worst_case(system.bank), "two")
    above, below = figure.axes
    labels = [text.get_text() for text in above.get_legend().get_texts()]
    assert labels == [
        "2 players",
        "4 players",
        "16 players",
        "selfish users",
        "worst case 2.102, load 1.32",
        "by the paper's rule 1.754",
    ]
    assert [text.get_text() for text in below.get_legend().get_texts()][:2] == [
        "largest latency first",
        "the optimum, scaled down",
    ]
    figure.canvas.draw()


def test_plot_without_loss_has_readable_axes():
    system = load_scenario("1").system
    control = control_curve(system, 1.0, [0.0, 1.0])  # at load 1 one server has all the load
    figure = plot_anarchy(players_curve(system, [1.0]), control, worst_case(system.bank))
    low, high = figure.axes[1].get_ylim()
    assert low < 1 < high
    assert high - low > 1e-3


@pytest.mark.slow
def test_report_takes_the_worst_load_unless_it_is_saturation(two, capsys):
    chosen = load_scenario(two)
    assert present(chosen.kind.anarchy(chosen, None, None, False, False), None, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["load"] == pytest.approx(1.3205, abs=1e-3)
