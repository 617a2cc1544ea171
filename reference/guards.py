"""What the methods of banks are given: checked where they enter, for every family, also those of users."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import unwrap
from typing import Any

import numpy as np

from .errors import Array, InputError
from .validation import as_float, as_floats, as_index, as_names, as_positive, check_broadcast

BOUNDED = (
    "latency",
    "marginal",
    "potential",
    "latency_slope",
    "marginal_slope",
)  # methods that are infinite from the rate on
GUARDED = {
    *BOUNDED,
    *(
        "spare_capacity",
        "rate_slope",
        "difference_error_bound",
        "inverse_latency",
        "inverse_marginal",
        "at_latency",
        "at_marginal",
        "at_player",
    ),
    *("take", "with_extra_delay", "scaled", "in_unit", "with_tangents_at", "caveats"),
}
"""Methods of banks that take numbers of every server, or what `CHECKS` names."""


def guard(family: type[Any]) -> None:
    """Check what the methods that a class of banks defines are given; from the rate on what they compute is infinite."""
    for name in GUARDED & vars(family).keys():
        first = unwrap(
            next(vars(c)[name] for c in reversed(family.__mro__) if name in vars(c))
        ).__code__
        if not getattr(vars(family)[name], "__isabstractmethod__", False):
            setattr(
                family,
                name,
                _guarded(name, vars(family)[name], first.co_varnames[1 : first.co_argcount]),
            )


def _infinite_when_full(method: Callable[..., Array]) -> Callable[..., Array]:
    """Return a method of a bank and a flow (and a spare capacity) that is infinite where there is no spare capacity, whatever it computes.

    What it computes for the others it computes as ever; where a server is full it is asked for an empty one.
    """

    @wraps(method)
    def bounded(self: Any, flow: Array, spare_capacity: Array | None = None) -> Array:
        if (
            spare_capacity is None and not self._inexact and np.less(flow, self.rate).all()
        ):  # the common case, told in one pass
            return method(self, flow)
        left = self.spare_capacity(flow) if spare_capacity is None else spare_capacity
        full = left <= 0
        more = () if spare_capacity is None else (np.where(full, self.rate, left),)
        if not full.any():
            return method(self, flow, *more)
        return np.where(full, np.inf, method(self, np.where(full, 0.0, flow), *more))

    return bounded


def _guarded(name: str, method: Callable[..., Any], fields: tuple[str, ...]) -> Callable[..., Any]:
    """Return a method of a bank that takes what fits its servers alone, and warns of no number."""
    compute = _infinite_when_full(method) if name in BOUNDED else method

    @wraps(method)
    def guarded(self: Any, *given: Any, **named: Any) -> Any:
        # as the library itself calls, without a look: what does not fit raises
        if (
            not named
            and given
            and _plain(given[0])
            and (len(given) == 1 or all(map(_plain, given[1:])))
        ):
            try:
                return compute(self, *given)
            except (TypeError, ValueError):
                pass
        n = np.size(self.rate)
        given = (
            *(_fitting(field, value, n) for field, value in zip(fields, given, strict=False)),
            *given[len(fields) :],
        )
        named = {field: _fitting(field, value, n) for field, value in named.items()}
        check_broadcast({**dict(zip(fields, given, strict=False)), **named})
        with np.errstate(all="ignore"):
            return compute(self, *given, **named)

    return guarded


def _plain(value: Any) -> bool:
    """Whether a value needs no look: an array of floats, or a number of players."""
    kind = type(value)
    return value.dtype.char == "d" if kind is np.ndarray else kind is float and value >= 1.0


def _fitting(field: str, value: Any, n: int) -> Any:
    """Return an argument of a method of n servers, checked."""
    if field in CHECKS:
        return CHECKS[field](field, value, n)
    if value is None and field == "spare_capacity":
        return None
    array = (
        value if type(value) is np.ndarray and value.dtype.char == "d" else as_floats(field, value)
    )
    if array.ndim and n > 1 and array.shape[-1] not in (1, n):
        problem = f"is of {array.shape[-1]} servers where there are {n}"
        raise InputError(
            field, array.tolist(), problem, "give one number per server, or one for all"
        )
    return array


def check_players(players: float) -> float:
    """Return the number of players as a float.

    Raises
    ------
    InputError
        When it is not a whole number from 1, or infinity.
    """
    if as_floats("players", players).ndim:
        problem = "is not one number: players of different size have no potential, so their equilibrium is no convex program"
        raise InputError("players", players, problem, "give how many equal players there are")
    value = as_float("players", players)
    if not value >= 1 or (math.isfinite(value) and value != int(value)):
        raise InputError(
            "players",
            players,
            "is not a number of players",
            "give a whole number from 1, or math.inf",
        )
    return value


def _factor(field: str, value: Any, _: int) -> float:
    return as_positive(field, value, "give by how much to multiply")


CHECKS: Mapping[str, Callable[[str, Any, int], Any]] = {
    "players": lambda _, value, __: check_players(value),
    "index": as_index,
    "names": lambda field, value, n: as_names(field, "server", value, n),
    **dict.fromkeys(("rate", "time", "unit"), _factor),
}
