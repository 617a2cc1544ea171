"""The dataset that the curves of the built-in systems are: its ``plot()`` draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class CurvePlot:
    """The plots of a curve: called, the picture of `plot_dataset`; its attributes are xarray's.

    See `sojourn.models.frontend.dataset_plot.plot_dataset` and ``xarray.Dataset.plot``.
    """

    def __init__(self, data: xr.Dataset) -> None:
        self._data = data

    def __call__(self, title: str = "") -> Figure:
        """Return the figure: delays, ratios and parts in a panel each."""
        from .dataset_plot import plot_dataset  # the import of Matplotlib takes time

        return plot_dataset(self._data, title)

    def __getattr__(self, name: str) -> Any:
        return getattr(xr.Dataset.plot(self._data), name)

    def __dir__(self) -> list[str]:
        return dir(xr.Dataset.plot(self._data))


class Curve(xr.Dataset):  # type: ignore[no-untyped-call]  # xarray's __init_subclass__
    """Answers over loads, or along another axis: an `xarray.Dataset` with two attributes more.

    ``plot()`` draws the curve, and ``loads`` is its coordinate ``load``: ``data.load`` is a method
    of every dataset. A dataset read from a file is a curve again by ``Curve(data)``.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> data = ParallelServers(MM1([3.0, 2.0])).curve([1.0, 2.0])
    >>> data.loads.values
    array([1., 2.])
    >>> len(data.plot("two servers").axes)
    2
    """

    __slots__ = ()

    def __init__(self, data_vars: Any = None, coords: Any = None, attrs: Any = None) -> None:
        if isinstance(data_vars, xr.Dataset):
            data_vars, coords, attrs = data_vars.data_vars, data_vars.coords, data_vars.attrs
        super().__init__(data_vars, coords, attrs)

    @property
    def loads(self) -> xr.DataArray:
        """The coordinate ``load``; KeyError on a curve along another axis."""
        return self["load"]

    @property
    def plot(self) -> CurvePlot:  # type: ignore[override]
        """The plots of the curve: call it for the picture of all."""
        return CurvePlot(self)
