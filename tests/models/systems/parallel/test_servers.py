"""Servers of any family in a scenario file: fields, units, composed servers, loads."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sojourn.models import (
    BPR,
    MM1,
    Constant,
    InputError,
    Kingman,
    Latency,
    MM1Setup,
    MMc,
    Polynomial,
    Tandem,
)
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse
from sojourn.models.latency import MixedLatency, registry

HEAD = '[units]\nrate = "1/s"\ndelay = "ms"\n'
AT = "[loads]\nat = 3\ncurve = [1, 2, 3]\n"


def server(**fields):
    return "[[servers]]\n" + "".join(f"{k} = {v!r}\n" for k, v in fields.items())


def bank(text):
    return parse(HEAD + text, "mine").system.bank


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"family": "M/M/c", "rate": 30, "servers": 2, "delay": 5}, MMc(30.0, 2, 0.005)),
        ({"family": "M/M/c", "rate": 30}, MMc(30.0, 1)),
        ({"family": "G/G/1", "rate": 30, "arrival_cv": 1.5, "cv": 2}, Kingman(30.0, 1.5, 2.0)),
        (
            {"family": "M/M/1-setup", "rate": 30, "setup": 20, "setup_cv": 0},
            MM1Setup(30.0, 0.020, 0.0),
        ),
        (
            {"family": "polynomial", "coefficients": [10, 1, 0.1], "delay": 5},
            Polynomial([0.010, 0.001, 0.0001], 0.005),
        ),
        ({"family": "constant", "delay": 50}, Constant(0.050)),
        ({"family": "BPR", "free_flow": 10, "capacity": 4, "power": 2}, BPR(0.010, 4.0, power=2.0)),
    ],
    ids=lambda v: v["family"] if isinstance(v, dict) else "",
)
def test_family_by_its_fields_in_the_units_of_the_file(fields, expected):
    found = bank(AT + server(**fields))
    assert type(found) is type(expected)
    flows = np.linspace(0.0, 20.0, 9)[:, None]
    np.testing.assert_allclose(found.latency(flows), expected.latency(flows), rtol=1e-14)


def test_unit_of_rates_counts_too():
    text = f'[units]\nrate = "1/ms"\ndelay = "s"\n{AT}' + server(
        family="BPR", free_flow=0.010, capacity=4
    )
    np.testing.assert_allclose(
        parse(text, "x").system.bank.latency([3.0]), BPR(10.0, 4.0).latency([3.0])
    )


def test_servers_within_a_server():
    text = (
        server(family="tandem")
        + "[servers.first]\nrate = 10\ndelay = 3\n[servers.second]\nfamily = 'M/M/c'\nrate = 4\n"
        "servers = 4\n"
    )
    expected = Tandem(MM1([10.0], 0.003), MMc(4.0, 4))
    found = bank(text + server(rate=5))
    assert isinstance(found, MixedLatency)
    np.testing.assert_allclose(found.latency([4.0, 1.0]), [*expected.latency([4.0]), 0.25])
    with pytest.raises(
        ScenarioError,
        match=r"^servers\[0\]\.first\.rate = None: is missing; give the service rate, or "
        r"service_time$",
    ):
        bank(server(family="tandem") + "[servers.first]\ndelay = 1\n[servers.second]\nrate = 10\n")


def test_neighbours_with_the_same_fields_are_one_bank_and_all_keep_their_order():
    found = bank(
        server(rate=1)
        + server(rate=2)
        + server(rate=3, delay=1)
        + server(family="M/M/c", rate=4, servers=2)
    )
    np.testing.assert_array_equal(found.rate, [1, 2, 3, 8])
    assert [len(b) for b in found.banks] == [2, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (server(family="M/M/1-setup", rate=4),
         r"^servers\[0\]\.setup = None: is missing; M/M/1-setup needs rate, setup$"),
        (server(family="M/M/c", rate=4, servers=1.5),
         r"^servers\[0\]\.servers = 1\.5: is not a number of servers; give a whole number"),
        (server(rate=1) + server(family="M/M/c", rate=4, server=2),
         r"^servers\[1\]\.server = 2: is not a known key; did you mean servers\?$"),
        (server(family="M/M/1-setup", rate=4, setup=900, setup_cv=0),
         r"^servers\[0\]\.setup = 900\.0: is so long that the latency falls with the load at "
         r"first; shorten it"),
        (server(family="polynomial", coefficients=[1, -1]),
         r"^servers\[0\]\.coefficients\[1\] = -1\.0: is out of range; give 0 or more$"),
        (server(family="M/M/1-percentile", rate=4, p=2),
         r"^servers\[0\]\.p = 2\.0: is not a part of the jobs; write 2 % as 0\.02$"),
        (server(rate=4) + server(family="BPR", free_flow=4, capacity=1) + "[variants.a]\ncv "
                                                                          "= 2\n" + AT,
         r"^variants\.a\.cv = 2\.0: cannot be changed: server 2 is BPR, which has no cv; leave "
         r"it out of the variant$"),
        (server(rate=4, servers=12),
         r'^servers\[0\]\.servers = 12: .* M/M/1; give family = "M/M/c", or replicas = 12 with a '
         r'queue each$'),
        (server(free_flow=4),
         r'^servers\[0\]\.free_flow = 4: is no field of M/M/1; give family = "BPR"$'),
        (server(family="M/M/c", rate=4, servers="two"),
         r"^servers\[0\]\.servers = 'two': is not a number; give a number$"),
        (server(family="mine", rate=4),
         r"^servers\[0\]\.family = 'mine': .*; use one of M/M/1, .*, and any whose module is "
         r"imported"),
        (server(family="M/M/c", rate=4, servers=0),
         r"^servers\[0\]\.servers = 0\.0: .* or leave a drained server out$"),
        (server(family="bpr", free_flow=4),
         r"^servers\[0\]\.family = 'bpr': is not a known family; did you mean BPR\?"),
        (AT + server(family="measured", samples="none.csv"),
         r"^servers\[0\]\.samples = 'none.csv': cannot be read: .*; give a CSV file of"),
        (AT + server(family="measured", samples=3),
         r"^servers\[0\]\.samples = 3: is not the name of a file; give some text"),
        (AT + server(family="measured", load=[1, 2, 3], latency=[1, 2, 4], pieces=[1, 2]),
         r"^servers\[0\]\.pieces = \[1\.0, 2\.0\]: is not a number of pieces; give a whole "
         r"number from 1 to 1000000$"),
        (AT + server(family="measured", load=[1, 2, 3], latency=[1, 2, 4], capacity="db.csv"),
         r"^servers\[0\]\.capacity = 'db.csv': is not a number"),
        (server(rate=4, replicas=600_000) + server(rate=3, replicas=400_001),
         r"^servers = '1,000,001 of them': are more than 1,000,000 with all"),
        (server(family="constant", delay=4),
         r"^loads\.at = None: is missing, and by default .* infinite; give loads\.at and "
         r"loads\.curve"),
        (server(family="constant", delay=4) + "[loads]\nat = 3\n",
         r"^loads\.curve = None: is missing"),
    ],
)  # fmt: skip
def test_mistake_is_named_with_its_place(text, message):
    with pytest.raises(ScenarioError, match=message):
        bank(text)


def test_mistake_in_a_file_of_samples_is_named_with_its_row(tmp_path):
    (tmp_path / "bad.csv").write_text("load,latency\n1,2\n2,x\n")
    with pytest.raises(
        ScenarioError,
        match=r"^servers\[0\]\.samples: .*bad\.csv, row 3, column latency = 'x': is not a number; "
        r"give a number",
    ):
        parse(HEAD + AT + server(family="measured", samples="bad.csv"), "mine", tmp_path)


def test_loads_below_1_are_jobs_where_no_load_is_too_much():
    scenario = parse(
        HEAD
        + "[loads]\nat = 0.5\ncurve = { from = 0.1, to = 2.0, points = 20 }\n"
        + server(family="constant", delay=4),
        "x",
    )
    assert scenario.load == 0.5
    np.testing.assert_allclose(scenario.loads, np.linspace(0.1, 2.0, 20))


# ---- registered families


@dataclass(frozen=True, eq=False)
class Plain(Latency):
    """A family that does not declare which fields are rates and which are times."""

    rate: Any
    delay: Any = 0.0

    def __post_init__(self):
        for name in ("rate", "delay"):
            object.__setattr__(
                self,
                name,
                np.atleast_1d(np.asarray(getattr(self, name), dtype=float))
                * np.ones(np.size(self.rate)),
            )

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 / (self.rate - flow if spare_capacity is None else spare_capacity)


@pytest.mark.usefixtures("names")
class TestFamiliesOfOthers:
    def test_registered_class_is_known_by_its_name(self):
        assert registry.register("plain", Plain) is Plain
        assert (
            registry.register("plain", Plain) is Plain
        )  # registering again, as when a module is loaded twice, is allowed
        scenario = parse(
            '[units]\nrate = "1/ms"\ndelay = "ms"\n' + server(family="plain", rate=0.01, delay=5),
            "x",
        )
        np.testing.assert_allclose(scenario.system.bank.rate, [0.01])
        np.testing.assert_allclose(scenario.system.bank.latency([0.005]), [205.0])

    def test_units_that_do_not_fit_need_fields_that_are_said(self):
        registry.register("plain", Plain)
        with pytest.raises(
            ScenarioError,
            match=r"^units = .*: do not fit, and plain does not declare the units of its fields; "
            r"use units that "
            r"fit",
        ):
            bank(server(family="plain", rate=10, delay=5))

    def test_name_that_is_taken_or_none_and_class_that_is_none(self):
        with pytest.raises(
            InputError,
            match=r"^name = 'M/M/1': is the name of sojourn.models.latency.mg1.MM1; choose "
            r"another name$",
        ):
            registry.register("M/M/1", Plain)
        with pytest.raises(InputError, match=r"^name = ' ': is not a name"):
            registry.register(" ", Plain)
        with pytest.raises(
            InputError,
            match=r"^family = <class 'int'>: is not a class of servers; make it a subclass",
        ):
            registry.register("int", int)

    def test_decorator(self):
        @registry.register("mine")
        class Mine(MM1):
            pass

        assert registry.families()["mine"] is Mine


def test_entry_point_of_a_package_is_loaded_when_needed(package):
    package(
        "sojourn.latencies",
        "from sojourn.models import MM1\nclass MM1K(MM1):\n    pass\n",
        "M/M/1/K = other_package:MM1K\n",
    )
    assert "M/M/1/K" in registry.names()
    assert "other_package" not in sys.modules
    assert type(bank(server(family="M/M/1/K", rate=10))).__name__ == "MM1K"
    assert registry.families()["M/M/1/K"].__module__ == "other_package"


def test_entry_point_that_does_not_load_has_a_warning(package):
    package("sojourn.latencies", "raise ValueError('broken')\n", "broken = other_package:It\n")
    with pytest.warns(
        UserWarning,
        match=r"family = 'broken': is the entry point other_package:It, which raised ValueError: "
        r"broken",
    ):
        assert "M/M/1" in registry.families()
    with pytest.raises(
        ScenarioError, match=r"^servers\[0\]\.family = 'broken': is the entry point"
    ):
        bank(server(family="broken", rate=10))


def test_the_capacity_of_a_measured_server_is_in_the_unit_of_rates(tmp_path):
    (tmp_path / "db.csv").write_text("load,latency\n1,1\n2,2\n3,3\n")
    lists = 'name = "b"\nfamily = "measured"\nload = [1, 2, 3]\nlatency = [1, 2, 3]\ncapacity = 4\n'
    text = AT + server(family="measured", samples="db.csv", capacity=4) + f"[[servers]]\n{lists}"
    bank = parse('[units]\nrate = "1/ms"\ndelay = "ms"\n' + text, "mine", tmp_path).system.bank
    np.testing.assert_allclose(bank.full_load, [4.0, 4.0])
