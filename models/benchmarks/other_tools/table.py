"""The comparison with peers as a table for rich."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import cvxpy as cp
import numpy as np
import scipy
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from .compare import LIMIT, REPEATS, PeerRow


def table(rows: Sequence[PeerRow], limit: float = LIMIT) -> Table:
    """Return the rows as a table: a section a system, and the settings of each method below."""
    versions = (
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, CVXPY {cp.__version__}"
    )
    out = Table(title=f"the least mean delay by this library and by others\n{versions}", caption=_caption(rows, limit), box=SIMPLE_HEAD)
    out.caption_justify = "left"
    out.add_column("system, method", no_wrap=True)
    for heading in ("mean delay\nms", "true\nerror", "seconds"):
        out.add_column(heading, justify="right", no_wrap=True)
    out.add_column("certifies", overflow="fold")
    for i, row in enumerate(rows):
        if i == 0 or row.system != rows[i - 1].system:
            out.add_section()
            out.add_row(f"[bold]{escape(row.system)}")
        out.add_row(f"  {escape(row.method)}", *_cells(row))
    return out


def _cells(row: PeerRow) -> tuple[str, ...]:
    if row.problem:
        return "", "", "", f"[dim]{escape(row.problem)}"
    error = f"{row.error:.1e}" if abs(row.error) < 1e-3 else f"{row.error:.1%}"
    return f"{1e3 * row.mean_delay:.6g}", error, f"{row.seconds:.2g}", escape(row.certifies)


def _caption(rows: Sequence[PeerRow], limit: float) -> str:
    settings = {row.method: row.settings for row in rows if row.settings}
    lines = [
        "true error: mean delay, by the exact latency, at the split that the method returned, over the least, less 1",
        f"many loads: the mean delay at the last, the worst error, the seconds of all; medians of up to {REPEATS} runs; limit {limit:g} s",
        *(f"{method}: {how}" for method, how in settings.items()),
    ]
    return escape("\n".join(lines))
