"""What is done with any system: models against reference, and many systems at once."""

from .batch import StudyInterruptedError, StudyStoppedError, load_study, study
from .verify import verify

__all__ = ["StudyInterruptedError", "StudyStoppedError", "load_study", "study", "verify"]
