"""Assignments of jobs to the modes of shared stages that a user gives, and their evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .....reference.errors import Array, InputError
from .....reference.plural import counted
from .....reference.service_modes import Modes
from .....reference.service_modes.shared.routed import different
from .....reference.service_modes.stability import as_assignment
from .....reference.validation import as_float, as_floats
from ...routes.evaluation import RouteEvaluation
from ...routes.inputs import by_name, check_known, is_mapping
from .answers import SharedEvaluation
from .words import jobs_of

if TYPE_CHECKING:
    from .base import SharedStages


def evaluation(
    system: SharedStages, given: dict[str, Any], evaluate: Callable[..., RouteEvaluation]
) -> SharedEvaluation:
    """Return the evaluation of jobs that are given in one of several ways.

    Parameters
    ----------
    system : SharedStages
    given : dict
        What is given as ``p``, ``share``, ``flow``, ``station_flow`` and ``by_origin``; or None.
    evaluate : callable
        The evaluation of flows over routes, with ``share``, ``flow`` or ``station_flow``.
    """
    present = {name: value for name, value in given.items() if value is not None}
    if len(present) != 1 or "by_origin" in present:
        remedy = "give p=, or else share=, flow= or station_flow="
        raise InputError("evaluate", list(present), "is not one way to give the jobs", remedy)
    ((name, value),) = present.items()
    rates, modes = system.rates, system.modes
    if name == "station_flow":
        found = evaluate(station_flow=value)
        return SharedEvaluation.given(found, jobs_of(rates, modes, found))
    numbers = _numbers(name, value, modes)
    if name == "flow":
        found = evaluate(flow=[_merged(rates, numbers)])
        parts = numbers / numbers.sum()
    else:
        parts = as_assignment(rates, numbers)
        found = evaluate(share=[_merged(rates, parts)])
    return SharedEvaluation.given(found, {**jobs_of(rates, modes, found), "assignment": parts})


def _numbers(field: str, value: Any, modes: tuple[str, ...]) -> Array:
    """Return one number for each mode, from numbers in order or by name; 0 if not named."""
    if not is_mapping(value):
        return as_floats(field, value)
    named = by_name(field, value, "modes to numbers", "a number for each mode with jobs")
    check_known(field, named, modes, "mode")
    return np.array([as_float(f"{field}[{m!r}]", named.get(m, 0.0)) for m in modes])


def _merged(rates: Modes, numbers: Array) -> Array:
    """Return numbers of modes with those of equal modes added, as the routes have them."""
    if numbers.shape != (rates.modes,):
        problem = f"is {counted(numbers.size, 'number')} for {counted(rates.modes, 'mode')}"
        raise InputError("flow", numbers.tolist(), problem, "give a number for each mode")
    columns = np.vstack([rates.time, rates.delay])
    equal = (columns[:, different(rates), None] == columns[:, None, :]).all(axis=0)
    return np.asarray(equal @ numbers)
