"""Whether this machine can keep the service times and the load that are asked of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ...reference.errors import InputError
from .apparatus import PROBES
from .clock import Clock, calibrate
from .plans import Plan
from .quic import handling_time

KEPT = 0.02  # part of the shortest mean service time that a clock may be late
OVERHEAD = 0.25  # part of that time in which an update is received and sent
HOPS = 4  # messages for an update: to and from the routing element, to and from a server
OCCUPIED = 0.5  # part of the processors that messages may need
LONGEST = 3600.0  # s that the measurement of the idle system may take


@dataclass(frozen=True)
class Machine:
    """Clock and speed of this machine.

    Attributes
    ----------
    clock : Clock
        How late its clocks are.
    handling : float
        Time of a processor for a message, sent and received, in s.
    processors : int
        Number of processors.
    """

    clock: Clock
    handling: float
    processors: int

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON; times in s."""
        return {**vars(self), "clock": vars(self.clock)}

    def check(self, plan: Plan, load: float, scale: float) -> None:
        """Raise InputError where this machine cannot be the apparatus.

        Parameters
        ----------
        plan : Plan
            The stations.
        load : float
            Largest load, jobs per unit of time of the system.
        scale : float
            s of the clock for one unit of time.
        """
        names = [station.name for station in plan.stations]
        means = [station.service.mean for station in plan.stations]
        shortest = min(means)
        longest_hops = max(map(len, plan.routes)) - 1
        needed = max(
            self.clock.error / KEPT / shortest,
            self.handling / OVERHEAD / shortest,
            (HOPS + 2 * longest_hops) * self.handling * load / (OCCUPIED * self.processors),
        )
        if scale < needed:
            name = names[means.index(shortest)]
            problem = (
                f"stretches the service time of {name} to {1e3 * scale * shortest:.3g} ms, and "
                f"this machine needs {1e3 * self.handling:.2g} ms for each message of an update"
            )
            remedy = f"stretch times at least {needed / scale:.2g} times as much"
            raise InputError("--time-scale", scale, problem, remedy)
        total = PROBES * scale * sum(means)
        if total > LONGEST:
            problem = f"makes the measurement of the idle system last {total:.3g} s"
            remedy = f"stretch times at most {LONGEST / total:.2g} times as much"
            raise InputError("--time-scale", scale, problem, remedy)


def this_machine() -> Machine:
    """Measure this machine."""
    return Machine(calibrate(), handling_time(), os.cpu_count() or 1)
