"""`study`: the curves of many systems, resumed where they were left."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from sojourn.models.solving.chain import How, HowPolished, check_how
from sojourn.models.solving.solvers import solver_names
from sojourn.models.studies.curve import check_goals
from sojourn.models.studies.many.folder import Folder, fingerprint
from sojourn.models.studies.many.rows import System, largest, together, widths
from sojourn.models.studies.many.workers import Task, chunks, jobs
from sojourn.models.studies.progress import track
from sojourn.models.systems.dual_mode import MultiMode
from sojourn.models.systems.parallel import ParallelServers
from sojourn.reference.errors import Array, InputError, first_bad, numbers

CHUNK = 16  # systems solved before they are written


class StudyInterruptedError(KeyboardInterrupt):
    """The user stopped a study; `dataset` holds the systems that were done, None where there is none."""

    def __init__(self, dataset: xr.Dataset | None, total: int) -> None:
        super().__init__(f"stopped after {0 if dataset is None else dataset.sizes['system']} of {total} systems")
        self.dataset = dataset


def study(
    systems: Sequence[System] | Mapping[str, System],
    loads: npt.ArrayLike,
    *,
    relative: bool = False,
    n_jobs: int | None = None,
    out: str | Path | None = None,
    chunk: int = CHUNK,
    **how: Any,
) -> xr.Dataset:
    """Solve many systems at many loads.

    Parameters
    ----------
    systems : sequence, or mapping from name to system, of length S
        `ParallelServers`, of any numbers of servers; or `MultiMode` and `DualMode`.
    loads : array_like, shape (K,) or (S, K)
        The same for all systems, or a row for each.
    relative : bool
        Whether loads are parts of each system's total rate, or largest load.
    n_jobs : int, optional
        Processes, as joblib counts them: -1 for every core. By default what ``joblib.parallel_config`` says, such as a Dask or a Ray cluster,
        or one. The answers do not depend on it.
    out : path, optional
        Folder for the answers: every finished chunk is there as a NetCDF file, and ``study.nc`` at the end. A study that was stopped goes on
        where it was; see `load_study`.
    chunk : int
        Systems solved before they are written.
    **how
        As for the systems' own `curve`: ``which``, ``solver``, ``gap``, ...

    Returns
    -------
    xarray.Dataset
        The variables of the systems' curves over ``system``, ``point`` and ``server`` (or ``stage`` and ``mode``), NaN beyond a system's own;
        ``load`` over system and point; the names of the servers; what is one number a system, such as ``total_rate``; ``error``, the error in
        which a system ended (its answers are NaN), and ``warning``, both empty where there is none.

    Raises
    ------
    InputError, TypeError
        Before any system is solved: on something that is no system, loads of another shape, an option that there is not, or a folder that holds
        another study.
    StudyInterruptedError
        On Ctrl-C, with what was done.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers, study
    >>> data = study([ParallelServers(MM1([10.0, rate])) for rate in (1.0, 5.0, 9.0)], [0.3, 0.9], relative=True)
    >>> data.price_of_anarchy.values.round(4)
    array([[1.    , 1.3091],
           [1.0551, 1.0328],
           [1.0023, 1.0008]])
    """
    named = _named(systems)
    at = _loads(list(named.values()), loads, relative=relative)
    _check_options(list(named.values()), how)
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise InputError("chunk", chunk, "is not a number of systems", "give a whole number from 1 on")
    jobs(n_jobs)  # where it is wrong, now and not after the folder is made
    names, sizes = list(named), widths(list(named.values()))
    tasks: list[Task] = [
        (number, {n: named[n] for n in names[start : start + chunk]}, at[start : start + chunk])
        for number, start in enumerate(range(0, len(names), chunk))
    ]
    folder = None if out is None else Folder(Path(out), fingerprint(named, at, how, chunk))
    done = {} if folder is None else {t[0]: rows for t in tasks if (rows := folder.load(t[0], list(t[1]))) is not None}
    left = [task for task in tasks if task[0] not in done]
    try:
        for number, rows in track(chunks(left, sizes, how, n_jobs), "systems", lambda c: c[1].sizes["system"], sum(len(t[1]) for t in left)):
            done[number] = rows
            folder = _kept(folder, lambda f, n=number, r=rows: f.save(n, r))  # type: ignore[misc]
    except KeyboardInterrupt:
        raise StudyInterruptedError(together([done[n] for n in sorted(done)]) if done else None, len(names)) from None
    data = together([done[n] for n in sorted(done)])
    _kept(folder, lambda f: f.finish(data))
    _warn(data)
    return data


def _kept(folder: Folder | None, write: Callable[[Folder], None]) -> Folder | None:
    """Write to the folder, if there is one; where that fails, as on a full disk, go on without."""
    if folder is None:
        return None
    try:
        write(folder)
    except OSError as error:
        warnings.warn(f"cannot write to {folder.path}: {error.strerror or error}; what is not there is only in what is returned", stacklevel=3)
        return None
    return folder


def _named(systems: Sequence[System] | Mapping[str, System]) -> dict[str, System]:
    if isinstance(systems, Mapping):
        named = {str(name): system for name, system in systems.items()}
    elif isinstance(systems, Sequence):
        named = {f"system {i + 1}": system for i, system in enumerate(systems)}
    else:
        raise InputError("systems", systems, "is not a list of systems", "give a list, or a mapping from names to systems")
    if len(named) < len(systems):
        raise InputError("systems", list(systems), "has two systems of the same name", "give every system its own")
    if not named:
        raise InputError("systems", [], "there is nothing to solve", "give at least one system")
    for i, (name, system) in enumerate(named.items()):
        field = f"systems[{name!r}]" if isinstance(systems, Mapping) else f"systems[{i}]"
        if not isinstance(system, ParallelServers | MultiMode):
            raise InputError(field, system, "is not a system", "give ParallelServers, or DualMode and MultiMode")
        if isinstance(system, MultiMode) != isinstance(next(iter(named.values())), MultiMode):
            raise InputError(field, system, "is of another kind than the first", "study parallel servers and service modes apart")
    return named


def _loads(systems: Sequence[System], loads: npt.ArrayLike, *, relative: bool) -> Array:
    """Loads of each system, shape (S, K), in jobs per unit of time. What is wrong for one system alone is that system's error."""
    array = numbers("loads", loads)
    if array.ndim not in (1, 2) or array.size == 0 or (array.ndim == 2 and len(array) != len(systems)):
        remedy = f"give shape (K,) for all, or ({len(systems)}, K), a row a system"
        raise InputError("loads.shape", array.shape, "is not a list of loads, nor one for each system", remedy)
    if relative:
        remedy = "give numbers between 0 and 1, or relative=False"
        first_bad("loads", array, (array > 0) & (array < 1), "is not a part of the largest load", remedy)
        return np.array([largest(s) for s in systems])[:, None] * array
    first_bad("loads", array, np.isfinite(array) & (array > 0), "is not a load", "give finite numbers above 0")
    return np.array(np.broadcast_to(array, (len(systems), array.shape[-1])))


def _check_options(systems: Sequence[System], how: Mapping[str, Any]) -> None:
    two = isinstance(systems[0], MultiMode)
    rest = {k: v for k, v in how.items() if k != ("p" if two else "which")}
    check_how("study", rest, HowPolished if two else How)
    if not two:
        check_goals(how.get("which"))
    solver_names(how.get("solver"))


def _warn(data: xr.Dataset) -> None:
    """Say once what the dataset says of each system."""
    failed = int((data["error"] != "").sum())
    unsure = int(((data["warning"] != "") & (data["error"] == "")).sum())
    told = [f"{failed} failed, see error"] if failed else []
    told += [f"{unsure} have answers that are not certified or not sure, see warning"] if unsure else []
    if told:
        warnings.warn(f"of {data.sizes['system']} systems " + " and ".join(told), stacklevel=3)
