"""The outputs that the README shows are those of its blocks."""

import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from sojourn.models.frontend.loader import parse

README = Path(__file__).parents[1] / "README.md"
BLOCKS = [
    (t.info, t.content)
    for t in MarkdownIt().parse(README.read_text(encoding="utf-8"))
    if t.type == "fence"
]


def test_python_blocks_print_what_the_readme_says(capsys):
    names: dict[str, object] = {}
    shown = 0
    for (kind, code), (next_kind, expected) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if kind != "python":
            continue
        exec(code, names)  # noqa: S102
        printed = capsys.readouterr().out
        if next_kind == "text":
            # the last digits of a certificate differ between machines
            pattern = re.escape(expected.rstrip("\n")).replace(r"\.\.\.", r"\d*")
            pattern = re.sub(r"within\\ \S+ ", r"within\\ \\S+ ", pattern)
            pattern = re.sub(r"\d\\ Newton", r"\\d+\\ Newton", pattern)
            assert re.fullmatch(pattern, printed.rstrip("\n")), (
                f"expected\n{expected}\nprinted\n{printed}"
            )
            shown += 1
    assert shown == 11


LINES = [c for kind, text in BLOCKS if kind == "console" for c in text.splitlines()]


@pytest.mark.parametrize(
    "line", [pytest.param(c, marks=pytest.mark.slow if " anarchy " in c else ()) for c in LINES]
)
def test_commands_work(line, sojourn):
    program, *arguments = line.removeprefix("$ ").split()
    assert program == "sojourn"
    status, out, err = sojourn(*arguments)
    assert status == 0, err
    assert out.strip()
    if "--json" in arguments:
        assert json.loads(out)["load"] > 0


def test_toml_is_a_scenario(tmp_path):
    text, servers = [text for kind, text in BLOCKS if kind == "toml"]
    scenario = parse(text, "readme")
    assert scenario.system.total_rate == pytest.approx(520)
    assert scenario.system.equilibrium(scenario.load).certified
    (tmp_path / "servers.csv").write_text(
        "name,mu_rps,delay,region\nroom,120,2,north\ncloud,400,30,west\n"
    )
    table = parse('[units]\nrate = "1/s"\ndelay = "ms"\n' + servers, "readme", tmp_path)
    assert table.system.names == ("room", "cloud")


def test_ci_runs_the_two_commands():
    """The two lines that CI runs are found by their markers, each in the fence that follows."""
    text = README.read_text(encoding="utf-8")
    for marker, end in (
        ("main job", "sojourn run --out report"),
        ("tests", "pytest -n 2 --dist worksteal"),
    ):
        found = re.search(rf"<!-- {marker} -->\n```sh\n(.*)\n```", text)
        assert found, marker
        assert found[1].startswith("python3 -m venv .venv && ")
        assert found[1].endswith(end)


def test_picture_is_drawn_by_the_program(sojourn, tmp_path):
    import numpy as np
    from matplotlib.image import imread

    assert sojourn("run", "--out", tmp_path)[0] == 0
    fresh, kept = (
        imread(tmp_path / "curve.png"),
        imread(README.parent / "notebooks" / "scenario-1.png"),
    )
    assert fresh.shape == kept.shape
    # fonts are drawn a little differently from one version of matplotlib to the next
    assert np.abs(fresh - kept).mean() < 0.01
