"""Plots have the right lines and labels, and can be saved."""

import numpy as np
import pytest
from matplotlib.image import imread

from sojourn.models import BPR, MM1, Constant, ParallelServers
from sojourn.models.systems.parallel.plots import (
    MOST_LINES,
    plot_curve,
    plot_delay,
    plot_price_of_anarchy,
)
from sojourn.reference import equilibrium, optimum

LOADS = np.linspace(5, 370, 8)


@pytest.fixture(scope="module")
def data():
    return ParallelServers(
        MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), names=["edge 1", "edge 2", "cloud"]
    ).curve(LOADS)


@pytest.fixture(scope="module")
def other():
    return ParallelServers(MM1([100.0, 80.0, 200.0])).curve(LOADS[::2])


def curves(axes):
    """Return the lines that are curves, not thresholds."""
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def marks(axes):
    return [line for line in axes.lines if len(line.get_xdata()) == 2]


def test_delay_above_price_of_anarchy_below(data):
    figure = plot_curve(data, "A title")
    above, below = figure.axes
    assert figure.get_suptitle() == "A title"
    assert above.get_ylabel() == "mean delay (s)"
    assert below.get_ylabel() == "price of anarchy"
    assert (above.get_xlabel(), below.get_xlabel()) == ("", "load (jobs per s)")
    assert above.get_yscale() == "log"
    assert below.get_yscale() == "linear"
    assert above.get_shared_x_axes().joined(above, below)


def test_lines_are_the_curve(data):
    above, below = plot_curve(data).axes
    optimum, equilibrium = curves(above)
    np.testing.assert_allclose(optimum.get_ydata(), data["optimum_delay"])
    np.testing.assert_allclose(equilibrium.get_ydata(), data["equilibrium_delay"])
    assert (optimum.get_linestyle(), equilibrium.get_linestyle()) == ("-", "--")
    assert [text.get_text() for text in above.get_legend().get_texts()] == [
        "optimum",
        "equilibrium",
    ]
    (ratio,) = curves(below)
    np.testing.assert_array_equal(ratio.get_xdata(), LOADS)
    np.testing.assert_allclose(ratio.get_ydata(), data["price_of_anarchy"])


def test_thresholds_within_the_loads_are_marked_and_named(data):
    """The threshold of the first server, 0, is outside the loads."""
    above, below = plot_curve(data).axes
    expected = sorted(
        [*data.attrs["optimum_thresholds"][1:], *data.attrs["equilibrium_thresholds"][1:]]
    )
    for axes in (above, below):
        np.testing.assert_allclose(sorted(line.get_xdata()[0] for line in marks(axes)), expected)
    named = {f"{n} starts, {g}" for n in ("edge 2", "cloud") for g in ("optimum", "equilibrium")}
    assert {t.get_text() for t in above.texts} == named
    assert not below.texts


def test_many_thresholds_are_not_all_marked():
    system = ParallelServers(MM1(np.full(20, 10.0), np.linspace(0, 0.3, 20)))
    above, _ = plot_curve(system.curve([1.0, 50.0, 199.0])).axes
    assert len(marks(above)) == 2 * MOST_LINES
    assert len(curves(above)) == 2


@pytest.mark.parametrize("count", [1, 2, 8])
def test_variants_are_lines_of_their_own(data, other, count):
    others = {f"variant {i}": other for i in range(count)}
    above, below = plot_curve(data, "", others).axes
    assert len(above.lines) == 2 * (
        count + 1
    )  # no thresholds: they would belong to one of several curves
    assert len(below.lines) == count + 1
    labels = [text.get_text() for text in above.get_legend().get_texts()]
    assert labels[:4] == [
        "as it is: optimum",
        "as it is: equilibrium",
        "variant 0: optimum",
        "variant 0: equilibrium",
    ]
    assert [text.get_text() for text in below.get_legend().get_texts()] == ["as it is", *others]
    # a line below another one is wider, and visible
    widths = [line.get_linewidth() for line in below.lines]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > 1


def test_lines_go_from_load_to_load_in_order(data):
    mixed = data.isel(load=[3, 0, 7, 1, 2, 6, 5, 4])
    for mine, theirs in zip(plot_curve(mixed).axes, plot_curve(data).axes, strict=True):
        for line, sorted_ in zip(curves(mine), curves(theirs), strict=True):
            np.testing.assert_array_equal(line.get_xydata(), sorted_.get_xydata())


def test_lines_cut_no_corner():
    """Compare the drawn lines, on the axes' scales, with the exact curve on a dense grid."""
    system = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
    above, below = plot_curve(system.curve(LOADS, refine=True)).axes
    grid = np.linspace(LOADS[0], LOADS[-1], 10_001)
    best, selfish = optimum(system.bank, grid).mean_delay, equilibrium(system.bank, grid).mean_delay
    for axes, line, true in ((above, 0, best), (above, 1, selfish), (below, 0, selfish / best)):
        drawn = axes.transData.transform(curves(axes)[line].get_xydata())
        exact = axes.transData.transform(np.column_stack([grid, true]))
        up = np.interp(exact[:, 0], drawn[:, 0], drawn[:, 1])
        found = axes.transData.inverted().transform(np.column_stack([exact[:, 0], up]))[:, 1]
        assert np.max(np.abs(found / true - 1)) < 2e-3


def test_unit_of_time_of_the_system():
    milli = ParallelServers(MM1([0.1, 0.08], [5.0, 5.0]), time_unit="ms").curve([0.05, 0.1])
    above, below = plot_curve(milli).axes
    assert above.get_ylabel() == "mean delay (ms)"
    np.testing.assert_allclose(above.lines[0].get_ydata(), milli["optimum_delay"])
    assert below.get_xlabel() == "load (jobs per ms)"


def test_panels_alone(data):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    plot_delay(data, axes)
    assert axes.get_xlabel() == "load (jobs per s)"
    axes = Figure().subplots()
    plot_price_of_anarchy(data, axes)
    assert axes.get_xlabel() == "load (jobs per s)"


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_saved_file_is_a_picture(data, suffix, tmp_path):
    path = tmp_path / f"curve.{suffix}"
    plot_curve(data, "Title").savefig(path, dpi=60)
    assert path.stat().st_size > 5_000
    if suffix == "png":
        pixels = imread(path)
        assert pixels.shape[:2] == (420, 480)
        assert np.ptp(pixels) > 0.5


def test_delays_of_0_are_drawn_on_a_linear_axis(recwarn, tmp_path):
    data = ParallelServers(BPR(free_flow=0.0, capacity=10.0), Constant(3.0)).curve([0.0, 2.0, 9.0])
    figure = plot_curve(data)
    figure.savefig(tmp_path / "curve.png")
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.0, 0.0, 0.0]
    assert not recwarn.list
