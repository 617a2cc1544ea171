"""Models against reference, quantity by quantity, as each kind of system compares them."""

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
    """Compare the convex models with the closed forms.

    Parameters
    ----------
    system : System
        `ParallelServers`, `MultiMode` with two modes, `TunableMode`, or one of a kind that others
        added.
    loads : array_like, shape () or (K,)
        Each above 0 and below the largest that the system can carry.
    **how
        As for the questions of that system, such as `ParallelServers.optimum` or
        `MultiMode.assignment`.

    Returns
    -------
    Verification
        See the `checks` of ``sojourn.models.systems.parallel.verify`` and
        ``sojourn.models.systems.service_modes.verify``.

    Raises
    ------
    InputError, TypeError
        Before any solver starts.
    """
    checks = kind_of(system).verify
    if checks is None:
        problem = "has nothing to be compared with"
        raise InputError("system", system, problem, "give its SystemKind a verify")
    points = system.check_loads(np.atleast_1d(as_floats("loads", loads)))
    return Verification(tuple(checks(system, track(points.tolist(), "loads"), options)))
