"""A study on disk: ``study.json`` says of what, ``chunks/`` has what is done, and ``study.nc`` all of it once it is.

NetCDF, as the curves are saved: SciPy writes it, so nothing more is to be installed; a chunk is one file, which os.replace makes whole or
absent; xarray opens it in one line. Zarr and Parquet would be further dependencies, and Parquet has no dimensions.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import xarray as xr

from ....reference.errors import InputError
from ...core.curve import warn
from ...core.progress import track
from .lock import HeldError, holder, locked
from .question import Question
from .rows import form, joined

MANIFEST, CHUNKS, WHOLE, LOCK = "study.json", "chunks", "study.nc", ".lock"
LARGEST = 2**31 - 1  # bytes
LETTERS = 16
Manifest = dict[str, Any]


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

    def __init__(self, path: Path | None, manifest: Manifest, field: str = "out", lock: IO[str] | None = None) -> None:
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
    def begun(cls, out: str | os.PathLike[str] | None, question: Question, version: str | None) -> Folder:
        """Return the folder of a question: a new one, or the one that holds what was done of it; InputError where it holds another."""
        manifest = described(question, version)
        if out is None:
            return cls(None, manifest)
        path = _path("out", out)
        with _refused("out", path):
            if not _there(path, MANIFEST) and path.exists() and not all(p.name.startswith(".") for p in path.iterdir()):
                raise InputError("out", str(out), f"holds files but no {MANIFEST} to say of which study", "give a new folder")
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path, manifest, lock=_lock(path))
            try:
                if not _there(path, MANIFEST):
                    _write(path / MANIFEST, json.dumps(manifest, indent=1).encode())
                elif different := _difference(_read("out", path), manifest):
                    raise InputError("out", str(path), f"holds a study {different}", "give what it was begun with, or another folder")
                if not _there(path, CHUNKS):
                    (path / CHUNKS).mkdir()
                _there(path, WHOLE)
            except BaseException:
                folder.__exit__()
                raise
        return folder

    @property
    def home(self) -> Home | None:
        """The folder as workers find it."""
        return None if self.path is None or self._lock is None else Home(self.path.absolute(), holder())

    def done(self) -> dict[int, xr.Dataset]:
        """Return the chunks that are there and whole, by their places: a file's name says what its contents must add up to."""
        found: dict[int, xr.Dataset] = {}
        forms: dict[str, Any] = {}
        for index, digest, file in track(self._chunks(), "chunks read"):
            content = _content(self._field, file.parents[1], f"{CHUNKS}/{file.name}")
            names = self._manifest["names"][index * self._manifest["chunk"] :][: self._manifest["chunk"]]
            try:
                rows = _rows(content, digest, names, forms)
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
        if self.path is None or not _there(self.path, CHUNKS, self._field):
            return []
        with _refused(self._field, self.path):
            named = [(p.name.partition("-"), p) for p in (self.path / CHUNKS).glob("*-*.nc")]
            files = [(int(index), rest.removesuffix(".nc"), p) for (index, _, rest), p in named if index.isdecimal()]
            return sorted(files, key=lambda file: (file[0], file[2].lstat().st_mtime_ns, file[1]))

    def keep(self, index: int, rows: xr.Dataset) -> None:
        """Write a chunk; one that cannot be, as on a full disk, is tried again at the end, and the study goes on."""
        if self.path is None:
            return
        file, content = _packed(self.path, index, rows)
        files = self._files.setdefault(index, [])
        try:
            if file in files or not file.exists():  # else a worker has written it
                _write(file, content)
        except OSError as error:
            if not self._waiting:
                warn(f"cannot write to {self.path}: {error.strerror or error}; it is tried again at the end")
            self._waiting[file] = content
        files.append(file)

    def finish(self, data: xr.Dataset) -> None:
        """Write what is still to be written, and all as one file where SciPy can; the chunks stay in any case."""
        if self.path is None:
            return
        files = dict(self._waiting)
        if max(variable.nbytes for variable in data.variables.values()) <= LARGEST:
            files[self.path / WHOLE] = bytes(data.to_netcdf(engine="scipy"))
        else:
            problem = f"{WHOLE} is not written: a variable is larger than the 2 GiB that SciPy writes"
            warn(f"{problem}; load_study({str(self.path)!r}) reads the chunks")
        try:
            for path, content in files.items():
                _write(path, content)
            for *others, last in self._files.values():
                for path in {*others} - {last}:
                    path.unlink(missing_ok=True)
        except OSError as error:
            warn(f"cannot write to {self.path}: {error.strerror or error}; what is not there is only in what is returned")


@dataclass(frozen=True)
class Home:
    """A study's folder as other processes may see it: theirs is the same where its lock names the same holder."""

    path: Path
    holder: str

    def keep(self, index: int, rows: xr.Dataset) -> None:
        """Write a chunk, if that can be: the process that has the lock writes what is not there."""
        with suppress(OSError):
            if (self.path / LOCK).read_text(encoding="utf-8") == self.holder:
                _write(*_packed(self.path, index, rows))


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
    path = _path("folder", folder)
    if not _there(path, MANIFEST, "folder"):
        raise InputError("folder", str(folder), f"has no {MANIFEST}", "give the folder that a study was given as out=")
    manifest = _read("folder", path)
    kept = Folder(path, manifest, "folder")
    done = kept.done()
    if kept.damaged:
        which = "; ".join(f"number {index} {why}" for index, why in sorted(kept.damaged.items()))
        warn(f"{len(kept.damaged)} chunks in {path} are left out: {which}")
    data = joined([done[i] for i in sorted(done)])
    return data.assign_attrs(systems=len(manifest["names"]), systems_done=data.sizes["system"])


# ---- what a study is of


def described(question: Question, version: str | None) -> Manifest:
    """Return what a study is of, as JSON has it: all but the version of the library must be the same for a study to go on."""
    options = {key: _plain(value) for key, value in sorted(question.how.items()) if value is not None}
    return {
        "sojourn": metadata.version("sojourn"),
        "version": version,
        "kind": question.kind.system.__name__,
        "chunk": question.size,
        "relative": question.relative,
        "options": options,
        "loads": question.loads.tolist(),
        "names": list(question.names),
    }


def _plain(value: Any) -> Any:
    """What JSON makes of a value, whatever it is."""
    try:
        return json.loads(json.dumps(value, default=_parts))
    except (TypeError, ValueError, RecursionError):  # keys of no kind, or what holds itself
        return type(value).__qualname__


def _parts(value: Any) -> Any:
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return {name: getattr(value, "__dict__", {})}


def _difference(there: Manifest, now: Manifest) -> str:
    """Return the first thing in which two studies differ, or nothing."""
    field = next((name for name in now if name != "sojourn" and not _equal(there.get(name), now[name])), None)
    if field is None:
        return ""
    if field == "loads":
        return "at other loads"
    before, after = there.get(field), now[field]
    if field == "names":
        place = next((i for i, (a, b) in enumerate(zip(before or (), after, strict=False)) if a != b), 0)
        where = f"number {place} of {len(after)}" if len(before or ()) == len(after) else f"{len(before or ())}, not {len(after)}"
        return f"of other systems: {where}"
    if field == "options":
        field = next(key for key in sorted({*there["options"], *after}) if not _equal(there["options"].get(key), after.get(key)))
        before, after = (side.get(field, "not given") for side in (there["options"], after))
    return f"with {field} = {_short(before)}, not {_short(after)}"


def _equal(one: Any, other: Any) -> bool:
    # as texts two NaN are one
    return bool(one == other) or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _short(value: object) -> str:
    text = value if value == "not given" else repr(value)
    return str(text if len(text) <= 80 else text[:77] + "...")


def _read(field: str, folder: Path) -> Manifest:
    content = _content(field, folder, MANIFEST)
    try:
        manifest: Any = json.loads(content)
        kinds = {"names": list, "chunk": int, "options": dict}
        if not isinstance(manifest, dict):
            raise TypeError(f"is a {type(manifest).__name__}")
        if wrong := [name for name, kind in kinds.items() if not isinstance(manifest.get(name), kind)]:
            raise TypeError(f"{wrong[0]} is missing or wrong")
        if manifest["chunk"] < 1 or not all(isinstance(name, str) for name in manifest["names"]):
            raise ValueError("no such names or chunks are written")
    except (ValueError, TypeError, RecursionError) as error:
        problem = f"its {MANIFEST} cannot be read: {type(error).__name__}: {error}"
        raise InputError(field, str(folder), problem, "restore that file, or give another folder") from error
    return manifest


# ---- files


def _packed(path: Path, index: int, rows: xr.Dataset) -> tuple[Path, bytes]:
    """File of a chunk, and what is in it."""
    content = bytes(rows.to_netcdf(engine="scipy"))
    return path / CHUNKS / f"{index:06d}-{_digest(content)}.nc", content


def _rows(content: bytes, digest: str, names: Sequence[str], forms: dict[str, Any]) -> xr.Dataset:
    """Return what the file of a chunk holds; ValueError where that is not what its name, the study or the other chunks say."""
    if _digest(content) != digest:
        raise ValueError("is damaged")
    rows = xr.load_dataset(io.BytesIO(content), engine="scipy")
    if not {"system", "load", "error", "warning"} <= {*rows.variables}:
        raise ValueError("is no chunk of a study")
    if rows["system"].values.tolist() != names:
        raise ValueError("is of other systems")
    own = form(rows)
    if any(one[0][:1] != ("system",) or forms.get(name, one) != one for name, one in own.items()):
        raise ValueError("has other variables than the rest")
    forms |= own
    return rows


def _path(field: str, given: Any) -> Path:
    """Return the path of a folder, there or not; InputError on one of something else."""
    try:
        path = Path(given)
    except TypeError:
        raise InputError(field, given, "is not a path", "give that of a folder") from None
    with _refused(field, path):
        if path.exists() and not path.is_dir():
            raise InputError(field, given, "is not a folder", "give a folder")
    return path


@contextmanager
def _refused(field: str, folder: Path) -> Iterator[None]:
    """Name what the system refuses to read or write."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path that none can be
        file = os.path.relpath(getattr(error, "filename", None) or folder, folder)
        problem = f"{'' if file == '.' else f'its {file} '}cannot be used: {getattr(error, 'strerror', None) or error}"
        raise InputError(field, str(folder), problem, "make room and permit reading and writing there, or give another folder") from error


def _there(folder: Path, name: str, field: str = "out") -> bool:
    """Whether there is such a file; InputError where it is a folder, a device or a pipe, which may have no end. The chunks are a folder."""
    wanted, what = (stat.S_ISDIR, "folder") if name == CHUNKS else (stat.S_ISREG, "regular file")
    with _refused(field, folder):
        if not os.path.lexists(folder / name):
            return False
        if not wanted((folder / name).stat().st_mode):
            raise InputError(field, str(folder), f"its {name} is not a {what}", "remove that, or give another folder")
        return True


def _lock(path: Path) -> IO[str]:
    """Return a file that keeps others out until it is closed."""
    _there(path, LOCK)
    try:
        file, sure = locked(path / LOCK)
    except HeldError as error:
        raise InputError("out", str(path), f"is in use by {error}", "wait for its end, stop it, or give another folder") from None
    if not sure:
        warn(f"{path} cannot be locked: its file system has no locks; let no other process work there")
    return file


def _content(field: str, folder: Path, name: str) -> bytes:
    """Return what is in a file; InputError on one that cannot be read, or that no study writes."""
    with _refused(field, folder):
        _there(folder, name, field)
        return (folder / name).read_bytes()


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whatever happens to the power."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # whatever it is, it is not written to
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:LETTERS]
