"""Numbers of servers in numbers: waits, least numbers, totals, money, and with the split."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from chunks import chunks

from sojourn.models import MMc
from sojourn.reference import InputError, least_servers, optimum, staff_pools, staff_split
from sojourn.reference.parallel.decisions.knapsack import Knapsack
from sojourn.reference.parallel.decisions.staffing import as_pools, waits_error

EPS = np.finfo(float).eps
CALLS = {"rate": 20.0, "load": 300.0}  # an hour, of 180 s each


def mean_waits(rate, load, first, count):
    """Mean waits of one pool with `count` numbers of servers, by Erlang's recursion for B."""
    waits, loss, offered = [], 1.0, load / rate
    for c in range(1, first + count):
        loss = offered * loss / (c + offered * loss)
        if c >= first:
            waits.append(c * loss / (c - offered + offered * loss) / (c * rate - load))
    return np.array(waits)


# ---- waits


def test_published_numbers():
    late = as_pools(**CALLS).late_wait(np.array([[21], [22]]), 20 / 3600)
    np.testing.assert_allclose(late[:, 0], [0.052533, 0.029084], atol=5e-7)
    waits = as_pools(12.0, 100.0).waits(np.array([[10], [11]]))
    assert waits.probability[0, 0] == pytest.approx(0.487610608006, abs=5e-13)
    assert waits.mean[1, 0] == pytest.approx(0.009363104689, abs=5e-13)
    jobs = as_pools(10.0, [20.0, 10.0]).late_job(np.array([3, 2]), 0.2)
    np.testing.assert_allclose(jobs, [0.255633312780, 0.225558805394], atol=5e-13)


def test_largest_flow_of_a_late_share():
    at = as_pools(12.0, [93.8315022027 - 1e-9, 93.8315022027 + 1e-9])
    below, above = at.late_wait(np.array([10, 10]), 0.05)
    assert below < 0.1 < above


@pytest.mark.parametrize("c", [1, 2, 30, 1000, 1_000_000])
def test_waits_in_sixty_digits(c):
    for b in (1e-6, 0.3, 2.0, 8.0, 20.0):
        load = c - b * math.sqrt(c)
        if load <= 0:
            continue
        found = as_pools(1.0, load).waits(np.array([c]))
        with mp.workdps(60):
            a = mp.mpf(load)
            loss = mp.exp(c * mp.log(a) - a) / mp.gammainc(c + 1, a)
            chance = c * loss / (c - a + a * loss)
            errors = (found.probability[0] / chance - 1, found.mean[0] * (c - a) / chance - 1)
        assert max(map(abs, errors)) < waits_error(np.array([c]))[0]


@pytest.mark.parametrize(("c", "x", "r", "t"), [(1, 0.9, 1, 3), (4, 3, 1, 1), (7, 10, 2, 5)])
def test_time_in_the_pool_is_wait_and_service(c, x, r, t):
    pool = as_pools(float(r), float(x))
    chance = pool.waits(np.array([c])).probability[0]
    spare = c * r - x
    with mp.workdps(30):
        both = mp.quad(lambda s: r * mp.exp(-r * s) * mp.exp(-spare * (t - s)), [0, t])
        expected = float(mp.exp(-r * t) + chance * both)
    assert pool.late_job(np.array([c]), float(t))[0] == pytest.approx(expected, rel=1e-13)


def test_waits_and_probabilities_are_convex_in_the_number():
    rate, load = np.array([1.0, 1.0, 1.0, 1.0]), np.array([0.3, 5.0, 80.0, 900.0])
    pools = as_pools(rate, load)
    numbers = pools.least + np.arange(60)[:, None]
    late = (pools.late_wait(numbers, t) for t in (0.0, 0.01, 0.3, 2.0))
    for values in (pools.waits(numbers).mean, pools.late_job(numbers, 0.5), *late):
        assert np.all(np.diff(values[:5], axis=0) < 0)
        assert np.all(np.diff(values, axis=0) <= 0)
        assert np.all(np.diff(values, 2, axis=0) > -1e-12 * values[:-2])


def test_too_few_servers_and_no_load():
    pools = as_pools([1.0, 2.0], [3.0, 0.0])
    assert pools.least.tolist() == [4, 0]
    assert pools.waits(np.array([3, 0])).mean.tolist() == [math.inf, 0.0]
    assert pools.late_wait(np.array([3, 0]), 1.0).tolist() == [1.0, 0.0]
    assert pools.late_job(np.array([3, 0]), 0.0).tolist() == [1.0, 1.0]


def test_least_stable_numbers_are_exact():
    # 0.1 times 3 is more than the float 0.3, and less than the next float
    assert as_pools(0.1, [0.3, 0.30000000000000004]).least.tolist() == [3, 4]
    assert as_pools(1.0, 999_999.5).least.tolist() == [1_000_000]
    with pytest.raises(InputError, match=r"^load\[1\] = 1000000\.0: needs more than 1000000"):
        _ = as_pools(1.0, [1.0, 1e6]).least


# ---- least numbers


def test_least_numbers():
    assert least_servers(**CALLS, at_most=0.05, late=20 / 3600).tolist() == [22]
    assert least_servers(12.0, 100.0, 0.01).tolist() == [11]
    # the number at the time of a job, against the numbers beside it
    found = least_servers(10.0, [20.0, 10.0], 0.2, late=0.2, with_service=True)
    pools = as_pools(10.0, [20.0, 10.0])
    assert np.all(pools.late_job(found, 0.2) <= 0.2)
    assert np.all(pools.late_job(found - 1, 0.2) > 0.2)


def test_a_million_servers():
    found = least_servers(1.0, [990_000.0, 995_000.0], [1e-4, 1e-6], late=[0.0, 0.001])
    pools = as_pools(1.0, [990_000.0, 995_000.0])
    time = np.array([0.0, 0.001])
    assert np.all(found > 990_000)
    assert np.all(pools.late_wait(found, time) <= [1e-4, 1e-6])
    assert np.all(pools.late_wait(found - 1, time) > [1e-4, 1e-6])
    with pytest.raises(InputError, match=r"at_most\[0\] = 1e-08: is not met by 1000000 servers"):
        least_servers(1.0, 999_000.0, 1e-8)


# ---- totals and money


def test_published_totals():
    found = staff_pools([3.0, 10.0, 1.0], [20.0, 50.0, 8.0], budget=26)
    assert found.servers.tolist() == [9, 7, 10]
    assert found.mean == pytest.approx(0.042847585338, abs=5e-13)
    found = staff_pools([3.0, 10.0, 1.0, 4.0], [20.0, 50.0, 8.0, 31.0], budget=40)
    assert found.servers.tolist() == [10, 8, 11, 11]
    assert found.mean == pytest.approx(0.016315232236, abs=5e-13)
    assert found.last_gain >= found.next_gain


@pytest.mark.parametrize("seeds", chunks(600, 20, often=20))
def test_random_pools_against_all_numbers(seeds):
    for seed in seeds:
        random = np.random.default_rng(seed)
        n = int(random.integers(2, 5))
        count = {2: 30, 3: 24, 4: 12}[n]
        rate, load = random.uniform(0.5, 10, n), random.uniform(0.1, 40, n)
        price = random.choice([1.0, 1.5, 2.0, 2.2], n) if seed % 2 else random.uniform(1, 5, n)
        low = as_pools(rate, load).least
        part = load / load.sum()
        waits = [part[i] * mean_waits(rate[i], load[i], low[i], count) for i in range(n)]
        grid = np.meshgrid(*[np.arange(count)] * n, indexing="ij", sparse=True)
        cost = sum((c + low[i]) * price[i] for i, c in enumerate(grid))
        mean = sum(waits[i][c] for i, c in enumerate(grid))
        least = price @ low
        # a budget and a mean that only numbers on the grid can have
        budget = least + random.uniform(0.0, 0.99) * (count - 1) * price.min()
        expected = mean[cost <= budget].min()
        found = staff_pools(rate, load, budget=budget, price=price)
        assert found.cost <= budget * (1 + 8 * EPS)
        assert found.mean == pytest.approx(expected, rel=1e-12)
        slack = found.rounding * found.mean
        assert found.lower_bound - slack <= expected <= found.lower_bound * (1 + 1e-10) + slack
        target = expected * random.uniform(1.0, 1.5)
        expected = cost[mean <= target].min()
        found = staff_pools(rate, load, at_most=target, price=price)
        assert found.mean <= target * (1 + 8 * EPS)
        assert found.cost == pytest.approx(expected, rel=1e-13)
        assert found.lower_bound == pytest.approx(expected, rel=1e-12)
        assert found.lower_bound <= expected * (1 + 4 * EPS)


def test_late_share_of_all_jobs_against_all_numbers():
    rate, load, price = [3.0, 10.0], [20.0, 50.0], [2.0, 4.5]
    pools = as_pools(rate, load)
    numbers = np.array(list(itertools.product(range(7, 30), range(6, 30))))
    late = pools.late_wait(numbers, 0.1) @ pools.load / 70.0
    for at_most in (0.3, 0.1, 0.02, 1e-3):
        found = staff_pools(rate, load, at_most=at_most, price=price, late=0.1)
        assert found.cost == (numbers @ price)[late <= at_most].min()
        assert found.mean <= at_most
    for budget in (45.0, 60.0, 77.7):
        found = staff_pools(rate, load, budget=budget, price=price, late=0.1)
        assert found.mean == pytest.approx(late[numbers @ price <= budget].min(), rel=1e-12)


def test_bounds_of_the_numbers():
    rate, load = [3.0, 10.0, 1.0], [20.0, 50.0, 8.0]
    found = staff_pools(rate, load, budget=30, least=[0, 9, 0], most=[20, 20, 11])
    numbers = [(a, b, 30 - a - b) for a in range(7, 21) for b in range(9, 21)]
    allowed = np.array([c for c in numbers if 9 <= c[2] <= 11])
    mean = as_pools(rate, load).waits(allowed).mean @ np.array(load) / 78
    assert found.servers.tolist() == allowed[mean.argmin()].tolist()
    full = staff_pools(rate, load, budget=100, most=[10, 9, 12])
    assert full.servers.tolist() == [10, 9, 12]
    assert (full.last_gain > 0, full.next_gain) == (True, 0.0)


def test_one_server_to_choose():
    given = {"rate": [3.0, 10.0], "load": [20.0, 50.0], "least": [9, 7], "most": [9, 8]}
    fast, slow = (as_pools([3.0, 10.0], [20.0, 50.0]).waits(np.array(c)).mean @ [2 / 7, 5 / 7]
                  for c in ([9, 8], [9, 7]))  # fmt: skip
    for kind, value, servers in (
        ("budget", 16.5, [9, 7]),
        ("budget", 17.0, [9, 8]),
        ("at_most", slow * 1.01, [9, 7]),
        ("at_most", slow * 0.99, [9, 8]),
        ("at_most", fast * 1.01, [9, 8]),
    ):
        found = staff_pools(**given, **{kind: value})
        assert found.servers.tolist() == servers
        best = found.mean if kind == "budget" else found.cost
        assert found.lower_bound == pytest.approx(best, rel=1e-12)


def test_many_pools():
    random = np.random.default_rng(7)
    n = 300
    rate, load, price = random.uniform((0.5, 1, 1), (10, 400, 5), (n, 3)).T
    low = as_pools(rate, load).least
    found = staff_pools(rate, load, budget=1.1 * price @ low, price=price)
    assert found.lower_bound == pytest.approx(found.mean, rel=1e-10)
    back = staff_pools(rate, load, at_most=found.mean, price=price)
    assert back.cost <= found.cost
    total = int(1.1 * low.sum())
    even = staff_pools(rate, load, budget=total)
    assert even.servers.sum() == total
    assert (even.states, even.last_gain >= even.next_gain) == (0, True)
    # equal pools share a total evenly
    same = staff_pools(np.ones(400), np.full(400, 50.0), budget=400 * 60 + 37)
    assert np.bincount(same.servers)[60:].tolist() == [363, 37]


def test_more_servers_than_floats_can_tell():
    found = staff_pools([1.0, 2.0], [0.5, 1.0], budget=100_000)
    assert found.servers.sum() == 100_000
    assert found.mean == found.lower_bound < 1e-290


def test_sums_beyond_the_largest_number_go_to_the_bound(monkeypatch):
    module = "sojourn.reference.parallel.decisions.knapsack.MOST_STATES"
    random = np.random.default_rng(3)
    rate, load, price = random.uniform((0.5, 1, 1), (10, 400, 5), (40, 3)).T
    budget = 1.07 * price @ as_pools(rate, load).least
    exact = staff_pools(rate, load, budget=budget, price=price)
    assert exact.states > 20
    monkeypatch.setattr(module, 1)
    rough = staff_pools(rate, load, budget=budget, price=price)
    assert rough.lower_bound <= exact.mean <= rough.mean
    assert rough.lower_bound < rough.mean * (1 - 1e-9)


def test_knapsack_with_one_place():
    problem = Knapsack(lambda c: 1.0 / c, lambda c: 2.0 * c, 9.0, np.array([1]), np.array([10]))
    found = problem.solve(np.array([4]), np.array([5]), 0.5 * (1 / 4 - 1 / 5))
    assert found.numbers.tolist() == [4]
    assert found.lower_bound <= 0.25


# ---- with the split


@pytest.mark.parametrize(
    ("rate", "load", "delay", "price", "most", "weight", "servers", "cost"),
    [
        ([10, 12, 8], 60, [0, 0.02, 0.01], [3, 4, 2.2], 8, 10, [8, 0, 0], 94.7094325764),
        ([10, 12, 8], 120, [0, 0.02, 0.01], [3, 4, 2.2], 8, 10, [8, 8, 0], 188.5601318435),
        ([10, 25, 8], 150, [0, 0.05, 0.01], [3, 6, 2.2], [6, 4, 9], 8, [6, 4, 8], 199.922757280734),
    ],
)
def test_published_numbers_with_the_split(rate, load, delay, price, most, weight, servers, cost):
    found = staff_split(rate, load, price=price, delay_cost=weight, delay=delay, most=most)
    assert found.servers.tolist() == servers
    assert found.cost == pytest.approx(cost, abs=6e-11)
    assert found.lower_bound <= found.cost <= found.lower_bound * (1 + 1e-9)


@pytest.mark.parametrize("seeds", chunks(200, 5, often=5))
def test_random_splits_against_all_numbers(seeds):
    for seed in seeds:
        random = np.random.default_rng(seed)
        n = int(random.integers(2, 4))
        rate, most = random.uniform(1, 20, n), random.integers(1, 6, n)
        delay, price = random.uniform(0, 0.1, n) * (seed % 2), rate * random.uniform(0.1, 0.4, n)
        load, weight = (rate @ most) * random.uniform(0.1, 0.97), 10 ** random.uniform(-1, 2)
        found = staff_split(rate, load, price=price, delay_cost=weight, delay=delay, most=most)
        best = math.inf
        for numbers in itertools.product(*[range(m + 1) for m in most]):
            c = np.array(numbers)
            used = c > 0
            if c @ rate > load:
                bank = MMc(rate[used], c[used], delay[used])
                best = min(best, price @ c + weight * load * float(optimum(bank, load).mean_delay))
        assert found.lower_bound <= best * (1 + 1e-15)
        assert best * (1 - 1e-13) <= found.cost <= best * (1 + 1e-9)
        assert found.flow.sum() == pytest.approx(load, rel=1e-13)


def test_numbers_without_bounds_are_those_with_large_ones():
    given = {"load": 150.0, "price": [3.0, 6.0, 2.2], "delay_cost": 8.0, "delay": [0, 0.05, 0.01]}
    free, bounded = (staff_split([10.0, 25.0, 8.0], **given, most=most) for most in (None, 60))
    assert free.servers.tolist() == bounded.servers.tolist() == [0, 8, 0]
    assert free.cost == pytest.approx(bounded.cost, rel=1e-12)
    # where servers cost nothing, all that may be used are
    gift = staff_split([10.0, 25.0], 50.0, price=0.0, delay_cost=1.0, most=[3, 2])
    assert gift.servers.tolist() == [3, 2]


def test_equal_stations():
    """Stations that can stand for each other: many numbers cost the same."""
    found = staff_split([5.0] * 4, 40.0, price=1.0, delay_cost=4.0, most=4)
    best = math.inf
    for c in itertools.combinations_with_replacement(range(5), 4):
        if sum(c) > 8:
            bank = MMc(5.0, [k for k in c if k])
            best = min(best, sum(c) + 160.0 * float(optimum(bank, 40.0).mean_delay))
    assert found.cost == pytest.approx(best, rel=1e-9)
    assert found.cost <= found.lower_bound * (1 + 1e-9)


# ---- refusals


REFUSED = [
    (lambda: staff_pools(1.0, 3.0, budget=3), r"budget = 3\.0: is less than .* need, 4; give 4 or"),
    (lambda: staff_pools(1.0, 3.0), r"is not one limit; give budget= or at_most="),
    (lambda: staff_pools(1.0, 3.0, at_most=1e-3, most=5),
     r"at_most = 0\.001: is below the mean with the largest numbers of servers, 0\.118"),
    (lambda: staff_pools(1.0, 3.0, budget=9, most=3), r"most\[0\] = 3: is less than the 4 servers"),
    (lambda: staff_pools(1.0, 3.0, budget=9, least=1.5), r"least\[0\] = 1\.5: is not a number of"),
    (lambda: staff_pools(1.0, 3.0, budget=9, price=0), r"price\[0\] = 0\.0: is not a price above"),
    (lambda: staff_pools(1.0, 0.0, budget=9), r"load = \[0\.0\]: has no jobs"),
    (lambda: staff_pools([1.0, 2.0], [1.0, 2.0, 3.0], budget=9), r"has the shape \(2,\) for 3"),
    (lambda: staff_pools([1.0, 0.0], 1.0, budget=9), r"rate\[1\] = 0\.0: is not a service rate"),
    (lambda: least_servers(1.0, -1.0, 0.1), r"load\[0\] = -1\.0: is not a load"),
    (lambda: staff_split([1.0, 2.0], 6.0, price=1, delay_cost=1, most=2),
     r"load = 6\.0: is not below the rate of all servers together, 6"),
    (lambda: staff_split([1.0], 6.0, price=0, delay_cost=1), r"price\[0\] = 0\.0: does not bound"),
    (lambda: staff_split([1.0] * 3, 3e5, price=1e-6, delay_cost=1, most=10**6),
     r"pairs of a station and a number of servers; allow at most 200000"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "message"), REFUSED)
def test_refusals(ask, message):
    with pytest.raises(InputError, match=message):
        ask()
