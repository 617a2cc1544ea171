"""Curves over loads: variables, missing answers, refinement, stored answers, warm starts."""

import numpy as np
import pytest
from replaced_solvers import forbid_solvers

from sojourn.models import MG1, MM1, Constant, Groups, InputError, LoadError, Routes
from sojourn.models.core.stored import StoredAnswers, use_stored_answers
from sojourn.models.core.variables import by_role

LOADS = [50.0, 120.0, 199.0]


def chain():
    return Routes(
        {"radio": MM1(200.0), "edge": MG1(120.0, 2.0), "wan": Constant(0.03), "cloud": MM1(500.0)},
        {
            "near": [("radio", "edge"), ("radio", "wan", "cloud")],
            "far": [("radio", "wan", "cloud")],
        },
        {"near": 150.0, "far": 30.0},
    )


@pytest.fixture(scope="module")
def data():
    return chain().curve(LOADS)


def test_a_curve_has_the_answers_of_single_calls(data):
    for goal in ("optimum", "equilibrium"):
        alone = [getattr(chain(), goal)(load) for load in LOADS]
        delays = [answer.mean_delay for answer in alone]
        np.testing.assert_allclose(data[f"{goal}_delay"], delays, rtol=1e-9)
        flows = [answer.station_flow for answer in alone]
        np.testing.assert_allclose(data[f"{goal}_flow"], flows, rtol=1e-6, atol=1e-6)
        assert data[f"{goal}_certified"].values.all()
    of_groups = data["equilibrium_group_delay"].values @ [150 / 180, 30 / 180]
    np.testing.assert_allclose(of_groups, data["equilibrium_delay"], rtol=1e-9)
    ratio = data["equilibrium_delay"] / data["optimum_delay"]
    np.testing.assert_allclose(data["price_of_anarchy"], ratio, rtol=1e-12)


def test_names_units_and_roles(data):
    assert dict(data.sizes) == {"load": 3, "station": 4, "group": 2, "route": 3}
    assert data["station"].values.tolist() == ["radio", "edge", "wan", "cloud"]
    assert data["group"].values.tolist() == ["near", "far"]
    assert data["route"].values.tolist()[0] == "near: radio, edge"
    assert by_role(data, "delay") == ["optimum_delay", "equilibrium_delay"]
    assert by_role(data, "each") == ["optimum_group_delay", "equilibrium_group_delay"]
    assert data["optimum_flow"].attrs["units"] == "1/s"
    assert data["optimum_group_delay"].attrs["units"] == "s"
    assert data.attrs["max_load"] == pytest.approx(200.0)
    assert len(data.plot().axes) == 2  # delays and their ratio, without the groups


def test_loads_without_an_answer_and_a_load_of_nothing():
    with pytest.warns(UserWarning, match="1 of 3 loads cannot be carried"):
        data = chain().curve([0.0, 100.0, 250.0], which="optimum")
    assert "radio" in str(data["reason"].values[2])
    assert np.isnan(data["optimum_delay"][2])
    # empty stations: 5 ms of radio and 8.3 ms of edge, or 30 ms of wan and 2 ms of cloud
    near, far = 1 / 200 + 1 / 120, 1 / 200 + 0.03 + 1 / 500
    np.testing.assert_allclose(data["optimum_group_delay"][0], [near, far], rtol=1e-12)
    assert data["optimum_delay"][0] == pytest.approx((150 * near + 30 * far) / 180)
    np.testing.assert_array_equal(data["optimum_flow"][0], 0.0)
    with pytest.raises(LoadError):
        chain().curve([250.0])
    with pytest.raises(LoadError):
        chain().curve([-1.0, 10.0])
    with pytest.raises(InputError, match="which"):
        chain().curve([10.0], which="worst")


def test_a_refined_curve_has_more_loads():
    data = Groups(MM1([10.0, 5.0]), load=[2.0, 1.0], delay=[[0.1, 0.3], [0.3, 0.1]]).curve(
        [1.0, 7.0, 14.0], refine=0.05
    )
    assert data["added"].values.sum() > 2
    assert data["optimum_certified"].values.all()


def test_players_and_solvers_of_a_curve():
    system = chain()
    data = system.curve(LOADS, "equilibrium", players=3, solver="interior-point")
    alone = [system.equilibrium(load, players=3).mean_delay for load in LOADS]
    np.testing.assert_allclose(data["equilibrium_delay"], alone, rtol=1e-6)


def test_stored_answers_are_certified_without_a_solver(data, monkeypatch):
    forbid_solvers(monkeypatch)
    stored = StoredAnswers({name: data[name].values for name in data.variables}, strict=True)
    with use_stored_answers(stored):
        again = chain().curve(LOADS)
    assert stored.whole
    for goal in ("optimum", "equilibrium"):
        np.testing.assert_allclose(again[f"{goal}_delay"], data[f"{goal}_delay"], rtol=1e-12)
        assert again[f"{goal}_certified"].values.all()


def test_the_interior_point_method_starts_from_its_last_answer(monkeypatch):
    from sojourn.models.systems.routes import questions

    starts, honest = [], questions.solve

    def recorded(system, players, multiple, start):
        starts.append(start)
        return honest(system, players, multiple, start)

    monkeypatch.setattr(questions, "solve", recorded)
    chain().curve(LOADS, "optimum", solver="interior-point")
    assert starts[0] is None
    assert all(start is not None for start in starts[1:])
    assert len(starts) == len(LOADS)
