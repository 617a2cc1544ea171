"""What is made of other banks has every number of a bank: no class forgets one."""

from typing import ClassVar

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn import reference
from sojourn.models import Latency, MMc, Tandem
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.base import CONES, ComposedLatency, Scaled
from sojourn.models.latency.player_latency import FollowerLatency, PlayerLatency
from sojourn.reference.composed import Composed, MixedBank, View
from sojourn.reference.parallel.control import ResidualLatency
from sojourn.reference.parallel.players import PlayerCost
from sojourn.reference.server_bank import QUANTITIES, ServerBank

OF_OTHER_NUMBERS = {"idle_latency", "total_rate", "spare_capacity", "unit", "reach", "in_unit"}
OF_THE_CLASS = {
    "overrides",
    "quantities",
    "rates",
    "times",
    "example",
    "files",
    "of_fields",
    "sample",
}
BY_HAND = {
    "banks",
    "forms",
    "tangent_points",
}  # one bank, one form, no tangents, if nothing is said
ABSTRACT = {Composed, View, ComposedLatency}

STATIONS = MMc([30.0, 40.0, 50.0], [3, 1, 20], [0.005, 0.0, 0.02])
BASE = np.array([10.0, 0.0, 300.0])
PLAIN = reference.MG1([3.0, 1.0, 2.0], 2.0, 0.1)
MADE = {
    MixedBank: MixedBank([PLAIN, reference.MM1([4.0])]),
    PlayerCost: PlayerCost(PLAIN, 3.0),
    ResidualLatency: ResidualLatency(PLAIN, np.array([1.0, 0.0, 0.5])),
    MixedLatency: MixedLatency([STATIONS, FAMILIES["measured"]]),
    Scaled: Scaled(STATIONS, 0.1, 10.0),
    Tandem: Tandem(STATIONS, FAMILIES["M/G/1"]),
    PlayerLatency: PlayerLatency(STATIONS, 3.0),
    FollowerLatency: FollowerLatency(STATIONS, BASE),
}
each = pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)


def below(kind):
    return {kind}.union(*map(below, kind.__subclasses__()))


def protocol(kind):
    base = Latency if issubclass(kind, Latency) else ServerBank
    return {name for name in dir(base) if not name.startswith("_")}


def arguments(bank, kinds):
    rate = np.where(np.isfinite(bank.rate), bank.rate, 1.0)
    known = {"rate": 0.4 * rate, "spare_capacity": bank.rate - 0.4 * rate, "plain": 3.0}
    known["time"] = 2.0 * bank.idle_latency
    return [known[kind] for kind in kinds[:-1]]


def test_all_classes_are_looked_at():
    ours = {kind for kind in below(Composed) if kind.__module__.startswith("sojourn.")}
    assert ours - ABSTRACT == set(MADE)


@each
def test_no_name_of_a_bank_is_forgotten(kind):
    owner = {name: next(c for c in kind.__mro__ if name in vars(c)) for name in protocol(kind)}
    overrides = {name for name in owner if issubclass(owner[name], Composed)}
    forgotten = (
        protocol(kind) - overrides - kind.worked_out - OF_OTHER_NUMBERS - OF_THE_CLASS - BY_HAND
    )
    assert not forgotten
    assert kind.worked_out <= set(kind.quantities)
    assert OF_OTHER_NUMBERS | OF_THE_CLASS | BY_HAND | set(kind.quantities) <= protocol(
        MixedLatency
    )


@each
def test_every_number_is_there(kind):
    bank = MADE[kind]
    for name, kinds in QUANTITIES.items():
        value = getattr(bank, name)
        value = value(*arguments(bank, kinds)) if len(kinds) > 1 else value
        assert np.shape(value)[-1:] == (() if kinds[-1] in ("any", "all") else (len(bank),)), name


def test_a_number_that_is_added_is_made_by_a_pool_and_by_a_view():
    class Priced(ServerBank):
        def cost(self, flow):
            """Cost of a flow."""
            return 2.0 * np.asarray(flow)

    class Servers(Priced, reference.MM1):
        pass

    class PricedPool(MixedBank, Priced):
        quantities: ClassVar = {**QUANTITIES, "cost": ("rate", "total")}

    class PricedLed(ResidualLatency, Priced):
        quantities = PricedPool.quantities

    one, two = Servers([3.0, 1.0]), Servers([2.0])
    pool = PricedPool([one, two])
    flow = [1.0, 0.5, 0.25]
    assert pool.cost(flow).tolist() == pool.cost(flow=flow).tolist() == [2.0, 1.0, 0.5]
    assert PricedPool.cost.__doc__ == "Cost of a flow."
    assert PricedLed(one, np.array([1.0, 0.5])).cost(np.array([0.0, 0.25])).tolist() == [2.0, 1.5]


@pytest.mark.parametrize("name", [name for name, kinds in QUANTITIES.items()])
def test_numbers_of_a_pool_of_one_and_in_another_unit_are_those_of_the_bank(name):
    kinds, native = QUANTITIES[name], STATIONS.scaled(0.1, 10.0)
    for made, bank in ((MixedBank([STATIONS]), STATIONS), (MADE[Scaled], native)):
        got, expected = getattr(made, name), getattr(bank, name)
        if len(kinds) > 1:
            got, expected = (f(*arguments(bank, kinds)) for f in (got, expected))
        if name != "rate_error":  # what rounding left out is rounding
            np.testing.assert_allclose(got, expected, rtol=1e-11)


@each
def test_more_distance_is_seen(kind):
    bank = MADE[kind]
    flow, more = (
        0.3 * np.where(np.isfinite(bank.rate), bank.rate, 1.0),
        np.linspace(0.5, 1.0, len(bank)),
    )
    far, part = bank.with_extra_delay(more), bank.take(np.arange(len(bank))[1:])
    assert type(far) is type(part) is kind
    np.testing.assert_allclose(far.latency(flow), bank.latency(flow) + more, rtol=1e-12)
    np.testing.assert_allclose(part.latency(flow[1:]), bank.latency(flow)[1:], rtol=1e-14)


def test_sentences_of_what_was_measured_reach_the_user_through_every_class():
    measured = FAMILIES["measured"]
    beyond, names = 1.5 * measured.last, list("abc")
    said = measured.caveats(beyond, names)
    assert len(said) == 3
    assert MixedLatency([measured]).caveats(beyond, names) == said
    assert PlayerLatency(measured, 3.0).caveats(beyond, names) == said
    assert FollowerLatency(measured, beyond).caveats(0.0 * beyond, names) == said
    assert Tandem(FAMILIES["M/M/1"], measured).caveats(beyond, names) == said
    assert Scaled(measured, 2.0, 0.5).caveats(2.0 * beyond, names) == said
    assert set(CONES) <= set(Latency.quantities)
