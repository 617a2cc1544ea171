"""Files of a study: atomic writes, and an InputError for what cannot be read or written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ....reference.errors import InputError
from ....reference.validation import as_path

CHUNKS = "chunks"
ANOTHER_FOLDER = "or give another folder"


def as_folder(field: str, value: Any) -> Path:
    """Return the path of a folder that may not exist yet; InputError where it is a file."""
    folder = as_path(field, value)
    with os_errors_as_input(field, folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(field, value, "is not a folder", "give a folder")
    return folder


@contextmanager
def os_errors_as_input(field: str, folder: Path) -> Iterator[None]:
    """Turn errors of the operating system into an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        file = os.path.relpath(getattr(error, "filename", None) or folder, folder)
        reason = getattr(error, "strerror", None) or error
        problem = f"{'' if file == '.' else f'its {file} '}cannot be used: {reason}"
        remedy = f"make room and permit reading and writing there, {ANOTHER_FOLDER}"
        raise InputError(field, str(folder), problem, remedy) from error


def has_file(folder: Path, name: str, field: str = "out") -> bool:
    """Return whether a regular file of this name exists; for ``chunks``, whether the folder does.

    Raises
    ------
    InputError
        Where something else has the name: reading a device or a pipe may never end.
    """
    is_expected, expected = (
        (stat.S_ISDIR, "folder") if name == CHUNKS else (stat.S_ISREG, "regular file")
    )
    with os_errors_as_input(field, folder):
        if not os.path.lexists(folder / name):
            return False
        if not is_expected((folder / name).stat().st_mode):
            problem = f"its {name} is not a {expected}"
            raise InputError(field, str(folder), problem, f"remove that, {ANOTHER_FOLDER}")
        return True


def read_file(field: str, folder: Path, name: str) -> bytes:
    """Return the content of a file; InputError where it cannot be read or is no regular file."""
    with os_errors_as_input(field, folder):
        has_file(folder, name, field)
        return (folder / name).read_bytes()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, also across a power failure."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # a link or a pipe of this name must not be written to
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
