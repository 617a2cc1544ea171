"""The largest price of anarchy over an interval of loads, on certified solutions.

The search, and the bounds between two loads, are those of `sojourn.reference.routes`. Each load is
solved by the tasks of `RouteSystem`, by convex programs or, of large systems, by the interior-point
method, and certified by shortest paths.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from ....reference.guards import check_players
from ....reference.routes.anarchy import Node, node
from ....reference.routes.worst_case import GAP, RouteWorstCase, Search
from ...core.options import FormulationOptions, check_solve_options
from ...core.progress import StatusLine
from ...core.signatures import show_options
from ..parallel.limits import no_limits
from ..parallel.prices import GOALS
from ..parallel.worst_case import WorstCaseInterruptedError

if TYPE_CHECKING:
    from .system import RouteSystem

SHARES = "the search and the bounds between two loads; not the flows"


@show_options
def worst_case(
    system: RouteSystem,
    low: float | None = None,
    high: float | None = None,
    players: float = math.inf,
    **options: Unpack[FormulationOptions],
) -> RouteWorstCase:
    """Return the largest price of anarchy over loads; see `RouteSystem.worst_case`."""
    no_limits(options)
    players, tolerance = check_players(players), options.get("gap")
    check_solve_options("worst_case", options)
    search = Search(system.routed, low, high, players, GAP if tolerance is None else tolerance)
    total = system.load
    # the given gap is that of the search; each solution has the smallest gap that it can have
    settings: FormulationOptions = {**options, "throw": False, "gap": None}
    unit = search.ends[1] * total
    best, selfish = (
        system._task(goal, unit, players if goal == "equilibrium" else math.inf, **settings)
        for goal in GOALS
    )

    def solved(multiple: float, _: Node | None) -> Node:
        found = [task.one(multiple * total) for task in (selfish, best)]
        flows = found[0].route_flow, found[1].route_flow
        proofs = found[0].certificate, found[1].certificate
        return node(system.routed, multiple, players, flows, proofs)

    try:
        with StatusLine("worst case") as line:
            search.run(solved, line.step)
    except KeyboardInterrupt:
        raise WorstCaseInterruptedError(replace(search.result(), shares=SHARES)) from None
    return replace(search.result(), shares=SHARES)
