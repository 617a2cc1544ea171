"""Curves of many systems at once: over processes or a cluster, on disk as they are done, to be resumed after whatever stops them."""

from .run import StudyInterruptedError, StudyStoppedError, study
from .store import load_study

__all__ = ["StudyInterruptedError", "StudyStoppedError", "load_study", "study"]
