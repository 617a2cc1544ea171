"""Late jobs: exact values, derivatives, convexity, light load, saturation, and kinds of tails."""

import mpmath as mp
import numpy as np
import pytest

from sojourn import models
from sojourn.models import MMc, Tandem
from sojourn.reference import MD1, MG1, MM1, InputError, MixedBank
from sojourn.reference.bank_rows import BankRows
from sojourn.reference.deterministic_wait import LONG, deterministic_wait
from sojourn.reference.parallel.decisions.percentile import server_percentiles
from sojourn.reference.parallel.decisions.several_loads import SharedSplit, weighted_loads
from sojourn.reference.tails import integrals, tail_caveats


@pytest.mark.parametrize(
    ("servers", "flow", "expected"), [(3, 20.0, 0.255633312780), (2, 10.0, 0.225558805394)]
)
def test_the_sojourn_tail_of_stations_also_where_both_rates_are_equal(servers, flow, expected):
    assert MMc([10.0], servers).late_jobs([flow], 0.2).share == pytest.approx(expected, abs=6e-13)


@pytest.mark.parametrize("servers", [1, 2, 7, 300])
def test_the_sojourn_tail_of_stations_is_that_of_sixty_digits(servers):
    with mp.workdps(60):
        for used, t in ((1e-9, 0.5), (0.4, 3.0), (1 - 1 / servers + 1e-9, 2.0), (0.999, 5.0)):
            flow = mp.mpf(used * servers)  # service time 1
            term = flow**servers / mp.factorial(servers)
            rest = mp.fsum(flow**k / mp.factorial(k) for k in range(servers))
            wait = term * servers / (servers - flow)
            wait = wait / (rest + wait)
            decay = servers - flow
            mixed = t if decay == 1 else (mp.e**-t - mp.e ** (-decay * t)) / (decay - 1)
            mixed = mp.e**-t * t if decay == 1 else mixed
            exact = mp.e**-t + wait * mixed
            found = MMc([1.0], servers).late_jobs([float(flow)], t).share
            assert found == pytest.approx(float(exact), rel=2e-13)


def crommelin(rho, wait):
    """P(W > w) of M/D/1 by the alternating series, in the digits of mpmath."""
    terms = ((rho * (k - wait)) ** k / mp.factorial(k) * mp.e ** (-rho * (k - wait))
             for k in range(int(mp.floor(wait)) + 1))  # fmt: skip
    return 1 - (1 - rho) * mp.fsum(terms)


@pytest.mark.parametrize("rho", [0.001, 0.5, 0.8, 0.95, 0.9999])
def test_the_wait_at_constant_service_times_is_crommelins_series_in_many_digits(rho):
    waits = [0.0, 0.3, 1.0, 7.25, LONG - 1e-9, LONG, 55.5]
    found = deterministic_wait(np.full(7, rho), np.full(7, 1.0 - rho), np.array(waits))
    with mp.workdps(150):
        for i, wait in enumerate(waits):
            exact = crommelin(mp.mpf(rho), mp.mpf(wait))
            if exact > 1e-30:
                assert found.share[i] == pytest.approx(float(exact), rel=2e-13)
                slope = mp.diff(lambda r, w=wait: crommelin(r, mp.mpf(w)), mp.mpf(rho))
                assert found.slope[i] == pytest.approx(float(slope), rel=1e-11)


@pytest.mark.parametrize(
    ("rho", "exact", "exponential"),
    [(0.5, 3.336255957, 3.912), (0.8, 10.35588679, 10.955), (0.95, 44.93776551, 45.539)],
)
def test_percentiles_of_the_wait(rho, exact, exponential):
    flow = np.array([rho])
    assert server_percentiles(MD1(1.0), flow, 0.99, of_wait=True) == pytest.approx(exact, rel=2e-10)
    constant = server_percentiles(MG1(1.0, 0.0), flow, 0.99, of_wait=True)
    assert constant == pytest.approx(exact, rel=2e-10)
    # the tail of the wait of M/M/1 with the same mean wait
    nearly = server_percentiles(MG1(1.0, 1e-7), flow, 0.99, of_wait=True)
    assert nearly == pytest.approx(exponential, abs=6e-4)
    assert server_percentiles(MD1(1.0), flow, 0.99) == pytest.approx(exact + 1.0, rel=2e-10)


BANKS = {
    "M/M/1": MM1([10.0, 6.0], [0.0, 0.05]),
    "shared M/M/1": MM1([14.0, 6.0], [0.0, 0.05], base=[4.0, 0.0]),
    "M/D/1": MD1([10.0, 6.0], [0.0, 0.05]),
    "M/G/1": MG1([10.0, 6.0, 6.0, 9.0], [0.0, 0.3, 1.0, 4.0]),
    "shared M/G/1": MG1([14.0, 8.0], [2.0, 0.5], base=[4.0, 2.0]),
    "M/M/c": MMc([10.0, 3.0, 2.0], [1, 2, 5], [0.0, 0.01, 0.0]),
    "mixed": MixedBank([MM1([10.0]), MG1([6.0], 2.0)]),
    "scaled": MMc([10.0, 3.0], [1, 2]).scaled(0.5, 2.0),
    "rows": BankRows.of([MM1([10.0, 6.0]), MM1([9.0, 5.0])]),
}


@pytest.mark.parametrize("name", BANKS)
@pytest.mark.parametrize("tail", ["late_jobs", "late_waits"])
def test_derivatives_are_those_of_the_share_and_late_jobs_are_convex(name, tail):
    bank, step = BANKS[name], 1e-5
    late = getattr(bank, tail)
    for time in (0.02, 0.13, 0.4, 2.0):
        for used in (1e-6, 0.2, 0.55, 0.9, 0.999):
            flow, gap = used * bank.rate, np.minimum(step, used / 3) * bank.rate * (1 - used)
            share, slope, curvature = late(flow, time)
            below, above = late(flow - gap, time), late(flow + gap, time)
            scale = np.maximum(np.abs(slope), 1e-9 / bank.rate)
            error = np.abs((above.share - below.share) / (2 * gap) - slope)
            assert np.all(error <= 2e-5 * scale + 1e-14 / gap)
            error = np.abs((above.slope - below.slope) / (2 * gap) - curvature)
            assert np.all(error <= 2e-5 * np.abs(curvature) + 1e-14 * (1 + time) / gap)
            assert np.all((share >= 0) & (share <= 1) & (slope >= 0))
            assert np.all(2 * slope + flow * curvature >= -1e-12 * time)


def test_all_digits_next_to_saturation():
    spare = np.array([1e-12])
    flow = 10.0 - spare
    for bank, k in ((MM1(10.0), 1.0), (MG1(10.0, 3.0), 5.0), (MMc([5.0], 2), 1.0)):
        late = bank.late_jobs(flow, 1e12, spare)
        assert late.share == pytest.approx(np.exp(-1.0 / k), rel=1e-11)
        assert late.slope == pytest.approx(1e12 / k * np.exp(-1.0 / k), rel=1e-10)
    waits = MD1(10.0).late_jobs(flow, 1e12, spare)
    assert waits.share == pytest.approx(np.exp(-2.0), rel=1e-11)  # theta is 2 (1 - rho)


def test_full_servers_and_times_within_the_delay():
    bank = MM1([10.0, 10.0, 10.0], [0.0, 0.0, 2.0])
    late = bank.late_jobs([10.0, 12.0, 1.0], 1.0)
    assert late.share.tolist() == [1.0, 1.0, 1.0]
    assert late.slope.tolist() == late.curvature.tolist() == [0.0, 0.0, 0.0]
    assert bank.late_jobs([1.0, 1.0, 1.0], np.inf).share.tolist() == [0.0, 0.0, 0.0]
    assert bank.late_waits([1.0, 1.0, 1.0], 0.0).share.tolist() == [0.1, 0.1, 0.1]
    # the service takes 0.1 at least
    assert MD1(10.0).late_jobs([[2.0], [2.0]], [[0.0999], [0.1]]).share == pytest.approx(
        np.array([[1.0], [0.2]])
    )


def test_integrals_where_rates_are_nearly_equal():
    with mp.workdps(40):
        for a, b, t in ((3.0, 3.0, 0.5), (3.0, 3.0 + 1e-9, 0.5), (3.0, 7.1, 0.5), (9.0, 1.0, 4.0)):
            for j, found in enumerate(integrals(*map(np.array, (a, b, t)))):
                exact = mp.quad(
                    lambda s, j=j, a=a, b=b, t=t: mp.e ** (-a * s - b * (t - s)) * (t - s) ** j,
                    [0, t],
                )
                assert found == pytest.approx(float(exact), rel=2e-15)


def test_one_split_of_several_loads_has_the_mean_tail():
    bank = MM1([10.0, 5.0])
    loads = weighted_loads(bank, [3.0, 9.0], [0.4, 0.6])
    shared, share, h = SharedSplit(bank, loads), np.array([0.7, 0.3]), 1e-6
    late = shared.late_jobs(share, 0.5)
    each = [bank.late_jobs(share * load, 0.5).share for load in loads.load]
    assert late.share == pytest.approx(loads.jobs @ each, rel=1e-14)
    rise = shared.late_jobs(share + h, 0.5).share - shared.late_jobs(share - h, 0.5).share
    assert late.slope == pytest.approx(rise / (2 * h), rel=1e-8)
    assert np.all(shared.late_waits(share, 0.5).share < late.share)


def test_kinds_of_tails_and_servers_without():
    kinds = MixedBank([MM1([9.0]), MG1([5.0, 4.0], [0.0, 1.0]), MD1([3.0])]).tail_kind
    assert kinds == ("exact", "exact", "approximation", "exact")
    assert MM1([9.0, 9.0], base=[1.0, 0.0], base_priority=["last", None]).tail_kind == ("", "exact")
    rows = BankRows.of([MG1([5.0, 4.0], [0.0, 1.0]), MG1([5.0, 4.0], [0.0, 0.0])])
    assert rows.tail_kind == ("exact", "approximation")
    assert MD1([9.0], batch=3.0).tail_kind == ("",)
    (caveat,) = tail_caveats(MG1([5.0, 4.0], [0.0, 1.0]), ["a", "b"])
    assert caveat.startswith("the late jobs of b are an approximation")
    assert tail_caveats(MM1([3.0]), ["a"]) == []
    pair = Tandem(models.MM1([3.0]), models.MM1([4.0]))
    for bank in (pair, models.Polynomial([[1.0, 2.0]]), MM1([9.0], batch=2.0)):
        for tail in (bank.late_jobs, bank.late_waits):
            with pytest.raises(InputError, match=r"^servers\[0\] = .*has no probability of late"):
                tail([1.0], 1.0)
