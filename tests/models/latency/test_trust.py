"""Families of users: checks before the first answer, scalar rates, and finite differences."""

import math
import time

import numpy as np
import pytest
from chunks import some

from sojourn import reference
from sojourn.models import (
    MM1,
    Function,
    InputError,
    Latency,
    LatencyCheckError,
    ParallelServers,
    Tandem,
    check_latency,
)
from sojourn.models.studies.batch import study
from sojourn.reference.finite_differences import curvature, differences, slope


class Plain(Latency):
    """M/M/1 by its latency only."""

    def __init__(self, rate, delay=0.0):
        self.rate, self.delay = np.array(rate, dtype=float), np.full(len(rate), float(delay))

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1 / (
            self.rate - np.asarray(flow) if spare_capacity is None else spare_capacity
        )


class WrongMarginal(Plain):
    """mu/(mu - x) instead of mu/(mu - x)^2, which would make every certificate wrong."""

    def marginal(self, flow, spare_capacity=None):
        return self.rate / (self.rate - np.asarray(flow))


class WrongInverse(Plain):
    def inverse_marginal(self, marginal):
        return 0.99 * super().inverse_marginal(marginal)


class WrongPotential(Plain):
    def potential(self, flow):
        return 1.01 * super().potential(flow)


class InheritedInverse(MM1):
    """A different latency with the closed forms of M/M/1."""

    def latency(self, flow, spare_capacity=None):
        return 2.0 * super().latency(flow, spare_capacity)


WRONG = WrongMarginal([10.0, 5.0])
NOT_ITS_DERIVATIVE = (
    r"^marginal\[\d\] = .*: at load .* of server \d is not the derivative of x l\(x\), .*; "
    r"correct it, or leave it out"
)


@pytest.mark.parametrize(
    "call",
    [
        lambda bank: ParallelServers(bank).optimum(6.0),
        lambda bank: ParallelServers(bank).equilibrium(6.0),
        lambda bank: ParallelServers(bank).equilibrium(6.0, players=2),
        lambda bank: ParallelServers(bank).curve([3.0, 6.0]),
        lambda bank: ParallelServers(bank).worst_case(),
        lambda bank: ParallelServers(bank).control(6.0, 0.5),
        lambda bank: ParallelServers(bank).tolls(6.0),
        lambda bank: ParallelServers(bank).sensitivity(6.0),
        lambda bank: ParallelServers(MM1(3.0), bank).optimum(6.0),
        lambda bank: ParallelServers(Tandem(bank, MM1([9.0, 9.0]))).optimum(6.0),
        lambda bank: ParallelServers(bank.in_unit(60.0)).optimum(6.0),
        lambda bank: reference.optimum(bank, 6.0),
        lambda bank: reference.equilibrium(bank, 6.0),
        lambda bank: reference.equilibrium(bank, 6.0, 2),
        lambda bank: reference.equilibrium([MM1([3.0]), bank], 6.0, 2),
        lambda bank: reference.worst_case(bank),
        lambda bank: reference.controlled(bank, 6.0, 0.5),
        lambda bank: reference.tolls(bank, 6.0),
        lambda bank: reference.limited_optimum(bank, 6.0),
    ],
)
def test_a_wrong_marginal_is_refused_by_every_question(call):
    with pytest.raises(InputError, match=NOT_ITS_DERIVATIVE):
        call(WRONG)


def test_a_study_records_the_error():
    data = study([ParallelServers(WRONG)], [3.0])
    assert "is not the derivative of x l(x)" in str(data["error"].values[0])


@pytest.mark.parametrize(
    ("bank", "message"),
    [
        (
            WrongInverse([10.0, 5.0]),
            r"marginal of inverse_marginal\[\d\] = .* is not the one that it was asked for",
        ),
        (WrongPotential([10.0, 5.0]), r"potential\[\d\] = .* is not the integral of the latency"),
        (
            InheritedInverse([10.0, 5.0]),
            r"is not (the derivative of x l\(x\)|what the latency is there)",
        ),
    ],
)
def test_check_latency_and_the_first_answer_raise_the_same_error(bank, message):
    with pytest.raises(LatencyCheckError, match=message):
        check_latency(bank)
    with pytest.raises(InputError, match=message):
        ParallelServers(bank).optimum(6.0)


def test_a_correct_family_is_checked_once_per_bank_and_quickly(monkeypatch):
    calls = []
    bank, plain = Plain([10.0, 5.0, 3.0]), Plain.latency

    def counted(self, *args):
        calls.append(1)
        return plain(self, *args)

    monkeypatch.setattr(Plain, "latency", counted)
    assert bank._validated
    assert bank._validated
    assert len(calls) <= 30
    monkeypatch.undo()
    times = []
    for _ in range(20):
        fresh, started = Plain([10.0, 5.0, 3.0]), time.perf_counter()
        assert fresh._validated
        times.append(time.perf_counter() - started)
    assert min(times) < 0.003  # a millisecond on an idle machine


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), TypeError("only one flow")])
def test_an_exception_of_a_family_is_reported(error):
    class Fragile(Plain):
        def latency(self, flow, spare_capacity=None):
            raise error

    with pytest.raises(
        InputError,
        match=f"Fragile = '{type(error).__name__}': was raised: {error}; make it work for any load",
    ):
        ParallelServers(Fragile([10.0])).optimum(6.0)


# ---- rates and delays


class Given(Latency):
    """Any attributes; latency a + x, or that of M/M/1 without an a."""

    def __init__(self, **given):
        vars(self).update(given)

    def latency(self, flow, spare_capacity=None):
        if hasattr(self, "a"):
            return self.delay + self.a + np.asarray(flow)
        return self.delay + 1 / (
            self.rate - np.asarray(flow) if spare_capacity is None else spare_capacity
        )


class OfClass(Latency):
    rate = math.inf

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 + np.asarray(flow)


class Fixed(OfClass):
    @property
    def rate(self):
        return math.inf


TWO = np.array([1.0, 2.0])
CALLS = {
    "models": lambda bank: ParallelServers(bank).optimum(3.0).flow,
    "reference": lambda bank: reference.optimum(bank, 3.0).flow,
    "mixed": lambda bank: reference.optimum([bank, reference.MM1(1e-9, 1e9)], 3.0).flow[:-1],
    "check": check_latency,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("make", "flow"),
    [
        (lambda: Given(rate=math.inf, delay=0.0, a=TWO), [1.75, 1.25]),
        (lambda: Given(rate=math.inf, a=TWO), [1.75, 1.25]),
        (lambda: Given(rate=[9, 9]), [1.5, 1.5]),
        (lambda: Given(rate=9.0, delay=[0.0, 0.0]), [1.5, 1.5]),
        (lambda: Given(rate=np.array([9, 9]), delay=0), [1.5, 1.5]),
        (lambda: Given(rate=math.inf, a=1.0), [3.0]),
        (OfClass, [3.0]),
    ],
)
def test_a_number_is_for_all_servers_and_the_default_delay_is_0(call, make, flow):
    result = call(make())
    if isinstance(result, np.ndarray):
        np.testing.assert_allclose(result, flow, rtol=1e-8)
    else:
        assert result.passed


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Given(a=TWO),
            r"^rate = None: is not given by Given; store the load that each server must stay "
            r"below, or infinity",
        ),
        (lambda: Given(a=TWO, delay=[0.0, 1.0]), r"^rate = None: is not given by Given"),
        (lambda: Given(a=TWO, rate="fast"), r"^rate = 'fast': is not made of numbers"),
        (
            lambda: Given(a=TWO, rate=[9.0, -9.0]),
            r"^rate\[1\] = -9.0: a server needs a rate above 0",
        ),
        (
            lambda: Given(a=TWO, rate=[9.0] * 3, delay=[0.0, 1.0]),
            r"^delay = \[0.0, 1.0\]: has 2 values where rate has 3",
        ),
        (
            Fixed,
            r"^rate = inf: is a property that gives no array of one float a server; give shape "
            r"\(1,\)",
        ),
    ],
)
def test_a_missing_or_invalid_rate_is_named(call, make, message):
    with pytest.raises(InputError, match=message):
        call(make())


# ---- differences


def akcelik(flow):
    """Akcelik's travel time (capacity 900, J = 0.1, one hour) bends within 1 % of the capacity."""
    z = np.asarray(flow) / 900.0
    return 0.1 + 0.25 * ((z - 1) + np.sqrt((z - 1) ** 2 + 8 * 0.1 * z / 900.0))


def akcelik_slope(flow):
    z = np.asarray(flow) / 900.0
    root = np.sqrt((z - 1) ** 2 + 8 * 0.1 * z / 900.0)
    return 0.25 / 900.0 * (1 + ((z - 1) + 4 * 0.1 / 900.0) / root)


class Akcelik(Latency):
    def __init__(self):
        self.rate, self.delay = np.array([np.inf]), np.zeros(1)

    def latency(self, flow, spare_capacity=None):
        return self.delay + akcelik(flow)


class AkcelikWithSlope(Akcelik):
    def latency_slope(self, flow):
        return akcelik_slope(flow)


AT = np.array([903.41217])
MARGINAL = 0.394725085152478


def test_a_latency_that_bends_within_a_percent_of_the_load():
    value, error = differences(lambda x: x * akcelik(x), AT, np.array([np.inf]))
    assert value[0] == pytest.approx(MARGINAL, rel=1e-11)
    assert abs(value[0] - MARGINAL) <= error[0] < 1e-10
    for bank in (Akcelik(), AkcelikWithSlope()):
        assert bank.marginal(AT)[0] == pytest.approx(MARGINAL, rel=1e-11)
    points = np.linspace(700.0, 1100.0, 401)[:, None]
    np.testing.assert_allclose(Akcelik().latency_slope(points), akcelik_slope(points), rtol=1e-7)


@pytest.mark.parametrize("seed", some(3, often=1))
@pytest.mark.slow
def test_its_derivative_is_accepted_and_a_wrong_one_refused(seed):
    assert check_latency(AkcelikWithSlope(), seed).passed
    assert check_latency(Akcelik(), seed).passed
    Function(akcelik, akcelik_slope, servers=1)

    class WrongByATenthOfAPercent(Akcelik):
        def latency_slope(self, flow):
            return 1.001 * akcelik_slope(flow)

    with pytest.raises(LatencyCheckError, match="is not the derivative of"):
        check_latency(WrongByATenthOfAPercent(), seed)


@pytest.mark.parametrize("seed", range(20))
def test_differences_bound_their_error(seed):
    rng = np.random.default_rng(seed)
    a, k, r = rng.uniform(0.1, 3.0), rng.uniform(1.0, 6.0), 10 ** rng.uniform(-3, 3)
    x = np.sort(rng.uniform(0.01, 0.999, 50)) * r
    u, e = x / r, np.exp(a * x / r)
    cases = [
        (
            lambda y: a + (y / r) ** k,
            k / r * u ** (k - 1),
            k * (k - 1) / r**2 * u ** (k - 2),
            np.inf,
        ),
        (lambda y: a / (r - y), a / (r - x) ** 2, 2 * a / (r - x) ** 3, r),
        (lambda y: np.exp(a * y / r), a / r * e, (a / r) ** 2 * e, np.inf),
    ]
    for function, first, second, rate in cases:
        for true, order in ((first, False), (second, True)):
            value, error = differences(function, x, np.array(rate), second=order)
            assert np.all(np.abs(value - true) <= 30 * error)
        # errors relative to function over flow, and over flow squared
        size = np.abs(function(x)) / x
        error = np.abs(slope(function, x, np.array(rate)) - first)
        assert np.all(error <= 1e-11 * size + 1e-9 * first)
        error = np.abs(curvature(function, x, np.array(rate)) - second)
        assert np.all(error <= 1e-8 * size / x + 1e-6 * second)


def test_a_kink_or_noise_within_the_step_increases_the_error_bound():
    def kinked(x):
        return 1.0 + np.maximum(x - 1.0, 0.0)

    def noisy(x):
        return x + 1e-6 * np.sin(1e9 * x)

    rate = np.array([np.inf])
    for load in (1.0, 1.0 + 1e-7, 1.0 - 1e-7):
        value, error = differences(kinked, np.array([load]), rate)
        assert abs(value[0] - (load > 1)) <= 30 * error[0]
    _, error = differences(noisy, np.array([1.0]), rate)
    assert error[0] > 1e-6


@pytest.mark.slow
def test_a_noisy_latency_needs_its_marginal():
    class Noisy(Plain):
        def latency(self, flow, spare_capacity=None):
            value = super().latency(flow, spare_capacity)
            return value * (1 + 1e-7 * np.sin(1e12 * np.asarray(flow)))

    report = check_latency(Noisy([10.0]), throw=False)
    check = next(c for c in report.checks if c.name == "derivatives")
    assert not check.passed
    assert "from differences of the latency; give `marginal` or `latency_slope`" in check.detail
