"""Sizes with the best split: a certified search for split and rates together.

`sojourn.reference.parallel.decisions.joint_sizes` has the method; no solver runs.
"""

from __future__ import annotations

import math
from typing import Any

from ......reference.errors import InputError
from ......reference.parallel.decisions.joint_sizes import Search, goal_of
from ......reference.pickling import as_raised
from ......reference.plural import counted
from .....core.progress import StatusLine
from .at_split import FIELDS
from .problem import SizeProblem
from .sized import SizedServers, sized_servers
from .targets import MeanDelay, RateBudget

BEST_FIELDS = FIELDS | {"high": "max_rate", "price": "rate_price"}
"""Arguments of the reference as users know them."""


class SizesInterruptedError(KeyboardInterrupt):
    """The user stopped the search for the best split and rates.

    Attributes
    ----------
    found : SizedServers
        The answer so far; its certificate is valid, with a wide gap.
    """

    def __init__(self, found: Any) -> None:
        super().__init__(
            f"stopped after {counted(found.nodes, 'node')}, gap {found.certificate.gap:.1e}"
        )
        self.found = found

    __reduce__ = as_raised


def sized_with_split(problem: SizeProblem) -> SizedServers:
    """Return the best split and rates for one load.

    Raises
    ------
    InputError
        On targets of single servers and of late jobs; on rates that cannot carry the load, and a
        budget or mean delay that no split can meet.
    """
    for i, target in enumerate(problem.targets):
        if not isinstance(target, RateBudget | MeanDelay):
            text = "holds at a given split: the search for the best one bounds mean delays alone"
            remedy = "use MeanDelay(time), or give shares or split='optimum'"
            raise InputError(f"subject_to[{i}]", target, text, remedy)
    try:
        search = _search(problem)
    except InputError as error:
        field = BEST_FIELDS.get(error.field, error.field)
        raise InputError(field, error.value, error.problem, error.remedy) from None
    try:
        with StatusLine("split and rates") as line:
            while not search.done:
                search.divide()
                line.step(f"{counted(search.nodes, 'node')}, gap {search.distance:.0e}")
    except KeyboardInterrupt:
        raise SizesInterruptedError(_answer(problem, search)) from None
    return _answer(problem, search)


def _search(problem: SizeProblem) -> Search:
    """Return the search with its first box."""
    goal = goal_of(
        float(problem.loads[0]),
        problem.k,
        problem.delay,
        problem.rate_price,
        problem.low,
        problem.high,
        problem.opening,
        delay_cost=problem.delay_cost,
        budget=problem.budget,
        mean_delay=problem.mean_target,
    )
    return Search(goal, problem.gap, problem.max_nodes)


def _answer(problem: SizeProblem, search: Search) -> SizedServers:
    """Return the answer that a search has found."""
    found, load = search.result(), float(problem.loads[0])
    price = found.money_price
    return sized_servers(
        problem,
        found.rate,
        found.flow[None],
        found.lower_bound,
        found.upper_bound,
        price_of_money=0.0 - price / load if math.isfinite(price) else None,
        nodes=found.nodes,
    )
