"""`TunableMode`: a local and a cloud server whose division of each job's work can be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from ....reference import service_modes as exact
from ....reference.errors import InputError
from ....reference.validation import as_float, as_fraction, check_text
from ...core.options import FormulationOptions
from ...core.system import System, planned
from ...latency import MM1
from ...simulation.answer import split_of
from ...simulation.service import Service
from ..parallel.solution import Solution
from ..parallel.system import ParallelServers
from ..parallel.tasks import curve_plan
from .evaluation import TunableEvaluation

if TYPE_CHECKING:
    import xarray as xr

    from ...core.curve import CurvePlan


@dataclass(frozen=True, eq=False, repr=False)
class TunableSolution(Solution):
    """Optimum of a tunable-mode system.

    A `Solution` of the servers "local" and "cloud"; ``share`` holds the parts of each job's work.
    """

    @property
    def f(self) -> float:
        """Part of each job's work done locally, 0 to 1."""
        return float(self.share[0])


class TunableMode(System):
    """Local and cloud server in series, the division of each job's work to be chosen.

    Parameters
    ----------
    mu0 : float
        Capacity of the local server, jobs per unit of time.
    K : float
        Capacity of the cloud server divided by that of the local server.
    time_unit : str, default "s"
        Unit of time of all numbers, for tables, plots and files.

    Attributes
    ----------
    exact : sojourn.reference.service_modes.TunableMode
        Closed forms of the same system.
    servers : ParallelServers
        Two parallel servers with the same mean delay; see Notes.
    time_unit : str

    Raises
    ------
    InputError
        On a capacity that is not above 0.

    Notes
    -----
    The tunable-mode system of D. Jeff and E. Modiano, *Delay Optimization in a Simple Offloading
    System*, Theorem 1. With load lambda and the part f of each job's work done locally, the mean
    delay is f / (mu0 - f lambda) + (1 - f) / (K mu0 - (1 - f) lambda). This is the mean delay of
    two parallel M/M/1 servers that get the parts f and 1 - f of the load, so the convex program of
    `ParallelServers` applies.

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
        """Capacity of both servers together, (K + 1) mu0, jobs per unit of time."""
        return self.exact.max_load

    def check_load(self, load: float) -> float:
        """Return the load as a float; LoadError where it is not above 0 and below the largest."""
        return float(self.exact.check_load(as_float("load", load)))

    def optimum(self, load: float, **options: Unpack[FormulationOptions]) -> TunableSolution:
        """Solve for the local part of the work that minimises the mean delay.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        **options
            As for `ParallelServers.optimum`.

        Returns
        -------
        TunableSolution

        Raises
        ------
        LoadError, SolverNameError, FormulationError
            Before any solver starts.
        NotCertifiedError
            When no answer is certified; it holds the best `Solution`.

        Notes
        -----
        The optimum is that of Theorem 1 of Jeff and Modiano.
        """
        self.exact.check_load(load)
        return TunableSolution(**vars(self.servers.optimum(load, **options)))

    def evaluate(self, load: float, f: float) -> TunableEvaluation:
        """Evaluate a given local part of the work: its delays, and its ratio to the best.

        Closed forms alone; no solver is used.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        f : float
            Part of each job's work done locally, from 0 to 1.

        Returns
        -------
        TunableEvaluation
            Where a server is overloaded, the delay is infinite and ``overloaded`` names it.

        Raises
        ------
        LoadError, InputError

        Examples
        --------
        >>> from sojourn.models import TunableMode
        >>> judged = TunableMode(mu0=1.0, K=4.0).evaluate(load=3.5, f=0.2)
        >>> round(judged.mean_delay, 6), round(judged.ratio, 6)
        (1.333333, 1.166667)
        """
        part = as_fraction("f", f, "the work")
        self.exact.check_load(load)
        split = self.servers.evaluate(load, share=[part, 1 - part])
        return TunableEvaluation(
            load=split.load,
            f=part,
            stage_delay=np.where(split.share > 0, split.share * split.latency, 0.0),
            mean_delay=split.mean_delay,
            overloaded=split.overloaded,
            least_f=float(self.exact.best_fraction(split.load)),
            least_delay=split.optimum_delay,
            ratio=split.ratio,
        )

    def simulate(
        self,
        load: float,
        f: float | None = None,
        *,
        split: str | None = None,
        jobs: int = 1_000_000,
        seed: int = 0,
        service: Service | str | npt.ArrayLike | None = None,
        level: float = 0.99,
    ) -> xr.Dataset:
        """Simulate jobs that pass both servers, and return their delays beside the closed forms.

        Each server is a queue, first come, first served; a server without work is not passed.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        f : float, optional
            Part of each job's work done locally, from 0 to 1.
        split : {"optimum"}, optional
            The best part, which is simulated where no `f` is given.
        jobs, seed, service, level
            As for `sojourn.models.MultiMode.simulate`.

        Returns
        -------
        xarray.Dataset
            As from `sojourn.models.MultiMode.simulate`, without the dimension of modes; the
            attribute ``f`` is the part.

        Raises
        ------
        LoadError, InputError
            As `evaluate`, and where a server is overloaded.

        Examples
        --------
        >>> from sojourn.models import TunableMode
        >>> found = TunableMode(mu0=1.0, K=4.0).simulate(load=3.0, f=0.25, jobs=50_000)
        >>> found.mean_delay.sel(number="closed form").round(6).item()
        1.428571
        >>> bool(found.mean_delay.sel(number="low") < 1.428571)
        True
        """
        from .system import MultiMode  # whose subclass `DualMode` refers to this class

        load = self.check_load(load)
        split_of(split, ("optimum",), {"f": f})
        part = self.exact.best_fraction(load) if f is None else as_fraction("f", f, "the work")
        judged = self.evaluate(load, float(part))
        if judged.overloaded:
            problem = f"lets the queue of {' and '.join(judged.overloaded)} grow without bound"
            raise InputError("f", part, problem, f"give {judged.least_f:.6g}, the best, or so")
        work = np.array([[part / self.exact.mu0], [(1 - part) / (self.exact.K * self.exact.mu0)]])
        used = np.flatnonzero(work[:, 0])
        names = [self.servers.names[i] for i in used]
        series = MultiMode.from_work(work[used], stages=names, time_unit=self.time_unit)
        every = {"jobs": jobs, "seed": seed, "service": service, "level": level}
        data = series.simulate(load, [1.0], np.ones((used.size, 1)), **every)  # type: ignore[arg-type]
        data = data.isel(mode=0, drop=True).drop_vars(["mode_delay", "share"])
        return data.reindex(stage=self.servers.names).assign_attrs(f=float(part))

    def _curve_plan(
        self,
        loads: npt.ArrayLike,
        refine: bool | float = False,
        **options: Unpack[FormulationOptions],
    ) -> CurvePlan:
        """Return the plan of `curve`."""
        return curve_plan(self.servers, loads, "optimum", refine, **options)

    @planned(_curve_plan)
    def curve(
        self,
        loads: npt.ArrayLike,
        refine: bool | float = False,
        **options: Unpack[FormulationOptions],
    ) -> xr.Dataset:
        """Solve for the optimum at many loads.

        Parameters
        ----------
        loads : array_like, shape (K,)
            Jobs per unit of time, 0 or more, in any order.
        refine : bool or float, default False
            Whether to add loads until linear interpolation is accurate, for a plot.
        **options
            As for `optimum`.

        Returns
        -------
        xarray.Dataset
            See `sojourn.models.systems.parallel.curve.curve`; a server's part of the work is its
            flow divided by the load. At a load of 0, where the flows do not determine it, all work
            is done by the faster server.

        Examples
        --------
        >>> from sojourn.models import TunableMode
        >>> data = TunableMode(mu0=1.0, K=4.0).curve([2.0, 3.5])
        >>> (data["optimum_flow"] / data["load"]).sel(server="local").values.round(6) + 0.0
        array([0.      , 0.142857])
        """
        return self._curve_plan(loads, refine, **options).solve()
