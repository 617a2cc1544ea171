"""The reports of ``sojourn testbed`` and ``sojourn measure``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from ...reference.errors import Array, InputError
from ...reference.plural import counted
from ...reference.validation import as_positive, as_seed
from ..frontend.process import UNCERTIFIED
from ..frontend.report import File, Report, data_files, picture
from ..frontend.scenario import Scenario
from ..frontend.tables import table
from .apparatus import MEASURED_PART, Idle
from .dataset import dataset
from .experiment import Experiment
from .machine import this_machine
from .measured_file import measured_file
from .picture import plot_points
from .plans import plan_of
from .points import LEVEL, MEMORIES, Point
from .samples import service_given

LEAST_SECONDS, MOST_SECONDS = 1.0, 3600.0  # of a point


def experiment_of(
    scenario: Scenario[Any],
    loads: Sequence[float],
    seconds: float,
    scale: float,
    service: str | None,
) -> Experiment:
    """Return an experiment that has not begun, after all checks.

    Raises
    ------
    InputError
        Where this machine, or the apparatus on any machine, cannot be what is asked for.
    """
    as_positive("--time-scale", scale, "give by how much to stretch all times, such as 5")
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        remedy = f"give {LEAST_SECONDS:g} to {MOST_SECONDS:g} seconds"
        raise InputError("--seconds", seconds, "is not the time of a point", remedy)
    plan = plan_of(scenario, service_given(service))
    experiment = Experiment(scenario, plan, this_machine(), scale, seconds)
    experiment.machine.check(plan, max(loads, default=0.0), experiment.scale)
    return experiment


def loads_of(scenario: Scenario[Any], text: str) -> list[float]:
    """Return the loads of ``--loads``, such as ``30%,60%``; InputError on others."""
    return sorted({scenario.load_of(word.strip(), "--loads") for word in text.split(",")})


def report(
    scenario: Scenario[Any],
    loads: str,
    seconds: float,
    scale: float,
    service: str | None,
    seed: int,
) -> Iterator[Report]:
    """Yield the reports of ``sojourn testbed``: of the idle system, and after each point.

    Parameters
    ----------
    scenario : Scenario
        What is emulated.
    loads : str
        Loads, such as ``30%,60%``.
    seconds : float
        Time of the measurement of a point.
    scale : float
        Factor by which times are stretched.
    service : str, optional
        Distribution of the service times, or the path of samples.
    seed : int
        Seed of the experiment.
    """
    points = loads_of(scenario, loads)
    experiment = experiment_of(scenario, points, seconds, scale, service)
    for _ in experiment.run(points, as_seed(seed)):
        code = UNCERTIFIED if experiment.stopped else 0
        yield Report(_result(experiment), _shown(experiment), _files(experiment), "testbed", code)


def measure(
    scenario: Scenario[Any], path: Path, scale: float, service: str | None, seed: int
) -> Iterator[Report]:
    """Yield the report of ``sojourn measure``, which writes a scenario file.

    Parameters
    ----------
    scenario : Scenario
        What is emulated.
    path : Path
        The file.
    scale, service, seed
        As for `report`.
    """
    if scenario.kind.name != "servers":
        problem = f"is a {type(scenario.system).__name__}, whose measurement has no scenario file"
        raise InputError("scenario", scenario.name, problem, "give parallel servers")
    if path.suffix != ".toml":
        raise InputError(
            "--out", str(path), "is no .toml file", "give a name such as measured.toml"
        )
    experiment = experiment_of(scenario, [], LEAST_SECONDS, scale, service)
    for _ in experiment.run([], as_seed(seed)):
        files = [] if experiment.idle is None else [_text(str(path), measured_file(experiment))]
        code = UNCERTIFIED if experiment.stopped else 0
        yield Report(_result(experiment), _shown(experiment), [files], "", code)


def _text(name: str, text: str) -> File:
    """Return a text file."""

    def save(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return name, save


def sentence(points: Sequence[Point]) -> str:
    """Return in how many points the model is inside the interval, as a sentence."""
    valid = sum(point.valid for point in points)
    inside = sum(point.inside for point in points)
    text = f"the model is inside the {LEVEL:.0%} interval of {inside} of "
    text += counted(valid, "valid point")
    return text + f"; {counted(len(points) - valid, 'point')} invalid" * (valid < len(points))


def _result(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment for JSON; times in the file's unit of delays, the machine's in s."""
    units, idle, plan = experiment.scenario.units, experiment.idle, experiment.plan
    factor = units.delay_factor
    result = {
        **experiment.scenario.to_dict(),
        "time_scale": experiment.time_scale,
        "seconds": experiment.seconds,
        "level": LEVEL,
        "measured_part": MEASURED_PART,
        "machine": experiment.machine.to_dict(),
        "stopped": experiment.stopped,
        "left_out": experiment.left_out,
    }
    if idle is None:
        return {**result, "servers": [], "points": [], "sentence": ""}
    servers = [
        {
            "name": station.name,
            "rate": float(1.0 / idle.service_time[i]),
            **{name: factor * float(getattr(idle, name)[i]) for name in vars(idle)},
        }
        for i, station in enumerate(plan.stations)
    ]
    points = [point.in_unit(factor).to_dict() for point in experiment.points]
    return {
        **result,
        "capacity": plan.capacity,
        "servers": servers,
        "routes": plan.route_names,
        "thresholds": {name: list(map(float, v)) for name, v in plan.thresholds().items()},
        "points": points,
        "sentence": sentence(experiment.points),
    }


def _files(experiment: Experiment) -> Iterator[list[File]]:
    """Yield the data and the picture, once there is a point."""
    if experiment.idle is None or not experiment.points:
        return
    data = dataset(experiment)
    yield data_files("points", data)
    title = experiment.scenario.title
    yield [picture("points", partial(plot_points, data, f"{title}: model and measurement"))]


def _shown(experiment: Experiment) -> Iterator[str | Table]:
    """Yield the texts and tables of the report for a terminal."""
    scenario, clock = experiment.scenario, experiment.machine.clock
    yield scenario.heading
    stretched = f", all times stretched by {experiment.time_scale:g}"
    yield (
        f"waits end {1e6 * clock.error:.2g} us late (median; mean {1e6 * clock.mean_error:.2g}, "
        f"99 % {1e6 * clock.worst_error:.2g} us){stretched * (experiment.time_scale != 1.0)}\n"
    )
    if experiment.idle is not None:
        yield _idle_table(experiment, experiment.idle)
    if experiment.points:
        yield _points_table(experiment)
        yield f"[bold]{sentence(experiment.points)}[/]"
    for point in experiment.points:
        if not point.valid:
            place = f"{point.split} at load {point.load:.6g}"
            yield f"[bold]invalid[/] {escape(place)}: {escape(point.invalid)}"
    if short := [point for point in experiment.points if point.memories < MEMORIES]:
        seconds = experiment.seconds * max(MEMORIES / point.memories for point in short)
        few = counted(len(short), "point")
        yield f"[bold]but[/] {few} of queues with a long memory ask for --seconds {seconds:.3g}"
    for text in experiment.left_out:
        yield f"[bold]left out[/] {escape(text)}"
    if experiment.stopped:
        yield f"[bold red]stopped[/] {escape(experiment.stopped)}"


def _idle_table(experiment: Experiment, idle: Idle) -> Table:
    """Return the table of the idle system."""
    units, factor = experiment.scenario.units, experiment.scenario.units.delay_factor

    def with_error(value: Array, error: Array, i: int) -> tuple[str, str]:
        return f"{factor * value[i]:.6g}", f"{factor * error[i]:.2g}"

    rows = [
        (
            escape(station.name),
            f"{1.0 / idle.service_time[i]:.6g}",
            *with_error(idle.service_time, idle.service_error, i),
            *with_error(idle.round_trip, idle.round_trip_error, i),
        )
        for i, station in enumerate(experiment.plan.stations)
    ]
    headings = (
        "server",
        f"rate\n({units.rate})",
        f"service\n({units.delay})",
        "+-",
        f"round trip\n({units.delay})",
        "+- ",
    )
    return table(headings, rows, text=("server",), title="measured in the idle system")


def _points_table(experiment: Experiment) -> Table:
    """Return the table of the points."""
    units, factor = experiment.scenario.units, experiment.scenario.units.delay_factor
    rows = []
    for point in (p.in_unit(factor) for p in experiment.points):
        verdict = "inside" if point.inside else "outside"
        ends = "" if math.isnan(point.low) else f"{point.low:.5g} to {point.high:.5g}"
        rows.append(
            (
                f"{point.load:.6g}",
                point.split,
                f"{point.model:.5g}",
                f"{point.mean:.5g}",
                ends,
                f"{point.jobs}",
                verdict if point.valid else "invalid",
            )
        )
    headings = (
        f"load\n({units.jobs})",
        "split",
        f"model\n({units.delay})",
        f"measured\n({units.delay})",
        f"{LEVEL:.0%} interval",
        "jobs",
        "model is",
    )
    return table(headings, rows, text=("split", "model is"), title="mean delays")
