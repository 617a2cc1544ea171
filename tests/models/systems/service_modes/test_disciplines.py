"""Both disciplines at the loads of a curve."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sojourn.models import DualMode, SharedModes, load_scenario, study
from sojourn.models.frontend.loader import parse
from sojourn.models.systems.service_modes.disciplines import disciplines, shared_of
from sojourn.reference import service_modes as exact
from sojourn.reference.service_modes.shared import TwoSharedModes, equilibrium, optimum

HEAD = '[units]\nrate = "1/s"\ndelay = "ms"\n'
SHARED = '[service_modes]\ndiscipline = "processor-sharing"\n'
STAGES = "".join(f'[[stages]]\nname = "{name}"\n' for name in "abc")
CUTS = "".join(
    f"[[modes]]\ntime = {time}\n"
    for time in ([300, 50, 60], [100, 250, 50], [50, 100, 240], [200, 120, 110])
)


def test_shared_stages_are_those_of_the_reserved_ones():
    pair = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
    shared = shared_of(pair)
    assert isinstance(shared, SharedModes)
    assert shared.reserved is pair
    assert (shared.stages, shared.modes, shared.time_unit) == (pair.stages, pair.modes, "s")
    np.testing.assert_array_equal(shared.rates.time, pair.rates.time)


@pytest.mark.parametrize("shared", ["", pytest.param(SHARED, marks=pytest.mark.exhaustive)])
def test_every_delay_is_that_of_the_reference_in_the_unit_of_the_file(shared):
    scenario = parse(HEAD + shared + STAGES + CUTS, "own")
    system, rates = scenario.system, scenario.system.rates
    loads = np.array([0.0, 0.2, 0.6, 0.8, 1.1]) * system.max_load
    with pytest.warns(UserWarning, match="1 of 5 loads cannot be carried"):
        own = scenario.units.present(system.curve(loads))
    data = disciplines(scenario, own)
    assert set(loads[:-1]) <= set(data["load"].values)
    assert data["load"].values.max() < system.max_load
    data = data.sel(load=loads[1:-1])
    for load, row in zip(loads[1:-1], (data.sel(load=x) for x in loads[1:-1]), strict=True):
        best = exact.assignment(rates, load)
        found = {"reserved": best, "optimum": optimum(rates, load)}
        found["equilibrium"] = equilibrium(rates, load)
        for answer, true in found.items():
            assert row[f"{answer}_delay"] == pytest.approx(1e3 * true.mean_delay, rel=1e-8)
            assert_allclose(row[f"{answer}_assignment"], true.assignment, atol=1e-5)
        busy = load * rates.time
        stable = (busy < 1).all(axis=0)
        single = np.where(stable, (rates.time / np.where(stable, 1 - busy, 1)).sum(axis=0), np.inf)
        assert row["single_delay"] == pytest.approx(1e3 * single.min(), rel=1e-9)
        ratio = found["equilibrium"].mean_delay / found["optimum"].mean_delay
        assert row["price_of_anarchy"] == pytest.approx(ratio, rel=1e-8)
        ratio = best.mean_delay / found["optimum"].mean_delay
        assert row["price_of_reserving"] == pytest.approx(ratio, rel=1e-8)
    for name in ("reserved_delay", "optimum_delay", "equilibrium_delay", "single_delay"):
        assert data[name].attrs["units"] == "ms"


def test_a_change_between_loads_that_are_far_apart_is_not_marked():
    scenario = parse(HEAD.replace("ms", "s") + "[dual_mode]\nmu0 = 1\nK = 4\nf = [0.1, 0.3]\n", "a")
    change = 4.199693
    for loads, marked in (([4.1, 4.3], []), ([4.1, 4.1996, 4.1998, 4.3], [4.1997])):
        own = scenario.units.present(scenario.system.curve(loads))
        found = disciplines(scenario, own).attrs["breakaway_loads"]
        assert found == pytest.approx(marked, abs=1e-9)
        assert all(abs(load - change) < 1e-4 for load in found)
        assert "tunable_delay" in disciplines(scenario, own)


def test_a_load_without_an_answer_is_no_change():
    text = HEAD + "[dual_mode]\nmu0 = 1\nK = 4\nf = [0.1, 0.3]\n"
    scenario = parse(text, "own")
    own = scenario.units.present(scenario.system.curve([1.0, 1.0001, 1.0002]))
    own["p"][1] = np.nan
    assert disciplines(scenario, own).attrs["breakaway_loads"] == []


def test_systems_of_files_can_be_studied_together():
    systems = {name: load_scenario(f"dual-{name}-shared").system for name in "ab"}
    found = study(systems, loads=[0.5, 0.9], relative=True)
    for name, system in systems.items():
        for k, load in enumerate((0.5 * system.max_load, 0.9 * system.max_load)):
            row = found.sel(system=name).isel(point=k)
            pair = TwoSharedModes(system.rates)
            assert row.optimum_delay == pytest.approx(pair.mean_delay("optimum", load), rel=1e-8)
            true = pair.price_of_anarchy(load)
            assert float(row.price_of_anarchy) == pytest.approx(true, rel=1e-8)
