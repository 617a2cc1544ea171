"""One process at a time in a folder: a lock that the system frees whatever ends the process that holds it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from typing import IO

from ....reference.errors import InputError
from ...core.curve import warn
from .files import ELSEWHERE, there

LOCK = ".lock"
FAR = 2**30  # byte that Windows locks: it keeps others from reading locked ones
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def lock(folder: Path) -> IO[str]:
    """Return a file that keeps other processes out of a folder until it is closed, and says who holds it.

    A file system without locks is warned of.

    Raises
    ------
    InputError
        Naming the process that holds the lock.
    """
    there(folder, LOCK)
    file = (folder / LOCK).open("a+", encoding="utf-8", errors="replace")
    try:
        _take(file)
    except (OSError, ImportError) as error:
        if getattr(error, "errno", None) not in HELD:
            warn(
                f"{folder} cannot be locked: its file system has no locks; let no other process work there"
            )
            return file
        with file:
            file.seek(0)
            problem = f"is in use by {file.read(200) or 'another process'}"
        raise InputError(
            "out", str(folder), problem, f"wait for its end, stop it, {ELSEWHERE}"
        ) from None
    try:
        file.truncate(0)
        file.write(holder())
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def holder() -> str:
    """Return what names this process, for others to know it by."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _take(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
