"""Simulated service modes: numbers beside closed forms, given splits, and what is refused."""

import numpy as np
import pytest
from shared_modes import paper

from sojourn.models import DualMode, InputError, MultiMode, SharedModes, TunableMode
from sojourn.models.simulation.answer import NUMBERS, covered

DUAL = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
WORK = [[0.0, 0.1, 0.3], [0.1, 0.05, 0.0], [0.3, 0.2, 0.05]]
SHORT = {"jobs": 40_000, "level": 0.9999}


def closed(data, name):
    return data[name].sel(number="closed form").values


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_reserved_modes(seed):
    system = MultiMode.from_work(WORK, delay=[0.1, 0.0, 0.2])
    given = system.evaluate(2.0, [0.5, 0.2, 0.3])
    data = system.simulate(2.0, [0.5, 0.2, 0.3], seed=seed, **SHORT)
    assert closed(data, "mean_delay") == given.mean_delay
    assert closed(data, "stage_delay") == pytest.approx(given.stage_delay)
    assert given.assignment @ closed(data, "mode_delay") == pytest.approx(given.mean_delay)
    own = system.rates.time > 0
    busy = closed(data, "utilisation")
    assert np.array_equal(np.isfinite(busy), own)
    work = 2.0 * given.assignment * system.rates.time
    assert busy[own] == pytest.approx(work[own] / given.share[own])
    assert all(covered(data)[name].all() for name in ("mean_delay", "mode_delay", "utilisation"))
    assert data.attrs["load"] == 2.0
    assert data.attrs["notes"] == ""


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_shared_modes(seed):
    system = SharedModes.from_work(WORK, delay=[0.1, 0.0, 0.2])
    given = system.evaluate(2.5, p=[0.3, 0.3, 0.4])
    data = system.simulate(2.5, p=[0.3, 0.3, 0.4], service=[1.0, 1.0, 4.0], seed=seed, **SHORT)
    for name in ("mean_delay", "mode_delay", "stage_delay", "utilisation"):
        assert closed(data, name) == pytest.approx(getattr(given, name))
        assert covered(data)[name].all()
    assert data.assignment.values.tolist() == [0.3, 0.3, 0.4]


def test_the_best_split_by_default():
    best = DUAL.assignment(2.0)
    data = DUAL.simulate(2.0, jobs=20_000)
    assert closed(data, "mean_delay") == best.mean_delay
    assert np.array_equal(data.share.values, best.share)
    unused = data.sel(mode=[m for m in best.modes if m not in best.used])
    assert unused.mode_delay.isnull().all()
    assert closed(paper("A").simulate(4.0, jobs=20_000), "mean_delay") == pytest.approx(1.75)


@pytest.mark.parametrize("f", [None, 0.4, 0.0, 1.0])
def test_a_tunable_mode(f):
    system = TunableMode(mu0=4.0, K=2.0)
    given = system.evaluate(3.0, system.exact.best_fraction(3.0) if f is None else f)
    data = system.simulate(3.0, f, seed=2, **SHORT)
    assert data.attrs["f"] == given.f
    assert closed(data, "mean_delay") == pytest.approx(given.mean_delay)
    used = given.stage_delay > 0
    assert data.stage.values.tolist() == ["local", "cloud"]
    assert closed(data, "stage_delay")[used] == pytest.approx(given.stage_delay[used])
    assert np.isnan(closed(data, "stage_delay")[~used]).all()
    assert closed(data, "utilisation")[used] == pytest.approx(
        3.0 * np.array([given.f / 4.0, (1 - given.f) / 8.0])[used]
    )
    inside = covered(data)
    assert all(inside[name].all() for name in ("mean_delay", "stage_delay", "utilisation"))
    assert "mode" not in data.coords


def test_the_equilibrium_of_shared_modes():
    system = paper("A")
    data = system.simulate(4.0, split="equilibrium", jobs=2000)
    assert closed(data, "mean_delay") == pytest.approx(system.equilibrium(4.0).mean_delay)
    assert data.assignment.values == pytest.approx(system.equilibrium(4.0).assignment)


def test_ways_to_give_a_split_of_shared_modes():
    system, run = paper("A"), {"load": 4.0, "jobs": 5_000, "seed": 2}
    first = system.simulate(p=0.5, **run)
    for given in ({"share": [0.5, 0.5]}, {"flow": [2.0, 2.0]}):
        assert first.identical(system.simulate(**given, **run))


def test_same_seed_same_bytes():
    for system in (DUAL, paper("A")):
        one, again, other = (system.simulate(2.0, jobs=5_000, seed=s) for s in (7, 7, 8))
        assert one.identical(again)
        simulated = {"number": "simulated"}
        assert one.mean_delay.sel(simulated) != other.mean_delay.sel(simulated)


def test_another_law_than_that_of_the_closed_form():
    data = DUAL.simulate(3.4, p=0.8, jobs=40_000, service="deterministic")
    assert "closed form is that of exponential works" in data.attrs["notes"]
    assert data.mean_delay.sel(number="high") < data.mean_delay.sel(number="closed form")


def test_dataset():
    data = DUAL.simulate(2.0, p=0.6, jobs=5_000)
    assert data.number.values.tolist() == list(NUMBERS)
    assert data.mode_delay.dims == ("mode", "number")
    assert data.mode_delay.attrs["units"] == "s"
    assert data.attrs["jobs"] == 5_000


def test_near_saturation_the_run_is_too_short():
    for system in (DUAL, paper("A")):
        notes = system.simulate(4.98, jobs=2_000).attrs["notes"]
        assert "the run is too short" in notes
        assert "times as many" in notes


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: DUAL.simulate(4.0, p=0.9, share=[[0.2, 0.8], [0.9, 0.1]]), "share"),
        (lambda: DUAL.simulate(4.5, p=0.0), "p"),
        (lambda: DUAL.simulate(2.0, share=[[0.5, 0.5], [0.5, 0.5]]), "share"),
        (lambda: DUAL.simulate(2.0, jobs=10), "jobs"),
        (lambda: DUAL.simulate(2.0, jobs=1e4), "jobs"),
        (lambda: DUAL.simulate(2.0, seed=-1), "seed"),
        (lambda: DUAL.simulate(2.0, level=1.0), "level"),
        (lambda: DUAL.simulate(2.0, service="weibull"), "service"),
        (lambda: DUAL.simulate(6.0), "load"),
        (lambda: paper("A").simulate(4.0, p=0.0), "p"),
        (lambda: paper("A").simulate(4.0, p=0.5, share=[0.5, 0.5]), "evaluate"),
        (lambda: paper("A").simulate(), "load"),
        (lambda: paper("A").play(4.0, rounds=0), "rounds"),
        (lambda: paper("A").play(4.0, jobs=2), "jobs"),
        (lambda: paper("A").play(4.0, share=[0.5, 0.6]), "p"),
    ],
)
def test_refused(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field.startswith(field)
