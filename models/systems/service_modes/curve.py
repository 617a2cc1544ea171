"""The best assignment, partition and delay over loads, and the delay over assignments, as `xarray.Dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference import service_modes as exact
from ....reference.errors import Array, InputError
from ....reference.service_modes.stability import as_assignment, check_assignment
from ....reference.validation import as_floats, as_integer, check_flag, check_instance
from ...core import curve as driver
from ...core.curve import CurveInterruptedError, Variable, answers, variable, warn
from ...core.errors import NotCertifiedError
from ...core.signatures import show_options
from ...core.stored import stored_answers
from ...frontend.curve_dataset import Curve
from ...frontend.kinds import kind_named

if TYPE_CHECKING:
    from ...core.curve import Sweep
    from ...core.options import PolishOptions
    from .questions import OperatingPoints
    from .system import MultiMode

FAINT = 1e-18  # part of the largest load that stands for no load: to the last digit the delays are the same
NEAR = 1e-6  # how far beside the breakaway a curve is solved: there the two p are equally good


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
        S stages, two modes.
    loads : array_like, shape (K,)
        0 or more, in any order.
    refine : bool or float, default False
        Whether to add loads for a picture: on both sides of the breakaway, and others until a straight line between neighbours is nowhere
        off by more than this part of a delay on a logarithmic axis, or of 1 for p; True for 0.002.
    breakaway : bool, default False
        Whether to search for the breakaway and mark it: some 60 semidefinite programs more. Refinement does so too, for it needs to know.
    **how
        As for `MultiMode.assignment`. A load whose answer misses the gap does not stop the others: it is kept, with ``certified`` False;
        where no solver returns anything, the row is NaN. So it is at a load that the stages cannot carry, with the reason.

    Returns
    -------
    xarray.Dataset
        Dimensions ``load``, ``stage``, ``mode``: ``p``, ``delay``, ``lower_bound``, ``gap``, ``certified`` over load, ``share`` over all three
        and ``single_mode_delay``, with all jobs in one mode, over load and mode (infinite where that is not stable). Of a `DualMode` also
        ``tunable_delay``, the bound of Proposition 1. Attributes: ``max_load``, ``capacity`` (of both servers together), and where there are
        any ``touch_loads`` and, searched for, ``breakaway_load``, ``breakaway_from`` and ``breakaway_p``. The coordinate
        ``utilisation`` is the load over the capacity, and ``reason`` the error of a load that has no answer. At a load of 0 there are
        the limits as the load tends to 0: all jobs in the faster mode. Refined, it is in the order of the loads, and the coordinate
        ``added`` says which were not given.

    Raises
    ------
    LoadError, InputError
        Before any solver starts: on a load that is negative or not finite, and where none can be carried.
    CurveInterruptedError
        On Ctrl-C, with what was done.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> data = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).curve([2.0, 3.0, 4.0])
    >>> data.p.values
    array([1., 0., 0.])
    """
    marks: dict[str, Any] = {}

    def beside_breakaway() -> list[float]:
        marks.update(_marks(system))
        leaves = marks.get("breakaway_load")
        return [] if leaves is None else [leaves * (1 - NEAR), leaves * (1 + NEAR)]

    breakaway = check_flag("breakaway", breakaway)
    data = _solved(
        system,
        loads,
        system.assignment_sweep(**options),
        refine=refine,
        breakpoints=beside_breakaway,
    )
    if breakaway and not marks and stored_answers() is None:
        try:
            marks = _marks(system)
        except KeyboardInterrupt:
            raise CurveInterruptedError(data) from None
    return data.assign_attrs(marks)


@show_options
def partition_curve(
    system: MultiMode, loads: npt.ArrayLike, p: npt.ArrayLike, **options: Unpack[PolishOptions]
) -> xr.Dataset:
    """Solve for the best partition at many loads, the assignment given.

    Parameters
    ----------
    system : MultiMode
        S stages, M modes.
    loads : array_like, shape (K,)
    p : float or array_like, shape (M,) or (K, M)
        As in `MultiMode.partition`; with K rows, one a load.
    **how
        As for `MultiMode.partition`; else as in `curve`. A load at which the assignment is not stable has no answer, with the reason.

    Returns
    -------
    xarray.Dataset
        As of `curve`, with ``assignment`` over ``load`` and ``mode`` in the place of ``p`` where there are other than two modes.

    Raises
    ------
    LoadError, InputError
        Before any solver starts.
    CurveInterruptedError
        On Ctrl-C, with what was done.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> data = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).curve([2.0, 3.0], p=0.5)
    >>> data.delay.values.round(6)
    array([1.050803, 1.650121])
    """
    room = partial(check_assignment, system.rates)
    return _solved(
        system,
        loads,
        system.partition_sweep(**options),
        columns=(_assignments(system, system.screen_loads(loads)[0].size, p),),
        room=room,
    )


def _solved(system: MultiMode, loads: npt.ArrayLike, sweep: Sweep, **options: Any) -> xr.Dataset:
    touches = system.touch_loads
    return driver.curve(
        system,
        loads,
        {"": sweep},
        partial(_variables, system),
        coords={"stage": ("stage", list(system.stages)), "mode": ("mode", list(system.modes))},
        attrs={"capacity": system.capacity_load}
        | ({"touch_loads": list(touches)} if touches else {}),
        capacity=system.capacity_load,
        dataset_type=Curve,
        **options,
    )


def _variables(
    system: MultiMode, loads: Array, rows: Mapping[str, OperatingPoints]
) -> dict[str, Variable]:
    time, found, light = system.time_unit, rows[""], np.maximum(loads, FAINT * system.max_load)
    data = answers(found, time, what="least mean delay")
    proved = np.where(np.isnan(found.mean_delay), np.nan, found.lower_bound)
    data["lower_bound"] = variable(
        proved, "certified lower bound of the mean delay", "bound", units=time
    )
    data["share"] = variable(
        found.share, "part of a stage's capacity for a mode", "share", ("load", "stage", "mode")
    )
    if len(system.modes) == 2:
        data["p"] = variable(
            found.assignment[:, 0], f"best part of the jobs in {system.modes[0]}", "part"
        )
        single = np.stack([exact.delay(system.rates, light, p) for p in (1.0, 0.0)], axis=-1)
        data["single_mode_delay"] = variable(
            single, "mean delay with all jobs in one mode", "beside", ("load", "mode"), time
        )
    else:
        data["assignment"] = variable(
            found.assignment, "part of the jobs in a mode", "part", ("load", "mode")
        )
    if system.tunable is not None:
        carried, bound = light < system.tunable.max_load, np.full(loads.shape, np.inf)
        bound[carried] = system.tunable.exact.least_delay(light[carried])
        data["tunable_delay"] = variable(
            bound, "least mean delay of the tunable mode", "beside", units=time
        )
    return data


def _assignments(system: MultiMode, count: int, p: npt.ArrayLike) -> Array:
    """Assignment of each of K loads, shape (K, M)."""
    given = as_floats("p", p)
    if given.ndim == 2 and len(given) != count:
        raise InputError(
            "p",
            given.tolist(),
            f"has {len(given)} rows for {count} loads",
            "give one row a load, or one for all",
        )
    return np.array(
        [
            as_assignment(system.rates, row)
            for row in (given if given.ndim == 2 else [given] * count)
        ]
    )


def _marks(system: MultiMode) -> dict[str, Any]:
    """Where the best assignment leaves one mode: a file has no word for what is not there."""
    try:
        leaves = system.breakaway()
    except NotCertifiedError as error:
        warn(f"the breakaway is not marked: {error}")
        return {}
    return (
        {}
        if leaves is None
        else {
            "breakaway_load": leaves.load,
            "breakaway_from": leaves.p_before,
            "breakaway_p": leaves.p_after,
        }
    )


def profile(system: MultiMode, loads: npt.ArrayLike, points: int = 401) -> xr.Dataset:
    """Delay under the best partition over the assignment p, at some loads; Figure 4 of Jeff and Modiano.

    Parameters
    ----------
    system : MultiMode
        S stages, two modes.
    loads : array_like, shape (K,)
    points : int
        Values of p, closer together towards 0 and 1, where the delay is steep.

    Returns
    -------
    xarray.Dataset
        ``delay`` over ``load`` and ``p``, NaN outside the stable interval; ``best_p`` and ``best_delay`` over load.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> data = profile(DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), [3.0, 4.5])
    >>> data.best_p.values.round(3)
    array([1.   , 0.575])
    """
    check_instance(
        "system",
        system,
        kind_named("dual_mode").system,
        "is not a system of service modes",
        "give DualMode or MultiMode",
    )
    checked = system.check_loads(np.atleast_1d(as_floats("loads", loads)))
    p = (
        np.sin(np.linspace(0, np.pi / 2, as_integer("points", points, "a number of points", 2)))
        ** 2
    )
    delay = exact.delay(system.rates, checked[:, None], p)
    best_p, best = exact.best_assignment(system.rates, checked)
    time = system.time_unit
    return xr.Dataset(
        {
            "delay": (
                ("load", "p"),
                np.where(np.isfinite(delay), delay, np.nan),
                {"long_name": "mean delay, best partition", "units": time},
            ),
            "best_p": ("load", best_p, {"long_name": "best assignment p*"}),
            "best_delay": ("load", best, {"long_name": "least mean delay", "units": time}),
        },
        coords={
            "load": ("load", checked, {"units": f"1/{time}"}),
            "p": ("p", p, {"long_name": "part of the jobs in mode 1"}),
        },
        attrs={"time_unit": time, "capacity": system.capacity_load},
    )
