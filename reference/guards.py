"""Checks of the arguments of banks' methods, applied to every family, also to those of users."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import unwrap
from typing import Any

import numpy as np

from .errors import Array, InputError
from .validation import as_float, as_floats, as_index, as_names, as_positive, check_broadcast

# methods that are infinite from the rate on
BOUNDED = ("latency", "marginal", "potential", "latency_slope", "marginal_slope")
OTHER_NUMBERS = (
    "spare_capacity",
    "rate_slope",
    "marginal_rate_slope",
    "utilisation",
    "difference_error_bound",
    "inverse_latency",
    "inverse_marginal",
    "at_latency",
    "at_marginal",
    "at_player",
    "late_jobs",
)
CONVERSIONS = ("scaled", "in_unit")  # methods whose arguments are factors above 0
TRANSFORMATIONS = ("take", "with_extra_delay", "scaled", "in_unit", "with_tangents_at", "caveats")
Checks = Mapping[str, Callable[[str, Any, int], Any]]
GUARDED = {*BOUNDED, *OTHER_NUMBERS, *TRANSFORMATIONS}
"""Methods of banks whose arguments are one number a server, or are named in `CHECKS`."""


def guard(family: type[Any]) -> None:
    """Wrap the methods that a class of banks defines: check arguments, return inf from the rate on.

    An argument is named in errors as in the class that first defines the method.
    """
    for name in GUARDED & vars(family).keys():
        method = vars(family)[name]
        if getattr(method, "__isabstractmethod__", False):
            continue
        first = next(vars(c)[name] for c in reversed(family.__mro__) if name in vars(c))
        code = unwrap(first).__code__
        setattr(family, name, _guarded(name, method, code.co_varnames[1 : code.co_argcount]))


def _infinite_when_full(method: Callable[..., Array]) -> Callable[..., Array]:
    """Return a method of a bank, a flow and a spare capacity that is infinite for full servers.

    A full server has no spare capacity. The method is evaluated there at flow 0 instead, and its
    other values are kept.
    """

    @wraps(method)
    def bounded(self: Any, flow: Array, spare_capacity: Array | None = None) -> Array:
        by_rate = spare_capacity is None and not self._inexact
        if by_rate and not np.count_nonzero(flow >= self.rate):  # the common case, in one pass
            return method(self, flow)
        remaining = self.spare_capacity(flow) if spare_capacity is None else spare_capacity
        full = remaining <= 0
        rest = () if spare_capacity is None else (spare_capacity,)
        if not np.count_nonzero(full):
            return method(self, flow, *rest)
        rest = () if spare_capacity is None else (np.where(full, self.rate, remaining),)
        return np.where(full, np.inf, method(self, np.where(full, 0.0, flow), *rest))

    return bounded


def _guarded(name: str, method: Callable[..., Any], fields: tuple[str, ...]) -> Callable[..., Any]:
    """Return a method of a bank that checks its arguments and gives no NumPy warnings."""
    bounded = name in BOUNDED
    compute = _infinite_when_full(method) if bounded else method
    needs_no_check = _is_factor if name in CONVERSIONS else _is_plain
    checks = FACTORS if name in CONVERSIONS else CHECKS

    def checked_call(self: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        n = len(self)
        checked = (
            _checked(field, value, n, checks) for field, value in zip(fields, given, strict=False)
        )
        given = (*checked, *given[len(fields) :])
        named = {field: _checked(field, value, n, checks) for field, value in named.items()}
        check_broadcast({**dict(zip(fields, given, strict=False)), **named})
        with np.errstate(all="ignore"):
            return compute(self, *given, **named)

    # the library itself calls with arrays of floats: compute first, check if that fails
    @wraps(method)
    def guarded(self: Any, *given: Any, **named: Any) -> Any:
        if bounded and len(given) == 2 and given[1] is None:
            given = given[:1]
        if given and not named:
            for value in given:
                if not needs_no_check(value):
                    break
            else:
                try:
                    return compute(self, *given)
                except (TypeError, ValueError):
                    pass
        return checked_call(self, given, named)

    return guarded


def _is_plain(value: Any) -> bool:
    """Return whether a value needs no check: an array of floats, or a number of players."""
    kind = type(value)
    return value.dtype.char == "d" if kind is np.ndarray else kind is float and value >= 1.0


def _is_factor(value: Any) -> bool:
    """Return whether a value needs no check: a finite factor above 0."""
    return type(value) is float and 0.0 < value < math.inf


def _checked(field: str, value: Any, n: int, checks: Checks) -> Any:
    """Return an argument of a method of n servers as the method takes it."""
    if field in checks:
        return checks[field](field, value, n)
    if value is None and field == "spare_capacity":
        return None
    is_float_array = type(value) is np.ndarray and value.dtype.char == "d"
    array = value if is_float_array else as_floats(field, value)
    if array.ndim and n > 1 and array.shape[-1] not in (1, n):
        problem = f"is of {array.shape[-1]} servers where there are {n}"
        remedy = "give one number per server, or one for all"
        raise InputError(field, array.tolist(), problem, remedy)
    return array


def check_players(players: float) -> float:
    """Return the number of players as a float.

    Raises
    ------
    InputError
        When it is not a whole number from 1, or infinity.
    """
    if players is math.inf:
        return math.inf
    if as_floats("players", players).ndim:
        problem = (
            "is not one number: players of different size have no potential, "
            "so their equilibrium is no convex program"
        )
        raise InputError("players", players, problem, "give how many equal players there are")
    value = as_float("players", players)
    if not value >= 1 or (math.isfinite(value) and value != int(value)):
        remedy = "give a whole number from 1, or math.inf"
        raise InputError("players", players, "is not a number of players", remedy)
    return value


def _factor(field: str, value: Any, _: int) -> float:
    """Return a factor between units as a float; InputError unless it is finite and above 0."""
    return as_positive(field, value, "give by how much to multiply")


CHECKS: Checks = {
    "players": lambda _, value, __: check_players(value),
    "index": as_index,
    "names": lambda field, value, n: as_names(field, "server", value, n),
}
"""Checks of arguments that are not one number a server, by the argument's name."""
FACTORS: Checks = dict.fromkeys(("rate", "time", "unit"), _factor)
"""Checks of the arguments of conversions."""
