"""Numbers of servers of pools and stations: answers, targets, certificates, text, refusals."""

import itertools
import json
import math

import numpy as np
import pytest

from sojourn.models import (
    MM1,
    InputError,
    LateWait,
    MaxShare,
    MeanWait,
    MMc,
    ParallelServers,
    PoolLateWait,
    Pools,
    PoolWait,
    ServerBudget,
    ServerPercentile,
    StaffedPools,
    StaffedServers,
)
from sojourn.models.core.times import in_time_unit
from sojourn.reference.parallel.decisions.staffing import as_pools

POOLS = Pools(MMc(rate=[3.0, 10.0, 1.0]), names=["sales", "help", "repairs"])
LOAD = [20.0, 50.0, 8.0]
PRICE = [2.0, 5.0, 1.5]
STATIONS = ParallelServers(
    MMc(rate=[10.0, 25.0, 8.0], delay=[0.0, 0.05, 0.01]), names=["here", "there", "near"]
)


@pytest.fixture(scope="module")
def staffed():
    return POOLS.staff(LOAD, total=26)


@pytest.fixture(scope="module")
def joint():
    return STATIONS.staff(150.0, price=[3.0, 6.0, 2.2], delay_cost=8.0, max_servers=[6, 4, 9])


# ---- pools


def test_a_total(staffed):
    assert isinstance(staffed, StaffedPools)
    assert staffed.servers.tolist() == [9, 7, 10]
    assert (staffed.total, staffed.cost, staffed.minimise) == (26, 26.0, "wait")
    assert staffed.mean_wait == pytest.approx(0.042847585338, abs=5e-13)
    assert staffed.certified
    proof = staffed.certificate
    assert proof.lower_bound <= staffed.mean_wait <= proof.upper_bound
    assert proof.gap < 1e-12
    assert staffed.last_gain >= staffed.next_gain > 0
    # each pool is the station of a bank with these numbers
    bank = staffed.bank
    assert isinstance(bank, MMc)
    np.testing.assert_allclose(bank.latency(LOAD), staffed.latency, rtol=1e-13)
    np.testing.assert_allclose(staffed.utilisation, bank.utilisation(LOAD), rtol=1e-15)
    np.testing.assert_allclose(staffed.wait + 1 / bank.each, staffed.latency, rtol=1e-13)
    wait = np.dot(LOAD, staffed.wait) / 78
    assert staffed.mean_wait == pytest.approx(wait, rel=1e-14)
    assert staffed.mean_delay == pytest.approx(np.dot(LOAD, staffed.latency) / 78, rel=1e-14)


def test_four_pools():
    found = Pools(MMc([3.0, 10.0, 1.0, 4.0])).staff([20.0, 50.0, 8.0, 31.0], total=40)
    assert found.servers.tolist() == [10, 8, 11, 11]
    assert found.mean_wait == pytest.approx(0.016315232236, abs=5e-13)


def test_gains_are_those_of_one_server_more_and_less(staffed):
    more = POOLS.staff(LOAD, total=27)
    assert staffed.mean_wait - more.mean_wait == pytest.approx(staffed.next_gain, rel=1e-12)
    less = POOLS.staff(LOAD, total=25)
    assert less.mean_wait - staffed.mean_wait == pytest.approx(staffed.last_gain, rel=1e-12)
    # a price does not change how a total is divided
    priced = POOLS.staff(LOAD, total=26, price=PRICE)
    assert priced.servers.tolist() == staffed.servers.tolist()
    assert (priced.cost, priced.next_gain) == (68.0, staffed.next_gain)


def test_call_centre():
    pool = Pools(MMc(rate=1 / 180))
    found = pool.staff(300 / 3600, subject_to=[PoolLateWait(within=20, at_most=0.05)])
    assert found.servers.tolist() == [22]
    assert found.targets[0].value.round(6).tolist() == [0.029084]
    same = pool.staff(300 / 3600, subject_to=[LateWait(within=20, at_most=0.05)])
    assert same.servers.tolist() == [22]
    at = pool.staff(300 / 3600, total=21, subject_to=[])
    assert as_pools(1 / 180, 300 / 3600).late_wait(at.servers, 20.0).round(6).tolist() == [0.052533]


def test_mean_wait_of_one_pool():
    for target in (MeanWait(0.01), PoolWait(0.01), PoolWait([0.01])):
        found = Pools(MMc(rate=12.0)).staff(100.0, subject_to=[target])
        assert found.servers.tolist() == [11]
        assert found.wait[0] == pytest.approx(0.009363104689, abs=5e-13)
        assert found.certified


def test_targets_in_each_pool_are_met_by_the_least_numbers():
    targets = [
        PoolWait([0.1, 0.05, math.inf]),
        PoolLateWait(within=[0.2, 0.1, 1.0], at_most=[0.2, 0.1, 0.05]),
        ServerPercentile(p=0.9, within=[1.2, 0.3, 2.6]),
    ]
    pools = Pools(MMc(rate=[3.0, 10.0, 1.0], delay=[0.01, 0.0, 0.02]))
    found = pools.staff(LOAD, price=PRICE, subject_to=targets)
    exact = as_pools([3.0, 10.0, 1.0], LOAD)

    def met(servers):
        c = np.array(servers)
        return (
            (exact.waits(c).mean <= [0.1, 0.05, math.inf])
            & (exact.late_wait(c, np.array([0.2, 0.1, 1.0])) <= [0.2, 0.1, 0.05])
            & (exact.late_job(c, np.array([1.19, 0.3, 2.58])) <= 0.1)
        )

    assert met(found.servers).all()
    assert not met(found.servers - 1).any()
    assert found.certified
    assert found.cost == np.dot(PRICE, found.servers)
    for target in found.targets:
        assert np.all(target.value <= target.at_most)
    # they are bounds of the numbers under a total and a budget too
    total = pools.staff(LOAD, total=found.total + 3, subject_to=targets)
    assert np.all(total.servers >= found.servers)
    budget = ServerBudget(found.cost + 6.0)
    paid = pools.staff(LOAD, price=PRICE, subject_to=[*targets, budget])
    assert found.cost < paid.cost <= found.cost + 6.0
    assert met(paid.servers).all()


@pytest.mark.parametrize("target", [MeanWait(0.1), LateWait(within=0.1, at_most=0.2)])
def test_a_target_of_all_jobs_at_least_cost(target):
    at_least = [PoolWait(0.5)]
    found = POOLS.staff(LOAD, price=PRICE, subject_to=[target, *at_least])
    numbers = np.array(list(itertools.product(range(7, 20), range(6, 18), range(9, 24))))
    pools = as_pools([3.0, 10.0, 1.0], LOAD)
    wait = pools.waits(numbers).mean
    if isinstance(target, MeanWait):
        met = wait @ np.array(LOAD) / 78 <= 0.1
    else:
        met = pools.late_wait(numbers, 0.1) @ np.array(LOAD) / 78 <= 0.2
    met &= np.all(wait <= 0.5, axis=1)
    best = (numbers @ np.array(PRICE))[met].min()
    assert found.cost == best
    assert found.certified
    assert found.certificate.lower_bound <= best
    assert found.targets[0].value <= found.targets[0].at_most
    assert found.targets[0].value.shape == ()


def test_a_budget():
    found = POOLS.staff(LOAD, price=PRICE, subject_to=[ServerBudget(70.0)])
    numbers = np.array(list(itertools.product(range(7, 25), range(6, 14), range(9, 30))))
    wait = as_pools([3.0, 10.0, 1.0], LOAD).waits(numbers).mean @ np.array(LOAD) / 78
    assert found.mean_wait == pytest.approx(
        wait[numbers @ np.array(PRICE) <= 70.0].min(), rel=1e-13
    )
    assert found.cost <= 70.0
    assert found.certified


def test_loads_of_0_and_bounds():
    found = POOLS.staff([20.0, 0.0, 8.0], total=22)
    assert found.servers[1] == 0
    assert (found.utilisation[1], found.wait[1], found.waiting[1]) == (0.0, 0.0, 0.0)
    assert len(found.bank) == 2
    kept = POOLS.staff([20.0, 0.0, 8.0], total=22, min_servers=[0, 1, 0], max_servers=[9, 4, 20])
    assert kept.servers.tolist() == [9, 1, 12]
    percentile = POOLS.staff([20.0, 0.0, 8.0], subject_to=[ServerPercentile(0.9, [2, 0.1, 4])])
    assert percentile.servers[1] == 0


def test_a_price_of_0_gives_the_largest_number():
    found = POOLS.staff(
        LOAD, price=[2.0, 0.0, 1.5], subject_to=[MeanWait(0.1)], max_servers=[20, 8, 20]
    )
    assert found.servers[1] == 8
    assert found.certified
    with pytest.raises(InputError, match=r"price\[1\] = 0\.0: does not bound the number of"):
        POOLS.staff(LOAD, price=[2.0, 0.0, 1.5], subject_to=[MeanWait(0.1)])


def test_a_million_servers():
    found = Pools(MMc([1.0, 1.0])).staff([700_000.0, 200_000.0], total=902_000)
    assert found.servers.sum() == 902_000
    assert found.certified
    spare = found.servers - [700_000, 200_000]
    assert spare[0] / spare[1] == pytest.approx(math.sqrt(3.5), rel=0.1)  # square-root staffing


def test_curve_over_totals():
    data = POOLS.curve(LOAD, [22, 26, 30], subject_to=[PoolWait(2.0)])
    assert data.total.values.tolist() == [22, 26, 30]
    for total in (22, 26, 30):
        alone, here = POOLS.staff(LOAD, total=total), data.sel(total=total)
        assert here.servers.values.tolist() == alone.servers.tolist()
        assert float(here.mean_wait) == alone.mean_wait
        np.testing.assert_array_equal(here.wait, alone.wait)
    assert data.certified.all()
    assert data["load"].values.tolist() == LOAD
    (axes,) = data.plot("pools").axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("wait (s)", "number of servers")
    first = axes.lines[0]
    np.testing.assert_array_equal(first.get_ydata(), data.mean_wait)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["mean wait", "wait, sales", "wait, help", "wait, repairs"]
    with pytest.raises(InputError, match=r"^total = 21: is less than the 22 servers"):
        POOLS.curve(LOAD, [21, 26])


# ---- with the split


def test_joint(joint):
    assert isinstance(joint, StaffedServers)
    assert joint.servers.tolist() == [6, 4, 8]
    assert joint.objective == pytest.approx(199.922757280734, abs=1e-11)
    assert joint.objective == pytest.approx(joint.cost + 8.0 * 150.0 * joint.mean_delay, rel=1e-14)
    assert joint.cost == 59.6
    assert joint.certified
    assert joint.certificate.gap < 1e-9
    assert joint.flow.sum() == pytest.approx(150.0, rel=1e-14)


@pytest.mark.parametrize(
    ("load", "servers", "objective"),
    [(60.0, [8, 0, 0], 94.7094325764), (120.0, [8, 8, 0], 188.5601318435)],
)
def test_stations_without_servers(load, servers, objective):
    system = ParallelServers(MMc(rate=[10.0, 12.0, 8.0], delay=[0.0, 0.02, 0.01]))
    found = system.staff(load, price=[3.0, 4.0, 2.2], delay_cost=10.0, max_servers=8)
    assert found.servers.tolist() == servers
    assert found.objective == pytest.approx(objective, abs=6e-11)
    closed = np.array(servers) == 0
    assert np.all(found.flow[closed] == 0)
    assert np.all(np.isinf(found.latency[closed]))
    assert np.all(found.utilisation[closed] == 0)
    assert found.system.names == tuple(np.array(system.names)[~closed])


def test_the_split_is_that_of_the_convex_program(joint):
    """The program has tangents of the waits; the numbers of servers are fixed."""
    solved = joint.system.optimum(150.0)
    assert solved.certified
    assert solved.mean_delay == pytest.approx(joint.mean_delay, rel=1e-9)
    np.testing.assert_allclose(solved.flow, joint.flow, rtol=1e-6)
    # no numbers beside these are better
    for change in itertools.product([-1, 0, 1], repeat=3):
        c = joint.servers + change
        if np.all(c <= [6, 4, 9]):
            other = ParallelServers(MMc([10.0, 25.0, 8.0], c, [0.0, 0.05, 0.01]))
            if other.total_rate > 150.0:
                # each bound of a program is a lower bound of the cost at these numbers
                split = other.evaluate(150.0, weights=other.bank.rate).optimum_delay
                assert np.dot([3, 6, 2.2], c) + 1200 * split.lower > joint.objective - 1e-9


def test_numbers_of_servers_before_do_not_count():
    banks = MMc([10.0, 25.0], [3, 1], [0.0, 0.05]), MMc([8.0], 20, [0.01])
    found = ParallelServers(*banks).staff(
        150.0, price=[3.0, 6.0, 2.2], delay_cost=8.0, max_servers=[6, 4, 9]
    )
    assert found.servers.tolist() == [6, 4, 8]


# ---- presentation


def test_text(staffed, joint):
    lines = str(staffed).splitlines()
    assert lines[0] == "26 servers for load 78: mean wait 0.0428475853, cost 26"
    assert lines[1].startswith("  least mean wait certified within ")
    assert lines[2:] == [
        "  one more server saves at most 0.01261 of mean wait per unit of money",
        "  sales    servers 9  load 20  busy 0.7407  wait 0.0447508",
        "  help     servers 7  load 50  busy 0.7143  wait 0.0162075",
        "  repairs  servers 10  load 8  busy 0.8000  wait 0.20459",
    ]
    text = str(POOLS.staff(LOAD, price=PRICE, subject_to=[MeanWait(0.1), PoolWait(0.5)]))
    assert "least cost certified" in text
    assert "\n  a server that no target needs saves at most " in text
    assert "\n  mean wait: 0.0927915 of at most 0.1\n  mean wait in each pool: up to " in text
    assert "26 servers" in staffed._repr_html_()
    assert str(joint).splitlines()[0] == (
        "18 servers for load 150: money 199.922757, mean delay 0.116936"
    )
    assert "here   share   0.2617  latency 0.112876  servers 6" in str(joint)
    assert repr(POOLS) == "Pools(3 pools)"


def test_json(staffed, joint):
    record = json.loads(json.dumps(staffed.to_dict()))
    assert [pool["servers"] for pool in record["pools"]] == [9, 7, 10]
    assert record["certificate"]["lower_bound"] <= record["mean_wait"]
    found = POOLS.staff(LOAD, subject_to=[PoolWait([0.1, math.inf, 1.0])])
    assert json.loads(json.dumps(found.to_dict()))["targets"][0]["at_most"] == [0.1, None, 1.0]
    record = json.loads(json.dumps(joint.to_dict()))
    assert [server["servers"] for server in record["servers"]] == [6, 4, 8]
    closed = STATIONS.staff(20.0, price=[3.0, 6.0, 9.0], delay_cost=1.0)
    assert None in [s["latency"] for s in json.loads(json.dumps(closed.to_dict()))["servers"]]


def test_in_another_unit_of_time(staffed, joint):
    there = in_time_unit(staffed, 60.0)
    assert there.mean_wait == 60 * staffed.mean_wait
    assert there.certificate.lower_bound == 60 * staffed.certificate.lower_bound
    found = POOLS.staff(LOAD, subject_to=[MeanWait(0.1), PoolLateWait(0.5, 0.2)])
    there = in_time_unit(found, 60.0)
    assert there.certificate == found.certificate
    assert there.targets[0].value == 60 * found.targets[0].value
    np.testing.assert_array_equal(there.targets[1].value, found.targets[1].value)
    assert in_time_unit(joint, 60.0).objective == joint.objective


# ---- refusals


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"total": 10}, r"^total = 10: is less than the 22 servers that the pools need, 7, 6, 9; "
                        r"give 22 or more$"),
        ({"total": 24, "subject_to": [PoolWait(0.1)]}, r"^total = 24: is less than the 26 servers"),
        ({"total": 25.5}, r"^total = 25\.5: is not a number of servers"),
        ({"total": 30, "max_servers": [7, 6, 10]}, r"^total = 30: is more than .* give 23 or less"),
        ({"total": 30, "max_servers": [6, 9, 9]}, r"^max_servers\[0\] = 6: is less than the 7 ser"),
        ({"total": 30, "min_servers": 9, "max_servers": 8}, r"^min_servers\[0\] = 9: is more than"),
        ({"total": 30, "min_servers": 1.5}, r"^min_servers\[0\] = 1\.5: is not a number of server"),
        ({}, r"needs targets, and neither a total nor a budget, and has \[\]; for the least mean"),
        ({"total": 30, "minimise": "cost"}, r"and has \['total'\]"),
        ({"total": 30, "minimise": "delay"}, r"^minimise = 'delay': is not a quantity to minimise"),
        ({"total": 30, "subject_to": [MeanWait(0.1)]}, r"needs one total or budget, and no target"),
        ({"total": 30, "subject_to": [ServerBudget(70)]}, r"has \['total', 'ServerBudget'\]"),
        ({"subject_to": [MeanWait(0.1), LateWait(0.1, 0.2)]}, r"can have one target over all jobs"),
        ({"subject_to": [MaxShare(0.1)]}, r"^subject_to\[0\] = MaxShare.*give one of ServerBudget"),
        ({"subject_to": MeanWait(0.1)}, r"is not a list of targets; write subject_to=\[MeanWait"),
        ({"subject_to": [ServerBudget(20)]}, r"^ServerBudget\.money = 20\.0: is less .* need, 22;"),
        ({"subject_to": [MeanWait(1e-9)], "max_servers": 20}, r"^MeanWait\.time = 1e-09: is below"),
        ({"subject_to": [PoolWait(1e-9)], "max_servers": 20},
         r"^PoolWait\.time\[0\] = 1e-09: is not met by 20 servers: with them it is 5\.89"),
        ({"subject_to": [PoolWait([1, 0, 1])]}, r"^PoolWait\.time\[1\] = 0\.0: is not a time"),
        ({"subject_to": [ServerPercentile(0.9, 0.2)]},
         r"^ServerPercentile\.within\[0\] = 0\.2: is too short even .* give more than 0\.767528"),
        ({"subject_to": [LateWait(0.1, 5)]}, r"^LateWait\.at_most = 5\.0: is not .* write 5 % as"),
        ({"subject_to": [LateWait([1, 2, 3], 0.1)]}, r"^LateWait\.within = .* not one number for"),
        ({"subject_to": [PoolLateWait(-1, 0.1)]}, r"^PoolLateWait\.within\[0\] = -1\.0: is not a"),
        ({"total": 30, "price": -1}, r"^price = -1\.0: is out of range; give 0 or more"),
    ],
)  # fmt: skip
def test_refusals_of_pools(given, message):
    with pytest.raises(InputError, match=message):
        POOLS.staff(LOAD, **given)


def test_refusals_of_loads_and_families():
    for load, message in (
        ([20.0, 50.0], "is not one load for each of 3 pools; give 3 numbers"),
        (20.0, "is not one load for each of 3 pools"),
        ([0.0, 0.0, 0.0], "has no jobs"),
        ([1.0, -1.0, 0.0], r"load\[1\] = -1\.0: is not a load"),
        ([1e9, 1.0, 0.0], r"load\[0\] = 1000000000\.0: needs more than 1000000 servers"),
    ):
        with pytest.raises(InputError, match=message):
            POOLS.staff(load, total=30)
    with pytest.raises(InputError, match=r"servers\[1\] = 'MM1': has no number of servers; use"):
        Pools(MMc(3.0), MM1([10.0]))
    with pytest.raises(InputError, match=r"servers\[0\] = 'MM1': has no number of servers; use"):
        ParallelServers(MM1([10.0])).staff(5.0, price=1.0, delay_cost=1.0)
    with pytest.raises(InputError, match=r"load = 400\.0: is not below the rate of all servers"):
        STATIONS.staff(400.0, price=1.0, delay_cost=1.0, max_servers=[6, 4, 9])
