"""A server: one thread works on the updates, first come, first served, from an unbounded queue."""

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .clock import now, wait_until
from .element import Element
from .quic import PING, UPDATE, Connection, Update, listen
from .service import Service


class Server(Element):
    """The element ``server``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.queue: queue.SimpleQueue[tuple[Connection, Update]] = queue.SimpleQueue()
        self.service, self.margin, self.rng = Service(0.0), 0.0, random.Random()  # noqa: S311
        self.drawn = self.taken = 0.0
        self.jobs = 0

    async def do_start(self, made: Mapping[str, str], margin: float, seed: int) -> int:
        """Listen, start the working thread, and return the port."""
        self.margin = margin
        self.rng.seed(seed)
        threading.Thread(target=self._work, daemon=True).start()
        self.listener, port = await listen(made, self._receive)
        return port

    async def do_serve(self, **service: Any) -> None:
        """Serve all further updates by another distribution of service times."""
        self.service = Service(**service)

    def clear(self) -> None:
        """Begin a new interval of time for the statistics, without updates of an earlier one."""
        super().clear()
        with suppress(queue.Empty):
            while True:
                self.queue.get_nowait()
        self.drawn = self.taken = 0.0
        self.jobs = 0

    def report(self) -> dict[str, float]:
        """Return also the number of jobs, and the service time drawn for them and taken, in s."""
        return {**super().report(), "jobs": self.jobs, "drawn": self.drawn, "taken": self.taken}

    def _receive(self, connection: Connection, update: Update) -> None:
        self.queue.put((connection, update))

    def _work(self) -> None:
        """Serve updates for ever; the working thread."""
        while True:
            connection, update = self.queue.get()
            if update.kind != PING:
                start, service = now(), self.service
                time = service.draw(self.rng) if update.kind == UPDATE else service.mean
                self.taken += wait_until(start + time, self.margin) - start
                self.drawn += time
                self.jobs += 1
            self.loop.call_soon_threadsafe(connection.send, update)
