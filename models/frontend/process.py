"""The process of the command: signals, closed or full standard streams, warnings, exit codes.

Only the command uses this module. The library in another program leaves its process alone.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# exit codes; after another signal than Ctrl-C it is 128 plus the number of the signal
UNCERTIFIED, BAD_INPUT, NOT_WRITTEN, INTERRUPTED = 1, 2, 3, 130
MIN_WIDTH = 20  # least width of a terminal, in characters: rich prints nothing at a width of 0
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # those that end the command
END_SIGNALS = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]


class Interruption:
    """Handler of the signals that end the command.

    Attributes
    ----------
    by : int
        Number of the last signal.
    begun : bool
        Whether work has begun of which an interruption leaves results.
    held : bool
        Whether the work must not be interrupted now; see `unbroken`.
    waits : bool
        Whether a signal arrived in that time.
    """

    by: int = signal.SIGINT
    begun = held = waits = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt; before the work has begun, end the process."""
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
    """Return whether an import is running; interrupted, a module in C can crash the process."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


interruption = Interruption()


def begin() -> None:
    """Declare that work begins of which an interruption leaves results."""
    interruption.begun = True


@contextmanager
def quick_imports() -> Iterator[None]:
    """Collect no garbage while the block imports modules, and never look at these again.

    Otherwise a sixth of the time that CVXPY needs is the search for garbage, while it is imported
    and when the process ends. In the process of another program nothing changes.
    """
    if not isinstance(sys.stdout, Stream) or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def unbroken() -> Iterator[None]:
    """Delay a first interruption to the end of the block; a second one is immediate."""
    interruption.held, interruption.waits = True, False
    try:
        yield
    finally:
        interruption.held = False
    if interruption.waits:
        raise KeyboardInterrupt


class Stream(io.TextIOWrapper):
    """A standard stream whose writes do not raise.

    After an error (the stream is closed, the disk is full, the reader has gone) all further text is
    dropped.

    Attributes
    ----------
    failure : OSError or None
        The first error.
    """

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text; drop it after an error."""
        try:
            return super().write(text)
        except OSError as error:
            self.drop(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream; drop its buffer after an error."""
        try:
            super().flush()
        except OSError as error:
            self.drop(error)

    def drop(self, why: OSError) -> None:
        """Drop the buffered text and all further text."""
        self.failure = self.failure or why
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), self.fileno())


@contextmanager
def command() -> Iterator[None]:
    """Set up the process for a command, and restore the signal handlers afterwards.

    Signals interrupt the work, standard output holds the result only, and a warning is one line.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        # a signal that the caller ignores, as nohup does, stays ignored
        ignored = (signal.SIG_IGN, None)
        handled = [number for number in END_SIGNALS if signal.getsignal(number) not in ignored]
        before = {number: signal.signal(number, interruption) for number in handled}
        atexit.unregister(_ignore_signals)
        atexit.register(_ignore_signals)
    # otherwise Python code calls the command and captures its output
    owns_process = sys.stdout is sys.__stdout__
    interruption.by, interruption.begun = signal.SIGINT, not owns_process
    try:
        if owns_process:
            _replace_streams()
            os.environ["MPLBACKEND"] = "agg"  # pictures are files; no window is needed
            if (columns := os.environ.get("COLUMNS", "")).isdigit() and int(columns) < MIN_WIDTH:
                os.environ["COLUMNS"] = str(MIN_WIDTH)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]  # fewer parameters
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """Ignore signals at the end of the process, so that they do not change its exit code."""
    for number in END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _replace_streams() -> None:
    """Replace the standard streams; output of C libraries goes to standard error, also at exit."""
    # occupy closed descriptors, which the next opened file would get
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        encoding = getattr(old, "encoding", "utf-8")
        line_buffering = os.isatty(number) or number == 2
        file = open(os.dup(number), "wb")  # noqa: SIM115  # the stream closes it
        # characters that the terminal cannot show are escaped
        stream = Stream(file, encoding, "backslashreplace", line_buffering=line_buffering)
        if old is None:
            stream.failure = OSError(errno.EBADF, "it is closed")
        setattr(sys, name, stream)
    os.dup2(2, 1)


def _show_warning(message: Warning | str, *_: object) -> None:
    """Print the text of a warning as one line."""
    from .files import complain

    complain("warning:", " ".join(str(message).split()))


def concluded(code: int) -> int:
    """Flush standard output and return the exit code of the process.

    Parameters
    ----------
    code : int
        Exit code of the command.

    Returns
    -------
    int
        128 plus the number of the signal after an interruption; `NOT_WRITTEN` where standard output
        could not be written; else `code`.
    """
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
