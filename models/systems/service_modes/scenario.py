"""Scenarios of a local and a cloud server with two service modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....reference.errors import Array, InputError, LoadError
from ...frontend.fields import ScenarioError, known, number, table, text
from ...frontend.loads import Loads
from ...frontend.units import Units, units_of
from .dual_mode import DualMode

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
        In the unit of time of the file's rates.
    load : float
        Operating point, in the file's unit of rates.
    loads : ndarray, shape (K,)
        Loads of the curve, in the file's unit of rates.
    units : Units
        Those of the file, in which people read results.
    """

    name: str
    title: str
    source: str
    system: DualMode
    load: float
    loads: Array
    units: Units

    @property
    def delay_unit(self) -> str:
        """Unit in which the file gives delays, and in which people read them."""
        return self.units.delay

    @property
    def most(self) -> float:
        """Load that none may reach; infinite where no load is too much."""
        return self.system.max_load

    def load_of(self, text: str, place: str) -> float:
        """Return a load as people write it, such as ``"60%"``; see `Loads.read`."""
        return _loads(self.system, self.units).read(text, place, LoadError)


def read(given: Mapping[str, Any], name: str) -> DualModeScenario:
    """Return the scenario that a TOML table with `dual_mode` says."""
    known(given, TOP_KEYS, "")
    units = units_of(table(given, "units", required=True))
    system = _system(table(given, "dual_mode"), units.time)
    at, curve = _loads(system, units).read_all(table(given, "loads"))
    title, source = (text(given, key, "", default) for key, default in (("title", name), ("source", "")))
    return DualModeScenario(name, title, source, system, at, curve, units)


def _loads(system: DualMode, units: Units) -> Loads:
    return Loads(units, system.max_load, "largest load", system.check_load)


def _system(given: Mapping[str, Any], time_unit: str) -> DualMode:
    """The system from mu0, K and f, or from the rates of both servers."""
    keys = RATES if any(key in given for key in RATES) else CANONICAL
    known(given, keys, "dual_mode.")
    for key in keys:
        if key not in given:
            raise ScenarioError(f"dual_mode.{key}", None, "is missing", f"give {', '.join(keys)}")
    try:
        if keys == RATES:
            local, cloud = (_pair(given[key], f"dual_mode.{key}", infinite=True) for key in RATES)
            return DualMode(local, cloud, time_unit)
        mu0, K = (number(given[key], f"dual_mode.{key}", above=True) for key in ("mu0", "K"))
        return DualMode.canonical(mu0=mu0, K=K, f=_pair(given["f"], "dual_mode.f"), time_unit=time_unit)
    except InputError as error:
        if isinstance(error, ScenarioError):
            raise
        raise ScenarioError(f"dual_mode.{error.field}", error.value, error.problem, error.remedy) from None


def _pair(given: object, place: str, *, infinite: bool = False) -> tuple[float, float]:
    if not isinstance(given, list) or len(given) != 2:
        raise ScenarioError(place, given, "is not a pair", "give a number for mode 1 and one for mode 2, as [a, b]")
    one, two = (math.inf if infinite and value == math.inf else number(value, f"{place}[{i}]", above=infinite) for i, value in enumerate(given))
    return one, two
