"""Delays, flows and price of anarchy over loads, as an `xarray.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array
from ....reference.validation import check_choice
from ...core import curve as driver
from ...core.curve import Variable, anarchy, answers, by_role, variable, warn
from ...core.signatures import show_options
from ...frontend.curve_dataset import Curve
from ...latency.base import Latency
from .formulations import for_goal
from .limits import no_limits
from .prices import GOALS, Goal
from .questions import Splits

if TYPE_CHECKING:
    from ...core.options import FormulationOptions
    from .system import ParallelServers

PRICE = {"optimum": "marginal delay", "equilibrium": "common latency"}


@show_options
def curve(
    system: ParallelServers,
    loads: npt.ArrayLike,
    which: str | None = None,
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> xr.Dataset:
    """Solve a system at many loads.

    Parameters
    ----------
    system : ParallelServers
        n servers.
    loads : array_like, shape (K,)
        Total loads, 0 or more, in any order.
    which : {"optimum", "equilibrium"}, optional
        Both by default.
    refine : bool or float, default False
        Whether to add loads for a picture: those at which a server starts, and others until a straight line between neighbours is
        nowhere off by more than this part of the price of anarchy, or of a delay on a logarithmic axis; True for 0.002.
    **how
        As for `ParallelServers.optimum`. A load whose answer misses the gap does not stop the others: it is kept, with ``certified`` False;
        where no solver returns anything, the row is NaN. So it is at a load that is not below the total rate, or for which limits
        leave no room, with the reason.

    Returns
    -------
    xarray.Dataset
        Dimensions ``load`` (K) and ``server`` (n). For each goal ``<goal>_delay``, ``<goal>_multiplier``, ``<goal>_gap``,
        ``<goal>_certified`` over load and ``<goal>_flow`` over both; with both goals ``price_of_anarchy`` and its bounds
        ``price_of_anarchy_lower`` and ``price_of_anarchy_upper``. The coordinate ``utilisation`` is the load over the total rate, and
        ``reason`` the error of a load that has no answer. At a load of 0 the flows are 0 and the delays those of the nearest server. The
        thresholds are attributes, one number a server. Refined, it is in the order of the loads, and the coordinate ``added`` says
        which were not given; see `sojourn.models.core.refinement.refined`. What a variable is says its attribute ``role``; see
        `sojourn.models.core.curve`.

    Raises
    ------
    LoadError, InputError
        Before any solver starts: on a load that is negative or not finite, and where none can be carried.
    CurveInterruptedError
        On Ctrl-C, with what was done.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> data = ParallelServers(MM1(rate=[10.0, 5.0])).curve([3.0, 9.0, 14.0])
    >>> data.price_of_anarchy.values.round(4)
    array([1.0001, 1.05  , 1.0316])
    >>> data = ParallelServers(MM1(rate=[10.0, 5.0])).curve([3.0, 9.0, 14.0], refine=True)
    >>> data["load"].values[~data.added].tolist(), int(data.added.sum()) > 20
    ([3.0, 9.0, 14.0], True)
    """
    return solved(system, loads, which, refine, options)


def solved(
    system: ParallelServers,
    loads: npt.ArrayLike,
    which: str | None,
    refine: bool | float,
    options: FormulationOptions,
    variables: Callable[[Array, Mapping[str, Splits]], Mapping[str, Variable]] | None = None,
) -> xr.Dataset:
    """Return a curve; `variables` makes them from loads and answers where they are not those of `curve`."""
    goals = check_goals(which)
    if "equilibrium" in goals:
        no_limits(options)
    points, starts = system.screen_loads(loads)[0], vars(system.thresholds())
    each = {goal: for_goal(goal, options) if len(goals) > 1 else options for goal in goals}
    tasks: dict[str, Any] = {
        goal: system.task(goal, float(points[0] or points.max()), **each[goal]) for goal in goals
    }
    data = driver.curve(
        system,
        points,
        tasks,
        variables or partial(variables_of, system),
        room=getattr(
            tasks[goals[0]].question, "at", None
        ),  # of limits, which are of the optimum alone
        refine=refine,
        breakpoints=lambda: np.concatenate([starts[goal] for goal in goals]),
        coords={"server": ("server", list(system.names))},
        attrs={
            "total_rate": system.total_rate,
            **{f"{goal}_thresholds": starts[goal] for goal in GOALS},
        },
        dataset_type=Curve,
    )
    _warn_beyond(system, data)
    return data


def variables_of(
    system: ParallelServers, _: Array, rows: Mapping[str, Splits]
) -> dict[str, Variable]:
    """Return the variables of a curve from the answers to each goal."""
    time, found = system.time_unit, dict[str, Variable]()
    for goal, table in rows.items():
        found |= answers(table, time, goal, f"mean delay at the {goal}")
        found[f"{goal}_multiplier"] = variable(
            table.multiplier, f"{PRICE[goal]} of the used servers", "price", units=time
        )
        found[f"{goal}_flow"] = variable(
            table.flow, f"flow at the {goal}", "flow", ("load", "server"), f"1/{time}"
        )
    return found | (
        anarchy(rows["equilibrium"], rows["optimum"]) if len(rows) == len(GOALS) else {}
    )


def _warn_beyond(system: ParallelServers, data: xr.Dataset) -> None:
    """Warn of what goes beyond what was measured."""
    if all(type(bank).caveats is Latency.caveats for bank in system.bank.banks):
        return  # none of these families ever has anything to say
    said = [
        (float(load), caveats[0])
        for name in by_role(data, "flow")
        for load, flow in zip(data["load"].values, data[name].values, strict=True)
        if np.isfinite(flow).all() and (caveats := system.bank.caveats(flow, system.names))
    ]
    if said:
        first, (last, caveat) = min(said)[0], max(said)
        warn(
            f"from load {first:g} on, answers go beyond what was measured: at load {last:g} {caveat}"
        )


def check_goals(which: str | None) -> tuple[Goal, ...]:
    """Return the goals of a sweep; InputError on a name that is none."""
    if which is None:
        return GOALS
    goal: Any = check_choice("which", which, GOALS, "is not something to solve for")
    return (goal,)
