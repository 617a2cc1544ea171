"""The whole benchmark: from chosen axes and solvers to rows."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ....reference.errors import InputError
from ....reference.validation import LARGEST, SMALLEST, as_integer, check_flag, check_within
from ...core.progress import track
from ...core.warn import warn
from .problem import InstanceKey
from .programs.standard_set import chosen_keys, infeasible_keys
from .row import Row
from .run.chosen import as_solvers
from .run.metadata import Moment, code_digest, described, run_metadata
from .run.pool import Failure, Pool, warn_without_memory_limit
from .run.solver import BenchmarkSolver
from .run.store import Store
from .run.warm_up import WARM_UP
from .run.work import Build, Built, Cell, Trial
from .settings import Settings, as_settings

LIMIT = 10.0  # seconds
MEMORY = 4.0  # gigabytes
REPEATS = 3
SMOKE_LOADS = (0.6,)
ORDER_SEED = 0
"""Seed of the order of the solvers and settings on each instance."""


@dataclass(eq=False)
class Comparison:
    """A run of the benchmark, checked and ready.

    Attributes
    ----------
    keys : list of InstanceKey
    solvers : list of BenchmarkSolver
    settings : list of Settings
    repeats : int
    limit, memory : float
        Seconds and gigabytes.
    workers : int
    out : path or None
        Folder that keeps rows and instances.
    left_out : dict
        By the name of a solver that does not run the tiny program: why.
    builds : dict
        By key: what became of the build of the instance.
    started : Moment or None
        When the run began.
    """

    keys: list[InstanceKey]
    solvers: list[BenchmarkSolver]
    settings: list[Settings]
    repeats: int
    limit: float
    memory: float
    workers: int
    out: Path | None
    left_out: dict[str, str] = field(default_factory=dict)
    builds: dict[InstanceKey, Built] = field(default_factory=dict)
    started: Moment | None = None

    def rows(self) -> Iterator[Row]:
        """Run what is not on disk yet, and yield the row of each cell as it ends."""
        self.started = Moment.now()
        warn_without_memory_limit()
        with ExitStack() as stack:
            enter = stack.enter_context
            scratch = Path(
                enter(tempfile.TemporaryDirectory(prefix="sojourn-", ignore_cleanup_errors=True))
            )
            store = enter(Store(self.out or scratch / "run"))
            pool = enter(Pool(self.workers, self.memory, scratch))
            self._try_solvers(pool)
            self._build(pool, store)
            yield from self._solve(pool, store)

    def _try_solvers(self, pool: Pool) -> None:
        """Leave out solvers that do not run; InputError on options of the user that fail."""
        trials = [
            Trial(solver, settings, self.limit)
            for solver in self.solvers
            for settings in [Settings("default"), *self.settings]
            if (settings.name == "default" or settings.given is not None)
            and not solver.settings_refusal(settings)
        ]
        failures: list[tuple[Trial, str]] = []
        for trial, found in pool.run(trials, self.limit):
            reason = found.reason if isinstance(found, Failure) else found
            if reason and trial.settings.given is None:
                self.left_out[trial.solver.name] = f"does not run a tiny program: {reason}"
            elif reason:
                failures.append((trial, reason))
        for trial, reason in failures:
            if trial.solver.name not in self.left_out and trial.settings.given is not None:
                where = f"settings: {trial.settings.name}.toml: {trial.solver.name}"
                options = dict(trial.settings.given[trial.solver.name])
                problem = f"makes the solver fail on a tiny program: {reason}"
                raise InputError(where, options, problem, "give options that the solver has")

    def _build(self, pool: Pool, store: Store) -> None:
        by = code_digest()
        known = {key: store.built(key, by) for key in self.keys}
        self.builds = {key: built for key, built in known.items() if built is not None}
        tasks = [Build(key, store.path(key)) for key in self.keys if key not in self.builds]
        limit = max(BUILD_LIMIT, self.limit)
        done = pool.run(tasks, limit)
        for task, found in track(done, "instances", total=len(tasks)):
            built = Built(problem=found.reason) if isinstance(found, Failure) else found
            self.builds[task.key] = built
            store.add_build(task.key, by, built)

    def _solve(self, pool: Pool, store: Store) -> Iterator[Row]:
        waiting: list[Cell] = []
        changed: Counter[str] = Counter()
        for cell in self._cells(store):
            if skipped := self._skipped(cell):
                yield cell.row(skipped=skipped)
                continue
            conditions = cell.conditions(self.memory)
            if (row := store.row(cell, conditions)) is not None:
                yield row
                continue
            changed.update(store.changes(cell, conditions))
            waiting.append(cell)
        if changed:
            found = ", ".join(f"{name} of {count}" for name, count in changed.items())
            warn(f"cells run again because of changes since the last run: {found}")
        done = self._results(pool, waiting)
        for cell, result in track(done, "solvers on instances", total=len(waiting)):
            row = cell.failed(result) if isinstance(result, Failure) else result
            store.add_row(cell, row, cell.conditions(self.memory))
            yield row

    def _cells(self, store: Store) -> Iterator[Cell]:
        """Yield all cells: instance after instance, each with its solvers in an order of its own.

        A drift of the machine then meets all solvers alike.
        """
        pairs = [(solver, settings) for solver in self.solvers for settings in self.settings]
        for i, key in enumerate(self.keys):
            instance = key, store.path(key), self.builds[key]
            for j in np.random.default_rng((ORDER_SEED, i)).permutation(len(pairs)):
                solver, settings = pairs[j]
                yield Cell(*instance, solver, settings, self.repeats, self.limit)

    def _results(self, pool: Pool, waiting: Sequence[Cell]) -> Iterator[tuple[Cell, Any]]:
        """Yield each cell with its row or the failure of its worker.

        A cell whose worker ended in the warm-up runs again, without: a small program that a solver
        does not survive is no instance.
        """
        cold: set[str] = set()
        while waiting:
            again: list[Cell] = []
            tasks = (replace(cell, warm_up=cell.solver.name not in cold) for cell in waiting)
            for cell, result in pool.run(tasks, self.limit):
                if isinstance(result, Failure) and result.part == WARM_UP:
                    cold.add(cell.solver.name)
                    again.append(cell)
                else:
                    yield cell, result
            waiting = again

    def in_order(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows of this run in the order of its instances, solvers and settings."""
        keys = {key: i for i, key in enumerate(self.keys)}
        solvers = {solver.name: i for i, solver in enumerate(self.solvers)}
        settings = {(one.name, one.tolerance): i for i, one in enumerate(self.settings)}

        def place(row: Row) -> tuple[int, int, int]:
            asked = None if math.isnan(row.tolerance) else row.tolerance
            return keys[row.key], solvers[row.solver], settings[row.settings, asked]

        return sorted(rows, key=place)

    def _skipped(self, cell: Cell) -> str:
        """Return why a cell is not run, as far as that is known without its instance."""
        if reason := self.left_out.get(cell.solver.name, ""):
            return reason
        if cell.built.problem:
            return f"the instance was not built: {cell.built.problem}"
        return cell.solver.settings_refusal(cell.settings)

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the run, as far as it got, as ``run_metadata`` has it."""
        plan = {
            "limit": self.limit,
            "memory": self.memory,
            "repeats": self.repeats,
            "workers": self.workers,
            "seeds": sorted({key.seed for key in self.keys}),
            "problems": list(dict.fromkeys(key.problem for key in self.keys)),
            "sizes": sorted({key.n for key in self.keys}),
            "loads": sorted({key.load for key in self.keys}),
        }
        options = {one.label: self._options(one) for one in self.settings}
        started = self.started or Moment.now()
        builds = self.builds.values()
        return run_metadata(plan, self.solvers, options, self.left_out, builds, started)

    def _options(self, settings: Settings) -> Mapping[str, str]:
        """Return the options of each solver as text, or why it is not run."""
        return {one.name: described(one, settings, self.limit) for one in self.solvers}


BUILD_LIMIT = 300.0
"""Seconds within which an instance is built; CVXPY needs minutes for some trees of cones."""


def comparison(
    problems: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    loads: Sequence[float] | None = None,
    spreads: Sequence[tuple[float, float]] | None = None,
    formulations: Sequence[str] | None = None,
    solvers: Sequence[str | BenchmarkSolver] | None = None,
    settings: Sequence[str | Path] = (),
    tolerances: Sequence[float] = (),
    repeats: int = REPEATS,
    limit: float = LIMIT,
    memory: float = MEMORY,
    workers: int = 1,
    seeds: Sequence[int] = (0,),
    smoke: bool = False,
    out: Path | None = None,
) -> Comparison:
    """Return a run of the benchmark; see `compare` for the arguments.

    Raises
    ------
    InputError
        On arguments that are unknown or out of range.
    """
    chosen = as_solvers(solvers)
    chosen_settings = as_settings(settings, tolerances)
    repeats = as_integer("repeats", repeats, "a number of runs", 1, 1000)
    limit = check_within("limit", limit, SMALLEST, LARGEST, "is not a time", "give seconds above 0")
    wrong = ("is not an amount of memory that a solver can run in", "give gigabytes, from 0.3")
    memory = check_within("memory", memory, 0.3, LARGEST, *wrong)
    workers = as_integer("workers", workers, "a number of processes", 1, 1000)
    if loads is None and check_flag("smoke", smoke):
        loads = SMOKE_LOADS
    axes = {"problems": problems, "sizes": sizes, "spreads": spreads, "formulations": formulations}
    found = chosen_keys(seeds, loads, **axes)
    if loads is None and not any(chosen is not None for chosen in axes.values()):
        found += infeasible_keys(seeds)
    if smoke:
        found = _one_each(found)
        repeats = 1
    if not found:
        problem = "leaves no instance: the problems have no such sizes, or no infeasible loads"
        remedy = "give smaller sizes, loads below 1, or other problems"
        field, value = ("loads", loads) if sizes is None else ("sizes", sizes)
        raise InputError(field, value, problem, remedy)
    return Comparison(
        found,
        chosen,
        chosen_settings,
        repeats,
        limit,
        memory,
        workers,
        None if out is None else Path(out),
    )


def _one_each(found: Sequence[InstanceKey]) -> list[InstanceKey]:
    """Return the smallest instance of each formulation."""
    first: dict[tuple[str, str], InstanceKey] = {}
    for key in sorted(found, key=lambda key: key.n):
        first.setdefault((key.problem, key.formulation), key)
    return [key for key in found if first[key.problem, key.formulation] is key]


def compare(**chosen: Any) -> Iterator[Row]:
    """Solve problems with known answers by several solvers, and yield a row for each cell.

    Without a choice of problems, sizes, loads, spreads or formulations they are the standard set of
    about 200 instances, and about 60 infeasible ones. A cell is an instance, a solver and settings.
    It is run in a worker process with one thread, which is ended and replaced at the limit of time
    or of memory; a script that is no module calls this below ``if __name__ == "__main__":``.

    Parameters
    ----------
    problems : sequence of str, optional
        Names of problems; by default all.
    sizes : sequence of int, optional
        By default each problem's own.
    loads : sequence of float, optional
        Parts of the largest load; by default from 30 % to 99.9999 %. Those above 1 are infeasible
        instances of the formulations that have a largest load.
    spreads : sequence of (float, float), optional
        Pairs of the spread of rates and of delays; by default each problem's own.
    formulations : sequence of str, optional
        By default all.
    solvers : sequence of str or BenchmarkSolver, optional
        Names of CVXPY, functions such as ``mine.py:solve``, and commands such as
        ``my-solver {instance} {solution}``; by default all that CVXPY finds. A solver that does
        not take an instance has a row with the reason.
    settings : sequence of str or path
        ``default`` (as CVXPY calls the solver, whose own defaults can differ), ``sojourn`` (the
        tight options of this library), ``low``, ``mid`` and ``high`` (tolerances of 1e-3, 1e-6 and
        1e-9), and .toml files with a table of options for each solver; without any and without
        tolerances ``default``.
    tolerances : sequence of float
        Further settings: what each tolerance of a solver is set to.
    repeats : int, default 3
        Runs of a solve that takes less than 0.1 s.
    limit : float, default 10.0
        Limit of time of a solve, in seconds.
    memory : float, default 4.0
        Limit of memory of a worker, in gigabytes.
    workers : int, default 1
        Cells that run at a time; more than 1 disturb each other's times.
    seeds : sequence of int, default (0,)
        Seeds of the random systems.
    smoke : bool, default False
        Whether every formulation is run once, at its smallest size and one load.
    out : path, optional
        Folder that keeps each row when its cell ends. The same call goes on after an
        interruption; a cell whose solver, options, limits or instance have changed runs again.

    Returns
    -------
    iterator of Row
        In the order in which the cells end: instance after instance, the solvers on each in an
        order drawn for it. `Comparison.in_order` sorts them.

    Raises
    ------
    InputError
        Before any instance is built.

    Examples
    --------
    >>> from sojourn.models.benchmarks.solvers.compare import compare
    >>> rows = compare(problems=["mm1-optimum"], sizes=[3], loads=[0.5], solvers=["CLARABEL"])
    >>> all(row.claimed for row in rows)
    True
    """
    return comparison(**chosen).rows()
