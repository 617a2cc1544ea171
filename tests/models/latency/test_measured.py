"""A latency made of measurements: the fit, its numbers, its cones, what it says of itself, and what it refuses."""

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
    """Noisy samples of an M/M/1 server up to 80 % of its rate, some of them gross errors; which those are."""
    rng = np.random.default_rng(seed)
    load = rng.uniform(0.0, 0.8 * rate, count)
    latency = 1 / (rate - load) * (1 + 0.05 * rng.standard_normal(count))
    wrong = rng.random(count) < gross
    latency[wrong] *= rng.uniform(5.0, 50.0, wrong.sum())
    return load, latency, wrong


def column(function, loads):
    """A function of one server at many loads."""
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
    """Rising loads (m, n) on all pieces and beyond."""
    return np.sort(np.random.default_rng(5).uniform(0.0, 1.4, (60, 3)), axis=0) * bank.last


# ---- the fit


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_convex_samples_without_noise_are_fitted_within_one_percent(delay):
    load = np.linspace(0.0, 80.0, 81)
    fit = Measured(load, delay + 1 / (RATE - load), delay=delay)
    assert fit.pieces == 8
    assert fit.starts.shape == (1, 9)
    between = np.linspace(0.0, 80.0, 333)
    np.testing.assert_allclose(
        column(fit.latency, between) - delay, 1 / (RATE - between), rtol=0.01
    )
    assert fit.service[0] == pytest.approx(0.01, rel=0.01)
    assert not fit.outliers(0).any()


def test_quadratic_samples_are_fitted_exactly():
    """No spread is left: the fit in L1 is the answer."""
    load = np.linspace(1.0, 9.0, 30)
    fit = Measured(load, 2.0 + load + 3.0 * load**2)
    assert fit.spread[0] < 1e-6
    np.testing.assert_allclose(column(fit.latency, load), 2.0 + load + 3.0 * load**2, rtol=1e-6)
    np.testing.assert_allclose(fit.bends[0], [*[6.0] * (fit.bends.shape[1] - 1), 0.0], rtol=1e-3)


def test_gross_errors_hardly_move_the_fit():
    """One sample in ten is up to fifty times too long: the fit moves by 2 %, that by least squares by more than 100 times as much."""
    load, latency, wrong = telemetry()
    at = np.linspace(0.0, 75.0, 100)
    clean, dirty = Measured(load[~wrong], latency[~wrong]), Measured(load, latency)
    moved = np.abs(column(dirty.latency, at) / column(clean.latency, at) - 1).max()
    assert moved < 0.03
    knots = dirty.starts[0] / dirty.last[0]
    factors, _ = nnls(fitting._basis(load / dirty.last[0], knots), latency)
    least_squares = fitting._basis(at / dirty.last[0], knots) @ factors
    assert np.abs(least_squares / column(clean.latency, at) - 1).max() > 100 * moved
    np.testing.assert_allclose(column(dirty.latency, at), 1 / (RATE - at), rtol=0.06)


def test_gross_errors_are_told_from_noise():
    load, latency, wrong = telemetry()
    fit = Measured(load, latency)
    assert fit.outliers(0)[wrong].all()
    assert fit.outliers(0)[~wrong].mean() < 0.1
    np.testing.assert_allclose(fit.residuals(0), latency - column(fit.latency, load))
    assert fit.spread[0] == pytest.approx(
        1.4826 * np.median(np.abs(fit.residuals(0) - np.median(fit.residuals(0))))
    )


@pytest.mark.parametrize(
    "latency",
    [[5.0, 4.0, 3.0, 2.0, 1.0], [2.0] * 5, [1.0, 1.0, 1.0, 1.0, 1e6]],
    ids=["falling", "constant", "jump"],
)
def test_whatever_the_samples_the_fit_rises_strictly_and_is_convex(latency):
    fit = Measured([1.0, 2.0, 3.0, 4.0, 5.0], latency)
    assert np.all(fit.slopes > 0)
    assert np.all(fit.bends >= 0)
    assert np.all(fit.values >= 0)
    assert np.isfinite(fit.inverse_latency([10.0])).all()


def test_few_loads_have_few_pieces():
    assert Measured([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).starts.tolist() == [[0.0, 3.0]]
    assert Measured([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 8.0]).starts.shape == (1, 3)
    tied = Measured([10.0] * 50 + [20.0] * 50 + [30.0, 40.0, 50.0], np.linspace(1.0, 2.0, 103))
    assert np.all(np.diff(tied.starts) > 0)


def test_servers_are_fitted_one_by_one(bank):
    for i in range(3):
        load, latency = bank.samples[i]
        alone, at = Measured(load, latency), np.linspace(0.0, 1.2 * bank.last[i], 30)
        np.testing.assert_allclose(
            column(alone.latency, at),
            column(bank.take(np.array([i])).latency, at) - bank.delay[i],
            rtol=1e-9,
        )
    assert bank.starts.shape == (3, 9)
    assert np.all(bank.starts[2, 1:] == 30.0)  # one piece, and no width in the others


@pytest.mark.parametrize(("rate", "time"), [(60.0, 1 / 60.0), (1e-3, 1e3), (7.0, 0.3)])
def test_units_do_not_matter(bank, points, rate, time):
    other = Measured(
        [x * rate for x, _ in bank.samples],
        [(y + d) * time for (_, y), d in zip(bank.samples, bank.delay, strict=True)],
        delay=bank.delay * time,
    )
    scaled = bank.scaled(rate, time)
    for found in (other, scaled):
        np.testing.assert_allclose(
            found.latency(points * rate), bank.latency(points) * time, rtol=1e-6
        )
        np.testing.assert_allclose(
            found.latency_slope(points * rate), bank.latency_slope(points) * time / rate, rtol=1e-6
        )
    np.testing.assert_allclose(
        scaled.potential(points * rate), bank.potential(points) * time * rate, rtol=1e-12
    )
    np.testing.assert_allclose(scaled.spread, bank.spread * time, rtol=1e-12)
    np.testing.assert_allclose(
        scaled.residuals(1), bank.residuals(1) * time, rtol=1e-9, atol=1e-12 * time
    )
    assert scaled.outliers(1).tolist() == bank.outliers(1).tolist()


@pytest.mark.parametrize("missing", [("CLARABEL",), ("CLARABEL", "ECOS")])
def test_another_solver_fits_where_one_fails(monkeypatch, missing):
    load, latency, _ = telemetry(60)
    expected, solve = Measured(load, latency), cp.Problem.solve

    def some(problem, solver):
        if solver in missing:
            raise cp.error.SolverError("not today")
        return solve(problem, solver=solver)

    monkeypatch.setattr(cp.Problem, "solve", some)
    at = np.linspace(0.0, 80.0, 20)
    np.testing.assert_allclose(
        column(Measured(load, latency).latency, at), column(expected.latency, at), rtol=0.01
    )


def test_samples_that_no_solver_fits_are_named(monkeypatch):
    monkeypatch.setattr(
        cp.Problem,
        "solve",
        lambda problem, solver: setattr(problem.variables()[0], "value", np.full(3, np.nan)),
    )
    with pytest.raises(
        InputError,
        match=r"latency\[0\] = '3 samples': could not be fitted by CLARABEL, ECOS, SCS, OSQP, HIGHS; look at its samples",
    ):
        Measured([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])


# ---- its numbers


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


def test_beyond_the_samples_is_the_straight_line(bank):
    last, far = bank.last, np.array([[1.5], [20.0]]) * bank.last
    np.testing.assert_array_equal(last, [load.max() for load, _ in bank.samples])
    np.testing.assert_allclose(
        bank.latency(far), bank.latency(last) + bank.latency_slope(last) * (far - last)
    )
    np.testing.assert_allclose(
        bank.marginal_slope(far), np.tile(2.0 * bank.latency_slope(last), (2, 1))
    )


def test_marginal_and_slopes_are_derivatives(bank, points):
    step = 1e-6 * bank.last
    inner = np.all(
        np.abs(points[:, None] - bank.starts.T) > 2 * step, axis=1
    )  # off the knots, where the slopes of slopes jump

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
            one, knots = bank.take(np.array([i])), bank.starts[i][bank.starts[i] < load]
            parts = [
                quad(lambda t, one=one: one.latency([t])[0], a, b)[0]
                for a, b in zip(knots, [*knots[1:], load], strict=True)
            ]
            assert one.potential([load])[0] == pytest.approx(sum(parts), rel=1e-12)
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
    many = points.reshape(5, 12, 3)
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
        np.testing.assert_array_equal(function(many).reshape(60, 3), function(points))


# ---- its cones

CONES = ("total_cone", "potential_cone", "latency_cone")


def number(bank, name, flow):
    return {
        "total_cone": flow * bank.latency(flow),
        "potential_cone": bank.potential(flow),
        "latency_cone": bank.latency(flow),
    }[name]


@pytest.mark.filterwarnings(
    "ignore:Solution may be inaccurate"
)  # tighter than the solver promises; the numbers judge
@pytest.mark.parametrize("name", CONES)
@pytest.mark.parametrize("use", [0.01, 0.5, 1.0, 3.0])
def test_minimised_cone_is_the_number(bank, name, use):
    unit, flow = bank.scaled(1 / 30.0, 30.0), cp.Variable(3)
    at = use * unit.last * [1.0, 0.8, 0.9]
    cone = getattr(unit, name)(flow)
    problem = cp.Problem(cp.Minimize(cp.sum(cone.value)), [flow == at, *cone.constraints])
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    np.testing.assert_allclose(cone.value.value, number(unit, name, at), rtol=1e-6)


@pytest.mark.parametrize("name", CONES)
def test_cone_is_dcp_dpp_and_of_the_kinds_it_says(bank, name):
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
        assert servers.exact(name.removesuffix("_cone"))


@pytest.mark.parametrize("load", [30.0, 150.0, 400.0])
def test_systems_with_it_are_solved_and_certified(bank, load):
    system = ParallelServers(MM1([120.0, 60.0], [0.01, 0.0]), bank)
    for goal in ("optimum", "equilibrium"):
        found, exact = getattr(system, goal)(load), getattr(reference, goal)(system.bank, load)
        assert found.certified
        assert found.mean_delay == pytest.approx(float(exact.mean_delay), rel=1e-9)
        np.testing.assert_allclose(found.flow, exact.flow, rtol=1e-6, atol=1e-6 * load)


# ---- parts, places, caveats


def test_take_and_farther(bank, points):
    some = bank.take(np.array([2, 0]))
    np.testing.assert_array_equal(some.latency(points[:, [2, 0]]), bank.latency(points)[:, [2, 0]])
    np.testing.assert_array_equal(some.residuals(1), bank.residuals(0))
    more = np.array([1.0, 2.0, 3.0])
    far = bank.with_extra_delay(more)
    np.testing.assert_allclose(far.latency(points), bank.latency(points) + more)
    np.testing.assert_allclose(far.idle_latency, bank.idle_latency + more)
    np.testing.assert_allclose(
        far.residuals(0), bank.residuals(0), atol=1e-12
    )  # the samples are as far away
    np.testing.assert_array_equal(bank.delay, [0.0, 0.005, 0.01])


def test_what_was_not_measured_is_said():
    fit = Measured([[10.0, 50.0, 100.0], [10.0, 50.0, 100.0]], [[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    assert fit.caveats([100.0 * (1 + 1e-10), 130.0], ["server 1", "server 2"]) == [
        "server 2 carries 130, more than any of its samples (at most 100): "
        "its latency there is the straight line on from them, the least that convexity allows"
    ]
    assert fit.caveats([0.0, 100.0], ["a", "b"]) == []


def test_what_goes_beyond_the_samples_is_said_before_the_certificate():
    found = ParallelServers(Measured(GOOD, GOOD)).optimum(4.0)
    lines = repr(found).splitlines()
    assert lines[1].startswith("  but server 1 carries 4, more than any of its samples (at most 3)")
    assert lines[2].startswith("  certified within")
    assert repr(found).count("but server 1") == 1


def test_a_capacity_is_what_a_utilisation_is_of():
    bank = Measured([GOOD, GOOD], [GOOD, GOOD], capacity=[4.0, 5.0])
    assert bank.full_load.tolist() == [4.0, 5.0]
    assert bank.full_load_is == ("capacity", "capacity")
    assert bank.rate.tolist() == [np.inf, np.inf]
    assert bank.take(np.array([1])).full_load.tolist() == [5.0]
    assert bank.scaled(10.0, 0.1).full_load.tolist() == [40.0, 50.0]
    assert bank.with_extra_delay([1.0, 1.0]).full_load.tolist() == [4.0, 5.0]
    unsaid = Measured(GOOD, GOOD)
    assert (unsaid.full_load.tolist(), unsaid.full_load_is) == ([3.0], ("largest sample",))
    assert unsaid.scaled(10.0, 0.1).full_load.tolist() == [30.0]


def test_one_server_or_a_list_of_them():
    load, latency = [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]
    alone = Measured(load, latency)
    assert len(alone) == 1
    for several in (
        Measured([load, load], [latency, latency]),
        Measured(np.array([load, load]), (latency, np.array(latency))),
    ):
        assert len(several) == 2
        np.testing.assert_array_equal(several.values, np.tile(alone.values, (2, 1)))


# ---- files


def test_from_csv(tmp_path):
    load, latency, _ = telemetry(50)
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(
        "time, load ,latency\n"
        + "".join(
            f"{k},{x!r},{y!r}\n"
            for k, (x, y) in enumerate(zip(load.tolist(), latency.tolist(), strict=True))
        )
    )
    second.write_text("\ufefflatency,load\r\n1,1\r\n\r\n2,2\r\n4,3\r\n", encoding="utf-8")
    one, two = (
        Measured.from_csv(first, pieces=4),
        Measured.from_csv([str(first), second], pieces=4, delay=[0.001, 0.0]),
    )
    np.testing.assert_array_equal(one.starts, Measured(load, latency, 4).starts)
    np.testing.assert_array_equal(one.values, Measured(load, latency, 4).values)
    assert [len(x) for x, _ in two.samples] == [50, 3]
    assert two.delay.tolist() == [0.001, 0.0]
    assert Measured.from_csv(second, capacity=5.0).full_load.tolist() == [5.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "load,delay\n1,2\n",
            r"bad.csv, row 1 = 'load,delay': has no column latency; name the columns in the first line",
        ),
        (
            "",
            r"^path = .*bad.csv': has none of the columns load, latency in its first line; give a CSV file of samples",
        ),
        (
            "load,latency\n1,2\n\n2,fast\n",
            r"bad.csv, row 4, column latency = 'fast': is not a number; give a number, or leave the row out",
        ),
        ("load,latency\n1,2\n2\n", r"bad.csv, row 3, column latency = '': is not a number"),
        ("load,latency\n1,2\nnan,3\n", r"bad.csv, row 3, column load = nan: is not finite"),
        (
            "load,latency\n1,2\n-3,3\n",
            r"bad.csv, row 3, column load = -3.0: a load cannot be negative; give 0 or more",
        ),
        (
            "load,latency\n1,0\n",
            r"bad.csv, row 2, column latency = 0.0: a latency is above 0; give a positive number",
        ),
        (
            "load,latency\n1,2\n1,3\n",
            r"bad.csv, column load = \[1.0\]: has 1 different load, too few for a curve; give samples at three",
        ),
        ("load,latency\n", r"bad.csv, column load = \[\]: there is no sample"),
    ],
)
def test_bad_files_are_named_with_row_and_column(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Measured.from_csv(path)


def test_a_file_that_is_not_there(tmp_path):
    for given in (3, [3], None, [b"a.csv"]):
        with pytest.raises(
            InputError, match=r"^path = .*: is not the path of a file; give a CSV file of samples"
        ):
            Measured.from_csv(given)
    with pytest.raises(
        InputError, match=r"^path = .*none.csv': cannot be read: .*; give a CSV file of samples"
    ):
        Measured.from_csv(tmp_path / "none.csv")


# ---- what is refused

GOOD = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("load", "latency", "more", "message"),
    [
        ([], [], {}, r"^load = \[\]: there is no sample; give samples at three loads or more"),
        ([GOOD, []], [GOOD, []], {}, r"^load\[1\] = \[\]: there is no sample"),
        (
            GOOD,
            [1.0, 2.0],
            {},
            r"^latency = \[1.0, 2.0\]: has 2 values where load has 3; give one latency for every load",
        ),
        (
            [GOOD, GOOD],
            [GOOD, [1.0]],
            {},
            r"^latency\[1\] = \[1.0\]: has 1 values where load\[1\] has 3",
        ),
        (
            [GOOD, GOOD],
            [GOOD],
            {},
            r"^latency = .*: is of 1 servers where load is of 2; give both for every server",
        ),
        ([1.0, np.nan, 3.0], GOOD, {}, r"^load\[1\] = nan: is not finite; give a finite number"),
        (
            [GOOD, [1.0, 2.0, -3.0]],
            [GOOD, GOOD],
            {},
            r"^load\[1\]\[2\] = -3.0: a load cannot be negative; give 0 or more",
        ),
        (GOOD, [1.0, np.inf, 3.0], {}, r"^latency\[1\] = inf: is not finite"),
        (
            GOOD,
            [0.0, 2.0, 3.0],
            {},
            r"^latency\[0\] = 0.0: a latency is above 0; give a positive number, or leave the sample out",
        ),
        (
            [1.0, 2.0, 2.0],
            GOOD,
            {},
            r"^load = \[1.0, 2.0\]: has 2 different loads, too few for a curve; give samples at three loads",
        ),
        ([1.0, "a", 3.0], GOOD, {}, r"^load = \[1.0, 'a', 3.0\]: is not made of numbers"),
        (
            [GOOD, 2.0],
            [GOOD, GOOD],
            {},
            r"^load\[1\] = 2.0: is not a row of numbers; give one number a sample",
        ),
        (5.0, GOOD, {}, r"^load = 5.0: is not a row of numbers"),
        (
            GOOD,
            GOOD,
            {"pieces": 0},
            r"^pieces = 0: is not a number of pieces; give a whole number from 1",
        ),
        (GOOD, GOOD, {"pieces": 2.5}, r"^pieces = 2.5: is not a number of pieces"),
        (GOOD, GOOD, {"pieces": True}, r"^pieces = True: is not a number of pieces"),
        (
            GOOD,
            GOOD,
            {"delay": -1.0},
            r"^delay\[0\] = -1.0: a delay cannot be negative; give 0 or more",
        ),
        (GOOD, GOOD, {"delay": np.nan}, r"^delay\[0\] = nan: is not finite"),
        (
            GOOD,
            GOOD,
            {"delay": [0.0, 0.1]},
            r"^delay = \[0.0, 0.1\]: is not one number for each of 1 servers; give one",
        ),
        (
            GOOD,
            GOOD,
            {"capacity": 0.0},
            r"^capacity\[0\] = 0.0: is not above 0; give a load, or leave it out: it is then the largest sample",
        ),
        (GOOD, GOOD, {"capacity": np.inf}, r"^capacity\[0\] = inf: is not finite"),
        (
            GOOD,
            GOOD,
            {"capacity": [1.0, 2.0]},
            r"^capacity = \[1.0, 2.0\]: is not one number for each of 1 servers",
        ),
        (
            GOOD,
            GOOD,
            {"delay": 2.0},
            r"^delay\[0\] = 2.0: is as long as half of the latencies of its server; give less",
        ),
    ],
)
def test_bad_samples_are_refused_before_any_solver(monkeypatch, load, latency, more, message):
    monkeypatch.setattr(
        cp.Problem, "solve", lambda *args, **options: pytest.fail("a solver was asked")
    )
    with pytest.raises(InputError, match=message):
        Measured(load, latency, **more)


# ---- its picture


def test_picture_shows_samples_fit_and_what_was_not_measured(bank, tmp_path):
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


def test_picture_of_other_numbers_of_servers_than_names(bank):
    with pytest.raises(
        InputError, match=r"names = \['a'\]: is not a list of 3 names; give one name per server"
    ):
        plot_measured(bank, names=["a"])
    four = bank.take(np.array([0, 1, 2, 0]))
    assert sum(axes.axison for axes in plot_measured(four).axes) == 4
