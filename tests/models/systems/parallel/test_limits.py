"""Limits that do not fit raise errors with their names, before any solver starts."""

import math

import numpy as np
import pytest
from replaced_solvers import forbid_solvers

from sojourn.models import (
    BPR,
    MG1,
    MG1PS,
    MM1,
    Budget,
    Constant,
    Function,
    GroupShare,
    InputError,
    LinearLimit,
    LoadError,
    MaxShare,
    MaxUtilisation,
    Measured,
    MinShare,
    ParallelServers,
    Polynomial,
    ServerPercentile,
    Tandem,
)
from sojourn.models.systems.parallel.combined_limits import combine_limits
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0


@pytest.fixture
def no_solver(monkeypatch):
    forbid_solvers(monkeypatch)


def raise_error(found):
    """Raise the error of a load that no split meets the limits at."""
    if isinstance(found, LoadError):
        raise found


@pytest.mark.parametrize(("limit", "message"), [
    (MinShare(-0.1),
     r"^MinShare.share = -0.1: is not a part of the load; give a number from 0 to 1$"),
    (MinShare([0, 0, 1.1]),
     r"^MinShare.share\[2\] = 1.1: is not a part of the load; give a number from 0 to 1$"),
    (MinShare(math.nan),
     r"^MinShare.share = nan: is not a part of the load; give a number from 0 to 1$"),
    (MinShare(None),
     r"^MinShare.share = None: is not made of numbers; give a number or an array of numbers$"),
    (MinShare([[0.1, 0.1, 0.1]]),
     r"^MinShare.share = \[\[0.1, 0.1, 0.1\]\]: is not one number for each of 3 servers; give "
     r"one per server, or one for all$"),
    (MaxShare([0.5] * 4),
     r"^MaxShare.share = \[0.5, 0.5, 0.5, 0.5\]: is not one number for each of 3 servers; give "
     r"one per server, or one"),
    (MaxShare([]), r"^MaxShare.share = \[\]: is not one number for each of 3 servers"),
    (MaxShare("half"),
     r"^MaxShare.share = 'half': is not made of numbers; give a number or an array of numbers$"),
    (MaxShare([1, math.nan, 1]),
     r"^MaxShare.share\[1\] = nan: is not a part of the load; give a number from 0 to 1$"),
    (MaxUtilisation([0.9, 0.9]),
     r"^MaxUtilisation.utilisation = \[0.9, 0.9\]: is not one number for each of 3 servers"),
    (MaxUtilisation(1.01),
     r"^MaxUtilisation.utilisation = 1.01: is not a part of what fills a server; give a number "
     r"from 0 to 1$"),
    (ServerPercentile(0, 0.1),
     r"^ServerPercentile.p = 0.0: is not a part of the jobs; give a number between 0 and 1$"),
    (ServerPercentile(1, 0.1),
     r"^ServerPercentile.p = 1.0: is not a part of the jobs; give a number between 0 and 1$"),
    (ServerPercentile(math.nan, 0.1),
     r"^ServerPercentile.p = nan: is not a part of the jobs; give a number between 0 and 1$"),
    (ServerPercentile([0.9, 0.8], 0.1),
     r"^ServerPercentile.p = \[0.9, 0.8\]: is not one number; give one number$"),
    (ServerPercentile("most", 0.1), r"^ServerPercentile.p = 'most': is not made of numbers"),
    (ServerPercentile(0.9, [1, 2]),
     r"^ServerPercentile.within = \[1.0, 2.0\]: is not one number for each of 3 servers"),
    (ServerPercentile(0.9, -1),
     r"^ServerPercentile.within = -1.0: is not a time above 0; give it in the unit of the delays$"),
    (ServerPercentile(0.9, [1, 0, 1]),
     r"^ServerPercentile.within\[1\] = 0.0: is not a time above 0; give it in the unit of the "
     r"delays$"),
    (ServerPercentile(0.9, [1, 1, math.inf]),
     r"^ServerPercentile.within\[2\] = inf: is not a time above 0; give it in the unit of the"),
    (Budget([1, 2], 200), r"^Budget.price = \[1.0, 2.0\]: is not one number for each of 3 servers"),
    (Budget([1, -2, 1], 200),
     r"^Budget.price\[1\] = -2.0: is not a price; give money per job, 0 or more$"),
    (Budget([1, 1, math.inf], 200),
     r"^Budget.price\[2\] = inf: is not a price; give money per job, 0 or more$"),
    (Budget("dear", 200), r"^Budget.price = 'dear': is not made of numbers"),
    (Budget(1, -1),
     r"^Budget.at_most = -1: is not an amount of money; give money per unit of time, 0 or more$"),
    (Budget(1, math.nan),
     r"^Budget.at_most = nan: is not an amount of money; give money per unit of time, 0 or more$"),
    (Budget(1, [1, 2]), r"^Budget.at_most = \[1, 2\]: is not one number; give one number$"),
    (Budget(1, "all"), r"^Budget.at_most = 'all': is not made of numbers"),
    (MaxUtilisation(0),
     r"^subject_to = \['largest utilisation'\]: allow at most 0 jobs in all where the load is "
     r"190; relax one of them$"),
    (ServerPercentile(0.9, 1e-9),
     r"^subject_to = \['90th percentile'\]: allow at most 0 jobs in all where the load is 190; "
     r"relax one of them$"),
    (MinShare([0.6, 0, 0]),
     r"^subject_to = \['least share'\]: ask for at least 114 and at most 100 jobs at server 1; "
     r"relax one of them$"),
    (Budget([2, 3, 1], 189),
     r"^subject_to = \['budget'\]: leave the budget no less than 190 where it is to be at most "
     r"189; relax it or lower the load$"),
    (GroupShare([0, 3], 0.5),
     r"^GroupShare.servers\[1\] = 3.0: is not a server; give an index from 0 to 2$"),
    (GroupShare(["server 1"], 0.5),
     r"^GroupShare.servers = \['server 1'\]: is not a list of servers; give indices such as"),
    (GroupShare([], 0.5),
     r"^GroupShare.servers = \[\]: is not a list of servers; give indices such as \[0, 2\]$"),
    (MinShare(30), r"^MinShare.share = 30.0: is not a part of the load; write 30 % as 0.3$"),
    (MaxShare([1, "30%", 1]), r"^MaxShare.share\[1\] = '30%': is not a number; write 30 % as 0.3$"),
    (MaxUtilisation(80),
     r"^MaxUtilisation.utilisation = 80.0: is not a part of what fills a server; write 80 % as "
     r"0.8$"),
    (ServerPercentile("99.9 %", 0.1),
     r"^ServerPercentile.p = '99.9 %': is not a number; write 99.9 % as 0.999$"),
    (GroupShare([0], 12.5),
     r"^GroupShare.at_most = 12.5: is not a part of the load; write 12.5 % as 0.125$"),
    (GroupShare([0], 250),
     r"^GroupShare.at_most = 250.0: is not a part of the load; give a number from 0 to 1$"),
    (GroupShare([0], 1.5), r"^GroupShare.at_most = 1.5: is not a part of the load"),
    (LinearLimit([1, 2], 5),
     r"^linear limit.matrix = \[1.0, 2.0\]: is not made of rows of 3 numbers; give shape \(3,\) "
     r"or \(m, 3\)$"),
    (LinearLimit([1, math.nan, 2], 5, "carbon"),
     r"^carbon.matrix\[1\] = nan: is not finite; give a number a job$"),
    (LinearLimit([[1, 1, 2]], [5, 6], "carbon"),
     r"^carbon.bound = \[5.0, 6.0\]: is not one number for each of 1 rows; give shape \(1,\) or"),
    (LinearLimit([1, 1, 2], math.nan),
     r"^linear limit.bound = nan: is not a bound; give a number$"),
    (LinearLimit(0, 5),
     r"^linear limit.matrix = 0.0: limits nothing; give a number that is not 0$"),
    ("MaxShare",
     r"^subject_to\[0\] = 'MaxShare': is not a limit; give one such as MaxShare\(0.5\), or one "
     r"of a class of your own$"),
    (None, r"^subject_to\[0\] = None: is not a limit; give one such as MaxShare\(0.5\), or one of"),
    (MaxShare, r"^subject_to\[0\] = <class .*MaxShare'>: is not a limit; give one such as"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_one_bad_limit_is_refused_before_any_solver(limit, message):
    with pytest.raises(InputError, match=message):
        THREE.optimum(LOAD, subject_to=[limit])
    with pytest.raises(InputError, match=message):
        raise_error(combine_limits([limit], THREE.bank, np.array([LOAD]))[0])


@pytest.mark.parametrize(("limits", "message"), [
    (MaxShare(0.5),
     r"^subject_to = MaxShare\(share=0.5\): is not a list of limits; write "
     r"subject_to=\[MaxShare\(0.5\)\]$"),
    ([0.5], r"^subject_to\[0\] = 0.5: is not a limit; give one such as MaxShare"),
    ([MinShare([0.1, 0.2])],
     r"^MinShare.share = .*: is not one number for each of 3 servers; give one per server, or "
     r"one for all$"),
    ([MaxShare(1.5)], r"^MaxShare.share = 1.5: is not a part of the load"),
    ([MaxUtilisation([0.5, -1, 0.5])],
     r"^MaxUtilisation.utilisation\[1\] = -1.0: is not a part of what fills a server"),
    ([MaxUtilisation("much")], r"^MaxUtilisation.utilisation = 'much': is not made of numbers"),
    ([ServerPercentile(99, 0.1)],
     r"^ServerPercentile.p = 99.0: is not a part of the jobs; write 99 % as 0.99$"),
    ([ServerPercentile(0.99, 0)], r"^ServerPercentile.within = 0.0: is not a time above 0"),
    ([Budget(-1, 10)], r"^Budget.price = -1.0: is not a price"),
    ([Budget(1, math.inf)], r"^Budget.at_most = inf: is not an amount of money"),
    ([Budget(1, 300), Budget(1, 180)],
     r"^subject_to = \['budget'\]: leave the budget no less than 190 where it is to be at most "
     r"180; relax it or lower the load$"),
    ([Budget([1, 1, 1], 100)],
     r"^subject_to = \['budget'\]: leave the budget no less than 190 where it is to be at most "
     r"100"),
    ([MinShare([0.5, 0, 0]), MaxUtilisation(0.8)],
     r"^subject_to = \['least share', 'largest utilisation'\]: ask for at least 95 and at most "
     r"80 jobs at server 1; relax one of them$"),
    ([MinShare(0.4)],
     r"^subject_to = \['least share'\]: ask for at least 228 jobs in all where the load is 190"),
    ([MaxShare(0.3)],
     r"^subject_to = \['largest share'\]: allow at most 171 jobs in all where the load is 190"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_bad_limits_are_refused_before_any_solver(limits, message):
    with pytest.raises(InputError, match=message):
        THREE.optimum(LOAD, subject_to=limits)


@pytest.mark.parametrize(("limits", "message"), [
    (5, r"^subject_to = 5: is not a list of limits; write subject_to=\[MaxShare\(0.5\)\]$"),
    ({MaxShare(0.5)}, r"^subject_to = \{MaxShare\(share=0.5\)\}: is not a list of limits; write"),
    (iter([MaxShare(0.5)]), r"^subject_to = <list_iterator .*>: is not a list of limits; write"),
    ([MaxShare(0.5), 0.5], r"^subject_to\[1\] = 0.5: is not a limit; give one"),
    ([Budget([1, 1, 2], 250), MaxShare(0.9), Budget([2, 2, 1], 250), GroupShare([0], 0.5)],
     r"^subject_to = \['budget', 'budget'\]: cannot be met together by any split of the load 190; "
     r"relax one of them$"),
    ([GroupShare([0, 1], 0.3, "edge"), GroupShare([2], 0.6, "cloud"), MinShare(0.1)],
     r"^subject_to = \['edge', 'cloud'\]: cannot be met together by any split of the load 190; "
     r"relax "
     r"one of them$"),
    ([GroupShare([0, 1], 0.3, "edge"), MinShare([0.2, 0.2, 0])],
     r"^subject_to = \['edge', 'least share'\]: leave the edge no less than 0.4 where it is to "
     r"be at most 0.3; relax one of them$"),
    ([LinearLimit([-1, -1, 0], -150, "used", bound_per_unit=-1), MaxShare(0.3), MaxUtilisation(1)],
     r"^subject_to = \['largest share'\]: allow at most 171 jobs in all where the load is 190; "
     r"relax one of them$"),
    ([LinearLimit([-1, -1, 0], -150, "used", bound_per_unit=-1), MaxShare(0.38)],
     r"^subject_to = \['used', 'largest share'\]: leave the used no more than 144.4 where it is "
     r"to be at least 150; relax one of them$"),
    ([MinShare([0.2, 0.2, 0]), MinShare([0, 0, 0.7])],
     r"^subject_to = \['least share', 'least share'\]: ask for at least 209 jobs in all where "
     r"the load is 190; relax one of them$"),
    ([MaxShare([0.2, 1, 1]), MaxUtilisation([1, 0.5, 0.5])],
     r"^subject_to = \['largest share', 'largest utilisation'\]: allow at most 178 jobs in all "
     r"where the load is 190; relax one of them$"),
    ([MinShare([0, 0, 0.6]), MaxShare([1, 1, 0.5])],
     r"^subject_to = \['least share', 'largest share'\]: ask for at least 114 and at most 95 "
     r"jobs at server 3; relax one of them$"),
    ([MinShare([0, 0.4, 0]), ServerPercentile(0.95, 0.06)],
     r"^subject_to = \['least share', '95th percentile'\]: ask for at least 76 and at most "
     r"25.5\d* jobs at server 2; relax one of them$"),
    ([MaxUtilisation([1, 1, 0.5]), Budget([1, 1, 0.5], 139.9)],
     r"^subject_to = \['largest utilisation', 'budget'\]: leave the budget no less than 140 "
     r"where it is to be at most 139.9"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_limits_that_do_not_go_together_are_refused_before_any_solver(limits, message):
    with pytest.raises(InputError, match=message):
        THREE.optimum(LOAD, subject_to=limits)


@pytest.mark.parametrize(("servers", "message"), [
    ((MM1([100.0, 80.0]), BPR([0.1], [50.0])),
     r"^servers\[2\] = 'BPR': has no probability of late jobs; use MM1, MD1, MG1 or MMc servers, "
     r"first come, first served$"),
    ((MG1PS([50.0]), MM1([100.0])),
     r"^servers\[0\] = 'MG1PS': has no probability of late jobs; use MM1, MD1, MG1 or MMc"),
    ((MM1([50.0]), MG1([100.0, 50.0], 2.0, base=[0.0, 5.0], base_priority="last")),
     r"^servers\[2\] = 'MG1': has no probability of late jobs with priorities or batches; use"),
    ((Tandem(MM1([100.0]), MM1([90.0])),),
     r"^servers\[0\] = 'Tandem': has no probability of late jobs; use"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_the_percentile_names_the_server_that_has_none(servers, message):
    with pytest.raises(InputError, match=message):
        ParallelServers(*servers).optimum(50.0, subject_to=[ServerPercentile(0.99, 0.5)])


@pytest.mark.parametrize(("load", "message"), [
    (0, r"^load = 0.0: there is nothing to split; give a load above 0$"),
    (380.0, r"^load = 380.0: not below the total rate 380"),
    ([100.0, 200.0],
     r"^load = \[100.0, 200.0\]: is not one number; give one load here; for many, use "
     r"curve\(loads\)$"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_a_bad_load_within_limits_is_refused(load, message):
    with pytest.raises(LoadError, match=message):
        THREE.optimum(load, subject_to=[MaxShare(0.5)])


@pytest.mark.parametrize("players", [1, 3, math.inf])
@pytest.mark.usefixtures("no_solver")
def test_selfish_users_within_limits_are_refused_before_any_solver(players):
    message = (
        r"^subject_to = \[MaxShare\(share=0.5\)\]: selfish users keep no operator's limits: .*; "
        r"ask for the optimum within limits; tolls "
    )
    for ask in (THREE.equilibrium, THREE.price_of_anarchy):
        with pytest.raises(InputError, match=message):
            ask(LOAD, players, subject_to=[MaxShare(0.5)])


WITH_SELFISH_USERS = {
    "price of anarchy": lambda options: THREE.price_of_anarchy(LOAD, **options),
    "worst case": lambda options: THREE.worst_case(**options),
    "control": lambda options: THREE.control(LOAD, 0.5, **options),
    "control of all": lambda options: THREE.control(LOAD, 1.0, **options),
    "tolls": lambda options: THREE.tolls(LOAD, **options),
    "curve": lambda options: THREE.curve([LOAD], **options),
    "players": lambda options: players_curve(THREE, [LOAD], **options),
    "controls": lambda options: control_curve(THREE, LOAD, **options),
}


@pytest.mark.parametrize("what", WITH_SELFISH_USERS)
@pytest.mark.usefixtures("no_solver")
def test_what_selfish_users_take_part_in_has_no_limits(what):
    with pytest.raises(
        InputError,
        match=r"^subject_to = \[MaxShare\(share=0.5\)\]: selfish users keep no operator's limits",
    ):
        WITH_SELFISH_USERS[what]({"subject_to": [MaxShare(0.5)]})


@pytest.mark.parametrize("players", [1, 3, math.inf])
@pytest.mark.usefixtures("no_solver")
def test_sensitivities_have_no_limits(players):
    with pytest.raises(
        InputError,
        match=r"^subject_to = .*: sensitivities are those of servers without limits; leave the "
        r"limits out",
    ):
        THREE.sensitivity(LOAD, players, subject_to=[MaxShare(0.5)])


UNFILLED = (
    r"^MaxUtilisation.utilisation = 0.8: is a part of nothing at {}: no load fills the server; "
    r"limit shares with MaxShare, or give"
)


@pytest.mark.parametrize(("banks", "which"), [
    ([BPR(1.0, 2.0)], r"servers\[0\]"),
    ([Constant(5.0)], r"servers\[0\]"),
    ([Function(lambda x: 1.0 + x, servers=2)], r"servers\[0\], servers\[1\]"),
    ([MM1(4.0), BPR(1.0, 2.0), Constant(5.0), Polynomial([1.0, 2.0])],
     r"servers\[1\], servers\[3\]"),
    ([MM1(4.0), Tandem(Polynomial([1.0, 2.0]), Constant(5.0))], r"servers\[1\]"),
    ([BPR([1.0] * 9, 2.0)],
     r"servers\[0\], servers\[1\], servers\[2\], servers\[3\], servers\[4\], \.\.\."),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_a_utilisation_that_means_nothing_is_refused(banks, which):
    with pytest.raises(InputError, match=UNFILLED.format(which)):
        ParallelServers(*banks).optimum(1.0, subject_to=[MaxUtilisation(0.8)])


SAMPLES = [0.5, 1.0, 2.0, 2.65], [2.75, 2.9, 3.2, 3.395]


@pytest.mark.parametrize(("bank", "limit", "of", "used"), [
    (Measured(*SAMPLES), 0.8, "largest sample", 2.12),
    (Measured(*SAMPLES, capacity=2.5), 0.8, "capacity", 2.0),
    (Measured(*SAMPLES, capacity=2.5).in_unit(60.0).in_unit(1 / 60.0), 0.8, "capacity", 2.0),
    (Tandem(Measured(*SAMPLES), Constant(0.5)), 0.8, "largest sample", 2.12),
    (Tandem(Measured(*SAMPLES), MM1(2.5)), 0.4, "rate", 1.0),
])  # fmt: skip
def test_the_text_names_the_full_load_of_a_utilisation(bank, limit, of, used):
    found = ParallelServers(bank, Constant(5.0)).optimum(6.0, subject_to=[MaxUtilisation(limit)])
    assert found.certified
    assert found.flow == pytest.approx([used, 6.0 - used], rel=1e-9)
    assert found.limits[0].limit == "largest utilisation" + f" (of the {of})" * (of != "rate")
    assert "binds at 1 of 2 servers" in str(found.limits[0])
    assert found.limits[0].value == pytest.approx([limit, 0.0], rel=1e-9)


def test_eighty_percent_of_the_largest_sample():
    found = ParallelServers(Measured(*SAMPLES), Constant(5.0)).optimum(
        6.0, subject_to=[MaxUtilisation(0.8)]
    )
    assert found.mean_delay == pytest.approx(4.37672, rel=1e-8)
    assert found.flow == pytest.approx([2.12, 3.88], rel=1e-9)


def test_a_limit_on_rates_and_samples_names_both():
    bank = ParallelServers(MM1(4.0), Measured(*SAMPLES)).bank
    assert (
        MaxUtilisation(0.5).linearise(bank, 1.0).name
        == "largest utilisation (of the rate or largest sample)"
    )
    assert MaxUtilisation(0.5).linearise(bank.scaled(2.0, 0.5), 1.0).bound == pytest.approx(
        [4.0, 2.65]
    )
