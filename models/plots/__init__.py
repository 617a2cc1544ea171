"""Pictures of curves, from datasets alone."""

from sojourn.models.plots.anarchy import plot_anarchy, plot_control, plot_players
from sojourn.models.plots.dual_mode import plot_assignment, plot_dual_mode, plot_dual_mode_delay, plot_profile
from sojourn.models.plots.growth import plot_growth
from sojourn.models.plots.measured import plot_fit, plot_fits, plot_measured
from sojourn.models.plots.parallel import MOST_LINES, plot_curve, plot_delay, plot_price_of_anarchy
from sojourn.models.plots.style import COLOURS

__all__ = [
    "COLOURS",
    "MOST_LINES",
    "plot_anarchy",
    "plot_assignment",
    "plot_control",
    "plot_curve",
    "plot_delay",
    "plot_dual_mode",
    "plot_dual_mode_delay",
    "plot_fit",
    "plot_fits",
    "plot_growth",
    "plot_measured",
    "plot_players",
    "plot_price_of_anarchy",
    "plot_profile",
]
