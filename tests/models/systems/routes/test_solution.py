"""The answer as a user sees it: text, tables, routes, JSON, copies and the program behind it."""

import copy
import json
import math
import pickle

import cvxpy as cp
import numpy as np
import pytest
from replaced_solvers import replace_answers

from sojourn.models import (
    MG1,
    MM1,
    Constant,
    FormulationError,
    Groups,
    InputError,
    NotCertifiedError,
    Routes,
    RouteSolution,
)
from sojourn.models.core.times import in_time_unit


def chain(**options):
    return Routes(
        {"radio": MM1(200.0), "edge": MG1(120.0, 2.0), "wan": Constant(0.03), "cloud": MM1(500.0)},
        {
            "near": [("radio", "edge"), ("radio", "wan", "cloud")],
            "far": [("radio", "wan", "cloud")],
        },
        {"near": 150.0, "far": 30.0},
        **options,
    )


@pytest.fixture(scope="module")
def answer():
    return chain().equilibrium()


def test_text_names_what_it_shows(answer):
    first, proof, *lines = str(answer).splitlines()
    assert first.startswith("equilibrium at load 180: mean delay 0.0826")
    assert proof.startswith("  certified within")
    assert [line.split()[0] for line in lines] == ["near", "far", "radio", "edge", "wan", "cloud"]
    assert "of 4 players" in str(chain().equilibrium(players=4))
    assert "players" not in str(chain().optimum())


def test_text_of_many_stations_is_cut():
    system = Groups(MM1([10.0] * 30), load=[1.0] * 20)
    lines = str(system.optimum()).splitlines()
    assert "  ... and 18 more stations" in lines
    assert "  ... and 8 more groups" in lines


def test_datasets(answer):
    assert answer.stations.sel(station="radio").flow == pytest.approx(180.0)
    assert answer.stations.utilisation.sel(station="radio") == pytest.approx(0.9)
    assert answer.groups["load"].values.tolist() == [150.0, 30.0]
    total = float(answer.groups["delay"] @ answer.groups["load"])
    assert total == pytest.approx(180 * answer.mean_delay, rel=1e-9)


def test_routes_of_a_group(answer):
    near, far = answer.routes_between("near"), answer.routes_between("far")
    assert sum(route.flow for route in near) == pytest.approx(150.0)
    assert sum(route.share for route in near) == pytest.approx(1.0)
    assert [route.flow for route in near] == sorted((r.flow for r in near), reverse=True)
    assert far[0].stations == ("radio", "wan", "cloud")
    assert far[0].delay == pytest.approx(answer.group_delay[1])
    with pytest.raises(InputError, match=r"group = \('moon',\): is not a group; use near, far"):
        answer.routes_between("moon")
    with pytest.raises(InputError, match="is not a group"):
        answer.routes_between("near", "far")


def test_json(answer):
    read = json.loads(json.dumps(answer.to_dict()))
    assert read["mean_delay"] == answer.mean_delay
    assert read["players"] is None
    assert [station["name"] for station in read["stations"]] == list(answer.station_names)
    assert read["groups"][1]["routes"][0]["stations"] == ["radio", "wan", "cloud"]
    assert read["certificate"]["gap"] == answer.certificate.gap
    json.dumps(chain().capacity().to_dict())


@pytest.mark.parametrize("there_and_back", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copies(answer, there_and_back):
    other = there_and_back(answer)
    other = pickle.loads(other) if isinstance(other, bytes) else other  # noqa: S301
    assert isinstance(other, RouteSolution)
    assert str(other) == str(answer)
    assert other.problem is None
    np.testing.assert_array_equal(other.route_flow.flow, answer.route_flow.flow)
    system = pickle.loads(pickle.dumps(chain()))  # noqa: S301
    assert system.equilibrium().mean_delay == answer.mean_delay


def test_another_unit_of_time(answer):
    in_ms = in_time_unit(answer, 1000.0)
    assert in_ms.mean_delay == answer.mean_delay * 1000
    assert in_ms.certificate.upper_bound == answer.certificate.upper_bound * 1000
    np.testing.assert_array_equal(in_ms.group_delay, answer.group_delay * 1000)
    np.testing.assert_array_equal(in_ms.station_flow, answer.station_flow)


def test_the_problem_holds_the_answer_of_the_solver(answer):
    flow = {v.name(): v.value for v in answer.problem.variables()}["station_flow"]
    np.testing.assert_allclose(flow / flow[0], answer.station_flow / 180.0, atol=1e-3)
    assert chain().optimum(solver="interior-point").problem is None


def test_an_answer_that_is_not_certified():
    with pytest.raises(NotCertifiedError, match="no certified optimum at load 180") as caught:
        chain().optimum(gap=1e-300)
    assert {a.solver for a in caught.value.attempts} >= {"CLARABEL", "INTERIOR-POINT"}
    best = chain().optimum(gap=1e-300, throw=False)
    assert not best.certified
    assert "NOT CERTIFIED" in str(best)


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def test_flows_that_overload_a_station_are_refined_from_below_its_rate(goal, monkeypatch):
    system = Groups(MM1([10.0, 30.0]), load=[15.0, 5.0], delay=[[0.0, 0.1], [0.1, 0.0]])
    true = getattr(system, goal)().mean_delay

    def all_on_the_first(solver, status, values):
        values["flow"][:] = [1.5, 0.0, 0.5, 0.0]
        return "optimal"

    replace_answers(monkeypatch, all_on_the_first)
    answer = getattr(system, goal)(solver="CLARABEL")
    assert answer.polished > 0
    assert answer.mean_delay == pytest.approx(true, rel=1e-9)
    raw = getattr(system, goal)(solver="CLARABEL", polish=False, throw=False)
    assert not raw.certified
    assert raw.mean_delay == math.inf


# ---- the program


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@pytest.mark.parametrize("form", ["auto", "routes", "columns"])
def test_model_is_the_program(goal, form):
    system = chain()
    model = system.model(goal, 120.0, form)
    model.problem.solve(solver="CLARABEL")
    answer = getattr(system, goal)(120.0)
    np.testing.assert_allclose(model.flow.value, answer.station_flow, rtol=1e-3, atol=1e-2)
    if form != "columns":  # the routes of the first round suffice here, but need not
        model.set_load(60.0)
        model.problem.solve(solver="CLARABEL")
        flow = getattr(system, goal)(60.0).station_flow
        np.testing.assert_allclose(model.flow.value, flow, rtol=1e-3, atol=1e-2)


def test_constraints_of_ones_own():
    model = chain().model("optimum")
    own = [*model.problem.constraints, model.flow[1] <= 20.0]
    cp.Problem(model.problem.objective, own).solve(solver="CLARABEL")
    assert model.flow.value[1] == pytest.approx(20.0, rel=1e-6)


def test_formulations_that_do_not_fit():
    with pytest.raises(FormulationError, match="formulation = 'node_arc': does not fit"):
        chain().optimum(formulation="node_arc")
    with pytest.raises(FormulationError, match="formulation = 'cones': is no formulation"):
        chain().model("optimum", formulation="cones")
    with pytest.raises(InputError, match="goal = 'best'"):
        chain().model("best")


def test_signature_and_text_of_systems():
    assert repr(chain()) == "Routes(2 groups, 4 stations, load 180)"
    assert chain(time_unit="ms").time_unit == "ms"
    assert math.isinf(chain().equilibrium().players)
