"""Curves draw themselves, and name their loads."""

import pickle

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from sojourn import MM1, DualMode, ParallelServers, TunableMode
from sojourn.models.frontend.curve_dataset import Curve
from sojourn.models.systems.parallel import control_curve, misspecified_delays, players_curve

SYSTEM = ParallelServers(MM1([3.0, 2.0]))
LOADS = [1.0, 2.0, 3.0]
CURVES = {
    "parallel": lambda: SYSTEM.curve(LOADS),
    "refined": lambda: SYSTEM.curve(LOADS, refine=True),
    "dual": lambda: DualMode.canonical(mu0=1, K=4, f=(0.1, 0.3)).curve(LOADS),
    "tunable": lambda: TunableMode(mu0=1.0, K=4.0).curve(LOADS),
    "players": lambda: players_curve(SYSTEM, LOADS, [1, 2]),
    "misspecified": lambda: misspecified_delays(
        ParallelServers(MM1([3.0, 2.0], delay=[0.1, 0.0])), SYSTEM, LOADS
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_draws_itself_and_names_its_loads(name):
    data = CURVES[name]()
    assert isinstance(data, Curve)
    figure = data.plot("a title")
    assert isinstance(figure, Figure)
    assert figure.get_suptitle() == "a title"
    xr.testing.assert_identical(data.loads, data["load"])
    assert set(LOADS) <= set(data.loads.values)


def test_a_curve_over_something_else_is_drawn_and_has_no_loads():
    data = control_curve(SYSTEM, 2.0, [0.0, 0.5, 1.0])
    assert data.plot().axes[-1].get_xlabel() == "part of the load under control"
    with pytest.raises(KeyError, match="load"):
        data.loads  # noqa: B018


def test_a_part_and_a_copy_of_a_curve_are_curves(tmp_path):
    data = SYSTEM.curve(LOADS)
    parts = [data.sel(load=[1.0, 2.0]), data.copy(), pickle.loads(pickle.dumps(data))]  # noqa: S301
    assert all(isinstance(part.plot(), Figure) for part in parts)
    xr.testing.assert_identical(parts[-1], data)
    data.to_netcdf(tmp_path / "curve.nc")
    read = Curve(xr.load_dataset(tmp_path / "curve.nc"))
    np.testing.assert_array_equal(read.loads, LOADS)
    assert read.attrs["time_unit"] == "s"
    assert isinstance(read.plot(), Figure)


def test_the_plots_and_the_method_of_xarray_are_there():
    data = SYSTEM.curve(LOADS)
    assert data.load() is data
    assert {"scatter", "quiver"} <= set(dir(data.plot))
    drawn = data.plot.scatter(x="load", y="optimum_delay")
    assert len(drawn.get_offsets()) == len(LOADS)
