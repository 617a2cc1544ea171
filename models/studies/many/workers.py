"""Chunks to processes and back: one after the other here, or by joblib, whatever backend it is configured for."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from sojourn.models.studies.many.rows import System, joined, solved
from sojourn.models.systems.parallel import ParallelServers
from sojourn.reference.errors import Array, InputError

Task = tuple[int, dict[str, System], Array]


def solve_chunk(task: Task, sizes: Mapping[str, int], how: Mapping[str, Any]) -> tuple[int, xr.Dataset]:
    """Return a chunk's number and its rows."""
    number, systems, loads = task
    rows = [solved(system, at, sizes, how) for system, at in zip(systems.values(), loads, strict=True)]
    return number, joined(rows, list(systems))


def chunks(tasks: Sequence[Task], sizes: Mapping[str, int], how: Mapping[str, Any], n_jobs: int | None) -> Iterator[tuple[int, xr.Dataset]]:
    """Solve chunks and yield each as it is done.

    Raises
    ------
    InputError
        Where more than one process is asked for and joblib is not installed.
    """
    if jobs(n_jobs) == 1:
        yield from (solve_chunk(task, sizes, how) for task in tasks)
        return
    import joblib

    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)
    yield from parallel(joblib.delayed(_unpacked)(_packed(task), dict(sizes), _packed(how)) for task in tasks)


def jobs(n_jobs: int | None) -> int:
    """Processes to use: one that is not said is that of ``joblib.parallel_config``, or one."""
    if importlib.util.find_spec("joblib") is None:
        if n_jobs in (None, 1):
            return 1
        raise InputError("n_jobs", n_jobs, "needs joblib", "pip install 'sojourn[study]', or leave n_jobs out")
    import joblib

    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0):
        raise InputError("n_jobs", n_jobs, "is not a number of processes", "give a whole number, or -1 for every core")
    return int(joblib.effective_n_jobs(n_jobs))


def _packed(what: Any) -> bytes:
    """Pickle for a process that need not have the user's modules: what is written in a notebook, a script or a file is sent along."""
    import cloudpickle

    for module in _not_installed(what):
        cloudpickle.register_pickle_by_value(module)
    packed: bytes = cloudpickle.dumps(what)
    return packed


def _unpacked(task: bytes, sizes: Mapping[str, int], how: bytes) -> tuple[int, xr.Dataset]:
    """Solve what was packed, in a worker."""
    import pickle

    return solve_chunk(pickle.loads(task), sizes, pickle.loads(how))  # noqa: S301


def _not_installed(what: Any) -> list[Any]:
    """Modules of the systems' latencies that another process cannot import by their names."""
    systems = what[1].values() if isinstance(what, tuple) else ()
    banks = [b for s in systems if isinstance(s, ParallelServers) for b in (s.bank, *getattr(s.bank, "banks", ()))]
    names = {kind.__module__ for b in banks for kind in type(b).__mro__ if kind.__module__ != "__main__"}
    return [module for n in names if (module := sys.modules.get(n)) is not None and not _installed(module)]


def _installed(module: Any) -> bool:
    """Whether a module comes with Python or with a package, which a worker has too."""
    places = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    file = getattr(module, "__file__", None)
    if module.__name__.partition(".")[0] == "sojourn" or module.__name__ in sys.builtin_module_names:
        return True
    return file is not None and any(Path(file).is_relative_to(place) for place in places)
