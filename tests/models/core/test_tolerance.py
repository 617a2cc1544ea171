"""The same rule for the largest gap, on every path to an answer."""

import math

import numpy as np
import pytest

from sojourn.models import (
    MG1,
    MM1,
    DualMode,
    InputError,
    MaxShare,
    MMc,
    NotCertifiedError,
    ParallelServers,
    TunableMode,
    study,
)
from sojourn.models.core.tolerance import UNPOLISHED, GapTolerance
from sojourn.models.studies.verify import verify
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve
from sojourn.models.systems.parallel.misspecification import misspecified_delays
from sojourn.reference import price_of_anarchy

LOAD, NO_GAP = 3.0, [math.inf, math.nan, 0.0, -1e-6, True, np.inf, "1e-6"]
TWO, PAIR = ParallelServers(MM1([4.0, 2.0])), DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
SLOPPY = {
    "solver": "SCS",
    "solver_options": {"max_iters": 3, "acceleration_lookback": 0},
    "polish": False,
}
PATHS = {
    "optimum": lambda **options: TWO.optimum(LOAD, **options),
    "within limits": lambda **options: TWO.optimum(
        LOAD, subject_to=[MaxShare([0.5, 1.0])], **options
    ),
    "equilibrium": lambda **options: TWO.equilibrium(LOAD, **options),
    "players": lambda **options: TWO.equilibrium(LOAD, players=3, **options),
    "price of anarchy": lambda **options: TWO.price_of_anarchy(LOAD, **options),
    "control": lambda **options: TWO.control(LOAD, 0.3, **options),
    "tolls": lambda **options: TWO.tolls(LOAD, **options),
    "sensitivity": lambda **options: TWO.sensitivity(LOAD, **options),
    "partition": lambda **options: PAIR.partition(4.5, 0.5, **options),
    "assignment": lambda **options: PAIR.assignment(4.5, **options),
    "breakaway": lambda **options: PAIR.breakaway(**options),
    "tunable": lambda **options: TunableMode(1.0, 4.0).optimum(3.5, **options),
}
WITHOUT_SETTINGS = {
    "curve": lambda **options: TWO.curve([LOAD], **options),
    "players curve": lambda **options: players_curve(TWO, [LOAD], **options),
    "control curve": lambda **options: control_curve(TWO, LOAD, **options),
    "worst case": lambda **options: TWO.worst_case(**options),
    "capacity": lambda **options: PAIR.capacity(**options),
    "assignments": lambda **options: PAIR.curve([4.5], **options),
    "partitions": lambda **options: PAIR.curve([4.5], p=0.5, **options),
    "study": lambda **options: study([TWO], [LOAD], **options),
    "verify": lambda **options: verify(TWO, [LOAD], **options),
    "beliefs": lambda **options: misspecified_delays(TWO, TWO, [LOAD], **options),
}


@pytest.mark.parametrize("gap", NO_GAP, ids=map(repr, NO_GAP))
@pytest.mark.parametrize("path", [*PATHS, *WITHOUT_SETTINGS])
def test_invalid_gap_raises(path, gap):
    with pytest.raises(InputError, match=r"^gap = .*: is (not|true or false)"):
        {**PATHS, **WITHOUT_SETTINGS}[path](gap=gap)


@pytest.mark.parametrize("path", PATHS)
def test_unpolished_answer_that_misses_1e_4_is_not_certified(path):
    """SCS is stopped after three steps."""
    with pytest.raises(NotCertifiedError, match=r"gap 1\.0e-04 wanted"):
        PATHS[path](**SLOPPY)


@pytest.mark.filterwarnings("ignore:.*are not certified")
@pytest.mark.parametrize(
    ("solve", "names"),
    [
        (lambda: TWO.curve([LOAD], **SLOPPY), ("optimum", "equilibrium")),
        (
            lambda: TWO.curve([LOAD], "optimum", subject_to=[MaxShare([0.5, 1.0])], **SLOPPY),
            ("optimum",),
        ),
        (lambda: PAIR.curve([4.5], **SLOPPY), ("",)),
        (lambda: PAIR.curve([4.5], p=0.5, **SLOPPY), ("",)),
        (lambda: players_curve(TWO, [LOAD], [2, math.inf], **SLOPPY), ("",)),
        (lambda: study([TWO], [LOAD], **SLOPPY), ("optimum", "equilibrium")),
    ],
    ids=["loads", "limits", "assignments", "partitions", "players", "study"],
)
def test_curve_of_them_is_not_certified(solve, names):
    data = solve()
    for name in names:
        start = f"{name}_" if name else ""
        assert np.all(data[f"{start}gap"] > 1e-4)
        assert not np.any(data[f"{start}certified"])


@pytest.mark.parametrize("path", PATHS)
def test_unpolished_answer_is_certified_within_1e_4(path):
    answer = PATHS[path](polish=False)
    if hasattr(answer, "certificate"):
        assert answer.certified
        assert answer.certificate.gap <= 1e-4


@pytest.mark.filterwarnings("ignore:.*are not certified")
def test_near_saturation_an_unpolished_curve_certifies_nothing_false():
    system = ParallelServers(MG1([2], cv=[2]), MM1([2]), MMc([2], [3]))
    data, true = (
        system.curve([9.99999], polish=False),
        float(price_of_anarchy(system.bank, 9.99999)),
    )
    assert true == pytest.approx(1.209442389, rel=1e-9)
    assert not data.optimum_certified[0] or data.optimum_delay[0] == pytest.approx(
        372071.980204572, rel=1e-4
    )
    assert not data.equilibrium_certified[0] or data.equilibrium_delay[0] == pytest.approx(
        449999.62, rel=1e-4
    )
    assert float(data.price_of_anarchy_lower[0]) <= true <= float(data.price_of_anarchy_upper[0])
    assert float(data.price_of_anarchy[0]) <= float(data.price_of_anarchy_upper[0]) < 1.5


def test_polished_curve_there_is_right():
    system = ParallelServers(MG1([2], cv=[2]), MM1([2]), MMc([2], [3]))
    data = system.curve([9.99999])
    assert bool(data.optimum_certified[0])
    assert float(data.optimum_delay[0]) == pytest.approx(372071.980204572, rel=1e-8)
    assert float(data.price_of_anarchy[0]) == pytest.approx(1.209442389, rel=1e-8)


def test_rounding_excuses_no_gap_above_1e_4():
    assert GapTolerance.of({}).met(5e-5, rounding=0.5)
    assert not GapTolerance.of({}).met(2e-4, rounding=0.5)
    assert not GapTolerance.of({"gap": 1e-9}).met(5e-9, rounding=0.5)
    assert not GapTolerance.of({"polish": False}).met([math.nan, math.inf], rounding=math.inf).any()
    assert GapTolerance.of({"polish": False}).gap == UNPOLISHED == 1e-4
    assert GapTolerance.of({"polish": False, "gap": 1e-2}).met(5e-3)


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@pytest.mark.parametrize("near", [1e-9, 1e-11, 1e-13, 1e-14])
def test_next_to_saturation_a_certified_answer_is_right(goal, near):
    from sojourn import reference

    system = ParallelServers(MM1([4.0, 2.0], [0.0, 0.1]))
    load = 6.0 * (1 - near)
    answer = getattr(system, goal)(load, throw=False)
    true = float(getattr(reference, goal)(system.bank, load).mean_delay)
    assert (
        not answer.certified or abs(answer.mean_delay / true - 1) <= answer.certificate.gap <= 1e-4
    )


@pytest.mark.filterwarnings("ignore:the breakaway is not marked")
@pytest.mark.parametrize("wrong", [1.5, 1 + 1e-6])
def test_lower_bound_above_the_delay_certifies_nothing(monkeypatch, wrong):
    """A lower bound above the value is wrong, even by a small difference."""
    from sojourn.models.systems.service_modes import sum_of_squares

    real = sum_of_squares.certified_bound
    true = PAIR.assignment(4.5).mean_delay
    monkeypatch.setattr(sum_of_squares, "certified_bound", lambda *args: wrong * real(*args))
    fresh = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
    answer = fresh.assignment(4.5, throw=False)
    assert not answer.certified
    assert answer.certificate.gap == pytest.approx(1 - 1 / wrong, rel=1e-2)
    assert (
        answer.certificate.lower_bound
        <= answer.certificate.upper_bound
        == pytest.approx(true, rel=1e-9)
    )
    with pytest.warns(UserWarning, match="not certified"):
        data = fresh.curve([4.5])
    assert not data.certified.any()
    with pytest.raises(NotCertifiedError, match="on the way to the breakaway"):
        fresh.breakaway()


def test_tolls_are_certified_when_both_their_answers_are():
    assert TWO.tolls(LOAD).certified
    assert not TWO.tolls(LOAD, **SLOPPY, throw=False).certified
