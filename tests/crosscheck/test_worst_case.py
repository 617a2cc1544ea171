"""10,000 random systems: bounds of branch and bound hold, and its worst load attains its value."""

import itertools

import numpy as np
import pytest
from chunks import chunks

from sojourn.models import MD1, MG1, MM1, ParallelServers
from sojourn.reference import MixedBank, candidate_worst_case, price_of_anarchy
from sojourn.reference.parallel import worst_case

GRID = np.concatenate(
    [np.linspace(0.008, 0.992, 124), 1 - 10.0 ** np.linspace(-2.5, -9, 26)]
)  # loads over total rate


def random_system(seed):
    """Draw 2 to 8 servers: by turns M/M/1, M/D/1, M/G/1 and all of them."""
    rng = np.random.default_rng([4, seed])
    n = int(rng.integers(2, 9))
    rate, delay = (
        10 ** rng.uniform(0, 3, n),
        np.where(rng.random(n) < 0.3, 0.0, 10 ** rng.uniform(-3.5, 0.5, n)),
    )
    cv = 10 ** rng.uniform(-1, 1.5, n)
    match seed % 4:
        case 0:
            return MM1(rate, delay)
        case 1:
            return MD1(rate, delay)
        case 2:
            return MG1(rate, cv if seed % 8 == 2 else cv[0], delay)
    edges = [0, *np.sort(rng.integers(0, n + 1, 2)), n]
    parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
    banks = [MM1(rate[parts[0]], delay[parts[0]]) if edges[1] else None]
    banks += [MD1(rate[p], delay[p]) if p.stop > p.start else None for p in parts[1:2]]
    banks += [MG1(rate[p], cv[p], delay[p]) if p.stop > p.start else None for p in parts[2:]]
    return MixedBank([b for b in banks if b is not None])


@pytest.mark.parametrize("seeds", chunks(10_000, 50, quick=100, often=500))
def test_no_load_of_a_dense_grid_is_above_the_bound(seeds):
    for seed in seeds:
        system = random_system(seed)
        found = worst_case(system)
        total = float(system.total_rate[0])
        # and densely around the worst load, where the bound is tight
        near = found.load + (GRID[::3] - 0.5) * 0.02 * min(found.load, total - found.load)
        last = [found.load] if found.load < total else []
        grid = price_of_anarchy(
            system, np.concatenate([GRID * total, near[(near > 0) & (near < total)], last])
        )
        assert found.certified, seed
        assert found.gap <= 1e-8, seed
        assert found.poa <= found.upper_bound, seed
        assert grid.max() <= found.upper_bound, seed
        if last:
            assert grid[-1] == pytest.approx(found.poa, rel=1e-12), seed


@pytest.mark.slow
def test_the_rule_holds_for_few_servers_of_one_cv():
    """Counterexamples to Corollary 2 with one cv for all have at least 21 servers: none here."""
    rng = np.random.default_rng(11)
    for trial in range(600):
        n = int(rng.integers(2, 6))
        delay = np.where(rng.random(n) < 0.3, 0.0, 10 ** rng.uniform(-3, 2, n))
        system = MG1(10 ** rng.uniform(-1, 2, n), (0.0, 1.0, 5.0)[trial % 3], delay)
        found, rule = worst_case(system), candidate_worst_case(system)
        assert found.candidate_poa == pytest.approx(rule.worst, rel=1e-12)
        assert found.upper_bound <= rule.worst * (1 + 2e-8)


@pytest.mark.parametrize("number", range(4))
def test_convex_programs_find_the_same(number):
    for seed in range(6 * number, 6 * number + 6):
        bank = random_system(seed)
        kind = {"MM1": MM1, "MD1": MD1, "MG1": MG1}
        banks = [
            kind[type(b).__name__](
                **({"cv": b.cv} if type(b).__name__ == "MG1" else {}), rate=b.rate, delay=b.delay
            )
            for b in _banks(bank)
        ]
        model, true = ParallelServers(*banks).worst_case(gap=1e-7), worst_case(bank)
        assert model.certified
        assert model.poa == pytest.approx(true.poa, rel=1.1e-7)
        assert model.upper_bound >= true.poa * (1 - 1e-12)
        assert model.candidate_poa == pytest.approx(true.candidate_poa, rel=1e-8)
        # what the two have in common their agreement does not vouch for
        assert "the bound between two loads" in model.shares
        assert true.shares == ""


def _banks(system):
    return system.banks
