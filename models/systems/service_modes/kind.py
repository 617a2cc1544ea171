"""Registration of the systems with service modes, and of those with one tunable mode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy.typing as npt

from ...core.options import FormulationOptions, PolishOptions, check_solve_options
from ...frontend.kinds import SystemKind
from ..parallel.kind import check_options
from ..parallel.prices import GOALS
from ..routes.kind import check_options as check_route_options
from .dual_mode import DualMode
from .modes_report import report as report_modes
from .report import anarchy, report
from .scenario import read_dual_mode, read_tunable_mode
from .shared import SharedModes
from .shared_report import anarchy as anarchy_shared
from .shared_report import report as report_shared
from .stages_scenario import read_stages
from .system import MultiMode
from .tunable import TunableMode
from .verify import checks, shared_checks, tunable_checks


class CurveOptions(PolishOptions, total=False):
    """Options of `MultiMode.curve`."""

    p: npt.ArrayLike | None
    breakaway: bool


def check_tunable_options(caller: str, options: Mapping[str, Any]) -> None:
    """Raise TypeError or InputError on options that `TunableMode.curve` does not take.

    The options are those of the optimum of parallel servers.
    """
    check_solve_options(caller, options, FormulationOptions)
    check_options(caller, {**options, "which": "optimum"})


KINDS = (
    SystemKind(
        "dual_mode",
        DualMode,
        read_dual_mode,
        check_options=partial(check_solve_options, known=CurveOptions),
        verify=checks,
        splits={"optimum": "best delay"},
        report=report,
        anarchy=anarchy,
    ),
    SystemKind(
        "tunable_mode",
        TunableMode,
        read_tunable_mode,
        questions=("optimum",),
        check_options=check_tunable_options,
        verify=tunable_checks,
        splits={"optimum": "tunable delay"},
    ),
    SystemKind(
        "stages",
        MultiMode,
        read_stages,
        tables=("modes", "service_modes"),
        check_options=partial(check_solve_options, known=CurveOptions),
        verify=checks,
        splits={"optimum": "best delay"},
        report=report_modes,
        anarchy=anarchy,
    ),
    SystemKind(
        "shared_modes",
        SharedModes,
        None,  # files of the kinds "stages" and "dual_mode" with a discipline
        check_options=check_route_options,
        verify=shared_checks,
        splits={goal: f"{goal} mean delay" for goal in GOALS},
        report=report_shared,
        anarchy=anarchy_shared,
    ),
)
