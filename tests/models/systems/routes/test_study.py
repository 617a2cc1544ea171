"""Studies of systems with routes: several systems of one kind in one table."""

import numpy as np
import pytest

from sojourn.models import MM1, Groups, InputError, load_scenario, study
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


def test_options_are_checked_before_any_solver_starts():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'player'; did you mean pla"):
        study([regions(20.0)], loads=LOADS, relative=True, player=3)
    with pytest.raises(InputError, match=r"^players = 1\.5: "):
        study([regions(20.0)], loads=LOADS, relative=True, players=1.5)
    with pytest.raises(InputError, match=r"^which = 'best': "):
        study([regions(20.0)], loads=LOADS, relative=True, which="best")
