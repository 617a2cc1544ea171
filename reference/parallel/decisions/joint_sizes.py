"""The best split together with the best rates: a certified search.

The least cost of a server at a flow is concave where its rate is free: one fast server is better
than two slow ones, so that the problem is not convex. Without bounds of the rates one server is
best where delay has a price, and at most two within a budget: at fixed utilisations flows, money
and total delay are linear in the rates, a linear program with two constraints. With largest rates
at most one server of a split of least cost is strictly within its concave part.

Branch and bound over boxes of flows. The bound of a box is that of
`sojourn.reference.parallel.decisions.joint_bound`, by prices of load and of delay. At the best
prices each server has its cheapest flow but for a few, whose flow is a mixture of two cheapest
ones; the search divides the box at the flow of the server that adds most to the distance from the
bound, half way to the middle. Upper bounds are those of splits with the best rates for them, after
a local search: from rates to their best split, and back, which lowers the minimised quantity. The
lower bound is the least of those of all boxes that were not divided, rounding included.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...amounts import LARGEST, SMALLEST
from ...compensated_sum import EPS
from ...errors import Array, InputError
from ...validation import as_floats, as_integer, as_server_array, check_within
from .joint_bound import Box, Costs, Relaxed
from .joint_costs import FreeServers
from .joint_goals import Cost, Delay, Goal, Money, Plan
from .joint_limits import check_servers, split_at

GAP = 1e-6
LEAST_GAP = 1e-10
MAX_NODES = 10_000
LOOSE, TIGHT = 1e-3, 0.05  # largest errors of prices: relative, and relative to the gap
ROUNDS = 60  # largest number of rounds of the local search
FLAT = 1e-9  # relative gain of a round of the local search from which on it is left to the end
SUM = 8 * EPS  # relative error that a sum of flows may have
NEGLIGIBLE = 1e-14  # price of delay, relative to a typical one
CHEAPEST_GAP, CHEAPEST_NODES = 1e-7, 1000  # of the search for the least budget
UPPER = 64 * EPS  # relative rounding error of the minimised quantity


@dataclass(frozen=True, eq=False)
class JointSizes:
    """Split and rates together, with a certificate.

    Attributes
    ----------
    flow : ndarray, shape (n,)
        Load of each server; sums to the load.
    rate, spare_capacity : ndarray, shape (n,)
        Rate of each server, its least rate where it has no flow; and rate less flow.
    mean_delay : float
        Mean delay of a job.
    cost, opening_cost : float
        Money for the rates, and for opening the servers that have jobs.
    value : float
        Minimised quantity: the mean delay, the money, or the money and the price of the delays.
    money_price : float
        Decrease of the least total delay per unit of money.
    lower_bound, upper_bound : float
        Bounds of the least value of the minimised quantity; rounding errors are included.
    gap : float
        Relative distance of the value from the lower bound.
    certified : bool
        Whether the gap is at most the requested one.
    nodes : int
        Number of boxes that were divided.
    """

    flow: Array
    rate: Array
    spare_capacity: Array
    mean_delay: float
    cost: float
    opening_cost: float
    value: float
    money_price: float
    lower_bound: float
    upper_bound: float
    gap: float
    certified: bool
    nodes: int

    @property
    def open(self) -> npt.NDArray[np.bool_]:
        """Whether each server has jobs, shape (n,)."""
        return self.flow > 0


def joint_sizes(
    load: float,
    k: npt.ArrayLike,
    delay: npt.ArrayLike,
    price: npt.ArrayLike,
    low: npt.ArrayLike = 0.0,
    high: npt.ArrayLike = math.inf,
    *,
    opening: npt.ArrayLike = 0.0,
    delay_cost: float | None = None,
    budget: float | None = None,
    mean_delay: float | None = None,
    gap: float = GAP,
    max_nodes: int = MAX_NODES,
) -> JointSizes:
    """Return the best split of a load together with the best rates of the servers.

    Parameters
    ----------
    load : float
        Total load above 0, jobs per unit of time.
    k, delay : array_like, shape (n,) or ()
        Variability (1 + cv^2)/2 of the service time, and network delay.
    price : array_like, shape (n,) or ()
        Money per unit of rate, 0 or more; with 0 the rate needs a finite bound.
    low, high : array_like, shape (n,) or ()
        Bounds of the rates. A server without jobs has its least rate.
    opening : array_like, shape (n,) or (), default 0
        Money for each server that has jobs.
    delay_cost : float, optional
        Money per job and unit of time; the money and the price of the delays are minimised.
    budget : float, optional
        Money for rates and openings; the mean delay is minimised.
    mean_delay : float, optional
        Largest mean delay; the money for rates and openings is minimised.
    gap : float, default 1e-6
        Relative distance of the best value from its lower bound at which the search ends.
    max_nodes : int, default 10,000
        Largest number of boxes that are divided.

    Returns
    -------
    JointSizes

    Raises
    ------
    InputError
        Unless exactly one of `delay_cost`, `budget` and `mean_delay` is given; on rates that cannot
        carry the load, and on a budget or mean delay that no split can meet, with the least budget
        or the least mean delay.

    Notes
    -----
    The method is in the header of `sojourn.reference.parallel.decisions.joint_sizes`.

    Examples
    --------
    >>> servers = (1.0, [0.005, 0.005, 0.020], [1.0, 1.0, 0.5], 0.0, [80.0, 90.0, 150.0])
    >>> found = joint_sizes(190.0, *servers, budget=230.0)
    >>> found.flow.round(3), found.rate.round(3), round(found.mean_delay, 8), found.certified
    (array([35.347, 55.108, 99.545]), array([ 65.,  90., 150.]), 0.03782911, True)
    """
    goal = goal_of(
        load,
        k,
        delay,
        price,
        low,
        high,
        opening,
        delay_cost=delay_cost,
        budget=budget,
        mean_delay=mean_delay,
    )
    search = Search(goal, gap, max_nodes)
    while not search.done:
        search.divide()
    return search.result()


def goal_of(
    load: float,
    k: npt.ArrayLike,
    delay: npt.ArrayLike,
    price: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    opening: npt.ArrayLike,
    **asked: float | None,
) -> Goal:
    """Return the checked goal of the arguments of `joint_sizes`; InputError on others."""
    goals: dict[str, type[Goal]] = {"delay_cost": Cost, "budget": Delay, "mean_delay": Money}
    given = [name for name in goals if asked.get(name) is not None]
    if len(given) != 1:
        remedy = "give delay_cost=, budget= or mean_delay="
        raise InputError("joint_sizes", given, "is not one question", remedy)
    problem, remedy = "is not in its range", f"give a number from {SMALLEST:g} to {LARGEST:g}"
    total = check_within("load", load, SMALLEST, LARGEST, problem, remedy)
    amount = check_within(given[0], asked[given[0]], SMALLEST, LARGEST, problem, remedy)
    fields = {"k": k, "delay": delay, "price": price, "low": low, "high": high, "opening": opening}
    arrays = {name: as_floats(name, value) for name, value in fields.items()}
    n = max(array.size for array in arrays.values())  # arrays of other lengths are refused
    servers = FreeServers(
        total, **{name: as_server_array(name, array, n) for name, array in arrays.items()}
    )
    check_servers(servers)
    return goals[given[0]](servers, amount)


class Node(NamedTuple):
    """A box of flows.

    Attributes
    ----------
    bound : float
        Lower bound of the minimised quantity in the box.
    order : int
        Number of the box, so that boxes of one bound have an order.
    box : Box
        Bounds of the flows.
    relaxed : Relaxed
        Best prices, and flows at them.
    plan : Plan
        The best rates at these flows.
    short : ndarray, shape (n,)
        What each server adds to the distance of the flows from the bound, about.
    """

    bound: float
    order: int
    box: Box
    relaxed: Relaxed
    plan: Plan
    short: Array


class Search:
    """Branch and bound over boxes of flows.

    Parameters
    ----------
    goal : Goal
        Servers and minimised quantity, checked.
    gap : float
        Relative distance of the best value from its lower bound at which the search ends.
    max_nodes : int
        Largest number of boxes that are divided.

    Attributes
    ----------
    nodes : int
        Number of boxes that were divided.
    """

    @np.errstate(all="ignore")
    def __init__(self, goal: Goal, gap: float = GAP, max_nodes: int = MAX_NODES) -> None:
        problem, remedy = "is not a distance above rounding error", "give one such as 1e-6"
        self.gap = check_within("gap", gap, LEAST_GAP, 1.0, problem, remedy)
        self.max_nodes = as_integer("max_nodes", max_nodes, "a number of boxes", 0)
        self.goal, self.nodes, self.count, self.passed = goal, 0, 0, math.inf
        servers = goal.servers
        columns = (servers.k, servers.delay, servers.price, servers.low, servers.high)
        kinds = np.unique([*columns, servers.opening], axis=1, return_inverse=True)[1].reshape(-1)
        self.equal = [np.flatnonzero(kinds == kind) for kind in range(kinds.max() + 1)]
        self.best = self._improved(goal.plan(goal.first(_cheapest(goal))))
        box = Box(np.zeros(len(kinds)), np.minimum(servers.high, servers.load * (1 + SUM)))
        root = self._node(box, *goal.start, 0.0)
        self.heap = [] if root is None else [root]
        if root is not None:
            above = root.relaxed.above
            self._offer(root.plan, always=True)
            self._offer(goal.plan(above * (servers.load / float(above.sum()))), always=True)

    @property
    def lower_bound(self) -> float:
        """Lower bound of the minimised quantity: the least of all boxes that were not divided."""
        return min(self.passed, self.best.value, self.heap[0].bound if self.heap else math.inf)

    @property
    def distance(self) -> float:
        """Relative distance of the best value from the lower bound."""
        lower = self.lower_bound
        return self.best.value / lower - 1.0 if lower > 0 else math.inf

    @property
    def done(self) -> bool:
        """Whether the gap is met, or no more boxes may be divided."""
        open_boxes = self.heap and not self._passes(self.heap[0].bound)
        return not open_boxes or self.nodes >= self.max_nodes

    def _passes(self, bound: float) -> bool:
        """Return whether no flows of a box of this bound are better by more than the gap."""
        return self.best.value <= bound * (1.0 + self.gap)

    @np.errstate(all="ignore")
    def divide(self) -> None:
        """Divide the box of the least bound.

        An interruption loses no box: the list is replaced when both parts are bounded.
        """
        node = self.heap[0]
        children, passed = [], self.passed
        parts = self._parts(node)
        if not parts:
            passed = min(passed, node.bound)
        for box in parts:
            child = self._node(box, node.relaxed.price, node.relaxed.weight, node.bound)
            if child is not None:
                self._offer(child.plan)
                children.append(child)
        heap = self.heap[1:]
        for child in children:
            if self._passes(child.bound):
                passed = min(passed, child.bound)
            else:
                heap.append(child)
        heapq.heapify(heap)
        self.passed, self.heap, self.nodes = passed, heap, self.nodes + 1

    def _parts(self, node: Node) -> list[Box]:
        """Return the two parts of a box; none where it is a point up to rounding."""
        low, high = node.box
        wide = high - low > 4 * SUM * self.goal.servers.load
        if not wide.any():
            return []
        i = int(np.argmax(np.where(wide, node.short, -np.inf)))
        at = 0.5 * (node.relaxed.flow[i] + 0.5 * (low[i] + high[i]))
        below, above = high.copy(), low.copy()
        below[i] = above[i] = at
        return [Box(low, below), Box(above, high)]

    def _node(self, box: Box, price: float, weight: float, floor: float) -> Node | None:
        """Return a box with its bound; None where its flows cannot carry the load.

        Equal servers have flows that fall with their index. `price` and `weight` are the prices
        from which the search starts, and `floor` is a bound of the minimised quantity.
        """
        goal, load = self.goal, self.goal.servers.load
        low, high = box
        for equal in self.equal:
            if equal.size > 1:
                high[equal] = np.minimum.accumulate(high[equal])
                low[equal] = np.maximum.accumulate(low[equal][::-1])[::-1]
        least, most, error = float(low.sum()), float(high.sum()), SUM * load
        if least > load + error or most < load - error or np.any(low > high):
            return None
        # the other servers carry at least their least flows
        high = np.minimum(high, load - least + low + error)
        near = TIGHT * (self.best.value / floor - 1.0 if floor > 0 else self.gap)
        tolerance = min(max(near, TIGHT * self.gap), LOOSE)
        box = Box(low, np.maximum(high, low))
        found = goal.relaxed(box, price, weight, tolerance)
        costs = Costs(goal.servers, box, found.weight)
        value, minima = costs.bound(found.price)
        bound = goal.bound(value, found.weight)
        plan = goal.plan(found.flow)
        _, gain, money, work = costs.at(found.flow)
        short = money + found.weight * work - found.price * gain - minima.excess
        # a mixture spends other money than its mean flow, which changes the price of delay
        change = abs(found.weight * plan.money_price - 1.0)
        short += (change if math.isfinite(change) else 1.0) * np.abs(money - found.money)
        self.count += 1
        return Node(max(bound, floor), self.count, box, found, plan, short)

    def _offer(self, plan: Plan, *, always: bool = False) -> None:
        """Take a plan as the best one where it is, after a local search.

        Its flows sum to the load only up to rounding; those of the local search are exact.
        """
        if always or plan.value < self.best.value:
            plan = self._improved(self._next(plan))
        if plan.value < self.best.value:
            self.best = plan

    def _next(self, plan: Plan) -> Plan:
        """Return the best rates at the best split at the rates of a plan; none if too low."""
        servers = self.goal.servers
        is_open = (plan.flow > 0) | (servers.opening == 0)
        split = split_at(servers, plan.rate, is_open)
        return plan._replace(value=math.inf) if split is None else self.goal.plan(split.flow)

    def _improved(self, plan: Plan, flat: float = FLAT) -> Plan:
        """Return the end of a local search, whose value is not larger.

        Each round takes two steps, and continues them to the limit of a geometric series.
        """
        for _ in range(ROUNDS):
            if not math.isfinite(plan.value):
                return plan
            first = self._next(plan)
            second = self._next(first)
            found = [first, second]
            before, after = first.flow - plan.flow, second.flow - first.flow
            size = float(before @ before)
            ratio = float(after @ before) / size if size > 0 else 0.0
            if 0.0 < ratio < 1.0:
                flow = second.flow + ratio / (1.0 - ratio) * after
                if np.all((flow > 0) | (second.flow <= 0)):
                    found.append(self._next(self.goal.plan(flow)))
            best = min(found, key=lambda plan: plan.value)
            gain = plan.value - best.value
            plan = best if gain > 0 else plan
            if not gain > flat * plan.value:
                break
        return plan

    @np.errstate(all="ignore")
    def result(self) -> JointSizes:
        """Return the best split and rates so far, with the bounds of the least value."""
        goal, servers = self.goal, self.goal.servers
        self.best = best = self._improved(self.best, 0.0)
        flow, spare = best.flow, best.spare_capacity
        work = servers.work(flow, spare)
        total = math.fsum(work.tolist())
        cost = math.fsum((servers.price * best.rate).tolist())
        opening = math.fsum(servers.opening[flow > 0].tolist())
        value, lower = goal.value(cost + opening, total), self.lower_bound
        per_load = servers.load if isinstance(goal, Delay) else 1.0
        # each flow is right up to its last digit, which counts where a server is full
        with np.errstate(all="ignore"):
            slope = servers.delay + (1.0 + servers.k * (best.rate / spare) ** 2) / best.rate
        error = SUM * math.fsum(np.where(flow > 0, flow * slope, 0.0).tolist())
        upper = value * (1.0 + UPPER) + goal.worth(error, best)
        gap = 0.0 if value <= lower else value / lower - 1.0 if lower > 0 else math.inf
        return JointSizes(
            flow,
            best.rate,
            spare,
            total / servers.load,
            cost,
            opening,
            value / per_load,
            best.money_price,
            lower / per_load,
            upper / per_load,
            max(gap, 0.0),
            gap <= self.gap,
            self.nodes,
        )


def _cheapest(goal: Goal) -> npt.NDArray[np.bool_]:
    """Return the servers that carry the load for the least money, shape (n,).

    With openings they are those of least cost at a negligible price of delay.
    """
    servers = goal.servers
    if not (isinstance(goal, Delay) and servers.opening.any()):
        return np.ones(len(servers.price), bool)
    search = Search(Cost(servers, goal.start[1] * NEGLIGIBLE), CHEAPEST_GAP, CHEAPEST_NODES)
    while not search.done:
        search.divide()
    return np.asarray((search.best.flow > 0) | (servers.opening == 0))
