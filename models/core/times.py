"""Results in another unit of time: a copy with every time in it multiplied."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from .ratio import BoundedValue

Result = TypeVar("Result")


def in_time_unit(result: Result, factor: float) -> Result:
    """Return a copy of a result with its times multiplied.

    Parameters
    ----------
    result : dataclass
        Its attribute ``times`` names the fields that are times (numbers, arrays, `Bounds`, `BoundedValue`; None stays None). Results within it, also
        in tuples, are converted by their own.
    factor : float
        Units of today's in one of the new: 1000 from seconds to milliseconds. Rates stay, so a delay per rate is a time here.

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
            changed[field.name] = (
                value.scaled(factor)
                if isinstance(value, BoundedValue)
                else None
                if value is None
                else value * factor
            )
        elif isinstance(value, tuple):
            changed[field.name] = tuple(_inner(v, factor) for v in value)
        else:
            changed[field.name] = _inner(value, factor)
    return replace(result, **changed)  # type: ignore[type-var]


def _inner(value: Any, factor: float) -> Any:
    return (
        in_time_unit(value, factor)
        if is_dataclass(value) and not isinstance(value, type)
        else value
    )
