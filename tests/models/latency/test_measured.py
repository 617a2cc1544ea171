"""Measured latencies: the fit, its numbers, its cones and its warnings."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import nnls

from sojourn import reference
from sojourn.models import MM1, InputError, ParallelServers
from sojourn.models.frontend.measured_plot import plot_measured
from sojourn.models.latency import fit as fitting
from sojourn.models.latency.measured import Measured
from sojourn.reference.server_bank import Operation, ServerBank

RATE = 100.0


def telemetry(count=400, rate=RATE, seed=0, gross=0.1):
    """Noisy samples of an M/M/1 server up to 80 % of its rate, and which are gross errors."""
    rng = np.random.default_rng(seed)
    load = rng.uniform(0.0, 0.8 * rate, count)
    latency = 1 / (rate - load) * (1 + 0.05 * rng.standard_normal(count))
    wrong = rng.random(count) < gross
    latency[wrong] *= rng.uniform(5.0, 50.0, wrong.sum())
    return load, latency, wrong


def column(function, loads):
    """Values of a function of one server at many loads, shape (m,)."""
    return function(np.asarray(loads)[:, None])[:, 0]


@pytest.fixture(scope="module")
def bank():
    """Three servers, with different numbers of samples and of pieces."""
    samples = [
        telemetry(200, 100.0, 1),
        telemetry(90, 80.0, 2),
        ([10.0, 20.0, 30.0, 30.0], [0.02, 0.03, 0.06, 0.07], None),
    ]
    return Measured([s[0] for s in samples], [s[1] for s in samples], delay=[0.0, 0.005, 0.01])


@pytest.fixture(scope="module")
def points(bank):
    """Rising loads (m, n) on all pieces and beyond the samples."""
    return np.sort(np.random.default_rng(5).uniform(0.0, 1.4, (60, 3)), axis=0) * bank.last


GOOD = [1.0, 2.0, 3.0]


# ---- the fit


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_convex_samples_without_noise_are_fitted_within_one_percent(delay):
    load = np.linspace(0.0, 80.0, 81)
    fit = Measured(load, delay + 1 / (RATE - load), delay=delay)
    assert fit.pieces == 8
    assert fit.starts.shape == (1, 9)
    loads = np.linspace(0.0, 80.0, 333)
    np.testing.assert_allclose(column(fit.latency, loads) - delay, 1 / (RATE - loads), rtol=0.01)
    assert fit.service[0] == pytest.approx(0.01, rel=0.01)
    assert not fit.outliers(0).any()


def test_quadratic_samples_are_fitted_exactly():
    """The residuals have no spread: the fit of least L1 loss is the result."""
    load = np.linspace(1.0, 9.0, 30)
    fit = Measured(load, 2.0 + load + 3.0 * load**2)
    assert fit.spread[0] < 1e-6
    np.testing.assert_allclose(column(fit.latency, load), 2.0 + load + 3.0 * load**2, rtol=1e-6)
    np.testing.assert_allclose(fit.bends[0], [*[6.0] * (fit.bends.shape[1] - 1), 0.0], rtol=1e-3)


def test_gross_errors_hardly_move_the_fit():
    """One sample in ten is up to 50 times too long.

    The fit moves by 2 %, the fit by least squares by more than 100 times as much.
    """
    load, latency, wrong = telemetry()
    loads = np.linspace(0.0, 75.0, 100)
    clean, dirty = Measured(load[~wrong], latency[~wrong]), Measured(load, latency)
    moved = np.abs(column(dirty.latency, loads) / column(clean.latency, loads) - 1).max()
    assert moved < 0.03
    knots = dirty.starts[0] / dirty.last[0]
    factors, _ = nnls(fitting.basis_of(load / dirty.last[0], knots), latency)
    least_squares = fitting.basis_of(loads / dirty.last[0], knots) @ factors
    assert np.abs(least_squares / column(clean.latency, loads) - 1).max() > 100 * moved
    np.testing.assert_allclose(column(dirty.latency, loads), 1 / (RATE - loads), rtol=0.06)


def test_outliers_are_the_gross_errors():
    load, latency, wrong = telemetry()
    fit = Measured(load, latency)
    assert fit.outliers(0)[wrong].all()
    assert fit.outliers(0)[~wrong].mean() < 0.1
    np.testing.assert_allclose(fit.residuals(0), latency - column(fit.latency, load))
    residuals = fit.residuals(0)
    deviation = np.median(np.abs(residuals - np.median(residuals)))
    assert fit.spread[0] == pytest.approx(1.4826 * deviation)


@pytest.mark.parametrize(
    "latency",
    [[5.0, 4.0, 3.0, 2.0, 1.0], [2.0] * 5, [1.0, 1.0, 1.0, 1.0, 1e6]],
    ids=["falling", "constant", "jump"],
)
def test_the_fit_rises_strictly_and_is_convex_for_any_samples(latency):
    fit = Measured([1.0, 2.0, 3.0, 4.0, 5.0], latency)
    assert np.all(fit.slopes > 0)
    assert np.all(fit.bends >= 0)
    assert np.all(fit.values >= 0)
    assert np.isfinite(fit.inverse_latency([10.0])).all()


def test_few_loads_give_few_pieces():
    assert Measured([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).starts.tolist() == [[0.0, 3.0]]
    assert Measured([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 8.0]).starts.shape == (1, 3)
    tied = Measured([10.0] * 50 + [20.0] * 50 + [30.0, 40.0, 50.0], np.linspace(1.0, 2.0, 103))
    assert np.all(np.diff(tied.starts) > 0)


def test_servers_are_fitted_one_by_one(bank):
    for i in range(3):
        alone, taken = Measured(*bank.samples[i]), bank.take(np.array([i]))
        loads = np.linspace(0.0, 1.2 * bank.last[i], 30)
        expected = column(taken.latency, loads) - bank.delay[i]
        np.testing.assert_allclose(column(alone.latency, loads), expected, rtol=1e-9)
    assert bank.starts.shape == (3, 9)
    assert np.all(bank.starts[2, 1:] == 30.0)  # one piece; the others have no width


@pytest.mark.parametrize(("rate", "time"), [(60.0, 1 / 60.0), (1e-3, 1e3), (7.0, 0.3)])
def test_the_fit_does_not_depend_on_the_units(bank, points, rate, time):
    other = Measured(
        [x * rate for x, _ in bank.samples],
        [(y + d) * time for (_, y), d in zip(bank.samples, bank.delay, strict=True)],
        delay=bank.delay * time,
    )
    scaled = bank.scaled(rate, time)
    latency, slope = bank.latency(points) * time, bank.latency_slope(points) * time / rate
    for converted in (other, scaled):
        np.testing.assert_allclose(converted.latency(points * rate), latency, rtol=1e-6)
        np.testing.assert_allclose(converted.latency_slope(points * rate), slope, rtol=1e-6)
    np.testing.assert_allclose(
        scaled.potential(points * rate), bank.potential(points) * time * rate, rtol=1e-12
    )
    np.testing.assert_allclose(scaled.spread, bank.spread * time, rtol=1e-12)
    np.testing.assert_allclose(
        scaled.residuals(1), bank.residuals(1) * time, rtol=1e-9, atol=1e-12 * time
    )
    assert scaled.outliers(1).tolist() == bank.outliers(1).tolist()


@pytest.mark.parametrize("missing", [("CLARABEL",), ("CLARABEL", "ECOS")])
def test_another_solver_is_used_if_one_fails(monkeypatch, missing):
    load, latency, _ = telemetry(60)
    expected, solve = Measured(load, latency), cp.Problem.solve

    def failing(problem, solver):
        if solver in missing:
            raise cp.error.SolverError("failed")
        return solve(problem, solver=solver)

    monkeypatch.setattr(cp.Problem, "solve", failing)
    loads = np.linspace(0.0, 80.0, 20)
    fitted = column(Measured(load, latency).latency, loads)
    np.testing.assert_allclose(fitted, column(expected.latency, loads), rtol=0.01)


def test_the_server_is_named_if_no_solver_fits_its_samples(monkeypatch):
    def solve(problem, solver):
        problem.variables()[0].value = np.full(3, np.nan)

    monkeypatch.setattr(cp.Problem, "solve", solve)
    with pytest.raises(
        InputError,
        match=r"latency\[0\] = '3 samples': could not be fitted by CLARABEL, (ECOS, )?SCS, OSQP, "
        r"HIGHS.*; look at its samples",
    ):
        Measured([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])


# ---- numbers


def test_increasing_and_convex(bank, points):
    value = bank.latency(points)
    assert np.all(np.diff(value, axis=0) > 0)
    slope = np.diff(value, axis=0) / np.diff(points, axis=0)
    assert np.all(np.diff(slope, axis=0) > -1e-9 * slope[1:])
    assert np.all(np.isinf(bank.rate))


def test_value_and_slope_are_continuous_at_the_knots(bank):
    for knot in bank.starts.T[1:]:
        below = np.nextafter(knot, 0.0)
        np.testing.assert_allclose(bank.latency(below), bank.latency(knot), rtol=1e-12)
        np.testing.assert_allclose(bank.latency_slope(below), bank.latency_slope(knot), rtol=1e-9)
        np.testing.assert_allclose(bank.marginal(below), bank.marginal(knot), rtol=1e-9)


def test_beyond_the_samples_the_curve_is_a_straight_line(bank):
    last, beyond = bank.last, np.array([[1.5], [20.0]]) * bank.last
    np.testing.assert_array_equal(last, [load.max() for load, _ in bank.samples])
    slope = bank.latency_slope(last)
    line = bank.latency(last) + slope * (beyond - last)
    np.testing.assert_allclose(bank.latency(beyond), line)
    np.testing.assert_allclose(bank.marginal_slope(beyond), np.tile(2.0 * slope, (2, 1)))


def test_marginal_and_slopes_are_derivatives(bank, points):
    step = 1e-6 * bank.last
    # away from the knots, where the second derivative jumps
    inner = np.all(np.abs(points[:, None] - bank.starts.T) > 2 * step, axis=1)

    def difference(function):
        return ((function(points + step) - function(points - step)) / (2 * step))[inner]

    np.testing.assert_allclose(
        bank.marginal(points)[inner], difference(lambda x: x * bank.latency(x)), rtol=1e-6
    )
    np.testing.assert_allclose(
        bank.latency_slope(points)[inner], difference(bank.latency), rtol=1e-5
    )
    np.testing.assert_allclose(
        bank.marginal_slope(points)[inner], difference(bank.marginal), rtol=1e-5
    )


def test_potential_is_the_integral(bank, points):
    for x in points[::12]:
        for i, load in enumerate(x):
            server, knots = bank.take(np.array([i])), bank.starts[i][bank.starts[i] < load]
            integral = sum(
                quad(lambda t, server=server: server.latency([t])[0], a, b)[0]
                for a, b in zip(knots, [*knots[1:], load], strict=True)
            )
            assert server.potential([load])[0] == pytest.approx(integral, rel=1e-12)
    np.testing.assert_array_equal(bank.potential(np.zeros(3)), 0.0)


def test_inverses(bank, points):
    np.testing.assert_allclose(bank.inverse_latency(bank.latency(points)), points, rtol=1e-7)
    np.testing.assert_allclose(bank.inverse_marginal(bank.marginal(points)), points, rtol=1e-7)
    for at, price in ((bank.at_latency, bank.latency), (bank.at_marginal, bank.marginal)):
        np.testing.assert_allclose(at(price(points) - bank.idle_latency).flow, points, rtol=1e-7)
    excess = np.geomspace(1e-6, 1e3, 40)[:, None] * bank.idle_latency
    for name, own, general in zip(
        Operation._fields,
        bank.at_player(excess, 3),
        ServerBank.at_player(bank, excess, 3),
        strict=True,
    ):
        np.testing.assert_allclose(own, general, rtol=1e-7, err_msg=name)
    for inverse in (bank.inverse_latency, bank.inverse_marginal):
        np.testing.assert_array_equal(inverse(0.5 * bank.idle_latency), 0.0)
        np.testing.assert_array_equal(inverse(bank.idle_latency), 0.0)
        np.testing.assert_array_equal(inverse(np.full(3, np.inf)), np.inf)


def test_flows_of_any_shape(bank, points):
    stacked = points.reshape(5, 12, 3)
    for name in (
        "latency",
        "marginal",
        "potential",
        "latency_slope",
        "marginal_slope",
        "inverse_latency",
        "inverse_marginal",
    ):
        function = getattr(bank, name)
        np.testing.assert_array_equal(function(stacked).reshape(60, 3), function(points))


# ---- cones

CONES = ("total_cone", "potential_cone", "latency_cone")


def expected_value(bank, name, flow):
    """Value of the function that a cone stands for."""
    return {
        "total_cone": flow * bank.latency(flow),
        "potential_cone": bank.potential(flow),
        "latency_cone": bank.latency(flow),
    }[name]


# the tolerances are tighter than the solver guarantees; the comparison of the values decides
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("name", CONES)
@pytest.mark.parametrize("use", [0.01, 0.5, 1.0, 3.0])
def test_minimised_cone_equals_its_function(bank, name, use):
    scaled, flow = bank.scaled(1 / 30.0, 30.0), cp.Variable(3)
    given = use * scaled.last * [1.0, 0.8, 0.9]
    cone = getattr(scaled, name)(flow)
    problem = cp.Problem(cp.Minimize(cp.sum(cone.value)), [flow == given, *cone.constraints])
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    expected = expected_value(scaled, name, given)
    np.testing.assert_allclose(cone.value.value, expected, rtol=1e-6)


@pytest.mark.parametrize("name", CONES)
def test_cone_is_dcp_and_dpp_with_the_declared_kinds(bank, name):
    straight = Measured([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
    for servers, soc in ((bank, True), (straight, name != "latency_cone")):
        flow, load = cp.Variable(len(servers), nonneg=True), cp.Parameter(nonneg=True)
        cone, top = getattr(servers, name)(flow), cp.Variable(len(servers))
        assert cone.value.shape == (len(servers),)
        problem = cp.Problem(
            cp.Minimize(cp.sum(top)), [cp.sum(flow) == load, cone.value <= top, *cone.constraints]
        )
        assert problem.is_dcp(dpp=True)
        load.value = 1.0
        dims = problem.get_problem_data("CLARABEL")[0]["dims"]
        made = {
            kind
            for kind, size in (
                ("SOC", len(dims.soc)),
                ("EXP", dims.exp),
                ("PSD", len(dims.psd)),
                ("POW", len(dims.p3d)),
            )
            if size
        }
        assert made == cone.kinds == ({"SOC"} if soc else set())
        assert servers.has_cone(name.removesuffix("_cone"))


@pytest.mark.parametrize("load", [30.0, 150.0, 400.0])
def test_systems_with_measured_servers_are_solved_and_certified(bank, load):
    system = ParallelServers(MM1([120.0, 60.0], [0.01, 0.0]), bank)
    for goal in ("optimum", "equilibrium"):
        found, exact = getattr(system, goal)(load), getattr(reference, goal)(system.bank, load)
        assert found.certified
        assert found.mean_delay == pytest.approx(float(exact.mean_delay), rel=1e-9)
        np.testing.assert_allclose(found.flow, exact.flow, rtol=1e-6, atol=1e-6 * load)


# ---- servers taken from a bank, extra delay, warnings


def test_take_and_extra_delay(bank, points):
    taken = bank.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.latency(points[:, [2, 0]]), bank.latency(points)[:, [2, 0]])
    np.testing.assert_array_equal(taken.residuals(1), bank.residuals(0))
    extra = np.array([1.0, 2.0, 3.0])
    delayed = bank.with_extra_delay(extra)
    np.testing.assert_allclose(delayed.latency(points), bank.latency(points) + extra)
    np.testing.assert_allclose(delayed.idle_latency, bank.idle_latency + extra)
    # the samples move with the curve
    np.testing.assert_allclose(delayed.residuals(0), bank.residuals(0), atol=1e-12)
    np.testing.assert_array_equal(bank.delay, [0.0, 0.005, 0.01])


def test_a_flow_beyond_the_samples_has_a_caveat():
    fit = Measured([[10.0, 50.0, 100.0], [10.0, 50.0, 100.0]], [[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    assert fit.caveats([100.0 * (1 + 1e-10), 130.0], ["server 1", "server 2"]) == [
        "server 2 carries 130, more than any of its samples (at most 100): "
        "its latency there is the straight line on from them, the least that convexity allows"
    ]
    assert fit.caveats([0.0, 100.0], ["a", "b"]) == []


def test_a_solution_shows_caveats_before_the_certificate():
    found = ParallelServers(Measured(GOOD, GOOD)).optimum(4.0)
    lines = repr(found).splitlines()
    assert lines[1].startswith("  but server 1 carries 4, more than any of its samples (at most 3)")
    assert lines[2].startswith("  certified within")
    assert repr(found).count("but server 1") == 1


def test_a_capacity_is_the_full_load():
    bank = Measured([GOOD, GOOD], [GOOD, GOOD], capacity=[4.0, 5.0])
    assert bank.full_load.tolist() == [4.0, 5.0]
    assert bank.full_load_kind == ("capacity", "capacity")
    assert bank.rate.tolist() == [np.inf, np.inf]
    assert bank.take(np.array([1])).full_load.tolist() == [5.0]
    assert bank.scaled(10.0, 0.1).full_load.tolist() == [40.0, 50.0]
    assert bank.with_extra_delay([1.0, 1.0]).full_load.tolist() == [4.0, 5.0]
    without = Measured(GOOD, GOOD)
    assert (without.full_load.tolist(), without.full_load_kind) == ([3.0], ("largest sample",))
    assert without.scaled(10.0, 0.1).full_load.tolist() == [30.0]


def test_one_server_or_several():
    load, latency = [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]
    alone = Measured(load, latency)
    assert len(alone) == 1
    for several in (
        Measured([load, load], [latency, latency]),
        Measured(np.array([load, load]), (latency, np.array(latency))),
    ):
        assert len(several) == 2
        np.testing.assert_array_equal(several.values, np.tile(alone.values, (2, 1)))


# ---- plot


def test_plot_shows_samples_the_fit_and_the_line_beyond(bank, tmp_path):
    figure = plot_measured(bank, "A title", ["edge", "hub", "cloud"])
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == ["edge", "hub", "cloud"]
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in panels] == [
        ("load (jobs per s)", "latency (s)")
    ] * 3
    for i, axes in enumerate(panels):
        lines = {line.get_label(): line for line in axes.lines}
        marks = [line for label, line in lines.items() if line.get_linestyle() == "None"]
        assert sum(len(line.get_xdata()) for line in marks) == len(bank.samples[i][0])
        fit, beyond = (
            lines["fit: convex, increasing"],
            lines["beyond the samples: a straight line, not measured"],
        )
        assert fit.get_xdata()[-1] == beyond.get_xdata()[0] == bank.last[i]
        assert (fit.get_linestyle(), beyond.get_linestyle()) == ("-", "--")
        assert fit.get_ydata()[0] == pytest.approx(bank.idle_latency[i])
    figure.savefig(tmp_path / "fit.png")
    assert (tmp_path / "fit.png").stat().st_size > 10_000
    assert [axes.get_title() for axes in plot_measured(bank, time_unit="min").axes] == [
        "server 1",
        "server 2",
        "server 3",
    ]


def test_plot_of_four_servers_and_of_a_wrong_number_of_names(bank):
    with pytest.raises(
        InputError, match=r"names = \['a'\]: is not a list of 3 names; give one name per server"
    ):
        plot_measured(bank, names=["a"])
    four = bank.take(np.array([0, 1, 2, 0]))
    assert sum(axes.axison for axes in plot_measured(four).axes) == 4
