"""Scenarios of a local and a cloud server with two service modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sojourn.models.scenarios.fields import PER_SECOND, SECONDS, ScenarioError, known, loads, number, table, text, unit
from sojourn.models.systems.dual_mode import DualMode
from sojourn.reference.errors import Array, InputError

TOP_KEYS = ("title", "source", "units", "loads", "dual_mode")
CANONICAL, RATES = ("mu0", "K", "f"), ("local", "cloud")


@dataclass(frozen=True, eq=False)
class DualModeScenario:
    """A dual-mode system written down, with the loads to look at.

    Attributes
    ----------
    name, title, source : str
        `source` says where the numbers are from.
    system : DualMode
        In seconds and jobs per second.
    load : float
        Operating point, jobs per second.
    loads : ndarray, shape (K,)
        Loads of the curve, jobs per second.
    delay_unit : {"s", "ms"}
        Unit in which people read delays.
    """

    name: str
    title: str
    source: str
    system: DualMode
    load: float
    loads: Array
    delay_unit: Literal["s", "ms"]


def read(given: Mapping[str, Any], name: str) -> DualModeScenario:
    """Return the scenario that a TOML table with `dual_mode` says."""
    known(given, TOP_KEYS, "")
    units = table(given, "units", required=True)
    known(units, ("rate", "delay"), "units.")
    per_second = unit(units, "rate", PER_SECOND)
    unit(units, "delay", SECONDS)
    system = _system(table(given, "dual_mode"), per_second)
    at, curve = loads(table(given, "loads"), system.max_load, system.check_load)
    title, source = (text(given, key, "", default) for key, default in (("title", name), ("source", "")))
    return DualModeScenario(name, title, source, system, at, curve, units["delay"])


def _system(given: Mapping[str, Any], per_second: float) -> DualMode:
    """The system from mu0, K and f, or from the rates of both servers."""
    keys = RATES if any(key in given for key in RATES) else CANONICAL
    known(given, keys, "dual_mode.")
    for key in keys:
        if key not in given:
            raise ScenarioError(f"dual_mode.{key}", None, "is missing", f"give {', '.join(keys)}")
    try:
        if keys == RATES:
            local, cloud = (_pair(given[key], f"dual_mode.{key}", infinite=True) for key in RATES)
            DualMode(local, cloud)  # what is wrong is said in the numbers of the file
            return DualMode([r * per_second for r in local], [r * per_second for r in cloud])
        mu0, K = (number(given[key], f"dual_mode.{key}", above=True) for key in ("mu0", "K"))
        return DualMode.canonical(mu0=mu0 * per_second, K=K, f=_pair(given["f"], "dual_mode.f"))
    except InputError as error:
        if isinstance(error, ScenarioError):
            raise
        raise ScenarioError(f"dual_mode.{error.field}", error.value, error.problem, error.remedy) from None


def _pair(given: object, place: str, *, infinite: bool = False) -> tuple[float, float]:
    if not isinstance(given, list) or len(given) != 2:
        raise ScenarioError(place, given, "is not a pair", "give a number for mode 1 and one for mode 2, as [a, b]")
    one, two = (math.inf if infinite and value == math.inf else number(value, f"{place}[{i}]", above=infinite) for i, value in enumerate(given))
    return one, two
