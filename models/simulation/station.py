"""A station as the simulator sees it: how fast it works, on which jobs first, and with what law."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .service import Exponential, Service

EXPONENTIAL = Exponential()
FCFS, SHARING = "first come, first served", "processor sharing"


@dataclass(frozen=True)
class Station:
    """A station with unlimited room, at which jobs come in a Poisson stream.

    Attributes
    ----------
    rate : float
        Service rate of one server, jobs per unit of time.
    service : Service
        Law of the service times.
    delay : float
        Constant time of every job besides.
    servers : int
        Number of servers behind one queue.
    discipline : str
        `FCFS`, or `SHARING`: all jobs are served at once, at equal parts of the rate.
    base, base_priority
        Base load, and its priority; see `sojourn.reference.base_load`.
    batch, batch_cv : float
        Mean and coefficient of variation of the number of jobs that come at the same time.
    setup, setup_cv : float
        Mean and cv of the time that a server needs before its first job after it was empty.
    vacation, vacation_cv : float
        Mean and cv of the vacations that an empty server takes, one after another.
    then : Station, optional
        Station to which jobs go from here.
    """

    rate: float
    service: Service = EXPONENTIAL
    delay: float = 0.0
    servers: int = 1
    discipline: str = FCFS
    base: float = 0.0
    base_priority: str = "equal"
    batch: float = 1.0
    batch_cv: float = 0.0
    setup: float = 0.0
    setup_cv: float = 1.0
    vacation: float = 0.0
    vacation_cv: float = 1.0
    then: Station | None = None

    @property
    def series(self) -> tuple[Station, ...]:
        """The station and those after it."""
        return (self,) if self.then is None else (self, *self.then.series)

    def own_utilisation(self, flow: float) -> float:
        """Return the work that comes over what the servers can do, base jobs included."""
        return (flow + self.base) / (self.rate * self.servers)

    def utilisation(self, flow: float) -> float:
        """Return the largest utilisation of this station and of those after it."""
        return max(station.own_utilisation(flow) for station in self.series)

    def relaxation(self, flow: float) -> float:
        """Return the number of jobs after which a change of the queue has decayed by a factor e.

        That of M/M/1, rho/(1 - sqrt(rho))^2 with the utilisation rho, times the variability of
        arrivals and services over that of M/M/1: in heavy traffic a queue is a Brownian motion with
        this relaxation time (W. Whitt, *Planning queueing simulations*, Manag. Sci. 35, 1989). At
        least 1; infinite from a utilisation of 1 on.

        Parameters
        ----------
        flow : float
            Jobs per unit of time.
        """
        used = self.utilisation(flow)
        if used >= 1.0 and self.base_priority == "last":
            used = flow / self.rate  # base jobs that wait without end do not delay the others
        if used >= 1.0:
            return math.inf
        variability = 0.5 * (self.batch * (1.0 + self.batch_cv**2) + self.service.cv**2)
        if self.then is not None:
            variability = max(variability, 0.5 * (1.0 + self.then.service.cv**2))
        queue = max(variability, 0.5) * used / (1.0 - math.sqrt(used)) ** 2
        queue += (self.servers - 1) * used  # those in service
        pause = flow * (
            self.setup * (1 + self.setup_cv**2) + self.vacation * (1 + self.vacation_cv**2)
        )
        own = flow / (flow + self.base)
        return max(1.0, queue * own, flow * pause)
