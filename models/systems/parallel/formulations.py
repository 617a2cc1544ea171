"""The convex problems whose solution is the optimum or the equilibrium of parallel servers.

Each is one function from servers (in a unit of time that suits a solver) to a `Model`, and a line in `FORMULATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ...core.options import FormulationOptions
from ...latency.base import Latency
from ...latency.cone import Cone, as_written
from ...latency.player_latency import PlayerLatency
from .prices import Goal


@dataclass(frozen=True, eq=False)
class Model:
    """A CVXPY problem with its handles.

    Attributes
    ----------
    problem : cvxpy.Problem
    flow : cvxpy.Expression, shape (n,)
        Load of each server in the user's unit; affine, so that constraints of one's own can be put on it.
    variable : cvxpy.Variable, shape (n,)
        The same in the unit of the problem.
    load : cvxpy.Parameter, shape ()
        Total load, in the unit of the problem: set it with `set_load`.
    unit : float
        The problem's unit of time, in the user's.
    members : ndarray of int
        Which servers the flow is of; all of them but for a prefix of ``"minmax"``.
    bank : Latency
        These servers, in the user's unit.
    least : cvxpy.Parameter, ndarray or None
        Least flow of each server, in the unit of the problem.
    limited : mapping of str to cvxpy.Parameter
        Of limits: ``least`` and ``most`` flows, and the ``bound`` of their rows, in the unit of the problem.
    rows : cvxpy.Constraint or None
        The rows of limits.
    next : callable or None
        From this model as solved, the gap it led to and the gap that is enough, to the model that is to be solved next, or None.
    """

    problem: cp.Problem
    flow: cp.Expression
    variable: cp.Variable
    load: cp.Parameter
    unit: float
    members: npt.NDArray[np.intp]
    bank: Latency
    least: cp.Parameter | Array | None = None
    limited: Mapping[str, cp.Parameter] = field(default_factory=dict)
    rows: cp.Constraint | None = None
    next: Callable[[Model, float, float], Model | None] | None = None

    def set_load(self, load: float) -> None:
        """Set the total load, in jobs per user's unit of time."""
        self.load.value = load * self.unit


@dataclass(frozen=True)
class Formulation:
    """A way to write a goal.

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
    write : callable
        From servers and a flow variable to an objective and constraints.
    kinds : frozenset of str
        Cones that the solver must take.
    refuses : callable
        From servers to the reason why they cannot be written so, or None.
    cone : {"total", "potential", "latency"} or None
        The cone of the servers that it is made of.
    """

    goal: Goal
    write: Callable[[Latency, cp.Variable], tuple[cp.Minimize | cp.Maximize, list[cp.Constraint]]]
    kinds: Callable[[Latency], frozenset[str]]
    refuses: Callable[[Latency], str | None]
    cone: str | None = None

    def exact(self, bank: Latency) -> bool:
        """Whether what is written is the problem itself, and not tangents below it."""
        return self.cone is None or bank.exact(self.cone)


def build(
    formulation: Formulation,
    bank: Latency,
    load: float,
    unit: float,
    members: npt.NDArray[np.intp] | None = None,
    points: Array | None = None,
    least: cp.Parameter | Array | None = None,
    tangents: int = 0,
) -> Model:
    """Write a formulation for servers in the user's unit, at a load; where there is no cone, with tangents at `points`, or some number."""
    chosen = np.arange(len(bank), dtype=np.intp) if members is None else members
    scaled = (
        bank.in_unit(unit) if points is None else bank.in_unit(unit).with_tangents_at(points * unit)
    )
    flow, total = (
        cp.Variable(len(bank), name="flow", nonneg=True),
        cp.Parameter(nonneg=True, name="load"),
    )
    with as_written(tangents):  # in the problem's unit, which is that of all its solvers
        objective, constraints = formulation.write(scaled, flow)
    bounds = [] if least is None else [flow >= least]
    problem = cp.Problem(objective, [cp.sum(flow) == total, *bounds, *constraints])
    model = Model(problem, flow / unit, flow, total, unit, chosen, bank, least)
    model.set_load(load)
    return model


def for_goal(goal: Goal, options: FormulationOptions) -> FormulationOptions:
    """Options for one goal of two: a formulation is passed on to the goal that it writes."""
    said: object = options.get("formulation")
    form = FORMULATIONS.get(said) if isinstance(said, str) else None
    if form is None or form.goal == goal:
        return options
    other = options.copy()
    del other["formulation"]
    return other


def _sum_of(cone: Cone) -> tuple[cp.Minimize, list[cp.Constraint]]:
    return cp.Minimize(cp.sum(cone.value)), list(cone.constraints)


def _kinds(cone: str, *form: str) -> Callable[[Latency], frozenset[str]]:
    def kinds(bank: Latency) -> frozenset[str]:
        touched = bank.with_tangents_at(
            np.zeros((2, len(bank)))
        )  # few tangents are of the kind of many
        with as_written():
            written: Cone = getattr(touched, f"{cone}_cone")(cp.Variable(len(bank)), *form)
        return written.kinds

    return kinds


def _total(form: str) -> Formulation:
    def write(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
        return _sum_of(bank.total_cone(flow, form))

    def refuses(bank: Latency) -> str | None:
        return (
            None
            if form in bank.forms
            else "not all its servers can be written so; epigraph takes each in its own way"
        )

    return Formulation("optimum", write, _kinds("total", form), refuses, "total")


def _epigraph(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """Each family in its own first form."""
    return _sum_of(bank.total_cone(flow))


def _beckmann(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """Wardrop equilibrium as the minimum of the Beckmann potential."""
    return _sum_of(bank.potential_cone(flow))


def _quadratic(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """M/M/1 at one distance: -1/(L - d) = x - mu rises with L, so its potential x^2/2 - mu x has the same equilibrium."""
    return cp.Minimize(cp.sum_squares(flow) / 2 - bank.rate @ flow), []


def _geometric_mean(bank: Latency, flow: cp.Variable) -> tuple[cp.Maximize, list[cp.Constraint]]:
    """M/M/1 at one distance: the Beckmann potential is -log of a product of spare capacities."""
    return cp.Maximize(cp.geo_mean(bank.rate - flow)), []


def _largest_latency(bank: Latency, flow: cp.Variable) -> tuple[cp.Minimize, list[cp.Constraint]]:
    """Least of the largest latency over a prefix of the servers; see `sojourn.models.systems.parallel.minmax`."""
    cone, worst = bank.latency_cone(flow), cp.Variable()
    return cp.Minimize(worst), [cone.value <= worst, *cone.constraints]


def _equal_mm1(bank: Latency) -> str | None:
    if not np.all(np.isfinite(bank.rate)) or not np.all(getattr(bank, "k", np.nan) == 1.0):
        return "it holds for M/M/1 servers alone"
    if np.ptp(bank.delay + (bank.service - 1.0 / bank.rate)) > 0:
        return "it holds for equal delays alone"
    return None


def _always(bank: Latency) -> str | None:
    return None


def _no_players(bank: Latency) -> str | None:
    if not bank.exact("latency"):
        return "the latency of some has no cone, and the largest of tangents is too low"
    seen = any(isinstance(b, PlayerLatency) for b in bank.banks)
    return "it is not written for a finite number of players" if seen else None


FORMULATIONS: Mapping[str, Formulation] = {
    "inv_pos": _total("inv_pos"),
    "quad_over_lin": _total("quad_over_lin"),
    "epigraph": Formulation("optimum", _epigraph, _kinds("total"), _always, "total"),
    "beckmann": Formulation("equilibrium", _beckmann, _kinds("potential"), _always, "potential"),
    "qp": Formulation("equilibrium", _quadratic, lambda b: frozenset({"QP"}), _equal_mm1),
    "geo_mean": Formulation(
        "equilibrium", _geometric_mean, lambda b: frozenset({"SOC"}), _equal_mm1
    ),
    "minmax": Formulation(
        "equilibrium", _largest_latency, _kinds("latency"), _no_players, "latency"
    ),
}
"""By name, those of one goal in the order in which ``"auto"`` tries them."""
