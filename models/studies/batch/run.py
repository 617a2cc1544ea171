"""The function `study`: curves of many systems, solved in chunks and joined into one dataset."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import InputError
from ....reference.pickling import as_raised
from ...core.progress import reports_progress, track
from ...core.signatures import show_solve_options
from ...core.system import System
from ...core.variables import by_role
from ...core.warn import warn
from .check_stored import check_stored
from .executor import check_serialisable, iter_chunks, uses_workers
from .rows import Rows, stack
from .spec import Chunk, PartialChunkError, StudySpec, make_spec
from .store import StudyStore, stored_chunk_size

MAX_NAMED_CHUNKS = 5  # in a message


class StudyInterruptedError(KeyboardInterrupt):
    """A study that was stopped by Ctrl-C; `dataset` holds the systems that were solved."""

    def __init__(self, message: str, dataset: xr.Dataset) -> None:
        super().__init__(message)
        self.dataset = dataset

    __reduce__ = as_raised


class StudyStoppedError(RuntimeError):
    """A study that was stopped by a failure outside its systems, such as that of a worker.

    `dataset` holds the systems that were solved.
    """

    def __init__(self, message: str, dataset: xr.Dataset) -> None:
        super().__init__(message)
        self.dataset = dataset

    __reduce__ = as_raised


@reports_progress
@show_solve_options
def study(
    systems: Iterable[System] | Mapping[Any, System],
    loads: npt.ArrayLike,
    *,
    relative: bool = False,
    n_jobs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    chunk: int | None = None,
    version: str | None = None,
    **options: Any,
) -> xr.Dataset:
    """Solve many systems at many loads, each by its ``curve`` method.

    Parameters
    ----------
    systems : sequence of System, or mapping from names to System
        S systems of one kind (`ParallelServers`; `Groups`, `Routes` and `Network`; `MultiMode` and
        `DualMode`; `TunableMode`; or a registered kind) and of one unit of time; their sizes may
        differ.
    loads : array_like, shape (K,) or (S, K)
        Loads of all systems, or a row for each system; jobs per unit of time.
    relative : bool, default False
        Whether the loads are fractions of each system's ``max_load``.
    n_jobs : int, optional
        Number of processes; -1 for all cores, 1 for this process alone. By default the number of
        the enclosing ``joblib.parallel_config``, so that a cluster is one line around the call,
        and 1 without one. More than 1 needs the extra ``study``, Dask the extra ``cluster``.
        Answers do not depend on it.
    out : path, optional
        Folder that keeps each chunk of systems when it is solved. The same call resumes a study
        that was stopped or killed. At the end ``out/study.nc`` holds all systems; `load_study`
        reads the solved ones before that. The folder is locked: one process works there at a time.
    chunk : int, optional
        Systems that are solved together before they are written. By default those of a study that
        goes on; else as many as have 1,000 loads in all, at least 16, and fewer where there would
        be fewer than 32 chunks. Answers do not depend on it.
    version : str, optional
        Any text that names the code and data behind the answers. A study goes on only under the
        version it was begun with.
    **options
        Options of the curves, such as ``which`` ("optimum" or "equilibrium"), ``solver``, ``gap``,
        or for service modes ``p``.

    Returns
    -------
    xarray.Dataset
        The variables of the curves over ``system``, ``point`` and ``server`` (``station``,
        ``group`` and ``route``, or ``stage`` and ``mode``), NaN where a system has fewer. ``load``
        over system and point holds the loads, ``server_name`` over system and server the names.
        Numeric attributes of a curve (``total_rate``, thresholds, ...) are variables over system.

        - ``reason`` over system and point: why a load cannot be carried, and its answers are NaN;
          "" where it can. At a load of 0 the answers are the limit as the load tends to 0.
        - ``error`` over system: the exception of a system whose curve failed; "" elsewhere. The
          rows of such a system are NaN, its gaps infinite, and it is not certified. Where all
          systems failed, the variables of the curves are missing.
        - ``warning`` over system: the warnings of its curve.

    Raises
    ------
    InputError, LoadError, TypeError
        Before any solver starts: on an empty list of systems, two kinds or units, loads of a wrong
        shape, unknown options, workers without joblib, a system that cannot be sent to a worker,
        and a folder that holds another study, is locked by another process, or cannot be used.
    StudyInterruptedError
        On Ctrl-C, with the systems that were solved.
    StudyStoppedError
        When a worker dies or another failure outside the systems ends the study, with the systems
        that were solved.

    Notes
    -----
    Systems of a chunk that differ in their numbers alone, such as M/M/1 servers of equal count, are
    solved together: one compiled program serves them all. A failure or a warning stays that of its
    system. A system with a ``curve`` method of its own is solved by that method.

    Before a study goes on, the delays and certificates of the stored systems are computed anew
    from the stored flows or decisions, without a solver. Systems are solved again whose answers
    differ from those of today's code, data and systems, that failed, or whose file is damaged; one
    warning states how many and why. Where the questions of a registered kind cannot recall stored
    answers, the first system of a chunk is solved again, and its result decides for the chunk.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers, study
    >>> near = ParallelServers(MM1([3.0, 2.0]))
    >>> far = ParallelServers(MM1([3.0, 2.0, 4.0], delay=[0.0, 0.0, 0.5]))
    >>> data = study({"near": near, "far": far}, [0.2, 0.8], relative=True)
    >>> data["price_of_anarchy"].sel(system="far").values.round(4)
    array([1.0622, 1.0075])
    >>> data["optimum_flow"].sizes
    Frozen({'system': 2, 'point': 2, 'server': 3})
    """
    spec = make_spec(systems, loads, options, relative=relative, chunk=chunk)
    use_workers = uses_workers(n_jobs)
    if version is not None and not isinstance(version, str):
        raise InputError("version", version, "is not a text", "give any text, or leave it out")
    if chunk is None and out is not None and (size := stored_chunk_size(out)) is not None:
        spec = replace(spec, chunk_size=size)
    if use_workers:
        check_serialisable(spec)
    done: dict[int, Rows] = {}
    with StudyStore.open(out, spec, version) as store:
        try:
            chunks = _chunks_to_solve(spec, store, done)
            count = sum(len(chunk.names) for chunk in chunks)
            solved = iter_chunks(chunks, n_jobs, store.for_workers, use_workers=use_workers)
            with closing(solved) as results:
                for index, rows in track(
                    results, "systems", weigh=lambda item: item[1].size, total=count
                ):
                    done[index] = rows
                    store.write_chunk(index, rows)
            data = _in_order(done).dataset()
            store.finish(data)
        except KeyboardInterrupt as interrupt:
            partial = list(interrupt.args) if isinstance(interrupt, PartialChunkError) else []
            raise StudyInterruptedError(*_stopped(spec, done, partial, store, "")) from None
        except InputError:  # a file in the folder that cannot be used, found before any solve
            raise
        except Exception as error:
            cause = f" by {type(error).__name__}: {error}".splitlines()[0]
            raise StudyStoppedError(*_stopped(spec, done, [], store, cause)) from error
    _warn_of_problems(data)
    return data


def _chunks_to_solve(spec: StudySpec, store: StudyStore, done: dict[int, Rows]) -> list[Chunk]:
    """Return the chunks with systems to solve, and put the valid stored rows into `done`.

    A warning states which stored systems are solved again, and why.
    """
    stored, to_solve = store.read_chunks(), list[Chunk]()
    chunks_by_reason: dict[str, list[int]] = {}
    for chunk in track(spec.chunks(), "chunks checked"):
        index = chunk.index
        if index in stored:
            done[index], reasons = check_stored(chunk, stored[index])
            if reasons:
                to_solve.append(replace(chunk, kept=done[index]))
        else:
            damage = f"whose chunk {store.damaged.get(index)}"
            reasons = dict.fromkeys(range(len(chunk.names)), damage)
            to_solve.append(chunk)
        if index in stored or index in store.damaged:
            for reason in reasons.values():
                chunks_by_reason.setdefault(reason, []).append(index)
    if chunks_by_reason:
        phrases = (
            f"{len(indices)} {reason} ({_named(dict.fromkeys(indices))})"
            for reason, indices in chunks_by_reason.items()
        )
        warn(f"systems in {store.path} are solved again: {', '.join(phrases)}")
    return to_solve


def _named(chunks: Iterable[int]) -> str:
    names = list(map(str, chunks))
    more = ", ..." * (len(names) > MAX_NAMED_CHUNKS)
    return f"chunk{'s' * (len(names) > 1)} {', '.join(names[:MAX_NAMED_CHUNKS])}{more}"


def _in_order(done: Mapping[int, Rows]) -> Rows:
    return stack([done[index] for index in sorted(done)])


def _stopped(
    spec: StudySpec,
    done: Mapping[int, Rows],
    partial: Sequence[Rows],
    store: StudyStore,
    cause: str,
) -> tuple[str, xr.Dataset]:
    """Message of a study that stopped, and the systems that were solved."""
    data = stack([_in_order(done), *partial]).dataset()
    remedy = (
        f"the same call goes on from {store.path}" if store.path else "out=folder would keep it"
    )
    count = f"{data.sizes['system']} of {len(spec.names)} systems"
    return f"stopped{cause} after {count}; they are in .dataset, and {remedy}", data


def _warn_of_problems(data: xr.Dataset) -> None:
    """Issue one warning about systems that failed and answers that are missing or uncertified."""
    problems: list[str] = []
    failed = data["error"].values != ""
    if failed.any():
        first = int(failed.argmax())
        name, error = data["system"].values.tolist()[first], data["error"].values[first]
        problems.append(
            f"{failed.sum()} of {failed.size} systems failed, "
            f"the first of them {name!r} with {error} (all in error)"
        )
    posed = np.repeat(~failed[:, None], data.sizes["point"], axis=1)
    carried = posed & (data["reason"].values == "") if "reason" in data.coords else posed
    if too_large := posed.sum() - carried.sum():
        problems.append(f"{too_large} of {posed.sum()} loads cannot be carried (see reason)")
    columns = by_role(data, "certified")
    certified = [data[name].values[carried] for name in columns]
    if missed := sum(int((~values).sum()) for values in certified):
        count = sum(values.size for values in certified)
        where = f"(see {' and '.join(columns)})"
        problems.append(f"{missed} of {count} answers are not certified {where}")
    if warned := int((data["warning"].values != "").sum()):
        problems.append(f"{warned} curves came with warnings (in warning)")
    if problems:
        warn("; ".join(problems))
