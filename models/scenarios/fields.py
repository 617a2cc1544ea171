"""Reading a TOML table: what is unknown, missing or out of range is named with its place in the file."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sojourn.reference.errors import Array, InputError

SECONDS = {"s": 1.0, "ms": 1e-3}
PER_SECOND = {"1/s": 1.0, "1/ms": 1e3}


class ScenarioError(InputError):
    """A scenario file that does not say a system; the field is its place in the file."""


def known(given: Mapping[str, Any], keys: Sequence[str], place: str) -> None:
    """Raise ScenarioError on a key that is not one of `keys`, with the nearest that is."""
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            remedy = f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(keys)}"
            raise ScenarioError(f"{place}{key}", given[key], "is not a known key", remedy)


def table(given: Mapping[str, Any], key: str, *, required: bool = False) -> Mapping[str, Any]:
    """Return a table within a table, empty where there is none."""
    value = given.get(key, {})
    if not isinstance(value, dict) or (required and not value):
        what = "is missing" if key not in given else "is not a table"
        raise ScenarioError(key, value, what, f"write it as [{key}]" + (' with rate = "1/s" and delay = "ms"' if required else ""))
    return value


def unit(units: Mapping[str, Any], key: str, known: Mapping[str, float]) -> float:
    """Return the factor of a unit that is named."""
    unit = units.get(key)
    if not isinstance(unit, str) or unit not in known:
        raise ScenarioError(
            f"units.{key}",
            unit,
            "is missing" if unit is None else "is not a known unit",
            f"use one of {', '.join(known)}",
        )
    return known[unit]


def number(value: object, place: str, *, above: bool = False) -> float:
    """Return a finite number, 0 or more, or above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(place, value, "is not a number", "give a number")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or value < 0 or (above and value == 0):
        raise ScenarioError(place, value, "is out of range", "give a finite number above 0" if above else "give 0 or more")
    return value


def text(given: Mapping[str, Any], key: str, place: str, default: str) -> str:
    """Return a text that is not blank; a source may be."""
    value = given.get(key, default)
    if not isinstance(value, str) or (not value.strip() and key != "source"):
        raise ScenarioError(f"{place}{key}", value, "is not text", "give some text in quotes")
    return value


def loads(given: Mapping[str, Any], most: float, check: Callable[[float], float]) -> tuple[float, Array]:
    """Return the operating point and the loads of the curve; `most` is the load that none may reach, `check` raises where one does."""
    known(given, ("at", "curve"), "loads.")
    for key in ("at", "curve"):
        if key not in given and math.isinf(most):
            remedy = "give loads.at and loads.curve in jobs per second, such as at = 10 and curve = { from = 1, to = 20, points = 99 }"
            raise ScenarioError(f"loads.{key}", None, "is missing, and by default it is a part of the total rate, which is infinite", remedy)
    at = absolute(number(given.get("at", 0.5), "loads.at", above=True), most)
    curve = given.get("curve", {"from": 0.01, "to": 0.99, "points": 99})
    if isinstance(curve, dict):
        known(curve, ("from", "to", "points"), "loads.curve.")
        start, end = (number(curve.get(k, d), f"loads.curve.{k}", above=True) for k, d in (("from", 0.01), ("to", 0.99)))
        points = curve.get("points", 99)
        if not isinstance(points, int) or isinstance(points, bool) or not 1 <= points <= 1_000_000:
            raise ScenarioError("loads.curve.points", points, "is not a number of points", "give a whole number from 1 to 1000000")
        values = np.linspace(absolute(start, most), absolute(end, most), points)
    elif isinstance(curve, list) and curve:
        values = np.array([absolute(number(v, f"loads.curve[{i}]", above=True), most) for i, v in enumerate(curve)])
    else:
        raise ScenarioError("loads.curve", curve, "is not a list of loads", "give [0.1, 0.5] or { from = 0.01, to = 0.99, points = 99 }")
    for i, value in enumerate((at, *values)):
        _checked(check, value, "loads.at" if i == 0 else f"loads.curve[{i - 1}]")
    return at, values


def absolute(load: float, most: float) -> float:
    """Return a load in jobs per second: below 1 it is a part of the load that none may reach, where there is one."""
    return load * most if 0 < load < 1 and math.isfinite(most) else load


def _checked(check: Callable[[float], float], load: float, place: str) -> None:
    try:
        check(load)
    except InputError as error:
        raise ScenarioError(place, load, error.problem, error.remedy) from None
