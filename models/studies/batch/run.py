"""Many systems, each with its loads: the question is checked, chunks are worked on and kept, and all rows come back as one table."""

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
from ...core.curve import by_role, warn
from ...core.progress import reports_progress, track
from ...core.signatures import show_solve_options
from ...core.system import System
from .check import check
from .folder import Folder
from .question import Chunk, HalfwayError, Question, ask
from .rows import joined
from .workers import check_sendable, others_work, solved

SHOWN = 5  # chunks that a message names


class StudyInterruptedError(KeyboardInterrupt):
    """The user stopped a study; `dataset` holds the systems that were done."""

    def __init__(self, message: str, dataset: xr.Dataset) -> None:
        super().__init__(message)
        self.dataset = dataset

    __reduce__ = as_raised


class StudyStoppedError(RuntimeError):
    """Something other than a system failed, such as a worker or a disk; `dataset` holds the systems that were done."""

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
        ``out/study.nc``, and `load_study` reads what is there before. One run at a time in one folder, which it locks. Before it goes on, the
        delays and certificates of what is there are computed anew from the flows or decisions, without a solver. Systems are solved again whose
        answers are not those of today's code, data and systems, that failed, or whose file is damaged, and one warning says how many and why.
        Where questions of a kind that others added recall no answers, the first system of a chunk is solved again and speaks for the rest.
    chunk : int, optional
        Systems that are solved before they are written; by default 16, fewer where there were too few chunks to share out.
    version : str, optional
        Any text, which must be the same for a study to go on: a name for what enters the answers where no delay shows it.
    **how
        Options of the curves, such as ``which`` ("optimum" or "equilibrium"), ``solver``, ``gap``; or ``p`` of modes.

    Returns
    -------
    xarray.Dataset
        The variables of the curves over ``system``, ``point`` and ``server`` (or ``stage`` and ``mode``), NaN where a system has fewer; the
        loads are ``load``, over system and point, and the names ``server_name``, over system and server.
        ``reason``, over system and point, is "" or why a load cannot be carried: its answers are NaN. At a load of 0 they are the limit.
        What a curve has as attributes (``total_rate``, thresholds, ...) are variables over system. ``error`` is what a system failed with, and
        "" where it did not: its rows are NaN, with infinite gaps, not certified. ``warning`` is what its curve warned of. Where all systems
        failed, none of the curves' variables is there.

    Raises
    ------
    InputError, TypeError
        Before anything starts: on no systems, two kinds or units, loads of another shape, options that there are not, workers without joblib,
        a system that cannot be sent to a worker, or a folder that holds another study, another process works in, or that cannot be used.
    StudyInterruptedError
        On Ctrl-C, with what was done.
    StudyStoppedError
        When a worker dies, ..., with what was done.

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
    question, by_others = (
        ask(systems, loads, options, relative=relative, chunk=chunk),
        others_work(n_jobs),
    )
    if version is not None and not isinstance(version, str):
        raise InputError("version", version, "is not a text", "give any text, or leave it out")
    if by_others:
        check_sendable(question)
    done: dict[int, xr.Dataset] = {}
    with Folder.begun(out, question, version) as folder:
        try:
            left = _to_solve(question, folder, done)
            count = sum(len(chunk.names) for chunk in left)
            with closing(solved(left, n_jobs, folder.home, by_others=by_others)) as results:
                for index, rows in track(
                    results, "systems", weigh=lambda found: found[1].sizes["system"], total=count
                ):
                    done[index] = rows
                    folder.keep(index, rows)
            data = _rows(done)
            folder.finish(data)
        except KeyboardInterrupt as stop:
            half = list(stop.args) if isinstance(stop, HalfwayError) else []
            raise StudyInterruptedError(*_left(question, done, half, folder, "")) from None
        except InputError:  # of a file in the folder, before anything starts
            raise
        except Exception as error:
            why = f" by {type(error).__name__}: {error}".splitlines()[0]
            raise StudyStoppedError(*_left(question, done, [], folder, why)) from error
    _warn(data)
    return data


def _to_solve(question: Question, folder: Folder, done: dict[int, xr.Dataset]) -> list[Chunk]:
    """Return the chunks with something left to solve, and warn of what was done before; put what is good of that into `done`."""
    stored, left, reasons = folder.done(), list[Chunk](), dict[str, list[int]]()
    for chunk in track(question.chunks(), "chunks checked"):
        if chunk.index in stored:
            done[chunk.index], again = check(chunk, stored[chunk.index])
            if again:
                left.append(replace(chunk, kept=done[chunk.index]))
        else:
            again = dict.fromkeys(
                range(len(chunk.names)), f"whose chunk {folder.damaged.get(chunk.index)}"
            )
            left.append(chunk)
        if chunk.index in stored or chunk.index in folder.damaged:
            for why in again.values():
                reasons.setdefault(why, []).append(chunk.index)
    if reasons:
        said = [
            f"{len(indices)} {why} ({_named(dict.fromkeys(indices))})"
            for why, indices in reasons.items()
        ]
        warn(f"systems in {folder.path} are solved again: {', '.join(said)}")
    return left


def _named(chunks: Iterable[int]) -> str:
    names = list(map(str, chunks))
    return (
        f"chunk{'s' * (len(names) > 1)} {', '.join(names[:SHOWN])}{', ...' * (len(names) > SHOWN)}"
    )


def _rows(done: Mapping[int, xr.Dataset]) -> xr.Dataset:
    return joined([done[index] for index in sorted(done)])


def _left(
    question: Question,
    done: Mapping[int, xr.Dataset],
    half: Sequence[xr.Dataset],
    folder: Folder,
    why: str,
) -> tuple[str, xr.Dataset]:
    """What to say of a study that stopped, and what it leaves."""
    data = joined([_rows(done), *half])
    where = (
        f"the same call goes on from {folder.path}" if folder.path else "out=folder would keep it"
    )
    return (
        f"stopped{why} after {data.sizes['system']} of {len(question.names)} systems; they are in .dataset, and {where}",
        data,
    )


def _warn(data: xr.Dataset) -> None:
    """Say once what went wrong for some."""
    failed = data["error"].values != ""
    said: list[str] = []
    if failed.any():
        first = int(failed.argmax())
        name, error = data["system"].values.tolist()[first], data["error"].values[first]
        said.append(
            f"{failed.sum()} of {failed.size} systems failed, the first of them {name!r} with {error} (all in error)"
        )
    asked = np.repeat(~failed[:, None], data.sizes["point"], axis=1)
    carried = asked & (data["reason"].values == "") if "reason" in data.coords else asked
    if over := asked.sum() - carried.sum():
        said.append(f"{over} of {asked.sum()} loads cannot be carried (see reason)")
    certified = by_role(data, "certified")
    missed = sum(int((~data[name].values[carried]).sum()) for name in certified)
    if missed:
        of = sum(data[name].values[carried].size for name in certified)
        said.append(f"{missed} of {of} answers are not certified (see {' and '.join(certified)})")
    warned = int((data["warning"].values != "").sum())
    if warned:
        said.append(f"{warned} curves came with warnings (in warning)")
    if said:
        warn("; ".join(said))
