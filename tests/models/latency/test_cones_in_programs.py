"""Cones in a user's CVXPY program: with default options the answer is optimal in any unit."""

import cvxpy as cp
import numpy as np
import pytest
from every_family import FAMILIES

from sojourn import reference
from sojourn.models import MM1, Cone, InputError, Latency, MMc
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.tangents import place_tangents

STATIONS = MMc([75.2, 87.7, 87.7, 250.0], [12, 16, 8, 1], [0.03, 0.085, 0.16, 0.004])
BANKS = {
    **FAMILIES,
    "stations": STATIONS,
    "cones and tangents": MixedLatency([FAMILIES["M/M/1"], FAMILIES["M/M/c"]]),
    "rates and none": MixedLatency([FAMILIES["M/G/1"], FAMILIES["BPR"], FAMILIES["polynomial"]]),
    "rates over decades": MM1(10.0 ** np.arange(-1.0, 4.0), 0.01),
}
UNITS = {"s": 1.0, "ms": 1e-3}
NUMBERS = {
    "total_cone": lambda bank, x: x * bank.latency(x),
    "potential_cone": lambda bank, x: bank.potential(x),
    "latency_cone": lambda bank, x: bank.latency(x),
}
# tighter than the solver guarantees: the comparison of the values decides
TIGHT = {
    "solver": "CLARABEL",
    "tol_gap_abs": 1e-12,
    "tol_gap_rel": 1e-12,
    "tol_feas": 1e-12,
    "equilibrate_enable": False,
    "accept_unknown": True,
}

every_bank = pytest.mark.parametrize("name", BANKS)
every_unit = pytest.mark.parametrize(
    "unit", [pytest.param(1.0, marks=pytest.mark.exhaustive, id="s"), pytest.param(1e-3, id="ms")]
)
ALLOWED = {"CLARABEL": 1e-5, "ECOS": 1e-5, "SCS": 1e-3}


def largest_flow(bank):
    """Rate of each server, or ten times the flow that doubles the latency where it has none."""
    return np.where(np.isfinite(bank.rate), bank.rate, 10.0 * bank._flow_scale)


def heavy_load(bank):
    return 0.99 * float(largest_flow(bank).sum())


def solved(bank, cone, load, solver=None, **options):
    """Split of a load by a CVXPY program, scaled to add up to the load exactly."""
    flow = cp.Variable(len(bank), nonneg=True)
    made = getattr(bank, cone)(flow, **options)
    cp.Problem(cp.Minimize(cp.sum(made.value)), [cp.sum(flow) == load, *made.constraints]).solve(
        solver=solver
    )
    assert flow.value.sum() == pytest.approx(load, rel=1e-5)
    inside = np.maximum(flow.value, 0.0)
    return inside * (load / inside.sum())


def excess(bank, cone, load, flow):
    """Relative excess of the objective at a flow over its minimum."""
    goal = {"total_cone": "optimum", "potential_cone": "equilibrium"}[cone]
    best = getattr(reference, goal)(bank, load).flow
    assert np.all(flow < bank.rate)
    return NUMBERS[cone](bank, flow).sum() / NUMBERS[cone](bank, best).sum() - 1.0


@pytest.mark.parametrize("load", [300.0, 1500.0])
@pytest.mark.parametrize("solver", [None, "CLARABEL", "ECOS"])
def test_four_stations_have_the_least_delay(load, solver):
    """One row per tangent in the user's unit would have 3.22 times the least delay."""
    assert excess(STATIONS, "total_cone", load, solved(STATIONS, "total_cone", load, solver)) < 1e-5


EVERY_RUN = [
    ("CLARABEL", 1e-3, "total_cone"),
    ("CLARABEL", 1.0, "potential_cone"),
    ("ECOS", 1e-3, "total_cone"),
    ("SCS", 1.0, "total_cone"),
]


def program_cases():
    """All banks, solvers and units; some with tangents, which take longer, are exhaustive tests."""
    for name, bank in BANKS.items():
        for cone in ("total_cone", "potential_cone"):
            for solver, allowed in ALLOWED.items():
                for label, unit in UNITS.items():
                    quick = bank.has_cone("total") and cone == "total_cone"
                    every_run = quick or (solver, unit, cone) in EVERY_RUN
                    marks = () if every_run else pytest.mark.exhaustive
                    case, label = (name, cone, solver, unit, allowed), f"{solver}-{label}"
                    yield pytest.param(*case, marks=marks, id=f"{name}-{cone}-{label}")


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize(("name", "cone", "solver", "unit", "allowed"), list(program_cases()))
def test_answer_of_a_program_is_the_optimum(name, cone, solver, unit, allowed):
    bank = BANKS[name].in_unit(unit)
    load = heavy_load(bank)
    assert -1e-7 < excess(bank, cone, load, solved(bank, cone, load, solver)) < allowed


@pytest.mark.parametrize("solver", ["CLARABEL", "ECOS"])
@every_unit
def test_mixed_bank_of_cones_tangents_and_powers_has_the_least_delay(solver, unit):
    """All servers use tangents: with cones beside tangents Clarabel or ECOS would fail."""
    banks = [FAMILIES[name] for name in ("M/M/1", "M/M/c", "polynomial", "BPR")]
    mixed = MixedLatency(banks).in_unit(unit)
    load = heavy_load(mixed)
    for cone in ("total_cone", "potential_cone"):
        assert -1e-7 < excess(mixed, cone, load, solved(mixed, cone, load, solver)) < 1e-5


@every_bank
@every_unit
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # see TIGHT
def test_value_at_a_given_flow_is_the_number(name, unit):
    """Exact cones server by server, with TIGHT options; tangents together, with default ones."""
    bank = BANKS[name].in_unit(unit)
    for cone, number in NUMBERS.items():
        exact = bank.has_cone(cone.removesuffix("_cone"))
        for part in (0.01, 0.99):
            given = part * largest_flow(bank)
            every = np.arange(len(bank))
            for servers in every[:, None] if exact else [every]:
                taken, flow = bank.take(servers), cp.Variable(servers.size)
                made = getattr(taken, cone)(flow)
                constraints = [flow == given[servers], *made.constraints]
                problem = cp.Problem(cp.Minimize(cp.sum(made.value)), constraints)
                problem.solve(**(TIGHT if exact else {}))
                expected, message = number(taken, given[servers]), f"{cone} {part} {servers}"
                tolerance = 1e-7 if exact else 3e-5
                np.testing.assert_allclose(
                    made.value.value, expected, rtol=tolerance, err_msg=message
                )


def test_tangents_are_below_and_more_of_them_are_closer():
    at, off = 0.9 * STATIONS.rate, []
    for count in (50, 100, 1000):
        flow = cp.Variable(4)
        made = STATIONS.total_cone(flow, tangent_points=count)
        cp.Problem(cp.Minimize(cp.sum(made.value)), [flow == at, *made.constraints]).solve(
            solver="CLARABEL"
        )
        off.append(1.0 - made.value.value / NUMBERS["total_cone"](STATIONS, at))
    assert np.all(np.array(off) > -1e-8)
    assert off[0].max() < 0.01
    assert off[1].max() < 1e-3
    assert off[2].max() < 1e-5


def test_tangents_are_placed_where_the_variable_can_be():
    bounds = [np.array([0.0, 10.0, 0.0]), np.array([50.0, 20.0, np.inf])]
    bank, flow = FAMILIES["M/M/c"], cp.Variable(3, bounds=bounds)
    points = place_tangents(
        flow, lambda x: x * bank.latency(x), bank.marginal, bank.rate, bank._flow_scale, 30
    )
    assert points.shape == (30, 3)
    assert np.all(points[:, 0] <= 50.0)
    assert points[:, 1].min() >= 10.0
    assert points[:, 1].max() <= 20.0
    assert points[-1, 2] == pytest.approx(bank.rate[2], rel=2e-4)


@pytest.mark.parametrize("given", [1, 2.5, True, "many"])
def test_an_invalid_number_of_tangents_is_refused(given):
    with pytest.raises(
        InputError,
        match=r"tangent_points = .*: is not a number of tangents; give a whole number from 2",
    ):
        STATIONS.total_cone(cp.Variable(4), tangent_points=given)
    assert STATIONS.total_cone(cp.Variable(4), tangent_points=2).kinds == frozenset()


class Plain(Latency):
    """M/M/1 by its numbers and one cone in its own unit, with `scaled`."""

    def __init__(self, rate, delay):
        self.rate, self.delay = np.asarray(rate, dtype=float), np.asarray(delay, dtype=float)

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 / (
            self.rate - np.asarray(flow) if spare_capacity is None else spare_capacity
        )

    def total_cone(self, flow, form=None):
        assert np.abs(np.log2(self.rate).mean()) < 0.51  # in Latency.solver_unit
        value = (
            cp.multiply(self.delay, flow) + cp.multiply(self.rate, cp.inv_pos(self.rate - flow)) - 1
        )
        return Cone(value, (), frozenset({"SOC"}))

    def scaled(self, rate, time):
        return type(self)(self.rate * rate, self.delay * time)


class Delayed(Plain):
    """The same, with a cone made of that of its parent class."""

    def total_cone(self, flow, form=None):
        return super().total_cone(flow, form)


@pytest.mark.parametrize("family", [Plain, Delayed])
@pytest.mark.parametrize("unit", [1.0, 1e-3, 86400.0])
def test_cone_of_a_users_family_is_written_in_the_solvers_unit(family, unit):
    bank = family([100.0, 80.0, 200.0], [0.005, 0.005, 0.02]).in_unit(unit)
    load = heavy_load(bank)
    true = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.02]).in_unit(unit)
    assert excess(true, "total_cone", load, solved(bank, "total_cone", load, "CLARABEL")) < 1e-5


def test_a_mixed_bank_has_one_unit():
    mixed = MixedLatency([MM1([1e-3, 2e-3]), MM1([4e6])])
    assert mixed.solver_unit == 2.0 ** -np.round(np.log2(mixed.rate).mean())
    assert mixed.in_unit(mixed.solver_unit).solver_unit == 1.0
