"""Rows as tables for rich, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text: Collection[str] = (),
    title: str | None = None,
    caption: str | None = None,
) -> Table:
    """Return rows of rich's markup as a table.

    Parameters
    ----------
    headings : sequence of str
    rows : iterable of sequence of str
        One of a single cell opens a section, with that as its heading where it is not empty.
    text : collection of str
        Headings of the columns that give way in a narrow terminal; the others hold numbers, but for the first, and are not cut.
    title, caption : str, optional
    """
    out = Table(
        title=title, caption=caption, caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for i, heading in enumerate(headings):
        wraps = heading in text
        out.add_column(
            heading,
            justify="left" if wraps or i == 0 else "right",
            no_wrap=not wraps,
            overflow="fold",
        )
    for row in rows:
        if len(row) == 1:
            out.add_section()
        if row != ("",):
            out.add_row(*row)
    return out


def ruled(name: str, cells: Iterable[str]) -> list[tuple[str, ...]]:
    """Return a section of one row in bold, or none where it has no cells."""
    bold = [f"[bold]{cell}" if cell else "" for cell in cells]
    return [("",), (f"[bold]{name}", *bold)] if bold else []


def plain(value: Any) -> Any:
    """Return what JSON can hold: a dataclass as a dictionary, None for a number that is infinite or missing."""
    if is_dataclass(value):
        value = value.to_dict() if hasattr(value, "to_dict") else vars(value)
    if isinstance(value, Mapping):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(found: Any) -> str:
    """Return a result as the text of a JSON file; see `plain`."""
    return json.dumps(plain(found), indent=2) + "\n"
