"""The list of built-in scenarios of ``sojourn list``, read without an import of the solvers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any

from rich.markup import escape

from .report import Report
from .tables import table


def built_in() -> dict[str, str]:
    """Return the TOML text of each built-in scenario by name, from the folders of the kinds."""
    systems = resources.files(__package__.rpartition(".")[0]).joinpath("systems").iterdir()
    folders = [scenarios for s in systems if (scenarios := s.joinpath("scenarios")).is_dir()]
    files = [p for folder in folders for p in folder.iterdir() if p.name.endswith(".toml")]
    return {p.name.removesuffix(".toml"): p.read_text(encoding="utf-8") for p in files}


def listed() -> list[dict[str, Any]]:
    """Return one row for each scenario: its name, title, source and the names of its variants."""
    contents = {name: tomllib.loads(text) for name, text in built_in().items()}
    return [
        {
            "name": name,
            "title": content.get("title", name),
            "source": content.get("source", ""),
            "variants": list(content.get("variants", ())),
        }
        for name, content in sorted(contents.items())
    ]


def report() -> Iterator[Report]:
    """Yield the report of ``sojourn list``: the rows as a table and as JSON."""
    rows = listed()
    texts = [(row["name"], row["title"], row["source"], "\n".join(row["variants"])) for row in rows]
    cells = [[escape(text) for text in row] for row in texts]
    headings = ("name", "what", "where its numbers are from", "variants")
    shown = table(headings, [line for row in cells for line in (row, ("",))], text=headings[1:])
    yield Report(rows, [shown])
