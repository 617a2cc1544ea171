"""The HTML of a result, which notebooks show in place of its text."""

from __future__ import annotations

import re
from html import escape

from .plural import counted

MOST = 40  # rows; the text has them all
CELLS = re.compile(r" {2,}")


class HtmlTable:
    """A result whose HTML is a table of the lines of its text.

    The first line is the caption. Two or more spaces separate the cells of any other line.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return the table, with all text escaped."""
        caption, *lines = str(self).splitlines()
        rows = [CELLS.split(line.strip()) for line in lines[:MOST]]
        if len(lines) > MOST:
            rows.append([f"and {counted(len(lines) - MOST, 'more line')}"])
        width = max(map(len, rows), default=1)
        body = "".join(f"<tr>{_cells(row, width)}</tr>" for row in rows)
        head = f'<caption style="text-align: left">{escape(caption)}</caption>'
        return f"<table>{head}<tbody>{body}</tbody></table>"


def _cells(row: list[str], width: int) -> str:
    """Return the cells of a row; the last one fills the row."""
    *first, last = (escape(cell) for cell in row)
    span = f' colspan="{width - len(first)}"' if len(row) < width else ""
    style = ' style="text-align: left"'
    return "".join(f"<td{style}>{cell}</td>" for cell in first) + f"<td{span}{style}>{last}</td>"
