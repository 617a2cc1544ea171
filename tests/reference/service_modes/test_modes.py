"""The canonical form in both directions, and the errors on bad input."""

import copy
import dataclasses
import pickle
import warnings

import numpy as np
import pytest
from strategies_dual_mode import random_system

from sojourn.reference.errors import InputError
from sojourn.reference.service_modes import Canonical, Modes, canonical

PAPER = Canonical(1.0, 4.0, 0.1, 0.3)


def printed_canonical(modes):
    """Section II.A, in the rates mu."""
    (l1, l2), (c1, c2) = modes.rate
    determinant = l1 * c2 - l2 * c1
    mu0 = l1 * l2 * (c2 - c1) / determinant
    K = c1 * c2 * (l1 - l2) / (l1 * l2 * (c2 - c1))
    return mu0, K, l2 * (c2 - c1) / determinant, l1 * (c2 - c1) / determinant


def random_dual(rng):
    """Random rates of a dual-mode system, without the canonical form."""
    l2, l1 = np.sort(10 ** rng.uniform(-2, 2, 2))
    c1, c2 = np.sort(10 ** rng.uniform(-2, 2, 2))
    return Modes([[l1, l2], [c1, c2]])


def test_the_paper_s_formulas_for_the_canonical_form():
    rng = np.random.default_rng(0)
    for _ in range(300):
        modes = random_dual(rng)
        (l1, l2), (c1, c2) = modes.rate
        # subtracting nearly equal rates loses digits in both forms
        lost = max(l1 / (l1 - l2), c2 / (c2 - c1))
        found = dataclasses.astuple(canonical(modes))
        np.testing.assert_allclose(found, printed_canonical(modes), rtol=1e-14 * lost)


def test_the_paper_s_formulas_for_the_rates():
    rng = np.random.default_rng(1)
    for _ in range(300):
        system = random_system(rng)
        mu0, K, f1, f2 = dataclasses.astuple(system)
        with np.errstate(divide="ignore"):
            expected = [
                [mu0 / np.float64(f1), mu0 / np.float64(f2)],
                [K * mu0 / np.float64(1 - f1), K * mu0 / np.float64(1 - f2)],
            ]
        np.testing.assert_allclose(system.dual_mode.rate, expected, rtol=1e-15)


def test_the_round_trip_from_the_rates():
    rng = np.random.default_rng(2)
    for _ in range(300):
        modes = random_dual(rng)
        (l1, l2), (c1, c2) = modes.rate
        system = canonical(modes)
        # f2 is rounded in its last place, and with it 1 - f2
        lost = max(l1 / (l1 - l2), c2 / (c2 - c1)) / (1 - system.f2)
        np.testing.assert_allclose(system.dual_mode.rate, modes.rate, rtol=1e-14 * lost)


def test_the_round_trip_from_the_canonical_form():
    rng = np.random.default_rng(3)
    for _ in range(300):
        system = random_system(rng)
        lost = 1 / (system.f2 - system.f1)
        found = dataclasses.astuple(canonical(system.dual_mode))
        np.testing.assert_allclose(
            found, dataclasses.astuple(system), rtol=1e-14 * lost, atol=1e-300
        )


@pytest.mark.parametrize(("f1", "f2"), [(0.0, 1.0), (0.0, 0.3), (0.2, 1.0)])
def test_a_mode_without_work_at_a_server_has_an_infinite_rate_there(f1, f2):
    modes = Canonical(2.0, 3.0, f1, f2).dual_mode
    assert np.isinf(modes.rate[0, 0]) == (f1 == 0)
    assert np.isinf(modes.rate[1, 1]) == (f2 == 1)
    assert np.isfinite([modes.rate[0, 1], modes.rate[1, 0]]).all()
    assert (modes.time == 0).sum() == (f1 == 0) + (f2 == 1)
    np.testing.assert_allclose(
        dataclasses.astuple(canonical(modes)), (2.0, 3.0, f1, f2), rtol=1e-14
    )


def test_a_fraction_whose_rate_overflows_is_no_work():
    """mu0 / f1 is above the largest float."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Canonical(1.0, 4.0, 1e-310, 0.3).dual_mode.time[0, 0] == 0


def test_local_parts_lie_between_those_of_the_modes():
    np.testing.assert_allclose(PAPER.local_part([0, 0.25, 1]), [0.3, 0.25, 0.1], rtol=1e-15)


@pytest.mark.parametrize(
    ("f", "efficient", "bottleneck"),
    [
        ((0.1, 0.3), True, None),
        ((0.05, 0.15), False, "cloud"),
        ((0.25, 0.4), False, "local"),
        ((0.2, 0.4), False, None),
        ((0.1, 0.2), False, None),
        ((0.0, 1.0), True, None),
    ],
)
def test_definition_1_and_the_bottleneck(f, efficient, bottleneck):
    system = Canonical(1.0, 4.0, *f)
    assert system.throughput_efficient is efficient
    assert system.bottleneck == bottleneck


def test_integers_and_numpy_scalars_are_numbers():
    plain = Canonical(1.0, 4.0, 0.0, 1.0).dual_mode.rate
    for kind in (int, np.int64, np.float32, np.float64):
        np.testing.assert_array_equal(Canonical(*map(kind, (1, 4, 0, 1))).dual_mode.rate, plain)
    assert Modes([[1, 2], [3, 4]]).rate.dtype == np.float64


def test_the_rates_are_a_read_only_copy():
    given = np.array([[4.0, 2.0], [1.0, 3.0]])
    modes = Modes(given)
    given[0, 0] = 7.0
    assert modes.rate[0, 0] == 4.0
    with pytest.raises(ValueError, match="read-only"):
        modes.rate[0, 0] = 1.0


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (
            [[1.0, 0.0], [3.0, 4.0]],
            r"rate\[0\]\[1\] = 0.0: is not above 0; "
            r"give a service rate above 0, inf for no work there",
        ),
        ([[1.0, 2.0], [-3.0, 4.0]], r"rate\[1\]\[0\] = -3.0: is not above 0"),
        ([[1.0, 2.0], [3.0, np.nan]], r"rate\[1\]\[1\] = nan: is not above 0"),
        ([[1.0, -np.inf], [3.0, 4.0]], r"rate\[0\]\[1\] = -inf: is not above 0"),
        ([[1e-310, 1.0]], r"rate\[0\]\[0\] = 1e-310: is not above 0"),
        (
            [[1.0, np.inf], [3.0, np.inf]],
            r"rate\[:\]\[1\] = \[inf, inf\]: the mode asks nothing of any stage; "
            r"give it a finite rate somewhere",
        ),
        (
            [[1.0, 2.0], [np.inf, np.inf]],
            r"rate\[1\] = \[inf, inf\]: no mode uses the stage; "
            r"give a mode a finite rate there, or leave the stage out",
        ),
        (
            [1.0, 2.0],
            r"rate = \[1.0, 2.0\]: is not an array of stages by modes; "
            r"give one row a stage, one number a mode",
        ),
        (3.0, r"rate = 3.0: is not an array of stages by modes"),
        ([], r"rate = \[\]: is not an array of stages by modes"),
        ([[[1.0]]], r"rate = \[\[\[1.0\]\]\]: is not an array of stages by modes"),
        ([[1.0, 2.0], [3.0]], r"rate = \[\[1.0, 2.0\], \[3.0\]\]: is not made of numbers"),
        ("fast", "rate = 'fast': is not made of numbers; give a number or an array of numbers"),
    ],
)
def test_bad_rates_are_refused(rate, message):
    with pytest.raises(InputError, match=message):
        Modes(rate)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (
            [[1.0, -1.0], [3.0, 4.0]],
            r"work\[0\]\[1\] = -1.0: is not a finite work of 0 or more; "
            r"give a work above 0, 0 for none there, or leave the mode out",
        ),
        ([[1.0, np.inf], [3.0, np.inf]], r"work\[0\]\[1\] = inf: is not a finite work"),
        ([[1.0, np.nan]], r"work\[0\]\[1\] = nan: is not a finite work"),
        ([[1.0, 1e-310]], r"work\[0\]\[1\] = 1e-310: is not a finite work"),
        ([[1.0, 1e305]], r"work\[0\]\[1\] = 1e\+305: is not a finite work"),
        (
            [[1.0, 0.0], [3.0, 0.0]],
            r"work\[:\]\[1\] = \[0.0, 0.0\]: the mode asks nothing of any stage; "
            r"give it a work above 0 somewhere",
        ),
        (
            [[0.0, 0.0], [3.0, 1.0]],
            r"work\[0\] = \[0.0, 0.0\]: no mode uses the stage; "
            r"give a mode a work above 0 there, or leave the stage out",
        ),
        ([1.0], r"work = \[1.0\]: is not an array of stages by modes"),
        ([["1"]], r"work = \[\['1'\]\]: is not made of numbers"),
    ],
)
def test_bad_works_are_refused(work, message):
    with pytest.raises(InputError, match=message):
        Modes.from_work(work)


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        ([0.0, -1.0], r"delay\[1\] = -1.0: is not a finite number of 0 or more; give the fixed"),
        ([0.0, np.inf], r"delay\[1\] = inf: is not a finite number of 0 or more"),
        ([np.nan, 0.0], r"delay\[0\] = nan: is not a finite number of 0 or more"),
        ([0.0], r"delay = \[0.0\]: is not one number for each of 2 modes; give one delay a mode"),
        (3.0, "delay = 3.0: is not one number for each of 2 modes"),
        ("long", "delay = 'long': is not made of numbers"),
    ],
)
def test_bad_fixed_delays_are_refused(delay, message):
    for make, given in ((Modes, [[1.0, 2.0]]), (Modes.from_work, [[1.0, 0.5]])):
        with pytest.raises(InputError, match=message):
            make(given, delay)


def test_a_fixed_delay_does_not_stand_in_for_work():
    with pytest.raises(InputError, match=r"work\[:\]\[1\] = .*asks nothing of any stage"):
        Modes.from_work([[1.0, 0.0]], [0.0, 3.0])


def test_works_are_kept_to_the_last_digit():
    work = np.random.default_rng(5).exponential(size=(3, 40))
    work[0, 3] = 0.0
    modes = Modes.from_work(work, np.arange(40.0))
    assert np.array_equal(modes.time, work)
    assert modes.rate[0, 3] == np.inf
    for copied in (copy.deepcopy(modes), pickle.loads(pickle.dumps(modes))):  # noqa: S301  # own data
        assert np.array_equal(copied.time, work)
        assert np.array_equal(copied.delay, modes.delay)


def test_some_of_the_modes():
    modes = Modes.from_work([[0.5, 0.0, 0.1], [0.0, 0.3, 0.7]], [1.0, 0.0, 2.0])
    some = modes.take([2, 0])
    np.testing.assert_array_equal(some.time, [[0.1, 0.5], [0.7, 0.0]])
    np.testing.assert_array_equal(some.delay, [2.0, 1.0])
    assert modes.take(slice(1, 2)).time.tolist() == [[0.0], [0.3]]
    with pytest.raises(ValueError, match="read-only"):
        some.time[0, 0] = 1.0


@pytest.mark.parametrize("indices", [[3], [0.5], "all", 1])
def test_indices_that_are_no_modes_are_refused(indices):
    with pytest.raises(InputError, match=r"^indices"):
        Modes([[1.0, 2.0, 3.0]]).take(indices)


@pytest.mark.parametrize("indices", [[], slice(0, 0), np.array([], dtype=int)])
def test_a_system_without_modes_is_refused(indices):
    with pytest.raises(InputError, match=r"^indices"):
        Modes([[1.0, 2.0, 3.0]]).take(indices)


def test_fixed_delays_have_no_canonical_form():
    with pytest.raises(InputError, match=r"^delay = \[0.0, 1.0\]: the canonical form has none"):
        canonical(Modes(PAPER.dual_mode.rate, [0.0, 1.0]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            (0.0, 4.0, 0.1, 0.3),
            "mu0 = 0.0: is not a finite number above 0; give the rate of the local server",
        ),
        ((-1.0, 4.0, 0.1, 0.3), "mu0 = -1.0: is not a finite number above 0"),
        ((np.inf, 4.0, 0.1, 0.3), "mu0 = inf: is not a finite number above 0"),
        (
            (1.0, 0.0, 0.1, 0.3),
            "K = 0.0: is not a finite number above 0; "
            "give the cloud's capacity over the local one's",
        ),
        ((1.0, -4.0, 0.1, 0.3), "K = -4.0: is not a finite number above 0"),
        ((1.0, np.nan, 0.1, 0.3), "K = nan: is not a finite number above 0"),
        ((1.0, 4.0, -0.1, 0.3), "f1 = -0.1: is not a part of the work; give a number from 0 to 1"),
        ((1.0, 4.0, 0.1, 1.3), "f2 = 1.3: is not a part of the work"),
        ((1.0, 4.0, np.nan, 0.3), "f1 = nan: is not a part of the work"),
        ((1.0, 4.0, 0.1, np.nan), "f2 = nan: is not a part of the work"),
        (
            (1.0, 4.0, 0.1, 0.1),
            r"f = \(0.1, 0.1\): the two modes are the same; use the tunable-mode system",
        ),
        (
            (1.0, 4.0, 0.3, 0.1),
            r"f = \(0.3, 0.1\): the modes are the wrong way round; .*give f = \(0.1, 0.3\)",
        ),
        (("much", 4.0, 0.1, 0.3), "mu0 = 'much': is not made of numbers"),
        ((1.0, 4.0, "few", 0.3), "f1 = 'few': is not made of numbers"),
    ],
)
def test_bad_capacities_and_fractions_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Canonical(*values)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: [v, v]])
def test_a_list_where_one_number_belongs_is_refused(place, wrap):
    values = [1.0, 4.0, 0.1, 0.3]
    values[place] = wrap(values[place])
    with pytest.raises(InputError):
        Canonical(*values)


@pytest.mark.parametrize("place", range(4))
def test_numbers_as_text_are_converted_or_refused(place):
    values = [1.0, 4.0, 0.1, 0.3]
    values[place] = str(values[place])
    try:
        system = Canonical(*values)
    except InputError:
        return
    np.testing.assert_array_equal(system.dual_mode.rate, PAPER.dual_mode.rate)


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (
            [[2.0, 4.0], [3.0, 1.0]],
            r"local = \(2.0, 4.0\): the modes are the wrong way round; "
            r".*give local=\(4, 2\), cloud=\(1, 3\)",
        ),
        (
            [[4.0, 2.0], [3.0, 3.0]],
            "mode 1 is at least as fast on both servers: mode 2 is of no use; "
            "leave mode 2 out, or give it the higher rate on one server",
        ),
        (
            [[2.0, 2.0], [1.0, 3.0]],
            "mode 2 is at least as fast on both servers: mode 1 is of no use",
        ),
        ([[3.0, 3.0], [1.0, 3.0]], "mode 2 is at least as fast on both servers"),
        (
            [[4.0, 2.0]],
            r"rate = \[\[4.0, 2.0\]\]: has 1 stage, 2 modes; give two rates of each of two stages",
        ),
        ([[4.0, 2.0, 1.0], [1.0, 2.0, 3.0]], "has 2 stages, 3 modes"),
    ],
)
def test_modes_without_a_canonical_form(rate, message):
    with pytest.raises(InputError, match=message):
        canonical(Modes(rate))


def test_the_swap_of_the_remedy_works():
    found = canonical(Modes([[4.0, 2.0], [1.0, 3.0]]))
    assert 0 < found.f1 < found.f2 < 1


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 1e100, 1e200])
def test_the_canonical_form_keeps_its_digits_in_any_unit_of_time(unit):
    found = canonical(Modes(PAPER.dual_mode.rate * unit))
    np.testing.assert_allclose(dataclasses.astuple(found), (unit, 4.0, 0.1, 0.3), rtol=1e-13)
