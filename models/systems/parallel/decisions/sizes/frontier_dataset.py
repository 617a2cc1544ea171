"""The dataset that a frontier is: its ``plot()`` marks the budgets at which servers open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....frontend.curve_dataset import Curve, CurvePlot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FrontierPlot(CurvePlot):
    """The plots of a frontier: called, the picture below.

    It is drawn by `sojourn.models.systems.parallel.decisions.sizes.plots.plot_frontier`.
    """

    def __call__(self, title: str = "") -> Figure:
        """Return the figure: the mean delay above, the rates below."""
        from .plots import plot_frontier  # the import of Matplotlib takes time

        return plot_frontier(self._data, title)


class Frontier(Curve):  # type: ignore[no-untyped-call]  # as Curve
    """The least mean delays over budgets; see `ParallelServers.size_frontier`."""

    __slots__ = ()

    @property
    def plot(self) -> FrontierPlot:  # type: ignore[override]
        """The plots of the frontier: call it for the picture of all."""
        return FrontierPlot(self)
