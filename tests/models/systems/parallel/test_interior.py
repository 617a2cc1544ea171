"""The interior-point method against Newton steps, and by its own certificate."""

from itertools import count

import numpy as np
import pytest
from chunks import some
from late_limits import case

from sojourn.models import (
    MM1,
    Budget,
    GroupShare,
    LateShare,
    LoadError,
    MaxUtilisation,
    ParallelServers,
)
from sojourn.models.systems.parallel.certificate import certify_within
from sojourn.models.systems.parallel.combined_limits import combine_limits
from sojourn.models.systems.parallel.interior import interior_optimum

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0


def solved(system, load, limits):
    """Return the answer and its certificate; None where no limit between servers can bind."""
    load = np.array([load])
    combined = combine_limits(limits, system.bank, load)[0]
    if isinstance(combined, LoadError):
        return None
    own = combined[0].at(np.array([combined[1]])).limits(np.array([0]))
    if not own.bound.size:
        return None
    found = interior_optimum(system.bank, load, own)
    prices = np.array([found.price]), found.row_prices[None]
    return found, certify_within(system.bank, load, found.flow[None], own, *prices)


@pytest.mark.parametrize("seed", some(120, often=6))
@pytest.mark.parametrize("kind", ["MM1", "MMc", "MD1", "MG1"])
def test_its_own_certificate_is_tight(kind, seed):
    """No Newton step follows, so that the gap is that of the method alone."""
    answers = (solved(*case(drawn, kind)[:3]) for drawn in count(700 + seed, 1000))
    _, proof = next(answer for answer in answers if answer is not None)
    assert proof.gap[0] < 2e-11
    assert proof.violation[0] < 1e-13


@pytest.mark.parametrize(
    "limits",
    [
        [LateShare(0.1, 0.003)],
        [Budget([1, 0, 0], 44.0), MaxUtilisation(0.7)],
        [GroupShare([0, 1], 0.365), LateShare(0.1, 0.00298)],
    ],
    ids=str,
)
def test_flows_and_prices_are_those_of_the_optimum(limits):
    best, (found, proof) = THREE.optimum(LOAD, subject_to=limits), solved(THREE, LOAD, limits)
    np.testing.assert_allclose(found.flow, best.flow, rtol=1e-6)
    assert found.price == pytest.approx(best.multiplier, rel=1e-6)
    assert proof.gap[0] < 1e-11
    # a row of shares is in jobs per unit of time, and so its price that of the limit
    units = [LOAD if limit.limit == "budget" else 1.0 for limit in best.limits]
    prices = [
        u * float(b.price) for u, b in zip(units, best.limits, strict=True) if b.price.size == 1
    ]
    binding = [price for price in found.row_prices if price > 0]
    np.testing.assert_allclose(binding, [price for price in prices if price > 0], rtol=1e-5)
