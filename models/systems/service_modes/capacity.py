"""Largest load that the stages can carry, as a linear program in the loads of the modes."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Modes


@dataclass(frozen=True, eq=False)
class Program:
    """Maximise sum_m x_m over x >= 0 with sum_m a_sm x_m <= 1 at each stage s (Theorem 2).

    Attributes
    ----------
    problem : cvxpy.Problem
    load : cvxpy.Variable, shape (M,)
        x: load in each mode, jobs per the problem's unit of time.
    utilisation : cvxpy.Constraint
        The utilisation of each stage is at most 1; the dual values are the stages' prices.
    time : cvxpy.Parameter, shape (S, M)
        a, in the problem's unit of time; see `service_times`.
    """

    problem: cp.Problem
    load: cp.Variable
    utilisation: cp.Constraint
    time: cp.Parameter


def write(stages: int, modes: int) -> Program:
    """Write the linear program for S stages and M modes."""
    time = cp.Parameter((stages, modes), nonneg=True, name="time")
    load = cp.Variable(modes, name="load", nonneg=True)
    utilisation = time @ load <= 1
    problem = cp.Problem(cp.Maximize(cp.sum(load)), [utilisation])
    return Program(problem, load, utilisation, time)


def service_times(modes: Modes) -> Array:
    """Return the values of `Program.time`; their unit is the total time of the fastest mode."""
    return np.asarray(modes.time / modes.time.sum(axis=0).min())


def max_load_of(modes: Modes, assignments: Array) -> Array:
    """Return the largest load under each assignment, shape (..., M): its busiest stage is full."""
    return np.asarray(1.0 / (assignments @ modes.time.T).max(axis=-1))
