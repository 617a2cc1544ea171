"""Cones with parameters: set to the numbers of another bank, they compile to its own program."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from every_family import FAMILIES

from sojourn.models import (
    BPR,
    MD1,
    MG1,
    MG1PS,
    MM1,
    Cone,
    Constant,
    InputError,
    Kingman,
    Latency,
    MM1Percentile,
    MM1Vacations,
    MMc,
    Polynomial,
    Tandem,
)
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.base import Scaled
from sojourn.models.latency.check_cones import cone_cases, epigraph
from sojourn.models.latency.cone import as_parameters, as_written
from sojourn.models.latency.player_latency import FollowerLatency, PlayerLatency, player_latency

N = 3
ZEROS = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])
POWERS, FLAT = [4.0, 2.5, np.pi, 1.0, 0.0, 4.0, 2.0], [1, 1, 1, 1, 1, 1, 0]


def drawn(rng, n=N):
    return 10 ** rng.uniform(-1.0, 1.0, n)


def polynomial(rng):
    return Polynomial(drawn(rng, ZEROS.shape) * ZEROS, drawn(rng))


def roads(rng):
    n = len(POWERS)
    return BPR(drawn(rng, n), drawn(rng, n), drawn(rng, n) * FLAT, POWERS)


def mixed(rng):
    return MixedLatency([MG1(drawn(rng), drawn(rng), drawn(rng)), polynomial(rng), roads(rng)])


def twice(rng):
    bank = polynomial(rng)
    return Tandem(bank, bank)


def shared(family, *priorities, batches=False):
    """Draw a bank of a family with a base load on each server, and with batches."""

    def draw(rng):
        rate, cv = drawn(rng), [drawn(rng)] if family is MG1 else []
        size = {"batch": 1.0 + drawn(rng), "batch_cv": 1.0} if batches else {}
        base = rate * rng.uniform(0.01, 0.9, N)
        return family(rate, *cv, drawn(rng), base=base, base_priority=priorities or None, **size)

    return draw


# random banks of one shape by name, from a random generator
BANKS = {
    "M/M/1": lambda rng: MM1(drawn(rng), drawn(rng)),
    "M/D/1": lambda rng: MD1(drawn(rng), drawn(rng)),
    "M/G/1": lambda rng: MG1(drawn(rng), drawn(rng), drawn(rng)),
    "G/G/1": lambda rng: Kingman(drawn(rng), drawn(rng), drawn(rng), drawn(rng)),
    "M/G/1-PS": lambda rng: MG1PS(drawn(rng), drawn(rng)),
    "M/M/1-vacations": lambda rng: MM1Vacations(drawn(rng), drawn(rng), drawn(rng), drawn(rng)),
    "M/M/1-percentile": lambda rng: MM1Percentile(drawn(rng), rng.uniform(0.1, 0.9, N), drawn(rng)),
    "M/M/1 with a base load": shared(MM1),
    "M/M/1 behind a base load": shared(MM1, "non-preemptive"),
    "M/D/1 in batches before a base load": shared(MD1, "last", batches=True),
    "M/G/1 interrupted by a base load": shared(MG1, "preemptive"),
    "M/G/1 of all priorities": shared(MG1, "equal", "non-preemptive", "last", batches=True),
    "polynomial": polynomial,
    "constant": lambda rng: Constant(drawn(rng)),
    "BPR": roads,
    "families of one form": lambda rng: MixedLatency(
        [MM1(drawn(rng), drawn(rng)), MG1(drawn(rng, 2), drawn(rng, 2)), MD1(drawn(rng), 0.1)]
    ),
    "mixed": mixed,
    "tandem": lambda rng: Tandem(MG1(drawn(rng), drawn(rng), drawn(rng)), polynomial(rng)),
    "tandem of one bank": twice,
    "players": lambda rng: PlayerLatency(mixed(rng), 3.0),
    "players bank by bank": lambda rng: player_latency(mixed(rng), 3.0),
}
WITHOUT = {"M/M/c", "G/G/1-KLB", "M/M/1-setup", "tandem", "measured", "function"}
WITHOUT |= {"function within a rate"}

every_bank = pytest.mark.parametrize("name", BANKS)


def cases(bank):
    """Cones of a bank that a program can have."""
    of_players = isinstance(bank.banks[0], PlayerLatency)
    return [case for case in cone_cases(bank) if not of_players or case.function == "potential"]


def programs(case, bank):
    """Program with the value of a cone in the objective, and one with it in constraints."""
    flow, load = cp.Variable(len(bank), nonneg=True), cp.Parameter(nonneg=True, value=1.5)
    cone = case.write(bank, flow)
    total = cp.Minimize(cp.sum(cone.value))
    return cp.Problem(total, [cp.sum(flow) == load, *cone.constraints]), epigraph(cone, flow)


def set_numbers(made, bank):
    for index, name, parameter in made.parameters:
        parameter.value = np.asarray(bank.cone_parts[index].cone_numbers()[name])


def data(problem):
    """Every array of the cone program, with the constant of the objective."""
    compiled, _, inverse = problem.get_problem_data("CLARABEL")
    arrays = {name: compiled[name] for name in ("A", "b", "c", "P") if name in compiled}
    dense = {name: a.toarray() if hasattr(a, "toarray") else a for name, a in arrays.items()}
    return {**dense, "offset": np.array([inverse[-1].get("offset", 0.0)]), "dims": compiled["dims"]}


@every_bank
@pytest.mark.parametrize(
    "seed",
    [
        0,
        pytest.param(1, marks=pytest.mark.exhaustive),
        pytest.param(2, marks=pytest.mark.exhaustive),
    ],
)
def test_program_of_another_bank_with_these_numbers_is_that_of_the_bank(name, seed):
    rng = np.random.default_rng([18, seed])
    first, other = BANKS[name](rng), BANKS[name](rng)
    assert first.cone_shape == other.cone_shape
    for case in cases(first):
        with as_parameters() as made:
            shared = programs(case, first)
        assert made.parameters
        set_numbers(made, other)
        with as_written():
            own = programs(case, other)
        for one, two in zip(shared, own, strict=True):
            assert one.is_dpp()
            got, expected = data(one), data(two)
            assert got.keys() == expected.keys()
            assert str(got.pop("dims")) == str(expected.pop("dims"))
            for block, value in expected.items():
                message, least = f"{case.name} {block}", 1e-15 * np.abs(value).max(initial=0.0)
                np.testing.assert_allclose(
                    got[block],
                    value,
                    rtol=1e-15,
                    atol=0.0 if block != "offset" else least,
                    err_msg=message,
                )


@every_bank
def test_every_number_changes_the_program(name):
    bank = BANKS[name](np.random.default_rng(18))
    used = set()
    for case in cases(bank):
        with as_parameters() as made:
            shared, _ = programs(case, bank)
        set_numbers(made, bank)
        before = data(shared)
        for index, number, parameter in made.parameters:
            value = parameter.value
            parameter.value = 1.1 * value + 0.1
            after = data(shared)
            parameter.value = value
            blocks = [block for block in before if block != "dims"]
            assert any(np.any(after[b] != before[b]) for b in blocks), (case.name, number)
            used.add((index, number))
    if bank.cone_parts == (bank,):  # a composed bank may have fewer cones or forms than its parts
        assert {number for _, number in used} == set(bank.cone_numbers())


@every_bank
def test_numbers_are_one_a_server_and_negative_where_the_family_says_so(name):
    bank = BANKS[name](np.random.default_rng(18))
    for part in bank.cone_parts:
        assert set(part.signed_cone_numbers) <= set(part.cone_numbers())
        for number, value in part.cone_numbers().items():
            assert value.shape == (len(part),)
            assert number in part.signed_cone_numbers or np.all(value >= 0)


def test_every_family_with_cones_of_its_own_gives_numbers():
    given = {name for name, bank in FAMILIES.items() if bank.cone_shape is not None}
    assert given == FAMILIES.keys() - WITHOUT
    assert given <= BANKS.keys()


MIXED = MixedLatency([MM1([1.0, 2.0]), MM1([3.0])])
ROADS = BPR([1.0, 2.0], [1.0, 2.0])
AFFINE = Polynomial([[1.0, 2.0], [1.0, 0.0]])
DIFFERENT = {
    "family": (MM1([1.0, 2.0]), MD1([1.0, 2.0])),
    "servers": (MM1([1.0, 2.0]), MM1([1.0])),
    "power": (ROADS, replace(ROADS, power=[4.0, 3.0])),
    "one travel time": (ROADS, replace(ROADS, b=[0.15, 0.0])),
    "a power of 0": (ROADS, replace(ROADS, power=[4.0, 0.0])),
    "zeros": (AFFINE, Polynomial([[1.0, 0.0], [1.0, 2.0]])),
    "degree": (AFFINE, Polynomial([[1.0, 2.0, 0.0], [1.0, 0.0, 0.0]])),
    "players": (PlayerLatency(MM1([1.0]), 2.0), PlayerLatency(MM1([1.0]), 3.0)),
    "players or none": (PlayerLatency(MM1([1.0]), 2.0), MM1([1.0])),
    "order": (MixedLatency([MM1([1.0]), MD1([1.0])]), MixedLatency([MD1([1.0]), MM1([1.0])])),
    "servers a bank": (MIXED, MixedLatency([MM1([1.0]), MM1([2.0, 3.0])])),
    "one bank": (MIXED, MM1([1.0, 2.0, 3.0])),
    "side by side": (MixedLatency([ROADS, ROADS]), Tandem(ROADS, ROADS)),
    "one bank twice": (Tandem(ROADS, ROADS), Tandem(ROADS, replace(ROADS, b=0.3))),
    "one bank twice, inside": (
        Tandem(ROADS, Tandem(ROADS, replace(ROADS, b=0.2))),
        Tandem(replace(ROADS, b=0.4), Tandem(ROADS, replace(ROADS, b=0.2))),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_banks_of_different_structure_have_different_shapes(name):
    first, second = DIFFERENT[name]
    assert first.cone_shape != second.cone_shape
    assert len({first.cone_shape, first.cone_shape, second.cone_shape}) == 2


def test_other_numbers_and_another_unit_are_the_same_shape():
    for name, draw in BANKS.items():
        bank = draw(np.random.default_rng(18))
        if name != "tandem of one bank":  # converted, it is two
            assert bank.cone_shape == bank.in_unit(60.0).cone_shape, name
        longer = bank.with_extra_delay(np.ones(len(bank)))
        assert name == "tandem of one bank" or bank.cone_shape == longer.cone_shape, name


class Penalised(MM1):
    """M/M/1 with a cone of its own, whose numbers are not all those of `MM1`."""

    def total_cone(self, flow, form=None):
        made = super().total_cone(flow, form)
        return replace(made, value=made.value + cp.multiply(self.delay, cp.square(flow)))


class Named(Penalised):
    """The same with the numbers of its own cone."""

    def cone_numbers(self):
        return super().cone_numbers()


STATIONS = MMc([1.0, 2.0], [3, 4])
NOT_SHARED = {
    "tangents": STATIONS,
    "one part with tangents": MixedLatency([MM1([1.0]), STATIONS]),
    "a tandem with tangents": Tandem(MM1([1.0, 2.0]), STATIONS),
    "measured": FAMILIES["measured"],
    "another unit by a view": Scaled(MM1([1.0]), 2.0, 0.5),
    "followers": FollowerLatency(MM1([1.0]), np.array([0.1])),
    "a cone of its own": Penalised([1.0]),
    "players of stations": PlayerLatency(STATIONS, 2.0),
}


@pytest.mark.parametrize("name", NOT_SHARED)
def test_a_bank_without_all_numbers_has_no_shape_and_no_parameters(name):
    bank = NOT_SHARED[name]
    assert bank.cone_shape is None
    assert bank.cone_parts is None
    family = type(bank).__name__
    message = rf"bank = '{family}': does not give the numbers of its cones; define cone_numbers"
    with pytest.raises(InputError, match=message), as_parameters():
        bank.potential_cone(cp.Variable(len(bank)))


def test_a_cone_of_its_own_with_numbers_of_its_own_is_shared():
    assert Named([1.0]).cone_shape == Named([2.0]).cone_shape
    assert Named([1.0]).cone_shape != MM1([1.0]).cone_shape


class TotalAlone(Latency):
    """A family whose potential and latency are tangents."""

    signed_cone_numbers = ("delay",)

    def __init__(self, rate, delay):
        self.rate, self.delay = np.array(rate), np.array(delay)

    def latency(self, flow, spare_capacity=None):
        return self.delay + np.asarray(flow, dtype=float)

    def cone_numbers(self):
        return {"delay": self.delay, "rate": self.rate}

    def total_cone(self, flow, form=None):
        value = cp.square(flow) + cp.multiply(self.numbers_in_cones()["delay"], flow)
        return Cone(value, (), frozenset({"SOC"}))


def test_tangents_are_not_written_with_parameters():
    bank, flow = TotalAlone([1.0, 2.0], [0.0, 1.0]), cp.Variable(2)
    with as_parameters() as made:
        bank.total_cone(flow)
    assert [(index, name, p.is_nonneg()) for index, name, p in made.parameters] == [
        (0, "delay", False)
    ]
    message = r"cone = 'TotalAlone': has no such cone, only tangents; write them with numbers"
    with pytest.raises(InputError, match=message), as_parameters():
        bank.latency_cone(flow)


def test_parameters_are_made_once_and_belong_to_one_bank():
    first, second, flow = MM1([1.0]), MM1([2.0]), cp.Variable(1)
    with as_parameters() as made:
        first.total_cone(flow)
        assert len(made.parameters) == 4
        first.potential_cone(flow)
        assert [name for _, name, _ in made.parameters] == [
            "rate",
            "fixed",
            "k",
            "root_rate",
            "k_log_rate",
        ]
        with pytest.raises(InputError, match="bank = 'MM1': is no part of the bank whose cones"):
            second.total_cone(flow)
    with as_written():
        assert not first.total_cone(flow).value.parameters()
    assert not first.total_cone(flow).value.parameters()


def test_an_unknown_number_is_named():
    message = r"cone_numbers\['cv'\] = None: is not given by MM1; add it .* use rate, k, fixed, "
    with pytest.raises(InputError, match=message):
        MM1([1.0]).numbers_in_cones()["cv"]
    with pytest.raises(InputError, match=message), as_parameters():
        MM1([1.0]).numbers_in_cones()["cv"]
    with pytest.raises(InputError, match=r"cone_numbers\['rate'\] = None: .* use no number"):
        STATIONS.numbers_in_cones()["rate"]
