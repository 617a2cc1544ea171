"""Splits that are computed with wrong delays: found for one system, used in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.parallel import optimum_equilibrium as exact
from ....reference.validation import check_instance
from ...core.signatures import show_options
from ...core.variables import ANARCHY, Variable, variable
from ...core.warn import warn
from .curve import curve_plan, variables_of
from .prices import GOALS
from .questions import Splits
from .system import NOT_PARALLEL_SERVERS, ParallelServers

if TYPE_CHECKING:
    import xarray as xr

    from ...core.options import FormulationOptions
    from .solution import Solution


@show_options
def misspecified_delays(
    assumed: ParallelServers,
    actual: ParallelServers,
    loads: npt.ArrayLike,
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> xr.Dataset:
    """Return the delays in an actual system of splits that are computed for an assumed one.

    Parameters
    ----------
    assumed, actual : ParallelServers
        The same n servers with the same rates, with the assumed and with the actual delays.
    loads : array_like, shape (K,)
        Total loads, jobs per unit of time, as for `ParallelServers.curve`.
    refine : bool or float, default False
        As for `ParallelServers.curve`: adds the loads at which the assumed system starts to use a
        server, and loads where the curves of the actual delays bend.
    **options
        As for `ParallelServers.optimum`.

    Returns
    -------
    xarray.Dataset
        As `ParallelServers.curve` of the assumed system, but ``<goal>_delay`` and
        ``price_of_anarchy`` are those of the actual one. The ratio can be below 1, since neither
        split is the optimum or the equilibrium of the actual system. ``<goal>_gap`` and
        ``<goal>_certified`` belong to the assumed delays; the actual ratio has no bounds.

    Raises
    ------
    InputError
        When the two systems do not have the same rates.
    LoadError, CurveInterruptedError
        As for `ParallelServers.curve`.

    Notes
    -----
    Scenario 4 of Mancuso et al.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> rate, delay = [100.0, 80.0], [0.005, 0.05]
    >>> assumed, actual = ParallelServers(MM1(rate)), ParallelServers(MM1(rate, delay))
    >>> data = misspecified_delays(assumed, actual, [50.0, 150.0])
    >>> data.price_of_anarchy.values.round(4)
    array([0.9165, 1.    ])
    """
    _check(assumed, actual)

    def share(goal: str, loads: Array, flow: Array) -> Array:
        """Return the shares of the servers, shape (K, n); at a load of 0 their limits."""
        shares = flow / np.where(loads > 0, loads, 1.0)[:, None]
        if not loads.all():
            shares[loads == 0] = getattr(exact, goal)(assumed.bank, 0.0).share
        return shares

    def variables(loads: Array, rows: Mapping[str, Splits]) -> dict[str, Variable]:
        """Return the variables of the assumed system's curve, with actual delays."""
        delays = {
            goal: (share(goal, loads, table.flow) * actual.bank.latency(table.flow)).sum(axis=-1)
            for goal, table in rows.items()
        }
        found = variables_of(
            assumed,
            loads,
            {goal: replace(table, mean_delay=delays[goal]) for goal, table in rows.items()},
        )
        for name in ANARCHY:  # these ratios are those of the assumed delays
            del found[name]
        for goal, table in rows.items():
            found[f"{goal}_gap"] = variable(
                table.gap, "certified relative error of the assumed mean delay", "gap"
            )
        return found | {
            "price_of_anarchy": variable(
                delays["equilibrium"] / delays["optimum"], ANARCHY["price_of_anarchy"], "ratio"
            )
        }

    return curve_plan(assumed, loads, None, refine, options, variables).solve()


def delays_at(
    assumed: ParallelServers, actual: ParallelServers, load: float, solver: str | None = None
) -> dict[str, float]:
    """Return the delays of `misspecified_delays` at one load, for each goal.

    A warning states where an answer is not certified, or is beyond what was measured.
    """
    _check(assumed, actual)
    delays = dict[str, float]()
    for goal in GOALS:
        found: Solution = getattr(assumed, goal)(load, solver=solver, throw=False)
        uncertified = () if found.certified else (f"the {goal} is not certified",)
        for problem in (*uncertified, *found.caveats):
            warn(f"at load {load:g}, with the assumed delays, {problem}")
        delays[goal] = float(found.share @ actual.bank.latency(found.flow))
    return delays


def _check(assumed: ParallelServers, actual: ParallelServers) -> None:
    """Raise InputError unless both are systems of parallel servers with the same rates."""
    for field, system in (("assumed", assumed), ("actual", actual)):
        check_instance(field, system, ParallelServers, *NOT_PARALLEL_SERVERS)
    if not np.array_equal(assumed.bank.rate, actual.bank.rate):
        raise InputError(
            "assumed",
            assumed,
            "has other rates than the actual system",
            "let the two differ in delays or variability alone",
        )
