"""At most a share of late jobs: against searches, differences, and the least share of any split."""

import copy
import math
from functools import cache

import numpy as np
import pytest
from chunks import chunks, some
from late_limits import case, late, met_by_a_split
from scipy.optimize import minimize

from sojourn.models import (
    BPR,
    MD1,
    MM1,
    Budget,
    InputError,
    LateShare,
    LoadError,
    MaxUtilisation,
    ParallelServers,
)
from sojourn.models.systems.parallel.certificate import certify_within
from sojourn.models.systems.parallel.combined_limits import combine_limits
from sojourn.reference import least_late_share

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD, WITHIN, LEAST = 190.0, 0.1, 0.002955645064  # and the least late share of any split


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


# ---- limits that a given split meets


@pytest.mark.parametrize("seed", some(100, quick=2, often=5))
@pytest.mark.parametrize("part", ["1e-9", "0.3", "0.9", "0.999999", "0.999999999"])
def test_limits_that_a_split_meets_have_a_certified_optimum(part, seed):
    system, load, limits, delay = met_by_a_split(seed, part)
    found = system.optimum(load, subject_to=limits)
    assert found.certified
    unused = 1 - float(part)  # a float flow has few digits of the spare capacity
    assert found.certificate.lower_bound <= delay * (1 + 1e-13 / unused)
    assert found.certificate.gap < 1e-10 + 1e-13 / unused
    for limit in found.limits:
        assert float(limit.value) <= float(limit.bound) * (1 + 1e-12 + 1e-15 / unused)


@pytest.mark.parametrize("seed", some(60, quick=1, often=3))
@pytest.mark.parametrize("part", ["1e-9", "0.3", "0.9"])
def test_answers_do_not_depend_on_the_unit_of_time(part, seed):
    found, other = (
        system.optimum(load, subject_to=limits)
        for system, load, limits, _ in (met_by_a_split(seed, part, scale) for scale in (1.0, 1e3))
    )
    assert other.mean_delay / 1e3 == pytest.approx(found.mean_delay, rel=1e-11)


@pytest.mark.parametrize("seed", [*some(200, quick=1, often=6), 49])
@pytest.mark.parametrize("family", [MM1, MD1])
def test_two_late_shares_that_few_splits_meet(family, seed):
    """One or both bind: the split is at an end of the feasible interval, or alone in it."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(3, 1, 2))
    system = ParallelServers(family(rate, rng.exponential(2 / rate.mean(), 2)))
    load = rng.choice([0.3, 0.6, 0.9]) * system.total_rate
    share = rng.uniform(0, 1)
    flow = np.array([share, 1 - share]) * load
    flow = np.clip(flow, load - 0.99 * rate[::-1], 0.99 * rate)
    delay = float(flow @ system.bank.latency(flow)) / load
    limits = [LateShare(f * delay, late(system, flow, f * delay)) for f in (1.5, 4.0)]
    found = system.optimum(load, subject_to=limits)
    assert found.certified
    assert found.certificate.lower_bound <= delay * (1 + 1e-12)


def true_late_jobs(family, mp, rate, flow, time):
    """Return x P(T > t) of a server, t less its delay; Crommelin's series for M/D/1."""
    if family is MM1:
        return flow * mp.exp(-(rate - flow) * time)
    wait = time - 1 / rate
    terms = (
        (flow * (k / rate - wait)) ** k / mp.factorial(k) * mp.exp(-flow * (k / rate - wait))
        for k in range(int(mp.floor(wait * rate)) + 1)
    )
    return flow * (1 - (1 - flow / rate) * mp.fsum(terms))


@pytest.mark.parametrize(
    ("family", "part"),
    [
        *((MM1, part) for part in ("1e-9", "0.5", "0.99", "0.999999", "0.999999999")),
        *((MD1, part) for part in ("1e-9", "0.5", "0.9")),
    ],
)
def test_the_certificate_covers_the_error_at_two_servers(family, part):
    """The limit alone gives the split of two servers: here by bisection at 200 digits."""
    mpmath = pytest.importorskip("mpmath")
    rates, away = np.array([10.0, 3.0]), np.array([0.25, 0.0])
    system, weight = ParallelServers(family(rates, away)), {MM1: 1, MD1: mpmath.mpf(0.5)}[family]
    load = float(part) * system.total_rate
    free = system.optimum(load)
    time = 2.5 * free.mean_delay
    fewest = least_late_share(system.bank, load, time)
    at_most = 0.5 * (float(fewest.share) + late(system, free.flow, time))
    found = system.optimum(load, subject_to=[LateShare(time, at_most)])
    with mpmath.workdps(200):
        total, pairs = mpmath.mpf(load), zip(map(mpmath.mpf, rates.tolist()), away, strict=True)
        servers = [*pairs]

        def sums(first):
            late_jobs = delay = 0
            for (mu, d), x in zip(servers, (first, total - first), strict=True):
                late_jobs += true_late_jobs(family, mpmath.mp, mu, x, mpmath.mpf(time) - d)
                delay += x * (d + 1 / mu + weight * x / (mu * (mu - x)))
            return late_jobs / total, delay / total

        over, under = mpmath.mpf(free.flow[0]), mpmath.mpf(float(fewest.flow[0]))
        assert sums(under)[0] < at_most < sums(over)[0]
        for _ in range(300):
            middle = (over + under) / 2
            over, under = (middle, under) if sums(middle)[0] > at_most else (over, middle)
        delay = sums(under)[1]
        proof = found.certificate
        rounding = 8 * np.finfo(float).eps * delay  # of sums; the gap has it
        assert proof.lower_bound - rounding <= delay <= proof.upper_bound + rounding
        assert abs(found.mean_delay - delay) <= proof.gap * delay
