"""Rows of banks have the numbers of the banks one by one, for every family."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn import reference
from sojourn.models import MG1, MM1, Constant, Function, Latency, Measured, Polynomial, Tandem
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.base import Scaled
from sojourn.models.latency.player_latency import FollowerLatency, PlayerLatency, player_latency
from sojourn.reference import InputError, MixedBank, ServerBank
from sojourn.reference.bank_rows import BankRows
from sojourn.reference.composed import JOINED
from sojourn.reference.parallel.control import ResidualLatency
from sojourn.reference.parallel.players import PlayerCost
from sojourn.reference.server_bank import QUANTITIES
from sojourn.reference.tails import NO_TAIL


@dataclass(frozen=True, eq=False)
class Batches(Latency):
    """Jobs that arrive `size` at a time; a number that holds for all servers is no array."""

    rate: Any
    size: Any
    delay: Any = 0.0

    def latency(self, flow, spare_capacity=None):
        _, spare_capacity = self._point(flow, spare_capacity)
        return self.delay + 0.5 * (self.size + 1.0) / spare_capacity


class Plain(ServerBank):
    """A family that stores arrays and has no delay."""

    def __init__(self, rate, power):
        self.rate, self.power = np.array(rate, dtype=float), power

    def latency(self, flow, spare_capacity=None):
        spare = self.rate - flow if spare_capacity is None else spare_capacity
        return 1.0 + (flow / spare) ** self.power


class Listed(Plain):
    """A family that stores a list, of which nothing knows that it has one number a server."""

    def __init__(self, rate, power):
        self.rate, self.power = rate, power

    def latency(self, flow, spare_capacity=None):
        spare = np.array(self.rate) - flow if spare_capacity is None else spare_capacity
        return 1.0 + (flow / spare) ** np.array(self.power)


def systems(bank):
    """Return banks of a family: with longer delays, and in other units."""
    extra = np.linspace(0.0, 0.3, len(bank))
    banks = [bank.with_extra_delay(k * extra) for k in range(3)]
    declared = type(bank).scaled is not Latency.scaled or bank.rates is not None
    return [*banks, bank.in_unit(3.0), bank.in_unit(0.1)] if declared else banks


STATIONS, THREE = FAMILIES["M/M/c"], FAMILIES["M/G/1"]
BASE = np.array([10.0, 0.0, 100.0])
SYSTEMS = {
    **{name: systems(bank) for name, bank in FAMILIES.items()},
    "user's dataclass": systems(Batches(np.array([3.0, 2.0]), np.array([3.0, 1.0]), np.zeros(2))),
    "user's dataclass, one number": systems(Batches(np.array([3.0, 2.0]), 4.0, np.zeros(2))),
    "user's class": [Plain([3.0, 2.0], 1.0), Plain([2.0, 5.0], 1.0), Plain([4.0, 1.0], 1.0)],
    "reference": [reference.MG1([3.0, 2.0], [2.0, 0.0], d) for d in (0.0, 0.1, [0.2, 0.3])],
    "tandem of several": systems(Tandem(STATIONS, THREE)),
    "scaled": [Scaled(STATIONS.with_extra_delay(d), 0.1, 10.0) for d in (0.0, 0.1, 0.2)],
    "mixed": systems(MixedLatency([STATIONS, FAMILIES["measured"], THREE])),
    "mixed, of reference": [
        MixedBank([reference.MM1([r, 1.0]), reference.MG1([2.0], cv)])
        for r, cv in ((1.0, 2.0), (3.0, 0.0), (2.0, 1.0))
    ],
    "players": [PlayerLatency(bank, 3.0) for bank in systems(THREE)],
    "players of several families": [
        player_latency(MixedLatency([THREE, bank]), 4.0) for bank in systems(STATIONS)
    ],
    "player cost": [PlayerCost(bank, 2.0) for bank in systems(STATIONS)],
    "followers": [FollowerLatency(THREE, part * BASE) for part in (0.0, 0.3, 0.9)],
    "residual": [ResidualLatency(bank, np.array([1.0, 0.0, 2.0])) for bank in systems(STATIONS)],
}
each = pytest.mark.parametrize("name", SYSTEMS)
# families in closed form, whose values do not depend on the number of servers by rounding
EXACT = {
    "M/M/1",
    "M/D/1",
    "M/G/1",
    "G/G/1",
    "M/G/1-PS",
    "M/M/1-vacations",
    "M/M/1-percentile",
    "BPR",
    "constant",
    "measured",
    "reference",
    "mixed, of reference",
}


TAILS = ("late_jobs", "late_waits")  # which not all families have
PARTS = [1e-9, 0.3, 0.999999, 1.0]  # of the rates: up to full servers


def arguments(bank, kinds, part):
    """Return arguments of a method of a bank by their kinds, at a part of the rates."""
    rate = np.where(np.isfinite(bank.rate), bank.rate, 1.0)
    flow = part * rate * (np.linspace(0.7, 1.0, len(bank)) if part < 1 else 1.0)
    values = {
        "rate": flow,
        "spare_capacity": np.where(np.isfinite(bank.rate), rate * (1.0 - part), np.inf),
        "plain": 3.0,
        "time": bank.idle_latency * (1.0 + 3.0 * part),
    }
    return [values[kind] for kind in kinds[:-1]]


def stacked(columns):
    """Return arguments of all rows from those of each bank."""
    return [np.stack(c) if np.ndim(c[0]) else c[0] for c in zip(*columns, strict=True)]


def assert_equal(name, quantity, got, expected):
    """Check values of rows, in closed form to the last digit."""
    if isinstance(got, tuple):
        return [assert_equal(name, quantity, *pair) for pair in zip(got, expected, strict=True)]
    assert got.shape == expected.shape, quantity
    if name in EXACT and quantity not in TAILS:  # exponentials of whole arrays may round elsewhere
        return np.testing.assert_array_equal(got, expected, quantity)
    return np.testing.assert_allclose(got, expected, rtol=1e-12, atol=0.0, err_msg=quantity)


def of_each(banks, quantity, columns):
    """Return the values of a method of the banks one by one, as rows."""
    values = [getattr(b, quantity)(*a) for b, a in zip(banks, columns, strict=True)]
    if isinstance(values[0], tuple):
        return tuple(np.stack(field) for field in zip(*values, strict=True))
    return np.stack(values)


@each
def test_every_property_has_a_row_for_each_bank(name):
    banks = SYSTEMS[name]
    rows = BankRows.of(banks)
    assert len(rows) == len(banks[0])
    names = [q for q, kinds in QUANTITIES.items() if len(kinds) == 1 and kinds[0] not in JOINED]
    for quantity in ["rate", "delay", "idle_latency", *names]:
        expected = np.stack([getattr(bank, quantity) for bank in banks])
        assert_equal(name, quantity, getattr(rows, quantity), expected)
    assert rows.uses_finite_differences == banks[0].uses_finite_differences
    assert rows._validated is True
    total, error = rows.total_rate
    assert total.tolist() == [float(bank.total_rate[0]) for bank in banks]
    assert error.tolist() == [float(bank.total_rate[1]) for bank in banks]


@each
@pytest.mark.parametrize("part", PARTS)
def test_every_method_has_a_row_for_each_bank(name, part):
    banks = SYSTEMS[name]
    rows = BankRows.of(banks)
    for quantity, kinds in QUANTITIES.items():
        if len(kinds) == 1:
            continue
        columns = [arguments(bank, kinds, part) for bank in banks]
        if quantity in TAILS and NO_TAIL in banks[0].tail_kind:
            with pytest.raises(InputError, match="no probability of late jobs"):
                getattr(rows, quantity)(*stacked(columns))
            continue
        with np.errstate(all="ignore"):  # at full servers
            got = getattr(rows, quantity)(*stacked(columns))
            expected = of_each(banks, quantity, columns)
        assert_equal(name, quantity, got, expected)
    flow = stacked([arguments(bank, ("rate", ""), part) for bank in banks])[0]
    expected = np.stack([b.spare_capacity(x) for b, x in zip(banks, flow, strict=True)])
    assert_equal(name, "spare_capacity", rows.spare_capacity(flow), expected)


@each
def test_more_axes_come_before_the_rows(name):
    banks = SYSTEMS[name]
    rows = BankRows.of(banks)
    for quantity in ("latency", "marginal", "latency_slope", "at_marginal", "inverse_latency"):
        columns = [[arguments(b, QUANTITIES[quantity], p)[0] for b in banks] for p in PARTS[:3]]
        given = np.array(columns)
        assert given.shape == (3, len(banks), len(rows))
        expected = [of_each(banks, quantity, [[x] for x in column]) for column in columns]
        join = [np.stack(f) for f in zip(*expected, strict=True)] if "at_" in quantity else expected
        got = getattr(rows, quantity)(given)
        np.testing.assert_allclose(np.stack(got), np.stack(join), rtol=1e-12, atol=0.0)
    # an argument of one row is for all of them
    for flow in (given[0, 0], given[0, :1], given[0, 0, 0]):
        np.testing.assert_array_equal(
            rows.latency(flow), rows.latency(np.broadcast_to(flow, given[0].shape))
        )


@each
def test_a_part_of_the_rows(name):
    banks = SYSTEMS[name]
    rows = BankRows.of(banks)
    flow = 0.3 * np.where(np.isfinite(rows.rate), rows.rate, 1.0)
    latency, last = rows.latency(flow), len(banks) - 1
    mask = np.arange(len(banks)) != 1
    for chosen in (np.array([last, 0, 0]), mask, slice(1, None), slice(None, None, 2), ~mask):
        some = rows.at(chosen)
        assert some.rate.shape == rows.rate[chosen].shape
        np.testing.assert_allclose(some.latency(flow[chosen]), latency[chosen], rtol=1e-14)
        np.testing.assert_array_equal(some.idle_latency, rows.idle_latency[chosen])
    assert rows.at(np.arange(len(banks))) is rows.at(np.full(len(banks), True)) is rows
    none = rows.at(np.zeros(len(banks), dtype=bool))
    assert none.latency(flow[:0]).shape == (0, len(rows))
    again = BankRows.of(banks, 2)
    np.testing.assert_allclose(again.latency(flow.repeat(2, 0)), latency.repeat(2, 0), rtol=1e-14)
    counts = [3, *[1] * last]
    assert BankRows.of(banks, counts).rate.tolist() == rows.rate.repeat(counts, 0).tolist()


def test_rows_of_a_bank_are_the_bank():
    for bank in (THREE, MixedLatency([THREE, STATIONS]), Tandem(THREE, STATIONS)):
        assert bank.at(np.array([2, 0])) is bank.at(slice(1)) is bank


def test_followers_of_several_leaders_are_rows():
    base = np.array([[1.0, 0.0, 2.0], [0.0, 5.0, 0.0], [3.0, 3.0, 3.0]])
    bank = MixedLatency([FAMILIES["M/G/1"].take([0, 1]), STATIONS.take([2])])
    rows, flow = ResidualLatency(bank, base), 0.2 * bank.rate + base
    for part in (np.array([2, 0]), slice(1, None)):
        some = rows.at(part)
        for k, leader in enumerate(base[part]):
            one = ResidualLatency(bank, leader)
            for name in ("rate_error", "service", "idle_latency"):
                assert getattr(some, name)[k].tolist() == getattr(one, name).tolist()
            for name in ("latency", "marginal", "latency_slope", "marginal_slope", "potential"):
                got = getattr(some, name)(flow[part])[k]
                np.testing.assert_allclose(got, getattr(one, name)(flow[part][k]), rtol=1e-12)


@pytest.mark.parametrize(
    "banks",
    [
        [MM1([1.0, 2.0]), MM1([1.0])],
        [MM1(1.0), MG1(1.0, 1.0)],
        [MixedLatency([MM1(1.0), Constant(1.0)]), MixedLatency([Constant(1.0), MM1(1.0)])],
        [MixedLatency([MM1(1.0), Constant(1.0)]), MM1([1.0, 2.0])],
        [MixedLatency([MM1([1.0, 2.0]), MG1(1.0, 1.0)]), MixedLatency([MM1(1.0)] * 3)],
        [Polynomial([1.0, 2.0]), Polynomial([1.0])],
        [Function(lambda x: 1.0 + x, servers=1), Function(lambda x: 1.0 + x, servers=1)],
        [PlayerLatency(THREE, 2.0), PlayerLatency(THREE, 3.0)],
        [Tandem(THREE, THREE), Tandem(THREE, STATIONS)],
        [Plain([1.0, 2.0], 1.0), Plain([1.0, 2.0], 2.0)],
        [Listed([1.0, 2.0], [1.0, 2.0])] * 2,
        [PlayerCost(MixedBank([reference.MM1(1.0), reference.MG1(1.0, 2.0)]), 2.0)] * 2,
        [
            Measured([0.0, 1.0, 2.0], [1.0, 1.0, 2.0]),
            Measured([0.0, 1.0, 2.0], [1.0, 1.0, 2.0], capacity=3.0),
        ],
    ],
)
def test_banks_that_differ_in_more_than_numbers_have_no_rows(banks):
    assert BankRows.of(banks) is None


def test_a_server_that_is_in_a_bank_of_a_function_twice():
    bank = FAMILIES["function within a rate"].take([2, 0, 2])
    flow = np.array([30.0, 20.0, 10.0])
    each_alone = [1 / (r - x) + d for r, x, d in zip(bank.rate, flow, bank.delay, strict=True)]
    np.testing.assert_allclose(bank.latency(flow), each_alone, rtol=1e-14)
    np.testing.assert_allclose(bank.latency_slope(flow), 1 / (bank.rate - flow) ** 2, rtol=1e-14)


def test_total_rates_of_rows_are_infinite_one_by_one():
    rows = BankRows.of([Plain([1.0, np.inf], 1.0), Plain([0.1, 0.2], 1.0), Plain([0.3, 0.4], 1.0)])
    total, error = rows.total_rate
    assert total.tolist() == [np.inf, 0.1 + 0.2, 0.7]
    assert error[0] == 0.0
    assert abs(error[1]) > 0.0
