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
from .....reference.validation import as_float, as_floats, raise_at_first
from ...routes.evaluation import RouteEvaluation
from ...routes.inputs import by_name, check_known, is_mapping
from .answers import SharedEvaluation, evaluation_of
from .words import jobs_of

if TYPE_CHECKING:
    from .base import SharedStages

SLACK = 0.1  # part by which a utilisation may be too high before the search for modes


def evaluation(
    system: SharedStages,
    load: float,
    given: dict[str, Any],
    evaluate: Callable[..., RouteEvaluation],
) -> SharedEvaluation:
    """Return the evaluation of jobs that are given in one of several ways.

    Parameters
    ----------
    system : SharedStages
    load : float
        Jobs per unit of time.
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
        found = evaluate(station_flow=_utilisations(system, load, value))
        return evaluation_of(found, jobs_of(rates, modes, found))
    numbers = _numbers(name, value, modes)
    if name == "flow":
        found = evaluate(flow=[_merged(rates, numbers)])
        parts = numbers / numbers.sum()
    else:
        parts = as_assignment(rates, numbers)
        found = evaluate(share=[_merged(rates, parts)])
    return evaluation_of(found, {**jobs_of(rates, modes, found), "assignment": parts})


def _numbers(field: str, value: Any, names: tuple[str, ...], word: str = "mode") -> Array:
    """Return one number for each name, from numbers in order or by name; 0 if not named."""
    if not is_mapping(value):
        return as_floats(field, value)
    named = by_name(field, value, f"{word}s to numbers", f"a number for each {word} with jobs")
    check_known(field, named, names, word)
    return np.array([as_float(f"{field}[{n!r}]", named.get(n, 0.0)) for n in names])


def _utilisations(system: SharedStages, load: float, value: Any) -> Array:
    """Return the utilisation of each stage; InputError on more than all jobs can bring."""
    numbers = _numbers("station_flow", value, system.stages, "stage")
    if numbers.shape == (len(system.stages),):
        most = load * system.rates.time.max(axis=1) * (1.0 + SLACK)
        problem = "is more than all jobs bring in any mode"
        remedy = "give the load times the mean work of a job there"
        raise_at_first("station_flow", numbers, numbers <= most, problem, remedy)
    return numbers


def _merged(rates: Modes, numbers: Array) -> Array:
    """Return numbers of modes with those of equal modes added, as the routes have them."""
    if numbers.shape != (rates.modes,):
        problem = f"is {counted(numbers.size, 'number')} for {counted(rates.modes, 'mode')}"
        raise InputError("flow", numbers.tolist(), problem, "give a number for each mode")
    columns = np.vstack([rates.time, rates.delay])
    equal = (columns[:, different(rates), None] == columns[:, None, :]).all(axis=0)
    return np.asarray(equal @ numbers)
