"""The default picture of a curve, drawn by the roles of its variables."""

import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from sojourn.models import MM1, DualMode, InputError, ParallelServers, TunableMode
from sojourn.models.frontend.dataset_plot import plot_dataset
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve

SYSTEM = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), time_unit="ms")
LOADS = [30.0, 350.0, 5.0, 190.0]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_delays_above_and_their_ratio_below(tmp_path):
    data = SYSTEM.curve(LOADS)
    figure = plot_dataset(data, "A title")
    above, below = figure.axes
    assert figure.get_suptitle() == "A title"
    assert (above.get_yscale(), above.get_ylabel()) == ("log", "mean delay (ms)")
    assert (below.get_yscale(), below.get_ylabel(), below.get_xlabel()) == (
        "linear",
        "price of anarchy",
        "load (jobs per ms)",
    )
    assert labels(above) == ["mean delay at the optimum", "mean delay at the equilibrium"]
    assert above.get_shared_x_axes().joined(above, below)
    for line, name in zip(
        [*above.lines, *below.lines],
        ["optimum_delay", "equilibrium_delay", "price_of_anarchy"],
        strict=True,
    ):
        np.testing.assert_array_equal(line.get_xdata(), sorted(LOADS))
        np.testing.assert_array_equal(line.get_ydata(), data.sortby("load")[name])
    figure.savefig(tmp_path / "a.png", dpi=60)
    assert np.ptp(imread(tmp_path / "a.png")) > 0.5


def test_modes_alone_are_dashed_beside_the_best_assignment():
    above, below = plot_dataset(
        DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).curve([1.0, 3.0, 4.5])
    ).axes
    assert labels(above)[1:3] == [f"mean delay with all jobs in one mode, mode {i}" for i in (1, 2)]
    assert [line.get_linestyle() for line in above.lines] == ["-", "--", "--", "--"]
    assert np.isnan(above.lines[2].get_ydata()[-1])  # not stable
    assert below.get_ylabel() == "best part of the jobs in mode 1"


def test_a_line_for_each_number_of_players_and_a_cross_where_there_is_no_certificate():
    data = players_curve(SYSTEM, LOADS, [2, np.inf])
    data["certified"][{"load": 1, "players": 0}] = False
    above, below = plot_dataset(data).axes
    assert labels(below) == ["price of anarchy, players 2", "price of anarchy, players inf"]
    (cross,) = [line for line in above.lines if line.get_label() == "not certified"]
    assert (cross.get_xdata().item(), cross.get_ydata().item()) == (
        350.0,
        data["delay"].sel(load=350.0, players=2.0).item(),
    )


def test_other_axes_than_loads():
    above, below = plot_dataset(control_curve(SYSTEM, 190.0, [0.0, 0.5, 1.0])).axes
    assert below.get_xlabel() == "part of the load under control"
    # the delay of the optimum is one number and not a line
    assert labels(above) == ["mean delay, llf", "mean delay, scale"]


def test_without_units_and_answers():
    """A curve without any answer gives an empty picture, without a warning."""
    empty = xr.Dataset(
        {"ratio": ("load", [np.nan], {"role": "ratio"})},
        {"load": ("load", [1.0], {"units": "1/s"})},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (axes,) = plot_dataset(empty).axes
    assert axes.get_ylabel() == "ratio"


def test_nothing_to_draw_is_refused():
    with pytest.raises(
        InputError, match=r"^data = \['x'\]: has no delay, ratio or part to draw; give a curve$"
    ):
        plot_dataset(xr.Dataset({"x": ("load", [1.0])}))


def test_labels_of_delays_over_many_decades_tell_them_apart():
    figure = plot_dataset(TunableMode(3.0, 0.5).curve([1e-8, 2.0, 4.5 * (1 - 1e-7)]))
    figure.canvas.draw()
    shown = [float(label.get_text()) for label in figure.axes[0].get_yticklabels()]
    np.testing.assert_allclose(shown, figure.axes[0].get_yticks(), rtol=1e-12)
    assert max(shown) / min(shown) > 1e6
