"""The system protocol: the methods by which studies, files, reports and the command use it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, LoadError
from ...reference.pickling import state
from ...reference.validation import as_float, as_floats
from .progress import reports_progress
from .signatures import show_options

if TYPE_CHECKING:
    import xarray as xr

    from .curve import CurvePlan


Method = TypeVar("Method", bound=Callable[..., Any])
ONE_LOAD = "give one load here; for many, use curve(loads)"


def planned(plan: Callable[..., CurvePlan]) -> Callable[[Method], Method]:
    """Decorate the method `curve` of a system by the method that returns its plan.

    `curve` solves the plan that ``plan(system, loads, *args, **options)`` returns for the same
    arguments; studies then solve the plans of many systems together. A subclass with a `curve` of
    its own is solved by that method.
    """

    def decorated(curve: Method) -> Method:
        curve.plan = plan  # type: ignore[attr-defined]
        return curve

    return decorated


class System(Protocol):
    """A queueing system under a load: one number, in jobs per unit of time.

    To add a kind of system, derive a class from `System` and give it

    * the attribute `time_unit` and the property `max_load`;
    * one method for each question, such as ``optimum(load, **options)``: it takes a load and the
      options of `sojourn.models.core.options`, and returns an answer with a certificate
      (`sojourn.models.core.solve.Task` does the work);
    * the method `curve`, which solves at many loads (`sojourn.models.core.curve.curve` does the
      work); with the decorator `planned`, a study solves systems of one shape together.

    It inherits `check_load`, `check_loads` and `screen_loads`. Every public method shows its
    progress on a terminal or in a notebook after two seconds, and its signature lists its options
    (`sojourn.models.core.signatures.show_options`). Copies and pickles leave out cached properties,
    such as compiled programs. `sojourn.models.SystemKind` makes the kind known to scenario files,
    to the command, to `study` and to `verify`.

    Attributes
    ----------
    time_unit : str
        Unit of time of all its numbers, such as ``"s"``; rates are per this unit.
    """

    time_unit: str

    def __init_subclass__(cls, **named: Any) -> None:
        """Wrap the public methods: they report progress and show every option."""
        super().__init_subclass__(**named)
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                setattr(cls, name, reports_progress(show_options(method)))

    def __getstate__(self) -> Any:
        """Return the attributes without cached properties, for copies and pickles."""
        return state(self)

    @cached_property
    def _kept(self) -> dict[str, Any]:
        """Programs and other results that later calls use again; not copied or pickled."""
        return {}

    @property
    def max_load(self) -> float:
        """Load that the system must stay below; infinite where it can carry any load."""

    def curve(self, loads: npt.ArrayLike, *args: Any, **options: Any) -> xr.Dataset:
        """Solve at many loads.

        Parameters
        ----------
        loads : array_like, shape (K,)
            Loads, 0 or more. At a load of 0 the answer is the limit as the load tends to 0.
        *args, **options
            Those of the kind of system; among them ``refine=True``, which adds the loads that a
            smooth picture needs.

        Returns
        -------
        xarray.Dataset
            Variables over the dimension ``load``. The attribute ``units`` of a variable is the unit
            of time or its reciprocal, and missing for a number without a unit. The attribute
            ``role`` states its meaning; see `sojourn.models.core.variables`. A load that the system
            cannot carry has no answer; the coordinate ``reason`` holds its error.

        Raises
        ------
        LoadError
            Where a load is negative or not finite, or the system cannot carry any of them.
        CurveInterruptedError
            On Ctrl-C, with the loads that were solved.
        """

    def check_load(self, load: float) -> float:
        """Return a load as a float.

        Raises
        ------
        LoadError
            Where it is not above 0 and below `max_load`.
        """
        number = as_float("load", load)
        if not number > 0:
            raise LoadError("load", number, "there are no jobs to serve", "give a load above 0")
        if number >= self.max_load:
            problem = f"not below the maximum {self.max_load:.12g}: the queues grow without bound"
            raise LoadError("load", number, problem, "lower the load or add capacity")
        return number

    def check_loads(self, loads: npt.ArrayLike) -> Array:
        """Return loads as an array of shape (K,).

        Raises
        ------
        LoadError
            For the first load that is not above 0 or that the system cannot carry.
        """
        array, errors = self.screen_loads(loads)
        if errors:
            raise at_place(errors)
        return array

    def screen_loads(self, loads: npt.ArrayLike) -> tuple[Array, dict[int, LoadError]]:
        """Return loads as an array, with the errors of those that the system cannot carry.

        Returns
        -------
        array : ndarray, shape (K,)
            The loads.
        errors : dict of int to LoadError
            Errors by position; a load of 0 has one, too.

        Raises
        ------
        LoadError
            For the first load that is negative or not finite.
        """
        array, errors = as_floats("loads", loads), dict[int, LoadError]()
        if array.ndim != 1 or array.size == 0:
            problem = "is not a list of loads"
            raise LoadError("loads", array.tolist(), problem, "give one or more numbers")
        order = np.argsort(array).tolist()
        # a load between two that the system carries is carried, too: check from both ends inwards
        for inwards in (order, order[::-1]):
            for i in inwards:
                try:
                    self.check_load(float(array[i]))
                    break
                except LoadError as error:
                    errors[i] = error
        invalid = {i: error for i, error in errors.items() if not 0 <= array[i] < np.inf}
        if invalid:
            raise at_place(invalid)
        return array, errors


def at_place(errors: Mapping[int, LoadError]) -> LoadError:
    """Return the error of the first position, with ``loads[i]`` as its field."""
    i, error = min(errors.items())
    place = error.field.replace("load", f"loads[{i}]", 1)
    return LoadError(place, error.value, error.problem, error.remedy)
