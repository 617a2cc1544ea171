"""Curves of many systems in one call, over processes or a cluster, saved as they are solved.

A study that was interrupted or killed is resumed by the same call.
"""

from .run import StudyInterruptedError, StudyStoppedError, study
from .store import load_study

__all__ = ["StudyInterruptedError", "StudyStoppedError", "load_study", "study"]
