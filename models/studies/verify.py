"""Comparison of the convex models with the reference, quantity by quantity, for any system."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import InputError
from ...reference.validation import as_floats
from ..core.progress import reports_progress, track
from ..core.signatures import show_solve_options
from ..core.system import System
from ..frontend.kinds import kind_of
from ..frontend.verification import Verification


@reports_progress
@show_solve_options
def verify(system: System, loads: npt.ArrayLike, **options: Any) -> Verification:
    """Compare the convex models of a system with its closed forms.

    Parameters
    ----------
    system : System
        `ParallelServers`, `Groups`, `Routes`, `Network`, `MultiMode`, `SharedModes`, `TunableMode`,
        or a system of a kind that is registered with a ``verify`` function.
    loads : array_like, shape () or (K,)
        Loads in jobs per unit of time, each above 0 and below ``system.max_load``.
    **options
        Options of the questions of that system, such as those of `ParallelServers.optimum` or
        `MultiMode.assignment`: ``solver``, ``solver_options``, ``gap``, ...

    Returns
    -------
    Verification
        ``checks`` has one `sojourn.models.frontend.verification.Check` for each quantity and load:
        the number of the model, that of the reference, their difference, the certified gap, and
        whether they agree. ``passed`` is true where all checks agree.

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
    return Verification(tuple(checks(system, track(points.tolist(), "loads"), options)))
