"""A report as Markdown whose tables are readable as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .....reference.errors import escaped
from .document import Block, Bullets, DataTable, Picture, Section

MARKUP = re.compile(r"[\\`*\[\]<>|~$&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""Characters that would be markup; an underscore within a word is none."""
LINE_START = re.compile(r"^(\s*)([#+=-]|\d+[.)])")
PICTURES = "pictures"
"""Folder of the pictures beside the report."""


def markdown(title: str, sections: Sequence[Section]) -> str:
    """Return a report as Markdown; its pictures are files in the folder ``pictures``."""
    return "\n\n".join([f"# {plain_text(title)}", *_sections(sections, 2)]) + "\n"


def plain_text(text: str) -> str:
    """Return a text on one line in which no character is markup."""
    text = MARKUP.sub(lambda match: f"\\{match[0]}", escaped(text))
    return LINE_START.sub(_escape_start, text)


def _escape_start(match: re.Match[str]) -> str:
    spaces, sign = match.groups()
    return f"{spaces}{sign[:-1]}\\{sign[-1]}"


def _sections(sections: Sequence[Section], level: int) -> Iterator[str]:
    for section in sections:
        yield f"{'#' * level} {plain_text(section.title)}"
        for block in section.blocks:
            if isinstance(block, Section):
                yield from _sections([block], level + 1)
            else:
                yield _block(block)


def _block(block: Block) -> str:
    if isinstance(block, DataTable):
        return _table(block)
    if isinstance(block, Picture):
        caption = plain_text(block.caption)
        return f"![{caption}]({PICTURES}/{block.name}.svg)\n\n{caption}"
    if isinstance(block, Bullets):
        return "\n".join(f"- {plain_text(item)}" for item in block.items)
    return plain_text(str(block))


def _table(table: DataTable) -> str:
    """Return a table with aligned columns, its caption above and how to read it below."""
    lines = [[_cell(cell) for cell in row] for row in (table.headings, *table.rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(table.headings))]
    left = [i < table.names for i in range(len(widths))]
    rule = [
        "-" * width if name else "-" * (width - 1) + ":"
        for width, name in zip(widths, left, strict=True)
    ]
    padded = [
        [
            cell.ljust(w) if name else cell.rjust(w)
            for cell, w, name in zip(line, widths, left, strict=True)
        ]
        for line in lines
    ]
    text = "\n".join(f"| {' | '.join(line)} |" for line in (padded[0], rule, *padded[1:]))
    above = f"**{plain_text(table.caption)}**\n\n" if table.caption else ""
    reading = "\n".join(
        f"- *{plain_text(term)}*: {plain_text(what)}" for term, what in table.reading
    )
    return above + text + (f"\n\n{reading}" if reading else "")


def _cell(text: str) -> str:
    return MARKUP.sub(lambda match: f"\\{match[0]}", escaped(text)).strip()
