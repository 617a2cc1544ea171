"""Newton's equations of routes of one station each, against those of any routes."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from sojourn.reference.routes import Columns
from sojourn.reference.routes.link_space import Differences
from sojourn.reference.routes.single_station import SingleStations, equations


def random_columns(rng, groups, stations, part):
    """Return routes of a part of all pairs of group and station, at least one a group."""
    allowed = rng.random((groups, stations)) < part
    allowed[np.arange(groups), rng.integers(stations, size=groups)] = True
    group, station = np.nonzero(allowed)
    work = csr_array(
        (np.ones(group.size), station, np.arange(group.size + 1)), shape=(group.size, stations)
    )
    return Columns(group, work, rng.random(group.size))


@pytest.mark.parametrize("seed", range(20))
def test_steps_are_those_of_any_routes(seed):
    rng = np.random.default_rng(seed)
    groups, stations = int(rng.integers(1, 7)), int(rng.integers(1, 9))
    columns = random_columns(rng, groups, stations, rng.choice([0.0, 0.1, 0.5, 1.0]))
    routes = len(columns)
    weight = 10 ** rng.uniform(-6, 3, routes)
    slope = np.where(rng.random(stations) < 0.2, 0.0, 10 ** rng.uniform(-3, 3, stations))
    sides = (rng.normal(size=n) for n in (routes, groups, stations, stations))
    given = tuple(sides)
    found = equations(columns, groups, weight, slope)
    assert isinstance(found, SingleStations)
    step, true = found.solve(*given), Differences(columns, groups, weight, slope).solve(*given)
    for name in ("flow", "station_flow", "price", "level"):
        value, expected = getattr(step, name), getattr(true, name)
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_routes_of_two_stations_or_other_work_take_the_general_equations():
    two = csr_array(np.array([[1.0, 1.0], [0.0, 1.0]]))
    double = csr_array(np.array([[2.0, 0.0], [0.0, 1.0]]))
    for work in (two, double):
        columns = Columns(np.array([0, 0]), work, np.zeros(2))
        assert isinstance(equations(columns, 1, np.ones(2), np.ones(2)), Differences)
