"""Titles, names and keys of a file are shown unchanged or escaped: terminal, errors, files."""

import csv
import json
import re

import pytest
import xarray as xr

from sojourn.models import InputError
from sojourn.models.frontend.report import data_files, unrun
from sojourn.reference.errors import escaped

CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
TURNED, SHOWN = (
    r"\u001b[31mr\u0007\u0085\u202e\u2066\u2028\n",
    r"\x1b[31mr\x07\x85\u202e\u2066\u2028\n",
)
FILE = f"""title = "t {TURNED}"
source = "s {TURNED}"
[units]
rate = "1/s"
delay = "ms"
[loads]
at = 3
curve = [1, 5]
[[servers]]
name = "a {TURNED}"
rate = 10
replicas = 2
[[servers]]
name = "b {TURNED}"
family = "measured"
samples = "db.csv"
[variants.v]
title = "v {TURNED}"
delay = 0
[[limits]]
kind = "GroupShare"
name = "g {TURNED}"
servers = ["a {TURNED}"]
at_most = 0.9
"""
SAMPLES = 'load,"latency"\n' + "".join(f"{x},{200 / (10 - x):.6f}\n" for x in range(9)) + ",3\n"


@pytest.fixture
def hostile(tmp_path):
    """Scenario whose title and names hold control characters and colours."""
    path = tmp_path / "n\x1b[31m\u202e.toml"
    path.write_text(FILE, encoding="utf-8")
    (tmp_path / "db.csv").write_text(SAMPLES)
    return path


@pytest.mark.parametrize(
    "command",
    [("run",), ("verify", "--load", "1"), ("anarchy",), ("run", "--weights-in", "3,1")],
    ids=" ".join,
)
def test_screen(sojourn, hostile, command):
    if command[0] == "anarchy":  # its search among samples takes seconds
        hostile.write_text(
            FILE.replace('family = "measured"\nsamples = "db.csv"', "rate = 9"), encoding="utf-8"
        )
    status, out, err = sojourn(command[0], hostile, *command[1:])
    assert (status, err) == (0, "")
    assert not CONTROL.search(out)
    printed = "".join(out.split())
    for name in {"verify": "n", "anarchy": "ts", "run": "tsvg"}[command[0]]:
        # a wrapped name has its numbers in the same rows
        assert re.search(rf"{name}[\d.]*{re.escape(SHOWN[:8])}", printed)


def test_files(sojourn, hostile, tmp_path):
    assert sojourn("run", hostile, "--out", tmp_path / "o")[0] == 0
    for name in ("curve.csv", "v.csv", "result.json"):
        assert not CONTROL.search((tmp_path / "o" / name).read_text(encoding="utf-8"))
    head = next(csv.reader((tmp_path / "o" / "curve.csv").open(encoding="utf-8")))
    assert f"optimum_flow[a {SHOWN} x 2] (1/s)" in head
    assert json.loads((tmp_path / "o" / "result.json").read_text())["title"] == f"t {SHOWN}"


def test_errors(sojourn, hostile):
    text = hostile.read_text(encoding="utf-8")
    for old, new, field in (
        (
            "at_most = 0.9",
            f'"k {TURNED}" = 1',
            rf"limits\[0\]\.k {re.escape(SHOWN)} = 1: is not a known key",
        ),
        ("rate = 10", "rate = -1", r"servers\[0\]\.rate = -1\.0"),
        (f'name = "b {TURNED}"', f'name = "a {TURNED} 1"', r"servers\[1\]\.name = "),
        ("[variants.v]", f'[variants."{TURNED}"]', r"variants = .*cannot name"),
        (
            f'servers = ["a {TURNED}"]',
            'servers = ["c"]',
            rf"limits\[0\]\.servers\[0\] = 'c': .*use a {re.escape(SHOWN)}, b ",
        ),
    ):
        hostile.write_text(text.replace(old, new, 1), encoding="utf-8")
        status, out, err = sojourn("run", hostile)
        assert (status, out) == (2, "")
        assert re.search(f"^error: {field}", err)
        assert not CONTROL.search(err)


def test_message_of_any_error_is_one_line_that_can_be_printed():
    error = InputError("a\x1b[0m", "b\u202e", "c\n", "d\x07")
    assert str(error) == r"a\x1b[0m = 'b\u202e': c\n; d\x07"
    assert (error.field, error.value, error.problem, error.remedy) == (
        "a\x1b[0m",
        "b\u202e",
        "c\n",
        "d\x07",
    )
    assert len(str(InputError("f" * 10**6, "v" * 10**6, "p" * 10**6, "r" * 10**6))) < 4000
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert str(InputError("f", deep, "p", "r")) == "f = something of type list: p; r"


@pytest.mark.parametrize(
    "plain",
    [
        "Größe",
        "ключ",
        "\u05e9\u05dc\u05d5\u05dd",
        "a\u00a0b",
        "e\u0301",
        "\U0001f469\u200d\U0001f680",
        "\\x1b",
        "",
    ],
)
def test_letters_of_all_languages_are_shown_unchanged(plain):
    assert escaped(plain) == plain
    assert escaped(escaped(f"\x1b{plain}\u202e")) == rf"\x1b{plain}\u202e"


# ---- spreadsheets, and formulas in plots


@pytest.mark.parametrize(("cell", "expected"), [
    ("=1+1", "'=1+1"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-x", "'-x"), ("@SUM(A1)",
     "'@SUM(A1)"),
    ("\tx", "'\tx"), ("\r=1", "'\r=1"),
    ("-1", "-1"), ("+1.5e3", "+1.5e3"), ("a=1", "a=1"), ("", ""), (-1.0, -1.0), (None,
     None), ("'=1", "'=1"),
])  # fmt: skip
def test_cell_that_a_spreadsheet_would_run(cell, expected):
    assert unrun(cell) == expected


def test_csv_has_no_cell_that_a_spreadsheet_would_run(tmp_path):
    data = xr.Dataset(
        {
            "=delay": ("load", [1.0, -2.0]),
            "who": ("load", ["@a", "-3"]),
            "flow": (("load", "server"), [[1.0], [2.0]]),
        },
        {"load": [1.0, 2.0], "server": ["=1+1"]},
    )
    for name, make in data_files("x", data):
        make(tmp_path / name)
    rows = list(csv.reader((tmp_path / "x.csv").open()))
    assert rows == [
        ["load", "'=delay", "who", "flow[=1+1]"],
        ["1.0", "1.0", "'@a", "1.0"],
        ["2.0", "-2.0", "-3", "2.0"],
    ]


def test_dollars_are_no_formulas_in_plots(sojourn, hostile, tmp_path):
    """Matplotlib raises an error on an unbalanced formula."""
    hostile.write_text(FILE.replace(TURNED, "$x^$"), encoding="utf-8")
    assert sojourn("run", hostile, "--out", tmp_path / "o")[0] == 0
    assert {"curve.png", "measured.png"} <= {p.name for p in (tmp_path / "o").iterdir()}
