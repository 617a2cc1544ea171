"""Files with stages and modes: works or times, tables or CSV, and every error at its place."""

import numpy as np
import pytest

from sojourn.models import MultiMode
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import load_scenario, parse

UNITS = '[units]\nrate = "1/s"\ndelay = "ms"\n'
SPEEDS = (
    '[[stages]]\nname = "device"\nspeed = 8e9\n'
    '[[stages]]\nname = "up link"\nspeed = 2e7\n'
    '[[stages]]\nname = "cloud"\nspeed = 2e11\n'
)
NAMES = '[[stages]]\nname = "device"\n[[stages]]\nname = "cloud"\n'
WORKS = (
    '[[modes]]\nname = "all cloud"\nwork = { "up link" = 1.2e6, cloud = 6e8 }\ndelay = 30\n'
    "[[modes]]\nwork = [1.6e8, 2e5, 4e8]\n"
)
TIMES = "[[modes]]\ntime = { device = 20, cloud = 5 }\n[[modes]]\ntime = [10, 8]\n"
GOOD, TIMED = UNITS + SPEEDS + WORKS, UNITS + NAMES + TIMES
CSV = "name,device,up link,cloud,delay\nall cloud,0,1.2e6,6e8,30\nmode 2,1.6e8,2e5,4e8,0\n"
FROM_CSV = UNITS + SPEEDS + '[modes]\nfile = "cuts.csv"\nvalues = "work"\n'


def read(folder, text, csv=CSV):
    """Return the scenario of a file beside a CSV file."""
    (folder / "cuts.csv").write_text(csv)
    (folder / "own.toml").write_text(text)
    return load_scenario(folder / "own.toml")


def test_works_are_divided_by_speeds_and_delays_converted():
    scenario = parse(GOOD, "own")
    system = scenario.system
    assert isinstance(system, MultiMode)
    assert scenario.kind.name == "stages"
    assert (system.stages, system.modes) == (
        ("device", "up link", "cloud"),
        ("all cloud", "mode 2"),
    )
    true = np.array([[0, 1.6e8 / 8e9], [1.2e6 / 2e7, 2e5 / 2e7], [6e8 / 2e11, 4e8 / 2e11]])
    np.testing.assert_allclose(system.rates.time, true, rtol=1e-15)
    np.testing.assert_array_equal(system.rates.delay, [0.03, 0])
    assert (scenario.load, system.time_unit) == (pytest.approx(system.max_load / 2), "s")


@pytest.mark.parametrize(
    ("rate", "delay", "second"),
    [("1/s", "ms", 1e-3), ("1/ms", "ms", 1.0), ("1/min", "s", 1 / 60), ("rps", "us", 1e-6)],
)
def test_times_are_in_the_unit_of_delays(rate, delay, second):
    text = TIMED.replace('"1/s"', f'"{rate}"').replace('"ms"', f'"{delay}"')
    rates = parse(text, "own").system.rates
    np.testing.assert_allclose(rates.time, second * np.array([[20, 10], [5, 8]]), rtol=1e-15)


def test_speeds_are_per_unit_of_time_of_the_rates():
    system = parse(GOOD.replace('"1/s"', '"1/min"'), "own").system
    assert system.rates.time[0, 1] == pytest.approx(1.6e8 / 8e9, rel=1e-15)
    assert system.time_unit == "min"
    assert system.rates.delay[0] == pytest.approx(30 / 60_000, rel=1e-15)


def test_csv_file_is_the_same_system(tmp_path):
    tables, csv = parse(GOOD, "own").system, read(tmp_path, FROM_CSV).system
    np.testing.assert_array_equal(csv.rates.time, tables.rates.time)
    np.testing.assert_array_equal(csv.rates.delay, tables.rates.delay)
    assert (csv.stages, csv.modes) == (tables.stages, tables.modes)


def test_csv_columns_have_other_names_or_are_left_out(tmp_path):
    text = FROM_CSV + 'columns = { device = "flop", name = "cut", layer = false }\n'
    csv = "cut,layer,flop,up link,cloud\na,7,1,2,3\nb,9,4,5,6\n"
    system = read(tmp_path, text, csv).system
    assert system.modes == ("a", "b")
    np.testing.assert_array_equal(system.rates.time[0], [1 / 8e9, 4 / 8e9])
    assert not system.rates.delay.any()


def test_csv_file_of_times(tmp_path):
    text = UNITS + NAMES + '[modes]\nfile = "cuts.csv"\nvalues = "time"\n'
    text += 'columns = { device = "device_ms" }\n'
    system = read(tmp_path, text, "device_ms,cloud\n20,5\n10,8\n").system
    np.testing.assert_allclose(system.rates.time, [[0.02, 0.01], [0.005, 0.008]], rtol=1e-15)
    assert system.modes == ("mode 1", "mode 2")


def changed(old, new, good=GOOD):
    assert old in good
    return good.replace(old, new)


@pytest.mark.parametrize(("text", "message"), [
    (UNITS + SPEEDS, r"^modes = None: is missing; write each as \[\[modes\]\] with a work at"),
    (UNITS + WORKS, r"^stages = None: is missing, and modes needs it; write stages too$"),
    (changed("cloud = 6e8", 'cloud = 6e8, " cloud" = 1'),
     r"^modes\[0\]\.work\. cloud = 1: cloud is given twice; keep one$"),
    (changed('"cloud"\nspeed', '" device "\nspeed'),
     r"^stages\[2\]\.name = 'device': is the name of stages\[0\] too; give every stage its own"),
    (UNITS + NAMES + "[modes]\ntime = [1, 2]\n",
     r"^modes\.file = None: is missing; .*, or write each mode as \[\[modes\]\]$"),
    (UNITS + "stages = 3\n", r"^stages = 3: is not a list of tables; write each as \[\[stages\]\]"),
    (UNITS + "stages = []\n" + WORKS, r"^stages = \[\]: is not a list of tables"),
    (changed("speed = 2e7\n", ""),
     r"^stages\[1\]\.speed = None: is missing, and stages\[0\] has one; give every stage a speed, "
     r"or none of them, and the modes times$"),
    (changed("2e7", "0"), r"^stages\[1\]\.speed = 0\.0: is out of range; .* above 0$"),
    (changed("2e7", '"2e7"'), r"^stages\[1\]\.speed = '2e7': is not a number"),
    (changed("2e7", "2e7\nrate = 1"),
     r"^stages\[1\]\.rate = 1: is not a known key; the keys here are name, speed$"),
    (changed('"cloud"\nspeed', '"device"\nspeed'),
     r"^stages\[2\]\.name = 'device': is the name of stages\[0\] too; give every stage its own"),
    (changed('name = "all cloud"', 'name = "mode 2"'),
     r"^modes\[1\]\.name = 'mode 2': is the name of modes\[0\] too; give every mode its own name$"),
    (changed("cloud = 6e8", "clowd = 6e8"),
     r"^modes\[0\]\.work\.clowd = 'clowd': is not a stage; did you mean cloud\?$"),
    (changed("cloud = 6e8", "cloud = -6e8"),
     r"^modes\[0\]\.work\.cloud = -6.*: is out of range; give 0 or more$"),
    (changed("cloud = 6e8", "cloud = inf"),
     r"^modes\[0\]\.work\.cloud = inf: is out of range; give a finite number, 0 or more$"),
    (changed("2e5, 4e8", "nan, 4e8"), r"^modes\[1\]\.work\[1\] = nan: is out of range"),
    (changed("2e5, 4e8", "true, 4e8"), r"^modes\[1\]\.work\[1\] = True: is not a number"),
    (changed("[1.6e8, 2e5, 4e8]", "[1.6e8, 2e5]"),
     r"^modes\[1\]\.work = .*: has 2 numbers for 3 stages; give one a stage, 0 for none$"),
    (changed("[1.6e8, 2e5, 4e8]", "3"),
     r"^modes\[1\]\.work = 3: is not a work at each stage; give a table by stage, such as "
     r"work = \{ device = 20 \}, or a list$"),
    (changed("[1.6e8, 2e5, 4e8]", "[0, 0, 0]"),
     r"^modes\[1\]\.work = \[0, 0, 0\]: the mode asks nothing of any stage; give a work above 0"),
    (changed("[1.6e8, 2e5, 4e8]", "{}"),
     r"^modes\[1\]\.work = \{\}: the mode asks nothing of any stage"),
    (changed("[1.6e8, 2e5, 4e8]", "[0, 2e5, 4e8]"),
     r"^stages\[0\] = 'device': no mode has work there; leave the stage out, or give a mode some$"),
    (changed("[1.6e8, 2e5, 4e8]", "[1e-300, 2e5, 4e8]"),
     r"^modes\[1\]\.work\[0\] = 1e-300: is out of range at a speed of 8e\+09; "),
    (changed("work = [1.6e8", "time = [1.6e8"),
     r"^modes\[1\]\.time = .*: is a time, and the stages have speeds; give the modes a work, or"),
    (changed("work = [1.6e8", "time = [1, 2, 3]\nwork = [1.6e8"),
     r"^modes\[1\]\.time = \[1, 2, 3\]: is given together with work, which determines it"),
    (changed("work = [1.6e8, 2e5, 4e8]\n", ""),
     r"^modes\[1\]\.work = None: is missing; give a work at each stage, such as work = "),
    (changed("delay = 30", "delay = -1"), r"^modes\[0\]\.delay = -1\.0: is out of range"),
    (changed("delay = 30", "delays = 30"),
     r"^modes\[0\]\.delays = 30: is not a known key; did you mean delay\?$"),
    (changed('name = "all cloud"', "name = 3"), r"^modes\[0\]\.name = 3: is not text"),
    (changed('name = "all cloud"', 'name = " "'), r"^modes\[0\]\.name = ' ': is not text"),
    (UNITS + NAMES + "modes = [3]\n", r"^modes = \[3\]: |^modes\[0\] = 3: is not a table"),
    (changed("time = [10, 8]", "work = [10, 8]", TIMED),
     r"^modes\[1\]\.work = \[10, 8\]: is a work, and the stages have no speeds; give every stage a "
     r"speed, or the modes a time, in ms$"),
    (changed("[10, 8]", "[10, 1e-322]", TIMED), r"^modes\[1\]\.time\[1\] = .*: is out of range; "),
    (TIMED + "[loads]\nat = 500\n", r"^loads\.at = 500: not below the maximum"),
    (TIMED + '[[servers]]\nrate = 1\n', r"^file = 'own': says two systems, servers and stages"),
])  # fmt: skip
def test_error_has_the_place_and_a_remedy(text, message):
    with pytest.raises(ScenarioError, match=message):
        parse(_ordered(text), "own")


def _ordered(text):
    """Return a text with its lines of top-level keys before the tables."""
    top = [line for line in text.splitlines() if line.startswith(("stages =", "modes ="))]
    rest = [line for line in text.splitlines() if line not in top]
    return "\n".join([*top, *rest]) + "\n"


@pytest.mark.parametrize(("text", "csv", "message"), [
    (changed('values = "work"\n', "", FROM_CSV), CSV,
     r'^modes\.values = None: is missing; give values = "work": a work in the columns of stages$'),
    (changed('"work"', '"time"', FROM_CSV), CSV,
     r"^modes\.values = 'time': is a time, and the stages have speeds; "),
    (changed('"work"', '"rate"', FROM_CSV), CSV,
     r"^modes\.values = 'rate': is not what columns of stages hold; use work or time$"),
    (changed('file = "cuts.csv"\n', "", FROM_CSV), CSV, r"^modes\.file = None: is missing; name"),
    (FROM_CSV + "work = 3\n", CSV, r"^modes\.work = 3: is not a known key; the keys here are file"),
    (changed("cuts.csv", "../cuts.csv", FROM_CSV), CSV, r"^modes\.file = .*: is not in the folder"),
    (changed("cuts.csv", "no.csv", FROM_CSV), CSV, r"^modes\.file = .*: cannot be read"),
    (FROM_CSV, "name,device,cloud\na,1,2\n",
     r"cuts\.csv, column up link = None: is missing; add it, 0 where a mode has no work there, or"),
    (FROM_CSV, CSV.replace("up link", "uplink"),
     r"column uplink = 'uplink': is not a known field; did you mean up link\? Or name its field, "
     r'columns = \{ device = "uplink" \}'),
    (FROM_CSV, CSV.replace("1.2e6", ""),
     r"cuts\.csv, row 2, column up link = '': is empty; give a number, 0 for none$"),
    (FROM_CSV, CSV.replace("mode 2", ""),
     r"cuts\.csv, row 3, column name = '': is empty; give some text$"),
    (FROM_CSV, CSV.replace("1.2e6", "x"),
     r"row 2, column up link = 'x': is not a number; give a number$"),
    (FROM_CSV, CSV.replace("1.2e6", "-1"), r"row 2, column up link = -1\.0: is out of range"),
    (FROM_CSV, CSV.replace("1.2e6", "inf"), r"row 2, column up link = inf: is out of range"),
    (FROM_CSV, CSV.replace("30", "nan"), r"row 2, column delay = nan: is out of range"),
    (FROM_CSV, CSV.replace("1.6e8,2e5,4e8", "0,0,0"),
     r"cuts\.csv, row 3 = \[0\.0, 0\.0, 0\.0\]: the mode asks nothing of any stage; .*row out$"),
    (FROM_CSV, CSV.replace("1.6e8", "0"), r"^stages\[0\] = 'device': no mode has work there"),
    (FROM_CSV, CSV.replace("mode 2", "all cloud"),
     r"cuts\.csv, row 3: name = 'all cloud': is the name of .*row 2 too; give every mode its own"),
    (FROM_CSV, CSV.replace("mode 2,1.6e8", "1.6e8"), r"row 3 = .*: has 4 cells under 5 columns"),
    (FROM_CSV, "name,device,up link,cloud\n", r"^modes\.file = .*: has no row of a mode"),
    (FROM_CSV, "a,b\n1,2\n", r"^modes\.file = .*: has none of the columns name, delay, device"),
    (FROM_CSV, CSV.replace("delay", "device"), r"row 1 = 'device': names two columns"),
    (FROM_CSV + 'columns = { device = "device_ms" }\n', CSV.replace("device", "device_ms"),
     r"^modes\.columns\.device = 'device_ms': ends in a unit of time, and it holds works; rename"),
    (FROM_CSV + 'columns = { delay = "delay_s" }\n', CSV.replace("delay", "delay_s"),
     r"^modes\.columns\.delay = 'delay_s': ends in a unit that is not that of the file"),
    (FROM_CSV + 'columns = { rate = "device" }\n', CSV,
     r"^modes\.columns\.rate = 'device': is not a known key; the keys here are name, delay, dev"),
    (FROM_CSV + 'columns = { device = "x", cloud = "x" }\n', CSV.replace("device", "x"),
     r"^modes\.columns\.cloud = 'x': is the column of device too; give every field its own"),
    (UNITS + NAMES.replace("device", "CPU (s)") + '[modes]\nfile = "cuts.csv"\nvalues = "time"\n',
     "CPU (s),cloud\n20,5\n",
     r"^modes\.columns\.CPU \(s\) = 'CPU \(s\)': ends in a unit that is not that of the file"),
    (FROM_CSV + "columns = 3\n", CSV,
     r'^modes\.columns = 3: is not a table; write it as \{ device = "mu" \}: field, then column$'),
    (changed('name = "cloud"', 'name = "delay"', FROM_CSV), CSV,
     r"^stages\[2\]\.name = 'delay': is a column of its own in a CSV file of modes; name"),
    (UNITS + NAMES + '[modes]\nfile = "cuts.csv"\nvalues = "time"\n'
     'columns = { device = "device_s" }\n', "device_s,cloud\n20,5\n",
     r"^modes\.columns\.device = 'device_s': ends in a unit that is not that of the file, "
     r'units\.delay = "ms"'),
])  # fmt: skip
def test_error_in_a_csv_file_has_its_place(tmp_path, text, csv, message):
    with pytest.raises(ScenarioError, match=message):
        read(tmp_path, text, csv)


def test_message_on_a_name_that_is_no_bare_key_can_be_pasted():
    text = UNITS + '[[stages]]\nname = "up link"\n[[modes]]\nname = "a"\n'
    with pytest.raises(ScenarioError, match=r'such as time = \{ "up link" = 20 \}$'):
        parse(text, "own")


def test_names_that_look_the_same_are_the_same():
    composed, in_parts = "caf\u00e9", "cafe\u0301"
    text = TIMED.replace('"device"', f'" {composed}"').replace("device = 20", f'"{in_parts}" = 20')
    system = parse(text, "own").system
    assert system.stages == (composed, "cloud")
    np.testing.assert_allclose(system.rates.time[0], [0.02, 0.01], rtol=1e-15)
