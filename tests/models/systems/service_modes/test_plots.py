"""Plots of dual-mode systems: their content, and that they can be saved."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from sojourn.models import DualMode
from sojourn.models.frontend.units import Units
from sojourn.models.systems.service_modes.curve import delay_profile
from sojourn.models.systems.service_modes.plots import (
    plot_assignment,
    plot_delay_profile,
    plot_dual_mode,
    plot_dual_mode_delay,
)

A, B, C = (DualMode.canonical(mu0=1.0, K=4.0, f=f) for f in ((0.1, 0.3), (0.05, 0.15), (0.25, 0.4)))


@pytest.fixture(scope="module")
def data():
    return A.curve(np.linspace(0.2, 4.9, 12), breakaway=True)


@pytest.fixture(scope="module")
def shapes():
    return delay_profile(A, [2.0, 4.5])


@pytest.fixture
def axes():
    return Figure().subplots()


def labels(axes):
    return [t.get_text() for t in axes.get_legend().get_texts()]


def test_three_panels_under_one_title(data, shapes, tmp_path):
    figure = plot_dual_mode(data, shapes, "A title")
    over_p, assignment, delay = figure.axes
    assert figure.get_suptitle() == "A title"
    assert over_p.get_xlabel().startswith("part p of the jobs")
    assert assignment.get_ylabel() == "best p"
    assert delay.get_xlabel() == "load (jobs per s)"
    assert assignment.get_xlim() == delay.get_xlim()
    figure.savefig(tmp_path / "a.png")
    assert np.ptp(imread(tmp_path / "a.png")) > 0


def test_profile_has_a_line_and_a_dot_a_load(shapes, axes):
    plot_delay_profile(shapes, axes)
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(lines) == len(dots) == 2
    np.testing.assert_allclose([d.get_xdata()[0] for d in dots], shapes.best_p)
    np.testing.assert_allclose([d.get_ydata()[0] for d in dots], shapes.best_delay)
    assert labels(axes) == ["2", "4.5"]
    assert axes.get_yscale() == "log"


def test_best_p_is_broken_at_the_breakaway(data, axes):
    plot_assignment(data, axes)
    line, mark = axes.lines
    x, y = line.get_xdata(), line.get_ydata()
    jump = data.attrs["breakaway_load"]
    at = np.flatnonzero(x == jump)
    np.testing.assert_allclose(y[at], [1, np.nan, data.attrs["breakaway_p"]])
    assert np.all(np.diff(x) >= 0)
    assert list(mark.get_xdata()) == [jump, jump]


def test_every_jump_breaks_the_line(axes):
    """With K = 2 and f = (0.1, 0.4) the best p is 1, then 0, then in (0, 1)."""
    plot_assignment(
        DualMode.canonical(mu0=1.0, K=2.0, f=(0.1, 0.4)).curve(
            np.linspace(0.1, 2.9, 30), breakaway=True
        ),
        axes,
    )
    p = axes.lines[0].get_ydata()
    assert np.isnan(p).sum() == 2
    assert np.nanmax(np.abs(np.diff(p))) < 0.02


def test_no_breakaway_no_mark(axes):
    plot_assignment(C.curve([0.5, 2.0, 3.9], breakaway=True), axes)
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), [1, 1, 1])


def test_delay_has_both_modes_the_bound_and_the_touch_point(data, axes):
    plot_dual_mode_delay(data, axes)
    assert labels(axes) == [
        "best assignment",
        "all jobs in mode 1",
        "all jobs in mode 2",
        "tunable mode: no split is faster",
        "touch point",
    ]
    (touch,) = [line for line in axes.lines if line.get_label() == "touch point"]
    np.testing.assert_allclose(touch.get_xdata(), 20 / 7)
    assert touch.get_ydata()[0] == pytest.approx(
        float(A.tunable.exact.least_delay(20 / 7)), rel=0.02
    )
    assert any("breakaway 4.2" in t.get_text() for t in axes.texts)


def test_units_are_those_of_the_data(data, shapes, axes):
    units = Units("rps", "ms")
    plot_dual_mode_delay(units.present(data), axes)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), data.delay * 1e3)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("load (rps)", "mean delay (ms)")
    over_p = Figure().subplots()
    plot_delay_profile(units.present(shapes), over_p)
    assert over_p.get_ylabel() == "mean delay (ms)"
    (dot, _) = [line for line in over_p.lines if line.get_marker() == "o"]
    assert dot.get_ydata()[0] == pytest.approx(1e3 * float(shapes.best_delay[0]))


def test_unsorted_loads_are_drawn_in_order(axes):
    plot_assignment(B.curve([4.0, 1.0, 2.0], breakaway=True), axes)
    jump = 2.8888241835
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [1, 2, jump, jump, jump, 4])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1, 1, 1, np.nan, 0, 0], atol=1e-9)


def test_first_load_without_an_answer_does_not_change_p_before_the_jump(axes):
    """Up to the breakaway p is 1, also where the first load has no answer."""
    data = B.curve([1.0, 2.0, 4.0], breakaway=True)
    data["p"][0] = np.nan
    plot_assignment(data, axes)
    line = axes.lines[0]
    at = np.flatnonzero(line.get_xdata() == data.attrs["breakaway_load"])
    assert line.get_ydata()[at[0]] == 1


def test_labels_units_and_scales(data, shapes, axes):
    plot_dual_mode_delay(data, axes)
    assert axes.get_xlabel() == "load (jobs per s)"
    assert axes.get_ylabel() == "mean delay (s)"
    assert axes.get_yscale() == "log"
    over_p = Figure().subplots()
    plot_delay_profile(shapes, over_p)
    assert over_p.get_legend().get_title().get_text() == "load (jobs per s)"


def test_touch_points_outside_the_loads_are_not_drawn(axes):
    plot_dual_mode_delay(A.curve([3.5, 4.0]), axes)  # the touch point is at 20 / 7
    assert "touch point" not in labels(axes)


def test_system_c_has_neither_breakaway_nor_touch_point(axes):
    plot_dual_mode_delay(C.curve([0.5, 3.9], breakaway=True), axes)
    assert not axes.texts
    assert "touch point" not in labels(axes)
    assert not [line for line in axes.lines if line.get_linestyle() == "-."]


def test_interval_between_two_points_of_p_is_drawn_without_a_warning(axes):
    """So close to saturation no p of the grid is stable; the best p is still known."""
    shape = delay_profile(DualMode.canonical(mu0=1.0, K=4.0, f=(0.12, 0.3)), [4.9995])
    assert shape.delay.isnull().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_delay_profile(shape, axes)
