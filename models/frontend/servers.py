"""The servers of a scenario file: from tables of numbers to banks of servers of any family.

The banks are in the unit of time of the file's rates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...reference.bank_fields import DRAINED, NO_RATE
from ...reference.errors import InputError
from ..latency import Latency
from ..latency.base import parameters
from ..latency.registry import families, family_named
from .csv_tables import check_columns
from .fields import Folder, ScenarioError, check_keys, read_number, read_string
from .server_tables import table_rows
from .units import Units

MOST = 1_000_000  # servers that a file may have, with all replicas
HINTS = {
    "rate": ("is missing", "give the service rate, or service_time"),
    "cv": ("{family} needs a coefficient of variation", "give cv, 0 or more"),
}


class Server(NamedTuple):
    """One server of a scenario file, in the units of the file.

    Attributes
    ----------
    place : str
        Its place in the file, for messages, such as ``"servers[0]."``.
    name : str
        Its name.
    family : str
        Name of its latency family, such as ``"M/M/1"``.
    fields : mapping
        The fields of the family: numbers, lists of numbers, words, paths, or servers that it
        consists of.
    replicas : int
        Number of servers with these fields.
    more : mapping of str to float
        Numbers of the server that are not of its family, such as prices.
    """

    place: str
    name: str
    family: str
    fields: Mapping[str, Any]
    replicas: int = 1
    more: Mapping[str, float] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all replicas, numbered where there are several."""
        if self.replicas == 1:
            return (self.name,)
        return tuple(f"{self.name} {i + 1}" for i in range(self.replicas))

    def changed(self, **fields: Any) -> Server:
        """Return the server with other values of some fields."""
        return self._replace(fields={**self.fields, **fields})


def servers(
    given: object,
    folder: Folder,
    units: Units,
    key: str = "servers",
    word: str = "server",
    more: Sequence[str] = (),
) -> list[Server]:
    """Return the servers of a scenario file.

    Parameters
    ----------
    given : object
        The value of `key` in the file: a list of tables, or a table that names a CSV file.
    folder : Folder
        Folder that paths are relative to.
    units : Units
        Units of the file.
    key, word : str
        Key of the servers in the file, and the word for one of them in names and messages.
    more : sequence of str
        Keys of a server that are not of its family: numbers, those in ``_rate`` being rates.

    Raises
    ------
    ScenarioError
        On a value that is not a list of servers, or on two servers with one name.
    """
    if isinstance(given, dict) and "file" in given:
        tables = table_rows(given, folder, units, key, more)
    elif isinstance(given, list) and given:
        tables = [(f"{key}[{i}].", s) for i, s in enumerate(given)]
    else:
        remedy = (
            f"add a [[{key}]] table with a rate, "
            f'or name a CSV file: [{key}] with file = "{key}.csv"'
        )
        if type(given) is int:
            ways = (
                f"replicas = {given}, each with a queue, "
                f'or with family = "M/M/c" and servers = {given}, with one queue'
            )
            raise ScenarioError(
                key,
                given,
                f"is no table of a {word}",
                f"write [[{key}]] with a rate and {ways}",
            )
        raise ScenarioError(key, given, f"the system has no {word}", remedy)
    out = [
        _with_more(place, f"{word} {i + 1}", s, folder, units, more)
        for i, (place, s) in enumerate(tables)
    ]
    if (total := sum(server.replicas for server in out)) > MOST:
        raise ScenarioError(
            key,
            f"{total:,} of them",
            f"are more than {MOST:,} with all replicas",
            "give fewer",
        )
    check_names([(s.place, dict.fromkeys((s.name, *s.names))) for s in out], word)
    return out


def _with_more(
    place: str, default: str, given: Any, folder: Folder, units: Units, more: Sequence[str]
) -> Server:
    """Return one server of a table, with its numbers that are not of its family."""
    if not (more and isinstance(given, dict)):
        return _server(place, default, given, folder, units, top=True)
    own = {key: read_number(given[key], f"{place}{key}") for key in more if key in given}
    rest = {key: value for key, value in given.items() if key not in own}
    server = _server(place, default, rest, folder, units, top=True, more=more)
    return server._replace(more=own) if own else server


def check_names(given: Iterable[tuple[str, Iterable[str]]], word: str) -> None:
    """Raise ScenarioError at the first name that two entries of a file have.

    Parameters
    ----------
    given : iterable of (str, iterable of str)
        Place in the file, such as ``"servers[0]."``, and names of each entry.
    word : str
        Noun of an entry.
    """
    taken: dict[str, str] = {}
    for place, names in given:
        for name in names:
            if name in taken:
                problem = f"is the name of {taken[name]} too"
                raise ScenarioError(
                    f"{place}name", name, problem, f"give every {word} its own name"
                )
            taken[name] = place.rstrip(".: ")


def banks(given: Sequence[Server], units: Units) -> list[Latency]:
    """Return the servers as banks, in order, with all replicas.

    Neighbours of one family whose fields are plain numbers and words become one bank.
    """
    out, start = [], 0
    plain = [all(type(v) in (float, str) for v in s.fields.values()) for s in given]
    for end in range(1, len(given) + 1):
        both_plain = end < len(given) and plain[start] and plain[end]
        if both_plain and _same_fields(given[start], given[end]):
            continue
        bank, replicas = _bank(given[start:end], units), [s.replicas for s in given[start:end]]
        if max(replicas) > 1:
            bank = bank.take(np.repeat(np.arange(len(bank)), replicas))
        out.append(bank)
        start = end
    return out


def _server(
    place: str,
    default: str,
    given: object,
    folder: Folder,
    units: Units,
    *,
    top: bool = False,
    more: Sequence[str] = (),
) -> Server:
    """Return one server of a table; only a server at the `top` level has replicas.

    The keys `more` are read elsewhere; a message on an unknown key names them.
    """
    if not isinstance(given, dict):
        remedy = f"write it as [[{place.partition('[')[0]}]]"
        raise ScenarioError(place[:-1], given, "is not a table", remedy)
    family = given.get("family", "M/G/1" if "cv" in given else "M/M/1")
    try:
        kind = family_named(family)
    except InputError as error:
        raise ScenarioError(f"{place}family", family, error.problem, error.remedy) from None
    fields, files, keys, required = _keys(kind, top)
    if family in ("M/M/1", "M/D/1") and "cv" in given:
        raise ScenarioError(
            f"{place}cv",
            given["cv"],
            f"{family} has its own",
            "leave out cv, or use family = 'M/G/1'",
        )
    if not given.keys() <= keys.keys():
        _raise_at_field_of_others(given, tuple(keys), place, family)
        check_keys(given, (*keys, *more), place)
    replicas = (
        _replicas(given["replicas"], f"{place}replicas")
        if "replicas" in given and not keys["replicas"]
        else 1
    )
    values: dict[str, Any] = {}
    for k, v in given.items():
        if not keys[k]:
            continue
        if k in files:
            values[k] = folder.file(v, f"{place}{k}")
        elif k in kind.texts:
            values[k] = read_string(given, k, place, "")
        elif type(v) is float and 0.0 < v < math.inf:  # the usual case, of up to a million servers
            values[k] = v
        else:
            values[k] = _value(v, f"{place}{k}", k, folder, units)
    if "service_time" in given and not keys["service_time"]:
        if "rate" in given:
            raise ScenarioError(
                f"{place}service_time",
                given["service_time"],
                "is given together with rate, which it determines",
                "give one of them",
            )
        values["rate"] = _rate(given["service_time"], f"{place}service_time", units)
    if not required <= values.keys() and not any(name in given for name in files):
        _raise_at_missing(place, family, fields, values)
    if "columns" in given and not keys["columns"]:
        values["columns"] = _sample_columns(given, place, family, units)
    return Server(place, read_string(given, "name", place, default), family, values, replicas)


def _raise_at_field_of_others(
    given: Mapping[str, Any], keys: Sequence[str], place: str, family: str
) -> None:
    """Raise ScenarioError on a field that only other families have, with their names."""
    for key in given:
        if key in (*keys, "name", "family"):
            continue
        having = [f'"{name}"' for name, other in families().items() if key in parameters(other)]
        if having:
            replicas = f", or replicas = {given[key]} with a queue each" if key == "servers" else ""
            remedy = f"give family = {' or '.join(having)}{replicas}"
            raise ScenarioError(f"{place}{key}", given[key], f"is no field of {family}", remedy)


@cache
def _keys(
    kind: type[Latency], top: bool
) -> tuple[Mapping[str, bool], tuple[str, ...], Mapping[str, bool], frozenset[str]]:
    """Return the fields of a family and the keys of its tables.

    Returns
    -------
    tuple
        Fields, and whether each is required; fields that name files; all keys of a table, and
        whether each is a field; required fields.
    """
    fields, files = parameters(kind), kind.files
    keys = {"name": False, "family": False, **dict.fromkeys((*fields, *files), True)}
    optional = {"service_time": "rate" in fields, "replicas": top, "columns": bool(files)}
    keys.update({key: False for key, allowed in optional.items() if allowed and key not in fields})
    return fields, files, keys, frozenset(name for name, required in fields.items() if required)


def _replicas(value: object, place: str) -> int:
    """Return a number of replicas; ScenarioError unless it is a whole number from 1 on."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 1 <= value <= MOST
        or value != int(value)
    ):
        raise ScenarioError(
            place,
            value,
            "is not a number of servers",
            f"give a whole number from 1 to {MOST}{DRAINED}",
        )
    return int(value)


def _rate(value: object, place: str, units: Units) -> float:
    """Return the rate of a server from its service time, in the unit of the file's rates."""
    time = read_number(value, place, above=True)
    if not math.isfinite(rate := units.rate_of(time)):
        raise ScenarioError(
            place, value, "is so short that its rate is not finite", "give a longer time"
        )
    return rate


def _sample_columns(
    given: Mapping[str, Any], place: str, family: str, units: Units
) -> dict[str, str]:
    """Return the columns of a file of samples, by field."""
    named, kind = given["columns"], family_named(family)
    if not any(name in given for name in kind.files):
        raise ScenarioError(
            f"{place}columns",
            named,
            "names columns of a file, and there is none",
            f"give {kind.files[0]}",
        )
    read = [*(kind.rates or ()), *(t for t in kind.times or () if t != "delay")]
    return check_columns(
        named, f"{place}columns", read, units, times=kind.times or (), rates=kind.rates or ()
    )


def _raise_at_missing(
    place: str, family: str, fields: Mapping[str, bool], given: Mapping[str, Any]
) -> None:
    """Raise ScenarioError at the first required field that is missing."""
    for name, required in fields.items():
        if required and name not in given:
            needed = ", ".join(k for k, is_required in fields.items() if is_required)
            problem, remedy = HINTS.get(name, ("is missing", f"{family} needs {needed}"))
            raise ScenarioError(f"{place}{name}", None, problem.format(family=family), remedy)


def _value(value: object, place: str, name: str, folder: Folder, units: Units) -> Any:
    """Return a field as a number, a list of numbers, or the server of a table."""
    if name == "rate" and value == 0:
        raise ScenarioError(place, value, NO_RATE, f"give a positive rate{DRAINED}")
    if name in ("rate", "delay", "cv"):
        return read_number(value, place, above=name == "rate")
    if isinstance(value, dict):
        return _server(f"{place}.", name, value, folder, units)
    if isinstance(value, list) and value:
        return [read_number(v, f"{place}[{i}]") for i, v in enumerate(value)]
    return read_number(value, place)


def _same_fields(first: Server, second: Server) -> bool:
    return first.family == second.family and first.fields.keys() == second.fields.keys()


def _bank(listed: Sequence[Server], units: Units) -> Latency:
    """Return servers of one family as a bank, with delays in the unit of time of the rates."""
    first, family = listed[0], family_named(listed[0].family)
    # fields that the family declares as times are converted before it is made; of other families,
    # such as those that read files, the bank is converted as a whole
    reads_files = any(isinstance(v, Path) for v in first.fields.values())
    declared = family.rates is not None and family.times is not None and not reads_files
    if not (declared or family.scaled is not Latency.scaled or units.delay_factor == 1):
        raise ScenarioError(
            "units",
            "of a rate and of a delay",
            f"do not fit, and {first.family} does not declare the units of its fields",
            f"use units that fit, such as 1/s and s, or declare in {family.__name__} "
            "which fields are rates and which are times",
        )
    times = (family.times or ()) if declared and units.delay_factor != 1 else ()
    changed = [k for k, v in first.fields.items() if k in times or isinstance(v, Server)]
    rows = [{**s.fields, **{k: _converted(s.fields[k], units) for k in changed}} for s in listed]
    try:
        bank = family.from_fields(rows)
    except InputError as error:
        raise _with_place(listed, error) from None
    composed = any(isinstance(v, Server) for v in first.fields.values())
    if declared or composed or units.delay_factor == 1:
        return bank
    return bank.scaled(1.0, 1.0 / units.delay_factor)


def _converted(value: Any, units: Units) -> Any:
    """Return a time, a list of times, or a server as a bank, in the unit of time of the rates."""
    if isinstance(value, Server):
        return _bank([value], units)
    if isinstance(value, list):
        return [units.from_delay(v) for v in value]
    return units.from_delay(value)


def _with_place(listed: Sequence[Server], error: InputError) -> ScenarioError:
    """Return the error of a family's constructor with its place and value in the file."""
    first = listed[0]
    for name, value in first.fields.items():
        if isinstance(value, Path):
            column = "" if error.field == "path" else f": {error.field}"
            place = f"{first.place}{name}{column}"
            return ScenarioError(place, error.value, error.problem, error.remedy)
    indexed = re.match(r"(\w+)(?:\[(\d+)\])?", error.field)
    name, index = (indexed[1], int(indexed[2] or 0)) if indexed else (error.field, 0)
    server = listed[index] if index < len(listed) else first
    value = server.fields.get(name, error.value)
    return ScenarioError(f"{server.place}{name}", value, error.problem, error.remedy)
