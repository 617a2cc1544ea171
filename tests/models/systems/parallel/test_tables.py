"""Servers and samples from CSV files, also with other names of columns."""

import json

import numpy as np
import pytest

from sojourn.models import InputError, Measured
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import load_scenario, parse

HEAD = '[units]\nrate = "1/s"\ndelay = "ms"\n'
TABLE = """name,family,rate,service_time,delay,cv,servers,replicas
web,,10,,5,,,3
desk,M/G/1,,50,2,1.5,,

hall,M/M/c,20,,,,2,
"""
SAME = """[[servers]]
name = "web"
rate = 10
delay = 5
replicas = 3
[[servers]]
name = "desk"
family = "M/G/1"
service_time = 50
delay = 2
cv = 1.5
[[servers]]
name = "hall"
family = "M/M/c"
rate = 20
servers = 2
"""


def read(folder, table, more="", head=HEAD):
    (folder / "servers.csv").write_text(table, encoding="utf-8")
    return parse(f'{head}[servers]\nfile = "servers.csv"\n{more}', "mine", folder)


def test_table_gives_its_servers(tmp_path):
    found, expected = read(tmp_path, TABLE), parse(HEAD + SAME, "mine")
    assert found.system.names == expected.system.names
    assert found.rows.names == ("web x 3", "desk", "hall")
    flow = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(
        found.system.bank.latency(flow), expected.system.bank.latency(flow)
    )


def test_empty_cell_of_a_field_of_the_server_has_a_warning(tmp_path):
    assert [note.split(", ", 1)[1] for note in read(tmp_path, TABLE).notes] == [
        "column cv: empty in row 2, so the default holds there",
        "column delay: empty in row 5, so the default holds there",
    ]
    found = read(tmp_path, "rate,cv,delay\n10,1.5,5\n20,,3\n30,0,\n")
    assert [note.split(", ", 1)[1] for note in found.notes] == [
        "column cv: empty in row 3, so the default holds there",
        "column delay: empty in row 4, so the default holds there",
    ]


def test_file_is_looked_for_beside_the_scenario(tmp_path):
    (tmp_path / "servers.csv").write_text("\ufeffrate\n10\n20\n", encoding="utf-8")
    (tmp_path / "a.toml").write_text(HEAD + '[servers]\nfile = "servers.csv"\n')
    assert load_scenario(tmp_path / "a.toml").system.bank.rate.tolist() == [10.0, 20.0]


def test_columns_by_other_names(tmp_path):
    found = read(tmp_path, "host,mu_rps,rtt (ms),region\na,10,5,x\nb,20,7,y\n",
                 'columns = { name = "host", rate = "mu_rps", delay = "rtt (ms)", region = false '
                 '}\n')  # fmt: skip
    assert found.system.names == ("a", "b")
    np.testing.assert_allclose(found.system.bank.delay, [0.005, 0.007])


@pytest.mark.parametrize(("table", "more", "message"), [
    ("name,rte\na,1\n", "",
     r"column rte = 'rte': is not a known field; did you mean rate\? Or .* leave it out, columns "
     r"= \{ \"rte\" = false \}$"),
    ("name,region\na,1\n", "",
     r"column region = 'region': is not a known field; the fields are name, family, service_time"),
    ("name,rate\na,1\n", 'columns = { rat = "rate" }\n',
     r"^servers\.columns\.rat = 'rate': is not a known key; did you mean rate\?$"),
    ("name,rate\na,1\n", 'columns = { rate = "mu" }\n',
     r"^servers\.columns\.rate = 'mu': is not a column of .*; the columns are name, rate$"),
    ("name,rate\na,1\n", 'columns = { region = false }\n',
     r"^servers\.columns\.region = 'region': is not a column of"),
    ("rate,mu\n1,1\n", 'columns = { rate = "mu" }\n',
     r"column rate = 'rate': is given in this column and in mu; leave one out"),
    ("mu_rps,rtt_s\n1,1\n", 'columns = { rate = "mu_rps", delay = "rtt_s" }\n',
     r"^servers\.columns\.delay = 'rtt_s': ends in a unit that is not that of the file, "
     r"units\.delay = \"ms\"; change the units"),
    ("jobs per min\n1\n", 'columns = { rate = "jobs per min" }\n',
     r"columns\.rate = 'jobs per min': ends in a unit .*, units\.rate = \"1/s\""),
    ("rate\n1\n", "columns = 3\n", r"^servers\.columns = 3: is not a table"),
    ("rate\n1\n", "columns = { rate = 3 }\n",
     r"^servers\.columns\.rate = 3: is not the name of a column"),
    ("rate\n1\n", "rate = 3\n",
     r"^servers\.rate = 3: is not a known key; the keys here are file, columns$"),
    ("rate\nfast\n", "",
     r"servers\.csv, row 2, column rate = 'fast': is not a number; give a number, or leave the "
     r"cell empty$"),
    ("name,rate\na,1\nb,-2\n", "",
     r"servers\.csv, row 3: rate = -2\.0: is out of range; give a finite number above 0$"),
    ("name,rate\na,1\nb,\n", "",
     r"servers\.csv, row 3: rate = None: is missing; give the service rate, or service_time$"),
    ("name,rate\na,1\na,2\n", "",
     r"servers\.csv, row 3: name = 'a': is the name of .*servers\.csv, row 2 too; give every "
     r"server its own name$"),
    ("name,rate\na,1,2\n", "",
     r"servers\.csv, row 2 = 'a,1,2': has 3 cells under 2 columns; correct that row$"),
    ("name,rate\na\n", "", r"servers\.csv, row 2 = 'a': has 1 cell under 2 columns"),
    ("rate,rate\n1,2\n", "", r"servers\.csv, row 1 = 'rate': names two columns"),
    ("rate,family\n1,M/M/2\n", "", r"servers\.csv, row 2: family = 'M/M/2': is not a known family"),
    ("rate\n", "", r"^servers\.file = .*servers\.csv': has no row of a server"),
    ("", "",
     r"^servers\.file = .*servers\.csv': has none of the columns name, family, .*rate, cv, delay, "
     r"base, .*batch_cv in its first line; give a CSV file"),
    ("mu,nu\n1,2\n", 'columns = { rate = "mu" }\n',
     r"servers\.csv, column nu = 'nu': is not a known field"),
])  # fmt: skip
def test_mistake_is_named_with_its_place(tmp_path, table, more, message):
    with pytest.raises(ScenarioError, match=message):
        read(tmp_path, table, more)


def test_missing_file(tmp_path):
    with pytest.raises(
        ScenarioError,
        match=r"^servers\.file = .*none\.csv': cannot be read: .*; give a CSV file with a header "
        r"line",
    ):
        parse(HEAD + '[servers]\nfile = "none.csv"\n', "x", tmp_path)
    with pytest.raises(ScenarioError, match=r"^servers\.file = 3: is not the name of a file"):
        parse(HEAD + "[servers]\nfile = 3\n", "x", tmp_path)


# ---- samples

LOAD = np.linspace(1.0, 8.0, 15)
SAMPLES = [f"{x},x,{1e3 / (10 - x):.17g}" for x in LOAD]


def telemetry(folder, rows, columns='{ load = "rps", latency = "p50_ms" }', head=HEAD):
    (folder / "db.csv").write_text("\n".join(["rps,host,p50_ms", *rows]) + "\n")
    return (
        f'{head}[loads]\nat = 6\ncurve = [6]\n[[servers]]\nname = "db"\nfamily = "measured"\n'
        f'samples = "db.csv"\ncolumns = {columns}\n'
        "[[servers]]\nrate = 5\n"
    )


def test_samples_in_columns_of_other_names(tmp_path):
    found = parse(telemetry(tmp_path, SAMPLES), "x", tmp_path)
    expected = Measured(LOAD, 1 / (10 - LOAD))
    np.testing.assert_allclose(
        found.system.bank.banks[0].latency([5.0]), expected.latency([5.0]), rtol=1e-9
    )
    assert found.notes == ()
    bank = Measured.from_csv(tmp_path / "db.csv", columns={"load": "rps", "latency": "p50_ms"})
    np.testing.assert_allclose(bank.latency([5.0]), 1e3 * expected.latency([5.0]), rtol=1e-9)


@pytest.mark.slow
def test_row_with_an_empty_cell_is_skipped_and_reported(sojourn, tmp_path):
    rows = [*SAMPLES, "9,x,", ",x,700", " ,x,"]
    text = telemetry(tmp_path, rows)
    found = parse(text, "x", tmp_path)
    note = (
        f"{tmp_path / 'db.csv'}: 3 of 18 rows are skipped: an empty cell in column rps and p50_ms"
    )
    assert found.notes == (note,)
    assert found.system.bank.banks[0].last.tolist() == [8.0]
    with pytest.warns(UserWarning, match="3 of 18 rows are skipped"):
        Measured.from_csv(tmp_path / "db.csv", columns={"load": "rps", "latency": "p50_ms"})
    (tmp_path / "a.toml").write_text(text)
    status, out, err = sojourn("run", tmp_path / "a.toml")
    assert (status, err) == (0, "")
    assert "3 of 18 rows are skipped" in " ".join(out.split())
    for command in ("run", "anarchy"):
        assert json.loads(sojourn(command, tmp_path / "a.toml", "--json")[1])["notes"] == [note]


@pytest.mark.parametrize(("columns", "head", "message"), [
    ('{ load = "rps", latency = "p50" }', HEAD,
     r"^servers\[0\]\.samples: .*db\.csv, row 1 = .*: has no column p50; did you mean p50_ms\?$"),
    ('{ load = "rps", latency = "p50_ms" }', HEAD.replace("ms", "s"),
     r"^servers\[0\]\.columns\.latency = 'p50_ms': ends in a unit that is not that of the file, "
     r"units\.delay = \"s\""),
    ('{ load = "rps", latency = "p50_ms" }', HEAD.replace("1/s",
     "1/min"), r"^servers\[0\]\.columns\.load = 'rps': ends in a unit"),
    ('{ lod = "rps" }', HEAD,
     r"^servers\[0\]\.columns\.lod = 'rps': is not a known key; did you mean load\?$"),
    ("{ load = 3 }", HEAD, r"^servers\[0\]\.columns\.load = 3: is not the name of a column"),
])  # fmt: skip
def test_mistake_in_columns_of_samples(tmp_path, columns, head, message):
    with pytest.raises(ScenarioError, match=message):
        parse(telemetry(tmp_path, SAMPLES, columns, head), "x", tmp_path)


def test_columns_without_a_file():
    text = (
        '[[servers]]\nfamily = "measured"\nload = [1, 2, 3]\nlatency = [1, 2, 4]\ncolumns = { '
        'load = "rps" }\n[loads]\nat = 1\ncurve = [1]\n'
    )
    with pytest.raises(
        ScenarioError,
        match=r"^servers\[0\]\.columns = .*: names columns of a file, and there is none; give "
        r"samples$",
    ):
        parse(HEAD + text, "x")


@pytest.mark.parametrize("columns", [{"lod": "a"}, {"load": 3}])
def test_invalid_columns(tmp_path, columns):
    (tmp_path / "db.csv").write_text("load,latency\n1,2\n")
    with pytest.raises(
        InputError, match=r"^columns = .*: does not say the column of load or latency; give"
    ):
        Measured.from_csv(tmp_path / "db.csv", columns=columns)
