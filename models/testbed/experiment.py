"""The experiment: measure the idle system, model it, execute each split at each load."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...reference.errors import InputError
from ..core.progress import track
from ..frontend.scenario import Scenario
from ..frontend.units import TIMES
from .apparatus import MEASURED_PART, Apparatus, Idle, Sample
from .machine import Machine
from .plans import Plan, Split
from .points import Point, disturbance, judged
from .supervise import ElementError

SAME = 0.1  # relative difference of a measured service time from the given one that is refused


@dataclass
class Experiment:
    """An experiment as far as it got; times in the unit of the system unless said otherwise.

    Attributes
    ----------
    scenario : Scenario
        What is emulated.
    plan : Plan
        Its stations, and the model of the measured system.
    machine : Machine
        Clock and speed of this machine.
    time_scale : float
        Factor by which all times are stretched.
    seconds : float
        Time of the measurement of a point, in s of the clock.
    idle : Idle or None
        What the idle system has shown.
    points : list of Point
        The points in the order of their execution.
    left_out : list of str
        Splits that were not executed, and why.
    stopped : str
        What ended the experiment early; empty where nothing did.
    """

    scenario: Scenario[Any]
    plan: Plan
    machine: Machine
    time_scale: float
    seconds: float
    idle: Idle | None = None
    points: list[Point] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    stopped: str = ""

    @property
    def scale(self) -> float:
        """Length of the unit of time of the system in s of the clock."""
        return self.time_scale * TIMES[self.scenario.units.time] / TIMES["s"]

    def run(self, loads: Sequence[float], seed: int) -> Iterator[None]:
        """Execute all splits at loads; yields after the idle measurement and after each point.

        Where an element ends, or at an interruption, it yields once more with what was measured.

        Parameters
        ----------
        loads : sequence of float
            Loads, jobs per unit of time.
        seed : int
            Seed of arrivals, choices and service times.

        Raises
        ------
        KeyboardInterrupt
            After an interruption.
        """
        plan, clock = self.plan, self.machine.clock
        try:
            with Apparatus(plan.stations, plan.routes, clock, self.scale, seed) as apparatus:
                self._measure_idle(apparatus)
                yield
                cases = [(load, name) for load in loads for name in plan.splits]
                for load, name in track(cases, "points"):
                    split = plan.split(name, load)
                    if split is None:
                        self.left_out.append(f"{name} at load {load:.6g} overloads a server")
                        continue
                    self._measure(apparatus, load, name, split)
                    yield
        except ElementError as error:
            self.stopped = str(error)
            yield
        except KeyboardInterrupt:
            self.stopped = "interrupted"
            yield
            raise

    def _measure_idle(self, apparatus: Apparatus) -> None:
        """Measure the idle system; InputError where it does not keep the service times."""
        idle = apparatus.idle()
        for station, typical in zip(self.plan.stations, idle.typical, strict=True):
            mean = station.service.mean
            if not abs(typical / mean - 1.0) <= SAME:
                problem = (
                    f"is too little: {station.name} takes {1e3 * self.scale * typical:.3g} ms "
                    f"for a service of {1e3 * self.scale * mean:.3g} ms"
                )
                remedy = "stretch times more, such as twice as much"
                raise InputError("--time-scale", self.time_scale, problem, remedy)
        self.plan.fit(idle)
        self.idle = idle

    def _measure(self, apparatus: Apparatus, load: float, name: str, split: Split) -> None:
        """Execute a split, and append its point, also where it was stopped."""
        sample = Sample()
        try:
            if split.services is not None:
                apparatus.serve(split.services)
            measured = MEASURED_PART * self.plan.capacity
            apparatus.point(split.weights.tolist(), load, measured, self.seconds, sample)
        except (ElementError, KeyboardInterrupt) as stop:
            sample.stopped = str(stop) or "interrupted"
            raise
        finally:
            if sample.jobs or sample.reports:
                change = self._disturbance(apparatus, split, sample.reports)
                memory = self.scale * split.memory
                memories = self.seconds / memory if memory else math.inf
                self.points.append(
                    judged(sample, load, name, split.weights, split.model, change, memories)
                )

    def _disturbance(
        self, apparatus: Apparatus, split: Split, reports: Mapping[str, Mapping[str, float]]
    ) -> float:
        """Return how much late clocks have changed a mean delay; NaN without their statistics."""
        if not reports:
            return math.nan
        with np.errstate(all="ignore"):
            return disturbance(
                reports,
                apparatus.lateness,
                apparatus.servers,
                self.scale,
                split.rate,
                split.round_trip,
                split.predict,
            )
