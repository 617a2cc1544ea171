"""The report of the command that simulates: each number beside its closed form, with files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.markup import escape
from rich.table import Table

from ...reference.errors import InputError
from ..core.reading import read_numbers
from ..core.system import System
from ..frontend.report import File, Report, data_files
from ..frontend.scenario import Scenario
from ..frontend.tables import table
from ..simulation.answer import rows
from ..simulation.service import NAMES

if TYPE_CHECKING:
    import xarray as xr

MOST_ROWS = 200  # rows of the table in a terminal
WITHOUT_LIMITS = "what is simulated is without the limits of the file"
COLUMNS = ("number", "of", "simulated", "low", "high", "closed form")


class Run(NamedTuple):
    """What a user asks of the simulation of a scenario.

    Attributes
    ----------
    jobs, seed : int
        Number of jobs, and seed of the random numbers.
    split : str or None
        Name of the split; None for the system's first.
    weights : str or None
        Weights of parallel servers, such as ``50,30,20``, in place of `split`.
    service : str or None
        A name of a distribution of service times, or the path of a file of samples.
    """

    jobs: int
    seed: int
    split: str | None = None
    weights: str | None = None
    service: str | None = None


def report(scenario: Scenario[Any], load: float, run: Run) -> Report:
    """Return the report of a simulation at a load.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    load : float
        Total load, in the unit of rates.
    run : Run
        What is simulated.

    Raises
    ------
    InputError
        On a kind of system without a simulation, on options that do not fit the system, and as
        ``simulate`` of the system.
    """
    given = _given(scenario, load, run)
    options = {"jobs": run.jobs, "seed": run.seed, "service": service_of(run.service)}
    data = simulated(scenario.system, load, given | options)
    data = scenario.units.present(data)
    if scenario.limits and scenario.rows is None:
        data.attrs["notes"] = "\n".join(filter(None, (data.attrs["notes"], WITHOUT_LIMITS)))
    notes = [*scenario.notes, *data.attrs["notes"].splitlines()]
    numbers = list(_numbers(data))
    result = {
        **scenario.to_dict(),
        "load": load,
        "split": None if run.weights is not None else run.split or next(iter(scenario.kind.splits)),
        **({} if run.weights is None else {"weights": run.weights}),
        **{name: data.attrs[name] for name in ("jobs", "seed", "level")},
        "numbers": numbers,
        "notes": notes,
    }
    return Report(
        result, _shown(scenario, load, data, numbers), _files(data, numbers), name="simulation"
    )


def simulated(system: System, load: float, options: dict[str, Any]) -> xr.Dataset:
    """Return the answer of ``system.simulate``, which systems of kinds with splits have."""
    found: xr.Dataset = system.simulate(load, **options)  # type: ignore[attr-defined]
    return found


def _given(scenario: Scenario[Any], load: float, run: Run) -> dict[str, Any]:
    """Return the split as the options of ``simulate``."""
    kind = scenario.kind
    if not kind.splits:
        problem = f"is a {type(scenario.system).__name__}, which has no simulation"
        raise InputError("scenario", scenario.name, problem, "use run or verify")
    if run.split is not None and run.weights is not None:
        raise InputError("--split", run.split, "stands beside --weights", "give one of them")
    if run.weights is not None:
        if scenario.rows is None:
            problem = f"is for parallel servers, and {scenario.name} has none"
            remedy = f"use --split {' or '.join(kind.splits)}"
            raise InputError("--weights", run.weights, problem, remedy)
        return {"weights": scenario.rows.weights("--weights", run.weights)}
    split = next(iter(kind.splits)) if run.split is None else run.split
    if split not in kind.splits:
        problem = f"is no split of a {type(scenario.system).__name__}"
        raise InputError("--split", split, problem, f"use {' or '.join(kind.splits)}")
    if scenario.limits and scenario.rows is not None and split == "optimum":
        return {"flow": scenario.system.optimum(load, subject_to=scenario.limits).flow}
    return {"split": split}


def service_of(text: str | None) -> str | list[float] | None:
    """Return the service times of ``--service``: a name, or the samples of a file.

    Parameters
    ----------
    text : str or None
        One of `sojourn.models.simulation.service.NAMES`, or the path of a text file.

    Raises
    ------
    InputError
        On a file that is missing or has other things than numbers.
    """
    if text is None or text in NAMES:
        return text
    remedy = f"use {', '.join(NAMES)}, or name a text file with one service time a line"
    return read_numbers(text, "--service", remedy)


def _numbers(data: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Yield each number of an answer as a mapping for JSON and CSV; unused places are left out."""
    for name, of, (value, low, high, known) in rows(data):
        if not math.isnan(value):
            numbers = (name, of, value, low, high, known)
            unit = data[name].attrs.get("units", "")
            yield dict(zip(COLUMNS, numbers, strict=True)) | {"unit": unit}


def _shown(
    scenario: Scenario[Any], load: float, data: xr.Dataset, numbers: list[dict[str, Any]]
) -> Iterator[str | Table]:
    """Yield the output for people."""
    yield scenario.heading
    yield from scenario.remarks
    yield f"\n{escape(scenario.where(load))}\n"
    level, many = f"{100 * data.attrs['level']:g} %", len(numbers) > MOST_ROWS
    left_out = f"the first {MOST_ROWS:,} of {len(numbers):,} numbers; --json and --out have all"
    jobs, seed = data.attrs["jobs"], data.attrs["seed"]
    yield table(
        ("number", "of", "simulated", f"interval of {level}", "closed form", ""),
        map(_row, islice(numbers, MOST_ROWS)),
        text=("of",),
        title=f"{jobs:,} jobs, seed {seed}; times in {scenario.delay_unit}",
        caption=left_out if many else None,
    )
    known = [n for n in numbers if not math.isnan(n["closed form"])]
    inside = sum(_inside(n) for n in known)
    yield f"the closed form is in the interval of {inside} of {len(known)} numbers"
    for note in data.attrs["notes"].splitlines():
        yield f"[bold]note[/] {escape(note)}"


def _inside(number: dict[str, Any]) -> bool:
    return bool(number["low"] <= number["closed form"] <= number["high"])


def _row(number: dict[str, Any]) -> tuple[str, ...]:
    """Return a row of the table."""
    known, name = number["closed form"], number["number"].replace("_", " ")
    between = f"{number['low']:.6g} to {number['high']:.6g}"
    closed = (
        ("", "") if math.isnan(known) else (f"{known:.6g}", "" if _inside(number) else "misses")
    )
    return escape(name), escape(number["of"]), f"{number['simulated']:.6g}", between, *closed


def _files(data: xr.Dataset, numbers: list[dict[str, Any]]) -> Iterator[list[File]]:
    """Yield the files of the data."""
    columns = {name: ("row", [number[name] for number in numbers]) for name in numbers[0]}
    frame = type(data)(columns).to_dataframe()
    yield data_files("simulation", data, frame)
