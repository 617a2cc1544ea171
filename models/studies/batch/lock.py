"""Lock of a study's folder; the operating system releases it when its holder ends."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from pathlib import Path
from typing import IO

from ....reference.errors import InputError
from ...core.warn import warn
from .files import ANOTHER_FOLDER, has_file

LOCK = ".lock"
LOCKED_BYTE = 2**30
"""Byte that is locked on Windows: beyond the text, because others cannot read locked bytes."""
LOOKS, BETWEEN = 20, 0.005
"""Looks for the name of the holder of a lock, and s between two of them."""
HELD_BY_OTHERS = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def lock(folder: Path) -> IO[str]:
    """Return an open file that keeps other processes out of a folder until it is closed.

    The file holds the name of this process. Where the file system has no locks, a warning is
    issued and the folder is used without one.

    Raises
    ------
    InputError
        Where another process holds the lock; the message names that process.
    """
    has_file(folder, LOCK)
    file = (folder / LOCK).open("a+", encoding="utf-8", errors="replace")
    try:
        _acquire(file)
    except (OSError, ImportError) as error:
        if getattr(error, "errno", None) not in HELD_BY_OTHERS:
            reason = "its file system has no locks; let no other process work there"
            warn(f"{folder} cannot be locked: {reason}")
            return file
        with file:
            problem = f"is in use by {_holder(file)}"
        remedy = f"wait for its end, stop it, {ANOTHER_FOLDER}"
        raise InputError("out", str(folder), problem, remedy) from None
    try:
        file.truncate(0)
        file.write(process_name())
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _holder(file: IO[str]) -> str:
    """Return what the process that holds the lock has written, which it does a moment later."""
    for _ in range(LOOKS):
        file.seek(0)
        if name := file.read(200):
            return name
        time.sleep(BETWEEN)
    return "another process"


def process_name() -> str:
    """Return the number of this process and the name of its machine."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _acquire(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
