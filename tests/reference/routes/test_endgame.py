"""Flows next to capacity are settled to rounding, whatever the number of players."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array

from sojourn.models import MG1, MM1
from sojourn.models.latency.base import as_latency
from sojourn.reference.compensated_sum import EPS
from sojourn.reference.routes import Columns, ListedRoutes, RoutedSystem
from sojourn.reference.routes.augmented import Augmented
from sojourn.reference.routes.bounds import certify
from sojourn.reference.routes.capacity import capacity
from sojourn.reference.routes.engine import solve
from sojourn.reference.routes.link_space import Differences

DELAYS = [[0.01, 0.05, 0.09], [0.08, 0.02, 0.06], [0.07, 0.04, 0.03]]


@pytest.fixture(scope="module")
def shared():
    """Return three groups at three servers, two of one family and one of another."""
    bank = as_latency((MM1([30.0, 70.0]), MG1([45.0], [2.0])))
    group, server = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)
    columns = Columns(group, csr_array(np.eye(3)[server]), np.ravel(DELAYS))
    return RoutedSystem(bank, ListedRoutes(columns, 3), np.array([20.0, 35.0, 40.0]))


# at 8 digits a few players are followed to the end in most systems, not in all
CASES = [
    (d, k) for d in range(3, 9) for k in (1.0, 2.0, 5.0, math.inf) if d < 8 or k in (1, math.inf)
]


@pytest.mark.parametrize(("digits", "players"), CASES)
def test_rounding_alone_is_left_of_the_gap(shared, digits, players):
    multiple = (1 - 10.0**-digits) * capacity(shared).lower
    proof = certify(shared, multiple, solve(shared, players, multiple), players)
    assert proof.utilisation > 1 - 100 * 10.0**-digits
    assert proof.potential_gap <= 8 * EPS
    assert proof.gap <= max(proof.rounding, 1e-13)


def test_both_forms_of_the_equations_have_the_same_step(shared):
    columns, rng = shared.routes.columns, np.random.default_rng(7)
    at = SimpleNamespace(weight=rng.uniform(0.1, 3, 9), slope=np.array([0.5, 0.0, 2.0]))
    right = rng.normal(size=9), rng.normal(size=3), rng.normal(size=3), rng.normal(size=3)
    one, other = (
        kind(columns, 3, at.weight, at.slope).solve(*right) for kind in (Augmented, Differences)
    )
    for name in ("flow", "station_flow", "price", "level"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-11, atol=1e-12)
