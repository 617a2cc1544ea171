"""Execution of chunks in this process or by joblib's workers, which may be a cluster."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence

from ....reference.errors import InputError
from ....reference.validation import as_integer
from ...core.progress import track
from .rows import Rows
from .spec import Chunk, StudySpec
from .store import WorkerStore

SolvedChunk = tuple[int, Rows]
"""Place of a chunk, and its rows."""
CHUNKS_PER_WORKER = 2
"""Chunks sent together to a backend that returns its results only when all are solved."""


def uses_workers(n_jobs: int | None) -> bool:
    """Return whether processes other than this one are to solve chunks.

    Raises
    ------
    InputError
        On an `n_jobs` that is no number of workers, or where joblib is needed and missing.
    """
    if n_jobs is not None:
        n_jobs = as_integer("n_jobs", n_jobs, "a number of workers", -sys.maxsize)
    if n_jobs == 0:
        remedy = "give -1 for all cores, or leave it out"
        raise InputError("n_jobs", n_jobs, "is not a number of workers", remedy)
    if n_jobs == 1:
        return False
    try:
        import cloudpickle  # noqa: F401
        from joblib import effective_n_jobs
        from joblib.parallel import get_active_backend
    except ImportError:
        if n_jobs is None:
            return False
        remedy = "pip install 'sojourn[study]', or leave it at 1"
        raise InputError("n_jobs", n_jobs, "needs joblib", remedy) from None
    # a cluster with one core is another process too
    is_cluster = type(get_active_backend()[0]).__module__ != "joblib._parallel_backends"
    return bool(effective_n_jobs(n_jobs) > 1 or is_cluster)


def check_serialisable(spec: StudySpec) -> None:
    """Raise InputError on a system, or options, that cannot be sent to another process."""
    from .serialise import serialise

    systems = zip(spec.names, spec.systems, strict=True)
    named = {f"systems[{name!r}]": system for name, system in systems}
    values = [("options", dict(spec.options)), *named.items()]
    for field, value in track(values, "systems checked"):
        try:
            serialise(value)
        except Exception as error:  # pickling runs the code of users' classes
            problem = f"cannot be sent to another process: {type(error).__name__}: {error}"
            remedy = "make it of numbers, arrays and functions, or use n_jobs=1"
            raise InputError(field, value, problem, remedy) from error


def iter_chunks(
    chunks: Sequence[Chunk], n_jobs: int | None, store: WorkerStore | None, *, use_workers: bool
) -> Generator[SolvedChunk, None, None]:
    """Yield the place and the rows of each chunk, in the order in which they are solved."""
    if use_workers:
        return _iter_by_workers(chunks, n_jobs, store)
    return ((chunk.index, chunk.solve()) for chunk in chunks)


def _iter_by_workers(
    chunks: Sequence[Chunk], n_jobs: int | None, store: WorkerStore | None
) -> Generator[SolvedChunk, None, None]:
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.parallel import get_active_backend

    from .serialise import serialise

    # Ray, and the pools of Python's own multiprocessing, cannot return results one by one
    streams = get_active_backend()[0].supports_return_generator
    batch = max(len(chunks), 1) if streams else CHUNKS_PER_WORKER * effective_n_jobs(n_jobs)
    order = "generator_unordered" if streams else "list"
    parallel = Parallel(n_jobs=n_jobs, batch_size=1, return_as=order)
    for start in range(0, len(chunks), batch):
        # a generator: each chunk is serialised only when joblib takes it
        yield from parallel(
            delayed(_solve_in_worker)(serialise(chunk), store)
            for chunk in chunks[start : start + batch]
        )


def _solve_in_worker(data: bytes, store: WorkerStore | None) -> SolvedChunk:
    """Solve a chunk in a worker, and write it where the worker sees the study's folder.

    The chunk then survives the death of another worker, which ends the whole joblib call.
    """
    from .serialise import deserialise

    chunk: Chunk = deserialise(data)
    rows = chunk.solve()
    if store is not None:
        store.write_chunk(chunk.index, rows)
    return chunk.index, rows
