"""Loads of 0 and loads at or above capacity, in curves and studies of every kind of system.

The other loads keep their answers.
"""

import csv
import json
import math
from pathlib import Path

import nbformat
import numpy as np
import pytest
import xarray as xr
from every_family import FAMILIES
from matplotlib.image import imread
from replaced_solvers import forbid_solvers

from sojourn.models import (
    BPR,
    MD1,
    MG1,
    MM1,
    Budget,
    Constant,
    DualMode,
    GroupShare,
    InputError,
    LateShare,
    Limit,
    LinearLimit,
    LoadError,
    MaxShare,
    MaxUtilisation,
    Measured,
    MinShare,
    MMc,
    MultiMode,
    ParallelServers,
    ServerPercentile,
    TunableMode,
    load_study,
    study,
    verify,
)
from sojourn.models.core import solve as engine
from sojourn.models.core.curve import CurveInterruptedError
from sojourn.models.core.variables import by_role
from sojourn.models.frontend.dataset_plot import plot_dataset
from sojourn.models.frontend.loader import parse
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve
from sojourn.models.systems.parallel.misspecification import misspecified_delays
from sojourn.models.systems.parallel.plots import plot_curve
from sojourn.models.systems.service_modes.curve import delay_profile
from sojourn.models.systems.service_modes.plots import plot_dual_mode
from sojourn.reference import optimum as exact_optimum
from sojourn.reference.service_modes import best_assignment, partition

GUIDE = Path(__file__).parents[2] / "notebooks" / "add_a_system.ipynb"
TWO = ParallelServers(MM1([10, 5]))
DAY = [3.0, 8.0, 14.0, 16.0, 9.0]
DELAYS = [0.142837101, 0.270395279, 1.938723973, math.nan, 0.317446956]
FULL = (
    "load = 16.0: not below the total rate 15: the queues grow without bound; "
    "lower the load or add rate"
)
GOALS = ("optimum", "equilibrium")
DUAL = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15))

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*cannot be carried",
    "ignore:.*go beyond what was measured",
    "ignore:.*came with warnings",
)


def row(data, load):
    """Return the values of a curve at one load."""
    return data.isel(load=int(np.flatnonzero(data["load"].values == load)[0]))


def test_one_overloaded_hour_leaves_a_day_its_other_points():
    data = study({"day": TWO}, loads=DAY)
    np.testing.assert_allclose(data["optimum_delay"], [DELAYS], rtol=1e-8)
    assert data["error"].values.tolist() == [""]
    assert data["reason"].values.tolist() == [["", "", "", FULL, ""]]
    assert data["reason"].dims == ("system", "point")
    assert data["optimum_certified"].values.tolist() == [[True, True, True, False, True]]
    assert data["equilibrium_gap"].values[0, 3] == math.inf
    assert data["warning"].values.tolist() == ["1 of 5 loads cannot be carried (see reason)"]


# ---- no load


@pytest.mark.parametrize("bank", [
    (MM1([10.0, 5.0], [0.2, 0.0]),), (MM1([4.0, 4.0, 4.0]),),
    (MD1([3.0]), MG1([1.0, 2.0], cv=[0.0, 3.0], delay=[0.1, 0.0])),
    (MMc([2.0], 3), MM1([5.0])), (Constant([3.0, 2.0]),), (BPR(1.0, 2.0), Constant(4.0)),
    (Measured(np.arange(1.0, 9.0), 1 + np.arange(1.0, 9.0) ** 2), MM1([0.5])),
])  # fmt: skip
def test_no_load_has_the_delay_of_the_nearest_server(bank):
    system = ParallelServers(*bank)
    nearest = exact_optimum(system.bank, 1e-12 * min(system.max_load, 1.0)).mean_delay
    data = system.curve([0.5, 0.0])
    idle = row(data, 0.0)
    for goal in GOALS:
        for name in (f"{goal}_delay", f"{goal}_multiplier"):
            assert float(idle[name]) == pytest.approx(float(nearest), rel=1e-11)
        assert not idle[f"{goal}_flow"].any()
        assert float(idle[f"{goal}_gap"]) == 0
        assert bool(idle[f"{goal}_certified"])
    assert (
        float(idle["price_of_anarchy"])
        == float(idle["price_of_anarchy_lower"])
        == 1.0
        <= float(idle["price_of_anarchy_upper"])
        < 1 + 1e-13
    )
    assert (float(idle["utilisation"]), str(idle["reason"].values)) == (0.0, "")
    xr.testing.assert_identical(row(data, 0.5), row(system.curve([0.5]), 0.5))


@pytest.mark.parametrize("bank", FAMILIES.values(), ids=FAMILIES)
def test_no_load_of_every_family(bank):
    data = ParallelServers(bank).curve([0.0, -0.0])
    nearest = float(bank.latency(np.zeros(len(bank))).min())
    for goal in GOALS:
        assert data[f"{goal}_delay"].values.tolist() == pytest.approx([nearest] * 2, rel=1e-14)
        assert data[f"{goal}_certified"].all()


def test_a_curve_of_idle_hours_alone_is_answered():
    for system in (TWO, ParallelServers(Constant([3.0, 2.0])), DUAL, TunableMode(1.0, 4.0)):
        data = system.curve([0.0, 0.0])
        assert all(data[name].all() for name in by_role(data, "certified"))


@pytest.mark.parametrize("system", [
    DUAL, DualMode.canonical(mu0=2.0, K=0.5, f=(0.3, 0.8)),
    DualMode.canonical(mu0=1.0, K=1.0, f=(0.0, 1.0)),
    MultiMode([[4.0, np.inf], [np.inf, 4.0], [8.0, np.inf]]),
    MultiMode([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]]),
    MultiMode([[3.0, np.inf], [6.0, np.inf], [np.inf, 2.0]]),
])  # fmt: skip
@pytest.mark.parametrize("p", [None, 0.3])
def test_no_load_of_service_modes_is_the_limit_of_a_light_one(system, p):
    light = 1e-12 * system.max_load
    idle = row(system.curve([0.0, 0.4 * system.max_load], p), 0.0)
    near = row(system.curve([light], p), light)
    assert float(idle["delay"]) == pytest.approx(float(near["delay"]), rel=1e-9)
    for name in (
        ("single_mode_delay", "tunable_delay") if system.tunable else ("single_mode_delay",)
    ):
        np.testing.assert_allclose(idle[name], near[name], rtol=1e-9)
    if p is not None:
        truth = partition(system.rates, light, p)
        assert float(idle["delay"]) == pytest.approx(truth.mean_delay, rel=1e-9)
        np.testing.assert_allclose(idle["share"], truth.share, atol=1e-9)
        assert float(idle["p"]) == p
    else:
        assert float(idle["delay"]) == pytest.approx(
            best_assignment(system.rates, [light])[1].item(), rel=1e-9
        )
    assert float(idle["gap"]) < 1e-14
    assert float(idle["lower_bound"]) <= float(idle["delay"])
    assert bool(idle["certified"])


def test_the_best_assignment_of_no_load_is_the_limit_also_where_it_makes_no_difference():
    """Modes without a common stage are servers side by side.

    Of the delay p a + load (p^2 b + (1 - p)^2 c) the second part decides.
    """
    apart = MultiMode(
        [[3.0, np.inf], [6.0, np.inf], [np.inf, 2.0]]
    )  # service times 1/3 + 1/6 and 1/2
    light = row(apart.curve([0.0, 1e-3]), 1e-3)
    assert float(row(apart.curve([0.0, 1.0]), 0.0)["p"]) == pytest.approx(9 / 14, rel=1e-14)
    assert float(light["p"]) == pytest.approx(9 / 14, abs=1e-3)
    assert (
        float(row(DUAL.curve([0.0, 2.0]), 0.0)["p"])
        == float(row(DUAL.curve([1e-9]), 1e-9)["p"])
        == 1.0
    )


def test_a_tunable_mode_of_no_load_works_at_its_faster_server():
    idle = row(TunableMode(2.0, 0.25).curve([0.0, 1.0]), 0.0)
    assert float(idle["optimum_delay"]) == 0.5
    assert float(row(TunableMode(1.0, 4.0).curve([0.0, 1.0]), 0.0)["optimum_delay"]) == 0.25


def test_three_modes_given_their_jobs():
    system = MultiMode([[4.0, 2.0, 3.0], [30.0, 40.0, 8.0]])
    data = system.curve([0.0, 1e-12, 1.0, 9.0], [0.5, 0.2, 0.3])
    np.testing.assert_allclose(row(data, 0.0)["share"], row(data, 1e-12)["share"], atol=1e-11)
    assert data["certified"].values.tolist() == [True, True, True, False]


LIMITS = {
    "box": [MinShare(0.2), MaxShare(0.7)],
    "a row": [GroupShare([0], 0.3)],
    "rows": [GroupShare([0], 0.3), GroupShare([0, 1], 0.6), Budget([1, 2, 3], 20.0)],
    "late jobs": [LateShare(1.0, 0.003)],
    "a server that is too slow": [ServerPercentile(0.9, [1.0, 1.0, 0.3])],
}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("polish", [True, False])
def test_no_load_within_limits_has_their_best_shares(limits, polish):
    system = ParallelServers(MM1([10.0, 5.0, 8.0], [0.1, 0.0, 0.3]))
    near = system.optimum(1e-9, subject_to=limits)
    idle = row(system.curve([0.0, 1.0], "optimum", subject_to=limits, polish=polish), 0.0)
    for name, value in (
        ("optimum_delay", near.mean_delay),
        ("optimum_multiplier", near.multiplier),
    ):
        assert float(idle[name]) == pytest.approx(value, rel=1e-8)
    assert not idle["optimum_flow"].any()
    assert bool(idle["optimum_certified"])


def test_limits_that_leave_no_room_for_no_load_say_so():
    data = TWO.curve(
        [0.0, 1.0, 3.0], "optimum", subject_to=[LinearLimit([0, -1], -2.0, name="kept warm")]
    )
    assert data["optimum_certified"].values.tolist() == [False, False, True]
    assert (
        data["reason"]
        .values[0]
        .startswith("subject_to = ['kept warm']: leave the kept warm no less than")
    )


# ---- too much


@pytest.mark.parametrize(("system", "options", "most"), [
    (TWO, {}, 15.0), (TWO, {"which": "equilibrium"}, 15.0),
    (TWO, {"subject_to": [MinShare(0.1)], "which": "optimum"}, 15.0),
    (TunableMode(1.0, 4.0), {}, 5.0), (DUAL, {}, DUAL.max_load), (DUAL, {"p": 0.5}, DUAL.max_load),
])  # fmt: skip
def test_a_load_that_cannot_be_carried_has_its_reason_in_every_kind(system, options, most):
    loads = [2 * most, 0.5 * most, most, math.nextafter(most, 0.0), 0.0]
    data = system.curve(loads, **options)
    reasons = data["reason"].values.tolist()
    assert [bool(reason) for reason in reasons] == [True, False, True, "p" in options, False]
    assert reasons[2].startswith(f"load = {most}: not below the ")
    there = np.array([reason == "" for reason in reasons])
    for name in by_role(data, "delay"):
        assert np.isnan(data[name][{"load": ~there}]).all()
        assert np.isfinite(data[name][{"load": there}]).all()
    for name in by_role(data, "gap"):
        assert np.isinf(data[name][{"load": ~there}]).all()
    for name in by_role(data, "certified"):
        assert not data[name][{"load": ~there}].any()
    kept = system.curve([0.5 * most], **options)
    for name in by_role(data, "delay", "gap", "certified"):
        np.testing.assert_array_equal(row(data, 0.5 * most)[name], row(kept, 0.5 * most)[name])


def test_an_assignment_that_is_not_stable_at_a_load_has_its_reason():
    system = MultiMode([[4.0, 2.0], [30.0, 40.0]])
    data = system.curve([0.0, 1.0, 3.0, 5.0], p=0.0)
    assert data["certified"].values.tolist() == [True, True, False, False]
    assert data["reason"].values[2] == (
        "p = [0.0, 1.0]: stage 0 would be busy 1.5 of the time: its queue grows without bound; "
        "at load 3 p must be in (0.666666666667, 1]"
    )
    rows = system.curve([3.0, 3.0], p=[[0.0, 1.0], [0.9, 0.1]])
    assert rows["certified"].values.tolist() == [False, True]
    with pytest.raises(InputError, match=r"^p = 2\.0: is not a part of the jobs"):
        system.curve([1.0, 3.0], p=2.0)


class Weekend(Limit):
    """A limit that no split keeps between two loads."""

    def linearise(self, bank, load):
        return LinearLimit(1.0, 0.0 if 4 <= load <= 6 else np.inf, name="weekend")


@pytest.mark.parametrize(("limits", "carried"), [
    ([MaxUtilisation(0.6)], [True, True, True, False, False]),
    ([MinShare(0.4), MaxUtilisation(0.5)], [True, True, False, False, False]),
    (
        [GroupShare([0], 0.4), LinearLimit([0, 1], 3.1, name="hot")],
        [True, True, False, False, False],
    ),
    ([Weekend()], [True, False, True, True, False]),
])  # fmt: skip
def test_a_load_for_which_limits_leave_no_room(limits, carried):
    loads = [3.0, 5.0, 8.0, 14.0, 16.0]
    data = TWO.curve(loads, "optimum", subject_to=limits)
    assert data["optimum_certified"].values.tolist() == carried
    for load, there, reason in zip(loads, carried, data["reason"].values, strict=True):
        if there:
            assert float(row(data, load)["optimum_delay"]) == pytest.approx(
                TWO.optimum(load, subject_to=limits).mean_delay, rel=1e-9
            )
        else:
            with pytest.raises(LoadError) as single:
                TWO.optimum(load, subject_to=limits)
            assert str(single.value) == reason
    with pytest.raises(InputError, match=r"^MinShare\.share = 2\.0: is not a part of the load"):
        TWO.curve(loads, "optimum", subject_to=[MinShare(2.0)])
    with pytest.raises(
        LoadError,
        match=r"^subject_to = \['largest utilisation'\]: allow at most 3 jobs in all "
        r"where the load is 5",
    ):
        TWO.curve([5.0, 8.0], "optimum", subject_to=[MaxUtilisation(0.2)])


@pytest.mark.parametrize("system", [TWO, DUAL, TunableMode(1.0, 4.0)])
@pytest.mark.parametrize(("loads", "message"), [
    ([1.0, -1.0], r"^loads\[1\] = -1\.0: "), ([math.nan, 1.0], r"^loads\[0\] = nan: "),
    ([0.0, math.inf], r"^loads\[1\] = inf: "),
    ([20.0, 16.0], r"^loads\[0\] = 20\.0: not below the "),
])  # fmt: skip
def test_what_is_no_load_raises_as_before_and_so_does_a_curve_of_nothing_else_than_too_much(
    system, loads, message, monkeypatch
):
    forbid_solvers(monkeypatch)
    with pytest.raises(LoadError, match=message):
        system.curve(loads)


def test_single_answers_raise_still():
    for load in (0.0, 15.0, 16.0, -1.0, math.nan):
        for ask in (
            TWO.optimum,
            TWO.equilibrium,
            TWO.price_of_anarchy,
            TWO.tolls,
            lambda load: TWO.control(load, 0.5),
        ):
            with pytest.raises(LoadError):
                ask(load)
        for ask in (
            DUAL.assignment,
            lambda load: DUAL.partition(load, 0.5),
            TunableMode(1.0, 4.0).optimum,
        ):
            with pytest.raises(LoadError):
                ask(load)
        with pytest.raises(LoadError):
            verify(TWO, [3.0, load])
        with pytest.raises(LoadError):
            control_curve(TWO, load)
        with pytest.raises(LoadError):
            delay_profile(DUAL, [1.0, load])
    with pytest.raises(LoadError):
        TWO.worst_case(up_to=0.0)


def test_one_warning_counts_what_cannot_be_carried_apart_from_what_is_not_certified():
    with pytest.warns(
        UserWarning,
        match=r"^1 of 3 loads cannot be carried \(see reason\); "
        r"2 of 4 answers are not certified; see ",
    ) as said:
        TWO.curve([0.0, 16.0, 3.0], gap=1e-18)
    assert len(said) == 1


# ---- the other curves


def test_players():
    data = players_curve(TWO, [0.0, *DAY], [1, 2, math.inf], refine=True)
    assert (row(data, 0.0)["delay"] == 0.1).all()
    assert (row(data, 0.0)["price_of_anarchy"] == 1).all()
    assert np.isnan(row(data, 16.0)["price_of_anarchy"]).all()
    assert str(row(data, 16.0)["reason"].values) == FULL
    assert int(data["added"].sum()) > 10


def test_delays_that_are_paid_at_no_load_are_those_of_the_servers_believed_to_be_nearest():
    assumed, true = (
        ParallelServers(MM1([4.0, 4.0, 2.0])),
        ParallelServers(MM1([4.0, 4.0, 2.0], [0.2, 0.4, 0.0])),
    )
    loads = [0.0, 1e-9, 1.0, 12.0]
    data = misspecified_delays(assumed, true, loads)
    np.testing.assert_allclose(
        row(data, 0.0)["optimum_delay"], row(data, 1e-9)["optimum_delay"], rtol=1e-8
    )
    assert float(row(data, 0.0)["equilibrium_delay"]) == pytest.approx(0.25 + 0.3, rel=1e-14)
    assert np.isnan(row(data, 12.0)["price_of_anarchy"])


@pytest.mark.parametrize("system", [TWO, DUAL, TunableMode(1.0, 4.0)])
def test_refinement_draws_what_is_carried(system):
    most = system.max_load
    data = system.curve([0.0, 0.7 * most, 2.0 * most, 1e9 * most], refine=True)
    there = data["reason"].values == ""
    assert data["load"].values[~there].tolist() == [2.0 * most, 1e9 * most]
    assert not data["added"].values[~there].any()
    assert data["load"].values[there].max() == 0.7 * most
    assert data.attrs["refined_within"] <= 0.002
    own = system.curve([0.0, 0.7 * most], refine=True)
    np.testing.assert_array_equal(data["load"].values[there], own["load"].values)


def test_interrupted_it_keeps_what_comes_before(monkeypatch):
    honest = engine.Task.solve

    def solve(self, *points):
        if 9.0 in points[0]:
            raise KeyboardInterrupt
        return honest(self, *points)

    monkeypatch.setattr(engine.Task, "solve", solve)
    monkeypatch.setattr(engine.Task, "block", 2)
    with pytest.raises(CurveInterruptedError, match=r"^stopped after 4 loads$") as caught:
        TWO.curve([16.0, 0.0, 3.0, 17.0, 9.0, 8.0])
    data = caught.value.dataset
    assert [bool(reason) for reason in data["reason"].values] == [True, False, False, True]
    assert data["optimum_certified"].values.tolist() == [False, True, True, False]


@pytest.mark.usefixtures("names")
def test_a_kind_of_system_that_says_nothing_of_no_load_has_none_there(package):
    guide = nbformat.read(GUIDE, as_version=4)
    (cell,) = [c for c in guide.cells if c.source.startswith("%%writefile")]
    package(
        "sojourn.systems", cell.source.partition("\n")[2] + "\n", "joining = other_package:KIND\n"
    )
    from other_package import Decisions, Joining, JoiningQueue

    bank, loads = JoiningQueue(5.0, 2.0), [0.0, 1.0, 6.0]
    data = bank.curve(loads, refine=True)
    assert np.isnan(row(data, 0.0)["optimum_delay"])
    assert (
        str(row(data, 0.0)["reason"].values)
        == "load = 0.0: there are no jobs to serve; give a load above 0"
    )
    assert row(data, 1.0)["optimum_certified"]
    assert study([bank], loads)["equilibrium_certified"].values.tolist() == [[False, True, True]]

    def idle(self, points):
        delay = np.full(len(points[0]), min(1 / self.rate, self.worth))
        return Decisions(0 * delay, delay > 0, delay, delay, 0 * delay, delay)

    Joining.idle = idle
    data = bank.curve(loads)
    assert data["optimum_delay"].values[0] == pytest.approx(
        bank.optimum(1e-12).mean_delay, rel=1e-9
    )
    assert (data["reason"] == "").all()
    assert data["price_of_anarchy"].values[0] == 1.0


# ---- studies and files


def test_a_study_of_rows_of_every_sort(tmp_path):
    three = ParallelServers(MM1([3.0, 2.0, 4.0], [0.0, 0.0, 0.5]))
    systems = {"two": TWO, "three": three, "idle": TWO, "full": three, "wrong": TWO}
    loads = [[3.0, 0.0, 16.0], [3.0, 4.0, 5.0], [0.0] * 3, [9.0, 10.0, 11.0], [1.0, -2.0, 3.0]]
    with pytest.warns(UserWarning, match="^2 of 5 systems failed, the first of them 'full'"):
        data = study(systems, loads, out=tmp_path)
    errors = dict(zip(systems, data["error"].values.tolist(), strict=True))
    assert [name for name in systems if errors[name]] == ["full", "wrong"]
    assert errors["full"].startswith("LoadError: loads[0] = 9.0: not below the total rate 9")
    assert errors["wrong"].startswith("LoadError: loads[1] = -2.0: a load cannot be negative")
    assert data["reason"].values.tolist() == [
        ["", "", FULL],
        [""] * 3,
        [""] * 3,
        [""] * 3,
        [""] * 3,
    ]
    np.testing.assert_array_equal(
        np.isfinite(data["optimum_delay"]), [[1, 1, 0], [1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]]
    )
    assert (data["price_of_anarchy"].sel(system="idle") == 1).all()
    xr.testing.assert_equal(load_study(tmp_path).load(), data)


@pytest.mark.parametrize(
    "systems", [[TWO, ParallelServers(MM1([1.0]))], [DUAL], [TunableMode(1.0, 4.0)]]
)
def test_parts_of_the_largest_load(systems):
    data = study(systems, [0.0, 0.5, 1.0, 1.2], relative=True)
    assert not data["error"].values.any()
    for name in by_role(data, "certified"):
        assert data[name].values.tolist() == [[True, True, False, False]] * len(systems)
    with pytest.raises(LoadError, match=r"^loads\[0\] = 20\.0: is not a part of the largest load"):
        study(systems, [20.0, 50.0], relative=True)


@pytest.mark.parametrize("system", [TWO, DUAL])
def test_reasons_are_kept_by_files(system, tmp_path):
    data = system.curve([0.0, 3.0, 16.0])
    data.to_netcdf(tmp_path / "curve.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "curve.nc", engine="scipy") as back:
        assert back["reason"].values.astype(str).tolist() == data["reason"].values.tolist()
        assert str(back["reason"].values[2]).startswith("load = 16.0: not below the ")


HEAD = 'title = "A day"\n[units]\nrate = "1/s"\ndelay = "ms"\n[loads]\nat = "50%"\n'
SAID = {
    "servers": "[[servers]]\nrate = 10\n[[servers]]\nrate = 5\n[variants.deterministic]\ncv = 0\n",
    "dual_mode": "[dual_mode]\nmu0 = 3\nK = 4\nf = [0.05, 0.15]\n",
    "tunable_mode": "[tunable_mode]\nmu0 = 3\nK = 4\n",
}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("curve", ['[0, 3, "90%", 16]', '{ from = "0%", to = "120%", points = 7 }'])
def test_the_curve_of_a_file_may_hold_idle_and_overloaded_hours(kind, curve, sojourn, tmp_path):
    path, out = tmp_path / "day.toml", tmp_path / "out"
    path.write_text(HEAD + f"curve = {curve}\n" + SAID[kind])
    status, _, err = sojourn("run", path, "--out", out)
    assert (status, "Traceback" in err) == (0, False)
    assert json.loads((out / "result.json").read_text())["load"] > 0
    with (out / "curve.csv").open(newline="") as file:
        first, *_, last = csv.DictReader(file)
    name = "delay (ms)" if kind == "dual_mode" else "optimum_delay (ms)"
    assert (float(first["load (1/s)"]), first["reason"]) == (0.0, "")
    assert float(first[name]) > 0
    assert last["reason"].startswith(f"load = {last['load (1/s)']}: not below the ")
    assert (last[name], last["utilisation"] > "1") == ("", True)
    assert imread(out / "curve.png").std() > 0.05


def test_a_csv_has_no_reasons_where_there_are_none(sojourn, tmp_path):
    path = tmp_path / "day.toml"
    path.write_text(HEAD + "curve = [1, 3]\n" + SAID["tunable_mode"])
    assert sojourn("run", path, "--out", tmp_path)[0] == 0
    assert "reason" not in (tmp_path / "curve.csv").read_text()


def test_the_operating_point_of_a_file_has_to_be_carried():
    for at in ("0", '"0%"', "16", '"100%"'):
        with pytest.raises(InputError, match=r"^loads\.at = "):
            parse(HEAD.replace('"50%"', at) + "curve = [0, 16]\n" + SAID["servers"], "day")


@pytest.mark.slow
def test_what_selfishness_costs_over_such_a_curve(sojourn, tmp_path):
    path = tmp_path / "day.toml"
    paid = '[variants.wrong]\ncv = 0\npay = "true"\n'
    path.write_text(HEAD + "curve = [0, 3, 9, 20]\n" + SAID["servers"] + paid)
    status, _, err = sojourn("anarchy", path, "--out", tmp_path / "out")
    assert (status, "Traceback" in err) == (0, False)
    found = {
        v["name"]: v
        for v in json.loads((tmp_path / "out" / "anarchy.json").read_text())["variants"]
    }
    assert (
        found["wrong"]["largest_on_curve"]["from"],
        found["wrong"]["largest_on_curve"]["to"],
    ) == (0.0, 9.0)


# ---- pictures


def test_pictures_have_gaps(tmp_path):
    loads = [0.0, 1.0, 2.5, 3.0, 16.0]
    modes = DUAL.curve(loads)
    for i, figure in enumerate([
        plot_dataset(TWO.curve(loads)), plot_curve(TWO.curve(loads)), plot_dataset(modes),
        plot_dual_mode(modes, delay_profile(DUAL, [2.0])),
    ]):  # fmt: skip
        figure.savefig(tmp_path / f"{i}.png", dpi=50)
        assert imread(tmp_path / f"{i}.png").std() > 0.05
    above = plot_dataset(TWO.curve(loads)).axes[0]
    assert "not certified" not in [line.get_label() for line in above.lines]
    assert np.isfinite(above.lines[0].get_ydata()).tolist() == [True, True, True, True, False]
