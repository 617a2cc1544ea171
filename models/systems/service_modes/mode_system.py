"""Stages and service modes of a system: rates or works, fixed delays and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ....reference.service_modes import Modes
from ....reference.validation import (
    LARGEST,
    LEAST,
    as_floats,
    as_names,
    check_text,
    raise_at_first,
)
from ...core.system import System

GivenNames = Sequence[str] | None


class ModeSystem(System):
    """Base class of `sojourn.models.MultiMode` and `sojourn.models.SharedModes`.

    Attributes
    ----------
    rates : Modes
        Rates, works and fixed delays, for the functions of `sojourn.reference.service_modes`.
    stages, modes : tuple of str
        GivenNames of the stages and of the modes.
    time_unit : str
        Unit of time of all numbers.
    """

    rates: Modes
    stages: tuple[str, ...]
    modes: tuple[str, ...]

    def __init__(
        self,
        rate: npt.ArrayLike,
        stages: GivenNames = None,
        modes: GivenNames = None,
        time_unit: str = "s",
        delay: npt.ArrayLike | None = None,
    ) -> None:
        self._store(Modes(rate, delay), stages, modes, time_unit)

    def _store(self, rates: Modes, stages: GivenNames, modes: GivenNames, time_unit: str) -> None:
        """Store what all constructors yield."""
        self.rates = rates
        self.stages = as_names("stages", "stage", stages, rates.stages)
        self.modes = as_names("modes", "mode", modes, rates.modes)
        self.time_unit = check_text("time_unit", time_unit)

    @classmethod
    def _of_modes(
        cls, rates: Modes, stages: GivenNames = None, modes: GivenNames = None, time_unit: str = "s"
    ) -> Self:
        """Return the system of the stages and modes of the reference."""
        system = cls.__new__(cls)
        system._store(rates, stages, modes, time_unit)
        return system

    @classmethod
    def from_work(
        cls,
        work: npt.ArrayLike,
        speed: npt.ArrayLike | None = None,
        stages: GivenNames = None,
        modes: GivenNames = None,
        time_unit: str = "s",
        delay: npt.ArrayLike | None = None,
    ) -> Self:
        """Return the system of given works of a job at the stages.

        Parameters
        ----------
        work : array_like, shape (S, M)
            Mean work of a job of each mode at each stage, such as operations or bytes; 0 where the
            mode needs no service at the stage.
        speed : array_like, shape (S,), optional
            Units of work that each stage does per unit of time. By default works are times.
        stages, modes : sequence of str, optional
            GivenNames; by default ``stage 1``, ... and ``mode 1``, ...
        time_unit : str, default "s"
            Unit of time of all numbers.
        delay : array_like, shape (M,), optional
            Fixed delay of each mode, in units of time, such as an upload that does not queue.

        Returns
        -------
        MultiMode or SharedModes

        Raises
        ------
        InputError
            On a work that is negative or not finite, a speed that is not above 0, a mode without
            work, a stage without work, a negative delay, and names of a wrong number.

        Examples
        --------
        >>> from sojourn.models import MultiMode, SharedModes
        >>> work = [[0.0, 2e9, 6e9], [150e3, 50e3, 0.0], [6e9, 4e9, 0.0]]  # FLOP, bytes, FLOP
        >>> cuts = {"speed": [8e9, 2.5e6, 200e9], "modes": ["all cloud", "cut", "all device"]}
        >>> best = MultiMode.from_work(work, **cuts).assignment(load=16.0)
        >>> best.used, round(best.mean_delay, 6)
        (('all cloud', 'cut'), 0.74986)
        >>> best = SharedModes.from_work(work, **cuts).optimum(load=16.0)
        >>> best.used, round(best.mean_delay, 6)
        (('all cloud', 'cut'), 0.53952)
        """
        times = Modes.from_work(work, delay)
        if speed is not None:
            speeds = _as_speeds(speed, times.stages)
            times = Modes.from_work(times.time / speeds[:, None], delay)
        return cls._of_modes(times, stages, modes, time_unit)

    def __repr__(self) -> str:
        size = f"{counted(len(self.stages), 'stage')}, {counted(len(self.modes), 'mode')}"
        return f"{type(self).__name__}({size}, largest load {self.max_load:g})"


def _as_speeds(speed: npt.ArrayLike, stages: int) -> Array:
    """Return the speeds of the stages, shape (S,); InputError unless they are above 0."""
    array = as_floats("speed", speed)
    remedy = "give the units of work that each stage does per unit of time"
    if array.shape != (stages,):
        problem = f"is not one number for each of {counted(stages, 'stage')}"
        raise InputError("speed", array.tolist(), problem, remedy)
    good = (array >= LEAST) & (array <= LARGEST)
    raise_at_first("speed", array, good, "is not a finite number above 0", remedy)
    return array
