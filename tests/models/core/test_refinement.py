"""Lines that cut no corner: what is drawn between the loads of a refined curve, against the exact curve on a dense grid."""

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
    MOST,
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
    """Largest relative distance of a straight line on a logarithmic axis."""
    return float(
        np.max(np.abs(np.interp(grid, data["load"].values, np.log(values)) - np.log(true)))
    )


def off(data, values, grid, true):
    return float(np.max(np.abs(np.interp(grid, data["load"].values, values) / true - 1)))


def cut_corners(data, bank, paid=None):
    """Largest relative distance between what is drawn and the exact curve; splits of `bank` paid at those of another."""
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
    assert (
        cut_corners(scenario.system.curve(scenario.loads), scenario.system.bank) > 0.05
    )  # near saturation a polygon
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
    """Each at an activation load of the system decided on, of which the loads given know nothing."""
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
        for some in (plain, data):
            _, grid = dense(some)
            errors.append(
                off(
                    some,
                    some["price_of_anarchy"].sel(players=k).values,
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
    given = np.linspace(0, 1, 8)
    data = control_curve(system, load, given, refine=True)
    parts = np.linspace(0, 1, 101)
    for kind in ("llf", "scale"):
        true = np.array(
            [controlled(system.bank, load, part, kind).mean_delay for part in parts]
        ) / float(data["optimum_delay"])
        error = [
            np.max(
                np.abs(np.interp(parts, d["fraction"], d["ratio"].sel(strategy=kind)) / true - 1)
            )
            for d in (data.sel(fraction=given), data)
        ]
        assert error[1] < max(TOLERANCE, data.attrs["refined_within"]) < error[0]
    assert data["fraction"].values[~data["added"].values].tolist() == given.tolist()
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
        some = data.isel(load=shown)
        inside = grid[(grid >= some["load"].values.min()) & (grid <= some["load"].values.max())]
        assert (
            off_log(some, alone[shown], inside, exact.delay(system.rates, inside, at)) < TOLERANCE
        )


def test_a_second_jump_of_p_is_found():
    """1, then 0, then inside: nothing but the curve itself says where the second jump is."""
    system = DualMode.canonical(mu0=1.0, K=2.0, f=(0.1, 0.4))
    data = system.curve(np.linspace(0.01, 0.99, 25) * system.max_load, refine=True)
    load, p = data["load"].values, data["p"].values
    jumps = np.flatnonzero(np.abs(np.diff(p)) > 0.05)
    assert jumps.size == 2
    assert np.all(np.diff(load)[jumps] < 1e-4 * system.max_load)


# ---- what it does with the loads


def test_the_loads_are_those_given_unless_asked():
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
def test_a_tolerance_of_ones_own(tolerance):
    data = SYSTEM.curve(FEW, refine=tolerance)
    assert cut_corners(data, SYSTEM.bank) < tolerance


def test_one_load_has_nothing_between():
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
def test_bad_tolerances_are_named_before_any_solver_starts(refine, monkeypatch):
    monkeypatch.setattr(Task, "solve", lambda *_: pytest.fail("a solver was started"))
    with pytest.raises(InputError, match=r"^refine = "):
        SYSTEM.curve(FEW, refine=refine)


# ---- the mechanism, on lines that are known


def line(function, loads, breakpoints=(), refine=True, drawn=lambda d: [on_axis(d["y"], unit=1.0)]):
    """Refine a function; also how often it was asked."""
    asked = []

    def solve(points):
        asked.append(points.size)
        return xr.Dataset({"y": ("load", function(points))}, {"load": points})

    return refined(solve, np.asarray(loads, dtype=float), refine, lambda: breakpoints, drawn), asked


def test_a_straight_line_needs_no_load_more():
    data, asked = line(lambda x: 2 * x + 1, np.linspace(0, 1, 5))
    assert (data.sizes["load"], asked) == (5, [5])


@pytest.mark.parametrize("known", [True, False])
def test_a_kink(known):
    """Asked for at once where it is known; else found, in a few rounds."""
    data, asked = line(
        lambda x: np.abs(x - 0.3137),
        np.linspace(0, 1, 11),
        breakpoints=[0.3137, 7.0] if known else [],
    )
    grid = np.linspace(0, 1, 9999)
    assert (
        np.max(np.abs(np.interp(grid, data["load"], data["y"]) - np.abs(grid - 0.3137))) < TOLERANCE
    )
    assert (0.3137 in data["load"]) == known
    assert sum(asked) < (16 if known else 40)


def test_a_jump_ends_where_no_picture_shows_it():
    data, asked = line(lambda x: (x > 0.71).astype(float), np.linspace(0, 1, 11))
    place = np.searchsorted(data["load"], 0.71)
    assert float(data["load"][place] - data["load"][place - 1]) <= 1e-5
    assert sum(asked) < 90
    assert data.attrs["refined_within"] <= TOLERANCE


def test_where_there_is_no_number_nothing_is_added():
    data, _ = line(lambda x: np.where(x < 0.5, x, np.nan), np.linspace(0, 1, 11))
    assert not data["added"].any()


def test_relative_to_what_an_axis_shows():
    """On a logarithmic axis an exponential is straight; on a plain one it bends."""
    loads = np.linspace(0, 3, 13)
    assert not line(np.exp, loads, drawn=lambda d: [on_log_axis(d["y"])])[0]["added"].any()
    data, _ = line(np.exp, loads, drawn=lambda d: [on_axis(d["y"])])
    grid = np.linspace(0, 3, 9999)
    assert np.max(np.abs(np.interp(grid, data["load"], data["y"]) / np.exp(grid) - 1)) < TOLERANCE
    assert on_axis([2.0, 4.0]).unit.tolist() == [2.0, 4.0]
    assert isinstance(on_log_axis([1.0]), Drawn)


def test_noise_is_not_followed_for_ever():
    noise = np.random.default_rng(0)
    data, _ = line(lambda x: noise.random(x.size), np.linspace(0, 1, 11))
    assert int(data["added"].sum()) == MOST
    assert data.attrs["refined_within"] > 0.1  # and says so


def test_of_many_kinks_some():
    data, asked = line(lambda x: x, [0.0, 1.0], breakpoints=np.linspace(0.1, 0.9, 20_000))
    assert asked[1] == MOST // 2
    assert int(data["added"].sum()) <= MOST


# ---- Ctrl-C


def stopped_in(monkeypatch, call):
    honest, calls = Task.solve, []

    def solve(self, loads):
        calls.append(self.question.goal)
        if calls.count("optimum") == call:
            raise KeyboardInterrupt
        return honest(self, loads)

    monkeypatch.setattr(Task, "solve", solve)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_interrupted_it_keeps_what_was_done(call, monkeypatch):
    stopped_in(monkeypatch, call)
    with pytest.raises(CurveInterruptedError) as caught:
        SYSTEM.curve(FEW, refine=True)
    data = caught.value.dataset
    assert np.all(np.diff(data["load"]) > 0)
    assert data["load"].values[~data["added"].values].tolist() == ([] if call == 1 else FEW)
    assert bool(data["added"].any()) == (call == 3)


def test_interrupted_on_the_way_to_the_kinks_it_keeps_what_was_given(monkeypatch):
    module = sys.modules["sojourn.models.systems.service_modes.curve"]
    monkeypatch.setattr(module, "_marks", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(CurveInterruptedError) as caught:
        DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).curve([1.0, 4.5], refine=True)
    assert caught.value.dataset["load"].values.tolist() == [1.0, 4.5]
