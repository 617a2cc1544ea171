"""The experiment as a dataset: points over loads and splits, servers, and the model's curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...reference.errors import Array
from .experiment import Experiment
from .points import LEVEL, Point

CURVE = np.linspace(0.01, 0.95, 48)
"""Loads of the curves, relative to the measured capacity."""


def curves(experiment: Experiment, loads: Array | None = None) -> dict[str, Array]:
    """Return the model's mean delay over loads by split; NaN where a server is overloaded.

    Parameters
    ----------
    experiment : Experiment
    loads : ndarray, optional
        Loads; by default `CURVE` times the measured capacity.
    """
    plan = experiment.plan
    at = CURVE * plan.capacity if loads is None else loads
    found = {}
    for name in plan.splits:
        splits = [plan.split(name, float(load)) for load in at]
        found[name] = np.array([math.nan if s is None else s.model for s in splits])
    return found


def dataset(experiment: Experiment) -> xr.Dataset:
    """Return the experiment with times in the file's unit of delays.

    Parameters
    ----------
    experiment : Experiment
        With a measurement of the idle system.

    Returns
    -------
    xarray.Dataset
        Over ``load`` and ``split``: mean delays measured, their intervals, those of the model,
        numbers of jobs, whether each point is valid. Over ``server``: the idle system. Over
        ``curve_load``: mean delays of the model.
    """
    plan, units, idle = experiment.plan, experiment.scenario.units, experiment.idle
    if idle is None:
        raise ValueError("nothing has been measured yet")
    factor = units.delay_factor
    loads = sorted({point.load for point in experiment.points})
    by_case = {(point.load, point.split): point for point in experiment.points}

    def over(what: str, scale: float = 1.0) -> Array:
        return np.array(
            [
                [read(by_case.get((load, name)), what) * scale for name in plan.splits]
                for load in loads
            ]
        ).reshape(len(loads), len(plan.splits))

    time = {"units": units.delay}
    cases, servers = ("load", "split"), [station.name for station in plan.stations]
    weights = np.array(
        [
            [shares(by_case.get((load, name)), len(plan.routes)) for name in plan.splits]
            for load in loads
        ]
    ).reshape(len(loads), len(plan.splits), len(plan.routes))
    variables: dict[str, Any] = {
        "measured": (cases, over("mean", factor), time),
        "low": (cases, over("low", factor), time),
        "high": (cases, over("high", factor), time),
        "model": (cases, over("model", factor), time),
        "jobs": (cases, over("jobs")),
        "valid": (cases, over("valid")),
        "inside": (cases, over("inside")),
        "disturbance": (cases, over("disturbance")),
        "memories": (cases, over("memories")),
        "share": ((*cases, "route"), weights),
        "rate": ("server", 1.0 / idle.service_time, {"units": units.rate}),
        "service_time": ("server", factor * idle.service_time, time),
        "service_error": ("server", factor * idle.service_error, time),
        "round_trip": ("server", factor * idle.round_trip, time),
        "round_trip_error": ("server", factor * idle.round_trip_error, time),
        **{
            f"{name}_delay": ("curve_load", factor * delay, time)
            for name, delay in curves(experiment).items()
        },
        **{
            f"{name}_thresholds": ("server", found, {"units": units.rate})
            for name, found in plan.thresholds().items()
        },
    }
    coordinates: dict[str, Any] = {
        "load": ("load", loads, {"units": units.rate}),
        "split": list(plan.splits),
        "route": plan.route_names,
        "server": servers,
        "curve_load": ("curve_load", CURVE * plan.capacity, {"units": units.rate}),
    }
    attributes = {
        "title": experiment.scenario.title,
        "level": LEVEL,
        "time_scale": experiment.time_scale,
        "seconds": experiment.seconds,
        "clock_error_s": experiment.machine.clock.error,
        "stopped": experiment.stopped,
    }
    return xr.Dataset(variables, coordinates, attributes)


def read(point: Point | None, what: str) -> float:
    """Return a number of a point; NaN of a missing one."""
    return math.nan if point is None else float(getattr(point, what))


def shares(point: Point | None, routes: int) -> tuple[float, ...]:
    """Return the weights of a point; NaN of a missing one."""
    return (math.nan,) * routes if point is None else point.weights
