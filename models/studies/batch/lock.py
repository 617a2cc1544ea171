"""One process at a time in a folder: a lock that the system frees whatever ends the process that holds it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from typing import IO

FAR = 2**30  # byte that Windows locks: it keeps others from reading locked ones
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class HeldError(Exception):
    """Another process holds the lock; the text says which."""


def locked(path: Path) -> tuple[IO[str], bool]:
    """Return an open file that holds the lock until it is closed, and whether it does: not where the file system has no locks.

    Raises
    ------
    HeldError
    OSError
    """
    file = path.open("a+", encoding="utf-8", errors="replace")
    try:
        _take(file)
    except (OSError, ImportError) as error:
        if getattr(error, "errno", None) not in HELD:
            return file, False
        with file:
            file.seek(0)
            raise HeldError(file.read(200) or "another process") from None
    try:
        file.truncate(0)
        file.write(holder())
        file.flush()
    except BaseException:
        file.close()
        raise
    return file, True


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
