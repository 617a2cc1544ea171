"""The README: its commands, calls and code run, and print the output that it shows."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from markdown_it import MarkdownIt

import sojourn.models
from sojourn import reference

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = [(t.info, t.content) for t in MarkdownIt().parse(TEXT) if t.type == "fence"]
COMMANDS = [c for kind, text in BLOCKS if kind == "console" for c in text.splitlines()]
CALLS = [
    call
    for row in re.findall(r"^\|.*\| (`.*`) \|", TEXT, re.MULTILINE)
    for call in re.findall("`(.+?)`", row)
]


class Block(NamedTuple):
    """A Python block: its code, the output that the README shows, and what it printed."""

    code: str
    expected: str
    printed: str


def shown_output(code, next_kind, next_text):
    """Return the text block below the code, else the comments ``-> output`` of its lines."""
    comments = re.findall("-> (.*)$", code, re.MULTILINE)
    return next_text.rstrip("\n") if next_kind == "text" else "\n".join(comments)


@pytest.fixture(scope="module")
def executed():
    """Python blocks in their order, executed in one namespace, and that namespace."""
    namespace: dict[str, object] = {}
    blocks = []
    for (kind, code), following in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(code, namespace)  # noqa: S102
            output = printed.getvalue().rstrip("\n")
            blocks.append(Block(code, shown_output(code, *following), output))
    return blocks, namespace


def test_length():
    lines = TEXT.splitlines()
    assert len(lines) <= 150
    # rows of tables and the commands that CI reads are one line each
    assert [s for s in lines if len(s) > 100 and not s.startswith(("|", "python3 "))] == []


def test_python_blocks_print_what_is_shown(executed):
    blocks, _ = executed
    assert len(blocks) == 7
    for block in blocks:
        # the last digits of a certificate differ between machines
        pattern = re.sub(r"within\\ \S+ ", r"within\\ \\S+ ", re.escape(block.expected))
        pattern = re.sub(r"\d\\ Newton\\ steps?", r"\\d+\\ Newton\\ steps?", pattern)
        assert block.expected, f"no output is shown of\n{block.code}"
        assert re.fullmatch(pattern, block.printed), (
            f"expected\n{block.expected}\nprinted\n{block.printed}"
        )


def test_there_are_calls():
    assert len(CALLS) >= 15


@pytest.mark.parametrize("call", CALLS)
def test_calls_of_the_table_return_an_answer(call, executed):
    _, namespace = executed
    public = {name: getattr(sojourn.models, name) for name in sojourn.models.__all__}
    given = {"load": 4.0, "loads": np.array([1.0, 4.0]), "p": 0.9, "reference": reference}
    given["flows"] = [[60.0, 0.0, 30.0], [0.0, 60.0, 0.0]]  # of two groups to three servers
    systems = {"systems": [namespace["system"]]}
    assert eval(call, public | namespace | given | systems) is not None  # noqa: S307


@pytest.mark.parametrize(
    "line",
    [pytest.param(c, marks=pytest.mark.slow if " anarchy " in c else ()) for c in COMMANDS],
)
def test_commands_work(line, sojourn):
    program, *arguments = line.removeprefix("$ ").split()
    assert program == "sojourn"
    status, out, err = sojourn(*arguments)
    assert status == 0, err
    assert out.strip()
    if "--json" in arguments:
        assert json.loads(out)["load"] > 0


def test_links_lead_to_files():
    links = re.findall(r"\]\(([\w./-]+)\)", TEXT)
    assert len(links) > 10
    # folders with a dot, such as .github, are not in every copy of the tree
    missing = [link for link in links if link[0] != "." and not (README.parent / link).exists()]
    assert missing == []


def test_ci_runs_the_two_commands():
    """The two lines that CI runs are found by their markers, each in the fence that follows."""
    for marker, end in (
        ("main job", "sojourn run --out report"),
        ("tests", "pytest -n 2 --dist worksteal"),
    ):
        found = re.search(rf"<!-- {marker} -->\n```sh\n(.*)\n```", TEXT)
        assert found, marker
        assert found[1].startswith("python3 -m venv .venv && ")
        assert found[1].endswith(end)


def test_picture_is_drawn_by_the_program(sojourn, tmp_path):
    from matplotlib.image import imread

    assert sojourn("run", "--out", tmp_path)[0] == 0
    fresh, kept = (
        imread(tmp_path / "curve.png"),
        imread(README.parent / "notebooks" / "scenario-1.png"),
    )
    assert fresh.shape == kept.shape
    # fonts are drawn a little differently from one version of matplotlib to the next
    assert np.abs(fresh - kept).mean() < 0.01
