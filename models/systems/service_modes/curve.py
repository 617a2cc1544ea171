"""The best assignment, partition and delay over loads, and the delay over assignments, as `xarray.Dataset`."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference import service_modes as exact
from ....reference.errors import Array, InputError, numbers
from ....reference.service_modes.stability import check_assignment, check_load
from ...core.curve import CurveInterruptedError, Drawn, curve_of, on_axis, on_log_axis
from ...core.errors import NotCertifiedError
from ...core.progress import track
from ..parallel.curve import check_loads
from .dual_mode import DualMode
from .questions import OperatingPoints

if TYPE_CHECKING:
    from ...core.solve import HowPolished, Task
    from .system import MultiMode

    Asked = Task[Any, OperatingPoints, Any]

ALONE = 2.0  # delays of one mode alone are drawn up to so many times the largest of the best

NEAR = 1e-6  # how far beside the breakaway a curve is solved: there the two p are equally good


def curve(system: MultiMode, loads: npt.ArrayLike, refine: bool | float = False, **how: Unpack[HowPolished]) -> xr.Dataset:
    """Solve for the best assignment at many loads.

    Parameters
    ----------
    system : MultiMode
        S stages, two modes.
    loads : array_like, shape (K,)
        Each above 0 and below the largest load, in any order.
    refine : bool or float, default False
        Whether to add loads for a picture: on both sides of the breakaway, and others until a straight line between neighbours is nowhere
        off by more than this part of a delay on a logarithmic axis, or of 1 for p; True for 0.002.
    **how
        As for `MultiMode.assignment`. A load whose answer misses the gap does not stop the others: it is kept, with ``certified`` False;
        where no solver returns anything, the row is NaN.

    Returns
    -------
    xarray.Dataset
        Dimensions ``load``, ``stage``, ``mode``: ``p``, ``delay``, ``lower_bound``, ``gap``, ``certified`` over load, ``share`` over all three
        and ``single_mode_delay``, with all jobs in one mode, over load and mode (infinite where that is not stable). Of a `DualMode` also
        ``tunable_delay``, the bound of Proposition 1. Attributes: ``max_load``, ``capacity`` (of both servers together), and where they are
        ``breakaway_load``, ``breakaway_from``, ``breakaway_p`` and ``touch_loads``. The coordinate ``utilisation`` is the load over
        the capacity. Refined, it is in the order of the loads, and the coordinate ``added`` says which were not given.

    Raises
    ------
    LoadError, InputError
        Before any solver starts.
    CurveInterruptedError
        On Ctrl-C, with what was done.

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> data = DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).curve([2.0, 3.0, 4.0])
    >>> data.p.values
    array([1., 0., 0.])
    """
    checked = _checked(system, loads)
    sweep = system.assignment_sweep(**how)
    marks: dict[str, Any] = {}

    def beside_breakaway() -> list[float]:
        marks.update(_marks(system))
        leaves = marks.get("breakaway_load")
        return [] if leaves is None else [leaves * (1 - NEAR), leaves * (1 + NEAR)]

    data = curve_of(partial(_solved, system, sweep), checked, refine, beside_breakaway, lines)
    try:
        data.attrs.update(marks or _marks(system))
    except KeyboardInterrupt:
        raise CurveInterruptedError(data) from None
    _warn(data)
    return data


def _solved(system: MultiMode, sweep: Asked, *columns: Array) -> xr.Dataset:
    """Answers at loads, and assignments where the question is of them; on Ctrl-C, what was done."""
    done = [sweep.question.nothing(0)]
    try:
        for block in track(_blocks(sweep.block, *columns), "loads", weigh=lambda b: len(b[0])):
            done.append(sweep.solve(*block))
    except KeyboardInterrupt:
        points = OperatingPoints.joined(done)
        raise CurveInterruptedError(_dataset(system, columns[0][: len(points.gap)], points)) from None
    return _dataset(system, columns[0], OperatingPoints.joined(done))


def lines(data: xr.Dataset) -> list[Drawn]:
    """What a picture of a curve shows: p, and the delays up to `ALONE` times the largest of the best."""
    best = data["delay"].values
    others = [data["single_mode_delay"].sel(mode=mode).values for mode in data["mode"].values]
    with np.errstate(invalid="ignore"):
        shown = [np.where(delay <= ALONE * np.nanmax(best), delay, np.nan) for delay in others]
    bound = [data["tunable_delay"].values] if "tunable_delay" in data else []
    return [on_axis(data["p"], unit=1.0), *(on_log_axis(delay) for delay in (best, *shown, *bound))]


def partition_curve(system: MultiMode, loads: npt.ArrayLike, p: npt.ArrayLike, **how: Unpack[HowPolished]) -> xr.Dataset:
    """Solve for the best partition at many loads, the assignment given.

    Parameters
    ----------
    system : MultiMode
        S stages, M modes.
    loads : array_like, shape (K,)
    p : float or array_like, shape (M,) or (K, M)
        As in `MultiMode.partition`; with K rows, one a load.
    **how
        As for `MultiMode.partition`; else as in `curve`.

    Returns
    -------
    xarray.Dataset
        As of `curve`, with ``assignment`` over ``load`` and ``mode`` in the place of ``p`` where there are other than two modes; no attributes
        about the best assignment.

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
    checked = _checked(system, loads)
    parts = _assignments(system, checked, p)
    data = _solved(system, system.partition_sweep(**how), checked, parts)
    _warn(data)
    return data


def _checked(system: MultiMode, loads: npt.ArrayLike) -> Array:
    return check_loads(loads, partial(check_load, system.rates), system.check_load)


def _assignments(system: MultiMode, loads: Array, p: npt.ArrayLike) -> Array:
    """Assignment of each load, shape (K, M), stable."""
    given = numbers("p", p)
    if given.ndim == 2 and len(given) != loads.size:
        raise InputError("p", given.tolist(), f"has {len(given)} rows for {loads.size} loads", "give one row a load, or one for all")
    rows = given if given.ndim == 2 else [given] * loads.size
    return np.array([check_assignment(system.rates, float(load), row) for load, row in zip(loads, rows, strict=True)])


def _blocks(width: int, *columns: Array) -> list[tuple[Array, ...]]:
    return [tuple(c[i : i + width] for c in columns) for i in range(0, len(columns[0]), width)]


def _warn(data: xr.Dataset) -> None:
    missed = int((~data["certified"]).sum())
    if missed:
        warnings.warn(f"{missed} of {data.sizes['load']} answers are not certified; see certified and gap", stacklevel=4)


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
    checked = _checked(system, np.atleast_1d(numbers("loads", loads)))
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise InputError("points", points, "is not a number of points", "give a whole number from 2 on")
    p = np.sin(np.linspace(0, np.pi / 2, points)) ** 2
    delay = exact.delay(system.rates, checked[:, None], p)
    best_p, best = exact.best_assignment(system.rates, checked)
    time = system.time_unit
    return xr.Dataset(
        {
            "delay": (("load", "p"), np.where(np.isfinite(delay), delay, np.nan), {"long_name": "mean delay, best partition", "units": time}),
            "best_p": ("load", best_p, {"long_name": "best assignment p*"}),
            "best_delay": ("load", best, {"long_name": "least mean delay", "units": time}),
        },
        coords={"load": ("load", checked, {"units": f"1/{time}"}), "p": ("p", p, {"long_name": "part of the jobs in mode 1"})},
        attrs={"time_unit": time, "capacity": _capacity(system)},
    )


def _dataset(system: MultiMode, points: Array, found: OperatingPoints) -> xr.Dataset:
    time, rate, two = system.time_unit, f"1/{system.time_unit}", len(system.modes) == 2
    data: dict[str, Any] = {
        "delay": ("load", found.mean_delay, {"long_name": "least mean delay", "units": time}),
        "lower_bound": (
            "load",
            np.where(np.isnan(found.mean_delay), np.nan, found.lower_bound),
            {"long_name": "certified lower bound of the mean delay", "units": time},
        ),
        "gap": ("load", found.gap, {"long_name": "certified relative error"}),
        "certified": ("load", found.certified),
        "share": (("load", "stage", "mode"), found.share, {"long_name": "part of a stage's capacity for a mode"}),
    }
    if two:
        single = np.stack([exact.delay(system.rates, points, p) for p in (1.0, 0.0)], axis=-1)
        data["p"] = ("load", found.assignment[:, 0], {"long_name": f"best part of the jobs in {system.modes[0]}"})
        data["single_mode_delay"] = (("load", "mode"), single, {"long_name": "mean delay with all jobs in one mode", "units": time})
    else:
        data["assignment"] = (("load", "mode"), found.assignment, {"long_name": "part of the jobs in a mode"})
    if isinstance(system, DualMode):
        bound = system.tunable.exact.least_delay(points) if points.size else points
        data["tunable_delay"] = ("load", bound, {"long_name": "least mean delay of the tunable mode", "units": time})
    capacity = _capacity(system)
    return xr.Dataset(
        data,
        coords={
            "load": ("load", points, {"long_name": "load", "units": rate}),
            "utilisation": ("load", points / capacity, {"long_name": "load over the capacity of all stages"}),
            "stage": ("stage", list(system.stages)),
            "mode": ("mode", list(system.modes)),
        },
        attrs={"max_load": system.max_load, "capacity": capacity, "time_unit": time},
    )


def _capacity(system: MultiMode) -> float:
    """Load that would keep every server busy: (K + 1) mu0 of a dual-mode system; the largest load of any other."""
    return system.tunable.max_load if isinstance(system, DualMode) else system.max_load


def _marks(system: MultiMode) -> dict[str, Any]:
    """Loads that a picture marks: a file has no word for one that is not there."""
    marks: dict[str, Any] = {}
    try:
        leaves = system.breakaway()
    except NotCertifiedError as error:
        warnings.warn(f"the breakaway is not marked: {error}", stacklevel=4)
        leaves = None
    if leaves is not None:
        marks.update(breakaway_load=leaves.load, breakaway_from=leaves.p_before, breakaway_p=leaves.p_after)
    touches = exact.touch_points(system.canonical_form) if isinstance(system, DualMode) and system.canonical_form.K > 1 else ()
    return marks | ({"touch_loads": list(touches)} if touches else {})
