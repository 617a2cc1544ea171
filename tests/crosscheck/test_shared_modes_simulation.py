"""Two stages with processor sharing, simulated event by event, against the formulas.

The works of a job may have any law, also jointly: exponential, constant, hyperexponential with a
squared coefficient of variation of 5, and exponential with one factor for both stages.
"""

import heapq
import math

import numpy as np
import pytest
from scipy.stats import t as student
from shared_modes import paper

LOAD, WARM_UP = 4.0, 0.1
SYSTEM = paper("A")
CV2 = 5.0


def works(law, means, rng):
    """Return works of mean 1 at two stages, times the means, shape (n, 2)."""
    n = len(means)
    if law == "deterministic":
        factor = np.ones((n, 2))
    elif law == "exponential":
        factor = rng.exponential(size=(n, 2))
    elif law == "one factor":
        factor = np.repeat(rng.exponential(size=(n, 1)), 2, axis=1)
    else:  # hyperexponential of balanced means
        part = 0.5 * (1 + math.sqrt((CV2 - 1) / (CV2 + 1)))
        slow = rng.random((n, 2)) >= part
        factor = rng.exponential(size=(n, 2)) / np.where(slow, 2 * (1 - part), 2 * part)
    return means * factor


def departures(arrivals, work):
    """Return the departure times from a stage that shares its speed 1 among all jobs present.

    The time in which a job alone would have been served, *virtual time*, grows by 1 over the number
    of jobs; a job leaves when it has grown by its work.
    """
    out = np.empty(len(arrivals))
    present, now, virtual = [], 0.0, 0.0
    for i, (at, amount) in enumerate(zip(arrivals.tolist(), work.tolist(), strict=True)):
        while present:
            left = (present[0][0] - virtual) * len(present)
            if now + left > at:
                break
            now += left
            virtual, job = heapq.heappop(present)
            out[job] = now
        if present:
            virtual += (at - now) / len(present)
        now = at
        heapq.heappush(present, (virtual + amount, i))
    while present:
        end, job = present[0]
        now += (end - virtual) * len(present)
        virtual = end
        out[job] = now
        heapq.heappop(present)
    return out


def simulate(p, law, jobs, seed):
    """Return the mean delay of all jobs, and of those in each mode."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / LOAD, size=jobs))
    mode = (rng.random(jobs) >= p).astype(int)
    work = works(law, SYSTEM.rates.time.T[mode], rng)
    between = departures(arrivals, work[:, 0])
    order = np.argsort(between)
    leaving = np.empty(jobs)
    leaving[order] = departures(between[order], work[order, 1])
    counted = np.arange(jobs) >= WARM_UP * jobs
    delay = leaving - arrivals
    return [delay[counted].mean(), *(delay[counted & (mode == m)].mean() for m in (0, 1))]


def interval(p, law, jobs, runs):
    """Return the means over several runs, and half the widths of their 99.9 % intervals."""
    found = np.array([simulate(p, law, jobs, [21, seed, jobs]) for seed in range(runs)])
    half = student.ppf(0.9995, runs - 1) * found.std(axis=0, ddof=1) / math.sqrt(runs)
    return found.mean(axis=0), half


def test_one_shared_stage_against_a_hand_calculation():
    """Works 2 and 1 that arrive at 0 and 1: both get half of the speed, and leave at 3."""
    found = departures(np.array([0.0, 1.0, 5.0]), np.array([2.0, 1.0, 0.5]))
    assert found.tolist() == [3.0, 3.0, 5.5]
    found = departures(np.array([0.0, 1.0]), np.array([4.0, 1.0]))
    assert found.tolist() == [5.0, 3.0]


CASES = [
    ("optimum", "exponential"),
    ("optimum", "deterministic"),
    ("optimum", "hyperexponential"),
    ("optimum", "one factor"),
    ("equilibrium", "exponential"),
    ("equilibrium", "deterministic"),
    ("equilibrium", "hyperexponential"),
    ("equilibrium", "one factor"),
]


def expected(goal):
    """Return the assignment, and the delays of all jobs and of each mode; modes.md: 1.75, 2."""
    found = getattr(SYSTEM, goal)(LOAD)
    known = {"optimum": [1.75, 1.65, 1.95], "equilibrium": [2.0, 2.0, 2.0]}[goal]
    assert [found.mean_delay, *found.mode_delay] == pytest.approx(known, rel=1e-8)
    return found.p, np.array(known)


@pytest.mark.parametrize(("goal", "law"), CASES)
@pytest.mark.exhaustive
def test_long_simulation(goal, law):
    p, known = expected(goal)
    mean, half = interval(p, law, 400_000, 10)
    assert (np.abs(mean - known) <= half).all(), (mean, half)
    assert (half < 0.08 * known).all(), half


@pytest.mark.parametrize(("goal", "law"), [CASES[1], CASES[7]])
def test_short_simulation(goal, law):
    """An interval that is narrow enough to tell the optimum from the equilibrium's worst mode."""
    p, known = expected(goal)
    mean, half = interval(p, law, 20_000, 10)
    assert (np.abs(mean - known) <= half).all(), (mean, half)
    assert (half < 0.25 * known).all(), half
