"""`SharedModes` against the table of section 3, closed forms, and the reference."""

import copy
import json
import math

import numpy as np
import pytest
from chunks import some
from shared_modes import PAPER, paper, part_of_capacity, random_modes

from sojourn.models import (
    InputError,
    LoadError,
    MaxUtilisation,
    MultiMode,
    NotCertifiedError,
    SharedModes,
    study,
    verify,
)
from sojourn.models.core.stored import StoredAnswers, use_stored_answers
from sojourn.models.core.times import in_time_unit
from sojourn.reference.service_modes import shared as exact

TABLE = """
A .5   0.6476190476 1       0.6476190476 1       0.6476190476 1       1            1
A .6   0.8351648352 1       0.8333333333 .94444  0.8351648352 1       1.0021978022 1.00220
A .7   1.2126696833 1       1.1428571429 .78571  1.2126696833 1       1.0610859729 1.06109
A .75  1.6000000000 1       1.3866666667 .72222  1.6000000000 1       1.1538461538 1.15385
A .8   2.4166666667 1       1.7500000000 .66667  2.0000000000 .875    1.1428571429 1.38095
A .85  4.5626008622 .63509  2.3529411765 .61765  2.6666666667 .76471  1.1333333333 1.93911
A .9   6.9380989096 .57518  3.5555555556 .57407  4.0000000000 .66667  1.1250000000 1.95134
A .99  70.1444741193 .50637 35.9595959596 .50673 40.0000000000 .51515 1.1123595506 1.95065
B .5   0.6417582418 1       0.6400000000 .83333  0.6417582418 1       1.0027472527 1.00275
B .6   0.8589341693 0       0.8333333333 .38889  0.8849104859 1       1.0618925831 1.03072
B .7   1.1450577664 0       1.1428571429 .07143  1.3333333333 .78571  1.1666666667 1.00193
B .8   1.7916666667 0       1.7916666667 0       2.0000000000 .25     1.1162790698 1
B .9   5.3186813187 0       5.3186813187 0       5.3186813187 0       1            1
C .3   0.6608695652 1       0.6608695652 1       0.6608695652 1       1            1
C .5   1.0196078431 1       1.0196078431 1       1.0196078431 1       1            1
C .6   1.4285714286 1       1.4285714286 1       1.4285714286 1       1            1
C .7   2.5454545455 1       2.5454545455 1       2.5454545455 1       1            1
C .75  4.6315789474 1       4.6315789474 1       4.6315789474 1       1            1
"""
ROWS = [row.split() for row in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_the_table(row):
    """Loads are parts of (K + 1) mu0 = 5."""
    system, (_, part, *numbers) = paper(row[0]), row
    load, digits = 5 * float(part), 6e-11
    reserved, p0, least, p1, delay, p2, anarchy, reserving = map(float, numbers)
    best, selfish = system.optimum(load), system.equilibrium(load)
    near = {"rel": digits, "abs": digits}
    assert best.mean_delay == pytest.approx(least, **near)
    assert best.p == pytest.approx(p1, abs=6e-6)
    assert selfish.mean_delay == pytest.approx(delay, **near)
    assert selfish.p == pytest.approx(p2, abs=6e-6)
    assert selfish.mean_delay / best.mean_delay == pytest.approx(anarchy, **near)
    price = system.price_of_anarchy(load)
    assert price.lower <= anarchy + digits
    assert price.upper >= anarchy - digits
    assert price <= system.price_of_anarchy_bound(load) * (1 + 1e-7)
    if p0 in (0, 1) or part in (".85", ".9"):  # one run of the semidefinite program is enough
        given = system.reserved.evaluate(load, p0)
        assert given.mean_delay == pytest.approx(
            reserved, **({"rel": 1e-6} if 0 < p0 < 1 else near)
        )
        assert given.mean_delay / least == pytest.approx(reserving, abs=6e-6)


@pytest.mark.parametrize(("name", "load"), [("A", 4.5), ("B", 3.0), ("C", 3.0)])
def test_price_of_reserving(name, load):
    row = next(r for r in ROWS if r[0] == name and math.isclose(5 * float(r[1]), load))
    price = paper(name).price_of_reserving(load)
    assert price == pytest.approx(float(row[-1]), abs=6e-6)
    assert 1 <= price.lower <= price <= price.upper <= price.lower * (1 + 1e-6)
    assert price.lower < 2


def test_price_of_reserving_comes_near_to_the_number_of_stages():
    """a = 1 + (h - 1) I with h = 1.5 near saturation: 1.9798."""
    pair = SharedModes.from_work(np.ones((2, 2)) + 0.5 * np.eye(2))
    assert pair.price_of_reserving(0.9999 * pair.max_load) == pytest.approx(1.9798, abs=2e-4)
    apart = SharedModes.from_work(np.diag([1.0, 2.0]))
    assert apart.price_of_reserving(1.2) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "load", "price"),
    [
        pytest.param("A", 3.75, 15 / 13, marks=pytest.mark.exhaustive),
        ("B", 10 / 3, 20 / 17),
        ("C", None, 1.0),
    ],
)
def test_worst_case(name, load, price):
    worst = paper(name).worst_case(gap=1e-6)
    assert worst.certified
    assert worst.poa <= price * (1 + 1e-12)
    assert price <= worst.upper_bound <= price * (1 + 1.1e-6)
    assert (worst.low, worst.high) == pytest.approx((0, 0.999 * paper(name).max_load))
    assert (np.diff(worst.loads) > 0).all()
    assert worst.bound.size + 1 == worst.loads.size == worst.ratio.size
    if load is None:
        assert (worst.poa, worst.upper_bound) == (1.0, 1.0)
    else:
        assert worst.load == pytest.approx(load, rel=1e-4)


@pytest.mark.parametrize("seed", some(200, often=5))
def test_random_systems_against_the_reference(seed):
    rates = random_modes(seed, stages=(1, 5), modes=(2, 13))
    system = SharedModes.from_work(rates.time, delay=rates.delay)
    assert system.rates.time.tolist() == rates.time.tolist()
    load = part_of_capacity(seed) * system.max_load
    room = 1 / (1 - load / system.max_load)
    for found, true in (
        (system.optimum(load), exact.optimum(rates, load)),
        (system.equilibrium(load), exact.equilibrium(rates, load)),
        (system.equilibrium(load, players=3), exact.equilibrium(rates, load, 3)),
    ):
        assert found.certified
        assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-8)
        assert found.utilisation == pytest.approx(true.utilisation, rel=1e-6, abs=1e-7 / room)
        assert found.utilisation == pytest.approx(load * rates.time @ found.assignment, rel=1e-12)
        assert len(found.used) <= rates.stages + bool(rates.delay.any())
        stretch = 1 / (1 - found.utilisation)
        assert found.mode_delay == pytest.approx(stretch @ rates.time + rates.delay, rel=1e-10)
        assert found.mean_delay == pytest.approx(found.assignment @ found.mode_delay, rel=1e-10)
        fixed = float(rates.delay @ found.assignment)
        assert found.mean_delay == pytest.approx(found.stage_delay.sum() + fixed, rel=1e-10)
    selfish = system.equilibrium(load)
    gain = selfish.mode_delay[selfish.assignment > 0].max() - selfish.mode_delay.min()
    assert gain <= 1e-8 * room * selfish.mode_delay.max()  # no user gains by another mode


@pytest.mark.parametrize("seed", some(60, often=4))
def test_largest_load_is_that_of_reserved_stages(seed):
    rates = random_modes(seed, stages=(1, 4), modes=(1, 6), delays=False)
    system = SharedModes(rates.rate)
    found = system.capacity()
    assert found.max_load == pytest.approx(system.reserved.max_load, rel=1e-12)
    assert found.max_load == pytest.approx(system.reserved.capacity().max_load, rel=1e-8)
    busy = found.max_load * rates.time @ found.assignment
    assert busy.max() == pytest.approx(1.0, rel=1e-9)
    assert found.to_dict()["assignment"].keys() == set(system.modes)


@pytest.mark.parametrize("name", PAPER)
def test_thresholds(name):
    system = paper(name)
    pair, found = exact.TwoSharedModes(system.rates), system.thresholds()
    assert found.certified
    for goal, loads in (
        ("optimum", found.optimum_loads),
        ("equilibrium", found.equilibrium_loads),
    ):
        assert loads == pytest.approx([t for t in pair.thresholds(goal) if t], rel=1e-9)
        assert found.used(goal, 0.1) == ("mode 1",)
        json.dumps(found.to_dict())
    three = system.thresholds(players=3)
    assert (three.equilibrium_loads <= found.equilibrium_loads).all()
    assert (three.equilibrium_loads >= found.optimum_loads).all()
    assert three.to_dict()["equilibrium"]["players"] == 3
    assert f"optimum: {'mode 1'}" in repr(found)


def test_light_load():
    """As the load tends to 0 a job takes the sum of its works, in the mode of the least sum."""
    system = SharedModes.from_work([[3.0, 1.0], [1.0, 2.0]], delay=[0.0, 0.5])
    for goal in ("optimum", "equilibrium"):
        found = getattr(system, goal)(1e-9)
        assert found.used == ("mode 2",)
        assert found.mean_delay == pytest.approx(3.5, rel=1e-8)
    assert system.price_of_anarchy(1e-9) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("part", [1 - 1e-5, 1 - 1e-7])
def test_near_saturation(part):
    system = paper("A")
    pair, load = exact.TwoSharedModes(system.rates), 5 * part
    for goal in ("optimum", "equilibrium"):
        found = getattr(system, goal)(load)
        assert found.mean_delay == pytest.approx(
            pair.mean_delay(goal, load), rel=1e-14 / (1 - part)
        )
        assert found.certificate.lower_bound <= found.mean_delay <= found.certificate.upper_bound


def test_works_of_any_size():
    """Nanoseconds, or units of work and speeds: the same assignment."""
    work = np.array([[0.1, 0.3], [0.225, 0.175]])
    for unit in (1e-9, 1e9):
        system = SharedModes.from_work(work * unit, delay=[0.0, 0.2 * unit])
        plain = SharedModes.from_work(work, delay=[0.0, 0.2])
        for goal in ("optimum", "equilibrium"):
            found, true = (getattr(s, goal)(4.0 / u) for s, u in ((system, unit), (plain, 1.0)))
            assert found.mean_delay == pytest.approx(unit * true.mean_delay, rel=1e-9)
            assert found.assignment == pytest.approx(true.assignment, abs=1e-6)
    fast = SharedModes.from_work(work * [[8e9], [2e7]], speed=[8e9, 2e7])
    assert fast.rates.time == pytest.approx(work, rel=1e-15)


def test_tolls():
    found = paper("A").tolls(4.0)
    assert found.mode_toll == pytest.approx([7.35, 7.05], rel=1e-8)
    assert found.certified
    assert found.equilibrium.assignment == pytest.approx([2 / 3, 1 / 3], abs=1e-6)
    assert found.mean_toll == pytest.approx(found.mode_toll @ [2 / 3, 1 / 3], rel=1e-6)
    assert list(found.to_dict()["toll"]) == ["mode 1", "mode 2"]
    assert "mode 2  toll 7.05" in repr(found)
    with_delays = SharedModes.from_work([[1.0, 0.1]], delay=[0.0, 3.0]).tolls(0.9)
    rho = with_delays.optimum.utilisation
    assert with_delays.mode_toll == pytest.approx(rho / (1 - rho) ** 2 * [1.0, 0.1], rel=1e-9)


def test_equal_modes_count_once():
    """The jobs are in the first of modes of equal works and delays; what is given stays."""
    system = SharedModes.from_work([[0.1, 0.3, 0.1], [0.225, 0.175, 0.225]])
    best = system.optimum(4.0)
    assert best.assignment == pytest.approx([2 / 3, 1 / 3, 0], abs=1e-6)
    assert best.mode_delay[2] == best.mode_delay[0]
    judged = system.evaluate(4.0, [0.25, 0.5, 0.25])
    assert judged.mean_delay == pytest.approx(2.0, rel=1e-12)
    assert judged.assignment.tolist() == [0.25, 0.5, 0.25]
    data = system.curve([1.0, 4.0])
    assert data.optimum_assignment.values[1] == pytest.approx(best.assignment, abs=1e-6)


def test_evaluation():
    system = paper("A")
    judged = system.evaluate(4.0, 0.5)
    assert judged.mean_delay == pytest.approx(2.0, rel=1e-14)
    assert judged.utilisation == pytest.approx([0.8, 0.8])
    assert judged.mode_delay == pytest.approx([1.625, 2.375])
    assert judged.stage_delay == pytest.approx([1.0, 1.0])
    assert judged.ratio == pytest.approx(8 / 7, rel=1e-9)
    assert judged.equilibrium_delay == pytest.approx(2.0, rel=1e-9)
    assert (judged.change, judged.largest_saving) == (("mode 2", "mode 1"), pytest.approx(0.75))
    same = [
        system.evaluate(4.0, {"mode 1": 0.5, "mode 2": 0.5}),
        system.evaluate(4.0, share=[0.5, 0.5]),
        system.evaluate(4.0, flow={"mode 1": 2.0, "mode 2": 2.0}),
        system.evaluate(4.0, station_flow=[0.8, 0.8]),
    ]
    for other in same:
        assert other.mean_delay == pytest.approx(2.0, rel=1e-9)
        assert other.assignment == pytest.approx([0.5, 0.5], rel=1e-9)
    assert system.evaluate(4.0, 0.875).change is None
    assert "part 0.5000  delay 2.375" in repr(judged)
    record = json.loads(json.dumps(judged.to_dict()))
    assert record["change"] == {"from": "mode 2", "to": "mode 1"}
    assert [mode["assignment"] for mode in record["modes"]] == [0.5, 0.5]


def test_evaluation_of_an_overloaded_stage():
    judged = paper("A").evaluate(4.9, 0.9)
    assert judged.overloaded == ("cloud",)
    assert math.isinf(judged.mean_delay)
    assert np.isinf(judged.mode_delay).all()
    assert judged.change is None  # both modes pass the cloud
    way_out = SharedModes.from_work([[1.0, 0.0, 1e-9], [0.0, 0.001, 0.1]])
    judged = way_out.evaluate(2.0, [0.6, 0.1, 0.3])
    assert math.isinf(judged.largest_saving)
    assert judged.change[1] == "mode 2"
    assert np.isinf(judged.mode_delay).tolist() == [True, False, True]
    assert judged.stage_delay[1] == pytest.approx(0.0301 / (1 - 0.0602))


def test_limits_of_stages():
    found = paper("A").optimum(4.0, subject_to=[MaxUtilisation([1.0, 0.8])])
    assert found.assignment == pytest.approx([0.5, 0.5], abs=1e-7)
    assert found.used == ("mode 1", "mode 2")
    assert found.limits[0].price[1] > 0


def test_solvers_and_gaps():
    system = paper("A")
    for solver in ("CLARABEL", "SCS", "INTERIOR-POINT"):
        found = system.optimum(4.0, solver=solver)
        assert found.mean_delay == pytest.approx(1.75, rel=1e-9)
    own = system.optimum(4.0, polish=False, solver="CLARABEL", gap=1e-5)
    assert (own.polished, own.certificate.gap <= 1e-5) == (0, True)
    with pytest.raises(NotCertifiedError) as caught:
        system.optimum(4.0, solver="SCS", solver_options={"max_iters": 1}, polish=False)
    assert caught.value.solution.mode_names == ("mode 1", "mode 2")
    model = system.model("optimum", 4.0)
    model.problem.solve(solver="CLARABEL")
    assert model.flow.value == pytest.approx([2 / 3, 5 / 6], rel=1e-4)


def test_curve():
    system = SharedModes.from_work([[0.1, 0.3, 0.9], [0.225, 0.175, 0.9]], modes=["x", "y", "z"])
    loads = [0.0, 2.5, 4.0, 4.5, 5.0]
    with pytest.warns(UserWarning, match="1 of 5 loads cannot be carried"):
        data = system.curve(loads)
    for goal in ("optimum", "equilibrium"):
        parts = data[f"{goal}_assignment"]
        assert parts.dims == ("load", "mode")
        assert parts.attrs["role"] == "share"
        for i in (1, 2, 3):
            found = getattr(system, goal)(loads[i])
            assert parts.values[i] == pytest.approx(found.assignment, abs=1e-6)
            assert data[f"{goal}_utilisation"].values[i] == pytest.approx(found.utilisation)
            assert data[f"{goal}_mode_delay"].values[i] == pytest.approx(found.mode_delay)
            assert data[f"{goal}_mode_flow"].values[i].sum() == pytest.approx(loads[i])
        assert parts.values[0].tolist() == [1, 0, 0]
        assert data[f"{goal}_mode_delay"].values[0] == pytest.approx([0.325, 0.475, 1.8])
        assert np.isnan(parts.values[4]).all()
    assert data.price_of_anarchy.values[2] == pytest.approx(8 / 7, rel=1e-8)
    assert list(data.mode.values) == ["x", "y", "z"]
    assert set(system.curve([4.0], which="optimum").data_vars) == {
        "optimum_delay",
        "optimum_gap",
        "optimum_certified",
        "optimum_assignment",
        "optimum_mode_flow",
        "optimum_mode_delay",
        "optimum_utilisation",
    }


def test_study_and_verification(tmp_path):
    systems = {name: paper(name) for name in "AB"}
    first = study(systems, [2.5, 4.0], out=tmp_path)
    again = study(systems, [2.5, 4.0], out=tmp_path)
    assert first.equals(again)
    assert float(first.optimum_delay.sel(system="A").isel(point=1)) == pytest.approx(1.75, rel=1e-9)
    assert verify(paper("B"), [2.5, 3.5, 4.0]).passed


def test_stored_answers_are_certified_without_a_solver():
    system = SharedModes.from_work([[0.1, 0.3, 0.1, 0.2], [0.225, 0.175, 0.225, 0.25]])
    data = system.curve([1.0, 4.0])
    kept = StoredAnswers({str(name): data[name].values for name in data.variables}, strict=True)
    with use_stored_answers(kept):
        again = system.curve([1.0, 4.0])
    assert kept.whole
    assert again.optimum_delay.values == pytest.approx(data.optimum_delay.values, rel=1e-14)
    assert again.optimum_certified.all()
    assert again.equilibrium_certified.all()


def test_text_and_json():
    many = SharedModes.from_work(
        np.vstack([np.linspace(0.1, 2.3, 22), np.linspace(1.0, 3.0, 22)]),
        stages=["device", "cloud"],
        modes=[f"cut {i}" for i in range(22)],
    )
    best = many.optimum(0.5)
    text = repr(best)
    assert len(text.splitlines()) == 6
    assert "no jobs in 21 modes: the fastest is cut 1 with delay" in text
    assert "by other modes" in text
    record = json.loads(json.dumps(best.to_dict()))
    assert [stage["name"] for stage in record["stages"]] == ["device", "cloud"]
    assert record["modes"][0] == {
        "name": "cut 0",
        "assignment": 1.0,
        "delay": pytest.approx(best.mean_delay),
    }
    assert record["players"] == 1.0
    assert "3 players" in repr(many.equilibrium(0.5, players=3))
    assert "22 modes" in repr(many)
    assert "cut 0" in best._repr_html_()
    slower = in_time_unit(best, 1000.0)
    assert slower.mode_delay == pytest.approx(1000 * best.mode_delay)
    assert slower.station_latency.tolist() == best.station_latency.tolist()


def test_copies():
    system = paper("A")
    other = copy.deepcopy(system)
    assert other.optimum(4.0).mean_delay == system.optimum(4.0).mean_delay
    assert copy.deepcopy(system.optimum(4.0)).used == ("mode 1", "mode 2")
    assert isinstance(system.reserved, MultiMode)


def test_a_load_is_needed():
    system = paper("A")
    for ask in (
        system.optimum,
        system.equilibrium,
        system.price_of_anarchy,
        system.tolls,
        lambda: system.evaluate(p=0.5),
        lambda: system.model("optimum"),
    ):
        with pytest.raises(LoadError, match="modes have no load of their own; give the load"):
            ask()


def test_bad_input():
    system = paper("A")
    for load in (0.0, -1.0, 5.0, 1e9, math.nan, math.inf, [1.0, 2.0], "much"):
        for ask in (system.optimum, system.equilibrium, system.price_of_reserving):
            with pytest.raises(InputError):
                ask(load)
    with pytest.raises(LoadError, match="largest load of local and cloud; lower it"):
        system.optimum(5.5)
    for p in (1.5, -0.1, [0.5, 0.6], [0.5], {"mode 3": 1.0}, math.nan, "half"):
        with pytest.raises(InputError):
            system.evaluate(4.0, p)
    for given in ({}, {"p": 0.5, "share": 0.5}, {"by_origin": {}}, {"flow": [1.0, 1.0]}):
        with pytest.raises(InputError):
            system.evaluate(4.0, **given)
    for players in (0, 1.5, math.nan):
        with pytest.raises(InputError):
            system.equilibrium(4.0, players=players)
    work = [[1.0, 2.0], [3.0, 4.0]]
    for more in (
        {"speed": [1.0]},
        {"speed": [1.0, 0.0]},
        {"speed": [1.0, math.inf]},
        {"delay": [1.0]},
        {"delay": [-1.0, 0.0]},
        {"modes": ["a"]},
        {"stages": ["a", "a"]},
        {"time_unit": 3},
    ):
        with pytest.raises(InputError) as caught:
            SharedModes.from_work(work, **more)
        assert next(iter(more)) in caught.value.field
    for wrong in (
        [[1.0, 0.0], [1.0, 0.0]],
        [[0.0, 0.0], [1.0, 1.0]],
        [[-1.0]],
        [[math.nan]],
        [1.0],
    ):
        with pytest.raises(InputError):
            SharedModes.from_work(wrong)
    with pytest.raises(InputError, match="wrong way round"):
        SharedModes.canonical(mu0=1.0, K=4.0, f=(0.3, 0.1))
    with pytest.raises(TypeError):
        system.worst_case(limit=3)
