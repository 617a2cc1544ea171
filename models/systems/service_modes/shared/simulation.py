"""Simulation of stages that serve all service modes at once, by processor sharing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from .....reference.errors import Array, InputError
from ....simulation.answer import beside, split_of
from ....simulation.jobs import Index, JobClass, Node
from ....simulation.network import Network
from ....simulation.record import Record, Variables, check_run, dataset, delays, mean_of, record
from ....simulation.service import Service, as_service
from ....simulation.statistics import Estimate
from ...parallel.prices import GOALS
from .base import SharedStages

if TYPE_CHECKING:
    import xarray as xr

    from .answers import SharedEvaluation, SharedSolution
    from .system import SharedModes


class SimulatedSharedModes(SharedStages):
    """Base class of `sojourn.models.SharedModes`: its simulation."""

    def simulate(  # type: ignore[override]
        self,
        load: float | None = None,
        p: Any = None,
        *,
        flow: Any = None,
        share: Any = None,
        station_flow: Any = None,
        split: str | None = None,
        jobs: int = 1_000_000,
        seed: int = 0,
        service: Service | str | npt.ArrayLike | None = None,
        level: float = 0.99,
    ) -> xr.Dataset:
        """Simulate jobs that pass the stages, and return their delays beside the closed forms.

        Each stage serves all jobs present at once, each at the same part of its speed. Departures
        from one stage are the arrivals at the next.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        p, flow, share, station_flow
            As for `evaluate`.
        split : {"optimum", "equilibrium"}, optional
            The assignment where none of these is given; by default the optimum.
        jobs : int, default 1,000,000
            Number of jobs that are counted, after a warm-up.
        seed : int, default 0
            The same seed gives the same numbers.
        service : str, array_like or Service, optional
            Distribution of the works: ``"exponential"``, the default; ``"deterministic"``; samples,
            which are scaled to the mean; or an object of `sojourn.models.simulation.service`.
        level : float, default 0.99
            Confidence level of the intervals.

        Returns
        -------
        xarray.Dataset
            ``mean_delay`` of all jobs, and the ``percentile`` of their delay; ``mode_delay``;
            ``stage_delay``, the mean time of a job at a stage; ``utilisation`` of each
            stage. The last dimension ``number`` has the simulated mean, the ends of its interval,
            and the closed form. The attribute ``notes`` says where the run is too short.

        Raises
        ------
        LoadError, InputError
            As `optimum` and `evaluate`; and where a stage is overloaded.

        Notes
        -----
        The closed form holds for any distribution of the works.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> pair = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> found = pair.simulate(load=4.0, jobs=50_000, service="deterministic").mean_delay
        >>> round(float(found.sel(number="closed form")), 6)
        1.75
        >>> bool(found.sel(number="low") < 1.75 < found.sel(number="high"))
        True
        """
        system, run = cast("SharedModes", self), check_run(jobs, seed, level)
        law = as_service("exponential" if service is None else service, 1.0)
        given = {"p": p, "flow": flow, "share": share, "station_flow": station_flow}
        point = _point(system, load, {k: v for k, v in given.items() if v is not None}, split)
        network, modes = network_of(system, point.load, point.assignment, law)
        found = record(network, [np.arange(modes.size)], *run[:2])
        return _answer(system, point, network, modes, found, run)


def _point(
    system: SharedModes, load: float | None, given: dict[str, Any], split: str | None
) -> SharedSolution | SharedEvaluation:
    """Return the given assignment or that of a split; InputError where a stage is overloaded."""
    if goal := split_of(split, GOALS, given):
        solution: SharedSolution = getattr(system, goal)(load)
        return solution
    point = system.evaluate(load, **given)
    if point.overloaded:
        problem = f"lets the queue of {' and '.join(point.overloaded)} grow without bound"
        name, value = next(iter(given.items()))
        raise InputError(name, value, problem, "give more jobs to a mode that asks less of it")
    return point


def network_of(
    system: SharedModes, load: float, assignment: Array, law: Service
) -> tuple[Network, Index]:
    """Return the stages, and a class of jobs for each mode that has any; and these modes."""
    nodes = tuple(Node(name, "sharing", law) for name in system.stages)
    modes, classes = np.flatnonzero(assignment > 0), list[JobClass]()
    for m in modes.tolist():
        work, delay = system.rates.time[:, m], float(system.rates.delay[m])
        visits = np.flatnonzero(work > 0)
        rate = load * float(assignment[m])
        classes.append(JobClass(rate, tuple(visits.tolist()), tuple(work[visits].tolist()), delay))
    return Network(nodes, tuple(classes)), modes


def _answer(
    system: SharedModes,
    point: SharedSolution | SharedEvaluation,
    network: Network,
    modes: Index,
    found: Record,
    run: tuple[int, int, float],
) -> xr.Dataset:
    """Return the dataset of a run: modes without jobs, and stages without work, have NaN."""
    level, load = run[2], point.load
    used = np.full((len(system.modes), 4), np.nan)
    for m, kind in zip(modes.tolist(), found.kinds[0], strict=True):
        used[m] = beside(mean_of(kind, level), point.mode_delay[m])
    stage, busy = (np.full((len(system.stages), 4), np.nan) for _ in range(2))
    visits, _ = network.flows()
    for s in np.flatnonzero(visits > 0).tolist():
        own = found.stations[s]
        mean = Estimate(*(visits[s] / load * value for value in mean_of(own, level)))
        stage[s] = beside(mean, point.stage_delay[s])
        busy[s] = beside(own.utilisation(level), point.utilisation[s])
    variables: Variables = {
        **delays(found, point.mean_delay, level),
        "mode_delay": (("mode",), used, "mean delay"),
        "stage_delay": (("stage",), stage, "mean time"),
        "utilisation": (("stage",), busy, "utilisation"),
    }
    labels = {"mode": system.modes, "stage": system.stages}
    data = dataset(found, variables, labels, run, system.time_unit)
    return data.assign_attrs(load=load).assign_coords(assignment=("mode", point.assignment))
