"""All files of the report of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ....frontend.files import write
from ..row import Row
from .contents import contents
from .document import Picture, Section
from .files import FORMATS, save
from .html import page
from .infeasible import divided, infeasible_section
from .markdown import PICTURES, markdown
from .metadata import metadata_tables
from .pictures.drawing import style
from .results import Results, limit_of

TITLE = "Conic solvers on problems of known answers"


def write_report(rows: Sequence[Row], metadata: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the report of a run, from its rows and metadata alone.

    Parameters
    ----------
    rows : sequence of Row
        At least one; one row an instance, solver, settings and tolerance.
    metadata : mapping
        Machine, versions, settings and limits of the run; the report has them as they are. The
        value of ``limit``, seconds, is the limit of time.
    folder : Path
        It is made where there is none.

    Returns
    -------
    list of Path
        The files written: ``rows.csv``, ``rows.json``, ``rows.nc``, ``report.md`` with its
        pictures as files, and ``report.html``, which needs no other file. Of one that cannot be
        written a message on standard error says why.

    Raises
    ------
    InputError
        On no rows, and on two rows of the same cell; before any file is written.
    """
    limit = Results(rows, limit_of(rows, metadata)).limit
    files: dict[str, Callable[[Path], object]] = {
        f"rows{ending}": partial(save, rows, metadata) for ending in FORMATS
    }
    # the rows first: they are the work
    paths = _written(files, folder)
    with style():
        sections = _sections(rows, limit, metadata)
    texts = {
        **{f"{PICTURES}/{p.name}.svg": p.svg for p in _pictures(sections)},
        "report.md": markdown(TITLE, sections),
        "report.html": page(TITLE, sections),
    }
    return paths + _written({name: partial(_save, text) for name, text in texts.items()}, folder)


def _sections(rows: Sequence[Row], limit: float, metadata: Mapping[str, Any]) -> list[Section]:
    """Return the sections, with one of their own for infeasible instances."""
    feasible, infeasible = divided(rows)
    further = [infeasible_section(Results(infeasible, limit))] if infeasible else []
    if feasible:
        return contents(Results(feasible, limit), metadata, further)
    return [*further, Section("Machine, versions and settings", metadata_tables(metadata))]


def _written(files: Mapping[str, Callable[[Path], object]], folder: Path) -> list[Path]:
    return [folder / name for name, make in files.items() if write(folder / name, make)]


def _save(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _pictures(sections: Sequence[Section]) -> Iterator[Picture]:
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Picture):
                yield block
            elif isinstance(block, Section):
                yield from _pictures([block])
