"""Pictures of systems with routes: curves, bars of stations, and maps of networks."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from sojourn.models import InputError, load_scenario
from sojourn.models.frontend.units import Units
from sojourn.models.systems.parallel.prices import GOALS
from sojourn.models.systems.routes.both_goals import gains, groups_of, stations_of
from sojourn.models.systems.routes.network_plot import MOST_LINKS, laid_out, plot_network
from sojourn.models.systems.routes.plots import MOST_BARS, plot_curve, plot_search, plot_stations

SECONDS = Units("1/s", "s")


def answers(system):
    return {goal: getattr(system, goal)() for goal in GOALS}


@pytest.fixture(scope="module")
def regions():
    return load_scenario("regions").system


@pytest.fixture(scope="module")
def crossing():
    return load_scenario("crossing").system


def of_links(system):
    tail, head = ([str(node) for node in side] for side in zip(*system.ends, strict=True))
    return stations_of(answers(system), SECONDS, tail=tail, head=head)


def test_curve_has_the_mean_delays_the_groups_and_the_price(regions):
    data = regions.curve(np.linspace(20, 400, 5))
    figure = plot_curve(data, "A title")
    mean, groups, price = figure.axes
    assert figure.get_suptitle() == "A title"
    for goal, line in zip(GOALS, mean.lines, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), data[f"{goal}_delay"])
        assert line.get_label() == goal
    assert len(groups.lines) == 2 * len(regions.groups)
    np.testing.assert_array_equal(groups.lines[1].get_ydata(), data["optimum_group_delay"][:, 1])
    np.testing.assert_array_equal(price.lines[0].get_ydata(), data["price_of_anarchy"])


def test_curve_of_one_group_has_no_panel_of_groups():
    data = load_scenario("braess").system.curve([10.0, 40.0])
    assert len(plot_curve(data).axes) == 2


def test_bars_are_loads_and_utilisations(regions):
    data = stations_of(answers(regions), SECONDS)
    figure = plot_stations(data)
    left, right = figure.axes
    for axes, what in ((left, "load"), (right, "utilisation")):
        for goal, bars in zip(GOALS, axes.containers, strict=True):
            widths = [bar.get_width() for bar in bars]
            np.testing.assert_allclose(widths, data[f"{goal}_{what}"])
    assert [label.get_text() for label in left.get_yticklabels()] == list(regions.stations)
    assert right.get_xlim() == (0.0, 1.0)


def test_bars_are_latencies_where_no_station_has_a_utilisation():
    data = stations_of(answers(load_scenario("braess").system), SECONDS)
    right = plot_stations(data).axes[1]
    assert right.get_xlabel() == "latency (s)"
    widths = [bar.get_width() for bar in right.containers[0]]
    np.testing.assert_allclose(widths, data["optimum_latency"])


def test_of_many_stations_those_with_the_largest_loads_have_bars(regions):
    found = stations_of(answers(regions), SECONDS)
    many = found.isel(station=np.arange(3 * MOST_BARS) % 4)
    left = plot_stations(many).axes[0]
    assert len(left.containers[0]) == MOST_BARS
    assert left.get_title() == "the 30 of 90 stations with the largest loads"
    least = min(bar.get_width() for bar in left.containers[0])
    assert least >= np.sort(many["optimum_load"])[-MOST_BARS]


def test_map_draws_each_link_by_its_load_at_the_coordinates(crossing):
    data = of_links(crossing)
    figure = plot_network(data, crossing.positions, "A title")
    best = figure.axes[0]
    assert [axes.get_title() for axes in figure.axes[:2]] == list(GOALS)
    assert len(best.patches) == len(crossing.stations)
    widths = sorted(arrow.get_linewidth() for arrow in best.patches)
    assert widths[0] == pytest.approx(1.0)
    texts = [text.get_text() for text in best.texts]
    assert {f"{load:.3g}" for load in data["optimum_load"].values} <= set(texts)
    assert set(crossing.nodes) <= set(texts)
    offsets = best.collections[0].get_offsets()
    np.testing.assert_allclose(sorted(map(tuple, offsets)), sorted(crossing.positions.values()))


def test_links_in_both_directions_are_bent_apart(crossing):
    best = plot_network(of_links(crossing), crossing.positions).axes[0]
    bends = [arrow.get_connectionstyle().rad for arrow in best.patches]
    assert sorted(set(bends)) == [0.0, 0.1]


def test_nodes_without_coordinates_are_laid_out(crossing, monkeypatch):
    data = of_links(crossing)
    some = {"west": (0.0, 0.0)}
    places = plot_network(data, some).axes[0].collections[0].get_offsets()
    assert len({tuple(place) for place in places.round(6).tolist()}) == len(crossing.nodes)
    # without networkx they are on a circle
    monkeypatch.setitem(__import__("sys").modules, "networkx", None)
    circle = laid_out("abcd", [("a", "b")])
    np.testing.assert_allclose([np.hypot(*circle[node]) for node in "abcd"], 1.0)
    assert circle["a"] == (1.0, 0.0)


def test_map_of_many_links_has_no_texts_on_them(crossing):
    data = of_links(crossing)
    many = data.isel(station=np.arange(MOST_LINKS + 1) % data.sizes["station"])
    best = plot_network(many, crossing.positions).axes[0]
    assert len(best.texts) == len(crossing.nodes)
    bends = {arrow.get_connectionstyle().rad for arrow in best.patches}
    assert max(bends) == pytest.approx(0.1 + 2 * 0.15)


def test_search_marks_the_worst_case_below_its_bound():
    found = load_scenario("braess").system.worst_case(high=60.0, gap=1e-3)
    data = xr.Dataset(
        {
            "price_of_anarchy": ("load", found.ratio),
            "price_of_anarchy_upper": ("load", np.append(found.bound, np.nan)),
        },
        {"load": ("load", found.loads, {"units": "1/min"})},
    )
    (axes,) = plot_search(data, found).axes
    line, worst = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), found.ratio)
    assert (worst.get_xdata()[0], worst.get_ydata()[0]) == (found.load, found.poa)
    assert axes.get_ylim()[1] > found.upper_bound


def test_pictures_are_saved(regions, crossing, tmp_path):
    data = stations_of(answers(regions), SECONDS)
    for figure in (plot_stations(data), plot_network(of_links(crossing))):
        figure.savefig(tmp_path / "a.png")
        assert imread(tmp_path / "a.png").std() > 0.01


def test_other_datasets_are_refused(regions):
    data = stations_of(answers(regions), SECONDS)
    with pytest.raises(InputError, match=r"^data = .*: has no tail to draw; give a curve"):
        plot_network(data)
    with pytest.raises(InputError, match=r"^data = .*: has no load to draw"):
        plot_curve(data)
    with pytest.raises(InputError, match=r"^data = 3: is not a dataset"):
        plot_stations(3)


def test_gains_are_savings_of_users_alone(regions):
    """A user who moves changes no latency; at the equilibrium nobody gains."""
    found = answers(regions)
    gain = {goal: gains(regions, answer) for goal, answer in found.items()}
    table = groups_of(found, gain, SECONDS)
    assert table["optimum_gain"].max() > 0.01
    assert table["equilibrium_gain"].max() < 1e-9
    delays = found["optimum"].station_latency + 1e-3 * np.array(
        [[12, 70, 58, np.inf], [42, 15, np.inf, 62], [60, 80, 14, np.inf], [92, 75, np.inf, 9]]
    )
    for k, group in enumerate(regions.groups):
        used = [
            regions.stations.index(route.stations[0])
            for route in found["optimum"].routes_between(group)
        ]
        expected = delays[k, used].max() - delays[k].min()
        assert float(table["optimum_gain"][k]) == pytest.approx(expected, rel=1e-9, abs=1e-12)
