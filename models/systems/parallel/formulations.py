"""The convex programs whose solutions are the optimum or the equilibrium of parallel servers.

Each formulation is a function from servers and a flow variable to an objective and constraints,
and an entry of `FORMULATIONS`. The servers are in a unit of time in which the rates are near 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ...core.errors import FormulationError
from ...core.options import FormulationOptions
from ...latency.base import Latency
from ...latency.cone import Cone, as_parameters, as_written
from ...latency.player_latency import PlayerLatency
from .prices import Goal


@dataclass(frozen=True, eq=False)
class Model:
    """A CVXPY problem of parallel servers, with its flow and its load.

    The problem has a unit of time of its own, in which the rates are near 1. `flow` is in the
    user's unit; all other quantities are in the problem's.

    Attributes
    ----------
    problem : cvxpy.Problem
        The problem.
    flow : cvxpy.Expression, shape (n,)
        Load of each server, jobs per user's unit of time; affine, for constraints of one's own.
    variable : cvxpy.Variable, shape (n,)
        The same in the problem's unit.
    load : cvxpy.Parameter, shape ()
        Total load in the problem's unit; `set_load` sets it in the user's.
    unit : float
        The problem's unit of time, in the user's unit.
    members : ndarray of int
        Indices of the servers in the problem: all, but for a prefix of ``"minmax"``.
    bank : Latency
        These servers, in the user's unit.
    least : cvxpy.Parameter, ndarray of shape (n,), or None
        Least flow of each server.
    numbers : tuple of (int, str, cvxpy.Parameter)
        In a program for all banks of one shape, the parameters that hold the numbers of a bank;
        see `sojourn.models.latency.cone.ConeParameters`.
    limited : mapping of str to cvxpy.Parameter
        The numbers of limits: ``least`` and ``most`` flows, and the ``bound`` of their rows.
    rows : cvxpy.Constraint or None
        The rows of limits.
    next : callable or None
        From this model with its solution, the gap of that solution and the gap that is enough, to
        the next model to solve, or None.
    """

    problem: cp.Problem
    flow: cp.Expression
    variable: cp.Variable
    load: cp.Parameter
    unit: float
    members: npt.NDArray[np.intp]
    bank: Latency
    least: cp.Parameter | Array | None = None
    numbers: tuple[tuple[int, str, cp.Parameter], ...] = ()
    limited: Mapping[str, cp.Parameter] = field(default_factory=dict)
    rows: cp.Constraint | None = None
    next: Callable[[Model, float, float], Model | None] | None = None

    def set_load(self, load: float) -> None:
        """Set the total load, in jobs per user's unit of time."""
        self.load.value = load * self.unit


@dataclass(frozen=True)
class Formulation:
    """A way to write the optimum or the equilibrium as a convex program.

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
        The problem that it writes.
    write : callable
        From servers and a flow variable to an objective and constraints.
    kinds : callable
        From servers to the names of the cones that the solver must take.
    refuses : callable
        From servers to the reason why they cannot be written in this way, or None.
    cone : {"total", "potential", "latency"} or None
        The cone of the servers that the program consists of.
    """

    goal: Goal
    write: Callable[[Latency, cp.Variable], tuple[cp.Minimize | cp.Maximize, list[cp.Constraint]]]
    kinds: Callable[[Latency], frozenset[str]]
    refuses: Callable[[Latency], str | None]
    cone: str | None = None

    def exact(self, bank: Latency) -> bool:
        """Return whether the program is exact, and does not consist of tangents."""
        return self.cone is None or bank.has_cone(self.cone)


def build(
    formulation: Formulation,
    bank: Latency,
    load: float,
    unit: float,
    members: npt.NDArray[np.intp] | None = None,
    points: Array | None = None,
    least: cp.Parameter | Array | None = None,
    tangents: int = 0,
    *,
    shared: bool = False,
) -> Model:
    """Return the model of a formulation at a load.

    Parameters
    ----------
    formulation : Formulation
        The way to write it.
    bank : Latency
        n servers, in the user's unit of time.
    load : float
        Total load, jobs per user's unit of time.
    unit : float
        The problem's unit of time, in the user's unit.
    members : ndarray of int, shape (n,), optional
        Indices of the servers among all, where they are a part of them.
    points : ndarray, shape (m, n), optional
        Flows at which the tangents of servers without a cone touch.
    least : cvxpy.Parameter or ndarray, shape (n,), optional
        Least flow of each server, in the problem's unit.
    tangents : int
        Number of tangents of each server without a cone, where there are no `points`.
    shared : bool, default False
        Whether the numbers of the servers are parameters, so that the program serves all banks of
        the same `Latency.cone_shape`.
    """
    chosen = np.arange(len(bank), dtype=np.intp) if members is None else members
    scaled = bank.in_unit(unit)
    if points is not None:
        scaled = scaled.with_tangents_at(points * unit)
    flow = cp.Variable(len(bank), name="flow", nonneg=True)
    total = cp.Parameter(nonneg=True, name="load")
    # either way without the scaling that a cone adds: the unit is chosen here
    with as_parameters() if shared else as_written(tangents) as made:
        objective, constraints = formulation.write(scaled, flow)
    bounds = [] if least is None else [flow >= least]
    problem = cp.Problem(objective, [cp.sum(flow) == total, *bounds, *constraints])
    numbers = () if made is None else tuple(made.parameters)
    model = Model(problem, flow / unit, flow, total, unit, chosen, bank, least, numbers)
    model.set_load(load)
    return model


def for_goal(goal: Goal, options: FormulationOptions) -> FormulationOptions:
    """Return the options for one of two goals: without a formulation of the other goal."""
    name: object = options.get("formulation")
    formulation = FORMULATIONS.get(name) if isinstance(name, str) else None
    if formulation is None or formulation.goal == goal:
        return options
    other = options.copy()
    del other["formulation"]
    return other


def _sum_of(cone: Cone) -> tuple[cp.Minimize, list[cp.Constraint]]:
    return cp.Minimize(cp.sum(cone.value)), list(cone.constraints)


def _kinds(cone: str, *form: str) -> Callable[[Latency], frozenset[str]]:
    """Return the function that writes a cone of servers once and returns the cones it needs."""

    def kinds(bank: Latency) -> frozenset[str]:
        # two tangents need the same cones as many
        few_tangents = bank.with_tangents_at(np.zeros((2, len(bank))))
        with as_written():
            written: Cone = getattr(few_tangents, f"{cone}_cone")(cp.Variable(len(bank)), *form)
        return written.kinds

    return kinds


def _total(form: str) -> Formulation:
    """Return the formulation that minimises the total delay, with all servers in one form."""

    def write(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
        return _sum_of(bank.total_cone(flow, form))

    def refuses(bank: Latency) -> str | None:
        if form in bank.forms:
            return None
        return "not all its servers can be written so; epigraph takes each in its own way"

    return Formulation("optimum", write, _kinds("total", form), refuses, "total")


def _epigraph(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """Write the total delay, each family in the first of its forms."""
    return _sum_of(bank.total_cone(flow))


def _beckmann(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """Write the Beckmann potential, whose minimum is the Wardrop equilibrium."""
    return _sum_of(bank.potential_cone(flow))


def _quadratic(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """Write a quadratic potential for M/M/1 servers with one delay d.

    x - mu = -1/(l - d) rises with the latency l, so the potential x^2/2 - mu x, whose derivative
    it is, has its minimum at the same equilibrium.
    """
    return cp.Minimize(cp.sum_squares(flow) / 2 - bank.rate @ flow), []


def _geometric_mean(bank: Latency, flow: cp.Variable) -> tuple[cp.Maximize, list[cp.Constraint]]:
    """Write a geometric mean for M/M/1 servers with one delay.

    Their Beckmann potential is minus the logarithm of the product of their spare capacities, up
    to a constant.
    """
    return cp.Maximize(cp.geo_mean(bank.rate - flow)), []


def _largest_latency(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """Write the largest latency of a prefix of the servers, see ``minmax``."""
    cone, largest = bank.latency_cone(flow), cp.Variable()
    return cp.Minimize(largest), [cone.value <= largest, *cone.constraints]


def _equal_mm1(bank: Latency) -> str | None:
    """Return why servers are not M/M/1 with equal delays, or None."""
    variability = getattr(bank, "k", None)
    if variability is None or (variability != 1.0).any() or np.isinf(bank.rate).any():
        return "it holds for M/M/1 servers alone"
    delay = bank.delay + (bank.service - 1.0 / bank.rate)
    if (delay != delay[0]).any():
        return "it holds for equal delays alone"
    return None


def _few_equal_mm1(bank: Latency) -> str | None:
    """Return why the geometric mean of the spare capacities is not written, or None."""
    if len(bank) > MAX_MEAN:
        return f"it is written for at most {MAX_MEAN} servers"
    return _equal_mm1(bank)


def _always(bank: Latency) -> str | None:
    return None


def _no_players(bank: Latency) -> str | None:
    """Return why the largest latency cannot be minimised, or None."""
    if not bank.has_cone("latency"):
        return "the latency of some has no cone, and the largest of tangents is too low"
    of_players = any(isinstance(part, PlayerLatency) for part in bank.banks)
    return "it is not written for a finite number of players" if of_players else None


MAX_MEAN = 64
"""Servers up to which a geometric mean is written: CVXPY needs three seconds for the tree of
cones of 100 flows, and seven times as long for twice as many."""
FORMULATIONS: Mapping[str, Formulation] = {
    "inv_pos": _total("inv_pos"),
    "quad_over_lin": _total("quad_over_lin"),
    "epigraph": Formulation("optimum", _epigraph, _kinds("total"), _always, "total"),
    "beckmann": Formulation("equilibrium", _beckmann, _kinds("potential"), _always, "potential"),
    "qp": Formulation("equilibrium", _quadratic, lambda b: frozenset({"QP"}), _equal_mm1),
    "geo_mean": Formulation(
        "equilibrium", _geometric_mean, lambda b: frozenset({"SOC"}), _few_equal_mm1
    ),
    "minmax": Formulation(
        "equilibrium", _largest_latency, _kinds("latency"), _no_players, "latency"
    ),
}
"""All formulations by name; those of a goal are in the order in which ``"auto"`` tries them."""
LARGE = 300
"""Servers from which ``"auto"`` tries the quadratic program first.

With Clarabel it takes 0.6 of the time of ``"beckmann"`` for 300 servers, 0.2 for 3,000; for 30 it
takes longer, since each answer compiles it anew (``sojourn bench solvers --problems
mm1-at-one-distance`` has the times of the solver alone).
"""


def formulations(
    bank: Latency, goal: Goal, chosen: str, known: dict[str, frozenset[str]]
) -> Mapping[str, frozenset[str]]:
    """Return the formulations of a goal that fit the servers, in the order to try them.

    Parameters
    ----------
    bank : Latency
        n servers.
    goal : {"optimum", "equilibrium"}
        The problem to write.
    chosen : str
        Name of a formulation, or ``"auto"`` for all that fit.
    known : dict
        Cones of formulations that were written before, by name; it is added to.

    Returns
    -------
    mapping of str to frozenset of str
        The cones that each formulation needs, by its name.

    Raises
    ------
    FormulationError
        On a name that does not exist, or does not fit the servers.
    """
    of_goal: dict[str, Formulation] = {n: f for n, f in FORMULATIONS.items() if f.goal == goal}
    if chosen == "auto":
        names = [n for n, f in of_goal.items() if not f.refuses(bank)]
        # where all servers have one form, the epigraph is that form again
        names = [n for n in names if n != "epigraph" or n == names[0]]
        if "qp" in names and len(bank) >= LARGE:
            names = ["qp", *(n for n in names if n != "qp")]
    else:
        if chosen not in of_goal:
            raise FormulationError(
                "formulation",
                chosen,
                f"is not one of the {goal}",
                f"use auto, {', '.join(of_goal)}",
            )
        if reason := of_goal[chosen].refuses(bank):
            raise FormulationError(
                "formulation", chosen, f"does not fit these servers: {reason}", "use auto"
            )
        names = [chosen]
    for name in names:
        if name not in known:
            known[name] = of_goal[name].kinds(bank)  # written once to find its cones
    return {name: known[name] for name in names}
