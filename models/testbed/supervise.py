"""The elements as processes: started, ordered, heard, and ended with the command."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

GRACE = 2.0  # s that elements have to end by themselves
PATIENCE = 60.0  # s that an order may take which does no work of known length
LOOK = 0.2  # s between two looks at the time, in which a signal interrupts the wait everywhere

Heed = Callable[[str, Mapping[str, Any]], None]


class ElementError(RuntimeError):
    """An element that ended, failed or did not answer.

    Parameters
    ----------
    name : str
        Name of the element.
    problem : str
        What happened.
    """

    def __init__(self, name: str, problem: str) -> None:
        self.name, self.problem = name, problem
        super().__init__(f"{name} {problem}")


class Elements:
    """Running elements by name, used in a ``with`` block, at whose end all have ended.

    Also where the command is killed they end: their standard input ends with it.
    """

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.answers: queue.Queue[tuple[str, dict[str, Any] | None]] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, kinds: Mapping[str, str]) -> None:
        """Start elements, given by name and kind, and wait until all run."""
        for name, kind in kinds.items():
            # a session of its own: Ctrl-C reaches the command alone, which then ends the element
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", f"{__package__}.element", kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            self.processes[name] = process
            threading.Thread(target=self._hear, args=(name, process), daemon=True).start()
        self.wait(kinds, "started")

    def order(self, names: Iterable[str], do: str, **order: Any) -> None:
        """Send an order to elements."""
        line = json.dumps({"do": do, **order}).encode() + b"\n"
        for name in names:
            pipe = self.processes[name].stdin
            if pipe is None:
                raise ElementError(name, "has no standard input")
            try:
                pipe.write(line)
                pipe.flush()
            except OSError:
                raise self._ended(name) from None

    def ask(self, names: Iterable[str], do: str, **order: Any) -> dict[str, Any]:
        """Send an order to elements, and return their answers by name."""
        names = list(names)
        self.order(names, do, **order)
        return self.wait(names, do)

    def wait(
        self,
        names: Iterable[str],
        key: str,
        seconds: float = PATIENCE,
        heed: Heed | None = None,
    ) -> dict[str, Any]:
        """Wait for the answers of elements to an order.

        Parameters
        ----------
        names : iterable of str
            Names of the elements.
        key : str
            The order.
        seconds : float
            Longest time to wait, in s.
        heed : callable, optional
            Function of a name and another message that an element sends meanwhile.

        Returns
        -------
        dict
            The answers by name.

        Raises
        ------
        ElementError
            When any element ends or fails, and when an answer is missing after the time.
        """
        missing, found = dict.fromkeys(names), {}
        end = time.monotonic() + seconds
        while missing:
            try:
                name, answer = self.answers.get(timeout=LOOK)
            except queue.Empty:
                if time.monotonic() > end:
                    problem = f"did not answer within {seconds:.3g} s"
                    raise ElementError(next(iter(missing)), problem) from None
                continue
            if answer is None:
                raise self._ended(name)
            if "error" in answer:
                raise ElementError(name, f"failed: {answer['error']}")
            if key in answer and name in missing:
                found[name] = answer[key]
                del missing[name]
            elif heed is not None:
                heed(name, answer)
        return found

    def end(self) -> None:
        """End all elements, by force those that do not end by themselves."""
        for process in self.processes.values():
            if process.stdin is not None:
                try:
                    process.stdin.close()
                except OSError:  # it has ended already
                    continue
        end = time.monotonic() + GRACE
        for process in self.processes.values():
            try:
                process.wait(max(end - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _hear(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Collect the answers of an element; a thread for each."""
        if process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    self.answers.put((name, json.loads(line)))
        self.answers.put((name, None))

    def _ended(self, name: str) -> ElementError:
        try:
            code = self.processes[name].wait(GRACE)
        except subprocess.TimeoutExpired:
            return ElementError(name, "closed its output")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return ElementError(name, f"ended {how}")
