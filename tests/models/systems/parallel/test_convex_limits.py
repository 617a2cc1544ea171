"""Convex limits of one's own: values, prices, programs, curves, studies and stored answers."""

from dataclasses import dataclass

import numpy as np
import pytest

from sojourn.models import (
    BPR,
    MM1,
    Budget,
    ConvexLimit,
    ConvexTerms,
    GroupShare,
    InputError,
    LateShare,
    LoadError,
    MaxUtilisation,
    MMc,
    ParallelServers,
)
from sojourn.models.core import solve
from sojourn.models.core.stored import stored_answers
from sojourn.models.systems.parallel.convex_inside import least_sum
from sojourn.reference.parallel.limits import cheapest

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be carried")
THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0


@dataclass(frozen=True)
class Power(ConvexLimit):
    """At most so many watts, where a server with the flow x takes x^2/4 watts."""

    at_most: float

    name = "power"
    load_dependence = "none"

    def terms(self, bank, flow, load):
        return ConvexTerms(flow**2 / 4, flow / 2, 0.5)

    def bound_at(self, load):
        return self.at_most


@dataclass(frozen=True)
class Near(ConvexLimit):
    """A sum of squares of the distances of the shares from given ones: it depends on the load."""

    share: tuple[float, ...]
    at_most: float

    name = "distance"

    def terms(self, bank, flow, load):
        off = flow / load - np.array(self.share)
        return ConvexTerms(off**2, 2 * off / load, 2 / load**2)

    def bound_at(self, load):
        return self.at_most


def test_a_quadratic_limit_has_its_closed_form():
    """Where the bound is the least power, x is even; above it, KKT: g + z x/2 is one number."""
    found = THREE.optimum(LOAD, subject_to=[Power(3100.0)])
    (limit,) = found.limits
    assert found.certified
    assert float(limit.value) == pytest.approx(3100.0, rel=1e-14)
    offered = THREE.bank.marginal(found.flow) + limit.price * LOAD * found.flow / 2
    np.testing.assert_allclose(offered, found.multiplier, rtol=1e-12)
    with pytest.raises(
        LoadError, match=r"power no less than 3008.33 where it is to be at most 3000"
    ):
        THREE.optimum(LOAD, subject_to=[Power(3000.0)])
    even = THREE.optimum(LOAD, subject_to=[Power(LOAD**2 / 12 * (1 + 1e-6))])
    np.testing.assert_allclose(even.flow, LOAD / 3, rtol=3e-3)


def test_terms_count_with_the_spare_capacity_that_is_given():
    """A float flow has 7 digits of this one; a limit that ignores it states what that costs."""
    bank, time = MM1([100.0]), 2e8
    flow, spare = np.array([100.0 - 1e-8]), np.array([1e-8])
    late = LateShare(time, 0.1).terms_at(bank, flow, spare, 100.0)
    assert late.value == pytest.approx(flow * np.exp(-2.0), rel=1e-15)
    eps = np.finfo(float).eps
    assert late.error == pytest.approx(16 * eps * (1 + 2) * late.value, rel=1e-12)
    assert late.error < 1e-8 * eps * late.slope * flow
    assert LateShare(time, 0.1).terms(bank, flow, 100.0).value != pytest.approx(
        late.value, rel=1e-9
    )
    own = Power(1.0).terms_at(bank, flow, spare, 100.0)
    assert own.error == pytest.approx(eps * flow**2 / 2)


def test_servers_without_a_rate_have_convex_limits():
    system = ParallelServers(BPR([1.0, 2.0], 50.0, 0.15))
    found = system.optimum(120.0, subject_to=[Power(1805.0)])
    assert found.certified
    assert float(found.limits[0].price) > 0
    assert found.flow @ found.flow / 4 == pytest.approx(1805.0, rel=1e-13)


def test_limits_of_several_kinds_bind_together():
    """The multipliers of all of them are differences of the mean delay."""
    cases = {
        (3700.0, 0.45, 0.05): ["power"],
        (1e5, 0.43, 0.003): ["late"],
        (1e5, 0.365, 0.00298): ["group", "late"],
        (4400.0, 0.43, 0.002957): ["late"],
    }
    for values, binding in cases.items():

        def at(changed, values=values):
            power, group, late = np.array(values) * (1.0 + changed)
            limits = [Power(power), GroupShare([0, 1], group), LateShare(0.1, late)]
            return THREE.optimum(LOAD, subject_to=limits)

        found = at(np.zeros(3))
        assert found.certified
        prices = [float(limit.price) for limit in found.limits]
        names = ("power", "group", "late")
        assert [name for name, price in zip(names, prices, strict=True) if price] == binding
        for j in range(3):
            step = 1e-6 * np.eye(3)[j]
            slope = (at(-step).mean_delay - at(step).mean_delay) / (2e-6 * values[j])
            assert prices[j] == pytest.approx(slope, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(
    "limits",
    [[Power(3100.0)], [Near((0.3, 0.3, 0.4), 0.01)], [LateShare(0.1, 0.0018), Power(4000.0)]],
    ids=str,
)
def test_a_curve_is_each_load_alone(limits):
    loads = [0.0, 40.0, 100.0, 160.0, 185.0, 200.0]
    data = THREE.curve(loads, "optimum", subject_to=limits)
    assert data["optimum_certified"].values[:3].all()
    for k, load in enumerate(loads[1:], 1):
        if data["reason"].values[k]:
            with pytest.raises(LoadError) as refused:
                THREE.optimum(load, subject_to=limits)
            assert data["reason"].values[k] == str(refused.value)
            continue
        one = THREE.optimum(load, subject_to=limits)
        assert data["optimum_delay"].values[k] == pytest.approx(one.mean_delay, rel=1e-12)
        assert data["optimum_multiplier"].values[k] == pytest.approx(one.multiplier, rel=1e-8)


@pytest.mark.parametrize(("limit", "count"), [(LateShare(0.1, 0.0021), 1), (Power(6000.0), 1)])
def test_one_program_is_compiled_for_all_loads(monkeypatch, limit, count):
    compiled = []

    class Counted(solve.Compiled):
        def __init__(self, *given):
            compiled.append(given)
            super().__init__(*given)

    monkeypatch.setattr(solve, "Compiled", Counted)
    data = THREE.curve(np.linspace(10, 140, 12), "optimum", subject_to=[limit])
    assert data["optimum_certified"].values.all()
    assert len(compiled) == count


def test_programs_of_other_servers_are_not_taken():
    """The cone of a limit has the numbers of its servers, so that no two banks share it."""
    for rate in (100.0, 150.0):
        system = ParallelServers(MM1([rate, 80.0], [0.005, 0.0]))
        loads, limits = [60.0, 100.0], [LateShare(0.08, 0.05)]
        rows = system._task("optimum", 60.0, subject_to=limits, polish=False, gap=1e-3).solve(
            np.array(loads)
        )
        for k, load in enumerate(loads):
            one = system.optimum(load, subject_to=limits)
            np.testing.assert_allclose(rows.flow[k], one.flow, rtol=1e-3)


def test_tangents_and_the_cone_lead_to_one_answer():
    limits = [LateShare(0.1, 0.055), MaxUtilisation(0.9)]
    bank = MM1([100.0, 80.0, 150.0], [0.005, 0.005, 0.020])
    same = MMc([100.0, 80.0, 150.0], [1, 1, 1], [0.005, 0.005, 0.020])
    one, other = (ParallelServers(own).optimum(230.0, subject_to=limits) for own in (bank, same))
    np.testing.assert_allclose(one.flow, other.flow, rtol=1e-11)
    assert one.limits[0].price == pytest.approx(float(other.limits[0].price), rel=1e-9)


def test_stored_flows_are_certified_again():
    limits = [LateShare(0.1, 0.003), Budget([1.0, 1.0, 0.9], 185.0)]
    question = THREE._task("optimum", LOAD, subject_to=limits).question
    found = THREE.optimum(LOAD, subject_to=limits)
    rows = question.certify_stored((np.array([LOAD]),), lambda name, n: found.flow[None])
    assert rows.certified.all()
    np.testing.assert_array_equal(rows.flow[0], found.flow)
    assert rows.gap[0] < 1e-12
    assert stored_answers() is None


def test_other_questions_refuse_a_convex_limit():
    with pytest.raises(InputError, match=r"'power': is not linear in the flows: only the optimum"):
        Power(3.0).linearise(THREE.bank, LOAD)


# ---- the split of the least sum


@pytest.mark.parametrize("seed", range(20))
def test_least_sum_of_exponentials_has_one_price(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    least, width = rng.uniform(0, 1, n), rng.uniform(0, 5, n)
    steep, most = np.exp(rng.uniform(-3, 6, n)), least + width
    load = least.sum() + rng.choice([1e-9, 0.3, 0.999999]) * width.sum()
    flow = least_sum(lambda x: steep * np.exp(steep * (x - most)), least, most, load)
    assert flow.sum() == pytest.approx(load, rel=1e-14)
    assert ((flow >= least) & (flow <= most)).all()

    def at(log_price):
        return np.clip(most + (log_price - np.log(steep)) / steep, least, most)

    low, high = -1e4, 1e2
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if at(middle).sum() < load else (low, middle)
    true, found = (np.exp(steep * (x - most)).sum() for x in (at(low), flow))
    assert found == pytest.approx(true, rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("seed", range(60))
def test_least_sum_of_constant_slopes_is_that_of_the_reference(seed):
    """Also where the cheapest servers can carry exactly the load, or have one price."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    least = rng.uniform(0, 1, n) * (rng.random(n) < 0.5)
    load = least.sum() + rng.uniform(0.1, 5)
    most = np.minimum(least + rng.uniform(0.5, 18, n), load)
    most[-1] = load
    slope = rng.choice([rng.uniform(0, 1, n), rng.integers(0, 3, n)])
    flow = least_sum(lambda x: np.broadcast_to(slope, x.shape), least, most, load)
    lowest = cheapest(least[None], most[None], slope, np.array([load]))[1][0]
    assert flow.sum() == pytest.approx(load, rel=1e-14)
    assert flow @ slope == pytest.approx(lowest, rel=1e-13)


def test_least_sum_of_constant_slopes_fills_the_cheapest():
    slope = np.array([3.0, 1.0, 2.0, 2.0])
    flow = least_sum(lambda x: np.broadcast_to(slope, x.shape), np.zeros(4), np.ones(4), 2.0)
    assert flow[[0, 1]].tolist() == [0.0, 1.0]
    assert flow.sum() == 2.0
