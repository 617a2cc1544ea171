"""The search for the worst case ends with a valid bound, also without closed slopes."""

import numpy as np
import pytest

from sojourn import reference
from sojourn.models import MM1, Latency, NotCertifiedError, ParallelServers
from sojourn.models.core.solve import Task


class Bare(Latency):
    """M/M/1 of which only the latency is given."""

    def __init__(self, rate, delay):
        self.rate, self.delay = np.array(rate), np.array(delay)

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1 / (
            self.rate - np.asarray(flow) if spare_capacity is None else spare_capacity
        )


BARE = ParallelServers(Bare([10.0, 5.0], [0.1, 0.0]))
TRUE = reference.worst_case(MM1([10.0, 5.0], [0.1, 0.0]))


@pytest.mark.slow
def test_a_latency_alone_is_enough_for_the_worst_case():
    found = BARE.worst_case(up_to=14.0)
    true = reference.worst_case(MM1([10.0, 5.0], [0.1, 0.0]), up_to=14.0)
    assert found.certified
    assert found.note == ""
    assert found.poa == pytest.approx(true.poa, rel=1e-8)
    assert found.evaluations < 200


@pytest.mark.slow
def test_a_stopped_search_has_its_gap_and_the_reason(monkeypatch):
    module = __import__("sys").modules["sojourn.models.systems.parallel.worst_case"]
    monkeypatch.setattr(module, "MOST_DIFFERENCES", 40)
    found = BARE.worst_case()
    assert not found.certified
    assert found.evaluations <= 40
    assert found.poa <= TRUE.poa <= found.upper_bound
    assert found.gap < 1.0
    assert (
        "stopped after 40 loads; differences of the latency have no more digits: give `marginal`"
        in repr(found)
    )


def test_every_end_close_to_saturation_is_bounded():
    """Where no limit is known, the last load is (1 - 1e-6) of the total rate."""
    found = ParallelServers(MM1([10.0, 5.0], [0.1, 0.0])).worst_case(
        up_to=15 * (1 - 1e-6), gap=1e-4
    )
    assert found.certified
    assert found.poa <= TRUE.poa <= found.upper_bound * (1 + 1e-6)


@pytest.mark.parametrize("players", [2, 10])
@pytest.mark.parametrize("part", [0.4, 0.9999])
@pytest.mark.slow
def test_players_of_a_latency_alone(players, part):
    found = BARE.equilibrium(15 * part, players=players)
    true = reference.equilibrium(MM1([10.0, 5.0], [0.1, 0.0]), 15 * part, players)
    assert found.certified
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-8)


def test_an_answer_that_differences_cannot_certify_has_a_remedy():
    message = (
        r"made of differences of the latency.*give `marginal` or `latency_slope` \(Function: "
        r"derivative=\), or ask for a wider gap="
    )
    with pytest.raises(NotCertifiedError, match=message):
        BARE.optimum(14.0, gap=1e-15, solver="CLARABEL")


def test_a_search_solves_its_first_loads_in_one_call_for_each_goal(monkeypatch):
    """Three ends of segments, and three loads beyond them; Newton steps find the others."""
    solved, whole = [], Task.solve
    monkeypatch.setattr(
        Task, "solve", lambda self, load: solved.append(load.size) or whole(self, load)
    )
    found = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])).worst_case()
    assert found.certified
    assert found.evaluations > 6
    assert solved == [6, 6]
