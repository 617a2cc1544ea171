"""The frontier of mean delay against money: sizes of servers over budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ......reference.amounts import LARGE, SMALL
from ......reference.errors import Array, InputError
from ......reference.validation import as_floats, raise_at_first
from .....core.curve import CurvePlan
from .....core.table import Mask, Table
from .....core.variables import answers, variable
from .problem import SizeProblem
from .sized import SizedServers
from .targets import RateBudget

if TYPE_CHECKING:
    from .....core.variables import Rows, Variable
    from .frontier_dataset import Frontier

BLOCK = 4  # budgets solved at once; an interruption loses them


@dataclass(frozen=True, eq=False)
class FrontierRows(Table):
    """Sizes at K budgets.

    Attributes
    ----------
    mean_delay, lower_bound, upper_bound, gap : ndarray, shape (K,)
        Mean delays with their certificates.
    certified : ndarray of bool, shape (K,)
        Whether the gaps meet the required gap.
    cost : ndarray, shape (K,)
        Money for rates and openings.
    price_of_money : ndarray, shape (K,)
        Change of the mean delay per unit of money; NaN where there is none.
    rate, flow : ndarray, shape (K, n)
        Rate and flow of each server.
    open : ndarray of bool, shape (K, n)
        Whether each server has jobs.
    """

    mean_delay: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    certified: Mask
    cost: Array
    price_of_money: Array
    rate: Array
    flow: Array
    open: Mask

    @classmethod
    def of(cls, found: Sequence[SizedServers], n: int) -> FrontierRows:
        """Return the rows of K answers, K >= 0, of n servers."""
        proofs = [one.certificate for one in found]
        prices = [math.nan if one.price_of_money is None else one.price_of_money for one in found]
        return cls(
            np.array([one.mean_delay for one in found]),
            np.array([proof.lower_bound for proof in proofs]),
            np.array([proof.upper_bound for proof in proofs]),
            np.array([proof.gap for proof in proofs]),
            np.array([one.certified for one in found], dtype=bool),
            np.array([one.total_cost for one in found]),
            np.array(prices),
            np.array([one.rate for one in found]).reshape(-1, n),
            np.array([one.flow for one in found]).reshape(-1, n),
            np.array([one.open for one in found], dtype=bool).reshape(-1, n),
        )


@dataclass(frozen=True, eq=False)
class _Budgets:
    """Sizes over budgets, as a question of `sojourn.models.core.curve`."""

    problem: SizeProblem
    answer: Callable[[SizeProblem], SizedServers]
    block: int = BLOCK

    def solve(self, budgets: Array) -> FrontierRows:
        """Return the sizes at K budgets."""
        found = [self.answer(with_budget(self.problem, money)) for money in budgets.tolist()]
        return FrontierRows.of(found, len(self.problem.system))


def with_budget(problem: SizeProblem, money: float) -> SizeProblem:
    """Return the question of the least mean delay within a budget, with the other targets kept."""
    others = [target for target in problem.targets if not isinstance(target, RateBudget)]
    return replace(problem, minimise="delay", targets=(RateBudget(money), *others))


def frontier(
    problem: SizeProblem,
    budgets: npt.ArrayLike,
    refine: bool | float,
    answer: Callable[[SizeProblem], SizedServers],
) -> Frontier:
    """Return the frontier; see `ParallelServers.size_frontier`.

    Parameters
    ----------
    problem : SizeProblem
        The question at any budget.
    budgets : array_like, shape (K,)
        Money for rates and openings, per unit of time.
    refine : bool or float
        Whether to add budgets for a picture.
    answer : callable
        From a question to its answer.
    """
    from .frontier_dataset import Frontier  # xarray takes long to import

    money = np.atleast_1d(as_floats("budgets", budgets))
    good = (money >= SMALL) & (money <= LARGE)
    raise_at_first("budgets", money, good, "is no amount of money", "give a number above 0")
    if money.ndim != 1 or not money.size:
        remedy = "give one amount of money or several"
        raise InputError("budgets", money.tolist(), "is not a list of budgets", remedy)
    least = int(np.argmin(money))
    try:
        answer(with_budget(problem, float(money[least])))
    except InputError as error:
        field = f"budgets[{least}]" if error.field == "RateBudget.money" else error.field
        raise InputError(field, error.value, error.problem, error.remedy) from None
    system = problem.system

    def variables(_: Array, rows: Rows) -> Mapping[str, Variable]:
        """Return the variables of the dataset."""
        (table,) = rows.values()
        over, each = ("budget",), ("budget", "server")
        rate, time = f"1/{system.time_unit}", system.time_unit
        price = "change of the mean delay per unit of money"
        return {
            **answers(table, time, dims=over),
            "delay_lower": variable(
                table.lower_bound, "certified lower bound of the mean delay", "bound", over, time
            ),
            "cost": variable(table.cost, "money for rates and openings", "money", over),
            "price_of_money": variable(table.price_of_money, price, "price", over, time),
            "rate": variable(table.rate, "rate", "flow", each, rate),
            "flow": variable(table.flow, "flow", "flow", each, rate),
            "open": variable(table.open, "whether the server has jobs", "open", each),
        }

    found: Any = CurvePlan(
        system,
        money,
        {"": _Budgets(problem, answer)},
        variables,
        over="budget",
        long_name="budget (money per unit of time)",
        refine=refine,
        drawn=("delay",),
        coords={"server": ("server", list(system.names))},
        attrs={"load": problem.mean_load, **present(problem)},
        dataset_type=Frontier,
    ).solve()
    return found  # type: ignore[no-any-return]


def present(problem: SizeProblem) -> dict[str, float]:
    """Return the cost of the present rates, and the least mean delay with them where stable."""
    from ......reference.parallel.optimum_equilibrium import optimum

    bank, load = problem.bank, problem.mean_load
    cost = {"present_cost": float(problem.rate_price @ bank.rate) + float(problem.opening.sum())}
    if problem.loads.size > 1 or load >= float(bank.total_rate[0]):
        return cost
    return {**cost, "present_delay": float(optimum(bank, load).mean_delay)}
