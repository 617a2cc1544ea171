"""Answer of a method, and its evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.parallel import optimum_equilibrium as exact
from ...systems.parallel.certificate import mean_delay
from .instance import Instance

FEASIBLE = 1e-6
"""Part of the load by which the flows may miss it, or by which a flow may be negative."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Split that a method returns.

    Attributes
    ----------
    flow : ndarray, shape (m, n)
        Flow of each server at each load of the instance.
    certifies : str
        What the method states about its error.
    settings : str
        Options of the method.
    seconds : float, optional
        Time of the method where the call took more than that.
    """

    flow: Array
    certifies: str
    settings: str
    seconds: float | None = None


class Unavailable(Exception):  # noqa: N818
    """A method that cannot run here or returned no answer; the message holds reason and remedy."""


class Evaluation(NamedTuple):
    """True delay and error of an answer.

    Attributes
    ----------
    mean_delay : float
        At the last load of the instance, in seconds.
    error : float
        Mean delay divided by the least, less 1: the largest of all loads in absolute value.
    problem : str
        Why the answer is no stable split; "" where it is one.
    """

    mean_delay: float
    error: float
    problem: str = ""


def evaluate(instance: Instance, flow: Array) -> Evaluation:
    """Return the true mean delay and error of the flows, shape (m, n), of a method."""
    bank, loads = instance.bank, instance.loads
    least = exact.optimum(bank, loads).mean_delay
    imbalance = np.abs(flow.sum(axis=1) - loads) / loads
    infeasible = (imbalance > FEASIBLE).any() or (flow < -FEASIBLE * loads[:, None]).any()
    if not np.all(np.isfinite(flow)) or infeasible:
        problem = "the flows do not add up to the load, or are negative"
        return Evaluation(np.nan, np.nan, problem)
    delays = np.array([mean_delay(bank, x) for x in flow])
    if not np.all(np.isfinite(delays)):
        return Evaluation(np.inf, np.inf, "a queue grows without bound")
    errors = delays / least - 1
    return Evaluation(float(delays[-1]), float(errors[np.abs(errors).argmax()]))
