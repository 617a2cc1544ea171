"""What `sojourn list` says of the built-in scenarios: read from their files alone, so that nobody waits for the solvers."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from rich.markup import escape
from rich.table import Table


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
        {"name": name, "title": s.get("title", name), "source": s.get("source", ""), "variants": list(s.get("variants", ()))}
        for name, s in sorted(said.items())
    ]


def table(rows: list[dict[str, Any]]) -> Table:
    """Return the rows as a table for rich."""
    out = Table(show_lines=True)
    for heading in ("name", "what", "where its numbers are from", "variants"):
        out.add_column(heading, no_wrap=heading == "name")
    for row in rows:
        out.add_row(*(escape(cell) for cell in (row["name"], row["title"], row["source"], "\n".join(row["variants"]))))
    return out
