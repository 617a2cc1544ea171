"""What it costs to decide on wrong delays: splits found for one system, paid in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array, InputError
from ....reference.parallel import optimum_equilibrium as exact
from ....reference.validation import check_instance
from ...core.curve import ANARCHY, Variable, variable
from ...core.signatures import show_options
from .curve import solved, variables_of
from .questions import Splits
from .system import NOT_ONE, ParallelServers

if TYPE_CHECKING:
    from ...core.options import FormulationOptions


@show_options
def misspecified_delays(
    assumed: ParallelServers,
    actual: ParallelServers,
    loads: npt.ArrayLike,
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> xr.Dataset:
    """Optimum and equilibrium of the assumed system, with the delays that the actual one then has; Scenario 4 of Mancuso et al.

    Parameters
    ----------
    assumed, actual : ParallelServers
        The same n servers with the same rates, as they are thought to be and as they are.
    loads : array_like, shape (K,)
    refine : bool or float, default False
        As for `curve`: the loads at which the *assumed* system starts a server, and where the curves *paid* bend.
    **how
        As for `ParallelServers.optimum`.

    Returns
    -------
    xarray.Dataset
        As `curve` of the assumed system, but ``<goal>_delay`` and ``price_of_anarchy`` are what users get in the actual one. The ratio can be
        below 1: neither split is then the best or the selfish one. ``<goal>_gap`` and ``<goal>_certified`` are of the delays that are
        assumed; nothing bounds the ratio of those that are paid.

    Raises
    ------
    InputError
        When the two systems do not have the same rates.
    """
    for field, system in (("assumed", assumed), ("actual", actual)):
        check_instance(field, system, ParallelServers, *NOT_ONE)
    if not np.array_equal(assumed.bank.rate, actual.bank.rate):
        raise InputError(
            "assumed",
            assumed,
            "has other rates than the actual system",
            "let the two differ in delays or variability alone",
        )

    def share(goal: str, loads: Array, flow: Array) -> Array:
        """Shares of the servers; at a load of 0 their limits."""
        shares = flow / np.where(loads > 0, loads, 1.0)[:, None]
        if not loads.all():
            shares[loads == 0] = getattr(exact, goal)(assumed.bank, 0.0).share
        return shares

    def paid(loads: Array, rows: Mapping[str, Splits]) -> dict[str, Variable]:
        delays = {
            goal: (share(goal, loads, table.flow) * actual.bank.latency(table.flow)).sum(axis=-1)
            for goal, table in rows.items()
        }
        found = variables_of(
            assumed,
            loads,
            {goal: replace(table, mean_delay=delays[goal]) for goal, table in rows.items()},
        )
        for name in ANARCHY:  # of the assumed delays
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

    return solved(assumed, loads, None, refine, options, paid)
