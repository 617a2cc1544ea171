"""Jobs that visit stations in turn, against hand calculations, plain loops and known networks."""

import numpy as np
import pytest

from sojourn.models.simulation.jobs import JobClass, Jobs, Node, Ways
from sojourn.models.simulation.network import Network
from sojourn.models.simulation.nodes import Queue, Sharing
from sojourn.models.simulation.record import RELAXED, record, relaxations
from sojourn.models.simulation.service import Deterministic, Exponential, Gamma, Samples
from sojourn.models.simulation.statistics import BATCHES


def node(discipline="queue", service=None, name="a", servers=1):
    return Node(name, discipline, Exponential() if service is None else service, servers)


def all_of(network, jobs, chunk, seed=0):
    """Return the delays of all jobs in order of arrival, and the mean visit of each station."""
    chunks = list(network.run(jobs, chunk, seed))
    number = np.concatenate([c.number for c in chunks])
    assert np.array_equal(np.sort(number), np.arange(jobs))
    delay = np.concatenate([c.delay for c in chunks])[np.argsort(number)]
    visits = [
        np.concatenate([c.visits[s].delay for c in chunks]) for s in range(len(network.nodes))
    ]
    return delay, [float(v.mean()) for v in visits]


def served(kind, arrivals, works, chunks, servers=1):
    """Return the departures of jobs from one station that is given them in chunks."""

    class Given(kind):
        def _works(self, station, kind, step):
            return np.array([works[i] for i in step_of.pop(0)])

    number = np.arange(len(arrivals))
    part = Given(
        np.array([0]), (node(servers=servers),), Ways.of([JobClass(1.0, (0,), (1.0,))]), [None]
    )
    zeros = np.zeros(len(arrivals), np.intp)
    jobs = Jobs(np.array(arrivals), np.array(arrivals), zeros, zeros, number)
    part.inbox.append(jobs)
    out, origin, step_of = np.full(len(arrivals), np.nan), 0.0, []
    for until in [*chunks, np.inf]:
        due = [
            i for i in number if arrivals[i] <= until and (arrivals[i] > origin or origin == 0.0)
        ]
        step_of.append(due)
        left, _ = part.advance(until - origin)
        out[left.number] = left.time + origin
        if np.isfinite(until):
            part.since(until - origin)
            origin = until
    return out.tolist()


@pytest.mark.parametrize("chunks", [[], [0.5, 1.5], [2.5]])
def test_hand_calculations(chunks):
    """Works 2 and 1 that arrive at 0 and 1: shared, both get half of the speed and leave at 3."""
    cases = {Sharing: [3.0, 3.0, 5.5], Queue: [2.0, 3.0, 5.5]}
    for kind, known in cases.items():
        assert served(kind, [0.0, 1.0, 5.0], [2.0, 1.0, 0.5], chunks) == pytest.approx(known)
    assert served(Sharing, [0.0, 1.0], [4.0, 1.0], chunks) == pytest.approx([5.0, 3.0])
    assert served(Queue, [0.0, 1.0], [4.0, 1.0], chunks) == pytest.approx([4.0, 5.0])
    # two servers: the third job waits, or shares from 2 to 3, when the first one leaves
    three = [0.0, 1.0, 2.0], [3.0, 4.0, 1.0], chunks, 2
    assert served(Queue, *three) == pytest.approx([3.0, 5.0, 4.0])
    assert served(Sharing, *three) == pytest.approx([3.5, 5.5, 3.5])


def loop(arrivals, works, discipline, servers):
    """Return the departures from one station, by stepping through every event."""
    if discipline == "queue":
        free, out = [0.0] * servers, []
        for at, work in zip(arrivals, works, strict=True):
            first = free.index(min(free))
            free[first] = max(free[first], at) + work
            out.append(free[first])
        return np.array(out)
    left, now, out, i = {}, 0.0, np.empty(len(arrivals)), 0
    while left or i < len(arrivals):
        slow = max(len(left) / servers, 1.0)
        end = now + min(left.values()) * slow if left else np.inf
        at = arrivals[i] if i < len(arrivals) else np.inf
        time = min(end, at)
        left = {job: work - (time - now) / slow for job, work in left.items()}
        now = time
        if end <= at:
            job = min(left, key=left.get)
            out[job] = now
            del left[job]
        else:
            left[i] = works[i]
            i += 1
    return out


@pytest.mark.parametrize("chunks", [[], [3.0, 4.0, 40.0], list(np.linspace(1.0, 300.0, 40))])
@pytest.mark.parametrize(("kind", "name"), [(Queue, "queue"), (Sharing, "sharing")])
@pytest.mark.parametrize("servers", [1, 3])
def test_against_a_loop_over_events(kind, name, servers, chunks):
    rng = np.random.default_rng(5)
    arrivals, works = np.cumsum(rng.exponential(size=300)), rng.gamma(0.5, 1.8 * servers, size=300)
    found = served(kind, arrivals, works, chunks, servers)
    assert found == pytest.approx(loop(arrivals, works, name, servers))


@pytest.mark.parametrize("servers", [1, 2])
def test_circles_as_single_stations(servers):
    """A circle that no job uses twice gives the delays of its stations one after the other."""
    one = JobClass(0.4 * servers, (0, 1), (1.0, 0.5))
    # a second class, so rare that none of its jobs comes, closes the circle
    back = JobClass(1e-12, (1, 0), (1.0, 1.0))
    for discipline in ("queue", "sharing", "delay"):
        nodes = tuple(node(discipline, Deterministic(), name, servers) for name in "ab")
        # of as many classes, so that the random numbers are the same
        plain = Network(nodes, (one, JobClass(1e-12, (0,), (1.0,))))
        circle = Network(nodes, (one, back))
        assert [again for _, again in plain.parts()] == [False, False]
        assert [again for _, again in circle.parts()] == [True]
        first, second = (all_of(n, 3_000, 700) for n in (plain, circle))
        assert first[0] == pytest.approx(second[0], rel=1e-6)
        assert first[1] == pytest.approx(second[1], rel=1e-6)


def test_order_of_stations():
    network = Network(
        tuple(node(name=n) for n in "abcd"),
        (JobClass(1.0, (3, 0, 2), (0.1,) * 3), JobClass(1.0, (2, 0), (0.1,) * 2)),
    )
    parts = [(p.tolist(), again) for p, again in network.parts()]
    assert sorted(parts) == [([0, 2], True), ([1], False), ([3], False)]
    assert parts.index(([3], False)) < parts.index(([0, 2], True))
    flows = network.flows()
    assert flows[0].tolist() == [2.0, 0.0, 2.0, 1.0]
    assert flows[1] == pytest.approx([0.2, 0.0, 0.2, 0.1])


def of_two(discipline, service, classes):
    return Network((node(discipline, service), node(discipline, service, "b")), classes)


THERE_AND_BACK = (JobClass(0.5, (0, 1), (0.7, 0.7)), JobClass(0.5, (1, 0), (0.7, 0.7)))
AGAIN = (JobClass(0.4, (0, 1, 0), (0.7, 0.7, 0.7), delay=1.0),)
CASES = {
    # product form: each queue is that of its flow
    "queues in opposite orders": (of_two("queue", None, THERE_AND_BACK), 2 * 0.7 / 0.3),
    "a station twice": (of_two("queue", None, AGAIN), 1.0 + 2 * 0.7 / 0.44 + 0.7 / 0.72),
    "shared, of any law": (of_two("sharing", Gamma(2.0), THERE_AND_BACK), 2 * 0.7 / 0.3),
    "shared, samples": (of_two("sharing", Samples([1, 1, 4]), AGAIN), 1 + 1.4 / 0.44 + 0.7 / 0.72),
    # M/M/2: the mean time is s / (1 - rho^2), and the departures are a Poisson stream
    "two servers each": (
        Network(
            tuple(node(name=n, servers=2) for n in "ab"),
            (JobClass(0.6, (0, 1), (1.0, 1.5)), JobClass(0.2, (1, 0), (1.5, 1.0))),
        ),
        1.0 / (1 - 0.4**2) + 1.5 / (1 - 0.6**2),
    ),
    "two servers each, shared, of any law": (
        Network(
            tuple(node("sharing", Gamma(2.0), n, 2) for n in "ab"),
            (JobClass(0.6, (0, 1), (1.0, 1.0)), JobClass(0.2, (1, 0), (2.0, 1.0))),
        ),
        # each work is slowed down by 1 / (1 - rho^2)
        (1.0 / (1 - 0.4**2) + 0.75 / (1 - 0.5**2)) + 0.25 * 2.0 / (1 - 0.5**2),
    ),
    "delays alone": (of_two("delay", Gamma(0.5), AGAIN), 1.0 + 2.1),
}


@pytest.mark.parametrize("case", CASES)
def test_known_networks(case):
    network, known = CASES[case]
    found = record(network, [np.arange(len(network.classes))], 40_000, seed=4)
    mean, narrow = found.whole.mean(0.999), found.whole.mean()
    assert mean.low < known < mean.high
    assert narrow.high - narrow.low < 0.2 * known
    assert found.whole.jobs == 40_000


def test_same_seed_same_bytes():
    network, _ = CASES["shared, of any law"]
    first, again, other = (all_of(network, 5_000, 900, seed)[0] for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_memory_of_a_long_run():
    """What is kept from chunk to chunk does not grow with the number of jobs."""
    network = of_two("sharing", None, (JobClass(1.0, (0, 1), (0.5, 0.5)),))
    for kept in network.run(40_000, 500):
        assert kept.delay.size < 700


def test_two_tandem_deterministic_queues():
    """Behind a constant server as fast as itself no job waits: the closed form is too long."""
    tandem = of_two("queue", Deterministic(), (JobClass(0.8, (0, 1), (1.0, 1.0)),))
    _, visits = all_of(tandem, 20_000, 3_000)
    assert visits[1] == pytest.approx(1.0, rel=1e-9)
    assert visits[0] == pytest.approx(3.0, rel=0.1)


def test_background_jobs_do_not_count():
    base = JobClass(1.0, (0,), (0.25,), counted=False)
    network = Network((node(),), (JobClass(1.0, (0,), (0.25,), delay=5.0), base))
    found = record(network, [np.zeros(2, np.intp)], 20_000, seed=0)
    assert found.whole.jobs == pytest.approx(20_000, rel=0.05)
    assert found.whole.mean().value == pytest.approx(5.5, rel=0.02)
    assert found.stations[0].utilisation().value == pytest.approx(0.5, rel=0.05)


def test_a_run_that_is_too_short_says_by_how_much():
    network = Network((node(),), (JobClass(1.0, (0,), (0.95,)),))
    needed = BATCHES * RELAXED * relaxations(network)[0]
    short = record(network, [np.zeros(1, np.intp)], 20_000, seed=0)
    assert f"needs {needed / 20_000:.3g} times as many" in short.notes[0]
    assert relaxations(network)[0] == pytest.approx(0.95 * 1.95 / 0.05**2)
    assert np.isinf(relaxations(Network((node(),), (JobClass(1.0, (0,), (1.0,)),)))[0])
