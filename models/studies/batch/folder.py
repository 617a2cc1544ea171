"""A study on disk: ``study.json`` says of what, ``chunks/`` has what is done, and ``study.nc`` all of it once it is.

NetCDF, as the curves are saved: SciPy writes it, so nothing more is to be installed; a chunk is one file, which os.replace makes whole or
absent; xarray opens it in one line. Zarr and Parquet would be further dependencies, and Parquet has no dimensions.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from ....reference.errors import InputError
from ...core.curve import warn
from ...core.progress import said_to_work, track
from .fingerprint import Fingerprint
from .question import Question
from .rows import joined

MANIFEST, CHUNKS, WHOLE = "study.json", "chunks", "study.nc"
LARGEST = 2**31 - 1  # bytes
LETTERS = 16
Manifest = dict[str, Any]


class Folder:
    """Where a study is kept, if anywhere.

    Parameters
    ----------
    path : path or None
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._waiting: dict[Path, bytes] = {}

    @classmethod
    def begun(cls, out: str | os.PathLike[str] | None, question: Question) -> Folder:
        """Return the folder of a question: a new one, or the one that holds what was done of it; InputError where it holds another."""
        if out is None:
            return cls(None)
        path = Path(out)
        if path.exists() and not path.is_dir():
            raise InputError("out", str(out), "is a file", "give a folder")
        manifest = described(question)
        if (path / MANIFEST).exists():
            if different := _difference(_read(path), manifest):
                raise InputError("out", str(path), f"holds a study {different}", "give what it was begun with, or another folder")
        elif path.exists() and not all(p.name.startswith(".") for p in path.iterdir()):
            raise InputError("out", str(out), f"holds files but no {MANIFEST} to say of which study", "give a new folder")
        else:
            path.mkdir(parents=True, exist_ok=True)
            _write(path / MANIFEST, json.dumps(manifest, indent=1).encode())
        (path / CHUNKS).mkdir(exist_ok=True)
        return cls(path)

    def done(self) -> dict[int, xr.Dataset]:
        """Return the chunks that are there and whole, by their places: a file's name says what its contents must add up to."""
        found = {}
        for path in track(sorted(self.path.glob(f"{CHUNKS}/*-*.nc")) if self.path else (), "chunks read"):
            index, _, digest = path.stem.partition("-")
            content = path.read_bytes()
            if index.isdecimal() and _digest(content) == digest:
                found[int(index)] = xr.load_dataset(io.BytesIO(content), engine="scipy")
        return found

    def keep(self, index: int, rows: xr.Dataset) -> None:
        """Write a chunk; one that cannot be, as on a full disk, is tried again at the end, and the study goes on."""
        if self.path is None:
            return
        content = bytes(rows.to_netcdf(engine="scipy"))
        file = self.path / CHUNKS / f"{index:06d}-{_digest(content)}.nc"
        if failure := _failure({file: content}):
            if not self._waiting:
                warn(f"cannot write to {self.path}: {failure}; it is tried again at the end")
            self._waiting[file] = content

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
        if failure := _failure(files):
            warn(f"cannot write to {self.path}: {failure}; what is not there is only in what is returned")


@said_to_work
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

    Raises
    ------
    InputError
        On a folder without a study.

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
    path = Path(folder)
    if not (path / MANIFEST).is_file():
        raise InputError("folder", str(folder), f"has no {MANIFEST}", "give the folder that a study was given as out=")
    manifest = _read(path)
    done = Folder(path).done()
    data = joined([done[i] for i in sorted(done)])
    return data.assign_attrs(systems=len(manifest["names"]), systems_done=data.sizes["system"])


def described(question: Question) -> Manifest:
    """Return what a study is of, as JSON has it: what must be the same for a study to go on."""
    mark = Fingerprint()
    options = {key: [_short(value), mark.of(value)] for key, value in sorted(question.how.items()) if value is not None}
    return {
        "sojourn": version("sojourn"),
        "kind": question.kind.system.__name__,
        "chunk": question.size,
        "relative": question.relative,
        "options": options,
        "loads": mark.of(question.loads),
        "names": list(question.names),
        "systems": [mark.of(system) for system in track(question.systems, "systems looked at")],
    }


def _difference(there: Manifest, now: Manifest) -> str:
    """Return the first thing in which two studies differ, or nothing."""
    field = next((name for name in now if there.get(name) != now[name]), None)
    if field is None:
        return ""
    if field == "loads":
        return "at other loads"
    before: Any = there.get(field)
    after: Any = now[field]
    if field in ("names", "systems"):
        place = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
        where = f"number {place} of {len(after)}" if len(before) == len(after) else f"{len(before)}, not {len(after)}"
        return f"{'of other systems' if field == 'names' else 'in which a system was another'}: {where}"
    if field == "options":
        field = next(key for key in sorted({*before, *after}) if before.get(key) != after.get(key))
        before, after = (side.get(field, ["not given"])[0] for side in (before, after))
    return f"with {field} = {before}, not {after}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _read(folder: Path) -> Manifest:
    try:
        manifest: Manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not {"names", "systems"} <= manifest.keys():
            raise ValueError("names or systems are missing")
    except (ValueError, AttributeError) as error:
        problem = f"its {MANIFEST} cannot be read: {type(error).__name__}: {error}"
        raise InputError("out", str(folder), problem, "restore that file, or give another folder") from error
    return manifest


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whatever happens to the power."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _failure(files: Mapping[Path, bytes]) -> str:
    """Write files, and return why one could not be, after which none is tried; or nothing."""
    try:
        for path, content in files.items():
            _write(path, content)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:LETTERS]
