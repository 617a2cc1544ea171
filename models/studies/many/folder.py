"""A study on disk: a folder with a file that says what it is of, and one NetCDF file a chunk, written whole or not at all.

NetCDF keeps dimensions, units and names, is one file to copy, opens anywhere, and needs nothing beyond SciPy. Zarr would be one more dependency
and a folder of small files, and Parquet has no dimensions.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sojourn.models.studies.many.rows import System, largest, together
from sojourn.models.systems.parallel import ParallelServers
from sojourn.reference.errors import Array, InputError

ABOUT, WHOLE = "about.json", "study.nc"
PROBES = (0.0, 0.3, 0.9, 0.999)  # utilisations at which a latency is looked at


class Folder:
    """Where a study is kept.

    Parameters
    ----------
    path : Path
    about : mapping
        What the study is of: fingerprints of systems, loads and options, and how it is cut into chunks.

    Raises
    ------
    InputError
        Where the folder holds another study, or something else.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        if path.exists() and not path.is_dir():
            raise InputError("out", str(path), "is a file", "name a folder")
        there = path / ABOUT
        if there.exists():
            self._compare(about)
        elif path.is_dir() and any(path.iterdir()):
            raise InputError("out", str(path), "holds files that are no study", "name a new folder")
        path.mkdir(parents=True, exist_ok=True)
        self._write(ABOUT, lambda p: p.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8"))

    def _compare(self, about: Mapping[str, Any]) -> None:
        try:
            before = json.loads((self.path / ABOUT).read_text(encoding="utf-8"))
            different = [what for what in about if before.get(what) != about[what]]
        except (OSError, ValueError, AttributeError):
            return  # cut off while it was written: nothing was solved before that
        if different:
            problem = f"holds another study: its {', '.join(different)} differ"
            raise InputError("out", str(self.path), problem, "name another folder, or delete this one")

    def load(self, chunk: int, names: Sequence[str]) -> xr.Dataset | None:
        """Return a chunk that is there, whole and of these systems; else None."""
        try:
            found = _read(self.path / f"chunk-{chunk:06d}.nc")
            return found if found["system"].values.tolist() == list(names) else None
        except Exception:  # cut off, overwritten or damaged in any way: it is solved again
            return None

    def save(self, chunk: int, rows: xr.Dataset) -> None:
        """Write a chunk."""
        self._write(f"chunk-{chunk:06d}.nc", lambda p: rows.to_netcdf(p, engine="scipy"))

    def finish(self, data: xr.Dataset) -> None:
        """Write the whole study as one file."""
        self._write(WHOLE, lambda p: data.to_netcdf(p, engine="scipy"))

    def _write(self, name: str, make: Any) -> None:
        part = self.path / f".{name}.part"
        make(part)
        os.replace(part, self.path / name)


def load_study(folder: str | Path) -> xr.Dataset:
    """Return what a folder has of a study, finished or not.

    Parameters
    ----------
    folder : path

    Returns
    -------
    xarray.Dataset
        As of `study`, over the systems that are done.

    Raises
    ------
    InputError
        Where the folder holds no study, or nothing of it is done yet.
    """
    path = Path(folder)
    if not (path / ABOUT).exists():
        raise InputError("folder", str(folder), "holds no study", "name the folder that was given as out=")
    if (path / WHOLE).exists():
        return _read(path / WHOLE)
    parts = [part for file in sorted(path.glob("chunk-*.nc")) if (part := _readable(file)) is not None]
    if not parts:
        raise InputError("folder", str(folder), "holds a study of which nothing is done yet", "run the study again with this folder as out=")
    return together(parts)


def _read(file: Path) -> xr.Dataset:
    """Return a file's dataset, as if it had never been written: how text was stored is not to be kept."""
    return xr.load_dataset(file, engine="scipy").drop_encoding()


def _readable(file: Path) -> xr.Dataset | None:
    try:
        return _read(file)
    except Exception:  # as in `Folder.load`
        return None


def fingerprint(systems: Mapping[str, System], loads: Array, how: Mapping[str, Any], chunk: int) -> dict[str, Any]:
    """Return what tells one study from another: all that its answers depend on, as seen from outside."""
    digest = hashlib.sha256()
    for name, system in systems.items():
        digest.update(repr((name, type(system).__name__, system.time_unit)).encode())
        for numbers in _seen(system):
            digest.update(np.ascontiguousarray(numbers, dtype=float).tobytes())
    options = hashlib.sha256(repr(sorted((k, str(v)) for k, v in how.items())).encode())
    return {
        "systems": digest.hexdigest(),
        "loads": hashlib.sha256(np.ascontiguousarray(loads).tobytes()).hexdigest(),
        "options": options.hexdigest(),
        "systems a chunk": chunk,
    }


def _seen(system: System) -> list[Array]:
    """Numbers that tell a system: rates, delays and the latency at a few loads. How it is pickled differs from one process to the next."""
    if not isinstance(system, ParallelServers):
        return [system.rates.rate]
    bank = system.bank
    top = np.where(np.isfinite(bank.rate), bank.rate, 1.0)
    return [bank.rate, bank.delay, *(bank.latency(part * top) for part in PROBES), np.array([largest(system)])]
