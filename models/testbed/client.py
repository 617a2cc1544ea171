"""A client: sends updates as a Poisson stream, and measures the time until each answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from .clock import now
from .element import Sender
from .quic import ANY, UPDATE, Connection, Update, connect

CHUNK = 0.25  # s between two messages with the measured latencies
LOOK = 0.02  # s between two looks whether all answers have arrived


class Client(Sender):
    """The element ``client``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.number, self.index = 0, 0
        self.sent: dict[int, float] = {}
        self.jobs: list[tuple[float, float, int]] = []  # sent at, latency, route
        self.recorded_from, self.origin = 0.0, 0.0

    async def do_start(self, made: Mapping[str, str], port: int, index: int, seed: int) -> None:
        """Connect to the routing element, as the client of an index."""
        self.index = index
        self.rng.seed(seed)
        self.router = await connect(port, made["certificate"], self._receive)

    async def do_probe(
        self, route: int, kind: int, count: int, spacing: float, timeout: float
    ) -> list[list[float]]:
        """Send updates along a route; return when each was sent and answered, in s.

        Parameters
        ----------
        route : int
            Route of all updates.
        kind : int
            Their kind.
        count : int
            Their number.
        spacing : float
            Time between two of them, in s.
        timeout : float
            Time to wait for the last answer, in s.
        """
        self._begin(0.0)
        for _ in range(count):
            self._send(route, kind)
            await asyncio.sleep(spacing)
        await self._answered(timeout)
        found, self.jobs = [[job[0], job[0] + job[1]] for job in self.jobs], []
        return found

    async def do_run(
        self, rate: float, warmup: float, seconds: float, timeout: float, record: bool
    ) -> dict[str, int]:
        """Send updates as a Poisson stream; return the numbers of updates sent and not answered.

        Parameters
        ----------
        rate : float
            Updates per s.
        warmup, seconds : float
            Time before the measured interval, and length of it, in s.
        timeout : float
            Time to wait for the last answers, in s.
        record : bool
            Whether latencies are reported, or the client is load in the background.
        """
        self._begin(warmup)
        first, end = self.number, self.origin + warmup + seconds
        reporting = self.loop.create_task(self._report_jobs()) if record else None
        due = self.origin
        while rate and (due := due + self.rng.expovariate(rate)) < end:
            if (rest := due - now()) > 0:
                await asyncio.sleep(rest)
            self.lateness.add(now() - due)
            self._send(ANY, UPDATE)
        await asyncio.sleep(max(end - now(), 0.0))
        await self._answered(timeout)
        if reporting is not None:
            reporting.cancel()
            self._say_jobs()
        unanswered = sum(at >= self.origin + warmup for at in self.sent.values())
        return {"sent": self.number - first, "unanswered": unanswered}

    def _begin(self, warmup: float) -> None:
        self.sent, self.jobs, self.origin = {}, [], now()
        self.recorded_from = self.origin + warmup

    def _send(self, route: int, kind: int) -> None:
        self.number += 1
        self.sent[self.number] = now()
        self.router.send(Update(self.number, self.index, route, 0, kind))

    def _receive(self, _: Connection, update: Update) -> None:
        sent = self.sent.pop(update.number, None)
        if sent is not None and sent >= self.recorded_from:
            self.jobs.append((sent - self.origin, now() - sent, update.route))

    async def _answered(self, timeout: float) -> None:
        """Wait until all updates are answered, for a time in s at most."""
        end = now() + timeout
        while self.sent and now() < end:
            await asyncio.sleep(LOOK)

    def _say_jobs(self) -> None:
        if self.jobs:
            self.say(jobs=self.jobs)
            self.jobs = []

    async def _report_jobs(self) -> None:
        while True:
            await asyncio.sleep(CHUNK)
            self._say_jobs()
