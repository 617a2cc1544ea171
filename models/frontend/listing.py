"""What `sojourn list` says of the built-in scenarios: read from their files alone, so that nobody waits for the solvers."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from rich.markup import escape
from rich.table import Table


def listed() -> list[dict[str, Any]]:
    """One row a built-in scenario: its name, title, source and the names of its variants."""
    files = resources.files("sojourn.models").joinpath("scenarios").iterdir()
    said = {p.name.removesuffix(".toml"): tomllib.loads(p.read_text(encoding="utf-8")) for p in files if p.name.endswith(".toml")}
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
