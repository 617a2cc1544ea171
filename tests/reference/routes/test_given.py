"""Routes for total flows of stations, and the proof where there are none."""

import numpy as np
import pytest
from chunks import some
from route_cases import listed, random_flow, random_groups, random_network
from scipy.optimize import linprog

from sojourn.reference.routes import ListedRoutes
from sojourn.reference.routes.engine import solve
from sojourn.reference.routes.given import decompose

LP = 1e-6  # relative error of the solver of linear programs


def least_missing(system, load, v, *, surplus):
    """Return the least missing flow over all listed routes; with `surplus` the sum of both."""
    columns, n = system.routes.listed, v.size
    member = (columns.group == np.arange(load.size)[:, None]).astype(float)
    sides = [-np.eye(n), np.eye(n)]
    cost = np.concatenate([np.zeros(len(columns)), np.ones(n), np.full(n, float(surplus))])
    flows = np.hstack([columns.transposed.toarray(), *sides])
    sums = np.hstack([member, np.zeros((load.size, 2 * n))])
    found = linprog(cost, A_eq=np.vstack([flows, sums]), b_eq=np.concatenate([v, load]))
    return found.fun


@pytest.mark.parametrize("seed", some(30, quick=3, often=5))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_flows_of_routes_are_found_again(draw, seed):
    rng = np.random.default_rng(seed)
    system = draw(rng).routed
    every = listed(system)
    v = every.routes.listed.station_flow(random_flow(rng, every, system.load))
    found = decompose(system, system.load, v)
    sums = found.found.columns.group_flow(found.found.flow, system.load.size)
    assert sums == pytest.approx(system.load, rel=1e-12)
    assert found.missing <= LP * v.sum()
    assert found.proved <= LP * v.sum()
    if isinstance(system.routes, ListedRoutes):
        assert found.surplus <= LP * v.sum()
    left = np.maximum(v - found.found.station_flow, 0.0).sum()
    assert found.surplus == pytest.approx(left, rel=1e-9, abs=1e-12 * v.sum())


@pytest.mark.parametrize("seed", some(20, quick=3, often=5))
def test_an_equilibrium_leaves_no_surplus(seed):
    """Flow that goes round in circles would make the routes of an equilibrium dearer."""
    rng = np.random.default_rng(seed)
    system = random_network(rng).routed
    v = solve(system).station_flow
    found = decompose(system, system.load, v)
    assert found.missing + found.surplus <= LP * v.sum()


@pytest.mark.parametrize("seed", some(30, quick=3, often=5))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_missing_flow_is_the_least_and_proved(draw, seed):
    """A second linear program, over all routes, has the same value; prices prove it."""
    rng = np.random.default_rng(100 + seed)
    system = draw(rng).routed
    every, stations = listed(system), len(system.bank)
    v = every.routes.listed.station_flow(random_flow(rng, every, system.load))
    v = v * rng.uniform(0, 1.5, stations) * (rng.random(stations) < 0.8)
    found = decompose(system, system.load, v)
    both = isinstance(system.routes, ListedRoutes)
    least = least_missing(every, system.load, v, surplus=both)
    size = v.sum() + system.total_load
    assert found.missing + both * found.surplus == pytest.approx(least, abs=LP * size)
    assert found.proved == pytest.approx(least, abs=LP * size)
    costs = every.routes.listed.costs(found.price) - every.routes.listed.delay
    shortest = every.routes.listed.least(costs, system.load.size)
    assert system.load @ shortest - found.price @ v == pytest.approx(found.proved, abs=1e-9 * size)
    assert np.all(np.abs(found.price) <= 1 + 1e-9)
