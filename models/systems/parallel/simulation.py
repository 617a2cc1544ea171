"""Simulation of a split of the load, with the closed forms beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.parallel import optimum_equilibrium as exact
from ....reference.parallel.decisions.percentile import percentile_of, server_percentiles
from ....reference.validation import as_fraction, as_integer, as_seed
from ...simulation.answer import PERCENTILES, answer, beside, split_of, too_short
from ...simulation.families import known_laws, stations_of
from ...simulation.processes import simulated
from ...simulation.run import shortfall
from ...simulation.service import Service
from ...simulation.station import Station
from ...simulation.statistics import (
    LEVEL,
    Estimate,
    Statistics,
    mean_of,
)
from ...simulation.statistics import (
    percentile_of as simulated_percentile,
)
from .evaluation import WAYS, flow_of
from .prices import GOALS
from .tasks import SplitTasks

if TYPE_CHECKING:
    import xarray as xr

MOST_JOBS = 10**11
LEAST_JOBS = 800  # of a used server: fewer have no interval, and then neither has the mean delay
NOTES = 5  # servers in notes
NOTHING = Estimate(math.nan, math.nan, math.nan)


class SimulatedSplit(SplitTasks):
    """Base class of `ParallelServers`: a split of the load, simulated."""

    def simulate(
        self,
        load: float,
        *,
        flow: npt.ArrayLike | None = None,
        share: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        split: str | None = None,
        jobs: int = 1_000_000,
        seed: int = 0,
        service: Service | str | Sequence[Any] | npt.ArrayLike | None = None,
        processes: int = 1,
        level: float = LEVEL,
    ) -> xr.Dataset:
        """Return times and utilisations of simulated jobs, with the closed form of each beside it.

        No formula of a queue is used but for how long to simulate: the simulation checks the
        latencies that everything else stands on.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        flow, share, weights : array_like, shape (n,), optional
            The split, given in one of the ways of `ParallelServers.evaluate`. Each job goes to
            server i with the probability of its share.
        split : {"optimum", "equilibrium"}, optional
            The split where none of these is given; by default the optimum.
        jobs : int, default 1000000
            Number of jobs, divided over the servers by their shares; a used server has at least 800
            of them, or all where there are fewer.
        seed : int, default 0
            Seed of the random numbers, 0 or more. The same seed gives the same bytes.
        service : optional
            Law of the service times: a name (``"exponential"``, ``"deterministic"``, ``"gamma"``,
            ``"lognormal"`` or ``"hyperexponential"``, the last three with the cv of the server), a
            `sojourn.models.simulation.service.Service`, or samples, divided by their mean; for all
            servers, or a list of n of these. By default the law of the family: the gamma
            distribution where it has a cv.
        processes : int, default 1
            Number of processes; they change nothing but the time. More than one need joblib.
        level : float, default 0.99
            Confidence level of the intervals, above 0 and below 1.

        Returns
        -------
        xarray.Dataset
            ``mean_delay`` and ``percentile`` (of the shares ``p``) of all jobs; ``latency``,
            ``server_percentile`` and ``utilisation`` of each ``server``. All have the dimension
            ``number``: ``simulated``, the ends ``low`` and ``high`` of the interval, and the
            ``closed form``, NaN where there is none. Besides ``flow``, ``jobs``, and ``run_length``
            of each server: by what factor its run is too short, 1 where it is not. The attribute
            ``notes`` says so, too.

        Raises
        ------
        LoadError, InputError
            On a load or a split that is none, a server that gets its rate or more, and a family
            that has no law of service times, such as `Measured`, `Function` and roads.

        Notes
        -----
        A Poisson stream divided by independent choices is one independent Poisson stream for each
        server, so that each is simulated by itself. Single servers, first come, first served, by
        Lindley's recursion, also with base loads, priorities and batches; others by a loop over
        jobs in many replications. Each run starts empty and is recorded after ten relaxation times.
        Percentiles are read from a histogram; their relative error by it is at most 1/256, and the
        intervals include it. Memory does not grow with the number of jobs.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[10.0, 5.0]))
        >>> found = system.simulate(load=9.0, weights=[2, 1], jobs=200_000, seed=3)
        >>> found.latency.sel(number="closed form").values
        array([0.25, 0.5 ])
        >>> abs(found.latency.sel(number="simulated").values - [0.25, 0.5]) < 0.02
        array([ True,  True])
        >>> bool(found.mean_delay.sel(number="low") < 1 / 3 < found.mean_delay.sel(number="high"))
        True
        """
        load = self.check_load(load)
        given = dict(zip(WAYS, (flow, share, weights), strict=True))
        goal = split_of(split, GOALS, given)
        flows: Array = (
            getattr(exact, goal)(self.bank, load).flow if goal else flow_of(self, load, given)  # type: ignore[arg-type]
        )
        count = as_integer("jobs", jobs, "a number of jobs", most=MOST_JOBS)
        level = as_fraction("level", level, "the intervals", ends=False)
        seed = as_seed(seed)
        for i in np.flatnonzero(self.bank.spare_capacity(flows) <= 0)[:1]:
            problem = f"is the load of {self.names[i]}, whose rate is {self.bank.rate[i]:g}"
            remedy = "give less: at its rate a queue grows without end"
            raise InputError(f"flow[{i}]", float(flows[i]), problem, remedy)
        stations = stations_of(self.bank, service)
        check_base(self.names, stations, flows, count)
        parts = flows / math.fsum(flows.tolist())
        each = [_jobs_of(part, count) for part in parts.tolist()]
        runs = simulated(stations, flows.tolist(), each, seed, processes)
        return _answer(self, load, flows, parts, stations, runs, seed, level)


def check_base(names: Sequence[str], stations: Sequence[Station], flow: Array, jobs: int) -> None:
    """Raise InputError where a run has more base jobs than a simulation can have.

    Parameters
    ----------
    names, stations : sequence, length n
    flow : ndarray, shape (n,)
        Jobs per unit of time at each server.
    jobs : int
        Number of jobs of all servers.
    """
    share = flow / math.fsum(flow.tolist())
    for name, station, x, part in zip(names, stations, flow, share, strict=True):
        base = station.base / x * _jobs_of(part, jobs) if x > 0 else 0.0
        if base > MOST_JOBS:
            problem = f"come with {base:.3g} base jobs of {name}, more than can be simulated"
            raise InputError("jobs", jobs, problem, "give fewer jobs, or a larger load")


def _jobs_of(share: float, jobs: int) -> int:
    """Return the number of jobs of a server."""
    return min(max(round(share * jobs), LEAST_JOBS), jobs) if share > 0 else 0


def _answer(
    system: SimulatedSplit,
    load: float,
    flow: Array,
    share: Array,
    stations: Sequence[Station],
    runs: Sequence[Statistics],
    seed: int,
    level: float,
) -> xr.Dataset:
    """Return the dataset of a simulation."""
    bank, used = system.bank, np.flatnonzero(flow > 0)
    delay, own = [s.delay for s in stations], share[used].tolist()
    records, delays = [runs[i] for i in used.tolist()], [delay[i] for i in used.tolist()]
    exact_law = known_laws(bank, stations)
    closed, latency = _percentiles(bank, flow, exact_law), bank.latency(flow)
    jobs = [run.jobs for run in runs]

    def of_servers(number: Any) -> list[Any]:
        return [number(i) if flow[i] > 0 else NOTHING for i in range(len(flow))]

    server_percentiles = [
        of_servers(lambda i, p=p: simulated_percentile([runs[i]], [1.0], [delay[i]], p, level))
        for p in PERCENTILES
    ]
    mean = math.fsum((share[used] * latency[used]).tolist())
    variables = {
        "mean_delay": ((), beside(mean_of(records, own, delays, level), mean), "mean delay"),
        "percentile": (
            ("p",),
            beside(
                [simulated_percentile(records, own, delays, p, level) for p in PERCENTILES],
                _percentiles_of_all(bank.take(used), flow[used], bool(exact_law[used].all())),
            ),
            "percentile of the delay",
        ),
        "latency": (
            ("server",),
            beside(
                of_servers(lambda i: mean_of([runs[i]], [1.0], [delay[i]], level)),
                np.where(flow > 0, latency, np.nan),
            ),
            "mean sojourn time",
        ),
        "server_percentile": (
            ("p", "server"),
            beside(server_percentiles, closed),
            "percentile of the sojourn time",
        ),
        "utilisation": (
            ("server",),
            beside(
                of_servers(lambda i: runs[i].utilisation(level)),
                np.where(flow > 0, bank.utilisation(flow), np.nan),
            ),
            "utilisation",
        ),
    }
    length = np.array(
        [
            max(shortfall(s, x, n), run.shortfall) if x > 0 else 1.0
            for s, x, n, run in zip(stations, flow.tolist(), jobs, runs, strict=True)
        ]
    )
    data = answer(
        variables,
        {"server": system.names, "p": PERCENTILES},
        jobs=sum(jobs),
        seed=seed,
        level=level,
        time_unit=system.time_unit,
        notes=_notes(system, flow, stations, jobs, length),
    )
    data.attrs["load"] = load
    rate = f"1/{system.time_unit}"
    data["flow"] = ("server", flow, {"long_name": "flow", "units": rate})
    data["jobs"] = ("server", jobs, {"long_name": "number of jobs"})
    meaning = "factor by which the run is too short"
    data["run_length"] = ("server", length, {"long_name": meaning})
    return data


def _percentiles_of_all(bank: Any, flow: Array, known: bool) -> list[float]:
    """Return the percentiles of all jobs in closed form; NaN where unknown."""
    return [float(percentile_of(bank, flow, p)) if known else math.nan for p in PERCENTILES]


def _percentiles(bank: Any, flow: Array, exact_law: npt.NDArray[np.bool_]) -> Array:
    """Return the percentiles of each server in closed form, shape (P, n); NaN where unknown."""
    out = np.full((len(PERCENTILES), len(flow)), np.nan)
    known = np.flatnonzero(exact_law & (flow > 0))
    if known.size:
        part = bank.take(known)
        for row, p in zip(out, PERCENTILES, strict=True):
            row[known] = server_percentiles(part, flow[known], p)
    return out


def _notes(
    system: SimulatedSplit,
    flow: Array,
    stations: Sequence[Station],
    jobs: Sequence[int],
    length: Array,
) -> list[str]:
    """Return what a reader of the answer has to know."""
    notes = list(system.bank.caveats(flow, system.names))
    short = np.flatnonzero(length > 1.0)
    for i in short[np.argsort(-length[short], kind="stable")][:NOTES]:
        notes += too_short(system.names[i], jobs[i], float(length[i]))
    if short.size > NOTES:
        notes.append(f"so have {short.size - NOTES} more servers")
    other = [
        f"{name}: the closed form is that of its family, the simulated law has the cv {new:.6g}"
        for name, x, station, own in zip(
            system.names, flow, stations, stations_of(system.bank), strict=True
        )
        if x > 0
        and station.discipline == own.discipline == "first come, first served"
        and abs((new := station.service.cv) - own.service.cv) > 1e-9
    ]
    return notes + other[:NOTES]
