"""A scenario file with the servers as they were measured."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from .experiment import Experiment
from .plans import cv_drawn


def measured_file(experiment: Experiment) -> str:
    """Return the text of a scenario file: measured rates and round-trip times, as M/G/1 servers.

    The loads, and the prices and limits of rates, are those of the scenario.

    Parameters
    ----------
    experiment : Experiment
        With a measurement of the idle system.
    """
    scenario, idle = experiment.scenario, experiment.idle
    if idle is None:
        raise ValueError("nothing has been measured yet")
    units = scenario.units
    tables: list[dict[str, Any]] = [
        {
            "name": station.name,
            "family": "M/G/1",
            "rate": 1.0 / idle.service_time[i],
            "delay": units.delay_factor * idle.round_trip[i],
            "cv": cv_drawn(station.service),
        }
        for i, station in enumerate(experiment.plan.stations)
    ]
    for name, column in scenario.settings["size"].servers.items():
        for row, value in zip(tables, np.repeat(column, scenario.rows.replicas), strict=True):
            row[name] = value
    most = float(np.sum(1.0 / idle.service_time))
    title = f"{scenario.title}, as measured"
    source = f"measured by sojourn measure {scenario.name}"
    if experiment.time_scale != 1.0:
        source += f" --time-scale {experiment.time_scale:g}"
    lines = [
        f"title = {json.dumps(title)}",
        f"source = {json.dumps(source)}",
        "\n[units]",
        f"rate = {json.dumps(units.rate)}",
        f"delay = {json.dumps(units.delay)}",
        "\n[loads]",
        f"at = {min(scenario.load, 0.99 * most)!r}",
    ]
    for row in tables:
        lines.append("\n[[servers]]")
        lines += [f"{key} = {_value(value)}" for key, value in row.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """Return a text or a number as TOML has it."""
    return json.dumps(value) if isinstance(value, str) else f"{float(value)!r}"
