"""Warnings that point to the code of the user."""

from __future__ import annotations

import sys
import warnings


def warn(text: str) -> None:
    """Issue a warning that points to the line outside the library that led to it."""
    frame, level, package = sys._getframe(), 1, __name__.partition(".")[0] + "."
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)
