"""Scenarios of a local and a cloud server: with two service modes, or with one that is tuned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

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
from .dual_mode import DualMode
from .tunable import TunableMode

CANONICAL, RATES = ("mu0", "K", "f"), ("local", "cloud")


def read_dual_mode(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return what a TOML file with `dual_mode` describes: a system from mu0, K and f, or from the rates of both servers."""
    said = read_subtable(given, "dual_mode")
    keys = RATES if any(key in said for key in RATES) else CANONICAL
    _complete(said, keys, "dual_mode")
    with at_place("dual_mode"):
        if keys == RATES:
            local, cloud = (_pair(said[key], f"dual_mode.{key}", infinite=True) for key in RATES)
            return Described(DualMode(local, cloud, units.time))
        mu0, K = (read_number(said[key], f"dual_mode.{key}", above=True) for key in ("mu0", "K"))
        return Described(
            DualMode.canonical(
                mu0=mu0, K=K, f=_pair(said["f"], "dual_mode.f"), time_unit=units.time
            )
        )


def read_tunable_mode(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return what a TOML file with `tunable_mode` describes: a system from mu0 and K."""
    said = read_subtable(given, "tunable_mode")
    _complete(said, ("mu0", "K"), "tunable_mode")
    mu0, K = (read_number(said[key], f"tunable_mode.{key}", above=True) for key in ("mu0", "K"))
    return Described(TunableMode(mu0, K, units.time))


def _complete(said: Mapping[str, Any], keys: Sequence[str], place: str) -> None:
    check_keys(said, keys, f"{place}.")
    for key in keys:
        if key not in said:
            raise ScenarioError(f"{place}.{key}", None, "is missing", f"give {', '.join(keys)}")


def _pair(given: object, place: str, *, infinite: bool = False) -> tuple[float, float]:
    if not isinstance(given, list) or len(given) != 2:
        raise ScenarioError(
            place, given, "is not a pair", "give a number for mode 1 and one for mode 2, as [a, b]"
        )
    one, two = (
        math.inf
        if infinite and value == math.inf
        else read_number(value, f"{place}[{i}]", above=infinite)
        for i, value in enumerate(given)
    )
    return one, two
