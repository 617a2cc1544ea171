"""Reading a TOML table: what is unknown, missing or out of range is named with its place in the file."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...reference.errors import InputError, escaped


class ScenarioError(InputError):
    """A scenario file that does not say a system; the field is its place in the file."""


@dataclass(frozen=True)
class Folder:
    """Folder of a scenario file, which the files that it names are relative to.

    Parameters
    ----------
    path : Path
    allow_outside : bool
        Whether the scenario may name files that are not in it.
    """

    path: Path = Path()
    allow_outside: bool = False

    def file(self, name: object, place: str) -> Path:
        """Return the path of a file that a scenario names; ScenarioError on no name, or one outside."""
        if not isinstance(name, str) or not name.strip():
            remedy = 'give some text, such as "samples.csv"'
            raise ScenarioError(place, name, "is not the name of a file", remedy)
        path = self.path / name
        if not (self.allow_outside or self._has(path)):
            remedy = "put it there, or allow it by --allow-outside, in Python allow_outside=True"
            raise ScenarioError(place, name, "is not in the folder of the scenario", remedy)
        return path

    def _has(self, path: Path) -> bool:
        """Whether a path, with all its links followed, is in the folder."""
        if (
            path.absolute().drive != self.path.absolute().drive
        ):  # of another machine nothing is asked
            return False
        try:
            return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.path))
        except ValueError:  # a name that no file can have
            return False


@contextmanager
def at_place(place: str) -> Iterator[None]:
    """Turn an InputError of what is built inside, such as a system, into one that names its place in the file."""
    try:
        yield
    except ScenarioError:
        raise
    except InputError as error:
        raise ScenarioError(
            f"{place}.{error.field}", error.value, error.problem, error.remedy
        ) from None


def check_keys(given: Mapping[str, Any], keys: Sequence[str], place: str, more: str = "") -> None:
    """Raise ScenarioError on a key that is not one of `keys`, with the nearest that is, and what more there can be."""
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            remedy = (
                f"did you mean {near[0]}{more and f', or {more}'}?"
                if near
                else f"the keys here are {', '.join(keys)}{more and f', and {more}'}"
            )
            name = key if key.strip() else f'"{key}"'
            raise ScenarioError(f"{place}{name}", given[key], "is not a known key", remedy)


def read_subtable(
    given: Mapping[str, Any], key: str, *, required: bool = False
) -> Mapping[str, Any]:
    """Return a table within a table, empty where there is none."""
    value = given.get(key, {})
    if not isinstance(value, dict) or (required and not value):
        what = "is missing" if key not in given else "is not a table"
        raise ScenarioError(
            key,
            value,
            what,
            f"write it as [{key}]" + (' with rate = "1/s" and delay = "ms"' if required else ""),
        )
    return value


def unit(units: Mapping[str, Any], key: str, known: Iterable[str]) -> str:
    """Return the name of a unit, one of those that are known."""
    unit = units.get(key)
    if not isinstance(unit, str) or unit not in known:
        problem = "is missing" if unit is None else "is not a known unit"
        raise ScenarioError(f"units.{key}", unit, problem, f"use one of {', '.join(known)}")
    return unit


def read_number(value: object, place: str, *, above: bool = False, signed: bool = False) -> float:
    """Return a finite number, 0 or more, or above 0, or of any sign."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(
            place,
            value,
            "is not a number",
            "give a number" + ", without quotes" * str(value).replace(".", "", 1).isdigit(),
        )
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or (value < 0 and not signed) or (above and value == 0):
        remedy = (
            "give a finite number" + (" above 0" if above else "")
            if above or signed
            else "give 0 or more"
        )
        raise ScenarioError(place, value, "is out of range", remedy)
    return value


def read_string(given: Mapping[str, Any], key: str, place: str, default: str) -> str:
    """Return a text that is not blank, as it can be printed; a source may be blank."""
    value = given.get(key, default)
    if not isinstance(value, str) or (not value.strip() and key != "source"):
        raise ScenarioError(f"{place}{key}", value, "is not text", "give some text in quotes")
    return escaped(value)
