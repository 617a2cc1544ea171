"""Pictures of curves, from datasets alone."""

from sojourn.models.plots.dual_mode import plot_assignment, plot_dual_mode, plot_dual_mode_delay, plot_profile
from sojourn.models.plots.parallel import MOST_LINES, plot_curve, plot_delay, plot_price_of_anarchy
from sojourn.models.plots.style import COLOURS

__all__ = [
    "COLOURS",
    "MOST_LINES",
    "plot_assignment",
    "plot_curve",
    "plot_delay",
    "plot_dual_mode",
    "plot_dual_mode_delay",
    "plot_price_of_anarchy",
    "plot_profile",
]
