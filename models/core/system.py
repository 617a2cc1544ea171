"""What the command, files, studies, verification and reports ask of any kind of system."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, LoadError
from ...reference.pickling import state
from ...reference.validation import as_float, as_floats
from .progress import reports_progress

if TYPE_CHECKING:
    import xarray as xr


class System(Protocol):
    """A queueing system that is asked at a load: one number, in jobs per unit of time.

    A class that derives from it inherits `check_load` and `check_loads`, and is pickled and copied
    without its cached properties: a system that was asked is as light as a new one. Its questions are methods
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
                setattr(cls, name, reports_progress(asked))

    def __getstate__(self) -> Any:
        """What copies and pickles hold."""
        return state(self)

    @cached_property
    def _kept(self) -> dict[str, Any]:
        """What is written, compiled or told along the way, and serves again; it stays behind."""
        return {}

    @property
    def max_load(self) -> float:
        """Load that none may reach; infinite where no load is too much."""

    def curve(self, loads: npt.ArrayLike, *args: Any, **options: Any) -> xr.Dataset:
        """Return the answers over loads, and between them where ``refine=True`` asks for it.

        A load that the system cannot carry has no answer, and its error in the coordinate
        ``reason``; at a load of 0 the answer is the limit as the load tends to 0. The attribute
        ``units`` of a variable is the unit of time, its reciprocal, or missing; its attribute
        ``role`` says what it is, see `sojourn.models.core.curve`. On Ctrl-C CurveInterruptedError
        holds what was done.
        """

    def check_load(self, load: float) -> float:
        """Return the load as a float; LoadError when it is not above 0 and below the largest."""
        number = as_float("load", load)
        if not number > 0:
            raise LoadError("load", number, "there are no jobs to serve", "give a load above 0")
        if number >= self.max_load:
            problem = f"not below the maximum {self.max_load:.12g}: the queues grow without bound"
            raise LoadError("load", number, problem, "lower the load or add capacity")
        return number

    def check_loads(self, loads: npt.ArrayLike) -> Array:
        """Return the loads as an array of shape (K,); LoadError at the first that is none."""
        array, errors = self.screen_loads(loads)
        if errors:
            raise at_place(errors)
        return array

    def screen_loads(self, loads: npt.ArrayLike) -> tuple[Array, dict[int, LoadError]]:
        """Return the loads as an array of shape (K,), and the errors of those that it cannot carry.

        The errors are by place, those of loads of 0 among them; a load that is negative or no
        finite number raises its own.
        """
        array, errors = as_floats("loads", loads), dict[int, LoadError]()
        if array.ndim != 1 or array.size == 0:
            problem = "is not a list of loads"
            raise LoadError("loads", array.tolist(), problem, "give one or more numbers")
        order = np.argsort(array).tolist()
        for inwards in (order, order[::-1]):
            for i in inwards:  # loads between two that a system carries are loads that it carries
                try:
                    self.check_load(float(array[i]))
                    break
                except LoadError as error:
                    errors[i] = error
        senseless = {i: error for i, error in errors.items() if not 0 <= array[i] < np.inf}
        if senseless:
            raise at_place(senseless)
        return array, errors


def at_place(errors: Mapping[int, LoadError]) -> LoadError:
    """Return the first of the errors of some loads, with its place among them."""
    i, error = min(errors.items())
    place = error.field.replace("load", f"loads[{i}]", 1)
    return LoadError(place, error.value, error.problem, error.remedy)
