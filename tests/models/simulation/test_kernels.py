"""Kernels against loops over jobs that follow the definitions of the disciplines."""

import heapq

import numpy as np
import pytest

from sojourn.models.simulation.arrivals import Arrivals, Sizes, Stream
from sojourn.models.simulation.multi import ManyServers, Pausing
from sojourn.models.simulation.priority import Priorities
from sojourn.models.simulation.run import Task
from sojourn.models.simulation.service import Deterministic, Gamma
from sojourn.models.simulation.single import Lindley
from sojourn.models.simulation.station import Station


def drawn(seed, n, used=0.9):
    rng = np.random.default_rng(seed)
    return rng.standard_exponential(n) / used, Gamma(1.5).draw(rng, n)


def pieces(n, seed):
    """Return slices of 0..n of odd lengths."""
    cuts = np.unique(np.random.default_rng(seed).integers(1, n, 7))
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_lindley(seed):
    gap, work = drawn(seed, 500)
    true, left = [], 0.0
    for a, s in zip(gap, work, strict=True):
        left = max(left - a, 0.0)
        true.append(left)
        left += s
    kernel = Lindley()
    found = np.concatenate([kernel.waits(gap[at], work[at]) for at in pieces(500, seed)])
    np.testing.assert_allclose(found, true, atol=1e-12)


def served(times, works, own, order):
    """Return the sojourn times of a server event by event, by the priority of base jobs.

    Jobs are (class, arrival) in a heap; a preempted job keeps its work.
    """
    first = {"equal": (0, 0), "last": (1, 0)}.get(order, (0, 1))
    key = [(first[1] if mine else first[0]) for mine in own]
    now, k, queue, current, left, out = 0.0, 0, [], None, list(works), {}
    n = len(times)
    while k < n or queue or current is not None:
        if current is None and queue:
            current = heapq.heappop(queue)
        until = times[k] if k < n else np.inf
        if current is not None and now + left[current[1]] <= until:
            now += left[current[1]]
            out[current[1]] = now - times[current[1]]
            current = None
            continue
        if k == n:
            break
        if current is not None:
            left[current[1]] -= until - now
        now = until
        heapq.heappush(queue, (key[k], k))
        if order == "preemptive" and current is not None and queue[0][0] < current[0]:
            heapq.heappush(queue, current)
            current = None
        k += 1
    return np.array([out[i] for i in range(n) if own[i]])


@pytest.mark.parametrize("order", ["equal", "non-preemptive", "preemptive", "last"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch", [False, True])
def test_priorities(order, seed, batch):
    gap, work = drawn(seed, 600, used=0.85)
    rng = np.random.default_rng(50 + seed)
    own = rng.random(600) < 0.5
    if batch:
        gap[1:][own[1:] & own[:-1] & (rng.random(599) < 0.5)] = 0.0
    true = served(np.cumsum(gap), work, own, order)
    kernel = Priorities(order)
    found = np.concatenate(
        [kernel.sojourns(Arrivals(gap[at], work[at], own[at])) for at in pieces(600, seed)]
    )
    assert 0.8 * true.size < found.size <= true.size  # those at the end are not done
    np.testing.assert_allclose(found, true[: found.size], atol=1e-9)


def test_jobs_before_a_base_load_that_never_ends():
    """More work than the server can do: the jobs before the base jobs do not notice."""
    kernel, waits = Priorities("last"), []
    station = Station(1.0, base=0.8, base_priority="last")
    stream, rng = Stream(station, 0.5), np.random.default_rng(3)
    for _ in range(60):
        waits.append(kernel.sojourns(stream.draw(rng, 5000)))
    # Cobham's formula with a base job always in service: 1 + (1 - rho + rho)/(1 - rho)
    assert np.concatenate(waits).mean() == pytest.approx(1 + 1 / 0.5, rel=0.05)
    assert kernel.behind.pending.came.size > 10_000


def test_many_servers():
    rng = np.random.default_rng(4)
    kernel = ManyServers(Station(1.0, servers=3), 2.7, 32)
    gap, work = rng.standard_exponential((2, 200, 32))
    gap /= 2.7
    found = np.concatenate([kernel.serve(rng, gap[at], work[at]) for at in pieces(200, 4)])
    for r in (0, 31):
        free, now, true = [0.0] * 3, 0.0, []
        for a, s in zip(gap[:, r], work[:, r], strict=True):
            now += a
            done = max(heapq.heappop(free), now) + s
            heapq.heappush(free, done)
            true.append(done - now)
        np.testing.assert_allclose(found[:, r], true, atol=1e-9)


def test_set_ups():
    rng = np.random.default_rng(5)
    kernel = Pausing(Station(1.0, setup=0.7, setup_cv=0.0), 0.5, 32)
    gap, work = rng.standard_exponential((2, 100, 32)) * np.array([2.0, 1.0])[:, None, None]
    found = kernel.serve(rng, gap, work)
    free, now = 0.0, 0.0
    for a, s, t in zip(gap[:, 0], work[:, 0], found[:, 0], strict=True):
        now += a
        free = (now + 0.7 if free < now else free) + s
        assert t == pytest.approx(free - now)


def test_vacations_of_one_length():
    """The server begins at a multiple of the vacation after it became empty."""
    rng = np.random.default_rng(6)
    kernel = Pausing(Station(1.0, vacation=0.3, vacation_cv=0.0), 0.5, 32)
    gap, work = rng.standard_exponential((2, 100, 32)) * np.array([2.0, 1.0])[:, None, None]
    found = kernel.serve(rng, gap, work)
    free, now = 0.0, 0.0
    for a, s, t in zip(gap[:, 3], work[:, 3], found[:, 3], strict=True):
        now += a
        if free < now:
            free += 0.3 * np.ceil((now - free) / 0.3)
        free += s
        assert t == pytest.approx(free - now)


def test_stations_in_series():
    """Constant times: a job waits at the slower station alone, and a third has two servers.

    They are fast enough for jobs that come 0.8 apart.
    """
    third = Station(0.625, Deterministic(), servers=2)
    middle = Station(1.25, Deterministic(), then=third)
    task = Task(Station(4.0, Deterministic(), then=middle), 0.8, 3000, np.random.SeedSequence(0))
    found, again = task.run(), task.run()
    assert found.jobs == 3000
    wait = 0.8 * 0.64 / (2 * 0.36)  # of M/D/1 at the slower station
    assert found.mean().value == pytest.approx(0.25 + 0.8 + wait + 1.6, rel=0.05)
    assert found.utilisation().value == pytest.approx(0.64, rel=0.05)
    assert again.mean() == found.mean()


@pytest.mark.parametrize(
    ("mean", "cv"), [(3.0, 0.0), (2.5, 0.2), (2.5, 0.5), (1.3, 2.0), (8.0, 0.125), (5.0, 3.0)]
)
def test_sizes_of_batches(mean, cv):
    sizes = Sizes(mean, cv)
    parts = np.diff([0.0, *sizes.limits, 1.0])
    assert np.all(parts >= 0)
    assert np.all(sizes.values >= 1)
    assert parts @ sizes.values == pytest.approx(mean)
    assert parts @ (sizes.values - mean) ** 2 == pytest.approx((cv * mean) ** 2)
    found = sizes.draw(np.random.default_rng(1), 100_000)
    assert found.mean() == pytest.approx(mean, rel=0.05)
