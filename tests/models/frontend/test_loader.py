"""Scenario files: built-in ones, files of users, and errors with their place and remedy."""

import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1, InputError
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import load_scenario, names, parse
from sojourn.models.latency import MixedLatency

HEAD = '[units]\nrate = "1/s"\ndelay = "ms"\n'
SERVER = "[[servers]]\nrate = 10\ndelay = 5\n"
GOOD = HEAD + SERVER


# ---- built-in

PARALLEL = tuple(f"scenario-{i}" for i in range(5))


def test_built_in_scenarios():
    pairs = [f"dual-{letter}{shared}" for letter in "abc" for shared in ("", "-shared")]
    routes = ("braess", "chain", "crossing", "regions")
    assert names() == tuple(sorted((*pairs, "split-mobilenet", *routes, *PARALLEL)))


@pytest.mark.parametrize("name", PARALLEL)
def test_built_in_scenario_loads(name):
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.title.startswith(f"Scenario {name[-1]}")
    # a file states the source of its numbers
    assert scenario.source.startswith(("ours:", "recovered:", "the paper"))
    assert 0 < scenario.load < scenario.system.total_rate
    assert scenario.loads.shape == (99,)
    np.testing.assert_allclose(
        scenario.loads / scenario.system.total_rate, np.linspace(0.01, 0.99, 99)
    )
    assert scenario.delay_unit == "ms"


def test_numbers_of_the_built_in_scenarios():
    """The numbers of the paper, in seconds."""
    zero, one, two, three = (load_scenario(str(i)).system.bank for i in range(4))
    assert (type(zero), type(one), type(two), type(three)) == (MD1, MM1, MM1, MG1)
    np.testing.assert_array_equal(zero.rate, [214.5, 200, 98])
    np.testing.assert_allclose(zero.delay, [0.008, 0.022, 0.0315])
    np.testing.assert_array_equal(one.rate, [100, 80, 200])
    np.testing.assert_allclose(one.delay, [0.005, 0.005, 0.020])
    np.testing.assert_array_equal(two.rate, [300, 100, 200])
    np.testing.assert_allclose(two.delay, [0.010, 0.012, 0.020])
    np.testing.assert_array_equal(three.cv, [1, 1, 1])


def test_variants_of_scenario_3_are_the_variances():
    variants = load_scenario("3").variants
    assert [v.name for v in variants] == ["cv-0", "cv-3", "cv-10"]
    for variant, cv in zip(variants, (0, 3, 10), strict=True):
        np.testing.assert_array_equal(variant.assumed.bank.cv, cv)
        assert variant.paid is variant.assumed


def test_variants_of_scenario_4_are_the_delays():
    scenario = load_scenario("4")
    delays = {v.name: (v.assumed.bank.delay, v.paid.bank.delay) for v in scenario.variants}
    true = scenario.system.bank.delay
    expected = {
        "ignoring-delays": (0, true),
        "assuming-the-mean": (0.01, true),
        "equal-delays": (0.01, 0.01),
        "without-delays": (0, 0),
    }
    assert list(delays) == list(expected)
    for name, (assumed, paid) in expected.items():
        np.testing.assert_allclose(delays[name][0], assumed, err_msg=name)
        np.testing.assert_allclose(delays[name][1], paid, err_msg=name)


# ---- files of users


@pytest.mark.parametrize("rate_unit", ["1/s", "1/ms"])
@pytest.mark.parametrize("delay_unit", ["s", "ms"])
def test_same_system_in_all_units(rate_unit, delay_unit):
    rates = [100, 80] if rate_unit == "1/s" else [0.1, 0.08]
    delays = [0.005, 0.02] if delay_unit == "s" else [5, 20]
    servers = "".join(
        f"[[servers]]\nrate = {r}\ndelay = {d}\n" for r, d in zip(rates, delays, strict=True)
    )
    scenario = parse(f'[units]\nrate = "{rate_unit}"\ndelay = "{delay_unit}"\n{servers}', "mine")
    time, per_second = ("s", 1.0) if rate_unit == "1/s" else ("ms", 1e-3)
    np.testing.assert_array_equal(scenario.system.bank.rate, rates)  # in the unit of the file
    np.testing.assert_allclose(
        scenario.system.bank.delay, np.array([0.005, 0.020]) / per_second, rtol=1e-15
    )
    assert scenario.system.time_unit == time
    assert scenario.delay_unit == delay_unit
    assert scenario.load == pytest.approx(90.0 * per_second)


def test_defaults():
    scenario = parse(HEAD + "[[servers]]\nrate = 10\n", "mine")
    assert (scenario.name, scenario.title, scenario.source) == ("mine", "mine", "")
    assert isinstance(scenario.system.bank, MM1)
    assert scenario.system.names == ("server 1",)
    assert scenario.system.bank.delay.tolist() == [0.0]
    assert scenario.load == 5.0
    assert scenario.loads.size == 99
    assert scenario.variants == ()


def test_families_side_by_side_keep_the_order_of_the_file():
    text = HEAD + (
        "[[servers]]\nname = 'a'\nrate = 1\n[[servers]]\nname = 'b'\nrate = 2\nfamily = 'M/D/1'\n"
        "[[servers]]\nname = 'c'\nrate = 3\ncv = 2\n[[servers]]\nname = 'd'\nrate = 4\n"
        "family = 'M/M/1'\n"
    )
    bank = parse(text, "mine").system.bank
    assert isinstance(bank, MixedLatency)
    assert [type(b) for b in bank.banks] == [MM1, MD1, MG1, MM1]  # cv alone means M/G/1
    np.testing.assert_array_equal(bank.rate, [1, 2, 3, 4])
    np.testing.assert_array_equal(bank.k, [1, 0.5, 2.5, 1])


def test_loads_are_parts_of_the_total_rate_or_rates():
    assert parse(GOOD + "[loads]\nat = '90%'\n", "x").load == pytest.approx(9.0)
    assert parse(GOOD + "[loads]\nat = 0.9\n", "x").load == 0.9
    np.testing.assert_allclose(
        parse(GOOD + "[loads]\ncurve = ['10%', 5, 0.99, '30/min', '2rps']\n", "x").loads,
        [1, 5, 0.99, 0.5, 2],
    )
    np.testing.assert_allclose(
        parse(GOOD + "[loads]\ncurve = { from = '50%', to = 9.0, points = 3 }\n", "x").loads,
        [5, 7, 9],
    )


def test_file_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('title = "Größe"\n' + GOOD, encoding="utf-8")
    for given in (path, str(path)):
        assert load_scenario(given).title == "Größe"
        assert load_scenario(given).name == "mine"


# ---- errors


BAD = {
    "unknown key": (
        'color = "red"\n' + GOOD,
        r"^color = 'red': is not a known key; the keys here are title, source, units",
    ),
    "unknown key, nearly": (
        'titel = "x"\n' + GOOD,
        r"^titel = 'x': is not a known key; did you mean title\?$",
    ),
    "unknown key of a server": (
        GOOD + "[[servers]]\nrat = 1\n",
        r"^servers\[1\]\.rat = 1: is not a known key; did you mean rate\?$",
    ),
    "a longer name of a key": (
        GOOD + "[[servers]]\nservice_rate = 1\n",
        r"^servers\[1\]\.service_rate = 1: is not a known key; did you mean rate\?$",
    ),
    "unknown key of the units": (
        HEAD + "rates = 1\n" + SERVER,
        r"^units\.rates = 1: is not a known key; did you mean rate\?$",
    ),
    "unknown key of the loads": (
        GOOD + "[loads]\nstart = 1\n",
        r"^loads\.start = 1: is not a known key; the keys here are at, curve$",
    ),
    "unknown key of the curve": (
        GOOD + "[loads]\ncurve = { form = 0.1 }\n",
        r"^loads\.curve\.form = 0\.1: .* did you mean from\?$",
    ),
    "unknown key of a variant": (
        GOOD + "[variants.a]\ndelays = 0\n",
        r"^variants\.a\.delays = 0: .* did you mean delay\?$",
    ),
    "unknown unit": (
        HEAD.replace("ms", "minute") + SERVER,
        r"^units\.delay = 'minute': is not a known unit; use one of us, ms, s, min, h, day$",
    ),
    "unknown unit of rates": (
        HEAD.replace("1/s", "Hz") + SERVER,
        r"^units\.rate = 'Hz': is not a known unit; use one of 1/us, 1/ms, 1/s, .*rps$",
    ),
    "unit that is no text": (
        HEAD.replace('"ms"', "[1]") + SERVER,
        r"^units\.delay = \[1\]: is not a known unit",
    ),
    "missing unit": (
        '[units]\nrate = "1/s"\n' + SERVER,
        r"^units\.delay = None: is missing; use one of us, ms, s, min, h, day$",
    ),
    "missing units": (
        SERVER,
        r'^units = {}: is missing; write it as \[units\] with rate = "1/s" and delay = "ms"$',
    ),
    "units that are no table": (
        "units = 3\n" + SERVER,
        r"^units = 3: is not a table; write it as \[units\]",
    ),
    "no servers": (
        HEAD,
        (
            r"^servers = None: the system has no server; add a \[\[servers\]\] table with a "
            r"rate, or name a CSV file"
        ),
    ),
    "empty servers": ("servers = []\n" + HEAD, r"^servers = \[\]: the system has no server"),
    "servers that are no tables": (
        "servers = [3]\n" + HEAD,
        r"^servers\[0\] = 3: is not a table; write it as \[\[servers\]\]$",
    ),
    "one table of servers": (
        HEAD + "[servers]\nrate = 1\n",
        r"^servers = {'rate': 1}: the system has no server",
    ),
    "no rate": (
        HEAD + "[[servers]]\ndelay = 5\n",
        r"^servers\[0\]\.rate = None: is missing; give the service rate, or service_time$",
    ),
    "negative rate": (
        HEAD + "[[servers]]\nrate = -1\n",
        r"^servers\[0\]\.rate = -1\.0: is out of range; give a finite number above 0$",
    ),
    "zero rate": (
        GOOD + "[[servers]]\nrate = 0\n",
        r"^servers\[1\]\.rate = 0: .*; give a positive rate, or leave a drained server out$",
    ),
    "servers that are a number": (
        "servers = 12\n" + HEAD,
        r"^servers = 12: .*; write \[\[servers\]\] with a rate and replicas = 12",
    ),
    "string rate": (
        HEAD + "[[servers]]\nrate = '10'\n",
        r"^servers\[0\]\.rate = '10': is not a number; give a number, without quotes$",
    ),
    "true rate": (
        HEAD + "[[servers]]\nrate = true\n",
        r"^servers\[0\]\.rate = True: is not a number",
    ),
    "list of rates": (
        HEAD + "[[servers]]\nrate = [1, 2]\n",
        r"^servers\[0\]\.rate = \[1, 2\]: is not a number",
    ),
    "nan rate": (HEAD + "[[servers]]\nrate = nan\n", r"^servers\[0\]\.rate = nan: is out of range"),
    "infinite rate": (
        HEAD + "[[servers]]\nrate = inf\n",
        r"^servers\[0\]\.rate = inf: is out of range",
    ),
    "endless rate": (
        HEAD + f"[[servers]]\nrate = 1{400 * '0'}\n",
        r"^servers\[0\]\.rate = inf: is out of range",
    ),
    "rate of too many digits": (
        HEAD + f"[[servers]]\nrate = 1{5000 * '0'}\n",
        r"^file = 'mine': is not valid TOML: .*4300 digits",
    ),
    "title of too many digits": (
        f"title = 0x{5000 * 'f'}\n" + GOOD,
        r"^title = something of type int: is not text; give some text in quotes$",
    ),
    "key of nothing": (
        '"" = 1\n' + GOOD,
        r'^"" = 1: is not a known key; the keys here are title, source, units',
    ),
    "key that turns the line": (
        GOOD + '"x\\u001b[31m\\u202e\\n" = 1\n',
        r"^servers\[0\]\.x\\x1b\[31m\\u202e\\n = 1: is not a known key",
    ),
    "negative delay": (
        HEAD + "[[servers]]\nrate = 1\ndelay = -5\n",
        r"^servers\[0\]\.delay = -5\.0: is out of range; give 0 or more$",
    ),
    "nan delay": (
        HEAD + "[[servers]]\nrate = 1\ndelay = nan\n",
        r"^servers\[0\]\.delay = nan: is out of range",
    ),
    "negative cv": (
        HEAD + "[[servers]]\nrate = 1\ncv = -1\n",
        r"^servers\[0\]\.cv = -1\.0: is out of range; give 0 or more$",
    ),
    "cv on M/D/1": (
        GOOD + 'family = "M/D/1"\ncv = 1\n',
        r"^servers\[0\]\.cv = 1: M/D/1 has its own; leave out cv, or use family = 'M/G/1'$",
    ),
    "cv on M/M/1": (
        GOOD + 'family = "M/M/1"\ncv = 1\n',
        r"^servers\[0\]\.cv = 1: M/M/1 has its own",
    ),
    "M/G/1 without cv": (
        GOOD + 'family = "M/G/1"\n',
        r"^servers\[0\]\.cv = None: M/G/1 needs a coefficient of variation; give cv, 0 or more$",
    ),
    "unknown family": (
        GOOD + 'family = "M/M/2"\n',
        r"^servers\[0\]\.family = 'M/M/2': is not a known family; did you mean M/M/c\?",
    ),
    "family that is a list": (
        GOOD + 'family = ["M/M/1"]\n',
        r"^servers\[0\]\.family = \['M/M/1'\]: is not a known family",
    ),
    "duplicate names": (
        GOOD + "name = 'a'\n" + SERVER + "name = 'b'\n" + SERVER + "name = 'a'\n",
        (
            r"^servers\[2\]\.name = 'a': is the name of servers\[0\] too; give every server "
            r"its own name$"
        ),
    ),
    "name like a default one": (
        GOOD + SERVER + "name = 'server 1'\n",
        r"^servers\[1\]\.name = 'server 1': is the name of servers\[0\] too",
    ),
    "empty name": (
        GOOD + "name = ' '\n",
        r"^servers\[0\]\.name = ' ': is not text; give some text in quotes$",
    ),
    "title that is no text": (
        "title = 3\n" + GOOD,
        r"^title = 3: is not text; give some text in quotes$",
    ),
    "load of 0": (
        GOOD + "[loads]\nat = 0\n",
        r"^loads\.at = 0\.0: is out of range; give a finite number above 0$",
    ),
    "load of the total": (
        GOOD + "[loads]\nat = 10\n",
        r"^loads\.at = 10: not below the total rate 10: the queues grow",
    ),
    "load in words": (
        GOOD + "[loads]\nat = 'half'\n",
        r"^loads\.at = 'half': is not a load; give jobs/s below 10, a rate with its unit",
    ),
    "load of all": (
        GOOD + "[loads]\nat = '100%'\n",
        r"^loads\.at = '100%': is not below 100% of the total rate",
    ),
    "load of many digits": (
        GOOD + f"[loads]\nat = '{'1' * 200_000}!'\n",
        r"^loads\.at = '1+\.\.\.1+!': is not a load",
    ),
    "load with a letter": (GOOD + "[loads]\nat = '0.7x'\n", r"^loads\.at = '0\.7x': is not a load"),
    "load in another unit": (
        GOOD + "[loads]\nat = '1/ms'\n",
        r"^loads\.at = '1/ms': not below the total rate 10",
    ),
    "loads of a curve": (
        GOOD + "[loads]\ncurve = [12, '110%']\n",
        r"^loads\.curve\[1\] = '110%': not below the total rate 10",
    ),
    "negative load of a curve": (
        GOOD + "[loads]\ncurve = [0.5, -1]\n",
        r"^loads\.curve\[1\] = -1\.0: is out of range; give 0 or more",
    ),
    "negative part of a curve": (
        GOOD + "[loads]\ncurve = ['-1%']\n",
        r"^loads\.curve\[0\] = '-1%': is not 0 or more and finite",
    ),
    "ends of a curve": (
        GOOD + "[loads]\ncurve = { from = 12, to = 11 }\n",
        r"^loads\.curve\.to = 11: not below the total rate 10",
    ),
    "points of a curve": (
        GOOD + "[loads]\ncurve = { points = 0 }\n",
        r"^loads\.curve\.points = 0: is not a number of points; give a whole",
    ),
    "half a point": (
        GOOD + "[loads]\ncurve = { points = 2.5 }\n",
        r"^loads\.curve\.points = 2\.5: is not a number of points",
    ),
    "empty curve": (
        GOOD + "[loads]\ncurve = []\n",
        r"^loads\.curve = \[\]: is not a list of loads; give \[1, 2\.5\], ",
    ),
    "curve in words": (
        GOOD + "[loads]\ncurve = 'all'\n",
        r"^loads\.curve = 'all': is not a list of loads",
    ),
    "loads that are no table": (
        "loads = 3\n" + GOOD,
        r"^loads = 3: is not a table; write it as \[loads\]$",
    ),
    "variant that is no table": (
        GOOD + "[variants]\na = 3\n",
        r"^variants\.a = 3: is not a table; write it as \[variants\.a\]$",
    ),
    "delay of a variant": (
        GOOD + "[variants.a]\ndelay = 'median'\n",
        r"^variants\.a\.delay = 'median': is not a number; give a number$",
    ),
    "cv of a variant": (
        GOOD + "[variants.a]\ncv = -1\n",
        r"^variants\.a\.cv = -1\.0: is out of range",
    ),
    "pay of a variant": (
        GOOD + "[variants.a]\npay = 'all'\n",
        r"^variants\.a\.pay = 'all': is not a way to pay; use 'true' for the delays",
    ),
    "variant that leaves the folder": (
        GOOD + "[variants.'../a']\ndelay = 0\n",
        r"^variants = '\.\./a': cannot name the variant's files; use",
    ),
    "variant over the curve": (
        GOOD + "[variants.curve]\ndelay = 0\n",
        r"^variants = 'curve': cannot name the variant's files",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_error_names_place_and_remedy(text, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        parse(text, "mine")
    assert isinstance(caught.value, InputError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title = 'x'\nrate = = 3\n", 2),
        ("[units\n", 1),
        (GOOD + '\n\nname = "a\ncv = 1\n', 9),
        ("a = 1\na = 2\n", 2),
    ],
)
def test_invalid_toml_raises_with_its_line(text, line):
    with pytest.raises(
        ScenarioError,
        match=rf"^file = 'mine': is not valid TOML: .*line {line}.*; correct that line$",
    ):
        parse(text, "mine")


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("scenario1", r"did you mean scenario-1\?"),
        ("senario-3", r"did you mean scenario-3\?"),
        (
            "nothing like it",
            (
                r"give a TOML file or one of braess, chain, crossing, dual-a, dual-a-shared, "
                r"dual-b, dual-b-shared, dual-c, dual-c-shared, regions, scenario-0, scenario-1, "
                r"scenario-2, scenario-3, scenario-4, split-mobilenet"
            ),
        ),
        ("a" * 300, "give a TOML file"),
        ("nul\0", "give a TOML file"),
        ("", "give a TOML file"),
    ],
)
def test_unknown_scenario_raises_with_a_hint(given, remedy):
    with pytest.raises(
        ScenarioError, match=rf"^scenario = .*: is neither a file nor a built-in scenario; {remedy}"
    ):
        load_scenario(given)


def test_folder_is_not_a_scenario(tmp_path):
    with pytest.raises(ScenarioError, match="is neither a file nor a built-in scenario"):
        load_scenario(tmp_path)


def nested(opening, closing, deep, inside=""):
    return opening * deep + inside + closing * deep


@pytest.mark.parametrize("deep", [65, 300, 5000])
@pytest.mark.parametrize("where", ["arrays", "tables", "keys", "headers", "tandem", "limit"])
def test_deeply_nested_file_raises(deep, where):
    text = {
        "arrays": "x = " + nested("[", "]", deep),
        "tables": "x = " + nested("{a = ", "}", deep, "1"),
        "keys": nested("a.", "", deep, "a = 1"),
        "headers": "[" + nested("'a' . ", "", deep, '"a"') + "]",
        "tandem": GOOD
        + "family = 'tandem'\nsecond = {rate = 3}\nfirst = "
        + nested("{second = {rate = 3}, family = 'tandem', first = ", "}", deep, "{rate = 3}"),
        "limit": GOOD
        + "[[limits]]\nkind = 'LinearLimit'\nbound = [1]\nmatrix = "
        + nested("[", "]", deep, "1"),
    }[where]
    with pytest.raises(
        ScenarioError,
        match=(
            r"^file = 'mine': has more than 64 tables and arrays in each other; write the "
            r"system with fewer$"
        ),
    ):
        parse(text, "mine")


def test_long_key_takes_linear_time():
    """tomllib takes a time quadratic in the number of its parts."""
    with pytest.raises(ScenarioError, match="in each other"):
        parse(f"x = {{ {'a.' * 1_000_000}a = 1 }}", "mine")
    assert parse("source = '" + "a b. 0.5, " * 1000 + "'\n" + GOOD, "mine").loads.size == 99


def test_tandem_of_the_largest_depth():
    text = "[[servers]]\nfamily = 'tandem'\nsecond = {rate = 30}\nfirst = " + nested(
        "{second = {rate = 30}, family = 'tandem', first = ", "}", 20, "{rate = 30}"
    )
    assert parse(HEAD + text, "mine").system.bank.latency([10.0]).tolist() == pytest.approx(
        [22 / 20]
    )


def test_file_that_is_not_text_raises(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes('title = "Größe"\n'.encode("latin-1"))
    with pytest.raises(
        ScenarioError,
        match=r"^scenario = .*: is not text in UTF-8, from line 1 on; give a text file in UTF-8$",
    ):
        load_scenario(path)
