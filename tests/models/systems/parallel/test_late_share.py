"""At most a share of late jobs: against searches, differences, and the least share of any split."""

import copy
import math
from functools import cache

import numpy as np
import pytest
from chunks import chunks
from scipy.optimize import minimize

from sojourn.models import (
    BPR,
    MD1,
    MG1,
    MM1,
    Budget,
    InputError,
    LateShare,
    LoadError,
    MaxUtilisation,
    MMc,
    ParallelServers,
)
from sojourn.models.systems.parallel.certificate import certify_within
from sojourn.models.systems.parallel.combined_limits import combine_limits
from sojourn.reference import least_late_share

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD, WITHIN, LEAST = 190.0, 0.1, 0.002955645064  # and the least late share of any split


def late(system, flow, within):
    """Return the share of all jobs that are late."""
    return float(flow @ system.bank.late_jobs(flow, within).share / flow.sum())


@cache
def within(at_most):
    return THREE.optimum(LOAD, subject_to=[LateShare(WITHIN, at_most)])


@pytest.mark.parametrize("at_most", [0.004, 0.003, LEAST * (1 + 1e-6)])
def test_a_binding_limit_is_met_with_equality_and_certified(at_most):
    found, (limit,) = within(at_most), within(at_most).limits
    assert found.certified
    assert found.certificate.gap < 1e-11
    assert found.certificate.violation <= 1e-14
    assert limit.limit == "late share"
    assert limit.bound == at_most
    assert float(limit.value) == pytest.approx(at_most, rel=1e-13)
    assert late(THREE, found.flow, WITHIN) == pytest.approx(at_most, rel=1e-13)
    assert math.fsum(found.flow) == pytest.approx(LOAD, rel=1e-15)
    assert str(limit).startswith(f"late share: binds at {at_most:.6g}, shadow price ")


@pytest.mark.parametrize("at_most", [0.0045, 0.0035, 0.003])
def test_the_shadow_price_is_the_difference(at_most):
    step = 1e-4 * (at_most - LEAST)
    down, up = (within(at_most + side * step).mean_delay for side in (-1, 1))
    assert float(within(at_most).limits[0].price) == pytest.approx(
        (down - up) / (2 * step), rel=1e-6
    )


def test_the_marginal_delays_differ_by_the_price_of_late_jobs():
    """KKT: g(x) + z (P + x P') is the multiplier of the load at every used server."""
    found = within(0.003)
    share, slope, _ = THREE.bank.late_jobs(found.flow, WITHIN)
    offered = THREE.bank.marginal(found.flow) + found.limits[0].price * (share + found.flow * slope)
    np.testing.assert_allclose(offered, found.multiplier, rtol=1e-11)


def test_a_limit_below_the_least_late_share_is_refused_with_that_share():
    with pytest.raises(LoadError, match=r"late share no less than 0.00295565 where it is to be at"):
        THREE.optimum(LOAD, subject_to=[LateShare(WITHIN, LEAST * (1 - 1e-6))])
    with pytest.raises(LoadError, match=r"\['budget', 'late share'\]: cannot be met together"):
        THREE.optimum(LOAD, subject_to=[LateShare(WITHIN, 0.003), Budget([1, 1, 0.5], 125)])
    with pytest.raises(LoadError, match=r"\['late share'\]: leave the late share no less than 1 "):
        THREE.optimum(LOAD, subject_to=[LateShare(0.001, 0.5), MaxUtilisation(0.9)])


@pytest.mark.parametrize(("time", "at_most"), [(WITHIN, 1.0), (0.001, 1.0), (WITHIN, 0.0047)])
def test_a_limit_that_binds_nowhere_changes_nothing(time, at_most):
    free, found = THREE.optimum(LOAD), THREE.optimum(LOAD, subject_to=[LateShare(time, at_most)])
    np.testing.assert_allclose(found.flow, free.flow, rtol=1e-14)
    assert found.certified
    assert str(found.limits[0]) == "late share: does not bind"
    assert float(found.limits[0].value) == pytest.approx(late(THREE, free.flow, time), rel=1e-12)


def test_limits_are_checked():
    for wrong, field in (
        (LateShare(-1.0, 0.1), "LateShare.within"),
        (LateShare([0.1, 0.2, 0.3], 0.1), "LateShare.within"),
        (LateShare(0.1, 1.5), "LateShare.at_most"),
        (LateShare(0.1, [0.1, 0.2, 0.3]), "LateShare.at_most"),
    ):
        with pytest.raises(InputError) as refused:
            THREE.optimum(LOAD, subject_to=[wrong])
        assert refused.value.field == field
    with pytest.raises(InputError, match=r"servers\[0\] = 'BPR': has no probability of late jobs"):
        ParallelServers(BPR(100.0, 0.1, 0.02)).optimum(50.0, subject_to=[LateShare(0.1, 0.2)])


def test_equilibria_and_whole_weights_refuse_the_limit():
    limits = [LateShare(WITHIN, 0.003)]
    with pytest.raises(InputError, match="selfish users keep no operator's limits"):
        THREE.equilibrium(LOAD, subject_to=limits)
    for refused in (
        lambda: within(0.003).weights(100),
        lambda: THREE.weights(LOAD, 100, subject_to=limits),
    ):
        with pytest.raises(InputError, match="bounds several servers together"):
            refused()


def test_copies_and_solvers_agree():
    found = within(0.003)
    assert str(copy.deepcopy(found)) == str(found)
    other = THREE.optimum(LOAD, subject_to=[LateShare(WITHIN, 0.003)], solver="SCS")
    np.testing.assert_allclose(other.flow, found.flow, rtol=1e-12)
    raw = THREE.optimum(LOAD, subject_to=[LateShare(WITHIN, 0.003)], polish=False, gap=1e-4)
    np.testing.assert_allclose(raw.flow, found.flow, rtol=1e-3)
    assert raw.certificate.lower_bound <= found.mean_delay * (1 + 1e-14)


# ---- random systems


def bank(rng, kind):
    n = int(rng.integers(2, 7))
    rate = np.exp(rng.normal(3, 1, n))
    delay = rng.exponential(2 / rate.mean(), n) * (rng.random(n) < 0.7)
    return {
        "MM1": lambda: MM1(rate, delay),
        "MD1": lambda: MD1(rate, delay),
        "MMc": lambda: MMc(rate / 2, rng.integers(1, 5, n), delay),
        "MG1": lambda: MG1(rate, rng.uniform(0, 2, n), delay),
    }[kind]()


def case(seed, kind):
    """Return a system, a load, limits that bind, and the least late share of the first limit."""
    rng = np.random.default_rng(seed)
    system = ParallelServers(bank(rng, kind))
    load = rng.choice([0.3, 0.6, 0.9, 0.99]) * system.total_rate
    best = system.optimum(load)
    time = best.mean_delay * rng.choice([1.5, 3, 6])
    least = float(least_late_share(system.bank, load, time).share)
    part, most = rng.choice([0.5, 0.1]), late(system, best.flow, time)
    limits = [LateShare(time, least + part * max(most - least, 1e-6 * least))]
    price = rng.random(len(system))
    more = [
        MaxUtilisation(min(1.0, 1.1 * load / system.total_rate)),
        Budget(price, 1.01 * float(price @ best.flow)),
        LateShare(2 * time, 0.98 * late(system, best.flow, 2 * time)),
    ]
    which = int(rng.integers(0, 4))
    return system, load, limits + more[which : which + 1], least


def searched(system, load, limits, start):
    """Return the least mean delay that a local search finds near a start."""
    combined, _ = combine_limits(limits, system.bank, np.array([load]))[0]
    own, n = combined.limits(np.array([0])), len(system)
    most = np.minimum(own.most[0], 0.99999 * system.bank.rate)

    def delay(x):
        return float(x @ system.bank.latency(x)) / load

    def kept(x):
        return -own.excess(x[None])[0] / own.bound[0]

    def kept_slopes(x):
        return -own.slopes(x[None]).reshape(-1, n) / own.bound[0][:, None]

    carried = {"fun": lambda x: x.sum() / load - 1, "jac": lambda x: np.ones(n) / load}
    found = minimize(
        delay,
        start,
        jac=lambda x: system.bank.marginal(x) / load,
        bounds=[*zip(own.least[0], most, strict=True)],
        constraints=[
            {"type": "eq", **carried},
            {"type": "ineq", "fun": kept, "jac": kept_slopes},
        ],
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 200},
    )
    inside = own.violation(np.array([load]), found.x[None])[0] < 1e-7
    return delay(found.x) if found.success and inside else math.inf


@pytest.mark.parametrize(
    ("kind", "seeds"),
    [
        pytest.param(kind, *chunk.values, id=f"{kind} {chunk.id}", marks=chunk.marks)
        for kind, often in (("MM1", 8), ("MMc", 4), ("MD1", 0), ("MG1", 0))
        for chunk in chunks(120, 4, often=often)
    ],
)
def test_a_local_search_finds_no_better_split(kind, seeds):
    agreed = 0
    for seed in seeds:
        system, load, limits, _ = case(700 + seed, kind)
        try:
            found = system.optimum(load, subject_to=limits)
        except LoadError:
            assert len(limits) == 2  # the second limit may contradict the first
            continue
        assert found.certified
        assert found.certificate.violation < 1e-12
        for limit in found.limits[:1]:
            assert float(limit.value) <= float(limit.bound) * (1 + 1e-12)
        starts = [found.flow * (1 + 1e-3), np.full(len(system), load / len(system))]
        best = min(searched(system, load, limits, start) for start in starts)
        assert best >= found.mean_delay * (1 - 1e-6)
        agreed += best <= found.mean_delay * (1 + 1e-6)
    assert agreed >= 1


@pytest.mark.parametrize("kind", ["MM1", "MMc", "MD1", "MG1"])
def test_the_least_share_is_that_of_the_reference(kind):
    """A refusal names it, and a limit slightly above it is met."""
    for seed in range(3):
        system, load, (limit, *_), least = case(40 + seed, kind)
        if least < 1e-12:
            continue
        with pytest.raises(LoadError, match=f"no less than {least:.6g} where"):
            system.optimum(load, subject_to=[LateShare(limit.within, least * (1 - 1e-5))])
        assert system.optimum(
            load, subject_to=[LateShare(limit.within, least * (1 + 1e-5))]
        ).certified


def test_no_multipliers_prove_too_much():
    """Weak duality with tangents anywhere: no bound is above the optimum."""
    rng = np.random.default_rng(5)
    limits = [Budget([1, 0, 0], 44.0), LateShare(WITHIN, 0.0032)]
    found, load = THREE.optimum(LOAD, subject_to=limits), np.array([LOAD])
    combined, _ = combine_limits(limits, THREE.bank, load)[0]
    own = combined.limits(np.array([0]))
    price = np.array([found.limits[0].price * LOAD, found.limits[1].price])
    assert (price > 0).all()
    for _ in range(300):
        size = rng.choice([1e-6, 0.01, 0.3])
        flow = np.clip(found.flow * np.exp(rng.normal(0, size, 3)), 0.0, 0.999 * THREE.bank.rate)
        c, z = (
            found.multiplier * math.exp(rng.normal(0, size)),
            price * np.exp(rng.normal(0, size, 2)),
        )
        proof = certify_within(
            THREE.bank, load, flow[None], own, np.array([c]), z[None], flow[None]
        )
        assert proof.lower_bound[0] <= found.mean_delay * (1 + 1e-13)
        assert proof.upper_bound[0] >= found.mean_delay * (1 - 1e-13)


@pytest.mark.parametrize("nines", [3, 5, 7, 9])
def test_next_to_saturation(nines):
    """A float flow has few digits of the spare capacity there: the gap is that of its rounding."""
    load = (1 - 10.0**-nines) * THREE.total_rate
    free = THREE.optimum(load)
    time = 3 * free.mean_delay
    least = float(least_late_share(THREE.bank, load, time).share)
    at_most = 0.5 * (least + late(THREE, free.flow, time))
    found = THREE.optimum(load, subject_to=[LateShare(time, at_most)])
    assert found.certified
    assert found.limits[0].price > 0
    assert found.certificate.gap < max(1e-9, 1e-14 * 10.0**nines)
    assert float(found.limits[0].value) == pytest.approx(at_most, rel=1e-15 * 10.0**nines + 1e-13)
