"""Many systems, each with its loads: the question is checked, chunks are worked on and kept, and all rows come back as one table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy.typing as npt
import xarray as xr

from ...core.curve import by_role, warn
from ...core.progress import said_to_work, track
from ...core.system import System
from .folder import Folder
from .question import HalfwayError, Question, ask
from .rows import joined
from .workers import check_sendable, others_work, solved


class StudyInterruptedError(KeyboardInterrupt):
    """The user stopped a study; `dataset` holds the systems that were done."""

    def __init__(self, message: str, dataset: xr.Dataset) -> None:
        super().__init__(message)
        self.dataset = dataset


class StudyStoppedError(RuntimeError):
    """Something other than a system failed, such as a worker or a disk; `dataset` holds the systems that were done."""

    def __init__(self, message: str, dataset: xr.Dataset) -> None:
        super().__init__(message)
        self.dataset = dataset


@said_to_work
def study(
    systems: Iterable[System] | Mapping[Any, System],
    loads: npt.ArrayLike,
    *,
    relative: bool = False,
    n_jobs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    chunk: int | None = None,
    **how: Any,
) -> xr.Dataset:
    """Solve many systems at many loads, each as its own `curve` does.

    Parameters
    ----------
    systems : sequence, or mapping from names, of `ParallelServers`, `MultiMode` (`DualMode`), `TunableMode` or a kind that others added
        S of one kind and unit of time, of any sizes.
    loads : array_like, shape (K,) or (S, K)
        Of every system, or a row for each.
    relative : bool, default False
        Whether loads are parts of each system's ``max_load``.
    n_jobs : int, optional
        Processes; -1 for all cores, 1 for this one alone. By default what ``joblib.parallel_config`` says, so that a cluster is one line around
        the call, and 1 without it. More than 1 needs the extra ``study``, Dask the extra ``cluster``. Answers do not depend on it.
    out : path, optional
        Folder that keeps each chunk of systems as it is done. The same call goes on where it stopped, killed or not; at the end all is in
        ``out/study.nc``, and `load_study` reads what is there before. One run at a time in one folder.
    chunk : int, optional
        Systems that are solved before they are written; by default 16, fewer where there were too few chunks to share out.
    **how
        Options of the curves, such as ``which`` ("optimum" or "equilibrium"), ``solver``, ``gap``; or ``p`` of modes.

    Returns
    -------
    xarray.Dataset
        The variables of the curves over ``system``, ``point`` and ``server`` (or ``stage`` and ``mode``), NaN where a system has fewer; the
        loads are ``load``, over system and point, and the names ``server_name``, over system and server.
        What a curve has as attributes (``total_rate``, thresholds, ...) are variables over system. ``error`` is what a system failed with, and
        "" where it did not: its rows are NaN, with infinite gaps, not certified. ``warning`` is what its curve warned of. Where all systems
        failed, none of the curves' variables is there.

    Raises
    ------
    InputError, TypeError
        Before anything starts: on no systems, two kinds or units, loads of another shape, options that there are not, workers without joblib,
        a system that cannot be sent to a worker, or a folder that holds another study.
    StudyInterruptedError
        On Ctrl-C, with what was done.
    StudyStoppedError
        When a worker dies, a disk is full, ..., with what was done.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers, study
    >>> systems = {"near": ParallelServers(MM1([3.0, 2.0])), "far": ParallelServers(MM1([3.0, 2.0, 4.0], delay=[0.0, 0.0, 0.5]))}
    >>> data = study(systems, [0.2, 0.8], relative=True)
    >>> data["price_of_anarchy"].sel(system="far").values.round(4)
    array([1.0622, 1.0075])
    >>> data["optimum_flow"].sizes
    Frozen({'system': 2, 'point': 2, 'server': 3})
    """
    question, by_others = ask(systems, loads, how, relative=relative, chunk=chunk), others_work(n_jobs)
    if by_others:
        check_sendable(question)
    folder = Folder.begun(out, question)
    done = folder.done()
    left = [chunk for chunk in question.chunks() if chunk.index not in done]
    count = sum(len(chunk.names) for chunk in left)
    try:
        with closing(solved(left, n_jobs, by_others=by_others)) as results:
            for index, rows in track(results, "systems", weigh=lambda found: found[1].sizes["system"], total=count):
                done[index] = rows
                folder.keep(index, rows)
        data = _rows(done)
        folder.finish(data)
    except KeyboardInterrupt as stop:
        half = list(stop.args) if isinstance(stop, HalfwayError) else []
        raise StudyInterruptedError(*_left(question, done, half, folder, "")) from None
    except Exception as error:
        why = f" by {type(error).__name__}: {error}".splitlines()[0]
        raise StudyStoppedError(*_left(question, done, [], folder, why)) from error
    _warn(data)
    return data


def _rows(done: Mapping[int, xr.Dataset]) -> xr.Dataset:
    return joined([done[index] for index in sorted(done)])


def _left(question: Question, done: Mapping[int, xr.Dataset], half: Sequence[xr.Dataset], folder: Folder, why: str) -> tuple[str, xr.Dataset]:
    """What to say of a study that stopped, and what it leaves."""
    data = joined([_rows(done), *half])
    where = f"the same call goes on from {folder.path}" if folder.path else "out=folder would keep it"
    return f"stopped{why} after {data.sizes['system']} of {len(question.names)} systems; they are in .dataset, and {where}", data


def _warn(data: xr.Dataset) -> None:
    """Say once what went wrong for some."""
    failed = data["error"].values != ""
    said: list[str] = []
    if failed.any():
        first = int(failed.argmax())
        name, error = data["system"].values.tolist()[first], data["error"].values[first]
        said.append(f"{failed.sum()} of {failed.size} systems failed, the first of them {name!r} with {error} (all in error)")
    certified = by_role(data, "certified")
    missed = sum(int((~data[name].values[~failed]).sum()) for name in certified)
    if missed:
        of = sum(data[name].values[~failed].size for name in certified)
        said.append(f"{missed} of {of} answers are not certified (see {' and '.join(certified)})")
    warned = int((data["warning"].values != "").sum())
    if warned:
        said.append(f"{warned} curves came with warnings (in warning)")
    if said:
        warn("; ".join(said))
