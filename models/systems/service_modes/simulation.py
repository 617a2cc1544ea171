"""Simulation of stages that are reserved for service modes: M/M/1 queues in tandem, one a mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ....reference.errors import InputError
from ...simulation.answer import beside, split_of
from ...simulation.jobs import JobClass, Node
from ...simulation.network import Network
from ...simulation.record import Record, Variables, check_run, dataset, delays, mean_of, record
from ...simulation.service import Exponential, Service, as_service
from ...simulation.statistics import Estimate
from ...simulation.statistics import mean_of as mean_of_parts
from .mode_system import ModeSystem

if TYPE_CHECKING:
    import xarray as xr

    from .evaluation import OperatingEvaluation
    from .operating_point import OperatingPoint
    from .system import MultiMode

    Point = OperatingPoint | OperatingEvaluation

OTHER_LAW = "the closed form is that of exponential works"
OPTIMUM = ("optimum",)
NONE = Estimate(np.nan, np.nan, np.nan)


class SimulatedModes(ModeSystem):
    """Base class of `sojourn.models.MultiMode`: its simulation."""

    def simulate(
        self,
        load: float,
        p: npt.ArrayLike | None = None,
        share: npt.ArrayLike | None = None,
        *,
        split: str | None = None,
        jobs: int = 1_000_000,
        seed: int = 0,
        service: Service | str | npt.ArrayLike | None = None,
        level: float = 0.99,
    ) -> xr.Dataset:
        """Simulate jobs that pass the stages, and return their delays beside the closed forms.

        Each mode has a queue of its own at each stage, whose server has the mode's part of the
        stage. Departures from one stage are the arrivals at the next.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        p : float or array_like, shape (M,), optional
            Part of the jobs in each mode, as for `MultiMode.evaluate`.
        share : array_like, shape (S, M), optional
            Part of each stage for each mode; by default the best partition.
        split : {"optimum"}, optional
            The best assignment, which is simulated where no `p` is given.
        jobs : int, default 1,000,000
            Number of jobs that are counted, after a warm-up.
        seed : int, default 0
            The same seed gives the same numbers.
        service : str, array_like or Service, optional
            Distribution of the works: ``"exponential"``, the default and that of the closed form;
            ``"deterministic"``; samples, which are scaled to the mean; or an object of
            `sojourn.models.simulation.service`.
        level : float, default 0.99
            Confidence level of the intervals.

        Returns
        -------
        xarray.Dataset
            ``mean_delay`` of all jobs, and the ``percentile`` of their delay; ``mode_delay``;
            ``stage_delay``, the mean time of a job at a stage; ``utilisation`` of each
            stage by each mode. The last dimension ``number`` has the simulated mean, the ends of
            its interval, and the closed form. The attribute ``notes`` says where the run is too
            short.

        Raises
        ------
        LoadError, InputError
            As `assignment` and `MultiMode.evaluate`; and where a mode gets too little of a stage,
            so that its queue grows without bound.

        Notes
        -----
        The closed form of a mode is d_m + sum over s of 1 / (phi_sm mu_sm - p_m lambda): by Burke's
        theorem the departures from an M/M/1 queue are a Poisson stream. With another distribution
        it is an approximation.

        Examples
        --------
        >>> from sojourn.models import DualMode
        >>> system = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> found = system.simulate(load=2.0, p=0.6, jobs=100_000).mean_delay
        >>> bool(found.sel(number="low") < system.evaluate(2.0, p=0.6).mean_delay)
        True
        """
        return simulate(
            cast("MultiMode", self), load, (p, share, split), (jobs, seed, level), service
        )


def simulate(
    system: MultiMode,
    load: float,
    given: tuple[npt.ArrayLike | None, npt.ArrayLike | None, str | None],
    run: tuple[int, int, float],
    service: Service | str | npt.ArrayLike | None,
) -> xr.Dataset:
    """Return the simulation of a system; see `SimulatedModes.simulate`."""
    run, law = check_run(*run), as_service("exponential" if service is None else service, 1.0)
    point = _point(system, load, *given)
    network, modes, places = _network(system, point, law)
    found = record(network, [np.arange(modes.size)], *run[:2])
    return _answer(system, point, modes, places, found, run, law)


def _point(
    system: MultiMode,
    load: float,
    p: npt.ArrayLike | None,
    share: npt.ArrayLike | None,
    split: str | None,
) -> Point:
    """Return the given operating point, or the best one; InputError where a queue has no end."""
    split_of(split, OPTIMUM, {"p": p, "share": share})
    if p is None:
        if share is not None:
            remedy = "give p= too, or neither for the best"
            raise InputError("share", share, "is a partition without an assignment", remedy)
        return system.assignment(load)
    point = system.evaluate(load, p, share)
    if point.overloaded:
        problem = f"lets the queue of {' and '.join(point.overloaded)} grow without bound"
        given = ("p", point.assignment) if share is None else ("share", point.share)
        remedy = "give the mode more of the stage, or fewer jobs"
        raise InputError(given[0], given[1].tolist(), problem, remedy)
    return point


def _network(
    system: MultiMode, point: Point, law: Service
) -> tuple[Network, npt.NDArray[np.intp], list[tuple[int, int]]]:
    """Return queues in tandem, the modes with jobs, and the stage and mode of each queue."""
    times, nodes, classes = system.rates.time, list[Node](), list[JobClass]()
    modes, places = np.flatnonzero(point.assignment > 0), list[tuple[int, int]]()
    for m in modes.tolist():
        own = np.flatnonzero(times[:, m] > 0).tolist()
        visits = tuple(range(len(nodes), len(nodes) + len(own)))
        work = tuple(float(times[s, m] / point.share[s, m]) for s in own)
        nodes += [Node(f"{system.stages[s]}, {system.modes[m]}", "queue", law) for s in own]
        places += [(s, m) for s in own]
        rate, delay = point.load * float(point.assignment[m]), float(system.rates.delay[m])
        classes.append(JobClass(rate, visits, work, delay))
    return Network(tuple(nodes), tuple(classes)), modes, places


def _answer(
    system: MultiMode,
    point: Point,
    modes: npt.NDArray[np.intp],
    places: list[tuple[int, int]],
    found: Record,
    run: tuple[int, int, float],
    law: Service,
) -> xr.Dataset:
    """Return the dataset of a run: modes without jobs have NaN."""
    level = run[2]
    shape, parts = (len(system.stages), len(system.modes)), point.assignment
    busy, visit = np.full((*shape, 4), np.nan), np.zeros(shape)
    used = np.full((shape[1], 4), np.nan)
    records: list[list[Any]] = [[] for _ in system.stages]
    for (s, m), station in zip(places, found.stations, strict=True):
        work, given = float(system.rates.time[s, m]), float(point.share[s, m])
        busy[s, m] = beside(station.utilisation(level), point.load * parts[m] * work / given)
        visit[s, m] = work / (given - point.load * parts[m] * work)
        records[s].append((station, float(parts[m])))
    for m, kind in zip(modes.tolist(), found.kinds[0], strict=True):
        known = visit[:, m].sum() + system.rates.delay[m]
        used[m] = beside(mean_of(kind, level), known)
    stages = [_at_stage(own, level) for own in records]
    variables: Variables = {
        **delays(found, point.mean_delay, level),
        "mode_delay": (("mode",), used, "mean delay"),
        "stage_delay": (("stage",), beside(stages, point.stage_delay), "mean time"),
        "utilisation": (("stage", "mode"), busy, "utilisation"),
    }
    labels = {"mode": system.modes, "stage": system.stages}
    notes = [] if isinstance(law, Exponential) else [OTHER_LAW]
    data = dataset(found, variables, labels, run, system.time_unit, notes)
    return data.assign_attrs(load=point.load).assign_coords(
        assignment=("mode", parts), share=(("stage", "mode"), point.share)
    )


def _at_stage(records: list[tuple[Any, float]], level: float) -> Estimate:
    """Return the mean time of a job at a stage: a mixture of independent queues."""
    if not records:
        return NONE
    stations, parts = zip(*records, strict=True)
    return mean_of_parts(stations, parts, [0.0] * len(parts), level)
