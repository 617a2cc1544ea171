"""Comparison of the convex models with the reference, quantity by quantity, for any system."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import InputError
from ...reference.validation import as_floats, as_integer, as_seed
from ..core.progress import reports_progress, track
from ..core.ratio import BoundedValue
from ..core.signatures import show_solve_options
from ..core.system import System
from ..frontend.kinds import kind_of
from ..frontend.verification import Check, Verification, with_simulated
from .simulation import simulated

MOST_JOBS = 10**11  # to simulate


@reports_progress
@show_solve_options
def verify(
    system: System,
    loads: npt.ArrayLike,
    simulate: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Verification:
    """Compare the convex models of a system with its closed forms, and both with a simulation.

    Parameters
    ----------
    system : System
        `ParallelServers`, `Groups`, `Routes`, `Network`, `MultiMode`, `SharedModes`, `TunableMode`,
        or a system of a kind that is registered with a ``verify`` function.
    loads : array_like, shape () or (K,)
        Loads in jobs per unit of time, each above 0 and below ``system.max_load``.
    simulate : int, optional
        Number of jobs to simulate for each simulated quantity; by default none is.
    seed : int, default 0
        Seed of the simulation.
    **options
        Options of the questions of that system, such as those of `ParallelServers.optimum` or
        `MultiMode.assignment`: ``solver``, ``solver_options``, ``gap``, ...

    Returns
    -------
    Verification
        ``checks`` has one `sojourn.models.frontend.verification.Check` for each quantity and load:
        the number of the model, that of the reference, their difference, the certified gap, whether
        they agree, and where it was simulated the interval of 99 %. ``passed`` is true where all
        checks agree.

    Raises
    ------
    LoadError, InputError, TypeError
        Before any solver starts: on a load that the system cannot carry, on a kind of system
        without a ``verify`` function, and on an unknown option.
    NotCertifiedError
        When no solver's answer to one of the questions is certified.

    Notes
    -----
    The models use conic solvers; the reference uses closed forms and scalar roots, and for routes
    an interior-point method. The compared quantities are listed in
    `sojourn.models.systems.parallel.verify.checks`, `sojourn.models.systems.routes.verify.checks`,
    `sojourn.models.systems.service_modes.verify.checks` and
    `sojourn.models.systems.service_modes.verify.shared_checks`.

    Examples
    --------
    >>> from sojourn.models import DualMode, verify
    >>> verify(DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), [2.0, 4.5]).passed
    True
    """
    checks = kind_of(system).verify
    if checks is None:
        problem = "has nothing to be compared with"
        raise InputError("system", system, problem, "give its SystemKind a verify")
    points = system.check_loads(np.atleast_1d(as_floats("loads", loads)))
    seed = as_seed(seed)
    if simulate is None:
        return Verification(tuple(checks(system, track(points.tolist(), "loads"), options)))
    jobs = as_integer("simulate", simulate, "a number of jobs", most=MOST_JOBS)
    return _simulated(system, points.tolist(), jobs, seed, options)


def _simulated(
    system: System, loads: list[float], jobs: int, seed: int, options: Any
) -> Verification:
    """Return the checks with the simulated numbers beside those that have one."""
    kind = kind_of(system)
    if kind.verify is None or not kind.splits:
        problem = f"is of a kind that has no simulation, {kind.name}"
        raise InputError("simulate", jobs, problem, "leave it out")
    found: dict[float, dict[str, BoundedValue]] = {}
    notes: list[str] = []
    for load in track(loads, "loads simulated"):
        found[load] = {}
        for split, quantity in kind.splits.items():
            data = simulated(system, load, {"split": split, "jobs": jobs, "seed": seed})
            value, low, high = data["mean_delay"].values[:3].tolist()
            found[load][quantity] = BoundedValue(value, low, high)
            own = data.attrs["notes"].splitlines()
            notes += [f"{quantity} at load {load:.6g}: {note}" for note in own]
    checks: list[Check] = []
    for check in kind.verify(system, track(loads, "loads"), options):
        checks += with_simulated([check], found.get(check.load, {}))
    return Verification(tuple(checks), tuple(notes))
