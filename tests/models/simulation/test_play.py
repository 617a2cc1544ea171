"""Users who choose by observed delays reach the computed equilibrium, from wherever they start."""

import warnings

import numpy as np
import pytest
from matplotlib.image import imread
from shared_modes import paper

from sojourn.models import (
    BPR,
    MM1,
    Groups,
    InputError,
    MMc,
    Network,
    ParallelServers,
    load_scenario,
)
from sojourn.models.frontend.trajectory_plot import plot_trajectory
from sojourn.models.simulation.play import Game

NEAR = 0.06  # of what the busiest station gets, in the last ten rounds of 150
LINKS = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
CASES = {
    "Mancuso et al., scenario 0": (
        lambda: load_scenario("scenario-0").system,
        0.6,
        ([0.9, 0.05, 0.05], [0.05, 0.05, 0.9]),
    ),
    "Mancuso et al., scenario 1": (
        lambda: load_scenario("scenario-1").system,
        0.5,
        ([0.1, 0.8, 0.1], [0.1, 0.1, 0.8]),
    ),
    "Jeff and Modiano, shared": (lambda: paper("A"), 0.8, ([0.3, 0.7], [0.6, 0.4])),
    "groups": (
        lambda: Groups(MM1([10.0, 8.0]), load=[5.0, 4.0], delay=[[0.0, 0.2], [0.2, 0.0]]),
        0.5,
        ([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]),
    ),
    "network": (
        lambda: Network(MM1([10.0, 8.0, 20.0, 9.0, 7.0]), ends=LINKS, load={("s", "t"): 8.0}),
        0.5,
        ([[(list("svt"), 1.0)]], [[(list("swt"), 1.0)]]),
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if i else [], id=name)
        for i, name in enumerate(CASES)
    ],
)
def test_two_starts_reach_the_equilibrium(name):
    make, part, starts = CASES[name]
    system = make()
    load = part * system.max_load
    ends = []
    for seed, start in enumerate(starts):
        data = system.play(load, rounds=150, jobs=10_000, share=start, seed=seed)
        distance = data.distance.values
        assert distance[0] > NEAR
        assert distance[-10:].max() < NEAR
        known = float(data.equilibrium_delay)
        assert data.mean_delay.values[-50:].mean() == pytest.approx(known, rel=0.1)
        ends.append(data)
    first, second = ends
    assert np.array_equal(first.equilibrium_share, second.equilibrium_share)
    if name != "network":  # several flows of routes have the same flows of links
        assert first.share[-1].values == pytest.approx(second.share[-1].values, abs=0.15)


def test_trajectory():
    system = ParallelServers(MM1([10.0, 5.0], 0.1), names=["near", "far"], time_unit="ms")
    data = system.play(9.0, rounds=4, jobs=2_000, share=[0.5, 0.5])
    assert data.share.dims == ("round", "server")
    assert data["round"].values.tolist() == [1, 2, 3, 4]
    assert data.share[0].values == pytest.approx([0.5, 0.5])
    assert data.share.sum("server").values == pytest.approx(1.0)
    assert data.equilibrium_share.values == pytest.approx(system.equilibrium(9.0).flow / 9.0)
    assert float(data.equilibrium_delay) == pytest.approx(system.equilibrium(9.0).mean_delay)
    # a server that is faster gets more: 1/(10 - 4.5) against 1/(5 - 4.5)
    assert data.share[1, 0] > data.share[0, 0]
    assert data.delay.attrs["units"] == "ms"
    again = system.play(9.0, rounds=4, jobs=2_000, share=[0.5, 0.5])
    assert data.identical(again)


def test_a_first_round_that_overloads_a_server():
    system = ParallelServers(MM1([10.0, 5.0]))
    data = system.play(9.0, rounds=60, jobs=5_000, share=[0.0, 1.0])
    assert data.mean_delay[0] > 20 * data.equilibrium_delay
    assert data.distance[-1] < 0.2


def test_any_family_of_servers_plays():
    system = ParallelServers(MMc([4.0], [3]), MM1([9.0], base=2.0, base_priority="preemptive"))
    data = system.play(9.0, rounds=60, jobs=5_000)
    assert data.distance[-10:].max() < 0.15


def test_distance_is_of_what_stations_get():
    game = Game(
        over="route",
        names=tuple("abcd"),
        group=np.array([0, 0, 1, 1]),
        load=np.array([2.0, 3.0]),
        stations=tuple("xyz"),
        use=np.eye(4)[:, :3],
        observe=lambda *_: None,
        equilibrium=np.array([0.5, 0.5, 1.0, 0.0]),
        equilibrium_delay=1.0,
    )
    even = np.full(4, 0.5)
    assert game.flow(even).tolist() == [1.0, 1.0, 1.5, 1.5]
    assert game.share(game.flow(even)).tolist() == even.tolist()
    assert game.distance(even) == pytest.approx(0.5)
    assert game.distance(game.equilibrium) == 0.0


def test_too_short_rounds_are_said():
    """At 99.99 % a queue forgets in 4e8 jobs that it was empty."""
    data = ParallelServers(MM1([10.0, 5.0])).play(14.9985, rounds=30, jobs=1_000)
    assert "rounds are too short: server" in data.notes
    few = ParallelServers(MM1([10.0, 5.0])).play(5.0, rounds=3, jobs=1_000)
    assert few.final_error == np.inf
    assert "have not settled: after 3 rounds" in few.notes


def test_networks_with_too_many_routes():
    ends = [(i, i + 1) for i in range(9) for _ in range(2)]
    many = Network(MM1([9.0] * 18), ends=ends, load={(0, 9): 1.0})
    with pytest.raises(InputError, match=r"200.*fewer than the routes.*Routes"):
        many.play()


def test_closed_nodes_are_not_passed():
    net = Network(MM1([9.0] * 5), ends=LINKS, load={("s", "t"): 4.0}, closed=["w"])
    assert net.play(rounds=1, jobs=200).route.values.tolist() == ["s -> t: s -> v, v -> t"]


def test_picture(tmp_path):
    data = ParallelServers(MM1([10.0, 5.0])).play(9.0, rounds=20, jobs=2_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_trajectory(data, "two servers")
        figure.savefig(tmp_path / "a.png", dpi=50)
    assert imread(tmp_path / "a.png").std() > 0.05
    above, below = figure.axes
    assert [t.get_text() for t in above.get_legend().get_texts()] == [
        "server 1",
        "server 2",
        "equilibrium",
    ]
    assert below.get_ylabel() == "observed delay (s)"
    with pytest.raises(InputError, match="has no share to draw"):
        plot_trajectory(data.drop_vars("share"))


def test_roads_cannot_play():
    with pytest.raises(InputError, match="road"):
        ParallelServers(BPR(free_flow=[1.0, 2.0], capacity=[9.0, 9.0])).play(5.0)
