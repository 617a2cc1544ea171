"""Studies of systems with routes: groups, listed routes and networks in one table."""

import numpy as np
import pytest

from sojourn.models import MM1, Groups, InputError, ParallelServers, load_scenario, study
from sojourn.models.systems.routes import Network

LOADS = [0.3, 0.9]


def regions(rate):
    delay = [[0.005, 0.02, 0.03], [0.02, 0.005, 0.03]]
    return Groups(MM1([100.0, 80.0, rate]), load={"n": 90.0, "s": 60.0}, delay=delay)


def network(rate):
    ends = [("a", "b"), ("b", "c"), ("a", "c")]
    return Network(MM1([10.0, 8.0, rate]), ends=ends, load={("a", "c"): 6.0})


@pytest.mark.parametrize("made", [regions, network])
def test_rows_are_the_curves(made):
    systems = [made(rate) for rate in (20.0, 30.0, 40.0)]
    data = study(systems, loads=LOADS, relative=True)
    for i, system in enumerate(systems):
        curve = system.curve(system.max_load * np.array(LOADS))
        for name in ("optimum_delay", "equilibrium_delay", "price_of_anarchy"):
            np.testing.assert_allclose(data[name][i], curve[name], rtol=1e-12)


def test_systems_of_different_size_are_one_study():
    systems = [load_scenario(name).system for name in ("regions", "chain")]
    data = study(systems, loads=LOADS, relative=True)
    assert data.sizes["station"] == 5
    assert bool(data["optimum_certified"].all())


def test_groups_routes_and_networks_are_one_study(tmp_path):
    systems = [network(4.0), regions(20.0), load_scenario("chain").system]
    data = study(systems, loads=LOADS, relative=True, out=tmp_path / "study", chunk=1)
    for i, system in enumerate(systems):
        curve = system.curve(system.max_load * np.array(LOADS))
        for name in ("optimum", "equilibrium"):
            assert data[f"{name}_certified"][i].all()
            expected = curve[f"{name}_delay"]
            np.testing.assert_allclose(data[f"{name}_delay"][i], expected, rtol=1e-12)
            flow = data[f"{name}_flow"][i, :, : len(system.stations)]
            np.testing.assert_allclose(flow, curve[f"{name}_flow"], rtol=1e-9, atol=1e-9)
    assert data["optimum_route_flow"][0].isnull().all()  # a network lists no routes
    assert data["optimum_route_flow"][1].notnull().any()
    again = study(systems, loads=LOADS, relative=True, out=tmp_path / "study")
    assert again.identical(data)


def test_systems_of_another_kind_are_refused_by_the_names_that_users_construct():
    other = ParallelServers(MM1([10.0, 5.0]))
    problem = r"^systems\['system 2'\] = .*: is not a Groups or Routes or Network like systems\["
    for first in (network(4.0), regions(20.0)):
        with pytest.raises(InputError, match=problem):
            study([first, other], loads=LOADS, relative=True)


def test_options_are_checked_before_any_solver_starts():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'player'; did you mean pla"):
        study([regions(20.0)], loads=LOADS, relative=True, player=3)
    with pytest.raises(InputError, match=r"^players = 1\.5: "):
        study([regions(20.0)], loads=LOADS, relative=True, players=1.5)
    with pytest.raises(InputError, match=r"^which = 'best': "):
        study([regions(20.0)], loads=LOADS, relative=True, which="best")
