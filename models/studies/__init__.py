"""What people do with a system: curves, wrong beliefs, models against reference, local solvers against the models."""

from sojourn.models.studies.anarchy import control_curve, players_curve
from sojourn.models.studies.belief import misjudged
from sojourn.models.studies.checks import Check, Verification
from sojourn.models.studies.curve import CurveInterruptedError, curve
from sojourn.models.studies.dual_mode_curve import profile
from sojourn.models.studies.traps import Traps, traps
from sojourn.models.studies.verify import verify
from sojourn.models.studies.worst_case import WorstCaseInterruptedError, worst_case

__all__ = [
    "Check",
    "CurveInterruptedError",
    "Traps",
    "Verification",
    "WorstCaseInterruptedError",
    "control_curve",
    "curve",
    "misjudged",
    "players_curve",
    "profile",
    "traps",
    "verify",
    "worst_case",
]
