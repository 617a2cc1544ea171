"""Stages that serve all service modes by processor sharing, and users who choose their mode."""

from .answers import (
    PriceOfReserving,
    SharedEvaluation,
    SharedMaxLoad,
    SharedSolution,
    SharedTolls,
)
from .system import SharedModes
from .thresholds import SharedThresholds

__all__ = [
    "PriceOfReserving",
    "SharedEvaluation",
    "SharedMaxLoad",
    "SharedModes",
    "SharedSolution",
    "SharedThresholds",
    "SharedTolls",
]
