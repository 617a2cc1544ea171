"""What elements share: orders on standard input, answers on standard output, and their end.

An element is ``python -m sojourn.models.testbed.element KIND``. Orders and answers are lines of
JSON. It ends where its standard input ends, so that none outlives the command, however that ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import selectors
import signal
import sys
import threading
import traceback
from typing import Any

from .clock import Lateness, Stalls

KINDS = ("server", "router", "client")
SWITCH = 5e-5  # s after which one thread of an element lets another run
ANSWERS = 1  # descriptor of standard output


class Element:
    """An element: a method ``do_NAME`` for each order NAME, whose result is the answer.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        Its event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.stalls = loop, Stalls(loop)
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def say(self, **answer: Any) -> None:
        """Send an answer to the command."""
        data = json.dumps(answer).encode() + b"\n"
        while data:
            data = data[os.write(ANSWERS, data) :]

    async def do_clear(self) -> None:
        """Begin a new interval of time for the statistics."""
        self.clear()

    async def do_report(self) -> dict[str, float]:
        """Return the statistics of the interval."""
        return self.report()

    def clear(self) -> None:
        """Begin a new interval of time for the statistics."""
        self.stalls.clear()

    def report(self) -> dict[str, float]:
        """Return how late the element was; times in s."""
        return {"stall": self.stalls.mean, "longest_stall": self.stalls.largest}

    def _read(self) -> None:
        """Read orders in a thread of its own; at their end, end the process."""
        for line in sys.stdin.buffer:
            self.loop.call_soon_threadsafe(self._begin_order, json.loads(line))
        os._exit(0)

    def _begin_order(self, order: dict[str, Any]) -> None:
        task = self.loop.create_task(self._obey(order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _obey(self, order: dict[str, Any]) -> None:
        name = order.pop("do")
        try:
            answer = await getattr(self, f"do_{name}")(**order)
        except Exception as error:  # whatever it is, the command must hear of it
            fail(self, error)
        self.say(**{name: answer})


class Sender(Element):
    """An element that sends updates at times of its own, and counts how late it does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.lateness = Lateness()
        self.rng = random.Random()  # noqa: S311

    def clear(self) -> None:
        """Begin a new interval of time for the statistics."""
        super().clear()
        self.lateness.clear()

    def report(self) -> dict[str, float]:
        """Return also how late updates are sent, in s: mean and largest."""
        late = self.lateness
        return {**super().report(), "late": late.mean, "latest": late.largest}


def fail(element: Element, error: BaseException) -> None:
    """Send an error to the command, and end the process."""
    element.say(error="".join(traceback.format_exception_only(error)).strip())
    os._exit(1)


def main() -> None:
    """Run an element, of the kind that is the argument."""
    for name in ("SIGINT", "SIGHUP"):  # the command ends its elements itself
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.setswitchinterval(SWITCH)
    kind = sys.argv[1]
    module = importlib.import_module(f"{__package__}.{kind}")
    # epoll, the default, waits for whole milliseconds; select for microseconds
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    asyncio.set_event_loop(loop)
    element: Element = getattr(module, kind.capitalize())(loop)
    loop.set_exception_handler(
        lambda _, context: fail(element, context.get("exception") or OSError(context["message"]))
    )
    element.say(started=os.getpid())
    loop.run_forever()


if __name__ == "__main__":
    main()
