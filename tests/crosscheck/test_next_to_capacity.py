"""Next to capacity: answers of any number of players have all digits, and certificates cover them.

The truth is that of ``routed``, in 110 digits.
"""

import math
from decimal import Decimal

import numpy as np
import pytest
import routed
import truths
from chunks import some
from shared_modes import random_modes

from sojourn.models import SharedModes
from sojourn.reference.routes import RouteFlow, engine
from sojourn.reference.routes.bounds import certify
from sojourn.reference.routes.capacity import capacity
from sojourn.reference.routes.few_players import changes_by_latencies
from sojourn.reference.routes.rerouting import (
    correction,
    distance_bound,
    player_costs,
    rerouting,
)
from sojourn.reference.routes.station_loads import station_loads
from sojourn.reference.service_modes.shared.routed import routed as routed_modes

PLAYERS = (2, 3, 4, 16, 1000, math.inf)
WIDE = Decimal("1e-14")  # what the certificate's own numbers lose by rounding


def modes_case(seed, digits):
    """Return random modes, and a case of their routes at 1 - 10^-digits of the capacity."""
    modes = random_modes(seed, stages=(2, 5), modes=(2, 7))
    system = routed_modes(modes)
    columns = system.routes.columns
    stations = [routed.Station("mm1", 1.0, 0.0)] * modes.stages
    load = float((1 - 10.0**-digits) * capacity(system).lower)
    work = columns.work.toarray()
    return modes, load, routed.case_of(stations, columns.group, work, columns.delay, [load])


def covers(proof, true, what):
    """Check that a certificate covers the truth; return the true error of the mean delay."""
    off = truths.off(proof.mean_delay, true.mean_delay)
    assert Decimal(proof.lower_bound) <= true.mean_delay * (1 + WIDE), what
    assert Decimal(proof.upper_bound) >= true.mean_delay * (1 - WIDE), what
    assert off <= proof.gap + 1e-14, what
    return off


@pytest.mark.parametrize("seed", some(300, quick=6, often=18))
def test_shared_modes_have_all_digits_next_to_capacity(seed):
    players, digits = PLAYERS[seed % len(PLAYERS)], 9 - seed // len(PLAYERS) % 5
    modes, load, case = modes_case(seed, digits)
    found = SharedModes._of_modes(modes, None, None, "s").equilibrium(load, players, gap=1e-9)
    true = routed.truth(case, players)
    # the last digit of the load is that of a spare capacity with 16 - digits digits
    assert covers(found.certificate, true, seed) <= 1e-13, seed
    used = found.assignment > 0
    exact = [float(v) for v in true.group_delay]
    if players == math.inf:
        np.testing.assert_allclose(found.mode_delay[used], exact[0], rtol=1e-12)


@pytest.mark.parametrize("seed", some(300, quick=4, often=8))
def test_certificates_of_routes_cover_the_truth_next_to_capacity(seed):
    rng = np.random.default_rng([31, seed])
    case = routed.random_case(seed)
    if not math.isfinite(case.capacity):
        case = routed.random_case(3 * seed + 1000)
    if not math.isfinite(case.capacity):
        return
    whole = capacity(case.system).lower
    case = case.scaled((1 - 10.0 ** -rng.integers(3, 10)) * whole)
    players = PLAYERS[int(rng.integers(len(PLAYERS)))]
    true = routed.truth(case, players)
    found = engine.solve(case.system, players)
    covers(certify(case.system, 1.0, found, players), true, seed)
    # and those of flows of floats a little off
    part = 10.0 ** rng.uniform(-17, -10)
    off = found.flow * (1 + part * rng.normal(size=found.flow.size))
    other = RouteFlow(found.columns, off).fitted(case.load)
    covers(certify(case.system, 1.0, other, players), true, seed)


@pytest.mark.parametrize("seed", some(300, quick=4, often=8))
def test_bounds_of_few_players_alone_cover_the_truth(seed):
    """Those of ``few_players`` hold at flows far from the equilibrium, and not full stations."""
    rng = np.random.default_rng([32, seed])
    _, load, case = modes_case(seed, rng.uniform(0.3, 9))
    players = float(rng.choice([1.5, 2, 3, 16, 1000]))
    true, system, own = routed.truth(case, players), case.system, 1 / players
    best = engine.solve(system, players)
    spare = 1.0 - float(np.max(best.station_flow))
    for part in 10.0 ** rng.uniform(-17, 0, 6):
        x = best.flow * (1 + part * spare * rng.normal(size=best.flow.size))
        flow = RouteFlow(best.columns, x).fitted(case.load)
        at = station_loads(system, flow, case.load)
        if not (at.spare_capacity > 0).all():
            continue
        costs = player_costs(system.bank, at, own)
        given = system, case.load, flow, at, costs
        better = correction(system, flow, at, costs, own)
        prices = [(costs.cost - costs.cost_error, None)]
        prices += [(better.price, better.rest)] if better is not None else []
        total = Decimal(float(at.flow @ costs.latency) + at.fixed_delay)
        change = (true.mean_delay * Decimal(load) - total) / total
        for price, rest in prices:
            saved = rerouting(*given, price, rest)
            proved = distance_bound(system.bank, at, costs, saved, 1 / (1 + own))
            if not np.isfinite(proved[1]):
                continue
            low, high = changes_by_latencies(*given, own, saved, proved)
            assert low / float(total) <= float(change) + 1e-14, (seed, part)
            assert high / float(total) >= float(change) - 1e-14, (seed, part)
