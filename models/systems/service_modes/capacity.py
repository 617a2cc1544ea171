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

    The variables are y_m = x_m max_s a_sm, so that no coefficient is above 1, however different
    the works of the modes are.

    Attributes
    ----------
    problem : cvxpy.Problem
    used : cvxpy.Variable, shape (M,)
        y: utilisation of the busiest stage of each mode by its jobs.
    utilisation : cvxpy.Constraint
        The utilisation of each stage is at most 1; the dual values are the stages' prices.
    time : cvxpy.Parameter, shape (S, M)
        a_sm / max_s a_sm; see `service_times`.
    worth : cvxpy.Parameter, shape (M,)
        1 / max_s a_sm in a unit in which the largest is 1: load of each mode alone.
    """

    problem: cp.Problem
    used: cp.Variable
    utilisation: cp.Constraint
    time: cp.Parameter
    worth: cp.Parameter


def write(stages: int, modes: int) -> Program:
    """Write the linear program for S stages and M modes."""
    time = cp.Parameter((stages, modes), nonneg=True, name="time")
    worth = cp.Parameter(modes, nonneg=True, name="worth")
    used = cp.Variable(modes, name="used", nonneg=True)
    utilisation = time @ used <= 1
    problem = cp.Problem(cp.Maximize(worth @ used), [utilisation])
    return Program(problem, used, utilisation, time, worth)


def service_times(modes: Modes) -> tuple[Array, Array]:
    """Return the values of `Program.time` and of `Program.worth`."""
    busiest = modes.time.max(axis=0)
    return modes.time / busiest, busiest.min() / busiest


def max_load_of(modes: Modes, assignments: Array) -> Array:
    """Return the largest load under each assignment, shape (..., M): its busiest stage is full."""
    return np.asarray(1.0 / (assignments @ modes.time.T).max(axis=-1))


def bound(modes: Modes, prices: Array) -> Array:
    """Return the load that prices of the stages, shape (..., S) and of sum 1, prove not to fit."""
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / (prices @ modes.time).min(axis=-1))


def best_of_vertices(modes: Modes, used: Array, prices: Array) -> tuple[Array, Array]:
    """Return the best assignment and the best prices of those of a solver and of vertices near.

    At a vertex with k busy modes and k full stages, all of these stages are full, and all of these
    modes cost the same.

    Parameters
    ----------
    used : ndarray, shape (M,)
        `Program.used`, not all 0.
    prices : ndarray, shape (S,)
        Prices of the stages, not all 0.
    """
    time, worth = service_times(modes)
    loads, costs = [used * worth], [prices]
    by_use, by_price = np.argsort(-used, kind="stable"), np.argsort(-prices, kind="stable")
    for k in range(1, min(time.shape) + 1):
        stages, busy = by_price[:k], by_use[:k]
        square, load, cost = time[np.ix_(stages, busy)], np.zeros(used.size), np.zeros(prices.size)
        try:
            load[busy] = np.linalg.solve(square, np.ones(k)) * worth[busy]
            cost[stages] = np.linalg.solve(square.T, worth[busy])
        except np.linalg.LinAlgError:
            continue
        loads.append(np.maximum(load, 0.0))
        costs.append(np.maximum(cost, 0.0))
    parts, weights = (
        np.array([v / v.sum() for v in found if 0 < v.sum() < np.inf]) for found in (loads, costs)
    )
    best, least = np.argmax(max_load_of(modes, parts)), np.argmin(bound(modes, weights))
    return parts[best], weights[least]
