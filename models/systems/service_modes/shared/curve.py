"""Delays, assignments and the price of anarchy of shared service modes over loads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .....reference.errors import Array
from .....reference.service_modes.shared.routed import mode_delay
from ....core.curve import CurvePlan
from ....core.variables import Variable, anarchy, answers, variable
from ...routes import curve as routes_curve
from ...routes.questions import RouteSplits
from .questions import mode_flow

if TYPE_CHECKING:
    from ....core.options import FormulationOptions
    from .system import SharedModes


def curve_plan(
    system: SharedModes,
    loads: npt.ArrayLike,
    which: str | None = None,
    refine: bool | float = False,
    players: float = math.inf,
    options: FormulationOptions | None = None,
) -> CurvePlan:
    """Return the plan of `SharedModes.curve`.

    The dataset has the dimensions ``load`` (K), ``stage`` (S) and ``mode`` (M). For each goal there
    are ``<goal>_delay``, ``<goal>_gap`` and ``<goal>_certified`` over load; ``<goal>_assignment``,
    ``<goal>_mode_flow`` and ``<goal>_mode_delay`` over load and mode; and ``<goal>_utilisation``
    over load and stage. With both goals there are ``price_of_anarchy`` and its bounds. Stored
    answers are certified again from ``<goal>_mode_flow``. At a load of 0 all jobs are in the first
    of the modes that are fastest alone.
    """
    given: FormulationOptions = {} if options is None else options
    plan = routes_curve.curve_plan(system, loads, which, refine, players, given)
    names = {"stage": ("stage", list(system.stages)), "mode": ("mode", list(system.modes))}
    return replace(plan, variables=partial(variables_of, system), coords=names)


def variables_of(
    system: SharedModes, loads: Array, rows: Mapping[str, RouteSplits]
) -> dict[str, Variable]:
    """Return the variables of a curve by name, from the answers of each goal."""
    time, rates, found = system.time_unit, system.rates, dict[str, Variable]()
    idle = np.argmin(rates.time.sum(axis=0) + rates.delay) == np.arange(rates.modes)
    for goal, table in rows.items():
        flow, busy = mode_flow(rates, table), table.flow
        nothing = (table.flow == 0).all(axis=1)
        flow[nothing] = 0.0
        with np.errstate(all="ignore"):
            parts = np.where(nothing[:, None], idle, flow / flow.sum(axis=1, keepdims=True))
            delays = mode_delay(rates, 1.0 / (1.0 - busy))
        found |= answers(table, time, goal, f"mean delay at the {goal}")
        modes, stages = ("load", "mode"), ("load", "stage")
        label = f"part of the jobs at the {goal}, one of many"
        found[f"{goal}_assignment"] = variable(parts, label, "share", modes)
        label = f"load of a mode at the {goal}, one of many"
        found[f"{goal}_mode_flow"] = variable(flow, label, "flow", modes, f"1/{time}")
        label = f"delay of a mode at the {goal}"
        found[f"{goal}_mode_delay"] = variable(delays, label, "each", modes, time)
        label = f"utilisation of a stage at the {goal}"
        found[f"{goal}_utilisation"] = variable(busy, label, "share", stages)
    return found | (anarchy(rows["equilibrium"], rows["optimum"]) if len(rows) == 2 else {})
