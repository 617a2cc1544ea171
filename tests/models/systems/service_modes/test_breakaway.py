"""Breakaway by semidefinite programs."""

import sys

import numpy as np
import pytest

from sojourn.models import DualMode, FormulationError, MultiMode, NotCertifiedError
from sojourn.models.core.native.base import RawSolutions
from sojourn.models.core.parametric import Compiled, CompiledOutputs
from sojourn.models.systems.service_modes.breakaway import CertifiedBreakaway
from sojourn.reference import service_modes as exact

reference = sys.modules["sojourn.reference.service_modes.breakaway"]
A, B, C = (DualMode.canonical(mu0=1.0, K=4.0, f=f) for f in ((0.1, 0.3), (0.05, 0.15), (0.25, 0.4)))


@pytest.mark.parametrize("solver", [None, "CLARABEL", "SCS"])
@pytest.mark.parametrize("system", [A, B], ids="AB")
def test_agrees_with_the_reference(system, solver):
    true, found = exact.breakaway(system.rates), system.breakaway(solver=solver)
    assert found.load == pytest.approx(true.load, rel=1e-8)
    assert found.p_before == 1
    assert found.p_after == pytest.approx(true.p_after, abs=1e-6)
    assert found.jump == 1 - found.p_after
    assert found.gap < 1e-7


def test_none_without_a_breakaway():
    assert C.breakaway() is None


@pytest.mark.parametrize("K", [1.5, 4.0, 30.0])
def test_ideal_modes_break_away_without_a_jump(K):
    found = DualMode.canonical(mu0=2.0, K=K, f=(0.0, 1.0)).breakaway()
    assert found.load == pytest.approx((K - np.sqrt(K)) * 2, rel=1e-9)
    assert found.jump < 1e-6


@pytest.mark.parametrize("rate", [
    [[1 / 0.9, 1 / 0.7], [1 / 0.1, 1 / 0.3]],  # the slower server last: K < 1
    [[6.0, 2.5], [20.0, 30.0], [4.0, 9.0]],
    [[3.0, 1.5], [1.0, 1.7]],
])  # fmt: skip
def test_other_systems(rate):
    system = MultiMode(rate)
    true, found = exact.breakaway(system.rates), system.breakaway()
    assert (true is None) == (found is None)
    if true is not None:
        assert found.load == pytest.approx(true.load, rel=1e-8)
        assert (found.p_before, found.p_after) == pytest.approx(
            (true.p_before, true.p_after), abs=1e-6
        )


def test_breakaway_near_saturation_is_found():
    """The modes become equally good at 0.999 of the largest load."""
    x = 0.9 / 1.1009
    system = MultiMode([[1.0, 1.0], [1 / x, 1 / 0.9], [1 / x, np.inf]])
    assert system.breakaway().load == pytest.approx(exact.breakaway(system.rates).load, rel=1e-8)


def test_no_answer_is_an_error_with_the_load(monkeypatch):
    def empty(self, *values, new=None):
        count, (wide, zero) = len(values[0][1]), (10, 5)
        raw = RawSolutions(
            np.full((count, wide), np.nan),
            np.full((count, zero), np.nan),
            ("broken",) * count,
            np.zeros(count),
        )
        return CompiledOutputs(raw, self.places)

    monkeypatch.setattr(Compiled, "solve", empty)
    with pytest.raises(
        NotCertifiedError,
        match=r"^no certified assignment at load .*, on the way to the breakaway.*broken",
    ):
        A.breakaway()


def test_what_the_search_shares_with_the_reference_is_stated():
    module = sys.modules[CertifiedBreakaway.__module__]
    assert (module.first_change, module.is_better) == (reference.first_change, reference.is_better)
    # the candidates are those of the semidefinite program
    assert "critical_points" not in vars(module)
    assert A.breakaway().shares.startswith("the bisection and the comparison with one mode alone")


def test_solver_without_the_cone_is_refused():
    with pytest.raises(FormulationError, match="PSD that the breakaway needs"):
        A.breakaway(solver="OSQP")
