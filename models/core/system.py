"""What the command, files, studies, verification and reports ask of any kind of system."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from ...reference.errors import Array, LoadError, numbers, one_number
from .progress import said_to_work

if TYPE_CHECKING:
    import xarray as xr


class System(Protocol):
    """A queueing system that is asked at a load: one number, in jobs per unit of time.

    A class that derives from it inherits `check_load` and `check_loads`. Its questions are methods
    that take a load and ``solver=``, and return an answer with a certificate.

    Attributes
    ----------
    time_unit : str
        Unit of time of all its numbers.
    """

    time_unit: str

    def __init_subclass__(cls, **named: Any) -> None:
        """Make what a system is asked say after two seconds that it is at work."""
        super().__init_subclass__(**named)
        for name, asked in list(vars(cls).items()):
            if inspect.isfunction(asked) and not name.startswith("_"):
                setattr(cls, name, said_to_work(asked))

    @property
    def max_load(self) -> float:
        """Load that none may reach; infinite where no load is too much."""

    def curve(self, loads: npt.ArrayLike, *args: Any, **options: Any) -> xr.Dataset:
        """Return the answers over loads, and between them where ``refine=True`` asks for it.

        The attribute ``units`` of a variable is the unit of time, its reciprocal, or missing; its
        attribute ``role`` says what it is, see `sojourn.models.core.curve`. On Ctrl-C
        CurveInterruptedError holds what was done.
        """

    def check_load(self, load: float) -> float:
        """Return the load as a float; LoadError when it is not above 0 and below the largest."""
        number = one_number("load", load)
        if not number > 0:
            raise LoadError("load", number, "there are no jobs to serve", "give a load above 0")
        if number >= self.max_load:
            problem = f"not below the maximum {self.max_load:.12g}: the queues grow without bound"
            raise LoadError("load", number, problem, "lower the load or add capacity")
        return number

    def check_loads(self, loads: npt.ArrayLike) -> Array:
        """Return the loads as an array of shape (K,); LoadError at the first that is none."""
        array = numbers("loads", loads)
        if array.ndim != 1 or array.size == 0:
            problem = "is not a list of loads"
            raise LoadError("loads", array.tolist(), problem, "give one or more numbers")
        try:  # loads between two that a system carries are loads that it carries
            self.check_load(float(array.min()))
            self.check_load(float(array.max()))
        except LoadError:
            for i, load in enumerate(array.tolist()):
                try:
                    self.check_load(load)
                except LoadError as error:
                    place = error.field.replace("load", f"loads[{i}]", 1)
                    raise LoadError(place, error.value, error.problem, error.remedy) from None
            raise
        return array
