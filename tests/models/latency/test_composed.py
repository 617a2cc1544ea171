"""A bank made of other banks has every number of a bank: no class lacks one."""

from typing import ClassVar

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn import reference
from sojourn.models import Latency, MMc, Tandem
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.base import CONE_METHODS, ComposedLatency, Scaled
from sojourn.models.latency.player_latency import FollowerLatency, PlayerLatency
from sojourn.reference.bank_rows import BankRows
from sojourn.reference.composed import Composed, MixedBank, View
from sojourn.reference.errors import InputError
from sojourn.reference.parallel.control import ResidualLatency
from sojourn.reference.parallel.decisions.several_loads import SharedSplit, weighted_loads
from sojourn.reference.parallel.players import PlayerCost
from sojourn.reference.server_bank import QUANTITIES, ServerBank

# names of a bank that need no method of a composed bank: derived from its other numbers
DERIVED = {"idle_latency", "total_rate", "spare_capacity", "solver_unit", "in_unit"}
DERIVED |= {"cone_parts", "cone_shape", "numbers_in_cones", "utilisation"}
# ... of the class, not of a bank
OF_THE_CLASS = {
    "overrides",
    "rates",
    "times",
    "example",
    "files",
    "texts",
    "from_fields",
    "sample",
    "signed_cone_numbers",
}
# ... with a default that holds: the bank itself, one form, programs that are not shared
WITH_DEFAULT = {"banks", "forms", "at", "cone_numbers", "cone_structure"}
ABSTRACT = {Composed, View, ComposedLatency}

STATIONS = MMc([30.0, 40.0, 50.0], [3, 1, 20], [0.005, 0.0, 0.02])
BASE = np.array([10.0, 0.0, 300.0])
PLAIN = reference.MG1([3.0, 1.0, 2.0], 2.0, 0.1)
COMPOSED = {
    MixedBank: MixedBank([PLAIN, reference.MM1([4.0])]),
    PlayerCost: PlayerCost(PLAIN, 3.0),
    ResidualLatency: ResidualLatency(PLAIN, np.array([1.0, 0.0, 0.5])),
    MixedLatency: MixedLatency([STATIONS, FAMILIES["measured"]]),
    Scaled: Scaled(STATIONS, 0.1, 10.0),
    Tandem: Tandem(STATIONS, FAMILIES["M/G/1"]),
    PlayerLatency: PlayerLatency(STATIONS, 3.0),
    FollowerLatency: FollowerLatency(STATIONS, BASE),
    SharedSplit: SharedSplit(PLAIN, weighted_loads(PLAIN, [1.0, 3.0], [0.4, 0.6])),
    BankRows: BankRows.of([PLAIN, PLAIN.with_extra_delay(1.0)]),
}
each = pytest.mark.parametrize("kind", COMPOSED, ids=lambda kind: kind.__name__)


def with_subclasses(kind):
    return {kind}.union(*map(with_subclasses, kind.__subclasses__()))


def names_of_base(kind):
    """Return the public names of the base class of a bank, and all its quantities."""
    base = Latency if issubclass(kind, Latency) else ServerBank
    return {name for name in dir(base) if not name.startswith("_")} | set(base._quantities)


def arguments(bank, kinds):
    """Arguments for a method of a bank, by their kinds."""
    rate = np.where(np.isfinite(bank.rate), bank.rate, 1.0)
    values = {"rate": 0.4 * rate, "spare_capacity": bank.rate - 0.4 * rate, "plain": 3.0}
    values["time"] = 2.0 * bank.idle_latency
    return [values[kind] for kind in kinds[:-1]]


def test_all_composed_classes_are_tested():
    ours = {kind for kind in with_subclasses(Composed) if kind.__module__.startswith("sojourn.")}
    assert ours - ABSTRACT == set(COMPOSED)


@each
def test_no_name_of_a_bank_is_missing(kind):
    names = names_of_base(kind)
    owner = {name: next(c for c in kind.__mro__ if name in vars(c)) for name in names}
    overrides = {name for name in owner if issubclass(owner[name], Composed)}
    listed = DERIVED | OF_THE_CLASS | WITH_DEFAULT
    assert not names - overrides - kind.worked_out - listed
    assert kind.worked_out <= set(kind._quantities)
    assert listed | set(kind._quantities) <= names_of_base(MixedLatency)


@each
def test_every_number_has_one_value_per_server(kind):
    bank = COMPOSED[kind]
    for name, kinds in QUANTITIES.items():
        value = getattr(bank, name)
        if name == "late_jobs" and "" in bank.tail_kind:
            with pytest.raises(InputError, match="has no probability of late jobs"):
                value(*arguments(bank, kinds))
            continue
        value = value(*arguments(bank, kinds)) if len(kinds) > 1 else value
        assert np.shape(value)[-1:] == (() if kinds[-1] in ("any", "all") else (len(bank),)), name


def test_a_mixed_bank_and_a_view_have_an_added_number():
    class Priced(ServerBank):
        def cost(self, flow):
            """Cost of a flow."""
            return 2.0 * np.asarray(flow)

    class Servers(Priced, reference.MM1):
        pass

    class PricedMixedBank(MixedBank, Priced):
        _quantities: ClassVar = {**QUANTITIES, "cost": ("rate", "total")}

    class PricedResidual(ResidualLatency, Priced):
        _quantities = PricedMixedBank._quantities

    first, second = Servers([3.0, 1.0]), Servers([2.0])
    mixed = PricedMixedBank([first, second])
    flow = [1.0, 0.5, 0.25]
    assert mixed.cost(flow).tolist() == mixed.cost(flow=flow).tolist() == [2.0, 1.0, 0.5]
    assert PricedMixedBank.cost.__doc__ == "Cost of a flow."
    residual = PricedResidual(first, np.array([1.0, 0.5]))
    assert residual.cost(np.array([0.0, 0.25])).tolist() == [2.0, 1.5]


@pytest.mark.parametrize("name", [name for name, kinds in QUANTITIES.items()])
def test_numbers_of_a_mixed_bank_of_one_and_of_a_scaled_bank_are_those_of_the_bank(name):
    kinds, native = QUANTITIES[name], STATIONS.scaled(0.1, 10.0)
    for composed, bank in ((MixedBank([STATIONS]), STATIONS), (COMPOSED[Scaled], native)):
        got, expected = getattr(composed, name), getattr(bank, name)
        if len(kinds) > 1:
            got, expected = (f(*arguments(bank, kinds)) for f in (got, expected))
        if name == "tail_kind":
            assert got == expected == ("exact",) * 3
        elif name != "rate_error":  # a rounding error is compared to none
            np.testing.assert_allclose(got, expected, rtol=1e-11)


@each
def test_extra_delay_and_a_part_of_the_servers(kind):
    bank = COMPOSED[kind]
    flow = 0.3 * np.where(np.isfinite(bank.rate), bank.rate, 1.0)
    extra = np.linspace(0.5, 1.0, len(bank))
    delayed, part = bank.with_extra_delay(extra), bank.take(np.arange(len(bank))[1:])
    assert type(delayed) is type(part) is kind
    np.testing.assert_allclose(delayed.latency(flow), bank.latency(flow) + extra, rtol=1e-12)
    some = np.s_[..., 1:]
    np.testing.assert_allclose(part.latency(flow[some]), bank.latency(flow)[some], rtol=1e-14)


def test_every_composed_class_returns_the_caveats_of_its_parts():
    measured = FAMILIES["measured"]
    beyond, names = 1.5 * measured.last, list("abc")
    caveats = measured.caveats(beyond, names)
    assert len(caveats) == 3
    assert MixedLatency([measured]).caveats(beyond, names) == caveats
    assert PlayerLatency(measured, 3.0).caveats(beyond, names) == caveats
    assert FollowerLatency(measured, beyond).caveats(0.0 * beyond, names) == caveats
    assert Tandem(FAMILIES["M/M/1"], measured).caveats(beyond, names) == caveats
    assert Scaled(measured, 2.0, 0.5).caveats(2.0 * beyond, names) == caveats
    assert set(CONE_METHODS) <= set(Latency._quantities)
