"""Groups of users whose loads take routes through shared stations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.routes import RoutedSystem, RouteSet
from ....reference.validation import as_floats, as_names, check_text, raise_at_first
from ...core.system import System
from ...latency.base import Latency


class RouteSystem(System):
    """Base class of `Groups`, `Routes` and `Network`: stations, groups, and their routes.

    Parameters
    ----------
    bank : Latency
        A stations.
    routes : RouteSet
        Routes of G groups over the stations.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    stations, groups : tuple of str
        Names.
    time_unit : str
        Unit of time of all numbers.

    Attributes
    ----------
    routed : RoutedSystem
        The system for the functions of `sojourn.reference.routes`.
    bank : Latency
        The A stations as one bank.
    stations, groups : tuple of str
        Names of the stations and of the groups.
    group_load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    time_unit : str
    """

    def __init__(
        self,
        bank: Latency,
        routes: RouteSet,
        load: Array,
        stations: tuple[str, ...],
        groups: tuple[str, ...],
        time_unit: str,
    ) -> None:
        self.bank = bank
        self.routed = RoutedSystem(bank, routes, load, stations, groups)
        self.stations, self.groups = self.routed.stations, self.routed.groups
        self.group_load = load
        self.time_unit = check_text("time_unit", time_unit)

    def __repr__(self) -> str:
        size = f"{len(self.groups)} groups, {len(self.stations)} stations"
        return f"{type(self).__name__}({size}, load {self.load:g})"

    @property
    def load(self) -> float:
        """Sum of the loads of the groups, jobs per unit of time."""
        return self.routed.total_load


def named_loads(load: Any, word: str = "group") -> tuple[tuple[str, ...], Array]:
    """Return the names and loads of groups, from a mapping by name or a list of loads.

    Raises
    ------
    InputError
        Where there is no group, or a load is not above 0 and finite.
    """
    names: Sequence[str] | None = None
    values = load
    if hasattr(load, "keys"):
        names, values = list(load.keys()), [load[key] for key in load]
    loads = as_floats("load", values)
    if loads.ndim != 1 or not loads.size:
        problem = "is not a load for each group"
        raise InputError("load", load, problem, 'give {"north": 90, "south": 60} or [90, 60]')
    good = (loads > 0) & (loads < float("inf"))
    raise_at_first("load", loads, good, "is not above 0 and finite", "leave an idle group out")
    return as_names("load", word, names, loads.size), loads


def as_rows(field: str, value: npt.ArrayLike, shape: tuple[int, int]) -> Array:
    """Return an array of shape (G, n), from one number, one row or all rows."""
    array = as_floats(field, value)
    import numpy as np

    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        problem = f"has shape {array.shape}, not {shape}: a row a group, a number a server"
        raise InputError(field, value, problem, "give one number, one row or all rows") from None
