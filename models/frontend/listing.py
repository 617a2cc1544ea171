"""What `sojourn list` says of the built-in scenarios: read from their files alone, so that nobody waits for the solvers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any

from rich.markup import escape

from .report import Report
from .tables import table


def built_in() -> dict[str, str]:
    """Text of each built-in scenario, by its name; they are in the folders of their systems."""
    systems = resources.files(__package__.rpartition(".")[0]).joinpath("systems").iterdir()
    folders = [scenarios for s in systems if (scenarios := s.joinpath("scenarios")).is_dir()]
    files = [p for folder in folders for p in folder.iterdir() if p.name.endswith(".toml")]
    return {p.name.removesuffix(".toml"): p.read_text(encoding="utf-8") for p in files}


def listed() -> list[dict[str, Any]]:
    """One row a built-in scenario: its name, title, source and the names of its variants."""
    said = {name: tomllib.loads(text) for name, text in built_in().items()}
    return [
        {
            "name": name,
            "title": s.get("title", name),
            "source": s.get("source", ""),
            "variants": list(s.get("variants", ())),
        }
        for name, s in sorted(said.items())
    ]


def report() -> Iterator[Report]:
    """Yield the rows, as a table and as JSON."""
    rows = listed()
    cells = [
        [
            escape(cell)
            for cell in (row["name"], row["title"], row["source"], "\n".join(row["variants"]))
        ]
        for row in rows
    ]
    headings = ("name", "what", "where its numbers are from", "variants")
    shown = table(headings, [line for row in cells for line in (row, ("",))], text=headings[1:])
    yield Report(rows, [shown])
