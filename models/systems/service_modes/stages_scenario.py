"""Scenario files with tables ``stages`` and ``modes``: any number of service modes.

Every job takes one of the modes, which has a mean work at each stage::

    [units]
    rate = "1/s"                  # of loads; speeds are in work per this unit of time
    delay = "ms"                  # of fixed delays, of times, and of all results

    [[stages]]                    # in the order in which results list them
    name = "device"               # by default "stage 1", ...
    speed = 8e9                   # work per unit of time, in any unit of work

    [[stages]]
    name = "cloud"
    speed = 2e11

    [[modes]]
    name = "all cloud"            # by default "mode 1", ...
    work = { cloud = 6e8 }        # stages that are not named have none; or a list, one a stage
    delay = 30                    # a fixed delay that queues nowhere, by default 0

Either all stages have a speed, and the modes a ``work``, or no stage has one, and the modes have a
``time``: the mean service times of a job at stages of its own, in the unit of delays.

In place of ``[[modes]]``, a CSV file has a row for each mode, with the columns ``name`` and
``delay``, both optional, and one for each stage by its name::

    [modes]
    file = "cuts.csv"
    values = "work"               # or "time", as above: what the columns of the stages hold
    columns = { cloud = "cloud_flop", layer = false }     # optional, as for servers

By default a part of each stage is reserved for each mode. Where a stage serves all jobs at once,
and users can choose their modes::

    [service_modes]
    discipline = "processor-sharing"                      # or "reserved"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.plural import counted
from ....reference.validation import LEAST, check_choice
from ...frontend.csv_tables import UNIT, columns_of, read_rows, rows_of
from ...frontend.fields import (
    Folder,
    ScenarioError,
    at_place,
    check_keys,
    read_number,
    read_string,
    read_subtable,
)
from ...frontend.scenario import Described
from ...frontend.servers import check_names
from ...frontend.units import Units
from ..routes.scenario import read_delay, table_of, tables_of, values_by_name
from .disciplines import shared_of
from .scenario import is_shared
from .system import MultiMode

OF_STAGE, OF_MODE = ("name", "speed"), ("name", "work", "time", "delay")
OF_FILE = ("file", "values", "columns")
WORD = {"work": "a work", "time": "a service time"}


class Stages(NamedTuple):
    """The stages of a file.

    Attributes
    ----------
    names : tuple of str
        Their names.
    speed : ndarray of shape (S,), or None
        Their speeds, in units of work per unit of time of the system.
    units : Units
        Units of the file.
    """

    names: tuple[str, ...]
    speed: Array | None
    units: Units

    @property
    def values(self) -> str:
        """Key of what the modes have at the stages, ``"work"`` or ``"time"``."""
        return "time" if self.speed is None else "work"

    @property
    def example(self) -> str:
        """The key and a value, for messages."""
        name = self.names[0]
        bare = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
        quoted = name if bare else f'"{name}"'
        return f"{self.values} = {{ {quoted} = 20 }}"


class Mode(NamedTuple):
    """One mode of a file.

    Attributes
    ----------
    place : str
        Its place in the file, for messages, such as ``"modes[0]."``.
    name : str
        Its name.
    time : list of float, length S
        Mean service time at each stage, in the unit of time of the system.
    delay : float
        Fixed delay in that unit.
    """

    place: str
    name: str
    time: list[float]
    delay: float


def read_stages(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return the system of a scenario file with ``stages`` and ``modes``.

    Parameters
    ----------
    given : mapping
        The parsed TOML file.
    folder : Folder
        Folder that paths are relative to.
    units : Units
        Units of the file.

    Raises
    ------
    ScenarioError
        On a field that does not fit, with its place in the file.
    """
    table = read_subtable(given, "service_modes")
    check_keys(table, ("discipline",), "service_modes.")
    shared, stages = is_shared(table, "service_modes."), _stages(given, units)
    modes = _modes(given, folder, stages)
    time = np.array([mode.time for mode in modes]).T
    _check_used(stages, time)
    delay = np.array([mode.delay for mode in modes])
    names = tuple(mode.name for mode in modes)
    with at_place("modes"):
        system = MultiMode.from_work(time, None, stages.names, names, units.time, delay)
    return Described(shared_of(system) if shared else system)


def _stages(given: Mapping[str, Any], units: Units) -> Stages:
    """Return the stages of a file."""
    tables = tables_of(given, "stages", "a name and, unless the modes have times, a speed")
    names, speeds = [], dict[int, float]()
    for s, table in enumerate(tables):
        place = f"stages[{s}]."
        table_of(table, place, OF_STAGE)
        names.append(read_string(table, "name", place, f"stage {s + 1}"))
        if "speed" in table:
            speeds[s] = read_number(table["speed"], f"{place}speed", above=True)
    check_names([(f"stages[{s}].", (name,)) for s, name in enumerate(names)], "stage")
    if not speeds:
        return Stages(tuple(names), None, units)
    for s in range(len(names)):
        if s not in speeds:
            problem = f"is missing, and stages[{min(speeds)}] has one"
            remedy = "give every stage a speed, or none of them, and the modes times"
            raise ScenarioError(f"stages[{s}].speed", None, problem, remedy)
    return Stages(tuple(names), np.array([speeds[s] for s in range(len(names))]), units)


def _modes(given: Mapping[str, Any], folder: Folder, stages: Stages) -> list[Mode]:
    """Return the modes of a file, from tables or from a CSV file."""
    table = given.get("modes")
    if isinstance(table, dict):
        modes = _from_csv(table, folder, stages)
    else:
        tables = tables_of(given, "modes", f"a {stages.values} at each stage")
        modes = [_mode(m, table, stages) for m, table in enumerate(tables)]
    check_names([(mode.place, (mode.name,)) for mode in modes], "mode")
    return modes


def _mode(m: int, given: object, stages: Stages) -> Mode:
    """Return one mode of a table."""
    place = f"modes[{m}]."
    table = table_of(given, place, OF_MODE)
    if "work" in table and "time" in table:
        problem = "is given together with work, which determines it"
        raise ScenarioError(f"{place}time", table["time"], problem, "give one of them")
    key = "work" if "work" in table else "time" if "time" in table else None
    if key is None:
        remedy = f"give {WORD[stages.values]} at each stage, such as {stages.example}"
        raise ScenarioError(f"{place}{stages.values}", None, "is missing", remedy)
    _check_values(key, f"{place}{key}", table[key], stages)
    time = _times(table[key], f"{place}{key}", stages)
    name = read_string(table, "name", place, f"mode {m + 1}")
    return Mode(place, name, time, read_delay(table.get("delay", 0), f"{place}delay", stages.units))


def _check_values(key: str, place: str, value: object, stages: Stages) -> None:
    """Check that works belong to stages with speeds, and times to stages without."""
    if key == stages.values:
        return
    if key == "work":
        problem = "is a work, and the stages have no speeds"
        remedy = f"give every stage a speed, or the modes a time, in {stages.units.delay}"
    else:
        problem = "is a time, and the stages have speeds"
        remedy = "give the modes a work, or leave out the speeds"
    raise ScenarioError(place, value, problem, remedy)


def _times(given: object, place: str, stages: Stages) -> list[float]:
    """Return the service time of a mode at each stage from a list, or from a table by name."""
    names = stages.names
    if isinstance(given, dict):
        out = [0.0] * len(names)
        for name, here, value in values_by_name(given, place, "a stage", names):
            s = names.index(name)
            out[s] = _time(value, here, s, stages)
    elif isinstance(given, list):
        if len(given) != len(names):
            problem = f"has {counted(len(given), 'number')} for {counted(len(names), 'stage')}"
            raise ScenarioError(place, given, problem, "give one a stage, 0 for none")
        out = [_time(value, f"{place}[{s}]", s, stages) for s, value in enumerate(given)]
    else:
        remedy = f"give a table by stage, such as {stages.example}, or a list"
        raise ScenarioError(place, given, f"is not {WORD[stages.values]} at each stage", remedy)
    if not any(out):
        remedy = f"give {WORD[stages.values]} above 0 at a stage, or leave the mode out"
        raise ScenarioError(place, given, "the mode asks nothing of any stage", remedy)
    return out


def _time(value: object, place: str, s: int, stages: Stages) -> float:
    """Return a service time at a stage, in the unit of time of the system."""
    number = read_number(value, place)
    speed = None if stages.speed is None else float(stages.speed[s])
    time = stages.units.from_delay(number) if speed is None else number / speed
    if number and not LEAST <= time <= 1 / LEAST:
        at = "" if speed is None else f" at a speed of {speed:g}"
        remedy = "give numbers whose service times are of an ordinary size"
        raise ScenarioError(place, value, f"is out of range{at}", remedy)
    return time


def _check_used(stages: Stages, time: Array) -> None:
    """Check that every stage has work of some mode."""
    for s in np.flatnonzero(~time.any(axis=1)):
        problem, remedy = "no mode has work there", "leave the stage out, or give a mode some"
        raise ScenarioError(f"stages[{s}]", stages.names[s], problem, remedy)


def _from_csv(given: Mapping[str, Any], folder: Folder, stages: Stages) -> list[Mode]:
    """Return the modes of a CSV file."""
    if "file" not in given:
        remedy = 'name a CSV file, such as file = "modes.csv", or write each mode as [[modes]]'
        raise ScenarioError("modes.file", None, "is missing", remedy)
    check_keys(given, OF_FILE, "modes.")
    _check_csv_values(given, stages)
    path, named = folder.file(given["file"], "modes.file"), given.get("columns", {})
    fields = ["name", "delay", *stages.names]
    table = read_rows(path, named, "modes.file", fields, "mode")
    times = ("delay", *(stages.names if stages.values == "time" else ()))
    example, rates = stages.names[0], ()
    columns = columns_of(
        named, table.header, fields, stages.units, times, rates, path, "modes", example
    )
    _check_all_stages(columns, path, stages)
    out = []
    for m, (line, place, row) in enumerate(rows_of(path, table, columns, ["name"], fields)):
        at = f"{path}, row {line}"
        cells = [row[name] for name in stages.names]
        time = [
            _time(cell, f"{at}, column {columns[name]}", s, stages)
            for s, (name, cell) in enumerate(zip(stages.names, cells, strict=True))
        ]
        if not any(time):
            remedy = f"give {WORD[stages.values]} above 0 at a stage, or leave the row out"
            raise ScenarioError(at, cells, "the mode asks nothing of any stage", remedy)
        delay = read_delay(
            row.get("delay", 0), f"{at}, column {columns.get('delay')}", stages.units
        )
        out.append(Mode(place, read_string(row, "name", place, f"mode {m + 1}"), time, delay))
    return out


def _check_csv_values(given: Mapping[str, Any], stages: Stages) -> None:
    """Check that a table of a CSV file says what its columns hold, and that this fits the stages.

    Without that word a file of times would be read as one of works where a speed is added.
    """
    for name in ("name", "delay"):
        if name in stages.names:
            problem = "is a column of its own in a CSV file of modes"
            place = f"stages[{stages.names.index(name)}].name"
            raise ScenarioError(place, name, problem, "name the stage otherwise")
    if "values" not in given:
        remedy = f'give values = "{stages.values}": {WORD[stages.values]} in the columns of stages'
        raise ScenarioError("modes.values", None, "is missing", remedy)
    problem = "is not what columns of stages hold"
    values = check_choice("modes.values", given["values"], tuple(WORD), problem, ScenarioError)
    _check_values(values, "modes.values", values, stages)


def _check_all_stages(columns: Mapping[str, str], path: object, stages: Stages) -> None:
    """Check that every stage has a column, and that its name ends in no unit that it has not."""
    for name in stages.names:
        if name not in columns:
            remedy = "add it, 0 where a mode has no work there, or name its column in columns"
            raise ScenarioError(f"{path}, column {name}", None, "is missing", remedy)
        unit = UNIT.search(columns[name])
        if unit and stages.values == "time" and unit[1] != stages.units.delay:
            problem = (
                f'ends in a unit that is not that of the file, units.delay = "{stages.units.delay}"'
            )
            remedy = "change the units of the file, or convert and rename the column"
            raise ScenarioError(f"modes.columns.{name}", columns[name], problem, remedy)
        if unit and stages.values == "work":
            problem = "ends in a unit of time, and it holds works"
            remedy = "rename the column, or leave out the speeds of stages and give times"
            raise ScenarioError(f"modes.columns.{name}", columns[name], problem, remedy)
