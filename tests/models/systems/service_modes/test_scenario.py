"""Dual-mode systems in scenario files."""

import numpy as np
import pytest

from sojourn.models import DualMode, SharedModes
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import load_scenario, parse

UNITS = '[units]\nrate = "1/s"\ndelay = "s"\n'
CANONICAL = "[dual_mode]\nmu0 = 1\nK = 4\nf = [0.1, 0.3]\n"
SHARED = 'discipline = "processor-sharing"\n'
RATES = "[dual_mode]\nlocal = [10, 3]\ncloud = [4, 6]\n"


@pytest.mark.parametrize(
    ("name", "f", "max_load"),
    [("a", (0.1, 0.3), 5), ("b", (0.05, 0.15), 4 / 0.85), ("c", (0.25, 0.4), 4)],
)
def test_systems_of_the_paper(name, f, max_load):
    scenario = load_scenario(f"dual-{name}")
    form = scenario.system.canonical_form
    assert isinstance(scenario.system, DualMode)
    assert scenario.title.startswith(f"System {name.upper()}")
    assert scenario.source.startswith("the paper")
    assert (form.mu0, form.K, form.f1, form.f2) == (1, 4, *f)
    assert scenario.system.max_load == pytest.approx(max_load)
    assert 0 < scenario.load < max_load
    assert scenario.loads[[0, -1]] == pytest.approx([0.01 * max_load, 0.99 * max_load])
    assert scenario.delay_unit == "s"


def test_rates_in_place_of_the_canonical_form():
    scenario = parse(UNITS + RATES, "own")
    assert (scenario.name, scenario.title, scenario.source) == ("own", "own", "")
    np.testing.assert_array_equal(scenario.system.rates.rate, [[10, 3], [4, 6]])


def test_mode_without_work_at_a_server():
    system = parse(UNITS + "[dual_mode]\nlocal = [inf, 1]\ncloud = [4, inf]\n", "own").system
    assert (system.canonical_form.f1, system.canonical_form.f2) == (0, 1)


def test_unit_of_rates():
    system = parse(UNITS.replace("1/s", "1/ms") + CANONICAL, "own").system
    assert (system.canonical_form.mu0, system.time_unit) == (1, "ms")
    assert system.max_load == DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).max_load
    per_millisecond = parse(UNITS.replace("1/s", "1/ms") + RATES, "own").system
    np.testing.assert_array_equal(per_millisecond.rates.rate, [[10, 3], [4, 6]])


def test_load_is_a_part_of_the_largest_or_a_rate():
    assert parse(UNITS + CANONICAL + "[loads]\nat = '90%'\n", "own").load == pytest.approx(4.5)
    assert parse(
        UNITS + CANONICAL + "[loads]\nat = 3\ncurve = ['50%', 0.4]\n", "own"
    ).loads == pytest.approx([2.5, 0.4])


@pytest.mark.parametrize("table", [CANONICAL, RATES])
def test_processor_sharing_is_of_the_same_servers(table):
    reserved = parse(UNITS + table, "own").system
    for discipline, kind in (("reserved", DualMode), ("processor-sharing", SharedModes)):
        text = UNITS + table + f'discipline = "{discipline}"\n'
        scenario = parse(text, "own")
        assert type(scenario.system) is kind
        assert isinstance(scenario.system, scenario.kind.system)
        np.testing.assert_array_equal(scenario.system.rates.time, reserved.rates.time)
        assert scenario.system.stages == ("local", "cloud")
        assert scenario.system.max_load == pytest.approx(reserved.max_load, rel=1e-12)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_shared_servers_of_the_paper_are_those_of_the_reserved_ones(name):
    reserved, shared = load_scenario(f"dual-{name}"), load_scenario(f"dual-{name}-shared")
    assert isinstance(shared.system, SharedModes)
    assert shared.system.reserved.canonical_form == reserved.system.canonical_form
    assert shared.kind.name == "shared_modes"
    assert shared.load == pytest.approx(reserved.load, rel=1e-12)
    np.testing.assert_array_equal(shared.system.rates.rate, reserved.system.rates.rate)


@pytest.mark.parametrize(("text", "message"), [
    (UNITS + CANONICAL + 'discipline = "fifo"\n',
     r"^dual_mode\.discipline = 'fifo': is not a discipline; use reserved or processor-sharing$"),
    (UNITS + CANONICAL + "discipline = true\n",
     r"^dual_mode\.discipline = True: is not a discipline"),
    (UNITS + CANONICAL + SHARED + "[loads]\nat = 5\n",
     r"^loads\.at = 5: is not below 5, the largest load of local and cloud; "),
    (UNITS + "[tunable_mode]\nmu0 = 1\nK = 4\n" + SHARED,
     r"^tunable_mode\.discipline = .*: is not a known key; the keys here are mu0, K$"),
    (UNITS + CANONICAL + "[service_modes]\n" + SHARED,
     r"^service_modes = .*: is not a known key"),
    (CANONICAL, r"^units = \{\}: is missing"),
    (UNITS + "[dual_mode]\n", r"^dual_mode\.mu0 = None: is missing; give mu0, K, f$"),
    (UNITS + CANONICAL.replace("f = [0.1, 0.3]\n", ""), r"^dual_mode\.f = None: is missing"),
    (UNITS + "[dual_mode]\nlocal = [10, 3]\n",
     r"^dual_mode\.cloud = None: is missing; give local, cloud$"),
    (UNITS + CANONICAL + "k = 4\n",
     r"^dual_mode\.k = 4: is not a known key; the keys here are mu0, K, f, discipline$"),
    (UNITS + RATES + "mu0 = 1\n",
     r"^dual_mode\.mu0 = 1: is not a known key; the keys here are local, cloud, discipline$"),
    (UNITS + CANONICAL.replace("[0.1, 0.3]", "0.1"), r"^dual_mode\.f = 0\.1: is not a pair"),
    (UNITS + CANONICAL.replace("[0.1, 0.3]", "[0.1, 0.2, 0.3]"),
     r"^dual_mode\.f = \[0\.1, 0\.2, 0\.3\]: is not a pair"),
    (UNITS + CANONICAL.replace("[0.1, 0.3]", "[0.3, 0.1]"),
     r"^dual_mode\.f = \(0\.3, 0\.1\): .* give f = \(0\.1, 0\.3\)$"),
    (UNITS + CANONICAL.replace("[0.1, 0.3]", "[0.1, 1.3]"),
     r"^dual_mode\.f2 = 1\.3: is not a part of the work"),
    (UNITS + CANONICAL.replace("[0.1, 0.3]", '[0.1, "x"]'),
     r"^dual_mode\.f\[1\] = 'x': is not a number"),
    (UNITS + CANONICAL.replace("K = 4", "K = 0"),
     r"^dual_mode\.K = 0\.0: is out of range; give a finite number above 0$"),
    (UNITS + CANONICAL.replace("K = 4", "K = true"), r"^dual_mode\.K = True: is not a number"),
    (UNITS + CANONICAL.replace("mu0 = 1", "mu0 = inf"), r"^dual_mode\.mu0 = inf: is out of range"),
    (UNITS + RATES.replace("[10, 3]", "[3, 10]").replace("[4, 6]", "[6, 4]"),
     r"^dual_mode\.local = .* the wrong way round"),
    (UNITS + RATES.replace("[10, 3]", "[0, 3]"), r"^dual_mode\.local\[0\] = 0\.0: is out of range"),
    (UNITS + CANONICAL + "[loads]\nat = 5\n", r"^loads\.at = 5\.?0?: not below the maximum 5"),
    (UNITS + CANONICAL + "[loads]\ncurve = [7, 6]\n",
     r"^loads\.curve\[1\] = 6: not below the maximum 5"),
    (UNITS + CANONICAL + "[[servers]]\nrate = 1\n",
     r"^file = 'own': says two systems, dual_mode and servers; keep one$"),
    (UNITS + CANONICAL + "[variants.x]\ncv = 1\n", r"^variants = .*: is not a known key"),
    (UNITS.replace("1/s", "1/y") + CANONICAL, r"^units\.rate = '1/y': is not a known unit"),
])  # fmt: skip
def test_error_has_the_key(text, message):
    with pytest.raises(ScenarioError, match=message):
        parse(text, "own")


@pytest.mark.parametrize(("text", "message"), [
    (UNITS + CANONICAL.replace("0.1,", "true,"), r"^dual_mode\.f\[0\] = True: is not a number"),
    (UNITS + CANONICAL.replace("mu0 = 1", "mu0 = false"),
     r"^dual_mode\.mu0 = False: is not a number"),
    (UNITS + CANONICAL.replace("K = 4", 'K = "4"'), r"^dual_mode\.K = '4': is not a number"),
    (UNITS + CANONICAL.replace("K = 4", "K = nan"), r"^dual_mode\.K = nan: is out of range"),
    (UNITS + CANONICAL.replace("[0.1, 0.3]", "[0.1, 0.1]"),
     r"^dual_mode\.f = \(0\.1, 0\.1\): the two modes are the same"),
    (UNITS + CANONICAL.replace("K = 4\n", ""),
     r"^dual_mode\.K = None: is missing; give mu0, K, f$"),
    (UNITS + RATES.replace("10,", '"x",'), r"^dual_mode\.local\[0\] = 'x': is not a number"),
    (UNITS + RATES.replace(" 6]", " true]"), r"^dual_mode\.cloud\[1\] = True: is not a number"),
    (UNITS + RATES.replace("[4, 6]", "4"), r"^dual_mode\.cloud = 4: is not a pair"),
    (UNITS + RATES.replace("[10, 3]", "[10, 3, 1]"),
     r"^dual_mode\.local = \[10, 3, 1\]: is not a pair"),
    (UNITS + RATES.replace("10,", "nan,"), r"^dual_mode\.local\[0\] = nan: is out of range"),
    (UNITS + RATES.replace(" 3]", " -inf]"), r"^dual_mode\.local\[1\] = -inf: is out of range"),
    (UNITS + RATES.replace("[10, 3]", "[3, 10]"),
     r"^dual_mode\.local, cloud = .* mode 1 is of no use"),
    (UNITS + RATES.replace("10,", "inf,").replace("[4,", "[inf,"),
     r"^dual_mode\..*the mode asks nothing of any stage"),
    ("dual_mode = 3\n" + UNITS, r"^dual_mode = 3: is not a table; write it as \[dual_mode\]"),
    ("title = 3\n" + UNITS + CANONICAL, r"^title = 3: is not text"),
    ("servers = []\n" + UNITS + CANONICAL, r"^file = 'own': says two systems"),
    (UNITS + 'time = "s"\n' + CANONICAL,
     r"^units\.time = 's': is not a known key; the keys here are rate, delay$"),
    ('[units]\nrate = "1/s"\n' + CANONICAL,
     r"^units\.delay = None: is missing; use one of us, ms, s, min, h, day$"),
    ('[units]\ndelay = "s"\n' + CANONICAL,
     r"^units\.rate = None: is missing; use one of 1/us, 1/ms, 1/s, 1/min, 1/h, 1/day, rps$"),
    (UNITS + CANONICAL + "[loads]\natt = 1\n",
     r"^loads\.att = 1: is not a known key; did you mean at\?$"),
    (UNITS + CANONICAL + "[loads]\nat = 9\n", r"^loads\.at = 9: not below the maximum 5"),
    (UNITS + CANONICAL + "[loads]\nat = true\n", r"^loads\.at = True: is not a number"),
    (UNITS + CANONICAL + '[loads]\nat = "half"\n', r"^loads\.at = 'half': is not a load"),
    (UNITS + CANONICAL + "[loads]\nat = 0\n", r"^loads\.at = 0\.0: is out of range"),
    (UNITS + CANONICAL + '[loads]\ncurve = "all"\n',
     r"^loads\.curve = 'all': is not a list of loads"),
])  # fmt: skip
def test_further_error_has_the_key(text, message):
    with pytest.raises(ScenarioError, match=message):
        parse(text, "own")


def test_canonical_form_and_rates_give_the_same_system():
    """mu_l = mu0 / f and mu_c = K mu0 / (1 - f)."""
    rates = "[dual_mode]\nlocal = [10, 5]\ncloud = [4.444444444444445, 5]\n"
    first, second = (
        parse(UNITS + text, "own").system for text in (rates, CANONICAL.replace("0.3", "0.2"))
    )
    np.testing.assert_allclose(first.rates.rate, second.rates.rate, rtol=1e-15)
