"""Writing files whole or not at all; one that cannot be written does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

NOT_WRITTEN, INTERRUPTED = 3, 130  # exit codes
out, err = Console(emoji=False), Console(stderr=True)


def write(path: Path, make: Callable[[Path], object]) -> bool:
    """Write a file whole or not at all; return whether that failed."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make(part)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True) if path.parent.is_dir() else None
        complain(f"cannot write {path}:", f"{error.strerror or error}; choose another folder with --out")
        return True
    return False


def complain(what: str, why: str) -> None:
    """Print one line on standard error, as it is: brackets are not markup, and a narrow terminal does not cut it."""
    err.print(Text.assemble((what, "bold red"), " ", why), soft_wrap=True)


def say_written(folder: Path) -> None:
    """Print what is in the folder."""
    if folder.is_dir():
        out.print(Text(f"\nwritten to {folder}: " + ", ".join(sorted(p.name for p in folder.glob("*.*")))))
