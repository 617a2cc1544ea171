"""Instances as files for authors of solvers, and the check of an answer to such a file.

An author needs neither this library nor CVXPY to solve an instance: `npz` documents the arrays of
a file, ``.cbf`` files are read by many solvers. The answer is an archive written by
``numpy.savez(file, x=x, y=y)``, where y, the dual variable of the rows, may be left out; `check`
says how far it is from the true answer.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .....reference.errors import InputError
from .....reference.validation import check_choice, check_instance, check_list
from ....core.progress import track
from ....studies.batch.files import (
    as_folder,
    has_file,
    os_errors_as_input,
    read_file,
    write_atomic,
)
from ..instances import accuracy_at, check_key, instance_of, program_of
from ..problem import Accuracy, InstanceKey
from . import cbf, npz
from .cone_program import ConeProgram
from .residuals import Residuals, residuals
from .standard_set import STANDARD_SET, VERSION, digest_of, in_order

MANIFEST = "manifest.json"
FORMATS = ("npz", "cbf")
OFTEN = 1.0  # seconds between two writings of the manifest
DRIFT = 1e-9
"""Largest relative difference of the true value in a file from that of this version."""


class Checked(NamedTuple):
    """What `check` finds.

    Attributes
    ----------
    accuracy : Accuracy
        Distance from the true answer.
    residuals : Residuals
        Residuals of the optimality conditions.
    objective_error : float
        Difference of the objective from its true optimum, divided by 1 plus its absolute value;
        negative where an answer that violates constraints is below. NaN where the optimum is not
        known.
    """

    accuracy: Accuracy
    residuals: Residuals
    objective_error: float


def export(
    folder: Path,
    keys: Sequence[InstanceKey] | None = None,
    formats: Sequence[str] = FORMATS,
) -> dict[str, Any]:
    """Write instances as files, and a manifest of them.

    An instance whose files are there, as the manifest says and for the same numbers, is not written
    again: an export that was ended early goes on, and other instances can be added.

    Parameters
    ----------
    folder : path-like
        Folder for the files; it may not exist yet.
    keys : sequence of InstanceKey, optional
        By default the standard set.
    formats : sequence of {"npz", "cbf"}
        An instance that ``.cbf`` cannot hold is written as ``.npz`` alone, with the reason in the
        manifest.

    Returns
    -------
    dict
        The manifest of all instances in the folder, also written as ``manifest.json``: ``version``
        and ``digest``, whether they are the ``standard`` set with the numbers of its version on
        every machine, and of each in ``instances`` its
        ``key``, ``digest``, ``optimum`` of the objective (null where it is not known),
        ``true_value``, numbers of ``variables``, ``rows`` and ``entries`` of P and A, ``cones``,
        ``files`` with the SHA-256 of each, and ``refused`` formats with the reason.

    Raises
    ------
    InputError
        On a key that does not exist, an unknown format, and a folder that cannot be used.
    """
    place = as_folder("folder", folder)
    chosen = STANDARD_SET.keys if keys is None else tuple(check_list("keys", keys))
    for i, name in enumerate(check_list("formats", formats)):
        check_choice(f"formats[{i}]", name, FORMATS, "is not a format of files")
    _check_keys(chosen)
    done = {name: entry for name, entry in _before(place).items() if _is_whole(place, entry)}
    with os_errors_as_input("folder", place):
        place.mkdir(parents=True, exist_ok=True)
    saved = time.monotonic()
    for key in track(chosen, "instances"):
        if not {*formats} <= _known(done.get(key.name)):
            done[key.name] = _write(place, key, formats)
        if time.monotonic() > saved + OFTEN:
            _save_manifest(place, done)
            saved = time.monotonic()
    return _save_manifest(place, done)


def check(instance_file: Path, solution_file: Path) -> Checked:
    """Return how far an answer to an exported instance is from the true one.

    Parameters
    ----------
    instance_file : path-like
        File of an instance, ``.npz``. The x of its ``.cbf`` file is the same.
    solution_file : path-like
        Archive of ``x``, shape (n,), and, where there is one, of the dual variable ``y``, shape
        (m,), with Px + q + A'y = 0; such as ``numpy.savez(file, x=x, y=y)`` writes.

    Returns
    -------
    Checked

    Raises
    ------
    InputError
        On a file that cannot be read, an x or y of another length, and an instance that this
        version of the library draws with other numbers.

    Examples
    --------
    An exported instance in the hands of an author, who calls SCS:

    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import numpy as np, scipy.sparse as sp, scs
    >>> from sojourn.models.benchmarks.solvers.instances import keys
    >>> from sojourn.models.benchmarks.solvers.programs.export import check, export
    >>> folder = Path(tempfile.mkdtemp())
    >>> (name,) = export(folder, keys(["partition"], sizes=[3], loads=[0.5]))["instances"]
    >>> held = np.load(folder / f"{name}.npz")
    >>> n, m, cones = held["q"].size, held["b"].size, json.loads(str(held["header"]))["cones"]
    >>> A = sp.csc_matrix((held["A_data"], held["A_indices"], held["A_indptr"]), (m, n))
    >>> answer = scs.solve(
    ...     {"A": A, "b": held["b"], "c": held["q"]},
    ...     {"z": cones["zero"], "l": cones["nonnegative"], "q": cones["second_order"]},
    ...     verbose=False,
    ...     eps_abs=1e-9,
    ...     eps_rel=1e-9,
    ... )
    >>> np.savez(folder / "answer.npz", x=answer["x"], y=answer["y"])
    >>> checked = check(folder / f"{name}.npz", folder / "answer.npz")
    >>> checked.accuracy.error < 1e-6 and max(checked.residuals) < 1e-6
    True
    """
    stored = npz.read(instance_file)
    if stored.key is not None and stored.key.infeasible:
        problem = "is infeasible: no x is an answer to it"
        remedy = "measure a proof y by programs.residuals.infeasibility"
        raise InputError("instance_file", str(instance_file), problem, remedy)
    if stored.key is None or stored.truth is None:
        remedy = "give a file of sojourn bench export"
        raise InputError("instance_file", str(instance_file), "has no true answer", remedy)
    program, instance = stored.program, instance_of(stored.key)
    here, there = instance.truth.value, stored.truth.value
    if abs(here - there) > DRIFT * abs(there):
        problem = f"has the true value {there!r}, and this version of the library has {here!r}"
        remedy = "export the instance again, and solve it again"
        raise InputError("instance_file", str(instance_file), problem, remedy)
    x, y = npz.load_solution(solution_file, program)
    with np.errstate(over="ignore", invalid="ignore"):
        error = (program.objective(x) - program.optimum) / (1 + abs(program.optimum))
    return Checked(accuracy_at(instance, program, x), residuals(program, x, y), error)


def _check_keys(chosen: tuple[InstanceKey, ...]) -> None:
    """Raise InputError on keys that do not exist, or whose files would have one name."""
    seen: dict[str, int] = {}
    for i, key in enumerate(chosen):
        remedy = "give keys such as instances.keys returns"
        check_instance(f"keys[{i}]", key, InstanceKey, "is not a key", remedy)
        check_key(key)
        first = seen.setdefault(key.name, i)
        if first != i:
            problem = f"has the file name of keys[{first}], {key.name}"
            raise InputError(f"keys[{i}]", key, problem, "give every instance once")


def _before(place: Path) -> dict[str, Any]:
    """Return the instances of the manifest in a folder by their names."""
    if not place.exists() or not has_file(place, MANIFEST, "folder"):
        return {}
    try:
        manifest = json.loads(read_file("folder", place, MANIFEST))
        return dict(manifest["instances"])
    except InputError:
        raise
    except Exception as error:
        reason = f"its {MANIFEST} is not one of instances: {error!r}"
        raise InputError("folder", str(place), reason, "give another folder") from None


def _is_whole(place: Path, entry: Any) -> bool:
    """Return whether the files of an entry are there, for the numbers that are drawn now."""
    try:
        key = InstanceKey(**entry["key"])
        return entry["digest"] == digest_of([key]) and all(
            has_file(place, name) and _sha256(read_file("folder", place, name)) == digest
            for name, digest in entry["files"].items()
        )
    except (
        Exception
    ):  # an entry of another version may lack anything, or name a problem that is gone
        return False


def _known(entry: Mapping[str, Any] | None) -> set[str]:
    """Return the formats of which an entry has the file or a reason for its absence."""
    if entry is None:
        return set()
    return {name.rpartition(".")[2] for name in entry["files"]}.union(entry["refused"])


def _write(place: Path, key: InstanceKey, formats: Sequence[str]) -> dict[str, Any]:
    """Write the files of an instance and return its entry in the manifest."""
    instance = instance_of(key)
    program = program_of(key, instance)
    refused = {"cbf": reason} if "cbf" in formats and (reason := cbf.refusal(program)) else {}
    content = {}
    if "npz" in formats:
        content["npz"] = npz.encode(program, key, instance.truth)
    if "cbf" in formats and not refused:
        content["cbf"] = cbf.encode(program)
    with os_errors_as_input("folder", place):
        for kind, data in content.items():
            write_atomic(place / f"{key.name}.{kind}", data)
    return {
        "key": key._asdict(),
        "digest": digest_of([key]),
        "optimum": program.optimum if math.isfinite(program.optimum) else None,
        "true_value": None if key.infeasible else instance.truth.value,
        "variables": program.q.size,
        "rows": program.b.size,
        "entries": {"P": program.P.nnz, "A": program.A.nnz},
        "cones": _counted(program),
        "files": {f"{key.name}.{kind}": _sha256(data) for kind, data in content.items()},
        "refused": refused,
    }


def _counted(program: ConeProgram) -> dict[str, Any]:
    """Return the cones with the numbers of those of each size, order or exponent."""
    return {
        name: {str(size): count for size, count in sorted(Counter(value).items())}
        if isinstance(value, tuple)
        else value
        for name, value in asdict(program.cones).items()
        if value
    }


def _save_manifest(place: Path, done: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest and return it."""
    listed = [InstanceKey(**entry["key"]) for entry in done.values()]
    digest = digest_of(sorted(listed, key=in_order))
    manifest = {
        "version": VERSION,
        "standard": {*listed} == {*STANDARD_SET.keys} and digest == STANDARD_SET.pinned,
        "digest": digest,
        "instances": dict(done),
    }
    with os_errors_as_input("folder", place):
        write_atomic(place / MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
