"""Delays, flows and the price of anarchy over loads, as an `xarray.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from ....reference.bank_rows import BankRows
from ....reference.errors import Array
from ....reference.parallel.thresholds import thresholds_of_rows
from ....reference.validation import check_choice
from ...core.curve import CurvePlan
from ...core.signatures import show_options
from ...core.variables import Variable, anarchy, answers, variable
from ...core.warn import warn
from .formulations import for_goal
from .limited import WithinLimits
from .limits import no_limits
from .prices import GOALS, Goal
from .questions import Splits

if TYPE_CHECKING:
    import xarray as xr

    from ...core.options import FormulationOptions
    from .system import ParallelServers

THRESHOLDS = "thresholds"
FEW_SERVERS = 64  # up to which the thresholds of many systems are faster in one pass
PRICE = {"optimum": "marginal delay", "equilibrium": "common latency"}


@show_options
def curve(
    system: ParallelServers,
    loads: npt.ArrayLike,
    which: str | None = None,
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> xr.Dataset:
    """Return the optimum and the equilibrium of a system at many loads.

    Parameters
    ----------
    system : ParallelServers
        n servers.
    loads : array_like, shape (K,)
        Total loads, jobs per unit of time, 0 or more, in any order.
    which : {"optimum", "equilibrium"}, optional
        Both by default.
    refine : bool or float, default False
        Whether to add loads for a plot: those at which a server starts to be used, and others,
        until straight lines between neighbours are off by no more than this part of the price of
        anarchy, or of a delay on a logarithmic axis. True is 0.002.
    **options
        As for `ParallelServers.optimum`. A load whose answer misses the gap does not stop the
        others: it is kept, with ``certified`` False. Where no solver returns an answer, where the
        load is not below the total rate, or where no split meets the limits, the values are NaN.

    Returns
    -------
    xarray.Dataset
        Dimensions ``load`` (K) and ``server`` (n). For each goal ``<goal>_delay``,
        ``<goal>_multiplier``, ``<goal>_gap`` and ``<goal>_certified`` over load, and
        ``<goal>_flow`` over load and server. With both goals ``price_of_anarchy`` and its bounds
        ``price_of_anarchy_lower`` and ``price_of_anarchy_upper``. At a load of 0 the flows are 0,
        and the delays are those of the empty server with the least latency.

        The coordinate ``utilisation`` is the load divided by the total rate, and ``reason`` has
        the error of a load without an answer. The thresholds are attributes, one number for each
        server. A refined dataset is sorted by load, and the coordinate ``added`` marks the loads
        that were not given; see `sojourn.models.core.refinement.refined`. Every variable has an
        attribute ``role``, see `sojourn.models.core.variables`.

    Raises
    ------
    LoadError, InputError
        Before any solver starts: on a load that is negative or not finite, and where the system
        can carry none of the loads.
    CurveInterruptedError
        On Ctrl-C, with the loads solved so far.

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
    return curve_plan(system, loads, which, refine, options).solve()


def curve_plan(
    system: ParallelServers,
    loads: npt.ArrayLike,
    which: str | None,
    refine: bool | float,
    options: FormulationOptions,
    variables: Callable[[Array, Mapping[str, Splits]], Mapping[str, Variable]] | None = None,
) -> CurvePlan:
    """Return the plan of `curve`, or of a curve with variables of one's own.

    Parameters
    ----------
    variables : callable, optional
        From loads, shape (K,), and the answers of each goal to the variables of the dataset; by
        default `variables_of`.
    """
    from ...frontend.curve_dataset import Curve  # xarray takes long to import

    goals = check_goals(which)
    if "equilibrium" in goals:
        no_limits(options)
    points, errors = system.screen_loads(loads)
    each = {goal: for_goal(goal, options) if len(goals) > 1 else options for goal in goals}
    tasks: dict[str, Any] = {
        goal: system._task(goal, float(points[0] or points.max()), **each[goal]) for goal in goals
    }
    # only an optimum has limits, which some loads cannot meet
    question = tasks[goals[0]].question
    at_load = getattr(question, "place", None)
    if isinstance(question, WithinLimits):
        carried = [k for k in range(points.size) if k not in errors or points[k] == 0]
        question.prepare((points[carried],))

    def starts() -> Mapping[str, Array]:
        """Return the thresholds of each goal; those of many systems are computed together."""
        known = system._kept.get(THRESHOLDS)
        return vars(system.thresholds() if known is None else known)

    def attributes() -> dict[str, Any]:
        thresholds = {f"{goal}_thresholds": starts()[goal] for goal in GOALS}
        return {"total_rate": system.total_rate, **thresholds}

    return CurvePlan(
        system,
        points,
        tasks,
        variables or partial(variables_of, system),
        screened=(points, errors),
        check_point=at_load,
        refine=refine,
        breakpoints=lambda: np.concatenate([starts()[goal] for goal in goals]),
        coords={"server": ("server", list(system.names))},
        closing=partial(_warn_beyond, system),
        attrs=attributes,
        prepare=_prepare,
        dataset_type=Curve,
    )


def _prepare(plans: Sequence[CurvePlan]) -> None:
    """Compute the thresholds of the systems of several plans."""
    systems: list[Any] = [plan.system for plan in plans]
    if any(type(s).thresholds.__module__ != f"{__package__}.system" for s in systems):
        return  # a subclass has thresholds of its own
    rows = BankRows.of([system.bank for system in systems])
    # the servers of several families would be summed in another order, which changes last digits
    if isinstance(rows, BankRows) and len(rows) <= FEW_SERVERS:
        for system, found in zip(systems, thresholds_of_rows(rows), strict=True):
            system._kept[THRESHOLDS] = found


def variables_of(
    system: ParallelServers, _: Array, rows: Mapping[str, Splits]
) -> dict[str, Variable]:
    """Return the variables of a curve by name, from the answers of each goal."""
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


def _warn_beyond(
    system: ParallelServers, loads: Array, variables: Mapping[str, Variable]
) -> dict[str, Any]:
    """Warn where flows are beyond the samples of measured servers; return no attributes."""
    if not system.bank._has_caveats:
        return {}  # these families have no caveats
    beyond = [
        (float(load), caveats[0])
        for _, values, attrs in variables.values()
        if attrs.get("role") == "flow"
        for load, flow in zip(loads, values, strict=True)
        if np.isfinite(flow).all() and (caveats := system.bank.caveats(flow, system.names))
    ]
    if beyond:
        first, (last, caveat) = min(beyond)[0], max(beyond)
        warn(
            f"from load {first:g} on, answers go beyond what was measured: "
            f"at load {last:g} {caveat}"
        )
    return {}


def check_goals(which: str | None) -> tuple[Goal, ...]:
    """Return the goals to solve for; InputError on a name that does not exist."""
    if which is None:
        return GOALS
    goal: Any = check_choice("which", which, GOALS, "is not something to solve for")
    return (goal,)
