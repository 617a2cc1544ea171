"""A local and a cloud server in series and one mode, the part of each job's work done locally to be chosen: Theorem 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from ....reference import service_modes as exact
from ....reference.validation import as_float, as_fraction, check_text
from ...core.options import FormulationOptions
from ...core.system import System
from ...latency import MM1
from ..parallel.solution import Solution
from ..parallel.system import ParallelServers
from .evaluation import TunableEvaluation

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False, repr=False)
class TunableSolution(Solution):
    """The optimum of a tunable-mode system: a `Solution` whose servers are "local" and "cloud" and whose shares are of each job's work."""

    @property
    def f(self) -> float:
        """Part of each job's work done locally."""
        return float(self.share[0])


class TunableMode(System):
    """A local server of capacity mu0, then a cloud server of capacity K mu0.

    The mean delay f/(mu0 - f load) + (1-f)/(K mu0 - (1-f) load) is that of two M/M/1 servers side by side which get the parts f and 1 - f
    of the load, so the convex program is theirs.

    Parameters
    ----------
    mu0 : float
        Jobs per unit of time.
    K : float
    time_unit : str, default "s"

    Raises
    ------
    InputError

    Examples
    --------
    >>> from sojourn.models import TunableMode
    >>> best = TunableMode(mu0=1.0, K=4.0).optimum(load=3.5)
    >>> round(best.f, 8), round(best.mean_delay, 8)
    (0.14285714, 1.14285714)
    """

    def __init__(self, mu0: float, K: float, time_unit: str = "s") -> None:
        self.exact, self.time_unit = exact.TunableMode(mu0, K), check_text("time_unit", time_unit)
        self.servers = ParallelServers(
            MM1([self.exact.mu0, self.exact.K * self.exact.mu0]),
            names=["local", "cloud"],
            time_unit=time_unit,
        )

    def __repr__(self) -> str:
        return f"TunableMode(mu0={self.exact.mu0:g}, K={self.exact.K:g})"

    @property
    def max_load(self) -> float:
        """(K + 1) mu0."""
        return self.exact.max_load

    def check_load(self, load: float) -> float:
        """Return the load as a float; LoadError when it is not a number above 0 and below the largest."""
        return float(self.exact.check_load(as_float("load", load)))

    def optimum(self, load: float, **options: Unpack[FormulationOptions]) -> TunableSolution:
        """Local part of the work of least mean delay; Theorem 1 of Jeff and Modiano.

        Parameters and errors as `ParallelServers.optimum`.
        """
        self.exact.check_load(load)
        return TunableSolution(**vars(self.servers.optimum(load, **options)))

    def evaluate(self, load: float, f: float) -> TunableEvaluation:
        """Judge a local part of the work that is already there: its delays, and what it loses against the best. No solver is asked.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below the largest.
        f : float
            Part of each job's work done locally, from 0 to 1.

        Returns
        -------
        TunableEvaluation
            Where a server is overloaded the delay is infinite and ``overloaded`` names it.

        Raises
        ------
        LoadError, InputError

        Examples
        --------
        >>> from sojourn.models import TunableMode
        >>> found = TunableMode(mu0=1.0, K=4.0).evaluate(load=3.5, f=0.2)
        >>> round(found.mean_delay, 6), round(found.ratio, 6)
        (1.333333, 1.166667)
        """
        part = as_fraction("f", f, "the work")
        self.exact.check_load(load)
        found = self.servers.evaluate(load, share=[part, 1 - part])
        return TunableEvaluation(
            load=found.load,
            f=part,
            stage_delay=np.where(found.share > 0, found.share * found.latency, 0.0),
            mean_delay=found.mean_delay,
            overloaded=found.overloaded,
            least_f=float(self.exact.best_fraction(found.load)),
            least_delay=found.optimum_delay,
            ratio=found.ratio,
        )

    def curve(
        self,
        loads: npt.ArrayLike,
        refine: bool | float = False,
        **options: Unpack[FormulationOptions],
    ) -> xr.Dataset:
        """Optimum over loads, each server's part of the work being its flow over the load; see `sojourn.models.systems.parallel.curve.curve`.

        At a load of 0, where no flow says it, all work is that of the faster server.

        Examples
        --------
        >>> from sojourn.models import TunableMode
        >>> data = TunableMode(mu0=1.0, K=4.0).curve([2.0, 3.5])
        >>> (data["optimum_flow"] / data["load"]).sel(server="local").values.round(6) + 0.0
        array([0.      , 0.142857])
        """
        return self.servers.curve(loads, "optimum", refine, **options)
