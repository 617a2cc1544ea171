"""Networks: programs by origin, by columns, and the interior-point method agree."""

import numpy as np
import pytest
from chunks import some

from sojourn.models import BPR, MM1, FormulationError, InputError, MMc, Network
from sojourn.models.core.stored import StoredAnswers, use_stored_answers

FORMS = ("node_arc", "columns")


def network(seed):
    """Draw a network of 5 to 8 nodes, some of them closed, with several origins."""
    rng = np.random.default_rng([19, 7, seed])
    n = int(rng.integers(5, 9))
    around = [(i, (i + 1) % n) for i in range(n)]
    chords = [tuple(map(int, rng.choice(n, 2, replace=False))) for _ in range(2 * n)]
    ends = [*around, *((b, a) for a, b in around), *chords]
    a = len(ends)
    queues = MM1(rng.uniform(20, 60, a // 2), rng.uniform(0, 0.05, a // 2))
    roads = BPR(rng.uniform(0.02, 0.2, a - a // 2), rng.uniform(20, 60, a - a // 2))
    pairs = {tuple(map(int, rng.choice(n, 2, replace=False))) for _ in range(5)}
    load = {pair: float(rng.uniform(1, 6)) for pair in pairs}
    closed = [int(rng.integers(n))] if seed % 2 else []
    return Network(queues, roads, ends=ends, load=load, closed=closed)


@pytest.mark.parametrize("seed", some(8, quick=2, often=4))
def test_all_programs_and_methods_agree(seed):
    system = network(seed)
    for goal in ("optimum", "equilibrium"):
        ask = getattr(system, goal)
        best = ask(solver="interior-point")
        for form in FORMS:
            answer, raw = ask(formulation=form), ask(formulation=form, polish=False)
            assert answer.formulation == form
            assert answer.mean_delay == pytest.approx(best.mean_delay, rel=1e-8)
            np.testing.assert_allclose(answer.station_flow, best.station_flow, atol=1e-4)
            assert raw.certificate.gap <= 1e-4
            assert raw.mean_delay == pytest.approx(best.mean_delay, rel=1e-4)


@pytest.mark.parametrize("seed", range(1, 8, 2))
def test_routes_lead_from_origin_to_destination_and_pass_no_closed_node(seed):
    system = network(seed)
    answer = system.optimum(formulation="node_arc")
    ends = dict(zip(system.stations, system.ends, strict=True))
    for origin, destination in system.pairs:
        for route in answer.routes_between(origin, destination):
            passed = [ends[name] for name in route.stations]
            assert (passed[0][0], passed[-1][1]) == (origin, destination)
            inside = [head for _, head in passed[:-1]]
            assert inside == [tail for tail, _ in passed[1:]]
            assert not set(inside) & set(system.closed)


def test_flows_are_conserved_in_the_model():
    system = network(2)
    model = system.model("equilibrium", formulation="node_arc")
    model.problem.solve(solver="CLARABEL")
    net = np.zeros(8)
    for (tail, head), flow in zip(system.ends, model.flow.value, strict=True):
        net[tail] -= flow
        net[head] += flow
    for (origin, destination), load in zip(system.pairs, system.group_load, strict=True):
        net[origin] += load
        net[destination] -= load
    np.testing.assert_allclose(net, 0.0, atol=1e-6)
    assert model.columns is None


def test_listed_routes_are_no_formulation_of_networks():
    with pytest.raises(FormulationError, match="formulation = 'routes': does not fit"):
        network(0).optimum(formulation="routes")


def test_large_networks_go_to_the_interior_point_method_first(monkeypatch):
    from sojourn.models.systems.routes import questions

    monkeypatch.setattr(questions, "FEW_VARIABLES", 10)
    answer = network(3).equilibrium()
    assert (answer.solver, answer.polished) == ("INTERIOR-POINT", 0)
    assert len(answer.attempts) == 1
    assert "interior-point" in str(answer)


def test_a_family_without_cones_in_a_network():
    ends = [("s", "a"), ("s", "b"), ("a", "t"), ("b", "t"), ("a", "b")]
    links = MMc([5.0, 4.0, 6.0, 3.0, 9.0], [2, 3, 2, 3, 2])
    system = Network(links, ends=ends, load={("s", "t"): 12.0, ("a", "t"): 1.0})
    for goal in ("optimum", "equilibrium"):
        best = getattr(system, goal)(solver="interior-point")
        for form in FORMS:
            raw = getattr(system, goal)(formulation=form, polish=False)
            assert raw.mean_delay == pytest.approx(best.mean_delay, rel=1e-4)


def test_stored_answers_of_networks_are_solved_again():
    system = network(4)
    data = system.curve([5.0], which="optimum")
    assert "optimum_route_flow" not in data
    stored = StoredAnswers({name: data[name].values for name in data.variables})
    with use_stored_answers(stored):
        again = system.curve([5.0], which="optimum")
    assert stored.solved
    np.testing.assert_allclose(again["optimum_delay"], data["optimum_delay"], rtol=1e-9)


def test_a_wrong_pair_is_named():
    with pytest.raises(InputError, match="is not a group"):
        network(0).optimum().routes_between(0, 99)
