"""Work that is done with systems of any kind: verification, and studies of many systems."""

from .batch import StudyInterruptedError, StudyStoppedError, load_study, study
from .verify import verify

__all__ = ["StudyInterruptedError", "StudyStoppedError", "load_study", "study", "verify"]
