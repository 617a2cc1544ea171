"""Who works on the chunks: this process, or joblib's workers, which may be a cluster; each chunk comes back as soon as it is done."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence

import xarray as xr

from ....reference.errors import InputError
from ....reference.validation import as_integer
from ...core.progress import track
from .folder import Home
from .question import Chunk, Question

Done = tuple[int, xr.Dataset]
WAVES = 2  # chunks a worker that are sent at once where a backend gives back all or nothing


def others_work(n_jobs: int | None) -> bool:
    """Return whether others than this process are to work; InputError on a number that is none, or where joblib is missing."""
    if n_jobs is not None:
        n_jobs = as_integer("n_jobs", n_jobs, "a number of workers", -sys.maxsize)
    if n_jobs == 0:
        raise InputError(
            "n_jobs", n_jobs, "is not a number of workers", "give -1 for all cores, or leave it out"
        )
    if n_jobs == 1:
        return False
    try:
        import cloudpickle  # noqa: F401
        from joblib import effective_n_jobs
        from joblib.parallel import get_active_backend
    except ImportError:
        if n_jobs is None:
            return False
        raise InputError(
            "n_jobs", n_jobs, "needs joblib", "pip install 'sojourn[study]', or leave it at 1"
        ) from None
    # a cluster of one core is still elsewhere
    return bool(
        effective_n_jobs(n_jobs) > 1
        or type(get_active_backend()[0]).__module__ != "joblib._parallel_backends"
    )


def check_sendable(question: Question) -> None:
    """Raise InputError on a system, or options, that cannot leave this process."""
    from .sending import pack

    named = {
        f"systems[{name!r}]": system
        for name, system in zip(question.names, question.systems, strict=True)
    }
    for field, value in track(
        [("options", dict(question.options)), *named.items()], "systems checked"
    ):
        try:
            pack(value)
        except Exception as error:  # pickling is full of users' code
            problem = f"cannot be sent to another process: {type(error).__name__}: {error}"
            raise InputError(
                field, value, problem, "make it of numbers, arrays and functions, or use n_jobs=1"
            ) from error


def solved(
    chunks: Sequence[Chunk], n_jobs: int | None, home: Home | None, *, by_others: bool
) -> Generator[Done, None, None]:
    """Yield the place and the rows of each chunk, in the order in which they are done."""
    return (
        _by_others(chunks, n_jobs, home)
        if by_others
        else ((chunk.index, chunk.rows()) for chunk in chunks)
    )


def _by_others(
    chunks: Sequence[Chunk], n_jobs: int | None, home: Home | None
) -> Generator[Done, None, None]:
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.parallel import get_active_backend

    from .sending import pack

    at_once = get_active_backend()[
        0
    ].supports_return_generator  # not of Ray, and of Python's own pools
    width = max(len(chunks), 1) if at_once else WAVES * effective_n_jobs(n_jobs)
    work = Parallel(
        n_jobs=n_jobs, batch_size=1, return_as="generator_unordered" if at_once else "list"
    )
    for start in range(0, len(chunks), width):
        yield from work(
            delayed(_rows)(pack(chunk), home) for chunk in chunks[start : start + width]
        )  # packed when its turn comes


def _rows(sent: bytes, home: Home | None) -> Done:
    """Work on a chunk in another process; where it sees the study's folder it leaves the rows there, lest another's death loses them."""
    from .sending import unpack

    chunk: Chunk = unpack(sent)
    rows = chunk.rows()
    if home is not None:
        home.keep(chunk.index, rows)
    return chunk.index, rows
