"""The optimum within limits in numbers: its lower bound, its flows, and limits that none meets."""

from dataclasses import replace

import numpy as np
import pytest
from chunks import some
from route_cases import listed, random_flow, random_groups, random_network
from scipy.optimize import minimize
from scipy.sparse import csr_array

from sojourn.models import MM1, Groups
from sojourn.reference import limited_optimum
from sojourn.reference.routes import RouteFlow
from sojourn.reference.routes.limited import (
    certified,
    inside,
    lower_bound,
    moved_inside,
    scale_of,
    total_delay,
)
from sojourn.reference.routes.limited_newton import refined
from sojourn.reference.routes.route_rows import RouteRows


def random_rows(rng, system):
    """Return limits that some random flow meets: on stations, on a group at a station, a route."""
    every, load = listed(system), system.load
    flow = RouteFlow(every.routes.listed, random_flow(rng, every, load))
    stations, m = len(system.bank), int(rng.integers(1, 4))
    weights = rng.uniform(0, 1, (m, stations)) * (rng.random((m, stations)) < 0.6)
    weights[np.arange(m), rng.integers(0, stations, m)] = 1.0
    group = np.where(rng.random(m) < 0.5, -1, rng.integers(0, load.size, m))
    route = [None] * m
    if system.routes.listed is not None:
        columns = system.routes.listed
        chosen = int(rng.integers(0, len(columns)))
        weights = np.vstack([weights, np.zeros(stations)])
        group, route = np.append(group, -1), [*route, columns.keys[chosen]]
    rows = RouteRows(csr_array(weights), group, tuple(route), np.zeros(len(group)))
    values = rows.matrix(flow.columns) @ flow.flow
    # no wider than the flow by much, so that some of them bind
    bound = values * rng.uniform(1.0, 1.2, len(group)) + 1e-3 * load.sum()
    return replace(rows, bound=bound), flow


def third_method(system, rows, start):
    """Return the least total delay within limits over all routes, by sequential programming."""
    every, load = listed(system), system.load
    columns, unit = every.routes.listed, float(system.load.sum())
    matrix, bound = rows.matrix(columns).toarray(), rows.bound / unit
    member = (columns.group == np.arange(load.size)[:, None]).astype(float)
    size = total_delay(every, RouteFlow(columns, start))

    def value(x):
        flow = RouteFlow(columns, np.maximum(x, 0) * unit)
        return total_delay(every, flow) / size

    def slope(x):
        v = columns.station_flow(np.maximum(x, 0) * unit)
        return columns.costs(system.bank.marginal(v)) * unit / size

    found = minimize(
        value,
        start / unit,
        jac=slope,
        method="SLSQP",
        bounds=[(0, 1)] * len(columns),
        constraints=[
            {"type": "eq", "fun": lambda x: member @ x - load / unit, "jac": lambda x: member},
            {
                "type": "ineq",
                "fun": lambda x: rows.bound / unit - matrix @ x,
                "jac": lambda x: -matrix,
            },
        ],
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    x = np.maximum(found.x, 0)
    excess = float(np.max(matrix @ x - bound))
    return found.fun * size, max(excess, float(np.max(np.abs(member @ x - load / unit))))


@pytest.mark.parametrize("seed", some(25, quick=3, often=5))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_the_optimum_within_limits(draw, seed):
    rng = np.random.default_rng(seed)
    system = draw(rng).routed
    rows, flow = random_rows(rng, system)
    load = system.load
    safe = inside(system, load, rows)
    assert safe.found is not None
    none = np.zeros(len(rows))
    found = refined(system, load, rows, safe.found, safe.found, none)
    x = found.found
    assert np.all(x.flow >= 0)
    assert x.columns.group_flow(x.flow, load.size) == pytest.approx(load, rel=1e-12)
    assert np.all(rows.matrix(x.columns) @ x.flow <= rows.bound + 1e-11 * scale_of(rows, load))
    assert found.total_delay == pytest.approx(total_delay(system, x), rel=1e-12)
    assert abs(found.gap) <= 1e-9
    # no random flow within the limits has less
    every = listed(system)
    for _ in range(20):
        other = RouteFlow(flow.columns, random_flow(rng, every, load))
        other = moved_inside(every, rows, load, other, flow)
        assert total_delay(every, other) >= found.lower_bound * (1 - 1e-9)
    third, off = third_method(system, rows, flow.flow)
    assert found.lower_bound <= third * (1 + 1e-6 + 100 * off)
    assert found.total_delay <= third * (1 + 1e-6 + 100 * off)


@pytest.mark.parametrize("seed", some(25, quick=3, often=5))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_any_prices_and_multipliers_give_a_lower_bound(draw, seed):
    rng = np.random.default_rng(50 + seed)
    system = draw(rng).routed
    rows, _ = random_rows(rng, system)
    every = listed(system)
    safe = inside(system, system.load, rows).found
    best = refined(system, system.load, rows, safe, safe, np.zeros(len(rows)))
    unit = best.total_delay / system.total_load
    for _ in range(20):
        v = every.routes.listed.station_flow(random_flow(rng, every, system.load))
        z = unit * rng.exponential(size=len(rows)) * (rng.random(len(rows)) < 0.5)
        bound = lower_bound(system, system.load, rows, v, z)
        assert bound <= best.total_delay * (1 + 1e-9)
        assert bound == pytest.approx(lower_bound(every, system.load, rows, v, z), rel=1e-9)


@pytest.mark.parametrize("seed", some(40, quick=3, often=5))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_limits_that_no_flow_meets_are_proved(draw, seed):
    """The proof is checked over all routes: what any flow pays exceeds what the limits allow."""
    rng = np.random.default_rng(200 + seed)
    system = draw(rng).routed
    rows, _ = random_rows(rng, system)
    rows = RouteRows(
        rows.station, rows.group, rows.route, rows.bound * rng.uniform(0, 1, len(rows))
    )
    load, every = system.load, listed(system)
    found = inside(system, load, rows)
    columns = every.routes.listed
    if found.found is not None:
        x = found.found
        assert np.all(rows.matrix(x.columns) @ x.flow <= rows.bound + 1e-8 * scale_of(rows, load))
        assert np.all(system.bank.spare_capacity(x.station_flow) > 0)
        return
    assert np.all(found.z >= 0)
    assert np.all(found.station >= 0)
    costs = columns.work @ found.station + rows.matrix(columns).T @ found.z
    paid = load @ columns.least(costs, load.size)
    full = np.isfinite(system.bank.rate)
    allowed = found.station[full] @ system.bank.rate[full] + found.z @ rows.bound
    assert paid == pytest.approx(found.least, rel=1e-9)
    assert paid > allowed


@pytest.mark.parametrize("seed", some(20, quick=3, often=5))
def test_one_group_agrees_with_parallel_servers(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    bank = MM1(rng.uniform(10, 100, n), rng.uniform(0, 0.1, n))
    load = rng.uniform(0.2, 0.8) * bank.rate.sum()
    most = rng.uniform(0.85, 1.0, n) * bank.rate
    price, system = rng.uniform(0, 1, n), Groups(bank, load={"all": load}).routed
    free = limited_optimum(bank, load, most=most)
    bound = 0.98 * float(price @ free.flow)
    least = float(np.min(price)) * load
    bound = max(bound, 0.5 * (bound + least))
    expected = limited_optimum(bank, load, most=most, matrix=price, bound=bound)
    rows = RouteRows.of_stations(csr_array(np.vstack([np.eye(n), price])), np.append(most, bound))
    safe = inside(system, system.load, rows).found
    found = refined(system, system.load, rows, safe, safe, np.zeros(n + 1))
    assert found.total_delay / load == pytest.approx(expected.mean_delay, rel=1e-9)
    assert found.found.station_flow == pytest.approx(expected.flow, abs=1e-5 * load)
    assert found.z[-1] == pytest.approx(expected.row_price[0], rel=1e-4, abs=1e-9)
    assert found.z[:n] == pytest.approx(expected.most_price, rel=1e-4, abs=1e-9)


def test_flows_outside_are_moved_inside_and_certified():
    system = Groups(MM1([100.0, 80.0]), load={"a": 60.0, "b": 30.0}).routed
    rows = RouteRows.of_stations(csr_array(np.eye(2)), np.array([50.0, 60.0]))
    safe = inside(system, system.load, rows).found
    outside = RouteFlow(system.routes.listed, np.array([60.0, 0.0, 30.0, 0.0]))
    found = moved_inside(system, rows, system.load, outside, safe)
    v = found.station_flow
    assert v[0] == pytest.approx(50.0)
    assert v.sum() == pytest.approx(90.0)
    proof = certified(system, system.load, rows, found)[0]
    best = refined(system, system.load, rows, safe, safe, np.zeros(2))
    assert proof.lower_bound <= best.total_delay * (1 + 1e-12)
    assert best.total_delay <= proof.total_delay * (1 + 1e-12)
