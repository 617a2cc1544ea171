"""Files of a study, whole or not there; what cannot be read or written, or has no end, is named in an InputError."""

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
ELSEWHERE = "or give another folder"


def folder_at(field: str, given: Any) -> Path:
    """Return the path of a folder, there or not; InputError on one of something else."""
    folder = as_path(field, given)
    with refused(field, folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(field, given, "is not a folder", "give a folder")
    return folder


@contextmanager
def refused(field: str, folder: Path) -> Iterator[None]:
    """Name what the system refuses to read or write."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path that none can be
        file = os.path.relpath(getattr(error, "filename", None) or folder, folder)
        problem = f"{'' if file == '.' else f'its {file} '}cannot be used: {getattr(error, 'strerror', None) or error}"
        raise InputError(
            field,
            str(folder),
            problem,
            f"make room and permit reading and writing there, {ELSEWHERE}",
        ) from error


def there(folder: Path, name: str, field: str = "out") -> bool:
    """Whether there is such a file; InputError where it is a folder, a device or a pipe, which may have no end. The chunks are a folder."""
    tolerance, what = (stat.S_ISDIR, "folder") if name == CHUNKS else (stat.S_ISREG, "regular file")
    with refused(field, folder):
        if not os.path.lexists(folder / name):
            return False
        if not tolerance((folder / name).stat().st_mode):
            raise InputError(
                field, str(folder), f"its {name} is not a {what}", f"remove that, {ELSEWHERE}"
            )
        return True


def content(field: str, folder: Path, name: str) -> bytes:
    """Return what is in a file; InputError on one that cannot be read, or that no study writes."""
    with refused(field, folder):
        there(folder, name, field)
        return (folder / name).read_bytes()


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whatever happens to the power."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # whatever it is, it is not written to
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
