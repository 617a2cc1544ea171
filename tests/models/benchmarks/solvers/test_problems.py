"""Problems of the solver benchmark: true answers, judges, programs and the default axes."""

import itertools
import math

import exact_routes
import numpy as np
import pytest
from chunks import some

from sojourn.models.benchmarks.solvers.problem import Axes, Truth
from sojourn.models.benchmarks.solvers.problems import PROBLEMS
from sojourn.models.benchmarks.solvers.problems.measured_fit import FITS
from sojourn.reference import InputError
from sojourn.reference.routes import ListedRoutes, RoutedSystem, capacity, equilibrium

LOADS = (0.3, 0.6, 0.9, 0.99, 0.9999, 0.999999)
SPREADS = ((1.0, 0.0), (10.0, 5.0), (1e6, 5.0), (1e6, 1e3))
BY_NAME = {problem.name: problem for problem in PROBLEMS}
FORMULATIONS = [
    (problem.name, formulation)
    for problem in PROBLEMS
    for formulation in problem.formulations(problem.system(Axes(3), 0))
]
ACCURATE = 1e-6


def instance_of(name, formulation, n, load, spread=(10.0, 5.0), seed=0):
    problem = BY_NAME[name]
    system = problem.system(Axes(n, *spread), seed)
    return problem.instance(system, formulation, load)


def solved(program, **options):
    program.problem.solve(solver="CLARABEL", **options)
    return {name: variable.value for name, variable in program.variables.items()}


def test_names_are_words_of_a_command_line():
    assert len(BY_NAME) == len(PROBLEMS)
    assert all(name == name.lower() and " " not in name for name in BY_NAME)
    assert {"mm1-within-limits", "shared-modes-equilibrium", "roads-optimum"} <= set(BY_NAME)


def rounding(load):
    """Relative error of a delay that flows as floats leave near the largest load."""
    return max(1e-9, 1e-8 * 1e-6 / (1.0 - load))


@pytest.mark.parametrize(("name", "formulation"), FORMULATIONS)
@pytest.mark.parametrize("n", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_the_true_answer_is_right_at_any_load_and_spread(name, formulation, n):
    for load, spread in itertools.product(LOADS, SPREADS):
        instance = instance_of(name, formulation, n, load, spread)
        where = (load, spread)
        assert 0 < instance.truth.value < math.inf, where
        assert math.isfinite(instance.optimum), where
        if not instance.best:
            assert name == "assignment"
            continue
        found = instance.judge(instance.best)
        assert found.error <= rounding(load), (where, found)
        assert found.violation <= 1e-12, (where, found)
        assert not found.flow_error > 1e-12, (where, found)
        assert not found.gap < found.error - rounding(load), (where, found)


@pytest.mark.parametrize(("name", "formulation"), FORMULATIONS)
def test_the_program_has_the_declared_cones_and_the_true_optimum(name, formulation):
    problem = BY_NAME[name]
    system = problem.system(Axes(4), 0)
    instance = problem.instance(system, formulation, 0.6)
    program = instance.write()
    assert compiled_kinds(program.problem) == problem.formulations(system)[formulation]
    found = instance.judge(solved(program))
    assert found.error < 1e-4
    assert found.violation < 1e-4
    assert program.problem.value == pytest.approx(instance.optimum, rel=1e-6)
    assert set(program.variables) == set(instance.best or program.variables)
    for variable, value in instance.best.items():
        assert program.variables[variable].shape == value.shape


def compiled_kinds(problem):
    data = problem.get_problem_data("CLARABEL")[0]
    dims, quadratic = data["dims"], data.get("P")
    sizes = {"SOC": dims.soc, "EXP": dims.exp, "PSD": dims.psd, "POW": dims.p3d}
    kinds = {kind for kind, size in sizes.items() if size}
    return kinds | ({"QP"} if quadratic is not None and quadratic.nnz else set())


NUMBERS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e9, -1e9, 1e160, -1e160, 1.7e308, -1.7e308)


@pytest.mark.parametrize(("name", "formulation"), FORMULATIONS)
def test_no_values_are_judged_right_by_accident(name, formulation):
    """Any finite numbers have an error that is a number, and only near the answer a small one."""
    rng = np.random.default_rng(5)
    for load in (0.6, 0.999999):
        instance = instance_of(name, formulation, 5, load)
        shapes = {k: v.shape for k, v in instance.write().variables.items()}
        best = instance.best or {k: np.zeros(shape) for k, shape in shapes.items()}
        cases = [{k: np.full(shape, x) for k, shape in shapes.items()} for x in NUMBERS]
        for scale in (1e-9, 1.0, 1e9, 1e155, 1e308):
            drawn = {k: scale * rng.uniform(-1, 1, shape) for k, shape in shapes.items()}
            cases += [drawn, {k: abs(v) for k, v in drawn.items()}]
        cases += [{k: factor * v for k, v in best.items()} for factor in (-1.0, 0.9, 1.1, 2.0)]
        cases += [{k: v + 0.1 * rng.uniform(-1, 1, v.shape) for k, v in best.items()}]
        for values in cases:
            found = instance.judge(values)
            assert not any(map(math.isnan, (found.error, found.violation))), values
            assert found.error > ACCURATE or found.violation > ACCURATE, (values, found)
            assert found.error >= 0
            if not math.isnan(found.gap):
                assert found.gap >= 0


@pytest.mark.parametrize("chunk", some(40, 2, 10))
def test_certificates_of_random_answers_cover_their_errors(chunk):
    rng = np.random.default_rng([7, chunk])
    for name, formulation in FORMULATIONS:
        load, spread = rng.choice(LOADS), SPREADS[rng.integers(len(SPREADS))]
        instance = instance_of(name, formulation, int(rng.integers(3, 9)), load, spread, chunk)
        size = 10.0 ** rng.uniform(-12, -1)
        values = {k: v * rng.uniform(1 - size, 1, v.shape) for k, v in instance.best.items()}
        found = instance.judge(values) if values else None
        if found is not None and not math.isnan(found.gap):
            assert found.error <= found.gap + rounding(load), (name, load, spread, found)


@pytest.mark.parametrize("formulation", FITS)
@pytest.mark.parametrize("n", [12, 30, 300])
def test_slopes_of_the_loss_prove_the_best_fit(n, formulation):
    """By weak duality no curve has a smaller loss than psi' y - (psi' B) c_min - loss*(psi)."""
    from sojourn.models.benchmarks.solvers.problems import measured_fit as fits
    from sojourn.models.latency.fit import scales_of

    system = BY_NAME["measured-fit"].system(Axes(n, 1e3), 0)
    largest, least = scales_of(system.basis)
    curves = system.basis / largest
    assert np.abs(system.slope).max() <= 1
    assert 2 <= np.count_nonzero(system.error) <= n / 4
    for load in LOADS:
        instance = BY_NAME["measured-fit"].instance(system, formulation, load)
        terms = system.terms(load)
        residual = FITS[formulation].residual(system.slope)
        residual = residual + np.sign(system.slope) * system.error
        latency = curves @ terms + residual
        steepest = 1.0 if formulation == "l1" else 2.0 * fits.HUBER_THRESHOLD / fits.UNIT
        psi = steepest * system.slope
        conjugate = 0.0 if formulation == "l1" else (psi * fits.UNIT / 2.0) ** 2
        charge = psi @ curves
        free = terms > least
        assert np.abs(charge[free]).max() < 1e-10 * steepest
        assert (charge[~free] < 0).all()
        bound = (psi @ latency - charge[~free] @ least[~free] - np.sum(conjugate)) / len(latency)
        assert bound == pytest.approx(instance.truth.value, rel=1e-9)


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@pytest.mark.parametrize("kind", ["groups", "network", "shared-modes"])
@pytest.mark.parametrize("seed", some(10, 1, 3))
def test_true_answers_on_routes_are_those_of_many_digits(kind, goal, seed):
    """Certificates of equilibria are of the order of the root of rounding; the answers are not."""
    load, players = (0.999999, 0.9, 0.3)[seed % 3], 1.0 if goal == "optimum" else math.inf
    problem = BY_NAME[f"{kind}-{goal}"]
    system = problem.system(Axes(8, 1e6 if seed % 2 else 10.0, 5.0), seed)
    multiple = load * capacity(system.routed).lower
    found = equilibrium(system.routed, multiple, players).flow
    bank, routes = system.bank, system.routed.routes
    used = RoutedSystem(bank, ListedRoutes(found.columns, routes.groups), system.routed.load)
    latencies = [
        exact_routes.mm1(float(r), float(d)) for r, d in zip(bank.rate, bank.delay, strict=True)
    ]
    exact = exact_routes.truth(used, latencies, multiple, players, found.flow.tolist())
    true = problem.instance(system, next(iter(problem.formulations(system))), load).truth
    assert abs(true.value / float(exact.mean_delay) - 1.0) < 2e-15
    spare = [float(r - v) for r, v in zip(bank.rate, exact.station_flow, strict=True)]
    flow = np.array([float(v) for v in exact.station_flow])
    price = (bank.marginal if goal == "optimum" else bank.latency)(flow, np.array(spare))
    cost, least = found.columns.costs(price), routes.least_cost(price)
    assert (cost <= least[found.columns.group] * (1.0 + 1e-9)).all()


def test_routes_without_a_true_answer_are_refused(monkeypatch):
    from sojourn.models.benchmarks.solvers import routed

    monkeypatch.setattr(routed, "POTENTIAL_GAP", -1.0)
    monkeypatch.setattr(routed, "GAP", -1.0)
    with pytest.raises(InputError, match=r"load = 0\.6: has no true answer on these routes"):
        instance_of("groups-optimum", "routes", 4, 0.6)


def test_sizes_and_severities_by_default():
    """The default axes make a few hundred instances, severe ones among them."""
    count = sum(
        len(LOADS) * len(problem.formulations(problem.system(Axes(n, *spread), 0)))
        for problem in PROBLEMS
        for n in problem.sizes
        for spread in problem.spreads
    )
    assert 300 <= count <= 500
    assert all(n <= problem.largest for problem in PROBLEMS for n in problem.sizes)
    assert sum(any(rates >= 1e6 for rates, _ in p.spreads) for p in PROBLEMS) > len(PROBLEMS) / 3


def test_a_system_depends_on_its_axes_and_seed_alone():
    problem = BY_NAME["mm1-optimum"]
    rates = [problem.system(Axes(5), seed).bank.rate for seed in (0, 0, 1)]
    np.testing.assert_array_equal(rates[0], rates[1])
    assert (rates[0] != rates[2]).any()


def test_accuracy_of_numbers_that_are_none():
    from sojourn.models.benchmarks.solvers.accuracy import accuracy, for_any_values

    truth = Truth(2.0, np.array([1.0, 4.0]))
    found = accuracy(truth, 2.0, (0.0, math.nan), np.array([1.0, math.nan]), math.nan)
    assert found == (0.0, math.inf, math.inf, math.inf)
    assert math.isnan(accuracy(truth, 2.2, [0.0]).gap)
    assert accuracy(truth, 2.2, [0.0]).error == pytest.approx(0.1)
    assert accuracy(truth, math.nan, [-1.0]).error == math.inf

    @for_any_values
    def overflows(values):
        raise OverflowError

    assert overflows({}).error == math.inf
