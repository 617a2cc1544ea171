"""Every family passes `check_latency`; for one with a single error, it names the error."""

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from every_family import FAMILIES

from sojourn.models import (
    MM1,
    Cone,
    Function,
    InputError,
    Latency,
    LatencyCheckError,
    LatencyReport,
    check_latency,
)
from sojourn.models.latency import MixedLatency
from sojourn.reference import mg1


@pytest.mark.parametrize("bank", FAMILIES.values(), ids=FAMILIES)
def test_every_family_passes(bank):
    report = check_latency(bank)
    assert report.passed
    assert len(report.checks) == 14


def test_a_mixed_bank_of_families_with_and_without_cones_passes():
    mixed = MixedLatency([FAMILIES["M/M/1"], FAMILIES["polynomial"], FAMILIES["G/G/1-KLB"]])
    assert check_latency(mixed, seed=1).passed


def test_the_report_describes_each_check():
    report = check_latency(FAMILIES["M/M/c"])
    assert str(report).startswith("MMc, 3 servers: all properties hold\n  shapes ")
    assert "by tangents: total_cone, potential_cone, latency_cone" in str(report)
    assert "NaN and -1 in rate, servers, delay" in str(report)
    assert report.table().row_count == 14


class Wrong(MM1):
    """M/M/1, of which each subclass has one error."""


class WrongMarginal(Wrong):
    def marginal(self, flow, spare_capacity=None):
        return self.latency(flow, spare_capacity)


class WrongSlope(Wrong):
    def latency_slope(self, flow):
        return 1.01 * super().latency_slope(flow)


class WrongPotential(Wrong):
    def potential(self, flow):
        return super().potential(flow) + 0.1


class WrongInverse(Wrong):
    def inverse_latency(self, latency):
        return 0.99 * super().inverse_latency(latency)


class InfiniteInverse(Wrong):
    def inverse_marginal(self, marginal):
        return np.where(np.asarray(marginal) > self.idle_latency, np.inf, 0.0)


class WrongService(Wrong):
    @property
    def service(self):
        return 2.0 / self.rate


class Decreasing(Wrong):
    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 / (self.rate + np.asarray(flow))


class Concave(Latency):
    def __init__(self, rate, delay=0.0):
        self.rate, self.delay = np.array(rate, dtype=float), np.zeros(len(rate))

    def latency(self, flow, spare_capacity=None):
        return 1.0 + np.sqrt(np.asarray(flow, dtype=float))


class WrongCone(Wrong):
    def total_cone(self, flow, form=None):
        cone = super().total_cone(flow, form)
        return Cone(1.001 * cone.value, cone.constraints, cone.kinds)


class LowCone(Wrong):
    def latency_cone(self, flow):
        return Cone(cp.multiply(self.idle_latency, flow) * 0.0 + self.idle_latency, (), frozenset())


class WrongKinds(Wrong):
    def potential_cone(self, flow):
        cone = super().potential_cone(flow)
        return Cone(cone.value, cone.constraints, frozenset({"SOC"}))


class NotConvexByRules(Wrong):
    def total_cone(self, flow, form=None):
        return Cone(cp.multiply(flow, cp.inv_pos(self.rate - flow)), (), frozenset({"SOC"}))


class OneNumber(Wrong):
    def total_cone(self, flow, form=None):
        cone = super().total_cone(flow, form)
        return Cone(cp.sum(cone.value), cone.constraints, cone.kinds)


class WrongUnits(Wrong):
    times = ()


class Scalar(Wrong):
    def latency(self, flow, spare_capacity=None):
        return float(np.max(super().latency(flow, spare_capacity)))


class Fragile(Wrong):
    def inverse_marginal(self, marginal):
        raise ZeroDivisionError("oh")


@dataclass(frozen=True, eq=False)
class Unchecked(Latency):
    rate: Any
    delay: Any

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 / (
            self.rate - np.asarray(flow) if spare_capacity is None else spare_capacity
        )


WRONG = {
    WrongMarginal: (
        "derivatives",
        r"^derivatives: marginal\[\d\] = .*: at load .* of server \d is not the derivative of x "
        r"l\(x\), ",
    ),
    WrongSlope: (
        "derivatives",
        r"latency_slope\[\d\] = .* is not the derivative of the latency, .*; correct it, or "
        r"leave it out",
    ),
    WrongPotential: (
        "potential",
        r"potential\[\d\] = .*: at load .* is not the integral of the latency",
    ),
    WrongInverse: (
        "inverses",
        r"latency of inverse_latency\[\d\] = .* is not the one that it was asked for",
    ),
    InfiniteInverse: (
        "inverses",
        r"marginal of inverse_marginal\[\d\] = .* is not the one that it was asked for",
    ),
    WrongService: (
        "empty server",
        r"idle_latency\[1\] = 0.9: at load 0 of server 1 is not what the latency is there, 0.7; "
        r"correct service",
    ),
    Decreasing: (
        "increasing and convex",
        r"latency\[0\] = .*: at load .* falls from .*; give a latency that never falls",
    ),
    Concave: (
        "increasing and convex",
        r"latency\[0\] = .*: at load .* is not convex: it rises by .* a job before and .* after",
    ),
    WrongCone: (
        "cone values",
        r"total_cone\('inv_pos'\)\[\d\] = .* is not the value of its function",
    ),
    LowCone: ("cone values", r"latency_cone\[\d\] = .* is not the value of its function"),
    WrongKinds: (
        "kinds of cone",
        r"potential_cone.kinds = 'SOC': is declared, but CVXPY makes EXP; declare those",
    ),
    NotConvexByRules: (
        "DCP and DPP",
        r"total_cone\('inv_pos'\) = .*: is not DCP; write it with atoms of known curvature",
    ),
    OneNumber: (
        "DCP and DPP",
        r"total_cone\('inv_pos'\) = \(\): is the shape of its value; give one number per server, "
        r"shape \(2,\)",
    ),
    WrongUnits: (
        "units",
        r"scaled.latency\[\d\] = .* is not the same in the other unit, .*; name the fields in "
        r"rates and times",
    ),
    Scalar: (
        "shapes",
        r"latency = \(\): is its shape for flows of shape \(2,\); compute it elementwise, in NumPy",
    ),
    Fragile: (
        "inverses",
        r"inverses = 'ZeroDivisionError': was raised: oh; make it work for any load within the "
        r"capacity",
    ),
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: w.__name__)
def test_an_error_is_named_with_its_numbers(wrong):
    name, message = WRONG[wrong]
    with pytest.raises(LatencyCheckError, match=message) as caught:
        check_latency(wrong([10.0, 5.0], 0.5))
    assert caught.value.name == name
    first = next(c for c in caught.value.report.checks if not c.passed)
    assert first.name == name
    assert "WRONG" in str(caught.value.report)


def test_a_family_that_accepts_nan_fails():
    with pytest.raises(
        LatencyCheckError,
        match=r"bad input: rate\[0\] = nan: is taken without an error; raise InputError in the "
        r"constructor",
    ):
        check_latency(Unchecked(np.array([10.0, 5.0]), np.array([0.0, 0.5])))


def test_a_report_without_an_exception():
    report = check_latency(WrongCone([10.0, 5.0]), throw=False)
    assert isinstance(report, LatencyReport)
    assert not report.passed
    assert [c.name for c in report.checks if not c.passed] == ["cone values"]
    assert str(report).startswith("WrongCone, 2 servers: some properties do not hold")


def test_a_bank_without_cones_is_refused():
    with pytest.raises(
        InputError,
        match=r"is not a bank with cones; make its class a subclass of sojourn.models.Latency",
    ):
        check_latency(mg1.MM1([1.0]))


@pytest.mark.parametrize("seed", range(5))
def test_correct_families_pass_at_other_random_loads(seed):
    assert check_latency(Function(lambda x: 0.01 + x**2 / 1e4, servers=2), seed).passed
    assert check_latency(MM1(10.0 ** np.arange(-3.0, 4.0), 0.01), seed).passed


def test_a_latency_that_is_finite_beyond_the_rate_fails():
    class AssignedLater(Wrong):
        pass

    def formula(self, flow, spare_capacity=None):
        return self.delay + 1.0 / (
            self.rate - np.asarray(flow) if spare_capacity is None else np.asarray(spare_capacity)
        )

    AssignedLater.latency = formula
    with pytest.raises(
        LatencyCheckError,
        match=r"^edge of capacity: latency\[0\] = .*: at load 10, 1\.000000001 of its rate, is "
        r"not infinite; ",
    ):
        check_latency(AssignedLater([10.0, 5.0]))
    assert np.isposinf(AssignedLater([10.0, 5.0]).marginal([15.0, 5.0])).all()
