"""Models against reference, quantity by quantity: a conic solver on one side, a scalar root on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from sojourn.models.solving.solution import Solution
from sojourn.models.studies.curve import GOALS
from sojourn.models.studies.progress import track
from sojourn.models.systems.formulations import for_goal
from sojourn.reference import parallel as exact
from sojourn.reference.parallel import Split

if TYPE_CHECKING:
    from sojourn.models.solving.chain import How
    from sojourn.models.systems.parallel import ParallelServers

AGREE = 1e-8  # relative difference up to which two numbers are the same
STEP = 1e-5  # relative distance from a threshold at which the model must have switched


@dataclass(frozen=True)
class Check:
    """One quantity, twice.

    Attributes
    ----------
    quantity : str
    load : float
    model, reference : float
    difference : float
        Relative; for flows the largest over the servers, in parts of the load.
    certificate : float or None
        What the model's certificate allows, where it speaks of this quantity.
    passed : bool
        The difference is below 1e-8 and within the certificate.
    """

    quantity: str
    load: float
    model: float
    reference: float
    difference: float
    certificate: float | None
    passed: bool


@dataclass(frozen=True)
class Verification:
    """All checks of one system.

    Attributes
    ----------
    checks : tuple of Check
    passed : bool
        Whether every one did.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(c.passed for c in self.checks)

    def table(self, title: str = "models against reference") -> Table:
        """Return the checks as a table for `rich`."""
        table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for heading in ("quantity", "load", "model", "reference", "differ by", "certified", ""):
            # in a narrow terminal the first column gives way: a number or verdict cut short would say nothing
            table.add_column(heading, justify="left" if heading in ("quantity", "") else "right", no_wrap=heading != "quantity")
        for c in self.checks:
            bound = "" if c.certificate is None else f"{c.certificate:.0e}"
            numbers = (f"{c.load:.5g}", f"{c.model:.8g}", f"{c.reference:.8g}", f"{c.difference:.0e}", bound)
            table.add_row(escape(c.quantity), *numbers, "ok" if c.passed else "DIFFERS", style=None if c.passed else "bold red")
        return table


def verify(system: ParallelServers, loads: npt.ArrayLike, **how: Unpack[How]) -> Verification:
    """Compare the convex models with the closed forms.

    Parameters
    ----------
    system : ParallelServers
    loads : array_like, shape () or (K,)
        Each above 0 and below the total rate.
    **how
        As for `ParallelServers.optimum`.

    Returns
    -------
    Verification
        Mean delay, multiplier and flows of optimum and equilibrium and the price of anarchy at every load, and every activation threshold
        within the total rate, by the model just below and just above it.
    """
    points = [system.check_load(load) for load in np.atleast_1d(np.asarray(loads, dtype=float))]
    checks: list[Check] = []
    for load in track(points, "loads"):
        checks += _at_load(system, load, how)
    return Verification((*checks, *_at_thresholds(system, how)))


def _at_load(system: ParallelServers, load: float, how: How) -> Iterator[Check]:
    found: dict[str, Solution] = {goal: getattr(system, goal)(load, **for_goal(goal, how)) for goal in GOALS}
    true: dict[str, Split] = {goal: getattr(exact, goal)(system.bank, load) for goal in GOALS}
    for goal in GOALS:
        model, split = found[goal], true[goal]
        yield _check(f"{goal} mean delay", load, model.mean_delay, float(split.mean_delay), model.certificate.gap)
        yield _check(f"{goal} multiplier", load, model.multiplier, float(split.multiplier), None)
        worst = int(np.argmax(np.abs(model.flow - split.flow)))
        apart = abs(model.flow[worst] - split.flow[worst]) / load
        name = f"{goal} flow ({system.names[worst]})"
        yield Check(name, load, float(model.flow[worst]), float(split.flow[worst]), float(apart), None, bool(apart <= AGREE))
    bound = found["optimum"].certificate.gap + found["equilibrium"].certificate.gap
    model_poa = found["equilibrium"].mean_delay / found["optimum"].mean_delay
    yield _check(
        "price of anarchy",
        load,
        model_poa,
        float(true["equilibrium"].mean_delay / true["optimum"].mean_delay),
        1.01 * bound,
    )


def _check(quantity: str, load: float, model: float, reference: float, certificate: float | None) -> Check:
    difference = abs(model - reference) / reference
    within = certificate is None or difference <= certificate * (1 + 1e-6) + 1e-12
    return Check(quantity, load, model, reference, difference, certificate, bool(difference <= AGREE and within))


def _at_thresholds(system: ParallelServers, how: How) -> Iterator[Check]:
    """The model leaves a server empty just below its threshold and uses it just above."""
    thresholds = system.thresholds()
    for goal in GOALS:
        loads = getattr(thresholds, goal)
        inside = [i for i in np.argsort(loads) if 0 < loads[i] < system.total_rate * (1 - 2 * STEP)]
        for i in track(inside, f"{goal} thresholds"):
            below, above = (getattr(system, goal)(loads[i] * (1 + side), **for_goal(goal, how)).flow[i] for side in (-STEP, STEP))
            passed = bool(below <= AGREE * loads[i] < above or below == 0 < above)
            name = f"{goal} threshold ({system.names[i]})"
            yield Check(name, float(loads[i]), float(loads[i]), float(loads[i]), 0.0 if passed else 1.0, None, passed)
