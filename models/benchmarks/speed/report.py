"""What `sojourn bench speed` prints and writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ...frontend.files import NOT_WRITTEN, out, say_written, write
from .growth_plot import plot_growth
from .ratios import speed

FOLDER = Path("speed")


def run(folder: Path | None, *, as_json: bool, small: bool = False) -> int:
    """Measure, print the table of ratios, write it as Markdown and JSON with the picture of growth; return the exit code."""
    measured, folder = speed(small=small), FOLDER if folder is None else folder
    text = json.dumps(measured.to_dict(), indent=2) + "\n"
    if as_json:
        sys.stdout.write(text)
    else:
        out.print(measured.table())
    failed = [
        write(folder / "speed.md", lambda p: p.write_text(measured.markdown(), encoding="utf-8")),
        write(folder / "speed.json", lambda p: p.write_text(text, encoding="utf-8")),
        write(folder / "growth.png", lambda p: plot_growth(measured.growth).savefig(p, dpi=150)),
    ]
    if not as_json:
        say_written(folder)
    return NOT_WRITTEN if any(failed) else 0
