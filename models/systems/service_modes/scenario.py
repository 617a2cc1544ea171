"""Scenario files with a table ``dual_mode`` or ``tunable_mode``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ....reference.validation import check_choice
from ...frontend.fields import (
    Folder,
    ScenarioError,
    at_place,
    check_keys,
    read_number,
    read_subtable,
)
from ...frontend.scenario import Described
from ...frontend.units import Units
from .disciplines import shared_of
from .dual_mode import DualMode
from .tunable import TunableMode

CANONICAL, RATES = ("mu0", "K", "f"), ("local", "cloud")
RESERVED, SHARED = DISCIPLINES = ("reserved", "processor-sharing")


def read_dual_mode(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return the system of the table ``dual_mode``: from mu0, K and f, or from both servers' rates.

    With ``discipline = "processor-sharing"`` each server serves both modes at once; by default a
    part of it is reserved for each.

    Parameters
    ----------
    given : mapping
        Content of the whole TOML file.
    folder : Folder
        Unused; part of the signature of `SystemKind.read`.
    units : Units

    Raises
    ------
    ScenarioError
        On a key that is missing, unknown or has a wrong value.
    """
    table = read_subtable(given, "dual_mode")
    keys = RATES if any(key in table for key in RATES) else CANONICAL
    _check_complete(table, keys, "dual_mode", "discipline")
    shared = is_shared(table, "dual_mode.")
    with at_place("dual_mode"):
        if keys == RATES:
            local, cloud = (_pair(table[key], f"dual_mode.{key}", infinite=True) for key in RATES)
            pair = DualMode(local, cloud, units.time)
            return Described(shared_of(pair) if shared else pair)
        mu0, K = (read_number(table[key], f"dual_mode.{key}", above=True) for key in ("mu0", "K"))
        f = _pair(table["f"], "dual_mode.f")
        pair = DualMode.canonical(mu0=mu0, K=K, f=f, time_unit=units.time)
        return Described(shared_of(pair) if shared else pair)


def is_shared(table: Mapping[str, Any], place: str) -> bool:
    """Return whether stages are shared, by the key ``discipline`` of a table.

    Parameters
    ----------
    table : mapping
        The table.
    place : str
        Its place in the file, with a dot at the end.

    Raises
    ------
    ScenarioError
        On an unknown discipline.
    """
    given, problem = table.get("discipline", RESERVED), "is not a discipline"
    return check_choice(f"{place}discipline", given, DISCIPLINES, problem, ScenarioError) == SHARED


def read_tunable_mode(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return the system of the table ``tunable_mode``, from mu0 and K; see `read_dual_mode`."""
    table = read_subtable(given, "tunable_mode")
    _check_complete(table, ("mu0", "K"), "tunable_mode")
    mu0, K = (read_number(table[key], f"tunable_mode.{key}", above=True) for key in ("mu0", "K"))
    return Described(TunableMode(mu0, K, units.time))


def _check_complete(
    table: Mapping[str, Any], keys: Sequence[str], place: str, *optional: str
) -> None:
    """Raise ScenarioError on a key that is missing or unknown."""
    check_keys(table, (*keys, *optional), f"{place}.")
    for key in keys:
        if key not in table:
            raise ScenarioError(f"{place}.{key}", None, "is missing", f"give {', '.join(keys)}")


def _pair(given: object, place: str, *, infinite: bool = False) -> tuple[float, float]:
    """Return a list of two numbers as a pair; rates, which may be infinite, must be above 0."""
    if not isinstance(given, list) or len(given) != 2:
        remedy = "give a number for mode 1 and one for mode 2, as [a, b]"
        raise ScenarioError(place, given, "is not a pair", remedy)
    first, second = (
        math.inf
        if infinite and value == math.inf
        else read_number(value, f"{place}[{i}]", above=infinite)
        for i, value in enumerate(given)
    )
    return first, second
