"""Rows as tables for rich, and as JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..core.progress import printing


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
        One of a single cell opens a section.
    text : collection of str
        Headings of the columns that give way in a narrow terminal; the others hold numbers, but for the first, and are not cut.
    title, caption : str, optional
    """
    out = Table(title=title, caption=caption, caption_justify="left", box=SIMPLE_HEAD)
    for i, heading in enumerate(headings):
        wraps = heading in text
        out.add_column(heading, justify="left" if wraps or i == 0 else "right", no_wrap=not wraps, overflow="fold")
    for row in rows:
        if len(row) == 1:
            out.add_section()
        out.add_row(*row)
    return out


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


def print_json(found: Any) -> None:
    """Print a result as JSON, and nothing else."""
    with printing():
        sys.stdout.write(as_json(found))
