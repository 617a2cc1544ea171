"""Files of the solver benchmark's report: complete, escaped, without external parts."""

import base64
import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from bench_rows import METADATA, SOLVERS, failed, random_rows, row
from markdown_it import MarkdownIt

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.report import write_report
from sojourn.models.benchmarks.solvers.report.document import DataTable, Section
from sojourn.models.benchmarks.solvers.report.html import page
from sojourn.models.benchmarks.solvers.report.markdown import markdown
from sojourn.models.benchmarks.solvers.report.profiles import (
    data_profiles,
    fastest_counts,
    performance_profiles,
)
from sojourn.models.benchmarks.solvers.report.results import Results

HOSTILE = (
    '<script>alert("x")</script>',
    "a|b",
    "*bold* _em_ `code`",
    "[link](http://example.org)",
    "$x^$",
    "_hidden",
    "a\nb\x1b[31m",
    "</style><b>",
    "&lt;",
    "#010203",
    "\ud800",
    "1. one",
)
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Elements of a page; it fails where they are not nested."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.attributes, self.tables, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


def all_of(tables, heading):
    """Return the sum of a column of numbers over the tables with it, by its own heading."""
    found = [t for t in tables if heading in t[0]]
    at = [t[0].index(heading) for t in found]
    return [sum(int(line[i]) for line in t[1:]) for t, i in zip(found, at, strict=True)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    rows = random_rows(problems=1, sizes=(3,), loads=(0.5, 0.99), settings=("default", "high"))
    folder = tmp_path_factory.mktemp("report")
    return rows, folder, write_report(rows, METADATA, folder)


@pytest.fixture(scope="module")
def shown(written):
    return Page((written[1] / "report.html").read_text(encoding="utf-8"))


def test_all_files_are_written(written):
    _, folder, paths = written
    assert {"rows.csv", "rows.json", "rows.nc", "report.md", "report.html"} <= {
        p.name for p in paths
    }
    assert {p for p in folder.rglob("*") if p.is_file()} == set(paths)


def test_page_has_no_external_reference_and_no_script(shown):
    links = [(tag, name, value) for tag, name, value in shown.attributes if name in ("src", "href")]
    assert all(value.startswith(("data:", "#")) for _, _, value in links)
    ids = [value for _, name, value in shown.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for tag, name, value in links if tag == "a"} <= set(ids)
    assert not any(name.startswith("on") for _, name, _ in shown.attributes)
    assert not any(tag in ("script", "iframe", "object") for tag, _, _ in shown.attributes)
    style = "".join(shown.texts)
    assert "@import" not in style
    assert "url(" not in style


def test_pictures_are_in_the_page_and_beside_the_text(written, shown):
    _, folder, _ = written
    data = [
        value.split(",")[1]
        for tag, name, value in shown.attributes
        if (tag, name) == ("img", "src")
    ]
    inside = sorted(base64.b64decode(text) for text in data)
    files = sorted(p.read_bytes() for p in (folder / "pictures").glob("*.svg"))
    assert len(files) >= 6
    assert inside == files
    for text in files:
        picture = ElementTree.fromstring(text)  # noqa: S314
        assert picture.tag.endswith("svg")
        places = re.findall(rb'(?:href|src)="([^"]*)"', text)
        assert all(place.startswith((b"#", b"data:")) for place in places)
    named = re.findall(r"\(pictures/([\w-]+\.svg)\)", (folder / "report.md").read_text("utf-8"))
    assert sorted(named) == sorted(p.name for p in (folder / "pictures").glob("*.svg"))


def test_every_row_is_counted(written, shown):
    rows, *_ = written
    asked = [r for r in rows if not r.skipped]
    assert all_of(shown.tables, "asked") == [len(asked)] * 2  # all cells, and the one problem
    assert all_of(shown.tables, "skipped") == [len(rows) - len(asked)]
    assert sum(all_of(shown.tables, "cells")) == len(rows)  # reasons and statuses
    for name in ("right", "false claims"):
        field = name.replace(" ", "_").rstrip("s") if name != "right" else name
        assert (
            all_of([t for t in shown.tables if "asked" in t[0]], name)
            == [sum(getattr(r, field) for r in asked)] * 2
        )


def test_metadata_and_settings_are_in_the_page(shown):
    lines = [line for table in shown.tables for line in table]
    assert ["CPU", "a CPU"] in lines
    assert ["CLARABEL", "high", "tol_feas", "1e-09"] in lines
    assert ["Python", "3.11"] in lines


def test_files_of_rows_have_every_row(written):
    rows, folder, _ = written
    with xr.open_dataset(folder / "rows.nc", engine="scipy") as back:
        assert back.sizes["question"] == len(rows)
        np.testing.assert_array_equal(back["right"], [r.right for r in rows])
        np.testing.assert_array_equal(back["error"], [r.error for r in rows])
        assert json.loads(back.attrs["metadata"])["machine"]["CPUs"] == 2
    found = json.loads((folder / "rows.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert found["metadata"]["versions"]["Python"] == "3.11"
    errors = [math.inf if r["error"] == "inf" else r["error"] for r in found["rows"]]
    assert errors == [r.error for r in rows]
    assert found["rows"][0]["tolerance"] is None
    lines = (folder / "rows.csv").read_text("utf-8").splitlines()
    assert len(lines) == len(rows) + 1


def test_same_rows_give_the_same_report(written, tmp_path):
    rows, folder, _ = written
    write_report(rows, METADATA, tmp_path)
    for name in ("report.html", "report.md", "rows.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_hostile_texts_are_texts():
    rows = [HOSTILE, HOSTILE[::-1]]
    sections = [Section(HOSTILE[0], [HOSTILE[2], DataTable(HOSTILE, rows, caption=HOSTILE[3])])]
    shown = Page(page(HOSTILE[0], sections))
    assert not any(tag in ("script", "b") for tag, _, _ in shown.attributes)
    plain = [text.encode("unicode_escape", "surrogatepass").decode() for text in HOSTILE]
    cells = [c.encode("unicode_escape").decode() for c in shown.tables[0][0]]
    assert [c.replace("\\\\", "\\") for c in cells] == plain
    text = markdown(HOSTILE[0], sections)
    text.encode()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    found = ["".join(child.content for child in token.children) for token in inline]
    assert found[-len(HOSTILE) * 3 :][: len(HOSTILE)] == shown.tables[0][0]


def test_hostile_names_do_not_break_a_report(tmp_path):
    rows = [
        row(problem=text, formulation=text, solver=text, settings=text, status=text, load=load)
        for text in (*HOSTILE[:7], HOSTILE[10])
        for load in (0.5, 0.9)
    ]
    rows.append(failed(skipped=HOSTILE[0], failure="", solver=HOSTILE[7]))
    write_report(rows, {HOSTILE[0]: {HOSTILE[7]: HOSTILE[3]}}, tmp_path)
    shown = Page((tmp_path / "report.html").read_text("utf-8"))
    assert not any(tag in ("script", "b") for tag, _, _ in shown.attributes)
    assert '<script>alert("x")</script>' in {c for t in shown.tables for line in t for c in line}
    for path in (tmp_path / "pictures").glob("*.svg"):
        ElementTree.fromstring(path.read_bytes())  # noqa: S314


@pytest.mark.parametrize(
    "rows",
    [[row()], [failed()], [failed(failure="", skipped="no cone")], [row(), failed(solver="SCS")]],
    ids=["one", "no answer", "all skipped", "two"],
)
def test_a_report_of_few_rows_is_whole(rows, tmp_path):
    write_report(rows, {}, tmp_path)
    shown = Page((tmp_path / "report.html").read_text("utf-8"))
    assert sum(all_of(shown.tables, "cells")) == len(rows)
    assert "nan" not in " ".join(shown.texts).lower().split()


def test_bad_rows_are_refused_before_any_file(tmp_path):
    with pytest.raises(InputError, match="are no results"):
        write_report([], METADATA, tmp_path / "new")
    with pytest.raises(InputError, match=r"^rows\[1\]"):
        write_report([row(), row()], METADATA, tmp_path / "new")
    assert not (tmp_path / "new").exists()


# ---- profiles


def test_profiles_are_those_by_hand():
    """Over three cells: 1 ms and 5 ms; wrong at once and 2 ms; both wrong."""
    times = {"A": [1e-3, 1e-6, 1e-6], "B": [5e-3, 2e-3, 1e-6]}
    wrong = {"A": [False, True, True], "B": [False, False, True]}
    rows = [
        row(solver=s, load=load, solve_seconds=times[s][i], error=1.0 if wrong[s][i] else 0.0)
        for s in times
        for i, load in enumerate((0.1, 0.5, 0.9))
    ]
    (comparison,) = Results(rows, 5.0).comparisons(rows)
    a, b = performance_profiles(comparison).values()
    np.testing.assert_allclose(a.x, [1.0])
    np.testing.assert_allclose(a.part, [1 / 3])
    np.testing.assert_allclose(b.x, [1.0, 3.0])  # (5 + 1) / (1 + 1), as ratios are of time + 1 ms
    np.testing.assert_allclose(b.part, [1 / 3, 2 / 3])
    a, b = data_profiles(comparison).values()
    np.testing.assert_allclose(a.x, [1e-3])
    np.testing.assert_allclose(b.x, [2e-3, 5e-3])
    assert list(fastest_counts(comparison).values()) == [1, 1]


def test_times_far_below_a_millisecond_are_equal():
    rows = [row(solver=s, solve_seconds=t) for s, t in (("A", 2e-5), ("B", 4e-5), ("C", 2e-3))]
    (comparison,) = Results(rows, 5.0).comparisons(rows)
    a, b, c = (float(profile.x[0]) for profile in performance_profiles(comparison).values())
    assert (a, b) == (1.0, pytest.approx(1.0, abs=0.02))
    assert c == pytest.approx(3.0, abs=0.1)
    assert list(fastest_counts(comparison).values()) == [1, 1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_profiles_rise_to_the_part_solved_right(seed):
    results = Results(random_rows(problems=1, sizes=(3,), seed=seed), 5.0)
    comparisons = results.comparisons(results.under("high"))
    assert len(comparisons) == len(set(SOLVERS.values()))
    for comparison in comparisons:
        for profiles in (performance_profiles, data_profiles):
            for entrant, profile in profiles(comparison).items():
                right = sum(r.right for r in comparison.rows[entrant]) / len(comparison.cells)
                assert np.all(np.diff(profile.x) >= 0)
                assert np.all(np.diff(profile.part) > 0)
                assert profile.part[-1] == pytest.approx(right)
                assert np.all(np.isfinite(profile.x))
        least = [p.x[0] for p in performance_profiles(comparison).values()]
        assert min(least) == 1.0
