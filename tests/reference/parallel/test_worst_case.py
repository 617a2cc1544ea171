"""The true worst case: known values, other families, edges, and the bounds of cells."""

import math
import sys

import numpy as np
import pytest
from chunks import some
from polynomial import Plain, Polynomial

from sojourn.reference import (
    MD1,
    MG1,
    MM1,
    InputError,
    LoadError,
    MixedBank,
    equilibrium,
    optimum,
    price_of_anarchy,
)
from sojourn.reference.parallel import thresholds, worst_case
from sojourn.reference.parallel.saturation import saturation
from sojourn.reference.parallel.worst_case import cell_bound, evaluate, splitters

THREE = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])


def test_corollary_2_is_false_by_a_fifth():
    """A small counterexample: two servers of rate 1 without delay, cv 1 and 20."""
    found = worst_case(MG1([1.0, 1.0], [1.0, 20.0]))
    assert found.poa == pytest.approx(2.101683, abs=5e-7)
    assert found.load == pytest.approx(1.320485, abs=2e-4)
    assert (found.candidate_poa, found.candidate_load) == (pytest.approx(1.753549, abs=5e-7), 2.0)
    assert found.poa < found.upper_bound <= found.poa * (1 + 1e-8)


def test_the_rule_fails_without_bound():
    """As one cv grows the worst case grows as k^(1/3)/4, and the candidate tends to 2.

    The worst load is 1 + 1.5 k^(-1/3).
    """
    errors = []
    for cv in (1e4, 1e6, 1e8):
        k, found = (1 + cv**2) / 2, worst_case(MixedBank([MM1(1.0), MG1(1.0, cv)]))
        assert found.certified
        errors.append(abs(found.poa / (k ** (1 / 3) / 4) - 1))
        assert found.load - 1 == pytest.approx(1.5 * k ** (-1 / 3), rel=10 * k ** (-1 / 3) + 1e-3)
        assert found.candidate_poa == pytest.approx(2.0, rel=10 / cv)
    assert errors[0] < 0.01
    assert errors[2] < errors[1] < errors[0]


def test_theorem_5_is_false_and_the_worst_case_of_its_counterexample_is_an_activation():
    bank = MM1([10.0, 1.0], [0.0, 100.0])
    found = worst_case(bank)
    assert found.load == pytest.approx(thresholds(bank).equilibrium.max(), rel=1e-12)
    assert found.poa == found.candidate_poa == pytest.approx(16.35499, abs=1e-5)


def test_scenario_0_breaks_theorem_5_too():
    """A load above the chord of its neighbours, all after the last activation."""
    bank = MD1([214.5, 200.0, 98.0], [0.008, 0.022, 0.0315])
    start = thresholds(bank).equilibrium.max()
    loads = np.linspace(start, float(bank.rate.sum()) * (1 - 1e-6), 201)
    poa = price_of_anarchy(bank, loads)
    assert np.min(np.diff(poa, 2)) < -1e-6  # the rounding error is 1e-15


def test_saturation_can_be_the_worst():
    bank = MG1([1.0, 100.0], [5.0, 1.0])
    found = worst_case(bank)
    assert found.load == 101.0
    assert found.poa == pytest.approx(14 * 101 / (10 + 13**0.5) ** 2)
    assert found.certified


@pytest.mark.parametrize(
    "bank",
    [MM1(3.0), MM1([3.0, 3.0]), MG1([2.0] * 3, 4.0, 0.1), MixedBank([MM1(1.0), MG1(1.0, 1.0)])],
)
def test_equal_servers_have_a_price_of_anarchy_of_1(bank):
    found = worst_case(bank)
    assert (found.poa, found.upper_bound, found.gap, found.evaluations) == (1.0, 1.0, 0.0, 0)


def test_repr():
    text = repr(worst_case(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])))
    assert text.startswith(
        "worst price of anarchy 1.1194708 at load 80; "
        "no load up to 380 has more than 1.1194708\n  certified within "
    )
    assert text.endswith("loads looked at; by the paper's rule 1.1194708 at load 80")


def test_up_to_a_load():
    bank = MG1([1.0, 1.0], [1.0, 20.0])
    below = worst_case(bank, up_to=1.2)
    assert below.certified
    assert below.load == below.up_to == 1.2
    assert below.poa == pytest.approx(float(price_of_anarchy(bank, 1.2)), rel=1e-14)
    above = worst_case(bank, up_to=1.9)
    assert above.poa == pytest.approx(worst_case(bank).poa, rel=1e-8)
    assert worst_case(THREE, up_to=10.0).poa == 1.0


def test_a_family_from_outside_the_library():
    """Its largest load is (1 - 1e-6) of the total rate, as it has no variability k."""
    fields = [1.0, 2.0, 3.0], [0.0, 0.1, 0.2]
    plain, known = worst_case(Plain(*fields)), worst_case(MM1(*fields))
    assert plain.certified
    assert plain.poa == pytest.approx(known.poa, rel=1e-9)
    assert plain.up_to == pytest.approx(6.0 * (1 - 1e-6), rel=1e-15)
    assert known.up_to == 6.0


@pytest.mark.parametrize(
    ("gap", "message"),
    [
        (0.0, "gap = 0.0: is not a finite number above rounding error"),
        (math.inf, "gap = inf: is not"),
        (True, "gap = True: is true or false"),
        ("x", "gap = 'x': is not"),
        (math.nan, "gap"),
    ],
)
def test_bad_gap_is_refused(gap, message):
    with pytest.raises(InputError, match=message):
        worst_case(THREE, gap=gap)


@pytest.mark.parametrize(
    ("up_to", "error", "message"),
    [
        (
            400.0,
            LoadError,
            r"^up_to = 400.0: not below the total rate 380.*leave it out to search every load$",
        ),
        (0, LoadError, r"^up_to = 0: is not above 0; give the largest load to search$"),
        ("x", InputError, r"^up_to = 'x': is not made of numbers"),
    ],
)
def test_bad_largest_loads_are_refused(up_to, error, message):
    with pytest.raises(error, match=message):
        worst_case(THREE, up_to=up_to)


def test_infinite_rates_need_a_largest_load():
    with pytest.raises(InputError, match=r"^up_to = None: the rates are infinite"):
        worst_case(Polynomial([1.0, 0.0], [1.0, 1.0]))


def test_a_wider_gap_needs_fewer_loads():
    bank = MG1([1.0, 1.0], [1.0, 20.0])
    wide, narrow = worst_case(bank, gap=1e-3), worst_case(bank, gap=1e-11)
    assert wide.evaluations < narrow.evaluations
    assert wide.gap <= 1e-3
    assert narrow.gap <= 1e-11
    assert wide.upper_bound >= narrow.poa


def test_a_search_that_ends_early_has_a_wider_gap(monkeypatch):
    monkeypatch.setattr(sys.modules["sojourn.reference.parallel.worst_case"], "MAX_EVALUATIONS", 10)
    found = worst_case(MG1([1.0, 1.0], [1.0, 20.0]))
    assert not found.certified
    assert found.gap > 1e-8
    assert found.upper_bound >= 2.1016829


# ---- the bounds of cells


def test_cells_are_bounded_and_the_bound_tightens_quadratically():
    bank = MG1([1.0, 1.0], [1.0, 20.0])
    errors = []
    for width in (0.2, 0.1, 0.05):
        ends = np.array([1.3 - width, 1.3 + width])
        edges = evaluate(splitters(bank, ends), ends)
        inside = price_of_anarchy(bank, np.linspace(1.3 - width, 1.3 + width, 1001)).max()
        bound = float(cell_bound(edges.at(slice(0, 1)), edges.at(slice(1, 2)))[0])
        assert bound >= inside
        errors.append(bound - inside)
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


@pytest.mark.parametrize("seed", some(50, often=6))
def test_the_bound_next_to_saturation(seed):
    """Never below a dense grid, and close to it for a small spare capacity."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    bank = MG1(
        10 ** rng.uniform(-1, 2, n), 10 ** rng.uniform(-1, 1, n), 10 ** rng.uniform(-2, 1, n)
    )
    end, total = saturation(bank), float(bank.rate.sum())
    last = total - thresholds(bank).equilibrium.max()
    for part in (1.0, 0.3, 1e-2, 1e-4):
        edge = total - part * last
        point = evaluate(splitters(bank, np.array([edge])), np.array([edge]))
        bound = end.bound(
            float(point.spare_capacity[0]), float(point.latency[0]), float(point.total_delay[0])
        )
        grid = total - (total - edge) * np.concatenate(
            [np.linspace(1e-3, 1, 400), 10.0 ** np.arange(-6, -3)]
        )
        assert bound >= price_of_anarchy(bank, grid).max() * (1 - 1e-12)
    assert bound == pytest.approx(max(end.limit, float(price_of_anarchy(bank, edge))), rel=1e-2)


def test_latency_and_total_delay_are_convex_on_a_segment():
    """The two facts from which the bound of a cell follows."""
    loads = np.linspace(80.0, 379.0, 400)
    assert np.all(np.diff(equilibrium(THREE, loads).mean_delay, 2) > -1e-15)
    assert np.all(np.diff(optimum(THREE, loads).mean_delay * loads, 2) > -1e-12)


# ---- bounds from the literature


@pytest.mark.slow
def test_affine_latencies_have_a_price_of_anarchy_of_at_most_4_over_3():
    """T. Roughgarden, E. Tardos, How bad is selfish routing?, J. ACM 49 (2002)."""
    rng = np.random.default_rng(3)
    for _trial in range(60):
        n = int(rng.integers(2, 6))
        found = worst_case(
            Polynomial(
                np.where(rng.random(n) < 0.3, 0.0, rng.uniform(0, 2, n)),
                10 ** rng.uniform(-2, 1, n),
            ),
            up_to=20.0,
            gap=1e-6,
        )
        assert found.certified
        assert found.upper_bound <= 4 / 3 * (1 + 1e-6)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_pigou_meets_the_bound_of_its_degree(degree):
    """One server of latency 1, one of x^q: 1/(1 - q (q+1)^(-(q+1)/q)).

    T. Roughgarden, J. Comput. Syst. Sci. 67 (2003).
    """
    bound = 1 / (1 - degree * (degree + 1) ** (-(degree + 1) / degree))
    pigou = Polynomial([1.0, 0.0], [1e-9, 1.0], [1, degree])
    found = worst_case(pigou, up_to=5.0)
    assert found.poa == pytest.approx(bound, rel=1e-8)
    assert found.load == pytest.approx(1.0, rel=1e-8)
    assert found.upper_bound <= bound


@pytest.mark.parametrize("degree", [2, 3])
def test_polynomials_of_a_degree_keep_its_bound(degree):
    rng = np.random.default_rng(degree)
    bound = 1 / (1 - degree * (degree + 1) ** (-(degree + 1) / degree))
    for _trial in range(25):
        n = int(rng.integers(2, 5))
        power = rng.integers(1, degree + 1, n)
        found = worst_case(
            Polynomial(rng.uniform(0.01, 2, n), 10 ** rng.uniform(-2, 1, n), power),
            up_to=20.0,
            gap=1e-5,
        )
        assert found.upper_bound <= bound * (1 + 1e-5)


def test_mm1_without_delays_is_at_most_the_number_of_servers():
    """M. Haviv, T. Roughgarden, Oper. Res. Lett. 35 (2007); nearly so with one fast server."""
    rng = np.random.default_rng(5)
    for n in (2, 3, 5, 8):
        for _trial in range(10):
            assert worst_case(MM1(10 ** rng.uniform(-3, 3, n))).upper_bound <= n * (1 + 1e-8)
    assert worst_case(MM1([1e8, 1.0, 1.0])).poa == pytest.approx(3.0, rel=1e-3)
