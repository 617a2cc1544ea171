"""Pool of worker processes, each with a limit of time and of memory, replaced where it fails.

Pools of other libraries limit the time of a whole task. Here a task marks the part that is limited,
so that a solver does not pay for the reading of its instance nor for the check of its answer, and
the process of each task is known, which the limit of memory needs.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar

from ....core.warn import warn

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""Environment variables that limit a worker to one thread; libraries read them at their import."""
GRACE = 1.0
"""Seconds beyond the limit in which a solver can end by itself."""
OUTSIDE = 120.0
"""Seconds that a task may take outside of its limited part."""
POLL = 0.05
"""Seconds between two looks at the clock and at the memory."""
GIGABYTE = 1e9
OUTPUT = "output.txt"
NOT_STARTED = (
    "a worker process does not start; a script calls this below `if __name__ == '__main__':`, "
    "because its workers import it"
)

Result = TypeVar("Result", covariant=True)


class Failure(NamedTuple):
    """End of a worker before its task was done.

    Attributes
    ----------
    kind : {"time", "memory", "crash"}
        ``crash`` where the process ended by itself.
    reason : str
        Sentence with the limit or the exit code.
    limited : bool
        Whether it happened in a limited part of the task.
    part : str
        Name of that part; empty where it has none.
    """

    kind: Literal["time", "memory", "crash"]
    reason: str
    limited: bool
    part: str = ""


class Limited(Protocol):
    """Runs a job in a limited part of a task and returns its result."""

    def __call__(self, job: Callable[[], Any], part: str = "", /) -> Any:
        """Run a job; the part may have a name."""


class Task(Protocol[Result]):
    """Work of a worker; it is pickled, and so is its result."""

    def __call__(self, limited: Limited, /) -> Result:
        """Do the work; what is limited in time is done by `limited`."""


class TaskError(RuntimeError):
    """An exception that a task raised in its worker."""


Work = TypeVar("Work", bound=Task[Any])


class Pool:
    """Workers that do tasks one at a time; used in a ``with`` block, whose end ends them.

    Parameters
    ----------
    workers : int
        Number of processes.
    memory : float
        Resident memory in gigabytes at which a worker, with the processes that it started, is
        ended.
    scratch : path
        Folder of the temporary files of the workers. Their standard output and error are appended
        to the file ``output.txt`` in it.
    """

    def __init__(self, workers: int, memory: float, scratch: Path) -> None:
        self.count, self.memory, self.scratch = workers, memory, scratch
        self.workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
        self.workers = []

    def run(
        self, tasks: Iterable[Work], seconds: float, outside: float = OUTSIDE
    ) -> Iterator[tuple[Work, Any | Failure]]:
        """Yield each task with its result, or with the failure of its worker, as they end.

        Parameters
        ----------
        tasks : iterable of Task
        seconds : float
            Limit of time of the limited part of a task.
        outside : float, default 120.0
            Limit of time of its other parts.

        Raises
        ------
        TaskError
            Where a task raised an exception.
        RuntimeError
            Where a worker cannot be started.
        """
        waiting = iter(tasks)
        limits = _Limits(seconds, outside, self.memory)
        busy: list[_Worker] = []
        more = True
        try:
            while True:
                while more and len(busy) < self.count:
                    task = next(waiting, None)
                    if task is None:
                        more = False
                    else:
                        busy.append(self._idle(busy).begin(task, limits))
                if not busy:
                    return
                wait([worker.connection for worker in busy], POLL)
                for worker in tuple(busy):
                    ended, result = worker.look(limits)
                    if ended:
                        busy.remove(worker)
                        if worker.ended:
                            self.workers.remove(worker)
                        yield worker.task, result
        finally:
            for worker in busy:  # their tasks were given up
                worker.kill()
                self.workers.remove(worker)

    def _idle(self, busy: list[_Worker]) -> _Worker:
        """Return a worker without a task; a new one where there is none."""
        for worker in tuple(self.workers):
            if worker in busy:
                continue
            if worker.process.is_alive():
                return worker
            worker.kill()  # it died without a task, as of a thread that a solver left
            self.workers.remove(worker)
        worker = _Worker(self.scratch)
        self.workers.append(worker)
        return worker


class _Limits(NamedTuple):
    seconds: float
    outside: float
    memory: float


class _Worker:
    """A worker process, seen from its parent.

    Attributes
    ----------
    task : Task or None
    due : float
        Time of the clock at which the present part of the task has to end.
    limited : bool
        Whether the present part is a limited one.
    part : str
        Name of the present part.
    started : bool
        Whether the process has said that it works.
    ended : bool
        Whether the process was ended, or ended itself.
    """

    def __init__(self, scratch: Path) -> None:
        context = get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, scratch), name="sojourn worker")
        with _one_thread():
            self.process.start()
        other.close()
        self.task: Any = None
        self.due, self.limited, self.part, self.ended = float("inf"), False, "", False
        self.seen, self.started = time.monotonic(), False

    def begin(self, task: Task[Any], limits: _Limits) -> _Worker:
        """Send a task and return the worker itself."""
        self.task, self.limited, self.part = task, False, ""
        self.due = time.monotonic() + limits.outside
        with suppress(OSError):  # where the process has died, `look` finds that
            self.connection.send(task)
        return self

    def look(self, limits: _Limits) -> tuple[bool, Any]:
        """Return whether the task has ended, and its result or failure."""
        try:
            while self.connection.poll():
                kind, value = self.connection.recv()
                now = time.monotonic()
                if kind == "ready":
                    self.started = True
                    continue
                if kind == "done":
                    return True, value
                if kind == "error":
                    raise TaskError(value)
                self.limited, self.part = kind == "begin", value or ""
                self.due = now + (limits.seconds + GRACE if self.limited else limits.outside)
        except (EOFError, OSError):
            self.process.join(1.0)
            if not self.started:
                raise RuntimeError(NOT_STARTED) from None
            return True, self._failure("crash", _exit_reason(self.process.exitcode))
        now = time.monotonic()
        if now > self.due:
            limit = limits.seconds if self.limited else limits.outside
            return True, self._failure("time", f"ended after {limit:g} s")
        if now - self.seen >= POLL:
            self.seen = now
            used = resident(self.process.pid) / GIGABYTE
            if used > limits.memory:
                return True, self._failure("memory", f"ended at {used:.3g} GB")
        return False, None

    def _failure(self, kind: Literal["time", "memory", "crash"], reason: str) -> Failure:
        self.kill()
        return Failure(kind, reason, self.limited, self.part)

    def kill(self) -> None:
        """End the process, and those that it started."""
        if self.ended:
            return
        self.ended = True
        if hasattr(os, "killpg") and self.process.pid is not None:
            # the worker leads a group of its own, so that no process of a solver outlives it
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.connection.close()


def resident(pid: int | None) -> float:
    """Return the resident memory of a process and its descendants, bytes; 0 without psutil."""
    try:
        import psutil
    except ImportError:
        return 0.0
    total = 0.0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    except psutil.Error:  # it has just ended
        return 0.0
    return total


def warn_without_memory_limit() -> None:
    """Warn where no limit of memory can be kept."""
    try:
        import psutil  # noqa: F401
    except ImportError:
        warn("no limit of memory is kept without psutil; pip install 'sojourn[solvers]'")


def _exit_reason(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit the processes that the block starts to one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection[Any, Any], scratch: Path) -> None:
    """Do tasks until the parent closes the connection; the main function of a worker."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C in the terminal reaches the parent alone
    _redirect(scratch / OUTPUT)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection.send(("ready", None))

    def limited(job: Callable[[], Any], part: str = "", /) -> Any:
        connection.send(("begin", part))
        try:
            return job()
        finally:
            connection.send(("end", None))

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            message = ("done", task(limited))
        except Exception as error:  # a task of the benchmark failed, not a solver
            message = ("error", f"{type(error).__name__}: {error}")
        connection.send(message)


def _end_with_parent() -> None:
    """End this process, and those that it started, when the parent was killed."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _redirect(output: Path) -> None:
    """Send standard output and error, also those of C libraries, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
