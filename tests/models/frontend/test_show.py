"""Tables in terminals of any width: no number is cut."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from sojourn.models.frontend import files


@pytest.fixture
def console(monkeypatch):
    def set_width(width):
        console = Console(width=width, file=io.StringIO())
        monkeypatch.setattr(files, "out", console)
        return console

    return set_width


def table():
    made = Table(title="a title", caption="a caption")
    made.add_column("server", overflow="fold", min_width=6)
    for i in range(6):
        made.add_column(f"optimum\nnumber {i}", justify="right", no_wrap=True)
    for name in ("edge", "a server of a long name", "cloud"):
        made.add_row(name, *(f"0.{i}12345" for i in range(6)))
    return made


@pytest.mark.parametrize(("width", "parts"), [(200, 1), (80, 1), (70, 2), (40, 3), (25, 6)])
def test_table_is_divided_into_as_few_as_possible(console, width, parts):
    shown = console(width)
    files.show(table())
    text = shown.file.getvalue()
    assert text.count("server ") >= parts
    assert text.count("┏") == parts
    assert " ".join(text.split()).count("a title") == text.count("a caption") == 1
    assert "…" not in text
    for i in range(6):
        assert text.count(f"0.{i}12345") == 3


def test_sections_and_styles_are_kept(console):
    made = table()
    made.add_section()
    made.add_row("mean", *"123456", style="bold")
    shown = console(40)
    files.show(made)
    assert shown.file.getvalue().count("├") == 3
