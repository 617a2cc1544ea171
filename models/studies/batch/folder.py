"""A study on disk: ``study.json`` says of what, ``chunks/`` has what is done, and ``study.nc`` all of it once it is.

NetCDF, as the curves are saved: SciPy writes it, so nothing more is to be installed; a chunk is one file, which os.replace makes whole or
absent; xarray opens it in one line. Zarr and Parquet would be further dependencies, and Parquet has no dimensions.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from ....reference.errors import InputError
from ...core.progress import track
from .fingerprint import Fingerprint
from .question import Question
from .rows import joined

MANIFEST, CHUNKS, WHOLE = "study.json", "chunks", "study.nc"
LARGEST = 2**31 - 1  # bytes
LETTERS = 16
Manifest = dict[str, Any]


class Folder:
    """Where a study is kept.

    Parameters
    ----------
    path : path
    manifest : dict
        What the study is of; see `described`.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest
        self._waiting: dict[int, bytes] = {}

    @classmethod
    def begun(cls, path: str | os.PathLike[str], question: Question) -> Folder:
        """Return the folder of a question: a new one, or the one that holds what was done of it; InputError where it holds another."""
        folder = Path(path)
        if folder.exists() and not folder.is_dir():
            raise InputError("out", str(path), "is a file", "give a folder")
        manifest = described(question)
        if (folder / MANIFEST).exists():
            _compare(folder, _read(folder), manifest)
        elif folder.exists() and not all(path.name.startswith(".") for path in folder.iterdir()):
            raise InputError("out", str(path), f"holds files but no {MANIFEST} to say of which study", "give a new folder")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        (folder / CHUNKS).mkdir(exist_ok=True)
        return cls(folder, manifest)

    def done(self) -> dict[int, xr.Dataset]:
        """Return the chunks that are there and whole, by their places: a file's name says what its contents must add up to."""
        found = {}
        for path in track(sorted((self.path / CHUNKS).glob("*-*.nc")), "chunks read"):
            index, _, digest = path.stem.partition("-")
            content = path.read_bytes()
            if index.isdecimal() and _digest(content) == digest:
                found[int(index)] = xr.load_dataset(io.BytesIO(content), engine="scipy")
        return found

    def keep(self, index: int, rows: xr.Dataset) -> None:
        """Write a chunk; one that cannot be, as on a full disk, is tried again at the end, and the study goes on."""
        content = bytes(rows.to_netcdf(engine="scipy"))
        try:
            self._write_chunk(index, content)
        except OSError as error:
            if not self._waiting:
                warnings.warn(f"cannot write to {self.path}: {_reason(error)}; it is tried again at the end", stacklevel=4)
            self._waiting[index] = content

    def finish(self, data: xr.Dataset) -> None:
        """Write what is still to be written."""
        try:
            for index, content in self._waiting.items():
                self._write_chunk(index, content)
            self._write_whole(data)
        except OSError as error:
            warnings.warn(f"cannot write to {self.path}: {_reason(error)}; what is not there is only in what is returned", stacklevel=3)

    def _write_chunk(self, index: int, content: bytes) -> None:
        _write(self.path / CHUNKS / f"{index:06d}-{_digest(content)}.nc", content)

    def _write_whole(self, data: xr.Dataset) -> None:
        """Write all as one file, where SciPy can; the chunks stay in any case."""
        if max(variable.nbytes for variable in data.variables.values()) > LARGEST:
            problem = f"{WHOLE} is not written: a variable is larger than the 2 GiB that SciPy writes"
            warnings.warn(f"{problem}; load_study({str(self.path)!r}) reads the chunks", stacklevel=4)
            return
        _write(self.path / WHOLE, bytes(data.to_netcdf(engine="scipy")))


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
    done = Folder(path, manifest).done()
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


def _compare(folder: Path, there: Manifest, now: Manifest) -> None:
    """Raise InputError on the first thing in which two studies differ."""
    for field in now:
        if there.get(field) != now[field]:
            problem = f"holds a study {_difference(field, there.get(field), now[field])}"
            raise InputError("out", str(folder), problem, "give what it was begun with, or another folder")


def _difference(field: str, there: Any, now: Any) -> str:
    if field == "names":
        return f"of other systems: {_where(there, now)}"
    if field == "systems":
        return f"in which a system was another: {_where(there, now)}"
    if field == "options":
        changed = [key for key in sorted({*there, *now}) if there.get(key) != now.get(key)]
        before, after = ((side.get(changed[0]) or ["not given"])[0] for side in (there, now))
        return f"with {changed[0]} = {before}, not {after}"
    if field == "loads":
        return "at other loads"
    return f"with {field} = {there}, not {now}"


def _where(there: Sequence[Any], now: Sequence[Any]) -> str:
    if len(there) != len(now):
        return f"{len(there)}, not {len(now)}"
    place = next(i for i, (a, b) in enumerate(zip(there, now, strict=True)) if a != b)
    return f"number {place} of {len(now)}"


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


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:LETTERS]
