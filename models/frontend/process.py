"""The process of the command: signals that end it, standard streams that are closed or full, warnings, exit codes.

Nothing here holds for the library in a program of somebody else's.
"""

from __future__ import annotations

import atexit
import errno
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

UNCERTIFIED, BAD_INPUT, NOT_WRITTEN, INTERRUPTED = (
    1,
    2,
    3,
    130,
)  # exit codes; by another signal than Ctrl-C, 128 and its number
NARROWEST = 20  # columns of a terminal: with none rich prints nothing
ENDING = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]


class Interruption:
    """The signal that interrupts the work, whether there is any yet, and whether some of it is not to be broken off."""

    by: int = signal.SIGINT
    begun = held = waits = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the work as Ctrl-C does; before there is any, end the process."""
        self.by = number
        if not self.begun:
            with suppress(OSError):
                os.write(2, b"interrupted\n")
            os._exit(128 + number)
        elif self.held and not self.waits:
            self.waits = True
        elif _importing(frame):
            again = threading.Timer(0.02, signal.raise_signal, (number,))
            again.daemon = True
            again.start()
        else:
            raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: one written in C that is interrupted then can take the process with it."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


interruption = Interruption()


def begin() -> None:
    """From here on there is work of which an interruption leaves a part."""
    interruption.begun = True


@contextmanager
def unbroken() -> Iterator[None]:
    """Put off a first interruption to the end of what is inside; a second one is not."""
    interruption.held, interruption.waits = True, False
    try:
        yield
    finally:
        interruption.held = False
    if interruption.waits:
        raise KeyboardInterrupt


class Stream(io.TextIOWrapper):
    """A standard stream to which nothing fails: once it is closed, full or left by its reader, what is written is dropped."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or drop."""
        try:
            return super().write(text)
        except OSError as error:
            self.drop(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or drop."""
        try:
            super().flush()
        except OSError as error:
            self.drop(error)

    def drop(self, why: OSError) -> None:
        """Drop what is left and all that follows."""
        self.failure = self.failure or why
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), self.fileno())


@contextmanager
def command() -> Iterator[None]:
    """Let signals interrupt the work, keep standard output to the result, and print a warning as one line."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        # what the caller ignores, as nohup does, stays so
        free = [
            number for number in ENDING if signal.getsignal(number) not in (signal.SIG_IGN, None)
        ]
        before = {number: signal.signal(number, interruption) for number in free}
        atexit.unregister(_deaf)
        atexit.register(_deaf)
    alone = (
        sys.stdout is sys.__stdout__
    )  # else somebody calls from Python, and reads what is printed there
    interruption.by, interruption.begun = signal.SIGINT, not alone
    try:
        if alone:
            _take_streams()
            os.environ["MPLBACKEND"] = "agg"  # pictures are files, whatever backend the user has
            if (columns := os.environ.get("COLUMNS", "")).isdigit() and int(columns) < NARROWEST:
                os.environ["COLUMNS"] = str(NARROWEST)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]  # it says no more than the text
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deaf() -> None:
    """Let nothing change the exit code of a process that is about to end."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _take_streams() -> None:
    """Print Python's output where it goes, and send what libraries print past Python to standard error, also at exit."""
    # a closed descriptor would be the next file's
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        # a name that the terminal cannot show is escaped
        at_once, encoding = os.isatty(number) or number == 2, getattr(old, "encoding", "utf-8")
        stream = Stream(
            open(os.dup(number), "wb"), encoding, "backslashreplace", line_buffering=at_once
        )  # noqa: SIM115
        if old is None:
            stream.failure = OSError(errno.EBADF, "it is closed")
        setattr(sys, name, stream)
    os.dup2(2, 1)


def _show_warning(message: Warning | str, *_: object) -> None:
    from .files import complain

    complain("warning:", " ".join(str(message).split()))


def concluded(code: int) -> int:
    """Print what is left and return the exit code: of the signal, where one interrupted, and of output that could not be written."""
    from .files import complain, err

    try:
        sys.stdout.flush()
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        if isinstance(sys.stdout, Stream):
            sys.stdout.drop(OSError())
        err.print("interrupted")
        return 128 + interruption.by
    failure = getattr(sys.stdout, "failure", None)
    if failure is None or isinstance(failure, BrokenPipeError) or code not in (0, UNCERTIFIED):
        return code
    complain("cannot write the output:", str(failure.strerror or failure))
    return NOT_WRITTEN
