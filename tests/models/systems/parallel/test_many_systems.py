"""Answers of many systems in one pass are those of each system alone."""

from dataclasses import fields

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn.models import MM1, Constant, Function
from sojourn.models.core.tolerance import GapTolerance
from sojourn.models.latency import MixedLatency
from sojourn.models.systems.parallel.certificate import Certificates, accepted, rounding
from sojourn.models.systems.parallel.polish import polish_and_certify
from sojourn.models.systems.parallel.prices import GOALS, multiplier
from sojourn.reference.bank_rows import BankRows

BESIDE = MM1([150.0, 60.0], 0.01)
BANKS = {
    **FAMILIES,
    "mixed": MixedLatency([FAMILIES["M/G/1"], BESIDE]),
    "with a constant": MixedLatency([BESIDE, Constant([0.05, 0.2])]),
}
PARTS = [1e-6, 0.05, 0.5, 0.95, 1 - 1e-9]  # of the total rate


def points(bank):
    """Return banks, loads and a solver's inexact flows: every system at every load."""
    rng = np.random.default_rng(5)
    banks = [bank.with_extra_delay(rng.uniform(0.0, 0.05, len(bank))) for _ in range(4)]
    if not isinstance(bank, Function):
        banks[1:3] = [banks[1].in_unit(2.0), banks[2].in_unit(0.5)]
    total = [float(b.total_rate[0]) if np.isfinite(b.total_rate[0]) else 300.0 for b in banks]
    load = np.multiply.outer(total, PARTS).ravel()
    rate = np.array([np.where(np.isfinite(b.rate), b.rate, 100.0) for b in banks])
    share = rate / rate.sum(axis=1, keepdims=True)
    flow = load[:, None] * np.repeat(share, len(PARTS), axis=0)
    return banks, load, flow * rng.uniform(1 - 1e-7, 1 + 1e-7, flow.shape)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", BANKS)
def test_answers_of_many_systems_are_those_of_each(name, goal):
    banks, load, flow = points(BANKS[name])
    rows = BankRows.of(banks, len(PARTS))
    assert rows is not None
    together = polish_and_certify(rows, load, flow, goal, polish=True)
    met = accepted(GapTolerance.of({}), rows, load, together.flow, goal, together.certificates.gap)
    price = multiplier(rows, load, together.flow, goal)
    error = rounding(rows, load, together.flow, goal)
    for k in range(len(load)):
        bank = banks[k // len(PARTS)]
        one = slice(k, k + 1)
        alone = polish_and_certify(bank, load[one], flow[one], goal, polish=True)
        assert together.steps[k] == alone.steps[0]
        np.testing.assert_allclose(
            together.flow[k], alone.flow[0], rtol=1e-11, atol=1e-11 * load[k]
        )
        for field in fields(Certificates):
            got, expected = (
                getattr(c, field.name) for c in (together.certificates, alone.certificates)
            )
            scale = 1e-8 if field.name in ("gap", "potential_gap", "deviation_gain") else 0.0
            np.testing.assert_allclose(
                got[k], expected[0], rtol=1e-9, atol=scale, err_msg=field.name
            )
        own = multiplier(bank, load[one], alone.flow, goal)
        np.testing.assert_allclose(price[k], own[0], rtol=1e-8)
        np.testing.assert_allclose(
            error[k], rounding(bank, load[one], alone.flow, goal)[0], rtol=1e-5
        )
        gap = alone.certificates.gap
        assert met[k] == accepted(GapTolerance.of({}), bank, load[one], alone.flow, goal, gap)[0]
