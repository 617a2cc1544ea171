"""Partial control and tolls: fractions 0 and 1, the reference, Roughgarden's bound, tolls."""

import json
import math

import numpy as np
import pytest
from chunks import some
from families import three_families
from replaced_solvers import forbid_solvers

from sojourn.models import MM1, FormulationError, InputError, LoadError, ParallelServers
from sojourn.models.systems.parallel.control import price_of_optimum
from sojourn.reference import controlled, equilibrium, optimum
from sojourn.reference import price_of_optimum as exact_price
from sojourn.reference.parallel import tolls

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0
STRATEGIES = ("llf", "scale")
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


@pytest.fixture
def no_solver(monkeypatch):
    forbid_solvers(monkeypatch)


# ---- fractions 0 and 1


@each_strategy
@pytest.mark.parametrize("seed", range(5))
def test_control_of_nothing_is_the_equilibrium(seed, strategy):
    system, load, _ = three_families(17, seed)
    found, free = system.control(load, 0, strategy), system.equilibrium(load)
    assert not found.leader.any()
    assert found.mean_delay == pytest.approx(free.mean_delay, rel=1e-9)
    np.testing.assert_allclose(found.flow, free.flow, rtol=0, atol=1e-8 * load)
    assert found.followers.load == pytest.approx(load, rel=1e-14)
    assert found.ratio == pytest.approx(system.price_of_anarchy(load), rel=1e-9)


@each_strategy
@pytest.mark.parametrize("seed", range(5))
def test_control_of_all_is_the_optimum(seed, strategy):
    system, load, _ = three_families(17, seed)
    found, best = system.control(load, 1, strategy), system.optimum(load)
    assert found.followers is None
    assert found.certified
    assert found.ratio == 1.0
    assert found.gap == found.optimum.certificate.gap
    assert found.mean_delay == best.mean_delay
    np.testing.assert_array_equal(found.flow, best.flow)
    np.testing.assert_array_equal(found.leader, best.flow)


# ---- fractions between 0 and 1


@each_strategy
@pytest.mark.parametrize("seed", some(20, quick=3, often=5))
def test_control_agrees_with_the_reference(seed, strategy):
    system, load, rng = three_families(17, 100 + seed)
    fraction = rng.uniform(0, 1)
    found, true = (
        system.control(load, fraction, strategy),
        controlled(system.bank, load, fraction, strategy),
    )
    assert found.certified
    assert found.fraction == fraction
    assert found.strategy == strategy
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * load)
    np.testing.assert_allclose(found.leader, true.leader, rtol=0, atol=1e-8 * load)
    assert found.followers.multiplier == pytest.approx(true.latency, rel=1e-8)


@each_strategy
@pytest.mark.parametrize("seed", some(10, quick=3, often=5))
def test_the_parts_of_a_controlled_split_fit(seed, strategy):
    system, load, rng = three_families(17, 200 + seed)
    fraction = rng.uniform(0.05, 0.95)
    found = system.control(load, fraction, strategy)
    assert found.leader.sum() == pytest.approx(fraction * load, rel=1e-12)
    assert found.flow.sum() == pytest.approx(load, rel=1e-12)
    assert np.all(found.flow >= found.leader)
    assert np.all(found.leader <= found.optimum.flow * (1 + 1e-12))
    latency, joined = system.bank.latency(found.flow), found.flow > found.leader + 1e-7 * load
    assert found.mean_delay == pytest.approx(float(found.flow @ latency) / load, rel=1e-12)
    # no server is faster than the used ones
    np.testing.assert_allclose(latency[joined], latency.min(), rtol=1e-8)
    assert found.ratio >= 1 - 1e-9


def test_largest_latency_first():
    best = THREE.optimum(LOAD)
    order = np.argsort(-best.latency)
    for fraction in (0.1, 0.3, 0.6, 0.9):
        leader, remaining = THREE.control(LOAD, fraction).leader, fraction * LOAD
        for i in order:
            assert leader[i] == pytest.approx(min(remaining, best.flow[i]), rel=1e-9, abs=1e-9)
            remaining = max(remaining - best.flow[i], 0.0)
        np.testing.assert_allclose(
            THREE.control(LOAD, fraction, "scale").leader, fraction * best.flow, rtol=1e-12
        )


@pytest.mark.parametrize("seed", some(12, quick=3, often=5))
def test_largest_latency_first_costs_at_most_the_fraction(seed):
    """The mean delay is at most 1/fraction times the optimum (Roughgarden 2004)."""
    system, load, _ = three_families(17, 300 + seed)
    for fraction in (0.02, 0.2, 0.5, 0.8):
        assert 1 - 1e-9 <= system.control(load, fraction).ratio <= (1 + 1e-9) / fraction


def test_more_control_of_two_near_servers_and_a_far_one():
    ratio = [THREE.control(LOAD, f).ratio for f in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert ratio[0] == pytest.approx(THREE.price_of_anarchy(LOAD), rel=1e-12)
    assert np.all(np.diff(ratio) <= 1e-12)
    assert ratio[-1] == 1.0


def test_control_of_one_server_and_of_equal_servers_changes_nothing():
    for system in (ParallelServers(MM1([10.0], 0.5)), ParallelServers(MM1([10.0] * 4, 0.5))):
        load = 0.6 * system.total_rate
        for fraction in (0.0, 0.4, 1.0):
            assert system.control(load, fraction, "scale").ratio == pytest.approx(1.0, abs=1e-12)
        assert price_of_optimum(system.optimum(load)) == 0
        assert system.control(load, 0.0).ratio == pytest.approx(1.0, abs=1e-12)


def test_control_without_polish_is_certified_wider():
    rough, fine = (THREE.control(LOAD, 0.3, solver="CLARABEL", polish=p) for p in (False, True))
    assert rough.gap > fine.gap
    assert rough.mean_delay == pytest.approx(fine.mean_delay, rel=1e-5)


# ---- the price of optimum


@pytest.mark.parametrize("seed", some(15, quick=3, often=5))
def test_the_price_of_optimum_is_the_reference_and_enough(seed):
    system, load, _ = three_families(17, 400 + seed)
    best = system.optimum(load)
    least = price_of_optimum(best)
    assert least == pytest.approx(exact_price(system.bank, load), rel=1e-8, abs=1e-9)
    for fraction in (least, least + 0.5 * (1 - least)):
        found = system.control(load, fraction)
        assert found.mean_delay == pytest.approx(best.mean_delay, rel=1e-9)
        np.testing.assert_allclose(found.flow, best.flow, rtol=0, atol=1e-7 * load)


@pytest.mark.slow
def test_less_than_the_price_of_optimum_is_not_enough():
    dear = 0
    for seed in range(15):
        system, load, _ = three_families(17, 400 + seed)
        best = system.optimum(load)
        least = price_of_optimum(best)
        if least > 0:
            dear += 1
            below = [system.control(load, part * least).mean_delay for part in (0.9, 0.98)]
            assert below[0] > best.mean_delay * (1 + 1e-9)
            assert below[1] > best.mean_delay * (1 + 1e-11)
    assert dear >= 10


def test_the_price_where_one_server_is_used():
    """At load 1 optimum and equilibrium use the first server only."""
    best = THREE.optimum(1.0)
    assert best.active.sum() == 1
    assert price_of_optimum(best) == 0
    assert THREE.control(1.0, 0.0).ratio == pytest.approx(1.0, abs=1e-12)


# ---- output, and errors


@each_strategy
def test_text_of_a_controlled_split(strategy):
    found = THREE.control(LOAD, 0.3, strategy)
    assert repr(found).startswith(f"0.3 of load 190 under control ({strategy}): mean delay 0.02")
    assert f"{found.ratio:.6f} of the optimum, within " in repr(found)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert set(record) == {
        "fraction",
        "strategy",
        "mean_delay",
        "ratio",
        "gap",
        "certified",
        "leader",
        "flow",
    }
    assert record["strategy"] == strategy
    assert record["certified"] is True
    assert record["flow"] == found.flow.tolist()
    assert record["ratio"] == found.ratio
    json.dumps(THREE.control(LOAD, 1.0, strategy).to_dict(), allow_nan=False)


@pytest.mark.parametrize(("fraction", "message"), [
    (-0.1, r"^fraction = -0.1: is not a part of the load; give a number from 0 to 1$"),
    (1.1, r"^fraction = 1.1: is not a part of the load; give a number from 0 to 1$"),
    (math.nan, r"^fraction = nan: is not a part of the load; give a number from 0 to 1$"),
    (math.inf, r"^fraction = inf: is not a part of the load; give a number from 0 to 1$"),
    ("half", r"^fraction = 'half': is not made of numbers; give a number or an array of numbers$"),
    (None, r"^fraction = None: is not made of numbers; give a number or an array of numbers$"),
    ([0.1, 0.2], r"^fraction = \[0.1, 0.2\]: is not one number; give one number$"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_a_bad_fraction_is_refused_before_any_solver(fraction, message):
    with pytest.raises(InputError, match=message):
        THREE.control(LOAD, fraction)


@pytest.mark.parametrize("strategy", ["LLF", "", None, 1, ["llf"]])
@pytest.mark.usefixtures("no_solver")
def test_a_bad_strategy_is_refused_before_any_solver(strategy):
    with pytest.raises(InputError, match=r"^strategy = .*: is not a strategy; use llf or scale$"):
        THREE.control(LOAD, 0.5, strategy)


@pytest.mark.parametrize(("load", "message"), [
    (0, r"^load = 0.0: there is nothing to split; give a load above 0$"),
    (-1.0, r"^load = -1.0: a load cannot be negative; give a load above 0$"),
    (380.0,
     r"^load = 380.0: not below the total rate 380: the queues grow without bound; lower the "
     r"load or add rate$"),
    (math.nan, r"^load = nan: is not a finite number; give a load in jobs per unit of time$"),
    ([100.0, 200.0],
     r"^load = \[100.0, 200.0\]: is not one number; give one load here; for many, use "
     r"curve\(loads\)$"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_a_bad_load_is_refused_before_any_solver(load, message):
    for ask in (lambda: THREE.control(load, 0.5), lambda: THREE.tolls(load)):
        with pytest.raises(LoadError, match=message):
            ask()


def test_bad_options_are_refused():
    with pytest.raises(FormulationError, match="'nonsense': is not one of the"):
        THREE.control(LOAD, 0.5, formulation="nonsense")
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'polsh'; did you mean polish\?$"
    ):
        THREE.tolls(LOAD, polsh=False)


# ---- tolls


@pytest.mark.parametrize("seed", some(15, quick=3, often=5))
def test_the_tolled_equilibrium_is_the_optimum(seed):
    system, load, _ = three_families(17, 500 + seed)
    found, best = system.tolls(load), optimum(system.bank, load)
    np.testing.assert_allclose(
        found.toll, tolls(system.bank, load), rtol=1e-6, atol=1e-9 * found.optimum.mean_delay
    )
    np.testing.assert_allclose(found.equilibrium.flow, found.optimum.flow, rtol=0, atol=1e-8 * load)
    np.testing.assert_allclose(found.equilibrium.flow, best.flow, rtol=0, atol=1e-8 * load)
    assert found.difference <= 1e-8
    assert found.mean_delay == pytest.approx(float(best.mean_delay), rel=1e-9)
    assert not found.toll[~found.optimum.active].any()
    assert np.all(found.toll[found.optimum.active] > 0)
    assert found.equilibrium.certified


def test_the_toll_is_what_a_job_adds_to_the_delay_of_the_others():
    found, h = THREE.tolls(LOAD), 1e-4
    x = found.optimum.flow
    slope = (THREE.bank.latency(x + h) - THREE.bank.latency(x - h)) / (2 * h)
    np.testing.assert_allclose(found.toll, x * slope, rtol=1e-7)


def test_without_tolls_the_users_do_worse():
    found = THREE.tolls(LOAD)
    assert found.mean_delay < float(equilibrium(THREE.bank, LOAD).mean_delay) * (1 - 1e-3)
    # latency plus toll is the same at all used servers: the marginal delay of the optimum
    np.testing.assert_allclose(
        THREE.bank.latency(found.equilibrium.flow) + found.toll, found.optimum.multiplier, rtol=1e-9
    )


def test_unused_servers_bear_no_toll():
    found = THREE.tolls(1.0)
    assert np.flatnonzero(found.toll).tolist() == [0]
    assert found.difference <= 1e-12


def test_text_of_tolls():
    assert repr(THREE.tolls(LOAD)).startswith(
        "tolls at load 190: 0.0186041, 0.0162992, 0.0123769; with them the equilibrium is the "
        "optimum"
    )
    many = repr(ParallelServers(MM1(np.linspace(5, 10, 20))).tolls(100.0))
    assert ", ...; with them" in many
    assert many.count(",") == 12


def test_names_and_unit_of_time_stay():
    system = ParallelServers(MM1([10.0, 5.0]), names=["near", "far"], time_unit="ms")
    assert system.tolls(6.0).equilibrium.names == ("near", "far")
    assert system.control(6.0, 0.3).followers.names == ("near", "far")


def test_control_of_many_servers_writes_a_program_a_leader():
    rng = np.random.default_rng(5)
    system = ParallelServers(MM1(rng.uniform(0.5, 2.0, 1200), rng.uniform(0, 1, 1200)))
    load = 0.6 * system.total_rate
    found = system.control(load, 0.3)
    assert found.certified
    assert found.mean_delay == pytest.approx(
        controlled(system.bank, load, 0.3).mean_delay, rel=1e-9
    )
