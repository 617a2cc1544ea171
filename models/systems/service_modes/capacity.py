"""The largest load that stages can carry, as a linear program in the loads of the modes."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Modes


@dataclass(frozen=True, eq=False)
class Program:
    """Maximise the sum of x over x >= 0 with time @ x <= 1: the work of each stage fits into its time.

    Attributes
    ----------
    problem : cvxpy.Problem
    load : cvxpy.Variable, shape (M,)
        Load in each mode, jobs per the problem's unit of time.
    busy : cvxpy.Constraint
        Its dual is the price of each stage's capacity.
    unit : float
        The problem's unit of time, in the user's.
    """

    problem: cp.Problem
    load: cp.Variable
    busy: cp.Constraint
    unit: float


def write(modes: Modes) -> Program:
    """Write the linear program; its unit of time is the mean service time of the fastest mode."""
    unit = float(modes.time.sum(axis=0).min())
    load = cp.Variable(modes.modes, name="load", nonneg=True)
    busy = modes.time / unit @ load <= 1
    return Program(cp.Problem(cp.Maximize(cp.sum(load)), [busy]), load, busy, unit)


def carried(modes: Modes, parts: Array) -> Array:
    """Return the largest load under each assignment, shape (..., M): its busiest stage is just full."""
    return np.asarray(1.0 / (parts @ modes.time.T).max(axis=-1))
