"""Time as elements keep it: waits that sleep and then spin, and how late they end.

A sleep ends late by tens of microseconds, on a busy machine by milliseconds. A wait sleeps until a
margin before its end and spins through the margin. `calibrate` measures both.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

SLEEP, WAIT = 1e-3, 2e-3  # lengths of the sleeps and waits of a calibration, in s
LARGEST_MARGIN = 5e-4  # s that a wait spins: more would take the machine from the other elements
TICK = 0.02  # s between two looks of `Stalls`

now = time.perf_counter


@dataclass(frozen=True)
class Clock:
    """What a calibration found; all times in s.

    Attributes
    ----------
    margin : float
        Time before the end of a wait in which it spins.
    error : float
        Median of the time by which a wait ends late.
    mean_error, worst_error : float
        Its mean and its 99th percentile.
    resolution : float
        Resolution of the counter that is read.
    """

    margin: float
    error: float
    mean_error: float
    worst_error: float
    resolution: float


def wait_until(end: float, margin: float) -> float:
    """Wait until a time of `now`, and return the time at which the wait has ended."""
    rest = end - now() - margin
    if rest > 0:
        time.sleep(rest)
    while (time_now := now()) < end:
        pass
    return time_now


def calibrate(waits: int = 100) -> Clock:
    """Measure how late sleeps and waits end in this process; it takes 0.3 s.

    Parameters
    ----------
    waits : int, default 100
        Number of sleeps, and of waits.
    """
    overslept = []
    for _ in range(waits):
        start = now()
        time.sleep(SLEEP)
        overslept.append(now() - start - SLEEP)
    margin = min(sorted(overslept)[9 * waits // 10], LARGEST_MARGIN)
    late = []
    for _ in range(waits):
        end = now() + WAIT
        late.append(wait_until(end, margin) - end)
    late.sort()
    return Clock(
        margin=margin,
        error=late[waits // 2],
        mean_error=sum(late) / waits,
        worst_error=late[99 * waits // 100],
        resolution=time.get_clock_info("perf_counter").resolution,
    )


class Lateness:
    """Number and total of the times by which timers of an element ended late."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all timers so far."""
        self.count, self.total, self.largest = 0, 0.0, 0.0

    def add(self, late: float) -> None:
        """Add a timer that ended late by so many s."""
        self.count += 1
        self.total += late
        self.largest = max(self.largest, late)

    @property
    def mean(self) -> float:
        """Mean over all timers, in s; 0 of none."""
        return self.total / self.count if self.count else 0.0


class Stalls:
    """How long an event loop does nothing, because the machine runs something else.

    A tick that is late by L delays the updates that arrive in this time by L/2 on average, and they
    are L / T of those that arrive in a time T. The mean over all updates is the sum of L^2 / (2 T).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.clear()
        self._due = now() + TICK
        loop.call_later(TICK, self._tick)

    def clear(self) -> None:
        """Begin a new interval of time."""
        self.started, self.squares, self.largest = now(), 0.0, 0.0

    @property
    def mean(self) -> float:
        """Mean time by which an update at a random time is delayed, in s."""
        self._look(now())
        return self.squares / (2.0 * max(now() - self.started, TICK))

    def _look(self, at: float) -> None:
        late = max(at - max(self._due, self.started), 0.0)
        self.squares += late**2
        self.largest = max(self.largest, late)

    def _tick(self) -> None:
        at = now()
        self._look(at)
        self._due = at + TICK
        self.loop.call_later(TICK, self._tick)
