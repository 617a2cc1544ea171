"""Digests are the same for the same thing, and others for others; test_workers goes on with a study of another process."""

from functools import partial

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn.models import MM1, DualMode, ParallelServers
from sojourn.models.studies.batch.fingerprint import Fingerprint


def of(value):
    return Fingerprint().of(value)


def family(factor=1.0, body="return FACTOR * super().latency(flow, spare)"):
    """A class of a module of a user's own, with a constant around it."""
    names = {"__name__": "mine", "MM1": MM1, "FACTOR": factor}
    exec(f"class Mine(MM1):\n    def latency(self, flow, spare=None):\n        {body}\n", names)  # noqa: S102
    return names["Mine"]


@pytest.mark.parametrize("name", FAMILIES)
def test_solving_changes_nothing(name):
    system = ParallelServers(FAMILIES[name])
    before = of(system)
    system.optimum(0.5)
    system.bank.service  # noqa: B018
    assert of(system) == before


def test_every_family_has_another():
    assert len({of(bank) for bank in FAMILIES.values()}) == len(FAMILIES)


@pytest.mark.parametrize(("one", "other"), [
    (1, 1.0), (1, "1"), (1, True), ((1,), [1]), ([[1], 2], [1, [2]]), (["ab"], ["a", "b"]), (None, "None"), ({"a": 1}, {"a": 2}),
    (np.zeros(2), np.zeros(2, np.int64)), (np.zeros((2, 1)), np.zeros((1, 2))), (np.nan, np.inf), ({1, 2}, {1, 3}),
    (MM1([1.0, 2.0]), MM1([1.0, 2.5])), (ParallelServers(MM1([1.0])), ParallelServers(MM1([1.0]), time_unit="ms")),
    (DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.31))),
    (lambda x: x + 1, lambda x: x + 2), (partial(max, 1), partial(max, 2)),
    (family(), family(2.0)), (family(), family(body="return super().latency(flow, spare)")), (family()([1.0]), MM1([1.0])),
])  # fmt: skip
def test_what_differs_has_another(one, other):
    assert of(one) != of(other)
    assert of(one) == of(one)


def test_code_is_what_it_does_not_where_it_is():
    assert of(family()([1.0, 2.0])) == of(family()([1.0, 2.0]))
    assert of([family()([1.0]), family()([1.0])]) == of([family()([1.0])] * 2)


def test_things_that_hold_themselves_end():
    loop = [1]
    loop.append(loop)
    assert of(loop) == of(loop)
