"""The report of ``sojourn size``: rates as a table, JSON, and the frontier as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ......reference.errors import Array, InputError
from .....frontend.process import UNCERTIFIED
from .....frontend.report import File, Report, as_far_as_it_got, data_files, flat, picture
from .....frontend.scenario import Scenario
from .....frontend.tables import ruled
from ...report import servers_table
from ...system import ParallelServers
from .problem import SPLITS
from .size_file import SizeSettings
from .sized import SizedServers

if TYPE_CHECKING:
    import xarray as xr

NO_PRICE = "no server has a rate_price: every unit of rate costs 1"
NOTHING = (
    "has neither a budget nor a target",
    "give --budget, --mean-delay or --delay-cost, or a table [size] in the file",
)
FRONTIER = np.geomspace(0.1, 4.0, 21)
"""Budgets of the frontier: multiples of the money that these sizes spend beyond the flows."""


def report(
    scenario: Scenario[ParallelServers],
    load: float,
    changed: Mapping[str, float | None],
    split: str | None,
    drawn: bool,
) -> Report:
    """Return the report of sizes at a load.

    Parameters
    ----------
    scenario : Scenario
        The scenario; its table ``[size]`` holds where the arguments are None.
    load : float
        Total load, jobs per unit of time.
    changed : mapping of str to float or None
        ``budget``, ``mean_delay`` and ``delay_cost``, in the units of the file.
    split : str or None
        Split.
    drawn : bool
        Whether the frontier is computed and drawn.
    """
    settings: SizeSettings = scenario.settings["size"]
    given = {name: value for name, value in changed.items() if value is not None}
    if not (given or settings.deciding or settings.targets):
        raise InputError("size", scenario.name, *NOTHING)
    if split is not None and split not in SPLITS:
        problem, remedy = "is not a split", f"use {' or '.join(SPLITS)}, or a list in the file"
        raise InputError("--split", split, problem, remedy)
    asked = settings.asked(scenario.units, given)
    asked["split"] = asked["split"] if split is None else split
    exact = scenario.system.size(load, **asked)
    found = scenario.units.result(exact)
    notes = [*scenario.notes, *[NO_PRICE] * ("rate_price" not in settings.servers)]
    result = {**scenario.to_dict(), "notes": notes, **found.to_dict()}
    if exact.delay_cost is not None:
        result["delay_cost"] = exact.delay_cost / scenario.units.delay_factor
    files = _files(scenario, exact, asked) if drawn else ()
    code = 0 if found.certified else UNCERTIFIED
    return Report(result, _shown(scenario, found, notes), files, "size", code)


def _shown(
    scenario: Scenario[ParallelServers], found: SizedServers, notes: list[str]
) -> Iterator[str | Table]:
    """Yield the texts and the table of sizes."""
    unit, rate = scenario.delay_unit, scenario.units.rate
    yield scenario.heading
    yield f"{scenario.where(found.load)}\n"
    sums = (f"{found.rate.sum():.6g}", f"{scenario.system.total_rate:.6g}", "")
    yield servers_table(
        found.names,
        (f"rate ({rate})", "present rate", "share", f"latency ({unit})"),
        (found.rate, scenario.system.bank.rate, found.share, found.latency),
        (".6g", ".6g", ".4f", ".6g"),
        ruled("in all", (*sums, f"{found.mean_delay:.6g}")),
        "servers; --json has all",
    )
    opening = f", of which {found.opening_cost:.6g} for openings" if found.opening_cost else ""
    yield f"[bold]cost {found.total_cost:.9g}[/] per {scenario.units.time}{opening}"
    yield f"[bold]mean delay {found.mean_delay:.9g} {unit}[/]"
    if found.price_of_money is not None:
        yield f"one unit of money more changes the mean delay by {found.price_of_money:.4g} {unit}"
    yield found.proof
    for caveat in found.caveats:
        yield f"[bold]but[/] {escape(caveat)}"
    for note in notes:
        yield f"[bold]note[/] {escape(note)}"


def _files(
    scenario: Scenario[ParallelServers], found: SizedServers, asked: Mapping[str, Any]
) -> Iterator[list[File]]:
    """Yield the frontier as data, as far as it got, then its picture.

    It is that of the budget alone, without targets of servers and of late jobs.
    """
    units = scenario.units
    kept = ("rate_price", "max_rate", "min_rate", "split", "opening")
    servers = {name: asked[name] for name in kept if name in asked}
    budgets = _budgets(found, *(np.asarray(servers.get(name, 0.0)) for name in kept[:3]))
    solve = partial(scenario.system.size_frontier, found.load, budgets, refine=True, **servers)
    data, stopped = as_far_as_it_got(solve)
    data = units.present(data)
    if "present_delay" in data.attrs:
        data.attrs["present_delay"] *= units.delay_factor
    yield data_files("frontier", data, flat(data, "budget"))
    if data.sizes["budget"] > 1:
        yield [picture("frontier", partial(_drawn, scenario, found, data))]
    if stopped is not None:
        raise stopped


def _budgets(found: SizedServers, price: Array, high: Array, low: Array) -> Array:
    """Return budgets around the cost of these sizes, up to that of the largest rates."""
    least = np.where(found.open, np.maximum(found.flow, low), low)
    beyond = float(np.sum(price * (found.rate - least)))
    most = float(np.sum(np.where(price > 0, price * high, 0.0))) if high.ndim else np.inf
    budgets = found.total_cost + beyond * (FRONTIER - 1.0)
    budgets = np.minimum(budgets, most + found.opening_cost)
    return np.unique([*budgets, found.total_cost])


def _drawn(scenario: Scenario[ParallelServers], found: SizedServers, data: xr.Dataset) -> Any:
    """Return the picture of a frontier, with these sizes."""
    from .plots import plot_frontier

    delay = found.mean_delay * scenario.units.delay_factor
    return plot_frontier(data, scenario.title, (found.total_cost, delay))
