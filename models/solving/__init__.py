"""From a convex problem to a certified solution."""

from sojourn.models.solving.certificate import Certificate
from sojourn.models.solving.errors import FormulationError, NotCertifiedError, SolverNameError
from sojourn.models.solving.ratio import PriceOfAnarchy
from sojourn.models.solving.record import Attempt, Timing
from sojourn.models.solving.solution import Solution

__all__ = [
    "Attempt",
    "Certificate",
    "FormulationError",
    "NotCertifiedError",
    "PriceOfAnarchy",
    "Solution",
    "SolverNameError",
    "Timing",
]
