"""Report of ``sojourn run`` on reserved stages: which modes, how much of each, and what they gain.

The jobs in a mode get a part of each stage for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ....reference.service_modes import Modes
from ....reference.service_modes.partition import joint_delay
from ...core.ratio import PriceOfAnarchy
from ...core.solution import finite_or_none
from ...frontend.report import File, Report, curve_files, picture
from ...frontend.scenario import Scenario
from ...frontend.tables import ruled, table
from .disciplines import disciplines, shared_of
from .operating_point import OperatingPoint
from .shared import PriceOfReserving
from .system import MultiMode

if TYPE_CHECKING:
    import xarray as xr

Reserved = Scenario[MultiMode]


def refuse_weights(weights: str | None) -> None:
    """Raise InputError on ``--weights-in``: modes are no servers."""
    if weights is not None:
        problem = "is a split over servers, and the jobs of this system have none to choose"
        remedy = "leave it out; in Python, evaluate(load, p) evaluates an operating point"
        raise InputError("--weights-in", weights, problem, remedy)


def report(scenario: Reserved, load: float, solver: str | None, weights: str | None) -> Report:
    """Return the report at a load; see `SystemKind.report`."""
    refuse_weights(weights)
    found, shared = scenario.system.assignment(load, solver=solver), shared_of(scenario.system)
    # beside the answer, also wide bounds are of use
    best, selfish = shared.optimum(load, throw=False), shared.equilibrium(load, throw=False)
    factor = scenario.units.delay_factor
    result = {
        **_result(scenario, found),
        "shared": {
            "optimum_delay": factor * best.mean_delay,
            "equilibrium_delay": factor * selfish.mean_delay,
            **prices(PriceOfAnarchy.of(selfish, best), PriceOfReserving.of(found, best)),
        },
        "notes": list(scenario.notes),
    }
    files = curve_files(scenario, solver, partial(pictures, scenario))
    return Report(result, _shown(scenario, found, result), files)


def prices(anarchy: PriceOfAnarchy, reserving: PriceOfReserving) -> dict[str, float | None]:
    """Return both prices with their bounds, for JSON."""
    return {
        f"{name}{bound}": finite_or_none(value)
        for name, ratio in (("price_of_anarchy", anarchy), ("price_of_reserving", reserving))
        for bound, value in (("", ratio), ("_lower", ratio.lower), ("_upper", ratio.upper))
    }


def pictures(scenario: Scenario[Any], data: xr.Dataset) -> list[File]:
    """Return the curves of both disciplines as a file, and their pictures.

    Parameters
    ----------
    scenario : Scenario
        The scenario, of either discipline.
    data : xarray.Dataset
        The curve of its system, in the units of the file.
    """
    from .modes_plots import plot_disciplines, plot_mixes

    both = disciplines(scenario, data)
    return [
        ("disciplines.nc", lambda path: both.to_netcdf(path, engine="scipy")),
        picture("curve", partial(plot_disciplines, both, scenario.title)),
        picture("modes", partial(plot_mixes, both, scenario.title)),
    ]


def single_delay(modes: Modes, load: float) -> Array:
    """Return the mean delay with all jobs in one mode, for each mode; infinite if unstable."""
    return joint_delay(modes, load, np.eye(modes.modes))


def single_capacity(modes: Modes) -> Array:
    """Return the load that each mode alone can almost carry, shape (M,)."""
    return 1 / np.asarray(modes.time.max(axis=0))


def beside(scenario: Scenario[Any], modes: Modes, load: float, best: float) -> dict[str, Any]:
    """Return the best single mode and what a mix gains over it, for JSON.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    modes : Modes
        Its modes.
    load : float
        Jobs per unit of time.
    best : float
        Least mean delay of a mix, in the unit of time of the system.

    Returns
    -------
    dict
        ``single_mode``: the mode, its delay in the unit of the file, and the part of the delay that
        the mix saves; the mode of the largest capacity with it, and the part that the mix adds.
    """
    names, factor = scenario.system.modes, scenario.units.delay_factor
    delay, capacity = single_delay(modes, load), single_capacity(modes)
    fastest, largest = int(np.argmin(delay)), int(np.argmax(capacity))
    stable = bool(np.isfinite(delay[fastest]))
    return {
        "single_mode": {
            "mode": names[fastest] if stable else None,
            "delay": finite_or_none(factor * delay[fastest]),
            "saved_by_mix": 1 - best / float(delay[fastest]) if stable else None,
        },
        "single_mode_capacity": {
            "mode": names[largest],
            "max_load": float(capacity[largest]),
            "added_by_mix": scenario.system.max_load / float(capacity[largest]) - 1,
        },
        "single_mode_delay": {
            name: finite_or_none(factor * d) for name, d in zip(names, delay, strict=True)
        },
    }


def _result(scenario: Reserved, found: OperatingPoint) -> dict[str, Any]:
    """Return all numbers of the report for JSON."""
    system, modes = scenario.system, scenario.system.rates
    busy = found.load * (modes.time @ found.assignment)
    breakaways = system.breakaways().to_dict()
    return {
        **scenario.to_dict(),
        "discipline": "reserved",
        "max_load": system.max_load,
        "load": found.load,
        "best": scenario.units.result(found).to_dict(),
        "utilisation": dict(zip(system.stages, busy.tolist(), strict=True)),
        **beside(scenario, modes, found.load, found.mean_delay),
        "breakaways": breakaways["changes"],
        "not_searched": breakaways["left"],
    }


def _shown(
    scenario: Reserved, found: OperatingPoint, result: Mapping[str, Any]
) -> Iterator[str | Table]:
    """Yield the texts and tables of the report for a terminal."""
    yield scenario.heading
    yield head(scenario, found.load, "each stage divided between the modes")
    best = scenario.units.result(found)
    yield _modes(scenario, found)
    yield _stages(scenario, best, result["utilisation"])
    way = f"{best.solver.lower()}, {best.formulation}, {counted(best.polished, 'Newton step')}"
    yield f"certified within {best.certificate.gap:.0e} of the least delay ({way})\n"
    yield from single_lines(scenario, result, best.mean_delay)
    yield from breakaway_lines(scenario, result["breakaways"], found.load, result["not_searched"])
    shared, unit = result["shared"], scenario.delay_unit
    yield (
        f"shared stages     optimum {shared['optimum_delay']:.6g} {unit}, "
        f"selfish users {shared['equilibrium_delay']:.6g} {unit}"
    )
    yield from price_lines(shared, best.mean_delay, unit)
    yield from scenario.remarks


def breakaway_lines(
    scenario: Reserved,
    changes: Sequence[Mapping[str, Any]],
    load: float,
    left: Sequence[Sequence[float]] = (),
) -> Iterator[str]:
    """Yield the lines about the next load at which the modes in use change, and about all.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    changes : sequence of mapping
        Changes of the modes in use, see `MultiMode.breakaways`, for JSON.
    load : float
        Jobs per unit of time.
    left : sequence of (float, float)
        Intervals of loads in which changes were not searched.
    """
    if left:
        intervals = ", ".join(f"{low:.6g} to {high:.6g}" for low, high in left)
        yield f"not searched      loads {intervals}, for lack of time"
    if not changes:
        yield "breakaways        none" + (
            " found" if left else ": the same modes are best at every load"
        )
        return
    later = [change for change in changes if change["load"] > load]
    if len(changes) > 1 or not later:
        loads = ", ".join(f"{change['load']:.6g}" for change in changes)
        yield f"breakaways        at {loads} {scenario.units.jobs}"
    if not later:
        yield "next breakaway    none" + (" found" if left else ": larger loads use the same modes")
        return
    before, after = (
        ", ".join(f"{part:.4f} {escape(mode)}" for mode, part in later[0][side].items())
        for side in ("before", "after")
    )
    yield f"next breakaway    load {later[0]['load']:.6g}: {before} to {after}"


def price_lines(result: Mapping[str, Any], reserved: float, unit: str) -> Iterator[str]:
    """Yield a line about each price.

    Parameters
    ----------
    result : mapping
        Contents of `prices`.
    reserved : float
        Mean delay of the best reserved mix, in the unit `unit`.
    unit : str
        Unit of delays.
    """
    over = f"the best reserved mix, {reserved:.6g} {unit}, over the shared optimum"
    for name, what in (("reserving", f": {over}"), ("anarchy", "")):
        key = f"price_of_{name}"
        upper = math.inf if result[f"{key}_upper"] is None else result[f"{key}_upper"]
        spread = upper / result[f"{key}_lower"] - 1
        words = f"certified within {spread:.0e}{what}"
        yield f"{f'price of {name}':<18}  [bold]{result[key]:.6f}[/], {words}"


def head(scenario: Scenario[Any], load: float, how: str) -> str:
    """Return the lines about the size of a system and the load."""
    system = scenario.system
    size = f"{counted(len(system.stages), 'stage')}, {counted(len(system.modes), 'mode')}"
    return f"{size}; {how}\n{scenario.where(load)}\n"


def single_lines(scenario: Scenario[Any], result: Mapping[str, Any], best: float) -> Iterator[str]:
    """Yield the lines about the best single mode, in a row of `beside`, and what the mix gains.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    result : mapping
        Contents of `beside`.
    best : float
        Mean delay of the mix, in the unit of the file.
    """
    unit, jobs = scenario.delay_unit, scenario.units.jobs
    single, capacity = result["single_mode"], result["single_mode_capacity"]
    if single["mode"] is None:
        yield f"best single mode  none carries this load; the mix {best:.6g} {unit}"
    else:
        saved = _gain(single["saved_by_mix"], best, "less", "no mix is faster")
        yield f"best single mode  {escape(single['mode'])}: {single['delay']:.6g} {unit}{saved}"
    most = scenario.system.max_load
    added = _gain(capacity["added_by_mix"], most, "more", "no mix carries more")
    yield (
        f"capacity          {escape(capacity['mode'])} alone: {capacity['max_load']:.6g} {jobs}"
        f"{added}"
    )


def _gain(part: float, mix: float, word: str, none: str) -> str:
    """Return what a mix gains in a line, such as ``", the mix 7.5, 12 % less"``."""
    return f", the mix {mix:.6g}, {100 * part:.3g} % {word}" if part > 5e-10 else f"; {none}"


def _modes(scenario: Reserved, found: OperatingPoint) -> Table:
    """Return the table of the modes that are used."""
    unit, modes = scenario.delay_unit, scenario.system.rates
    used = np.flatnonzero(found.assignment > 0)
    alone = single_delay(modes, found.load)
    delays = scenario.units.delay_factor * np.stack([_mode_delay(modes, found), alone])
    rows = [
        (
            escape(found.modes[m]),
            f"{found.assignment[m]:.6f}",
            f"{delays[0, m]:.6g}",
            f"{delays[1, m]:.6g}" if np.isfinite(alone[m]) else "not stable",
        )
        for m in used
    ]
    headings = ("mode", "part of\nthe jobs", f"delay\n({unit})", f"all jobs in\nit ({unit})")
    caption = f"modes that are used, of {len(found.modes)}"
    return table(headings, rows, text=("mode",), caption=caption)


def _mode_delay(modes: Modes, found: OperatingPoint) -> Array:
    """Return the mean delay of a job of each used mode, NaN of others, shape (M,).

    A mode gets of the spare capacity D_s of a stage the part sqrt(p_m a_sm) over the sum of these,
    so that its delay there is sqrt(a_sm / p_m) times that sum over D_s.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(found.assignment * modes.time)
        spare = 1 - found.load * (modes.time @ found.assignment)
        part = np.sqrt(modes.time / found.assignment) * (root.sum(axis=1) / spare)[:, None]
        return np.where(found.assignment > 0, part.sum(axis=0) + modes.delay, np.nan)


def _stages(scenario: Reserved, best: OperatingPoint, utilisation: Mapping[str, float]) -> Table:
    """Return the table of the stages: utilisation, delay, and the part of each used mode."""
    used = np.flatnonzero(best.assignment > 0)
    names: Sequence[str] = [f"for\n{escape(best.modes[m])}" for m in used]
    rows = [
        (escape(stage), f"{busy:.1%}", f"{delay:.6g}", *(f"{share[m]:.6f}" for m in used))
        for (stage, busy), delay, share in zip(
            utilisation.items(), best.stage_delay, best.share, strict=True
        )
    ]
    nothing = [""] * used.size
    if best.fixed_delay:
        rows.append(("fixed delays", "", f"{best.fixed_delay:.6g}", *nothing))
    rows += ruled("mean delay", ("", f"{best.mean_delay:.6g}", *nothing))
    headings = ("stage", "utili-\nsation", f"delay\n({scenario.delay_unit})", *names)
    return table(headings, rows, text=("stage",), caption="parts of the stages")
