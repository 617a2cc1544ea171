"""Plots of both disciplines: their content, in the units of the data."""

import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba

from sojourn.models import InputError
from sojourn.models.systems.service_modes.modes_plots import DELAYS, plot_disciplines, plot_mixes

LOAD = np.array([1.0, 2.0, 3.0, 4.0])


def dataset(modes=4, **more):
    """Return delays and parts of the jobs: mode 0 below load 3, from there on modes 0 and 2."""
    parts = np.zeros((LOAD.size, modes))
    parts[:, 0] = [1, 1, 0.6, 0.5]
    parts[:, 2] = 1 - parts[:, 0]
    delay, units = 1 / (5 - LOAD), {"units": "ms"}
    factors = {"single": 1.5, "reserved": 1.2, "equilibrium": 1.1, "optimum": 1.0} | more
    found = {f"{name}_delay": ("load", factor * delay, units) for name, factor in factors.items()}
    for answer in ("reserved", "optimum", "equilibrium"):
        found[f"{answer}_assignment"] = (("load", "mode"), parts)
    found["price_of_reserving"] = "load", np.full(4, 1.2)
    found["price_of_anarchy"] = "load", np.full(4, 1.1)
    names = ["a", "b", "c [$x$]", *(f"m{i}" for i in range(3, modes))]
    coords = {"load": ("load", LOAD, {"units": "1/s"}), "mode": names}
    return xr.Dataset(found, coords, {"breakaway_loads": [2.5]})


def labels(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_only_used_modes_are_stacked_each_in_one_colour():
    figure = plot_mixes(dataset(), "A title")
    assert figure.get_suptitle() == "A title"
    (legend,) = figure.legends
    assert labels(legend) == ["a", "c [$x$]"]
    handles = [tuple(handle.get_facecolor()) for handle in legend.legend_handles]
    for axes in figure.axes:
        areas = axes.collections
        assert len(areas) == 2
        assert [tuple(map(float, area.get_facecolor()[0])) for area in areas] == [
            pytest.approx(to_rgba(colour)) for colour in handles
        ]
        first = areas[0].get_paths()[0].vertices
        tops = {x: max(y for at, y in first if at == x) for x in LOAD}
        assert tops == pytest.approx({1: 1, 2: 1, 3: 0.6, 4: 0.5})
        assert axes.get_ylim() == (0, 1)
    assert figure.axes[-1].get_xlabel() == "load (jobs per s)"
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == ["reserved, best mix", "shared, optimum", "shared, selfish users"]


def test_a_mode_that_one_answer_alone_uses_has_its_colour_everywhere():
    data = dataset()
    data["equilibrium_assignment"][-1] = [0.5, 0.2, 0.3, 0.0]
    figure = plot_mixes(data)
    assert labels(figure.legends[0]) == ["a", "b", "c [$x$]"]
    assert [len(axes.collections) for axes in figure.axes] == [3, 3, 3]


def test_more_modes_than_colours():
    data = dataset(modes=9)
    data["reserved_assignment"][:] = 1 / 9
    figure = plot_mixes(data)
    colours = {tuple(area.get_facecolor()[0]) for area in figure.axes[0].collections}
    assert len(colours) == 9


def test_loads_without_an_answer_are_left_out():
    data = dataset()
    data["reserved_assignment"][0] = np.nan
    first = plot_mixes(data).axes[0].collections[0].get_paths()[0].vertices
    assert set(first[:, 0]) == {2, 3, 4}


def test_delays_have_their_labels_and_units_and_marks():
    data = dataset(tunable=0.9)
    delays, prices = plot_disciplines(data).axes
    assert labels(delays.get_legend()) == [name for name, *_ in DELAYS.values()]
    assert delays.get_ylabel() == "mean delay (ms)"
    assert delays.get_yscale() == "log"
    drawn = {line.get_label(): line.get_ydata() for line in delays.lines}
    for name, (label, *_) in DELAYS.items():
        np.testing.assert_array_equal(drawn[label], data[name])
    assert labels(prices.get_legend()) == ["price of reserving", "price of anarchy"]
    assert prices.get_xlabel() == "load (jobs per s)"
    assert [text.get_text() for text in delays.texts] == ["breakaway 2.5"]
    assert all(axes.lines[-1].get_xdata()[0] == 2.5 for axes in (delays, prices))


def test_a_delay_without_a_bound_or_beyond_the_mix_does_not_flatten_the_picture():
    data = dataset()
    data["single_delay"][:] = [2, 1e9, np.inf, np.inf]
    delays, _ = plot_disciplines(data).axes
    assert "tunable mode: no split is faster" not in labels(delays.get_legend())
    assert delays.get_ylim()[1] < 2
    (single,) = [line for line in delays.lines if line.get_label() == "best single mode"]
    np.testing.assert_array_equal(np.isnan(single.get_ydata()), [False, False, True, True])


def test_prices_of_one_have_room():
    data = dataset()
    for name in ("price_of_reserving", "price_of_anarchy"):
        data[name][:] = 1.0
    _, prices = plot_disciplines(data).axes
    assert prices.get_ylim()[0] < 1 < 1.04 < prices.get_ylim()[1]


@pytest.mark.parametrize("plot", [plot_mixes, plot_disciplines])
def test_another_dataset_is_refused(plot):
    with pytest.raises(InputError, match=r"^data = .*: has no \w+ to draw; give a curve$"):
        plot(xr.Dataset(coords={"load": LOAD}))


def test_a_curve_of_one_load_has_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_mixes(dataset().isel(load=[1]))


def test_long_names_leave_room_for_the_panels(tmp_path):
    data = dataset()
    figure = plot_mixes(data.assign_coords(mode=[f"{100 * 'long '}{name}" for name in "abcd"]))
    figure.savefig(tmp_path / "modes.png")
    assert [text[-1] for text in labels(figure.legends[0])] == ["a", "c"]
    assert min(axes.get_window_extent().width for axes in figure.axes) > 300
