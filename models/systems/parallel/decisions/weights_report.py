"""The report of ``sojourn weights``: whole weights as a table, JSON or a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .....reference.validation import check_choice
from ....frontend.fields import ScenarioError, check_keys, read_subtable
from ....frontend.report import Report
from ....frontend.scenario import Scenario
from ....frontend.tables import ruled
from ..prices import GOALS, Goal
from ..report import servers_table
from ..system import ParallelServers
from .proxies import PROXIES, stanza
from .weights import WholeSplit

FORMATS = ("text", "json", *PROXIES)
TOTALS = ("total", "at_most")
AT_MOST = 100  # largest sum where none is given


class WeightSettings(NamedTuple):
    """Table ``[weights]`` of a scenario file.

    Attributes
    ----------
    total, at_most : int or None
        Sum of the weights, or the largest sum.
    goal : {"optimum", "equilibrium"}
        Goal of the weights.
    """

    total: int | None = None
    at_most: int | None = None
    goal: Goal = "optimum"


def read_weights(given: Mapping[str, Any]) -> WeightSettings:
    """Return the settings of the table ``[weights]`` of a scenario file; ScenarioError on others.

    Parameters
    ----------
    given : mapping
        The whole file.
    """
    found = read_subtable(given, "weights")
    check_keys(found, (*TOTALS, "goal"), "weights.")
    if all(name in found for name in TOTALS):
        problem = "stands beside weights.total"
        raise ScenarioError("weights.at_most", found["at_most"], problem, "keep one of them")
    for name in TOTALS:
        value = found.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            problem, remedy = "is not a total of weights", "give a whole number from 1"
            raise ScenarioError(f"weights.{name}", value, problem, remedy)
    if found.get("goal", GOALS[0]) not in GOALS:
        problem, remedy = "is not a goal", f"use {' or '.join(GOALS)}"
        raise ScenarioError("weights.goal", found["goal"], problem, remedy)
    return WeightSettings(**found)


def report(
    scenario: Scenario[ParallelServers],
    load: float,
    total: int | None,
    at_most: int | None,
    goal: Goal | None,
    form: str,
) -> Report:
    """Return the report of whole weights at a load.

    Parameters
    ----------
    scenario : Scenario
        The scenario; its table ``[weights]`` holds where the arguments are None.
    load : float
        Total load, jobs per unit of time.
    total, at_most : int or None
        Sum of the weights, or the largest sum.
    goal : {"optimum", "equilibrium"} or None
        Goal of the weights. The limits of the scenario are those of the optimum.
    form : str
        One of `FORMATS`.
    """
    check_choice("--format", form, FORMATS, "is not a format")
    own: WeightSettings = scenario.settings.get("weights", WeightSettings())
    if total is None and at_most is None:
        total, at_most = own.total, own.at_most
    if total is None and at_most is None:
        at_most = AT_MOST
    goal = goal or own.goal
    limits = scenario.limits if goal == "optimum" else ()
    found = scenario.units.result(
        scenario.system.weights(load, total, at_most=at_most, goal=goal, subject_to=limits)
    )
    result = {**scenario.to_dict(), "notes": list(scenario.notes), **found.to_dict()}
    if form not in PROXIES:
        return Report(result, _shown(scenario, found))
    comment = (
        f"{scenario.name}: weights of total {found.total} for {scenario.where(load)}; "
        f"mean delay {found.mean_delay:.6g} {scenario.delay_unit}, {found.distance}"
    )
    text = stanza(form, scenario.name, found.names, found.weights.tolist(), comment)
    return Report(result, (Text(text),))


def _shown(scenario: Scenario[ParallelServers], found: WholeSplit) -> Iterator[str | Table]:
    """Yield the texts and the table of whole weights."""
    unit = scenario.delay_unit
    yield scenario.heading
    yield f"{scenario.where(found.load)}\n"
    yield servers_table(
        found.names,
        ("weight", "share", f"latency ({unit})"),
        (found.weights.astype(float), found.share, found.latency),
        (".0f", ".4f", ".6g"),
        ruled("in all", (f"{found.total}", "", f"{found.mean_delay:.6g}")),
        "servers; --format json has all",
    )
    yield f"[bold]{found.distance}[/], {found.continuous_delay:.6g} {unit}"
    yield f"{found.goal}  {found.proof}"
    for caveat in found.caveats:
        yield f"[bold]but[/] {escape(caveat)}"
    yield from scenario.remarks
