"""Best assignments of any number of modes: known values, certificates, and what users see."""

import copy
import json

import numpy as np
import pytest
from chunks import some
from mode_cases import ALEXNET, FIVE, FOUR, KNOWN, TENTHS, cuts, mobilenet
from scipy.optimize import minimize

from sojourn.models import MultiMode, NotCertifiedError, study
from sojourn.models.core.stored import StoredAnswers, use_stored_answers
from sojourn.models.studies import load_study
from sojourn.models.systems.service_modes import cell, sum_of_squares
from sojourn.reference import service_modes as exact
from sojourn.reference.service_modes.partition import joint_delay

MOBILENET, ALEXNET_CUTS = cuts(mobilenet(), 20e6), cuts(ALEXNET, 100e6)
MOBILENET_DELAYS = {0.5: 75.6269506779, 0.7: 164.784036239, 0.8: 261.9979732472, 0.9: 588.366414494}
"""Milliseconds, by the part of the largest load."""
ALEXNET_DELAYS = {0.7: 108.8844523596, 0.8: 155.5142327799, 0.9: 284.2348864392}


def random_system(rng, stages=(2, 4), modes=(2, 12), zeros=0.2, delays=False):
    """Return a system whose works are spread, or about the same in total for all modes."""
    shape = rng.integers(stages[0], stages[1] + 1), rng.integers(modes[0], modes[1] + 1)
    work = rng.exponential(1.0, shape)
    if rng.random() < 0.5:
        work = rng.dirichlet(np.ones(shape[0]), shape[1]).T * rng.uniform(1.0, 1.3, shape[1])
    work *= rng.random(shape) >= zeros * rng.integers(0, 2)
    work[:, ~work.any(axis=0)] = 1.0
    work[~work.any(axis=1)] = 1.0
    delay = rng.exponential(1.0, shape[1]) * (rng.random(shape[1]) < 0.7) if delays else None
    return MultiMode.from_work(work, delay=delay)


def random_load(rng, system):
    part = rng.choice([rng.uniform(1e-3, 0.95), 1 - 10 ** rng.uniform(-4, -1)])
    return float(part) * system.max_load


def local_searches(rng, system, load, starts):
    """Return the least delay of local searches over all modes."""
    modes = system.rates.modes

    def delay(w):
        found = joint_delay(system.rates, load, w**2 / (w @ w))
        return float(found) if np.isfinite(found) else 1e9

    most = exact.capacity(system.rates).assignment
    found = []
    for _ in range(starts):
        other = rng.dirichlet(np.full(modes, 0.3))
        start = np.sqrt(next(p for t in (0.5, 0.1, 1e-3, 0.0)
                             if delay(np.sqrt(p := t * other + (1 - t) * most)) < 1e9))  # fmt: skip
        with np.errstate(all="ignore"):
            found.append(minimize(delay, start, method="L-BFGS-B", bounds=[(0, 1)] * modes).fun)
    return min(found)


def check(system, load, found):
    """Check an answer's certificate against the reference, and its numbers among each other."""
    true = exact.assignment(system.rates, load)
    rounding = 4e-15 / (1 - load / system.max_load)
    assert found.certified, found
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9 + rounding)
    assert found.certificate.lower_bound <= true.mean_delay * (1 + rounding)
    assert found.certificate.lower_bound <= found.mean_delay <= found.certificate.upper_bound
    assert found.assignment.sum() == pytest.approx(1.0, abs=1e-14)
    again = exact.mean_delay(system.rates, load, found.assignment, found.share)
    assert again == pytest.approx(found.mean_delay, rel=1e-12 + rounding)
    most = system.rates.stages + int(system.rates.delay.any())
    assert len(found.used) <= most


@pytest.mark.parametrize("name", KNOWN)
def test_known_values(name):
    work, load, delay, p = KNOWN[name]
    found = MultiMode.from_work(work).assignment(load)
    assert found.certified
    assert found.formulation == ("cell" if len(work) == 3 else "sos")
    assert found.mean_delay == pytest.approx(delay, rel=1e-10)
    if p is not None:
        np.testing.assert_allclose(found.assignment, p, atol=1e-8)
    else:
        np.testing.assert_allclose(np.sort(found.assignment), [0.0, 0.5, 0.5], atol=1e-8)


def test_the_hull_of_works_does_not_decide():
    """Without the mode above the hull the best delay is 12 % and 38 % larger."""
    for name, without in (("above the hull", 64.3298094631), ("one above the hull", 3.0598726735)):
        work, load, delay, _ = KNOWN[name]
        pair = MultiMode.from_work(np.array(work)[:, :2]).assignment(load).mean_delay
        assert pair == pytest.approx(without, rel=1e-10)
        assert delay < 0.9 * pair


@pytest.mark.parametrize("part", MOBILENET_DELAYS)
def test_cuts_of_mobilenet(part):
    load = part * MOBILENET.max_load
    found = MOBILENET.assignment(load)
    check(MOBILENET, load, found)
    assert 1e3 * found.mean_delay == pytest.approx(MOBILENET_DELAYS[part], rel=1e-10)
    assert found.used == (("block4",) if part == 0.5 else ("all cloud", "block4"))


def test_capacity_of_the_cuts():
    assert MOBILENET.max_load == pytest.approx(54.1007252654, rel=1e-11)
    most = MOBILENET.capacity()
    assert most.certified
    assert most.max_load == pytest.approx(54.1007252654, rel=1e-9)
    assert ALEXNET_CUTS.max_load == pytest.approx(122.3172066, rel=1e-9)


@pytest.mark.parametrize("part", ALEXNET_DELAYS)
def test_cuts_of_alexnet(part):
    found = ALEXNET_CUTS.assignment(part * ALEXNET_CUTS.max_load)
    assert 1e3 * found.mean_delay == pytest.approx(ALEXNET_DELAYS[part], rel=1e-10)
    assert found.used == ("all cloud", "pool1")


@pytest.mark.parametrize("delays", [False, True], ids=["", "fixed delays"])
@pytest.mark.parametrize("seed", some(2000, often=5))
def test_random_systems_are_certified_and_no_local_search_is_below(seed, delays):
    rng = np.random.default_rng([seed, delays])
    system = random_system(rng, delays=delays)
    load = random_load(rng, system)
    found = system.assignment(load)
    check(system, load, found)
    least = local_searches(rng, system, load, 3)
    assert found.certificate.lower_bound <= least * (1 + 1e-13 / (1 - load / system.max_load))


@pytest.mark.parametrize("seed", some(200, often=3))
def test_scs_alone_is_certified(seed):
    rng = np.random.default_rng(seed)
    system = random_system(rng, modes=(3, 6))
    load = rng.uniform(0.1, 0.95) * system.max_load
    found = system.assignment(load, solver="scs")
    assert found.solver == "SCS"
    check(system, load, found)


@pytest.mark.parametrize("work", [FOUR, KNOWN["above the hull"][0]], ids=["cell", "sos"])
@pytest.mark.parametrize("options", [{"max_iter": 2}, {"max_iter": 5}, {"tol_feas": 1e-2}])
@pytest.mark.parametrize("polish", [True, False])
def test_certificate_covers_the_truth_of_sloppy_answers(work, options, polish):
    system = MultiMode.from_work(work)
    for part in (0.1, 0.6, 0.9, 0.99):
        load = part * system.max_load
        true = exact.assignment(system.rates, load).mean_delay
        found = system.assignment(
            load, solver="CLARABEL", solver_options=options, polish=polish, throw=False
        )
        assert found.certificate.lower_bound <= true * (1 + 1e-13)
        assert true <= found.certificate.upper_bound
        assert found.mean_delay / true - 1 <= found.certificate.gap


@pytest.mark.parametrize("work", [FOUR, KNOWN["above the hull"][0]], ids=["cell", "sos"])
def test_gap_that_cannot_be_met_raises_with_the_answer_inside(work):
    system = MultiMode.from_work(work)
    load = 0.9 * system.max_load
    with pytest.raises(NotCertifiedError, match=r"^no certified assignment at load") as caught:
        system.assignment(load, gap=1e-15)
    assert caught.value.solution.mean_delay == pytest.approx(system.assignment(load).mean_delay)
    assert not system.assignment(load, gap=1e-15, throw=False).certified


@pytest.mark.parametrize("work", [FOUR, FIVE, KNOWN["above the hull"][0]])
@pytest.mark.parametrize("part", [1e-9, 1e-6, 1 - 1e-6, 1 - 1e-9])
def test_light_loads_and_loads_close_to_the_largest(work, part):
    system = MultiMode.from_work(work)
    check(system, part * system.max_load, system.assignment(part * system.max_load))


def test_one_mode_has_all_jobs():
    system = MultiMode([[4.0], [3.0]], delay=[0.5])
    found = system.assignment(2.0)
    assert found.mean_delay == pytest.approx(1 / 2 + 1 + 0.5, rel=1e-14)
    assert (found.used, found.fixed_delay) == (("mode 1",), 0.5)
    assert found.certificate.gap < 1e-13
    assert system.evaluate(2.0, [1.0]).assignment_ratio.upper < 1 + 1e-13
    assert system.curve([0.0, 1.0, 2.0]).delay.values[[0, 2]] == pytest.approx(
        [1 / 4 + 1 / 3 + 0.5, 2.0], rel=1e-13
    )


def test_one_stage_has_one_mode_but_two_with_fixed_delays():
    system = MultiMode.from_work([[1.0, 0.7, 0.8, 0.9]])
    assert system.assignment(1.2).used == ("mode 2",)
    both = MultiMode.from_work([[1.0, 1e-9, 2.0]], delay=[0.0, 3.0, 0.0]).assignment(0.8)
    assert both.assignment[0] == pytest.approx((1 - 1 / np.sqrt(3)) / 0.8, rel=1e-4)
    assert both.mean_delay == pytest.approx(2.3301270189, rel=1e-4)
    assert both.used == ("mode 1", "mode 2")


def test_pairs_without_a_fixed_delay_among_modes_that_have_one():
    """The pair of the best assignment has no delay, the third mode has one."""
    system = MultiMode.from_work([[1.0, 1.1, 0.9]], delay=[0.0, 0.0, 5.0])
    for load in (0.1, 0.9, 0.999):
        check(system, load, system.assignment(load))
    data = MultiMode.from_work([[1.0, 1.1, 0.2]], delay=[0.0, 0.0, 5.0]).curve([0.1, 0.9, 3.0])
    assert data.certified.all()
    assert data.assignment.values[:, 2].tolist()[0] == 0.0
    assert data.assignment.values[2, 2] > 0.5


@pytest.mark.parametrize("stages", [2, 3])
def test_equal_modes_tie(stages):
    column = np.linspace(1.0, 0.5, stages)
    work = np.stack([column, column[::-1], column, column[::-1]], axis=1)
    system, pair = MultiMode.from_work(work), MultiMode.from_work(work[:, :2])
    for part in (0.3, 0.9):
        load = part * system.max_load
        found = system.assignment(load)
        check(system, load, found)
        assert found.mean_delay == pytest.approx(pair.assignment(load).mean_delay, rel=1e-9)


@pytest.mark.parametrize("stages", [1, 2, pytest.param(3, marks=pytest.mark.exhaustive)])
def test_two_hundred_modes(stages):
    rng = np.random.default_rng(stages)
    system = MultiMode.from_work(rng.exponential(1.0, (stages, 200)))
    load = 0.9 * system.max_load
    found = system.assignment(load)
    check(system, load, found)
    assert found.share.shape == (stages, 200)
    assert len(repr(found).splitlines()) == 3 + stages
    assert max(map(len, repr(found).splitlines())) < 100


def test_modes_that_share_no_stage_are_servers_side_by_side():
    system = MultiMode(np.where(np.eye(4) > 0, [[4.0], [3.0], [2.0], [1.0]], np.inf))
    found = system.assignment(6.0)
    flow = 6.0 * found.assignment
    np.testing.assert_allclose(flow, [2.8, 1.9608, 1.1515, 0.4], atol=0.2)
    marginal = np.array([4.0, 3.0, 2.0, 1.0]) / (np.array([4.0, 3.0, 2.0, 1.0]) - flow) ** 2
    used = flow > 0
    np.testing.assert_allclose(marginal[used], marginal[used][0], rtol=1e-6)


# ---- other questions


@pytest.mark.parametrize("system", [MOBILENET, MultiMode.from_work(KNOWN["above the hull"][0])])
def test_curve_has_the_answers_of_single_loads(system):
    loads = np.array([0.0, 0.2, 0.9, 0.7]) * system.max_load
    data = system.curve(loads)
    assert data.certified.all()
    assert data.assignment.dims == data.single_mode_delay.dims == ("load", "mode")
    assert "p" not in data
    for k, load in enumerate(loads[1:], 1):
        found = system.assignment(load)
        assert float(data.delay[k]) == pytest.approx(found.mean_delay, rel=1e-12)
        np.testing.assert_allclose(data.assignment[k], found.assignment, atol=1e-9)
        np.testing.assert_allclose(data.share[k], found.share, atol=1e-8)
        alone = [joint_delay(system.rates, load, p) for p in np.eye(system.rates.modes)]
        np.testing.assert_allclose(data.single_mode_delay[k], alone)
    assert (data.single_mode_delay.min("mode") >= data.delay * (1 - 1e-12)).all()
    assert set(data.attrs) >= {"max_load", "capacity"}


@pytest.mark.parametrize("seed", some(100, often=3))
def test_stored_answers_are_certified_without_a_solver(seed):
    rng = np.random.default_rng(seed)
    system = random_system(rng, modes=(3, 6), delays=bool(seed % 2))
    loads = np.array([0.3, 0.8]) * system.max_load
    data = system.curve(loads)
    kept = {"load": loads, **{name: v.values for name, v in data.data_vars.items()}}
    with use_stored_answers(stored := StoredAnswers(kept, strict=True)):
        again = system.curve(loads)
    assert stored.whole
    assert again.certified.all()
    np.testing.assert_allclose(again.delay, data.delay, rtol=1e-13)
    wrong = {**kept, "assignment": np.roll(kept["assignment"], 1, axis=1)}
    with (
        use_stored_answers(StoredAnswers(wrong, strict=True)),
        np.errstate(all="ignore"),
        pytest.warns(UserWarning, match="not certified"),
    ):
        assert not system.curve(loads).certified.all()


def test_study_of_many_modes_resumes(tmp_path):
    systems = [MultiMode.from_work(FOUR), MultiMode.from_work(2 * TENTHS, delay=[0.0, 0.1, 0.2])]
    first = study(systems, [1.0, 2.0], out=tmp_path / "kept")
    assert first.error.values.tolist() == ["", ""]
    assert first.certified.all()
    again = study(systems, [1.0, 2.0], out=tmp_path / "kept")
    np.testing.assert_array_equal(first.delay, again.delay)
    assert load_study(tmp_path / "kept").sizes["system"] == 2


def test_evaluation_compares_with_the_best_of_all_modes():
    system = MultiMode.from_work(FIVE, delay=[0.1, 0.0, 0.2, 0.0, 0.0])
    best = system.assignment(3.0)
    given = system.evaluate(3.0, best.assignment, best.share)
    assert given.assignment_ratio.lower == 1.0
    assert 1 <= given.assignment_ratio.upper < 1 + 1e-8
    assert given.mean_delay == pytest.approx(best.mean_delay, rel=1e-12)
    assert given.fixed_delay == pytest.approx(best.fixed_delay, rel=1e-14)
    even = system.evaluate(3.0, np.full(5, 0.2))
    assert even.assignment_ratio == pytest.approx(even.mean_delay / best.mean_delay, rel=1e-8)
    assert even.loss == pytest.approx(even.mean_delay - best.mean_delay, rel=1e-7)
    assert given.assignment_delay.lower <= best.mean_delay * (1 + 1e-12)


def test_model_is_the_program_of_the_answer():
    cells = MultiMode.from_work(FOUR).model(5.5)
    assert isinstance(cells, cell.Program)
    cells.problem.solve(solver="CLARABEL")
    assert cells.weight.value.sum() == pytest.approx(1.0)
    work, load, delay, _ = KNOWN["above the hull"]
    system = MultiMode.from_work(work)
    pair = system.model(load)
    assert isinstance(pair, sum_of_squares.Program)
    pair.problem.solve(solver="CLARABEL")
    scale = sum_of_squares.coefficients(exact.segment(system.rates.take([0, 2]), load))[2]
    assert pair.bound.value * scale == pytest.approx(delay, rel=1e-7)
    assert system.model(load, [0.07, 0.0, 0.93]).share.shape == (2, 3)


def test_problem_of_an_answer_is_solved():
    for found in (MultiMode.from_work(FOUR).assignment(5.5), MOBILENET.assignment(40.0)):
        assert found.problem.status in ("optimal", "optimal_inaccurate")
        assert found.problem.value > 0


# ---- results


def test_text_lists_the_used_modes_and_json_all():
    found = MOBILENET.assignment(0.8 * MOBILENET.max_load)
    assert repr(found).splitlines()[2:] == [
        "  jobs: 0.1266 all cloud, 0.8734 block4",
        "  device  for them 0.0000, 1.0000  delay 0.145158",
        "  uplink  for them 0.4701, 0.5299  delay 0.11255",
        "  cloud   for them 0.2998, 0.7002  delay 0.00429007",
    ]
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(plain["assignment"]) == len(plain["share"]["cloud"]) == 22
    assert plain["fixed_delay"] == 0.0
    assert copy.deepcopy(found).used == found.used == ("all cloud", "block4")


def test_fixed_delays_have_a_line():
    found = MultiMode.from_work(FOUR, delay=[0.5, 0.0, 0.0, 1.0]).assignment(5.5)
    assert found.mean_delay == pytest.approx(found.stage_delay.sum() + found.fixed_delay, rel=1e-14)
    assert repr(found).splitlines()[-1] == f"  fixed delay of their modes {found.fixed_delay:.6g}"
    none = MultiMode.from_work(FOUR).assignment(5.5)
    assert "fixed delay" not in repr(none)
