"""Rows of results as tables of `rich` and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Literal

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
    """Return rows as a table of `rich`.

    Parameters
    ----------
    headings : sequence of str
        Headings of the columns.
    rows : iterable of sequence of str
        Cells, in the markup of `rich`. A row of one cell starts a section; unless it is empty, the
        cell is the heading of the section.
    text : collection of str
        Headings of the columns of text, whose lines are broken in a narrow terminal. Other columns
        hold numbers, which are not broken.
    title, caption : str, optional
        Texts above and below the table.
    """
    style: dict[str, Any] = {"box": SIMPLE_HEAD, "padding": (0, 1, 0, 0)}
    out = Table(title=title, caption=caption, caption_justify="left", **style)
    for i, heading in enumerate(headings):
        is_text = heading in text
        side: Literal["left", "right"] = "left" if is_text or i == 0 else "right"
        out.add_column(heading, justify=side, no_wrap=not is_text, overflow="fold")
    for row in rows:
        if len(row) == 1:
            out.add_section()
        if row != ("",):
            out.add_row(*row)
    return out


def ruled(name: str, cells: Iterable[str]) -> list[tuple[str, ...]]:
    """Return a section with one row in bold; an empty list where there are no cells."""
    bold = [f"[bold]{cell}" if cell else "" for cell in cells]
    return [("",), (f"[bold]{name}", *bold)] if bold else []


def plain(value: Any) -> Any:
    """Return a value as JSON has it: a dataclass is a mapping, and None stands for NaN or inf."""
    if is_dataclass(value):
        value = value.to_dict() if hasattr(value, "to_dict") else vars(value)
    if isinstance(value, Mapping):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(found: Any) -> str:
    """Return a value as JSON text; see `plain`."""
    return json.dumps(plain(found), indent=2) + "\n"
