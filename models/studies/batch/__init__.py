"""Curves of many systems at once: over processes or a cluster, on disk as they are done, to be resumed after whatever stops them."""

from .folder import load_study
from .run import StudyInterruptedError, StudyStoppedError, study

__all__ = ["StudyInterruptedError", "StudyStoppedError", "load_study", "study"]
