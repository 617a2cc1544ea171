"""Best assignment or partition over loads, and delay over assignments, as `xarray.Dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from ....reference import service_modes as exact
from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ....reference.service_modes.partition import joint_delay
from ....reference.service_modes.stability import as_assignment, check_assignment
from ....reference.validation import as_floats, as_integer, check_flag, check_instance
from ...core.curve import CurvePlan
from ...core.errors import NotCertifiedError
from ...core.signatures import show_options
from ...core.stored import stored_answers
from ...core.variables import Role, Variable, answers, variable
from ...core.warn import warn
from ...frontend.kinds import kind_named
from .breakaway import CertifiedBreakaway

if TYPE_CHECKING:
    import xarray as xr

    from ...core.curve import Sweep
    from ...core.options import PolishOptions
    from .questions import OperatingPoints
    from .system import MultiMode

LIGHT_LOAD = 1e-18
"""Part of the largest load in place of a load of 0: in floating point the delays are the same."""
BESIDE_BREAKAWAY = 1e-6
"""Relative distance of the two loads on both sides of a breakaway that refinement adds.

At the breakaway load itself two assignments are equally good.
"""


@show_options
def curve(
    system: MultiMode,
    loads: npt.ArrayLike,
    refine: bool | float = False,
    *,
    breakaway: bool = False,
    **options: Unpack[PolishOptions],
) -> xr.Dataset:
    """Solve for the best assignment at many loads.

    Parameters
    ----------
    system : MultiMode
        S stages, M modes.
    loads : array_like, shape (K,)
        Jobs per unit of time, 0 or more, in any order.
    refine : bool or float, default False
        Whether to add loads for a plot: on both sides of the breakaways, and others
        until linear interpolation is off by at most this part of a delay on a logarithmic axis, and
        by at most this much in p; True for 0.002.
    breakaway : bool, default False
        Whether to find the breakaways and store them in the attributes: of two modes the first, by
        about 60 further semidefinite programs, of more modes all, by `MultiMode.breakaways`.
        Refinement implies it.
    **options
        As for `MultiMode.assignment`. A load whose answer misses the gap does not stop the others:
        the answer is kept, with ``certified`` False.

    Returns
    -------
    xarray.Dataset
        Dimensions ``load``, ``stage`` and ``mode``. Variables:

        - ``delay``, ``lower_bound``, ``gap`` and ``certified`` over load;
        - ``assignment`` over load and mode, in whose place two modes have ``p`` over load;
        - ``share`` over load, stage and mode;
        - ``single_mode_delay`` over load and mode: the delay with all jobs in one mode, infinite
          where that is not stable; and for other than two modes ``best_single_delay`` over load,
          the least of them;
        - ``tunable_delay`` over load, for a `DualMode`: the lower bound of Proposition 1 of Jeff
          and Modiano.

        Coordinates: ``utilisation``, the load divided by the capacity; ``reason``, the error of a
        load that cannot be carried and whose row is NaN; refined, ``added``, true for the loads
        that were not given, with all loads in increasing order. A row for which no solver returned
        an answer is NaN too. At a load of 0 the row is the limit as the load tends to 0: all jobs
        in the fastest mode.

        Attributes: ``max_load``; ``capacity``, that of both servers together; ``touch_loads``,
        where there are any; for the breakaway of two modes ``breakaway_load``, ``breakaway_from``
        and ``breakaway_p``, the best p just below and just above it; for those of more modes
        ``breakaway_loads``.

    Raises
    ------
    LoadError, InputError
        Before any solver starts: on a load that is negative or not finite, and where no load can
        be carried.
    CurveInterruptedError
        On Ctrl-C, with the loads that were solved.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> data = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).curve([2.0, 3.0, 4.0])
    >>> data.p.values
    array([1., 0., 0.])
    """
    return curve_plan(system, loads, refine, breakaway, options).solve()


def curve_plan(
    system: MultiMode,
    loads: npt.ArrayLike,
    refine: bool | float,
    breakaway: bool,
    options: PolishOptions,
) -> CurvePlan:
    """Return the plan of `curve`."""
    attributes: dict[str, Any] = {}
    marked = check_flag("breakaway", breakaway) and stored_answers() is None

    def beside_breakaway() -> list[float]:
        attributes.update(_breakaway_attributes(system))
        marks = attributes.get("breakaway_loads", attributes.get("breakaway_load", []))
        return [
            load * (1 + side * BESIDE_BREAKAWAY)
            for load in np.atleast_1d(marks)
            for side in (-1, 1)
        ]

    def closing(*_: object) -> dict[str, Any]:
        return attributes or (_breakaway_attributes(system) if marked else {})

    task = system._assignment_task(**options)
    return _plan(system, loads, task, refine=refine, breakpoints=beside_breakaway, closing=closing)


@show_options
def partition_curve(
    system: MultiMode, loads: npt.ArrayLike, p: npt.ArrayLike, **options: Unpack[PolishOptions]
) -> xr.Dataset:
    """Solve for the best partition at many loads, under given assignments.

    Parameters
    ----------
    system : MultiMode
        S stages, M modes.
    loads : array_like, shape (K,)
        Jobs per unit of time, 0 or more, in any order.
    p : float or array_like, shape (M,) or (K, M)
        Assignment as in `MultiMode.partition`, or one row for each load.
    **options
        As for `MultiMode.partition`, with answers that miss the gap as in `curve`.

    Returns
    -------
    xarray.Dataset
        As of `curve`. The row of a load at which its assignment is not stable is NaN, with the
        error in ``reason``.

    Raises
    ------
    LoadError, InputError
        Before any solver starts.
    CurveInterruptedError
        On Ctrl-C, with the loads that were solved.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> data = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).curve([2.0, 3.0], p=0.5)
    >>> data.delay.values.round(6)
    array([1.050803, 1.650121])
    """
    return partition_plan(system, loads, p, options).solve()


def partition_plan(
    system: MultiMode, loads: npt.ArrayLike, p: npt.ArrayLike, options: PolishOptions
) -> CurvePlan:
    """Return the plan of `partition_curve`."""
    screened = system.screen_loads(loads)
    return _plan(
        system,
        loads,
        system._partition_task(**options),
        screened=screened,
        columns=(_assignments(system, screened[0].size, p),),
        check_point=partial(check_assignment, system.rates),
    )


def _plan(system: MultiMode, loads: npt.ArrayLike, sweep: Sweep, **more: Any) -> CurvePlan:
    """Return the plan of a task at many loads, with further attributes of the plan."""
    from ...frontend.curve_dataset import Curve  # xarray takes long to import

    attrs: dict[str, Any] = {"capacity": system.capacity_load}
    if touch_loads := system.touch_loads:
        attrs["touch_loads"] = list(touch_loads)
    return CurvePlan(
        system,
        loads,
        {"": sweep},
        partial(_variables, system),
        coords={"stage": ("stage", list(system.stages)), "mode": ("mode", list(system.modes))},
        attrs=attrs,
        capacity=system.capacity_load,
        dataset_type=Curve,
        **more,
    )


def _variables(
    system: MultiMode, loads: Array, rows: Mapping[str, OperatingPoints]
) -> dict[str, Variable]:
    time, points = system.time_unit, rows[""]
    positive = np.maximum(loads, LIGHT_LOAD * system.max_load)
    data = answers(points, time, what="least mean delay")
    bound = np.where(np.isnan(points.mean_delay), np.nan, points.lower_bound)
    data["lower_bound"] = variable(
        bound, "certified lower bound of the mean delay", "bound", units=time
    )
    data["share"] = variable(
        points.share, "part of a stage's capacity for a mode", "share", ("load", "stage", "mode")
    )
    if len(system.modes) == 2:
        name = f"best part of the jobs in {system.modes[0]}"
        data["p"] = variable(points.assignment[:, 0], name, "part")
    else:
        data["assignment"] = variable(
            points.assignment, "part of the jobs in a mode", "part", ("load", "mode")
        )
    single = joint_delay(system.rates, positive[:, None], np.eye(len(system.modes)))
    # the lines of many modes are too many for a picture, and for the loads that refine it
    role: Role = "beside" if len(system.modes) == 2 else "each"
    name = "mean delay with all jobs in one mode"
    data["single_mode_delay"] = variable(single, name, role, ("load", "mode"), time)
    if role == "each":
        name = "mean delay of the best single mode"
        data["best_single_delay"] = variable(single.min(axis=1), name, "beside", units=time)
    if system.tunable is not None:
        stable, delay = positive < system.tunable.max_load, np.full(loads.shape, np.inf)
        delay[stable] = system.tunable.exact.least_delay(positive[stable])
        data["tunable_delay"] = variable(
            delay, "least mean delay of the tunable mode", "beside", units=time
        )
    return data


def _assignments(system: MultiMode, count: int, p: npt.ArrayLike) -> Array:
    """Assignment at each of K loads, shape (K, M)."""
    given = as_floats("p", p)
    if given.ndim == 2 and len(given) != count:
        problem = f"has {counted(len(given), 'row')} for {counted(count, 'load')}"
        raise InputError("p", given.tolist(), problem, "give one row a load, or one for all")
    rows = given if given.ndim == 2 else [given] * count
    return np.array([as_assignment(system.rates, row) for row in rows])


def _breakaway_attributes(system: MultiMode) -> dict[str, Any]:
    """Attributes of the breakaways; none without one, because files cannot hold None."""
    try:
        if len(system.modes) != 2:
            found = system.breakaways()
            for low, high in found.left:
                warn(f"breakaways between the loads {low:.6g} and {high:.6g} are not searched")
            loads = [change.load for change in found]
            return {"breakaway_loads": loads} if loads else {}
        breakaway = system.breakaway()
    except NotCertifiedError as error:
        warn(f"the breakaway is not marked: {error}")
        return {}
    if not isinstance(breakaway, CertifiedBreakaway):
        return {}
    return {
        "breakaway_load": breakaway.load,
        "breakaway_from": breakaway.p_before,
        "breakaway_p": breakaway.p_after,
    }


def delay_profile(system: MultiMode, loads: npt.ArrayLike, points: int = 401) -> xr.Dataset:
    """Compute the delay under the best partition as a function of the assignment p.

    In closed form, at some loads; Figure 4 of Jeff and Modiano.

    Parameters
    ----------
    system : MultiMode
        S stages, two modes.
    loads : array_like, shape (K,)
        Jobs per unit of time, above 0 and below the largest load.
    points : int, default 401
        Number of values of p; they are closer together towards 0 and 1, where the delay is steep.

    Returns
    -------
    xarray.Dataset
        ``delay`` over load and p, NaN outside the stable interval; ``best_p`` and ``best_delay``
        over load.

    Raises
    ------
    LoadError, InputError
        On another kind of system, a load that cannot be carried, and less than two points.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> data = delay_profile(DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), [3.0, 4.5])
    >>> data.best_p.values.round(3)
    array([1.   , 0.575])
    """
    import xarray as xr

    kind = kind_named("stages").system
    problem, remedy = "is not a system of service modes", "give DualMode or MultiMode"
    check_instance("system", system, kind, problem, remedy)
    checked = system.check_loads(np.atleast_1d(as_floats("loads", loads)))
    count = as_integer("points", points, "a number of points", 2)
    p = np.sin(np.linspace(0, np.pi / 2, count)) ** 2
    delay = exact.delay(system.rates, checked[:, None], p)
    delay = np.where(np.isfinite(delay), delay, np.nan)
    best_p, best_delay = exact.best_assignment(system.rates, checked)
    time = system.time_unit
    of_delay = {"long_name": "mean delay, best partition", "units": time}
    of_best = {"long_name": "least mean delay", "units": time}
    return xr.Dataset(
        {
            "delay": (("load", "p"), delay, of_delay),
            "best_p": ("load", best_p, {"long_name": "best assignment p*"}),
            "best_delay": ("load", best_delay, of_best),
        },
        coords={
            "load": ("load", checked, {"units": f"1/{time}"}),
            "p": ("p", p, {"long_name": "part of the jobs in mode 1"}),
        },
        attrs={"time_unit": time, "capacity": system.capacity_load},
    )
