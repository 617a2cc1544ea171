"""Families that are not of the library are looked at before their first answer; rates and delays may be numbers; differences adapt."""

import math
import time

import numpy as np
import pytest

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
    """M/M/1 by its latency alone."""

    def __init__(self, rate, delay=0.0):
        self.rate, self.delay = np.array(rate, dtype=float), np.full(len(rate), float(delay))

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1 / (
            self.rate - np.asarray(flow) if spare_capacity is None else spare_capacity
        )


class WrongMarginal(Plain):
    """Of the issue of every certificate: mu/(mu - x) in the place of mu/(mu - x)^2."""

    def marginal(self, flow, spare_capacity=None):
        return self.rate / (self.rate - np.asarray(flow))


class WrongInverse(Plain):
    def inverse_marginal(self, marginal):
        return 0.99 * super().inverse_marginal(marginal)


class WrongPotential(Plain):
    def potential(self, flow):
        return 1.01 * super().potential(flow)


class InheritedInverse(MM1):
    """A latency of its own, but what is worked out of it is that of M/M/1."""

    def latency(self, flow, spare_capacity=None):
        return 2.0 * super().latency(flow, spare_capacity)


WRONG = WrongMarginal([10.0, 5.0])
NOT_ITS_DERIVATIVE = r"^marginal\[\d\] = .*: at load .* of server \d is not the derivative of x l\(x\), .*; correct it, or leave it out"


@pytest.mark.parametrize(
    "ask",
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
def test_a_wrong_marginal_is_refused_by_every_question(ask):
    with pytest.raises(InputError, match=NOT_ITS_DERIVATIVE):
        ask(WRONG)


def test_a_study_records_what_is_wrong():
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
def test_what_check_latency_refuses_is_refused_in_its_words(bank, message):
    with pytest.raises(LatencyCheckError, match=message):
        check_latency(bank)
    with pytest.raises(InputError, match=message):
        ParallelServers(bank).optimum(6.0)


def test_a_right_family_is_looked_at_once_a_bank_and_quickly(monkeypatch):
    looked = []
    bank, plain = Plain([10.0, 5.0, 3.0]), Plain.latency
    monkeypatch.setattr(
        Plain, "latency", lambda self, *args: (looked.append(1), plain(self, *args))[1]
    )
    assert bank.validated
    assert bank.validated
    assert len(looked) <= 30
    monkeypatch.undo()
    times = []
    for _ in range(20):
        fresh, started = Plain([10.0, 5.0, 3.0]), time.perf_counter()
        assert fresh.validated
        times.append(time.perf_counter() - started)
    assert min(times) < 0.003  # a millisecond, on a machine that does other things too


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), TypeError("only one flow")])
def test_what_a_family_raises_is_said(error):
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
    """Whatever it is given; latency a + x, or that of M/M/1."""

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
ASK = {
    "models": lambda bank: ParallelServers(bank).optimum(3.0).flow,
    "reference": lambda bank: reference.optimum(bank, 3.0).flow,
    "pool": lambda bank: reference.optimum([bank, reference.MM1(1e-9, 1e9)], 3.0).flow[:-1],
    "check": check_latency,
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
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
def test_a_number_stands_for_all_servers_and_no_delay_is_none(ask, make, flow):
    found = ask(make())
    if isinstance(found, np.ndarray):
        np.testing.assert_allclose(found, flow, rtol=1e-8)
    else:
        assert found.passed


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Given(a=TWO),
            r"^rate = None: is not given by Given; store the load that each server must stay below, or infinity",
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
            r"^rate = inf: is a property that gives no array of one float a server; give shape \(1,\)",
        ),
    ],
)
def test_a_rate_that_there_is_not_is_named(ask, make, message):
    with pytest.raises(InputError, match=message):
        ask(make())


# ---- differences


def akcelik(flow):
    """Travel time of a road of capacity 900 and J = 0.1 over an hour: it bends within one percent of the capacity."""
    z = np.asarray(flow) / 900.0
    return 0.1 + 0.25 * ((z - 1) + np.sqrt((z - 1) ** 2 + 8 * 0.1 * z / 900.0))


def akcelik_slope(flow):
    z = np.asarray(flow) / 900.0
    return (
        0.25
        / 900.0
        * (1 + ((z - 1) + 4 * 0.1 / 900.0) / np.sqrt((z - 1) ** 2 + 8 * 0.1 * z / 900.0))
    )


class Akcelik(Latency):
    def __init__(self):
        self.rate, self.delay = np.array([np.inf]), np.zeros(1)

    def latency(self, flow, spare_capacity=None):
        return self.delay + akcelik(flow)


class SaidAkcelik(Akcelik):
    def latency_slope(self, flow):
        return akcelik_slope(flow)


AT = np.array([903.41217])
MARGINAL = 0.394725085152478


def test_a_latency_that_bends_within_a_percent_of_the_load():
    value, error = differences(lambda x: x * akcelik(x), AT, np.array([np.inf]))
    assert value[0] == pytest.approx(MARGINAL, rel=1e-11)
    assert abs(value[0] - MARGINAL) <= error[0] < 1e-10
    for bank in (Akcelik(), SaidAkcelik()):
        assert bank.marginal(AT)[0] == pytest.approx(MARGINAL, rel=1e-11)
    points = np.linspace(700.0, 1100.0, 401)[:, None]
    np.testing.assert_allclose(Akcelik().latency_slope(points), akcelik_slope(points), rtol=1e-7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_its_right_derivative_is_taken(seed):
    assert check_latency(SaidAkcelik(), seed).passed
    assert check_latency(Akcelik(), seed).passed
    Function(akcelik, akcelik_slope, servers=1)
    with pytest.raises(LatencyCheckError, match="is not the derivative of"):
        check_latency(
            type(
                "Off", (SaidAkcelik,), {"latency_slope": lambda self, x: 1.001 * akcelik_slope(x)}
            )(),
            seed,
        )


@pytest.mark.parametrize("seed", range(20))
def test_differences_know_their_error(seed):
    rng = np.random.default_rng(seed)
    a, k, r = rng.uniform(0.1, 3.0), rng.uniform(1.0, 6.0), 10 ** rng.uniform(-3, 3)
    x = np.sort(rng.uniform(0.01, 0.999, 50)) * r
    cases = [
        (
            lambda y: a + (y / r) ** k,
            k / r * (x / r) ** (k - 1),
            k * (k - 1) / r**2 * (x / r) ** (k - 2),
            np.inf,
        ),
        (lambda y: a / (r - y), a / (r - x) ** 2, 2 * a / (r - x) ** 3, r),
        (
            lambda y: np.exp(a * y / r),
            a / r * np.exp(a * x / r),
            (a / r) ** 2 * np.exp(a * x / r),
            np.inf,
        ),
    ]
    for function, first, second, rate in cases:
        for true, order in ((first, False), (second, True)):
            value, error = differences(function, x, np.array(rate), second=order)
            assert np.all(np.abs(value - true) <= 30 * error)
        # as parts of function over flow, and over flow squared
        size = np.abs(function(x)) / x
        assert np.all(
            np.abs(slope(function, x, np.array(rate)) - first) <= 1e-11 * size + 1e-9 * first
        )
        assert np.all(
            np.abs(curvature(function, x, np.array(rate)) - second)
            <= 1e-8 * size / x + 1e-6 * second
        )


def test_a_kink_or_noise_within_the_step_shows_in_the_error():
    kinked, rate = (lambda x: 1.0 + np.maximum(x - 1.0, 0.0)), np.array([np.inf])
    for at in (1.0, 1.0 + 1e-7, 1.0 - 1e-7):
        value, error = differences(kinked, np.array([at]), rate)
        assert abs(value[0] - (at > 1)) <= 30 * error[0]
    noisy = lambda x: x + 1e-6 * np.sin(1e9 * x)  # noqa: E731
    _, error = differences(noisy, np.array([1.0]), rate)
    assert error[0] > 1e-6


@pytest.mark.slow
def test_noise_is_told_to_give_the_marginal():
    class Noisy(Plain):
        def latency(self, flow, spare_capacity=None):
            value = super().latency(flow, spare_capacity)
            return value * (1 + 1e-7 * np.sin(1e12 * np.asarray(flow)))

    report = check_latency(Noisy([10.0]), throw=False)
    said = {c.name: c for c in report.checks}
    assert not said["derivatives"].passed
    assert (
        "from differences of the latency; give `marginal` or `latency_slope`"
        in said["derivatives"].detail
    )
