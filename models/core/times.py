"""Results converted to another unit of time."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from .ratio import BoundedValue

Result = TypeVar("Result")


def in_time_unit(result: Result, factor: float) -> Result:
    """Return a copy of a result with its times multiplied by a factor.

    Parameters
    ----------
    result : dataclass
        Its class attribute ``times`` names the fields that are times: numbers, arrays,
        `BoundedValue` or `sojourn.models.core.certificate.Bounds`; None stays None. Results in
        other fields, also in tuples, are converted by their own ``times``.
    factor : float
        Length of the present unit in the new one: 1000 from seconds to milliseconds. Rates are not
        converted.

    Returns
    -------
    dataclass
        Of the same type.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> answer = ParallelServers(MM1([10.0])).optimum(5.0)
    >>> round(in_time_unit(answer, 1000.0).mean_delay, 6)
    200.0
    """
    times, changed = getattr(result, "times", ()), {}
    for field in fields(result):  # type: ignore[arg-type]
        value = getattr(result, field.name)
        if field.name in times:
            changed[field.name] = _scaled(value, factor)
        elif isinstance(value, tuple):
            changed[field.name] = tuple(_converted(v, factor) for v in value)
        else:
            changed[field.name] = _converted(value, factor)
    return replace(result, **changed)  # type: ignore[type-var]


def _scaled(time: Any, factor: float) -> Any:
    """Return a time, which may be None, multiplied."""
    if time is None:
        return None
    return time.scaled(factor) if isinstance(time, BoundedValue) else time * factor


def _converted(value: Any, factor: float) -> Any:
    """Return a value that is no time: a result is converted, anything else stays."""
    is_result = is_dataclass(value) and not isinstance(value, type)
    return in_time_unit(value, factor) if is_result else value
