"""What people do with a system: curves, wrong beliefs, models against reference, local solvers against the models."""

from sojourn.models.studies.anarchy import control_curve, players_curve
from sojourn.models.studies.belief import misjudged
from sojourn.models.studies.checks import Check, Verification
from sojourn.models.studies.curve import curve
from sojourn.models.studies.dual_mode_curve import profile
from sojourn.models.studies.many import StudyInterruptedError, StudyStoppedError, load_study, study
from sojourn.models.studies.refine import CurveInterruptedError
from sojourn.models.studies.traps import Traps, traps
from sojourn.models.studies.verify import verify
from sojourn.models.studies.worst_case import WorstCaseInterruptedError, worst_case

__all__ = [
    "Check",
    "CurveInterruptedError",
    "StudyInterruptedError",
    "StudyStoppedError",
    "Traps",
    "Verification",
    "WorstCaseInterruptedError",
    "control_curve",
    "curve",
    "load_study",
    "misjudged",
    "players_curve",
    "profile",
    "study",
    "traps",
    "verify",
    "worst_case",
]
