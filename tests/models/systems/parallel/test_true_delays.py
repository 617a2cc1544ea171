"""Certificates against mean delays of 50 digits, from light loads to near saturation."""

import numpy as np
import pytest
import truths
from chunks import chunks
from families import answered, random_system
from truths import check, off

from sojourn.models import (
    MM1,
    Budget,
    MaxShare,
    MaxUtilisation,
    MinShare,
    NotCertifiedError,
    ParallelServers,
)

# part by which the best split must cost more than the cheapest, so that a float is between them
CHOICE = 1e-9


# ---- loads at which a float flow does not give the spare capacity

PAIR = ParallelServers(MM1([2.0, 1.0]))
THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
UNEVEN = ParallelServers(MM1([1e6, 1.0]))


@pytest.mark.parametrize(
    ("ask", "true"),
    [
        (lambda: PAIR.equilibrium(2.999999997, players=1000), "647603056.1232220"),
        (lambda: THREE.optimum(379.9999962, subject_to=[MaxUtilisation(1.0)]), "758109.6822326487"),
        (lambda: THREE.optimum(379.9999962, subject_to=[MaxShare(1.0)]), "758109.6822326487"),
        (lambda: THREE.optimum(379.9999962), "758109.6822326487"),
        (lambda: UNEVEN.control(1000000.998999999, 0.9), "1001.9990162253"),
        (lambda: PAIR.tolls(2.9999999699999997), "64760300.80193895"),
        (lambda: PAIR.optimum(2.9999999699999997), "64760300.80193895"),
    ],
    ids=[
        "players",
        "idle utilisation",
        "idle share",
        "optimum",
        "control",
        "tolls",
        "optimum of the tolls",
    ],
)
def test_answers_next_to_saturation(ask, true):
    found, true = ask(), truths.Decimal(true)
    check(found.mean_delay, found.certificate, true)
    assert found.certified
    assert off(found.mean_delay, true) < 1e-13
    assert found.certificate.gap < 1e-11


def test_text_of_tolls_has_the_certified_numbers():
    found = PAIR.tolls(2.9999999699999997)
    assert (
        f"the equilibrium is the optimum: mean delay {found.mean_delay:.9g} within {found.gap:.1e}"
        in repr(found)
    )
    rough = PAIR.tolls(2.7, solver="CLARABEL", polish=False, gap=1e-15, throw=False)
    assert not rough.certified
    assert (
        f"the equilibrium is NOT CERTIFIED as the optimum: mean delay {rough.mean_delay:.9g} "
        f"within {rough.gap:.1e}" in repr(rough)
    )
    servers = [truths.Server(r, 0.0, 1.0) for r in (2.0, 1.0)]
    check(rough.mean_delay, rough.certificate, truths.tolled(servers, 2.7, rough.toll.tolist()))
    check(rough.mean_delay, rough.certificate, truths.equilibrium(servers, 2.7, 1))


# ---- random systems for each method


def players(rng, system, servers, load):
    count = int(rng.choice([1, 2, 10, 1000]))
    return system.equilibrium(load, count, throw=False), truths.equilibrium(servers, load, count)


def limits(rng, system, servers, load):
    """Return limits without effect, limits that bind at some servers, and a tight budget."""
    n, rate = len(system), system.bank.rate
    even, position = rate * (load / system.total_rate), rng.uniform(0, 1, n)
    kind = (
        rng.choice(["idle share", "idle use", "most", "least", "use", "budget"])
        if n > 1
        else "idle share"
    )
    if kind == "budget":
        price, cheapest, remaining = rng.uniform(0.1, 1, n), 0.0, load
        for i in np.argsort(price):
            taken = min(remaining, rate[i])
            cheapest, remaining = cheapest + price[i] * taken, remaining - taken
        dearer = float(price @ system.optimum(load).flow) - cheapest
        if dearer <= CHOICE * cheapest:
            return system.optimum(
                load, subject_to=[MaxUtilisation(1.0)], throw=False
            ), truths.limited(servers, load)
        money = float(cheapest + rng.uniform(0.1, 1.3) * dearer)
        limit, arguments = Budget(price, money), {"price": price.tolist(), "money": money}
    else:
        top = np.minimum((even + position * (np.minimum(rate, load) - even)) / load, 1.0)
        use = load / system.total_rate + position * (1 - load / system.total_rate)
        limit, arguments = {
            "idle share": (MaxShare(1.0), {}),
            "idle use": (MaxUtilisation(1.0), {}),
            "most": (MaxShare(top), {"most": (top * load).tolist()}),
            "least": (
                MinShare(position * even / load),
                {"least": (position * even / load * load).tolist()},
            ),
            "use": (MaxUtilisation(use), {"most": (use * rate).tolist()}),
        }[kind]
    return system.optimum(load, subject_to=[limit], throw=False), truths.limited(
        servers, load, **arguments
    )


def control(rng, system, servers, load):
    found = system.control(load, rng.uniform(0.01, 0.99), rng.choice(["llf", "scale"]), throw=False)
    return found, truths.followers(servers, load, found.leader.tolist())


def tolls(rng, system, servers, load):
    found = system.tolls(load, throw=False)
    check(found.mean_delay, found.certificate, truths.equilibrium(servers, load, 1))
    return found, truths.tolled(servers, load, found.toll.tolist())


@pytest.mark.parametrize("away", [1e-6, 1e-9])
def test_limits_that_do_not_bind_change_nothing(away):
    rng = np.random.default_rng(round(1 / away))
    for _ in range(3):
        system, _, _ = random_system(rng)
        load = (1 - away) * system.total_rate
        free = system.optimum(load)
        for limit in (
            MaxShare(1.0),
            MaxUtilisation(1.0),
            Budget(rng.uniform(0.1, 1, len(system)), 2 * load),
        ):
            found = system.optimum(load, subject_to=[limit])
            assert found.certified
            assert found.mean_delay == pytest.approx(free.mean_delay, rel=1e-9)
            assert not found.limits[0].price.any()


KINDS = {f.__name__: (i, f) for i, f in enumerate((players, limits, control, tolls))}


@pytest.mark.parametrize("seeds", chunks(1200, 10, quick=10, often=30))
@pytest.mark.parametrize("kind", KINDS)
def test_random_answers_are_covered(kind, seeds):
    number, ask = KINDS[kind]
    for seed in seeds:
        rng = np.random.default_rng([number, seed])
        system, servers, load = random_system(rng)
        try:
            found, true = ask(rng, system, servers, load)
        except NotCertifiedError:  # no solver returned anything
            assert not answered(system, load), seed
            continue
        check(found.mean_delay, found.certificate, true)
        assert found.certified or not answered(system, load), seed
