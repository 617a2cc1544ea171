"""What a method gives back, and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.parallel import optimum_equilibrium as exact
from ...systems.parallel.certificate import mean_delay
from .instance import Case

FEASIBLE = 1e-6  # parts of the load by which the flows may miss it, or one of them be negative


@dataclass(frozen=True, eq=False)
class Answer:
    """A method's split.

    Attributes
    ----------
    flow : ndarray, shape (m, n)
        Load of each server at each of the case's loads.
    certifies : str
        What the method says about how near to the truth this is.
    settings : str
        How it was run.
    seconds : float, optional
        Where not all of the time of the call is the method's own.
    """

    flow: Array
    certifies: str
    settings: str
    seconds: float | None = None


class Skipped(Exception):  # noqa: N818 (nothing went wrong)
    """A method that cannot be asked here, or found nothing; the message says why, and what to do."""


class Verdict(NamedTuple):
    """The truth about an answer, by the library's own numbers.

    Attributes
    ----------
    mean_delay : float
        At the case's last load.
    error : float
        Mean delay over the least, less 1: the largest of the loads.
    problem : str
        Why the split is none, where it is none.
    """

    mean_delay: float
    error: float
    problem: str = ""


def judge(case: Case, flow: Array) -> Verdict:
    """Evaluate the true latency at the flows that a method returned."""
    bank = case.bank
    least = exact.optimum(bank, case.loads).mean_delay
    short = np.abs(flow.sum(axis=1) - case.loads) / case.loads
    if (
        not np.all(np.isfinite(flow))
        or (short > FEASIBLE).any()
        or (flow < -FEASIBLE * case.loads[:, None]).any()
    ):
        return Verdict(np.nan, np.nan, "the flows do not add up to the load, or are negative")
    delays = np.array([mean_delay(bank, x) for x in flow])
    if not np.all(np.isfinite(delays)):
        return Verdict(np.inf, np.inf, "a queue grows without bound")
    errors = delays / least - 1
    return Verdict(float(delays[-1]), float(errors[np.abs(errors).argmax()]))
