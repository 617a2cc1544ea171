"""What people do with a system: curves, wrong beliefs, and models against reference."""

from sojourn.models.studies.belief import misjudged
from sojourn.models.studies.curve import CurveInterruptedError, curve
from sojourn.models.studies.verify import Check, Verification, verify

__all__ = ["Check", "CurveInterruptedError", "Verification", "curve", "misjudged", "verify"]
