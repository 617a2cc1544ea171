"""Folder of a study.

``study.json`` describes the study, ``chunks/`` holds its solved chunks, ``study.nc`` all systems.
The format is NetCDF, as for curves: SciPy writes it without a further dependency, a chunk is one
file that `os.replace` makes complete or absent, and xarray opens it in one line. Zarr and Parquet
would be further dependencies, and Parquet has no dimensions.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import xarray as xr

from ....reference.errors import InputError
from ...core.progress import reports_progress, track
from ...core.warn import warn
from .files import CHUNKS, as_folder, has_file, os_errors_as_input, read_file, write_atomic
from .lock import LOCK, lock, process_name
from .manifest import MANIFEST, Manifest, difference, manifest_of, read_manifest
from .rows import Rows, concatenate, schema
from .spec import StudySpec

WHOLE_STUDY = "study.nc"
LARGEST = 2**31 - 1  # bytes of a variable that SciPy's NetCDF writer takes
DIGEST_LENGTH = 16  # hexadecimal digits
REQUIRED_VARIABLES = {"system", "load", "error", "warning"}


class StudyStore:
    """Folder of a study, or nothing where the study is not saved.

    As a context manager it closes the lock of the folder at the end.

    Parameters
    ----------
    path : path or None
    manifest : mapping
        Result of `manifest_of`.
    field : str
        Name of the argument that gave the path, for messages.
    lock : file, optional
        Result of `lock`.

    Attributes
    ----------
    damaged : dict of int to str
        From the place of a chunk whose file cannot be used to the reason.
    """

    def __init__(
        self, path: Path | None, manifest: Manifest, field: str = "out", lock: IO[str] | None = None
    ) -> None:
        self.path, self._manifest, self._field, self._lock = path, manifest, field, lock
        self.damaged: dict[int, str] = {}
        self._files: dict[int, list[Path]] = {}  # by place; the last file is the one to keep
        self._unwritten: dict[Path, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    @classmethod
    def open(
        cls, out: str | os.PathLike[str] | None, spec: StudySpec, version: str | None
    ) -> StudyStore:
        """Return the locked folder of a study, new or begun before.

        Raises
        ------
        InputError
            Where the folder holds another study or other files, or cannot be used.
        """
        manifest = manifest_of(spec, version)
        if out is None:
            return cls(None, manifest)
        path = as_folder("out", out)
        with os_errors_as_input("out", path):
            if not has_file(path, MANIFEST) and _has_visible_files(path):
                problem = f"holds files but no {MANIFEST} of a study"
                raise InputError("out", str(out), problem, "give a new folder")
            path.mkdir(parents=True, exist_ok=True)
            store = cls(path, manifest, lock=lock(path))
            try:
                store._begin(path)
            except BaseException:
                store.__exit__()
                raise
        return store

    def _begin(self, path: Path) -> None:
        """Write the description of a new study, or compare it with that of the one begun."""
        if not has_file(path, MANIFEST):
            write_atomic(path / MANIFEST, json.dumps(self._manifest, indent=1).encode())
        elif differs := difference(read_manifest("out", path), self._manifest):
            remedy = "give what it was begun with, or another folder"
            raise InputError("out", str(path), f"holds a study {differs}", remedy)
        if not has_file(path, CHUNKS):
            (path / CHUNKS).mkdir()
        has_file(path, WHOLE_STUDY)

    @property
    def for_workers(self) -> WorkerStore | None:
        """The folder as workers write to it; None where the study is not saved."""
        if self.path is None or self._lock is None:
            return None
        return WorkerStore(self.path.absolute(), process_name())

    def read_chunks(self) -> dict[int, xr.Dataset]:
        """Return the valid chunks by their places; the name of a file holds its digest."""
        chunks: dict[int, xr.Dataset] = {}
        schemas: dict[str, Any] = {}
        size = self._manifest["chunk"]
        for index, digest, file in track(self._chunk_files(), "chunks read"):
            content = read_file(self._field, file.parents[1], f"{CHUNKS}/{file.name}")
            names = self._manifest["names"][index * size :][:size]
            try:
                rows = _decode(content, digest, names, schemas)
            except Exception as error:  # a damaged file may raise anything in its reader
                self.damaged[index] = str(error) or type(error).__name__
                self._files.setdefault(index, []).insert(0, file)
            else:
                chunks[index] = rows
                self._files.setdefault(index, []).append(file)
        self.damaged = {
            index: reason for index, reason in self.damaged.items() if index not in chunks
        }
        return chunks

    def _chunk_files(self) -> list[tuple[int, str, Path]]:
        """Place, digest and path of each chunk's file, the newest of one place last.

        A kill between writing a chunk anew and removing its old file leaves two.
        """
        if self.path is None or not has_file(self.path, CHUNKS, self._field):
            return []
        with os_errors_as_input(self._field, self.path):
            named = [(p.name.partition("-"), p) for p in (self.path / CHUNKS).glob("*-*.nc")]
            files = [
                (int(index), rest.removesuffix(".nc"), p)
                for (index, _, rest), p in named
                if index.isdecimal()
            ]
            return sorted(files, key=lambda file: (file[0], file[2].lstat().st_mtime_ns, file[1]))

    def write_chunk(self, index: int, rows: Rows) -> None:
        """Write a chunk; one that cannot be written, as on a full disk, is tried again at the end.

        The study goes on in any case.
        """
        if self.path is None:
            return
        file, content = _encode(self.path, index, rows)
        files = self._files.setdefault(index, [])
        try:
            if file in files or not file.exists():  # a worker may have written it already
                write_atomic(file, content)
        except OSError as error:
            if not self._unwritten:
                reason = error.strerror or error
                warn(f"cannot write to {self.path}: {reason}; it is tried again at the end")
            self._unwritten[file] = content
        files.append(file)

    def finish(self, data: xr.Dataset) -> None:
        """Write the chunks that could not be written before, and all systems as one file.

        Old files of chunks that were written anew are removed; the other chunks stay.
        """
        if self.path is None:
            return
        files = dict(self._unwritten)
        if max(variable.nbytes for variable in data.variables.values()) <= LARGEST:
            files[self.path / WHOLE_STUDY] = bytes(data.to_netcdf(engine="scipy"))
        else:
            reason = "a variable is larger than the 2 GiB that SciPy writes"
            remedy = f"load_study({str(self.path)!r}) reads the chunks"
            warn(f"{WHOLE_STUDY} is not written: {reason}; {remedy}")
        try:
            for path, content in files.items():
                write_atomic(path, content)
            for *others, last in self._files.values():
                for path in {*others} - {last}:
                    path.unlink(missing_ok=True)
        except OSError as error:
            result = "what is not there is only in what is returned"
            warn(f"cannot write to {self.path}: {error.strerror or error}; {result}")


def stored_chunk_size(out: str | os.PathLike[str]) -> int | None:
    """Return the number of systems in a chunk of the study in a folder; None without a study."""
    path = as_folder("out", out)
    if not has_file(path, MANIFEST):
        return None
    size: int = read_manifest("out", path)["chunk"]
    return size


@dataclass(frozen=True)
class WorkerStore:
    """Folder of a study as another process writes to it.

    The path is the same folder for a worker where the lock there names the same holder.
    """

    path: Path
    holder: str

    def write_chunk(self, index: int, rows: Rows) -> None:
        """Write a chunk if possible; the process that holds the lock writes what is missing."""
        with suppress(OSError):
            if (self.path / LOCK).read_text(encoding="utf-8") == self.holder:
                write_atomic(*_encode(self.path, index, rows))


@reports_progress
def load_study(folder: str | os.PathLike[str]) -> xr.Dataset:
    """Read the solved systems of a study, also while it runs or after it was killed.

    Parameters
    ----------
    folder : path
        Folder that was given to `study` as ``out``.

    Returns
    -------
    xarray.Dataset
        Variables as of `study`, for the systems that are solved. The attributes ``systems`` and
        ``systems_done`` are the number of all and of the solved systems.

    Raises
    ------
    InputError
        On a folder without a study, or with a file that cannot be read.

    Warns
    -----
    UserWarning
        Names the chunks that are damaged and left out; the next call of `study` solves their
        systems again.

    Examples
    --------
    >>> import tempfile
    >>> from sojourn.models import MM1, ParallelServers, study
    >>> systems = [ParallelServers(MM1([3.0, 2.0])), ParallelServers(MM1([5.0, 1.0]))]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = study(systems, [1.0, 4.0], out=folder)
    ...     data = load_study(folder)
    >>> data.sizes["system"], data.attrs["systems"], data.attrs["systems_done"]
    (2, 2, 2)
    """
    path = as_folder("folder", folder)
    if not has_file(path, MANIFEST, "folder"):
        remedy = "give the folder that a study was given as out="
        raise InputError("folder", str(folder), f"has no {MANIFEST}", remedy)
    manifest = read_manifest("folder", path)
    store = StudyStore(path, manifest, "folder")
    chunks = store.read_chunks()
    if store.damaged:
        damaged = (f"number {index} {reason}" for index, reason in sorted(store.damaged.items()))
        warn(f"{len(store.damaged)} chunks in {path} are left out: {'; '.join(damaged)}")
    data = concatenate([chunks[index] for index in sorted(chunks)])
    return data.assign_attrs(systems=len(manifest["names"]), systems_done=data.sizes["system"])


def _has_visible_files(path: Path) -> bool:
    return path.exists() and not all(file.name.startswith(".") for file in path.iterdir())


def _encode(path: Path, index: int, rows: Rows) -> tuple[Path, bytes]:
    """File of a chunk, and its content."""
    content = bytes(rows.dataset().to_netcdf(engine="scipy"))
    return path / CHUNKS / f"{index:06d}-{_digest(content)}.nc", content


def _decode(
    content: bytes, digest: str, names: Sequence[str], schemas: dict[str, Any]
) -> xr.Dataset:
    """Return the rows in a chunk's file; ValueError where they cannot belong to the study.

    The content must have the digest of the file's name, hold the systems of these names, and have
    the variables of the chunks read before, whose schemas are collected in `schemas`.
    """
    if _digest(content) != digest:
        raise ValueError("is damaged")
    rows = xr.load_dataset(io.BytesIO(content), engine="scipy")
    if not REQUIRED_VARIABLES.issubset(rows.variables):
        raise ValueError("is no chunk of a study")
    if rows["system"].values.tolist() != names:
        raise ValueError("is of other systems")
    own = schema(rows)
    for name, (dims, kind) in own.items():
        if dims[:1] != ("system",) or schemas.get(name, (dims, kind)) != (dims, kind):
            raise ValueError("has other variables than the rest")
    schemas |= own
    return rows


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
