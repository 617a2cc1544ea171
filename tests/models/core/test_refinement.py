"""Refined curves: straight lines between loads against the exact curve on a dense grid."""

import math
import sys

import numpy as np
import pytest
import xarray as xr

from sojourn.models import (
    MM1,
    DualMode,
    InputError,
    Measured,
    MultiMode,
    ParallelServers,
    TunableMode,
)
from sojourn.models.core.refinement import (
    MAX_POINTS,
    CurveInterruptedError,
    Drawn,
    on_axis,
    on_log_axis,
    refined,
)
from sojourn.models.core.solve import Task
from sojourn.models.frontend.loader import load_scenario
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve
from sojourn.models.systems.parallel.misspecification import misspecified_delays
from sojourn.reference import controlled, equilibrium, optimum, price_of_anarchy
from sojourn.reference import service_modes as exact
from sojourn.reference.parallel import thresholds

TOLERANCE = 2e-3
SYSTEM = load_scenario("scenario-1").system
FEW = [4.0, 80.0, 376.0]


def dense(data, points=20_001):
    load = data["load"].values
    assert np.all(np.diff(load) > 0)
    return load, np.linspace(load[0], load[-1], points)


def off_log(data, values, grid, true):
    """Return the largest relative distance of the straight lines on a logarithmic axis."""
    return float(
        np.max(np.abs(np.interp(grid, data["load"].values, np.log(values)) - np.log(true)))
    )


def off(data, values, grid, true):
    return float(np.max(np.abs(np.interp(grid, data["load"].values, values) / true - 1)))


def cut_corners(data, bank, paid=None):
    """Return the largest relative distance of the drawn lines from the exact curve.

    The splits are those of `bank`; the delays are those of `paid` if it is given.
    """
    _, grid = dense(data)
    true = {"optimum": optimum(bank, grid), "equilibrium": equilibrium(bank, grid)}
    delay = {
        goal: split.mean_delay
        if paid is None
        else (split.flow * paid.latency(split.flow)).sum(axis=-1) / grid
        for goal, split in true.items()
    }
    worst = [off_log(data, data[f"{goal}_delay"].values, grid, delay[goal]) for goal in true]
    return max(
        *worst,
        off(data, data["price_of_anarchy"].values, grid, delay["equilibrium"] / delay["optimum"]),
    )


@pytest.mark.parametrize("number", range(5))
def test_curves_of_scenarios(number):
    scenario = load_scenario(f"scenario-{number}")
    unrefined = scenario.system.curve(scenario.loads)
    assert cut_corners(unrefined, scenario.system.bank) > 0.05
    data = scenario.system.curve(scenario.loads, refine=True)
    assert cut_corners(data, scenario.system.bank) < TOLERANCE
    np.testing.assert_array_equal(data["load"].values[~data["added"].values], scenario.loads)
    assert data["added"].sum() < 60
    starts = thresholds(scenario.system.bank)
    assert np.isin([*starts.optimum[1:], *starts.equilibrium[1:]], data["load"].values).all()
    assert data["optimum_certified"].all()
    assert data["equilibrium_certified"].all()


VARIANTS = [
    (name, variant.name)
    for name in ("scenario-3", "scenario-4")
    for variant in load_scenario(name).variants
]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_curves_of_variants(name, variant):
    scenario = load_scenario(name)
    chosen = {v.name: v for v in scenario.variants}[variant]
    loads = np.concatenate([[0.2], scenario.loads])  # from before the first start on
    data = misspecified_delays(chosen.assumed, chosen.paid, loads, refine=True)
    assert cut_corners(data, chosen.assumed.bank, chosen.paid.bank) < TOLERANCE
    starts = thresholds(chosen.assumed.bank)
    inside = np.concatenate([starts.optimum, starts.equilibrium])
    assert np.isin(inside[inside > 0.2], data["load"].values).all()


@pytest.mark.parametrize(
    ("name", "variant", "peak"),
    [
        ("scenario-3", "cv-10", 1.0715625),
        ("scenario-3", "cv-3", 1.0825881),
        ("scenario-4", "ignoring-delays", 1.1474591),
    ],
)
def test_peaks_are_on_the_curve(name, variant, peak):
    """Each peak is at an activation load of the assumed system, not at a given load."""
    scenario = load_scenario(name)
    chosen = {v.name: v for v in scenario.variants}[variant]
    loads = np.concatenate([[1.0], scenario.loads])
    plain, drawn = (
        misspecified_delays(chosen.assumed, chosen.paid, loads, refine=r)["price_of_anarchy"].max()
        for r in (False, True)
    )
    assert float(plain) < peak - 1e-3
    assert float(drawn) == pytest.approx(peak, abs=1e-7)


@pytest.mark.parametrize("name", ["scenario-0", "scenario-1", "scenario-2"])
@pytest.mark.slow
def test_players(name):
    system, counts = load_scenario(name).system, [2.0, math.inf]
    loads = np.linspace(0.01, 0.99, 5) * system.total_rate
    plain, data = (players_curve(system, loads, counts, refine=r) for r in (False, True))
    for k in counts:
        errors = []
        for selection in (plain, data):
            _, grid = dense(selection)
            errors.append(
                off(
                    selection,
                    selection["price_of_anarchy"].sel(players=k).values,
                    grid,
                    price_of_anarchy(system.bank, grid, k),
                )
            )
        assert errors[1] < TOLERANCE < errors[0]
    assert data["certified"].all()
    np.testing.assert_array_equal(data["load"].values[~data["added"].values], loads)


@pytest.mark.slow
def test_control():
    system, load = load_scenario("scenario-0").system, 369.5
    fractions = np.linspace(0, 1, 8)
    data = control_curve(system, load, fractions, refine=True)
    parts = np.linspace(0, 1, 101)
    for kind in ("llf", "scale"):
        true = np.array(
            [controlled(system.bank, load, part, kind).mean_delay for part in parts]
        ) / float(data["optimum_delay"])
        error = [
            np.max(
                np.abs(np.interp(parts, d["fraction"], d["ratio"].sel(strategy=kind)) / true - 1)
            )
            for d in (data.sel(fraction=fractions), data)
        ]
        assert error[1] < max(TOLERANCE, data.attrs["refined_within"]) < error[0]
    assert data["fraction"].values[~data["added"].values].tolist() == fractions.tolist()
    assert data["added"].sum() <= 40


@pytest.mark.parametrize("name", ["dual-a", "dual-b", "dual-c"])
@pytest.mark.slow
def test_curves_of_dual_modes(name):
    scenario = load_scenario(name)
    system, data = scenario.system, scenario.system.curve(scenario.loads, refine=True)
    load, grid = dense(data, 1501)
    p, best = exact.best_assignment(system.rates, grid)
    assert off_log(data, data["delay"].values, grid, best) < TOLERANCE
    assert (
        off_log(data, data["tunable_delay"].values, grid, system.tunable.exact.least_delay(grid))
        < TOLERANCE
    )
    leaves = data.attrs.get("breakaway_load", -1.0)
    away = np.abs(grid / leaves - 1) > 2e-6
    assert np.max(np.abs(np.interp(grid, load, data["p"].values) - p)[away]) < TOLERANCE
    np.testing.assert_array_equal(data["load"].values[~data["added"].values], scenario.loads)
    for mode, at in (("mode 1", 1.0), ("mode 2", 0.0)):
        alone = data["single_mode_delay"].sel(mode=mode).values
        shown = np.isfinite(alone) & (alone <= 2 * best.max())
        selection = data.isel(load=shown)
        inside = grid[
            (grid >= selection["load"].values.min()) & (grid <= selection["load"].values.max())
        ]
        assert (
            off_log(selection, alone[shown], inside, exact.delay(system.rates, inside, at))
            < TOLERANCE
        )


def test_second_jump_of_p_is_found():
    """p is 1, then 0, then between: only the curve itself shows the second jump."""
    system = DualMode.canonical(mu0=1.0, K=2.0, f=(0.1, 0.4))
    data = system.curve(np.linspace(0.01, 0.99, 25) * system.max_load, refine=True)
    load, p = data["load"].values, data["p"].values
    jumps = np.flatnonzero(np.abs(np.diff(p)) > 0.05)
    assert jumps.size == 2
    assert np.all(np.diff(load)[jumps] < 1e-4 * system.max_load)


# ---- given and added loads


def test_without_refinement_the_loads_are_those_given():
    data = SYSTEM.curve([80.0, 4.0, 80.0])
    assert data["load"].values.tolist() == [80.0, 4.0, 80.0]
    assert "added" not in data.coords


@pytest.mark.parametrize("which", [None, "optimum", "equilibrium"])
def test_few_loads_are_enough_to_start_from(which):
    data = SYSTEM.curve([376.0, 4.0, 80.0, 4.0], which, refine=True)
    assert data["load"].values[~data["added"].values].tolist() == [4.0, 4.0, 80.0, 376.0]
    load, first = np.unique(data["load"].values, return_index=True)
    data = data.isel(load=first)
    grid = np.linspace(4.0, 376.0, 20_001)
    for goal, solve in (("optimum", optimum), ("equilibrium", equilibrium)):
        if f"{goal}_delay" in data:
            assert (
                off_log(
                    data, data[f"{goal}_delay"].values, grid, solve(SYSTEM.bank, grid).mean_delay
                )
                < TOLERANCE
            )
    assert load.size < 150


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_tolerance_is_an_option(tolerance):
    data = SYSTEM.curve(FEW, refine=tolerance)
    assert cut_corners(data, SYSTEM.bank) < tolerance


def test_one_load_is_not_refined():
    assert SYSTEM.curve([80.0], refine=True)["added"].values.tolist() == [False]


@pytest.mark.slow
def test_other_systems():
    data = TunableMode(mu0=1.0, K=4.0).curve([0.5, 4.5], refine=True)
    assert data["added"].any()
    samples = np.linspace(0.0, 8.0, 33)
    measured = ParallelServers(Measured(samples, 1 / (10 - samples)), MM1([8.0], [0.2]))
    data = measured.curve([0.5, 12.5], refine=True)
    assert cut_corners(data, measured.bank) < TOLERANCE
    three = MultiMode([[6.0, 2.5], [20.0, 30.0], [4.0, 9.0]])
    data = three.curve([0.5, 3.0], refine=True)
    _, grid = dense(data, 1501)
    assert (
        off_log(data, data["delay"].values, grid, exact.best_assignment(three.rates, grid)[1])
        < TOLERANCE
    )


def test_a_refined_curve_goes_to_a_file(tmp_path):
    data = SYSTEM.curve(FEW, refine=True)
    data.to_netcdf(tmp_path / "curve.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "curve.nc", engine="scipy") as back:
        np.testing.assert_array_equal(back["added"], data["added"])
        np.testing.assert_array_equal(
            back.attrs["optimum_thresholds"], data.attrs["optimum_thresholds"]
        )


@pytest.mark.parametrize("refine", [0.0, -1e-3, 1.0, math.nan, "yes", [0.1], 1e-9])
def test_wrong_tolerance_raises_before_any_solver_starts(refine, monkeypatch):
    monkeypatch.setattr(Task, "solve", lambda *_: pytest.fail("a solver was started"))
    with pytest.raises(InputError, match=r"^refine = "):
        SYSTEM.curve(FEW, refine=refine)


# ---- refinement of known functions


def line(function, loads, breakpoints=(), refine=True, drawn=lambda d: [on_axis(d["y"], unit=1.0)]):
    """Refine a function; return the dataset and the number of points of each round."""
    calls = []

    def solve(points):
        calls.append(points.size)
        return xr.Dataset({"y": ("load", function(points))}, {"load": points})

    return refined(solve, np.asarray(loads, dtype=float), refine, lambda: breakpoints, drawn), calls


def test_straight_line_needs_no_further_point():
    data, calls = line(lambda x: 2 * x + 1, np.linspace(0, 1, 5))
    assert (data.sizes["load"], calls) == (5, [5])


@pytest.mark.parametrize("known", [True, False])
def test_a_kink(known):
    """A known kink is added at once; an unknown one is found in a few rounds."""
    data, calls = line(
        lambda x: np.abs(x - 0.3137),
        np.linspace(0, 1, 11),
        breakpoints=[0.3137, 7.0] if known else [],
    )
    grid = np.linspace(0, 1, 9999)
    assert (
        np.max(np.abs(np.interp(grid, data["load"], data["y"]) - np.abs(grid - 0.3137))) < TOLERANCE
    )
    assert (0.3137 in data["load"]) == known
    assert sum(calls) < (16 if known else 40)


def test_jump_is_refined_to_the_narrowest_interval():
    data, calls = line(lambda x: (x > 0.71).astype(float), np.linspace(0, 1, 11))
    place = np.searchsorted(data["load"], 0.71)
    assert float(data["load"][place] - data["load"][place - 1]) <= 1e-5
    assert sum(calls) < 90
    assert data.attrs["refined_within"] <= TOLERANCE


def test_nothing_is_added_where_values_are_missing():
    data, _ = line(lambda x: np.where(x < 0.5, x, np.nan), np.linspace(0, 1, 11))
    assert not data["added"].any()


def test_error_is_relative_to_the_axis():
    """An exponential is straight on a logarithmic axis and bends on a linear one."""
    loads = np.linspace(0, 3, 13)
    assert not line(np.exp, loads, drawn=lambda d: [on_log_axis(d["y"])])[0]["added"].any()
    data, _ = line(np.exp, loads, drawn=lambda d: [on_axis(d["y"])])
    grid = np.linspace(0, 3, 9999)
    assert np.max(np.abs(np.interp(grid, data["load"], data["y"]) / np.exp(grid) - 1)) < TOLERANCE
    assert on_axis([2.0, 4.0]).unit.tolist() == [2.0, 4.0]
    assert isinstance(on_log_axis([1.0]), Drawn)


def test_noise_stops_at_the_largest_number_of_points():
    noise = np.random.default_rng(0)
    data, _ = line(lambda x: noise.random(x.size), np.linspace(0, 1, 11))
    assert int(data["added"].sum()) == MAX_POINTS
    assert data.attrs["refined_within"] > 0.1  # the attribute shows the remaining error


def test_many_kinks_are_thinned():
    data, calls = line(lambda x: x, [0.0, 1.0], breakpoints=np.linspace(0.1, 0.9, 20_000))
    assert calls[1] == MAX_POINTS // 2
    assert int(data["added"].sum()) <= MAX_POINTS


# ---- Ctrl-C


def stopped_in(monkeypatch, call):
    original, calls = Task.solve, []

    def solve(self, loads):
        calls.append(self.question.goal)
        if calls.count("optimum") == call:
            raise KeyboardInterrupt
        return original(self, loads)

    monkeypatch.setattr(Task, "solve", solve)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_interruption_keeps_the_solved_points(call, monkeypatch):
    stopped_in(monkeypatch, call)
    with pytest.raises(CurveInterruptedError) as caught:
        SYSTEM.curve(FEW, refine=True)
    data = caught.value.dataset
    assert np.all(np.diff(data["load"]) > 0)
    assert data["load"].values[~data["added"].values].tolist() == ([] if call == 1 else FEW)
    assert bool(data["added"].any()) == (call == 3)


def test_interruption_before_the_kinks_keeps_the_given_points(monkeypatch):
    module = sys.modules["sojourn.models.systems.service_modes.curve"]

    def stopped(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_breakaway_attributes", stopped)
    with pytest.raises(CurveInterruptedError) as caught:
        DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).curve([1.0, 4.5], refine=True)
    assert caught.value.dataset["load"].values.tolist() == [1.0, 4.5]
