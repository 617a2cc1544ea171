"""Cone programs as NumPy archives, which load without this library and without pickle.

A file holds one instance: minimise x'Px / 2 + q'x + constant subject to Ax + s = b, s in K. Its
arrays are

``header``
    JSON text: ``format``, ``version`` (of the format), ``name``, ``cones`` (the fields of
    `Cones`), ``constant``, ``optimum`` (of the objective, with 17 digits; null where it is not
    known), ``maximise`` (whether the problem that was written maximises minus this objective),
    ``shapes`` of the variables of the answer by name, ``key`` (the fields of `InstanceKey`, or
    null), ``true_value`` (`Truth.value`, or null; an infeasible instance, whose key has a load
    above 1, has none).
``q``, ``b``
    Vectors of the objective and of the right side.
``P_data``, ``P_indices``, ``P_indptr``, and the same of ``A``
    Sparse matrices by columns: the entries of column j are ``data[indptr[j]:indptr[j + 1]]``, in
    the rows ``indices[indptr[j]:indptr[j + 1]]``. P holds both triangles.
``answer_NAME_data``, ``answer_NAME_indices``, ``answer_NAME_indptr``
    The matrix R of each variable of the answer: its value is R x, column by column in its shape.
``true_answer``
    `Truth.answer`: flows, shares or rates of the optimum; empty where it is not unique.

The bytes of a file depend on the instance alone: times are not saved.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .....reference.errors import Array, InputError
from .....reference.validation import as_path
from ....studies.batch.files import os_errors_as_input, read_file, write_atomic
from ..problem import InstanceKey, Truth
from .cone_program import ConeProgram, Cones

FORMAT, VERSION = "sojourn cone program", 1
ANSWER = "answer_"
ARCHIVE = "a whole NumPy archive (.npz) of the documented format"


class StoredInstance(NamedTuple):
    """An instance read from a file.

    Attributes
    ----------
    program : ConeProgram
    key : InstanceKey or None
        None where the program was saved without.
    truth : Truth or None
        The true answer; None where the program was saved without.
    """

    program: ConeProgram
    key: InstanceKey | None
    truth: Truth | None


def save(
    program: ConeProgram, path: Path, key: InstanceKey | None = None, truth: Truth | None = None
) -> None:
    """Write a cone program, completely or not at all.

    Parameters
    ----------
    program : ConeProgram
    path : path-like
        File to write.
    key : InstanceKey, optional
        What determines the instance.
    truth : Truth, optional
        The true answer.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    file = as_path("path", path)
    content = encode(program, key, truth)
    with os_errors_as_input("path", file.parent):
        write_atomic(file, content)


def load(path: Path) -> ConeProgram:
    """Read the cone program of a file that `save` wrote.

    Raises
    ------
    InputError
        On a file that cannot be read, is damaged or is of another format.
    """
    return read(path).program


def encode(program: ConeProgram, key: InstanceKey | None, truth: Truth | None) -> bytes:
    """Return the content of a file."""
    optimum = program.optimum if math.isfinite(program.optimum) else None
    header = {
        "format": FORMAT,
        "version": VERSION,
        "name": program.name,
        "cones": asdict(program.cones),
        "constant": program.constant,
        "optimum": optimum,
        "maximise": program.maximise,
        "shapes": {name: shape for name, (_, shape) in program.variables.items()},
        "key": None if key is None else key._asdict(),
        "true_value": None if truth is None or math.isinf(truth.value) else truth.value,
    }
    arrays: dict[str, Any] = {
        "header": np.array(json.dumps(header, allow_nan=False)),
        "q": program.q,
        "b": program.b,
        **_pieces("P", program.P),
        **_pieces("A", program.A),
        "true_answer": np.empty(0) if truth is None else truth.answer,
    }
    for name, (matrix, _) in program.variables.items():
        arrays |= _pieces(ANSWER + name, matrix)
    page = io.BytesIO()
    np.savez_compressed(page, allow_pickle=False, **arrays)
    return page.getvalue()


def _pieces(name: str, matrix: sp.csc_array) -> dict[str, Any]:
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices.astype(np.int64),
        f"{name}_indptr": matrix.indptr.astype(np.int64),
    }


def arrays_of(field: str, path: Path) -> dict[str, Any]:
    """Return the arrays of an archive by name; InputError where it cannot be read."""
    file = as_path(field, path)
    content = content_of(field, file)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged file may raise anything in its reader
        raise damaged(field, file, error) from None


def content_of(field: str, file: Path) -> bytes:
    """Return the content of a file; InputError where there is none."""
    if not file.is_file():
        raise InputError(field, str(file), "is not a file", "give the path of a file that exists")
    return read_file(field, file.parent, file.name)


def damaged(field: str, file: Path, error: Exception, expected: str = ARCHIVE) -> InputError:
    """Return the error on a file that its reader cannot read."""
    reason = str(error) or type(error).__name__
    return InputError(field, str(file), f"cannot be read: {reason}", f"give {expected}")


def read(path: Path) -> StoredInstance:
    """Read a file that `save` wrote; InputError as `load`."""
    arrays = arrays_of("path", path)
    try:
        header = json.loads(str(arrays["header"][()]))
        if header["format"] != FORMAT or header["version"] != VERSION:
            found = f"{header['format']}, version {header['version']}"
            raise ValueError(f"it holds {found}, not {FORMAT}, version {VERSION}")
        return _decoded(header, arrays)
    except Exception as error:  # a damaged header may raise anything
        raise damaged("path", as_path("path", path), error) from None


def _decoded(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> StoredInstance:
    sizes: dict[str, Any] = {field.name: header["cones"][field.name] for field in fields(Cones)}
    listed = {name: tuple(size) for name, size in sizes.items() if isinstance(size, list)}
    cones = Cones(**{**sizes, **listed})
    q, b = _vector(arrays, "q"), _vector(arrays, "b")
    n = q.size
    if cones.rows != b.size:
        raise ValueError(f"its cones have {cones.rows} rows, and b has {b.size}")
    shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
    program = ConeProgram(
        name=header["name"],
        P=_matrix("P", arrays, (n, n)),
        q=q,
        A=_matrix("A", arrays, (b.size, n)),
        b=b,
        cones=cones,
        constant=float(header["constant"]),
        variables={
            name: (_matrix(ANSWER + name, arrays, (math.prod(shape), n)), shape)
            for name, shape in shapes.items()
        },
        optimum=math.nan if header["optimum"] is None else float(header["optimum"]),
        maximise=bool(header["maximise"]),
    )
    key = None if header["key"] is None else InstanceKey(**header["key"])
    value = header["true_value"]
    truth = None if value is None else Truth(float(value), _vector(arrays, "true_answer"))
    return StoredInstance(program, key, truth)


def _vector(arrays: Mapping[str, Any], name: str) -> Array:
    vector = np.asarray(arrays[name])
    if vector.dtype != np.float64 or vector.ndim != 1 or not np.isfinite(vector).all():
        raise ValueError(f"{name} is not a vector of finite numbers")
    return vector


def _matrix(name: str, arrays: Mapping[str, Any], shape: tuple[int, int]) -> sp.csc_array:
    parts = tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    matrix = sp.csc_array(parts, shape=shape)
    matrix.check_format(full_check=True)
    if matrix.dtype != np.float64 or not np.isfinite(matrix.data).all():
        raise ValueError(f"{name} is not a matrix of finite numbers")
    return matrix


def load_solution(path: Path, program: ConeProgram) -> tuple[Array, Array | None]:
    """Read an answer: an archive of an array ``x`` and, where there is one, of ``y``.

    Raises
    ------
    InputError
        On a file that cannot be read, and on vectors of another length than those of the program.
    """
    arrays = arrays_of("solution_file", path)
    found = {}
    for name, size in (("x", program.q.size), ("y", program.b.size)):
        if name not in arrays:
            continue
        vector = np.asarray(arrays[name])
        if vector.shape != (size,) or vector.dtype.kind not in "fiu":
            problem, remedy = "has another shape", f"give {size} numbers, shape ({size},)"
            raise InputError(f"solution_file.{name}", vector.shape, problem, remedy)
        found[name] = vector.astype(np.float64)
    if "x" not in found:
        remedy = "write it by numpy.savez(file, x=x, y=y), where y may be left out"
        raise InputError("solution_file", str(path), "has no array x", remedy)
    return found["x"], found.get("y")
