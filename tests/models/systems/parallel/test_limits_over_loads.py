"""The optima within limits of many loads in one pass are those of each load alone."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from chunks import some
from families import answered, rows_case

from sojourn.models import (
    BPR,
    MM1,
    Budget,
    Constant,
    GroupShare,
    InputError,
    LateShare,
    Limit,
    LinearLimit,
    LoadError,
    MaxShare,
    MaxUtilisation,
    MinShare,
    ParallelServers,
    ServerPercentile,
)
from sojourn.models.core import solve
from sojourn.models.systems.parallel import inside_limits
from sojourn.models.systems.parallel.certificate import certify_within
from sojourn.models.systems.parallel.combined_limits import combine_limits
from sojourn.models.systems.parallel.newton import polish_within
from sojourn.models.systems.parallel.splits import Limits
from sojourn.reference import limited_optimum

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be carried")
THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOADS = np.linspace(10.0, 370.0, 16)
# each binds at a part of the loads; some allow a part of the loads only
CASES = {
    "least share": [MinShare(0.15)],
    "largest share": [MaxShare(0.5)],
    "largest utilisation": [MaxUtilisation([0.9, 1, 0.8])],
    "percentile": [ServerPercentile(0.95, 0.3)],
    "budget": [Budget([1, 1, 0.5], 125.0)],
    "group": [GroupShare([0, 1], 0.4)],
    "two rows": [LinearLimit([[1, 1, 0.5], [0.2, 1, 1]], [160.0, 170.0])],
    "many": [MinShare(0.1), MaxUtilisation(0.95), Budget([1, 2, 1], 350.0), GroupShare([0], 0.6)],
    "opposite rows": [LinearLimit([1, 0, 0], 60.0, "few"), LinearLimit([-1, -0.1, 0], -20, "used")],
    "late share": [LateShare(0.1, 0.0018)],
    "late shares": [LateShare(0.1, 0.01), LateShare(0.03, 0.5), MaxUtilisation(0.9)],
    "all carried": [MaxShare(1.0), Budget(1.0, 190.0)],
}


def alone(system, load, limits):
    """Return the answer at one load, or the text of its error."""
    try:
        return system.optimum(load, subject_to=limits)
    except LoadError as error:
        return str(error)


@pytest.mark.parametrize("name", CASES)
def test_many_loads_are_each_load_alone(name):
    data = THREE.curve(LOADS, "optimum", subject_to=CASES[name])
    carried = data["reason"].values == ""
    assert carried.sum() >= 5
    for k, load in enumerate(LOADS.tolist()):
        one = alone(THREE, load, CASES[name])
        if not carried[k]:
            assert data["reason"].values[k] == one
            continue
        assert data["optimum_certified"].values[k]
        assert data["optimum_delay"].values[k] == pytest.approx(one.mean_delay, rel=1e-12)
        assert data["optimum_multiplier"].values[k] == pytest.approx(one.multiplier, rel=1e-8)
        np.testing.assert_allclose(
            data["optimum_flow"].values[k], one.flow, rtol=0, atol=1e-8 * load
        )


@pytest.mark.parametrize("seed", some(40, quick=2, often=4))
def test_random_rows_at_many_loads(seed):
    """One to four rows, with bounds: the mean delay alone is within both certificates."""
    system, _, load, limits, _ = rows_case(5000 + seed)
    rng = np.random.default_rng(seed)
    loads = load * np.array([1.0, *rng.uniform(0.3, 1.0, 4)])
    task = system._task("optimum", load, subject_to=limits)
    found = combine_limits(limits, system.bank, loads)
    errors = [isinstance(one, LoadError) for one in found]
    rows = task.solve(loads[~np.array(errors)])
    for k, at in enumerate(loads[~np.array(errors)].tolist()):
        one = system.optimum(at, subject_to=limits, throw=False)
        assert rows.certified[k] or not answered(system, at) or at > (1 - 1e-5) * system.total_rate
        error = (rows.gap[k] + one.certificate.gap) * one.mean_delay
        assert abs(rows.mean_delay[k] - one.mean_delay) <= error
    for at, error in zip(loads, found, strict=True):
        if isinstance(error, LoadError):
            assert str(error) == alone(system, at, limits)


@pytest.mark.parametrize("part", [1e-9, 0.5, 1 - 1e-6, 1 - 1e-9])
def test_limits_that_bind_nowhere_change_nothing_at_many_loads(part):
    loads = THREE.total_rate * part * np.array([0.25, 0.5, 1.0])
    limits = [MaxUtilisation(1.0), MinShare(0.0), Budget([1, 2, 1], 1e3), MaxShare(1.0)]
    free, found = (
        THREE._task("optimum", loads[0], **options).solve(loads)
        for options in ({}, {"subject_to": limits})
    )
    np.testing.assert_allclose(found.mean_delay, free.mean_delay, rtol=1e-9)
    assert found.certified.all()


def test_one_program_is_compiled_for_all_loads(monkeypatch):
    compiled = []

    class Counted(solve.Compiled):
        def __init__(self, *given):
            compiled.append(given)
            super().__init__(*given)

    monkeypatch.setattr(solve, "Compiled", Counted)
    limits = [*CASES["many"], Budget([1, 2.25, 1.125], 400.0)]  # a program that no other test has
    THREE.curve(LOADS, "optimum", subject_to=limits)
    assert len(compiled) == 1


# ---- how a limit depends on the load


@dataclass(frozen=True)
class Own(Limit):
    """At most a part of the load at the first server; it counts its calls."""

    part: float
    calls: list

    def linearise(self, bank, load):
        self.calls.append(load)
        return LinearLimit([1, 0, 0], self.part * load, "own", load, self.part)


class Proportional(Own):
    load_dependence = "proportional"

    def linearise(self, bank, load):
        return super().linearise(bank, load)


class Square(MaxShare):
    """A limit with another `linearise` than its base class, which it does not inherit from."""

    def linearise(self, bank, load):
        return LinearLimit(1.0, self.share * load**2 / 100, "square")


def test_linearise_of_an_own_limit_is_called_at_every_load():
    calls = []
    combine_limits([Own(0.3, calls)], THREE.bank, LOADS)
    np.testing.assert_array_equal(calls, LOADS)


def test_linearise_of_a_proportional_limit_is_called_once():
    calls, other = [], []
    found = THREE.curve(LOADS, "optimum", subject_to=[Proportional(0.3, calls)])
    same = THREE.curve(LOADS, "optimum", subject_to=[Own(0.3, other)])
    assert len(calls) == 1 < len(other)
    np.testing.assert_allclose(found["optimum_delay"], same["optimum_delay"], rtol=1e-13)


def test_another_linearise_does_not_inherit_how_it_depends_on_the_load():
    loads = [100.0, 150.0]
    data = THREE.curve(loads, "optimum", subject_to=[Square(0.4)])
    for load, delay in zip(loads, data["optimum_delay"].values, strict=True):
        true = limited_optimum(THREE.bank, load, most=0.004 * load**2)
        assert delay == pytest.approx(true.mean_delay, rel=1e-9)


class Turning(Limit):
    """Rows that differ from load to load, in number too."""

    def linearise(self, bank, load):
        if load > 200:
            return LinearLimit(np.eye(3)[:2], 0.2 * load, "turning")
        return LinearLimit([0, 1, load / 100], 0.6 * load, "turning")


def test_matrices_may_differ_from_load_to_load():
    loads = [50.0, 100.0, 150.0, 250.0, 270.0]
    data = THREE.curve(loads, "optimum", subject_to=[Turning(), MaxShare(0.7)])
    for load, delay in zip(loads, data["optimum_delay"].values, strict=True):
        own = Turning().linearise(THREE.bank, load)
        bound = np.broadcast_to(own.bound, np.atleast_2d(own.matrix).shape[:1])
        true = limited_optimum(THREE.bank, load, most=0.7 * load, matrix=own.matrix, bound=bound)
        assert delay == pytest.approx(true.mean_delay, rel=1e-9)


class Refusing(Limit):
    def linearise(self, bank, load):
        if load > 200:
            raise LoadError("load", load, "is refused", "lower it")
        return LinearLimit(1.0, 0.5 * load, "refusing")


def test_a_load_that_a_limit_refuses_does_not_stop_the_others():
    data = THREE.curve([100.0, 300.0], "optimum", subject_to=[Refusing()])
    assert data["reason"].values.tolist() == ["", "load = 300.0: is refused; lower it"]
    assert data["optimum_certified"].values.tolist() == [True, False]


# ---- splits inside the limits


@pytest.fixture
def programs(monkeypatch):
    """Return a list that grows by one for each linear program."""
    from scipy import optimize

    solved, linprog = [], optimize.linprog

    def counted(*given, **named):
        solved.append(1)
        return linprog(*given, **named)

    monkeypatch.setattr(optimize, "linprog", counted)
    return solved


def test_few_loads_need_a_linear_program(programs):
    """Two rows that all loads up to a certain one meet, and none above it."""
    loads = np.linspace(1.0, 375.0, 500)
    limits = [LinearLimit([[1, 0.3, 0], [0, 0.4, 1]], [60.0, 100.0], "rows")]
    found = combine_limits(limits, THREE.bank, loads)
    possible = np.array([not isinstance(one, LoadError) for one in found])
    assert 0 < possible.sum() < loads.size
    assert np.all(np.diff(possible.astype(int)) <= 0)
    assert len(programs) < 12
    # the largest load within the rows, by a linear program of the load itself
    from scipy.optimize import linprog

    bounds = [(0, rate) for rate in THREE.bank.rate]
    most = linprog([-1, -1, -1], [[1, 0.3, 0], [0, 0.4, 1]], [60.0, 100.0], bounds=bounds)
    np.testing.assert_array_equal(possible, loads <= -most.fun * (1 + 1e-9))
    for load, (combined, k) in zip(loads[possible], found[: possible.sum()], strict=True):
        split = combined.inside[k]
        assert split.sum() == pytest.approx(load, rel=1e-9)
        assert np.all(combined.matrix @ split <= combined.bound[k] * (1 + 1e-9))


@pytest.mark.parametrize("seed", some(25, quick=2, often=4))
def test_splits_inside_meet_the_limits_of_their_load(seed):
    """Rows with any signs and bounds, allowed at a range of loads in the middle."""
    rng = np.random.default_rng([5, seed])
    n, m, count = int(rng.integers(2, 7)), int(rng.integers(2, 5)), 60
    bank = MM1(10 ** rng.uniform(0, 2, n))
    load = rng.permutation(np.linspace(0.05, 0.95, count)) * bank.rate.sum()
    matrix, middle = rng.normal(size=(m, n)), bank.rate * rng.uniform(0.2, 0.8, n)
    bound = np.tile(matrix @ middle + 0.1 * np.abs(matrix) @ middle, (count, 1))
    least, most = np.zeros((count, n)), np.tile(bank.rate, (count, 1))
    inside, possible = inside_limits.splits_inside(bank, load, least, most, matrix, bound)
    assert possible.any()
    for k in range(count):
        one = (values[k : k + 1] for values in (load, least, most))
        assert possible[k] == inside_limits.splits_inside(bank, *one, matrix, bound[:1])[1][0]
    x = inside[possible]
    assert np.all((x >= 0) & (x <= bank.rate))
    np.testing.assert_allclose(x.sum(axis=1), load[possible], rtol=1e-8)
    assert np.all(x @ matrix.T - bound[0] <= 1e-8 * (x @ np.abs(matrix).T + np.abs(bound[0])))


# ---- Newton steps and certificates


def test_rows_of_limits_are_polished_and_certified_as_each_alone():
    loads = np.array([60.0, 120.0, 190.0, 250.0])
    found = combine_limits(CASES["many"], THREE.bank, loads)
    combined = found[0][0]
    limits = combined.limits(np.arange(4))
    start = combined.inside
    none = np.zeros((4, len(limits.matrix)))
    x, c, z, _ = polish_within(THREE.bank, loads, start, limits, none)
    proof = certify_within(THREE.bank, loads, x, limits, c, z)
    assert np.all(proof.gap < 1e-9)
    for k in range(4):
        own = limits.at(np.array([k]))
        one = polish_within(THREE.bank, loads[[k]], start[[k]], own, none[[k]])
        np.testing.assert_allclose(one[0][0], x[k], rtol=1e-9, atol=1e-9)
        assert one[1][0] == pytest.approx(c[k], rel=1e-9)
        np.testing.assert_allclose(one[2][0], z[k], rtol=1e-6, atol=1e-12)
        alone = certify_within(THREE.bank, loads[[k]], x[[k]], own, c[[k]], z[[k]]).row(0)
        assert alone.lower_bound == pytest.approx(proof.lower_bound[k], rel=1e-14)
        assert alone.upper_bound == pytest.approx(proof.upper_bound[k], rel=1e-14)


def test_a_row_without_a_start_does_not_disturb_the_others():
    flow = np.array([[50.0, 40.0, 100.0], [math.nan, 1.0, 1.0]])
    limits = Limits.none(3)
    x, c, z, _ = polish_within(THREE.bank, np.array([190.0, 190.0]), flow, limits, np.zeros((2, 0)))
    assert x[0] == pytest.approx(THREE.optimum(190.0).flow, rel=1e-9)
    proof = certify_within(THREE.bank, np.array([190.0, 190.0]), x, limits, c, z)
    assert proof.gap[0] < 1e-9
    assert proof.gap[1] == math.inf


def test_constant_latencies_beside_roads_over_loads():
    system = ParallelServers(Constant([1.0, 2.0]), BPR(0.5, 3.0))
    limits = [MaxShare([0.5, 1.0, 0.4]), Budget([2.0, 1.0, 1.0], 12.0)]
    loads = np.array([0.5, 2.0, 5.0, 8.0])
    data = system.curve(loads, "optimum", subject_to=limits)
    for load, delay in zip(loads, data["optimum_delay"].values, strict=True):
        true = limited_optimum(
            system.bank,
            load,
            most=load * np.array([0.5, 1.0, 0.4]),
            matrix=[2.0, 1.0, 1.0],
            bound=12.0,
        )
        assert delay == pytest.approx(true.mean_delay, rel=1e-9)


def test_a_limit_that_does_not_fit_is_refused_before_any_load():
    with pytest.raises(InputError, match=r"^MaxShare\.share = 1\.5: is not a part of the load"):
        THREE.curve(LOADS, "optimum", subject_to=[MaxShare(1.5)])


def test_a_name_with_braces_is_shown_as_it_is():
    limit = replace(LinearLimit([1, 1, 1], 100.0), name="{carbon}")
    data = THREE.curve([50.0, 150.0], "optimum", subject_to=[limit])
    assert "leave the {carbon} no less than 150 where it is to be at most 100" in str(
        data["reason"].values[1]
    )
