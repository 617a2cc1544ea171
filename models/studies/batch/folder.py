"""A study on disk: ``study.json`` says of what, ``chunks/`` has what is done, and ``study.nc`` all of it once it is.

NetCDF, as the curves are saved: SciPy writes it, so nothing more is to be installed; a chunk is one file, which os.replace makes whole or
absent; xarray opens it in one line. Zarr and Parquet would be further dependencies, and Parquet has no dimensions.
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
from ...core.curve import warn
from ...core.progress import reports_progress, track
from .files import CHUNKS, content, folder_at, refused, there, write
from .lock import LOCK, holder, lock
from .manifest import MANIFEST, Manifest, described, difference, read
from .question import Question
from .rows import form, joined

WHOLE = "study.nc"
LARGEST = 2**31 - 1  # bytes
LETTERS = 16


class Folder:
    """Where a study is kept, if anywhere. As a context it is this process's alone.

    Parameters
    ----------
    path : path or None
    manifest : mapping
        What `described` returns.
    field : str
        What gave the path, in messages.
    lock : file, optional
        Closed at the end of the context.

    Attributes
    ----------
    damaged : dict
        Places of the chunks that are there but of no use, and why.
    """

    def __init__(
        self, path: Path | None, manifest: Manifest, field: str = "out", lock: IO[str] | None = None
    ) -> None:
        self.path, self._manifest, self._field, self._lock = path, manifest, field, lock
        self.damaged: dict[int, str] = {}
        self._files: dict[int, list[Path]] = {}  # of each place, the last one the one to keep
        self._waiting: dict[Path, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    @classmethod
    def begun(
        cls, out: str | os.PathLike[str] | None, question: Question, version: str | None
    ) -> Folder:
        """Return the folder of a question: a new one, or the one that holds what was done of it; InputError where it holds another."""
        manifest = described(question, version)
        if out is None:
            return cls(None, manifest)
        path = folder_at("out", out)
        with refused("out", path):
            if (
                not there(path, MANIFEST)
                and path.exists()
                and not all(p.name.startswith(".") for p in path.iterdir())
            ):
                raise InputError(
                    "out",
                    str(out),
                    f"holds files but no {MANIFEST} to say of which study",
                    "give a new folder",
                )
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path, manifest, lock=lock(path))
            try:
                if not there(path, MANIFEST):
                    write(path / MANIFEST, json.dumps(manifest, indent=1).encode())
                elif different := difference(read("out", path), manifest):
                    raise InputError(
                        "out",
                        str(path),
                        f"holds a study {different}",
                        "give what it was begun with, or another folder",
                    )
                if not there(path, CHUNKS):
                    (path / CHUNKS).mkdir()
                there(path, WHOLE)
            except BaseException:
                folder.__exit__()
                raise
        return folder

    @property
    def home(self) -> Home | None:
        """The folder as workers find it."""
        return (
            None
            if self.path is None or self._lock is None
            else Home(self.path.absolute(), holder())
        )

    def done(self) -> dict[int, xr.Dataset]:
        """Return the chunks that are there and whole, by their places: a file's name says what its contents must add up to."""
        found: dict[int, xr.Dataset] = {}
        forms: dict[str, Any] = {}
        for index, digest, file in track(self._chunks(), "chunks read"):
            held = content(self._field, file.parents[1], f"{CHUNKS}/{file.name}")
            names = self._manifest["names"][index * self._manifest["chunk"] :][
                : self._manifest["chunk"]
            ]
            try:
                rows = _rows(held, digest, names, forms)
            except Exception as error:  # whatever a file makes of those that read it
                self.damaged[index] = str(error) or type(error).__name__
                self._files.setdefault(index, []).insert(0, file)
            else:
                found[index] = rows
                self._files.setdefault(index, []).append(file)
        self.damaged = {index: why for index, why in self.damaged.items() if index not in found}
        return found

    def _chunks(self) -> list[tuple[int, str, Path]]:
        """Place, digest and path of the files of chunks; of two of one place the later one last, for a kill may leave the other."""
        if self.path is None or not there(self.path, CHUNKS, self._field):
            return []
        with refused(self._field, self.path):
            named = [(p.name.partition("-"), p) for p in (self.path / CHUNKS).glob("*-*.nc")]
            files = [
                (int(index), rest.removesuffix(".nc"), p)
                for (index, _, rest), p in named
                if index.isdecimal()
            ]
            return sorted(files, key=lambda file: (file[0], file[2].lstat().st_mtime_ns, file[1]))

    def keep(self, index: int, rows: xr.Dataset) -> None:
        """Write a chunk; one that cannot be, as on a full disk, is tried again at the end, and the study goes on."""
        if self.path is None:
            return
        file, held = _packed(self.path, index, rows)
        files = self._files.setdefault(index, [])
        try:
            if file in files or not file.exists():  # else a worker has written it
                write(file, held)
        except OSError as error:
            if not self._waiting:
                warn(
                    f"cannot write to {self.path}: {error.strerror or error}; it is tried again at the end"
                )
            self._waiting[file] = held
        files.append(file)

    def finish(self, data: xr.Dataset) -> None:
        """Write what is still to be written, and all as one file where SciPy can; the chunks stay in any case."""
        if self.path is None:
            return
        files = dict(self._waiting)
        if max(variable.nbytes for variable in data.variables.values()) <= LARGEST:
            files[self.path / WHOLE] = bytes(data.to_netcdf(engine="scipy"))
        else:
            problem = (
                f"{WHOLE} is not written: a variable is larger than the 2 GiB that SciPy writes"
            )
            warn(f"{problem}; load_study({str(self.path)!r}) reads the chunks")
        try:
            for path, held in files.items():
                write(path, held)
            for *others, last in self._files.values():
                for path in {*others} - {last}:
                    path.unlink(missing_ok=True)
        except OSError as error:
            warn(
                f"cannot write to {self.path}: {error.strerror or error}; what is not there is only in what is returned"
            )


@dataclass(frozen=True)
class Home:
    """A study's folder as other processes may see it: theirs is the same where its lock names the same holder."""

    path: Path
    holder: str

    def keep(self, index: int, rows: xr.Dataset) -> None:
        """Write a chunk, if that can be: the process that has the lock writes what is not there."""
        with suppress(OSError):
            if (self.path / LOCK).read_text(encoding="utf-8") == self.holder:
                write(*_packed(self.path, index, rows))


@reports_progress
def load_study(folder: str | os.PathLike[str]) -> xr.Dataset:
    """Read what is there of a study, also while it runs or after it was killed.

    Parameters
    ----------
    folder : path
        What `study` was given as `out`.

    Returns
    -------
    xarray.Dataset
        As of `study`, of the systems that are done. Attributes ``systems`` and ``systems_done`` are their numbers.
        A warning names the chunks that are damaged; `study` solves their systems again.

    Raises
    ------
    InputError
        On a folder without a study, or with something in it that cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from sojourn.models import MM1, ParallelServers, study
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = study([ParallelServers(MM1([3.0, 2.0])), ParallelServers(MM1([5.0, 1.0]))], [1.0, 4.0], out=folder)
    ...     data = load_study(folder)
    >>> data.sizes["system"], data.attrs["systems"], data.attrs["systems_done"]
    (2, 2, 2)
    """
    path = folder_at("folder", folder)
    if not there(path, MANIFEST, "folder"):
        raise InputError(
            "folder",
            str(folder),
            f"has no {MANIFEST}",
            "give the folder that a study was given as out=",
        )
    manifest = read("folder", path)
    kept = Folder(path, manifest, "folder")
    done = kept.done()
    if kept.damaged:
        which = "; ".join(f"number {index} {why}" for index, why in sorted(kept.damaged.items()))
        warn(f"{len(kept.damaged)} chunks in {path} are left out: {which}")
    data = joined([done[i] for i in sorted(done)])
    return data.assign_attrs(systems=len(manifest["names"]), systems_done=data.sizes["system"])


def _packed(path: Path, index: int, rows: xr.Dataset) -> tuple[Path, bytes]:
    """File of a chunk, and what is in it."""
    held = bytes(rows.to_netcdf(engine="scipy"))
    return path / CHUNKS / f"{index:06d}-{_digest(held)}.nc", held


def _rows(held: bytes, digest: str, names: Sequence[str], forms: dict[str, Any]) -> xr.Dataset:
    """Return what the file of a chunk holds; ValueError where that is not what its name, the study or the other chunks say."""
    if _digest(held) != digest:
        raise ValueError("is damaged")
    rows = xr.load_dataset(io.BytesIO(held), engine="scipy")
    if not {"system", "load", "error", "warning"} <= {*rows.variables}:
        raise ValueError("is no chunk of a study")
    if rows["system"].values.tolist() != names:
        raise ValueError("is of other systems")
    own = form(rows)
    if any(one[0][:1] != ("system",) or forms.get(name, one) != one for name, one in own.items()):
        raise ValueError("has other variables than the rest")
    forms |= own
    return rows


def _digest(held: bytes) -> str:
    return hashlib.sha256(held).hexdigest()[:LETTERS]
