"""Reading of TOML tables; an error names the place in the file of the wrong key or value."""

from __future__ import annotations

import difflib
import math
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...reference.errors import InputError, escaped


class ScenarioError(InputError):
    """A scenario file does not describe a system; ``field`` is the place in the file."""


@dataclass(frozen=True)
class Folder:
    """The folder of a scenario file; the names of further files are relative to it.

    Parameters
    ----------
    path : Path
        Path of the folder.
    allow_outside : bool, default False
        Whether a scenario may name files outside the folder.
    """

    path: Path = Path()
    allow_outside: bool = False

    def file(self, name: object, place: str) -> Path:
        """Return the path of a file that a scenario names.

        Parameters
        ----------
        name : str
            Name of the file, relative to the folder.
        place : str
            Place of the name in the scenario file, for messages.

        Raises
        ------
        ScenarioError
            Where `name` is not a name, or the file is outside the folder and must not be.
        """
        if not isinstance(name, str) or not name.strip():
            remedy = 'give some text, such as "samples.csv"'
            raise ScenarioError(place, name, "is not the name of a file", remedy)
        path = self.path / name
        if not (self.allow_outside or self._has(path)):
            remedy = "put it there, or allow it by --allow-outside, in Python allow_outside=True"
            raise ScenarioError(place, name, "is not in the folder of the scenario", remedy)
        return path

    def _has(self, path: Path) -> bool:
        """Return whether a path is in the folder after all links are followed."""
        # do not contact another machine
        if path.absolute().drive != self.path.absolute().drive:
            return False
        try:
            return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.path))
        except ValueError:  # a name that no file can have
            return False


@contextmanager
def at_place(place: str) -> Iterator[None]:
    """Turn an InputError raised in the block into a ScenarioError with its place in the file."""
    try:
        yield
    except ScenarioError:
        raise
    except InputError as error:
        raise ScenarioError(
            f"{place}.{error.field}", error.value, error.problem, error.remedy
        ) from None


def check_keys(given: Mapping[str, Any], keys: Sequence[str], place: str, more: str = "") -> None:
    """Check the keys of a table.

    Parameters
    ----------
    given : mapping
        The table.
    keys : sequence of str
        Known keys.
    place : str
        Place of the table in the file, with a dot at the end unless it is empty.
    more : str
        What else is allowed as a key, for the message.

    Raises
    ------
    ScenarioError
        On the first unknown key, with the most similar known one.
    """
    for key in given:
        if key not in keys:
            # service_rate is a rate, and not a service_time
            near = [known for known in keys if key.endswith(f"_{known}")]
            near = near or difflib.get_close_matches(key, keys, 1)
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
    """Return a table within a table; an empty one where it is missing and not required.

    Parameters
    ----------
    given : mapping
        The outer table.
    key : str
        Name of the inner table.
    required : bool, default False
        Whether it must be present and not empty.

    Raises
    ------
    ScenarioError
        Where the value is not a table, or a required table is missing or empty.
    """
    value = given.get(key, {})
    if not isinstance(value, dict) or (required and not value):
        problem = "is missing" if key not in given else "is not a table"
        example = ' with rate = "1/s" and delay = "ms"' if required else ""
        raise ScenarioError(key, value, problem, f"write it as [{key}]{example}")
    return value


def unit(units: Mapping[str, Any], key: str, known: Iterable[str]) -> str:
    """Return the name of a unit.

    Parameters
    ----------
    units : mapping
        The table ``[units]``.
    key : str
        Key of the unit, such as ``"rate"``.
    known : iterable of str
        Known units.

    Raises
    ------
    ScenarioError
        Where the unit is missing or unknown.
    """
    unit = units.get(key)
    if not isinstance(unit, str) or unit not in known:
        problem = "is missing" if unit is None else "is not a known unit"
        raise ScenarioError(f"units.{key}", unit, problem, f"use one of {', '.join(known)}")
    return unit


def read_number(value: object, place: str, *, above: bool = False, signed: bool = False) -> float:
    """Return a finite number as a float.

    Parameters
    ----------
    value : int or float
        Value in the file.
    place : str
        Its place in the file, for messages.
    above : bool, default False
        Whether it must be above 0; otherwise 0 is allowed, too.
    signed : bool, default False
        Whether it may be negative.

    Raises
    ------
    ScenarioError
        Where it is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        quoted = str(value).replace(".", "", 1).isdigit()
        remedy = "give a number" + ", without quotes" * quoted
        raise ScenarioError(place, value, "is not a number", remedy)
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or (value < 0 and not signed) or (above and value == 0):
        least = " above 0" if above else "" if signed else ", 0 or more"
        remedy = (
            f"give a finite number{least}" if above or signed or not value < 0 else "give 0 or more"
        )
        raise ScenarioError(place, value, "is out of range", remedy)
    return value


def read_string(given: Mapping[str, Any], key: str, place: str, default: str) -> str:
    """Return a text as `plain` writes it.

    Parameters
    ----------
    given : mapping
        The table.
    key : str
        Key of the text.
    place : str
        Place of the table in the file, with a dot at the end unless it is empty.
    default : str
        Text where the key is missing.

    Raises
    ------
    ScenarioError
        Where the value is not a text, or is blank; only ``source`` may be blank.
    """
    value = given.get(key, default)
    if not isinstance(value, str) or (not value.strip() and key != "source"):
        raise ScenarioError(f"{place}{key}", value, "is not text", "give some text in quotes")
    return plain(value)


def plain(text: str) -> str:
    """Return a text without spaces around it, of composed characters, with controls escaped.

    Names that look the same are then the same.
    """
    return escaped(unicodedata.normalize("NFC", text.strip(" ")))
