"""Sites for groups of users: answers, refusals, cone programs and maps."""

import json
import math

import cvxpy as cp
import numpy as np
import pytest
from site_cases import FREE, places

from sojourn import MD1, MG1, MM1, Groups, InputError, Kingman

COSTS = {"rate_price": 1.0, "delay_cost": 2.0}


def towns(seed=1, groups=5, n=3, family=MM1, **rest):
    case = places(seed, groups, n)
    system = Groups(family(rate=np.ones(n), **rest), load=case.load, delay=case.distance)
    return system, {"rate_price": case.price, "opening": case.opening, "delay_cost": 3.0}, case


def pair(*servers, load=(4.0, 6.0), delay=((0.0, 0.4), (0.4, 0.0))):
    return Groups(*(servers or (MM1([1.0, 1.0]),)), load=list(load), delay=delay)


def check_sums(system, found):
    """Check that the parts of an answer belong together."""
    used = found.open
    assert np.array_equal(used, found.flow > 0)
    assert np.array_equal(used, found.rate > 0)
    np.testing.assert_allclose(found.share.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.share.T @ system.group_load, found.flow, rtol=1e-12)
    parts = found.rate_cost + found.opening_cost + found.delay_cost
    assert parts == pytest.approx(found.cost, rel=1e-14)
    assert found.certificate.lower_bound <= found.cost <= found.certificate.upper_bound
    mean = system.group_load @ found.group_delay / found.load
    assert found.mean_delay == pytest.approx(mean, rel=1e-14)
    for g, name in enumerate(found.site):
        assert (name == "") == (np.max(found.share[g]) < 1 - 1e-9)


def test_an_answer_is_that_of_servers_with_its_rates():
    system, costs, _ = towns()
    found = system.size(**costs)
    check_sums(system, found)
    assert found.cost == pytest.approx(FREE[0][-1], rel=1e-12)
    assert found.certified
    assert found.certificate.gap < 1e-11
    assert (found.nodes, found.cuts, found.caveats) == (0, 0, ())
    # servers that have these rates, and the same shares
    rate = np.where(found.open, found.rate, 1.0)
    built = Groups(MM1(rate), load=system.group_load, delay=system.delay)
    judged = built.evaluate(share=found.share)
    assert judged.mean_delay == pytest.approx(found.mean_delay, rel=1e-12)
    np.testing.assert_allclose(judged.group_delay, found.group_delay, rtol=1e-12)


def test_groups_are_divided_where_rates_are_bounded():
    system, costs, _ = towns()
    found = system.size(**costs, max_rate=14.0)
    check_sums(system, found)
    assert found.certified
    assert found.nodes > 0
    assert found.cost == pytest.approx(126.626416882, rel=1e-6)
    assert found.rate.max() == 14.0
    divided = [g for g, name in enumerate(found.site) if not name]
    assert divided
    assert f"{system.groups[divided[0]]} (" in repr(found)


def test_families_and_delays_of_servers():
    mixed = pair(MG1([1.0], cv=[0.5], delay=0.2), MD1([1.0]))
    found = mixed.size(**COSTS, opening=[0.0, 1.0])
    check_sums(mixed, found)
    assert found.certified
    # a delay of a server is a delay of all groups
    moved = pair(MG1([1.0], cv=[0.5]), MD1([1.0]), delay=((0.2, 0.4), (0.6, 0.0)))
    assert moved.size(**COSTS, opening=[0.0, 1.0]).cost == pytest.approx(found.cost, rel=1e-14)
    forbidden = pair(delay=((0.0, math.inf), (math.inf, 0.0))).size(**COSTS)
    assert forbidden.site == ("server 1", "server 2")
    kept = pair(MG1([1.0, 1.0], cv=[0.5, 3.0]), delay=((0.0, math.inf), (math.inf, 0.0)))
    assert "the same at every rate: server 1, server 2" in kept.size(**COSTS).caveats[0]


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("rate_price[1]", {"rate_price": [1.0, 0.0]}, "max_rate"),
        ("rate_price[0]", {"rate_price": [-1.0, 1.0]}, "out of range"),
        ("rate_price", {"rate_price": [1.0, 1.0, 1.0]}, "each of 2"),
        ("opening[1]", {"opening": [1.0, math.inf]}, "0 or more"),
        ("delay_cost", {"delay_cost": 0.0}, "above 0"),
        ("max_rate[0]", {"max_rate": [0.0, 20.0]}, "rate above 0"),
        ("max_rate", {"max_rate": [3.0, 5.0]}, "no more than 0.8 times.*more than 1.25 times"),
        ("gap", {"gap": 0.0}, "relative error"),
        ("max_seconds", {"max_seconds": 0.0}, "seconds"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(field, change, words):
    with pytest.raises(InputError, match=words) as caught:
        pair().size(**COSTS | change)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("bank", "words"),
    [
        (Kingman([1.0], arrival_cv=1.0, cv=1.0), "of server 2, Kingman: "),
        (MM1([1.0], base=0.5), "of server 2, MM1 with a base load"),
        (MM1([1.0], batch=2.0), "of server 2, .* batches"),
    ],
)
def test_servers_without_a_rate_that_can_be_bought_are_refused(bank, words):
    with pytest.raises(InputError, match=words) as caught:
        pair(MM1([1.0]), bank).size(**COSTS)
    assert caught.value.field == "servers[1]"


def test_free_rates_are_the_largest():
    found = pair().size(rate_price=[1.0, 0.0], delay_cost=2.0, max_rate=[math.inf, 20.0])
    assert found.rate[1] == 20.0
    assert found.certified


@pytest.mark.parametrize(("family", "rest"), [(MM1, {}), (MG1, {"cv": 0.6})])
def test_the_cones_have_the_cost_of_an_assignment_and_a_lower_bound_of_all(family, rest):
    system, costs, _ = towns(family=family, **rest)
    costs["opening"] = 1.0
    found = system.size(**costs)
    assert found.open.sum() > 1
    model = system.size_model(**costs)
    assert model.problem.is_dcp()
    relaxed = model.problem.solve(solver="CLARABEL")
    assert 0.95 * found.cost < relaxed < found.cost * (1 + 1e-6)
    fixed = [*model.problem.constraints, model.share == found.share]
    value = cp.Problem(model.problem.objective, fixed).solve(solver="CLARABEL")
    assert value == pytest.approx(found.cost, rel=1e-6)
    np.testing.assert_allclose(model.rate.value, found.rate, rtol=1e-3, atol=1e-3)
    # a largest rate that is not reached changes nothing; one that is costs more
    capped = system.size_model(**costs, max_rate=[14.0, math.inf, 14.0], whole=False)
    assert relaxed <= capped.problem.solve(solver="CLARABEL") * (1 + 1e-6)
    assert system.size_model(**costs, whole=True).problem.is_mixed_integer()


def test_the_cones_refuse_more_variable_service():
    with pytest.raises(InputError, match="above 1") as caught:
        pair(MM1([1.0]), MG1([1.0], cv=[2.0])).size_model(**COSTS)
    assert caught.value.value == "server 2"


def test_json_and_text():
    system, costs, _ = towns()
    found = system.size(**costs)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["cost"] == found.cost
    assert [site["open"] for site in plain["sites"]] == found.open.tolist()
    assert plain["groups"][0]["site"] == found.site[0]
    assert f"{int(found.open.sum())} of 3 sites open" in repr(found)
    assert "closed" in repr(found)
    hurried = system.size(**costs, max_rate=14.0, max_seconds=1e-9)
    assert not hurried.certified
    assert "NOT CERTIFIED" in repr(hurried)


def test_a_map_has_a_line_for_each_share_and_a_name_for_each_site():
    system, costs, case = towns()
    found = system.size(**costs)
    axes = found.plot(case.groups, case.sites, "Towns").axes[0]
    ends = {tuple(map(tuple, line.get_xydata())) for line in axes.lines}
    site = found.share.argmax(axis=1)
    assert ends == {(tuple(case.groups[g]), tuple(case.sites[site[g]])) for g in range(5)}
    assert {text.get_text().split(":")[0] for text in axes.texts} == set(system.stations)
    named = dict(zip(system.stations, case.sites, strict=True))
    assert len(found.plot(case.groups, named).axes[0].lines) == 5
    for wrong in (case.groups, named | {"server 1": (0, math.nan)}, {"server 1": (0, 0)}):
        with pytest.raises(InputError, match="sites_at"):
            found.plot(case.groups, wrong)
