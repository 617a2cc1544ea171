"""Cone programs as files of the Conic Benchmark Format of the library CBLIB.

A constraint is written as -Ax + b in a cone, all variables are free. Exponential cones have their
three rows in the reverse order, as the format has them; semidefinite cones are written as matrices,
those of order 1 as nonnegative rows, which MOSEK 11.2 and COPT 8.0 need. A file has the first
version of the format that has its cones, since the library's own reader stops at version 2.
The order of the variables is that of x, so that an answer to a file is an answer to the program.
Sources: H. A. Friberg, *CBLIB 2014: a benchmark library for conic mixed-integer and continuous
optimization*, and the manual of the format at https://docs.mosek.com/latest/toolbox/cbf-format.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from .....reference.errors import Array, InputError
from .....reference.validation import as_path
from ....studies.batch.files import os_errors_as_input, write_atomic
from .cbf_reader import NEWEST, Places, parse
from .cone_program import ConeProgram, Cones, triangle
from .npz import content_of, damaged


def refusal(program: ConeProgram) -> str:
    """Return why a program cannot be written in this format; empty where it can.

    The format has linear objectives alone. A quadratic one can be moved into a rotated cone, but
    that is another program, with a variable and rows that no other solver of the benchmark gets.
    """
    if program.P.nnz:
        return "the objective is quadratic, and the format has linear ones alone"
    return ""


def save(program: ConeProgram, path: Path) -> None:
    """Write a cone program, completely or not at all.

    Parameters
    ----------
    program : ConeProgram
    path : path-like
        File to write.

    Raises
    ------
    InputError
        Where the format cannot hold the program, or the file cannot be written.
    """
    if reason := refusal(program):
        raise InputError("program", program.name, reason, "save it by npz.save")
    file = as_path("path", path)
    with os_errors_as_input("path", file.parent):
        write_atomic(file, encode(program))


def load(path: Path) -> ConeProgram:
    """Read a file with free variables and without integers: such as `save` writes.

    The variables of the answer are not part of the format. Matrices of order 1 are read as the last
    of the nonnegative rows, as which they are written. Entries of semidefinite cones off the
    diagonal are divided and multiplied by sqrt(2), which may change their last digit.

    Raises
    ------
    InputError
        On a file that cannot be read, is damaged, or has what a `ConeProgram` does not have.
    """
    file = as_path("path", path)
    content = content_of("path", file)
    try:
        return parse(content.decode("ascii"), file.stem)
    except Exception as error:  # a damaged file may raise anything in its reader
        expected = f"a file of the Conic Benchmark Format, version {NEWEST} or below"
        raise damaged("path", file, error, expected) from None


def encode(program: ConeProgram) -> bytes:
    """Return the content of a file."""
    sections = [section for section in _sections(program) if section]
    return ("\n\n".join("\n".join(map(str, lines)) for lines in sections) + "\n").encode("ascii")


def _sections(program: ConeProgram) -> Iterator[list[object]]:
    """Yield the lines of each section, first those of comments; an empty one is left out."""
    cones, n = program.cones, program.q.size
    yield [f"# name: {program.name}", *_optimum(program)]
    yield ["VER", 3 if cones.power else 2 if cones.exponential else 1]
    if cones.power:
        exponents = [line for p in cones.power for line in (2, p, 1 - p)]
        yield ["POWCONES", f"{len(cones.power)} {2 * len(cones.power)}", *exponents]
    yield ["OBJSENSE", "MIN"]
    yield ["VAR", f"{n} 1", f"F {n}"]
    matrices = [k for k in cones.semidefinite if k > 1]
    if matrices:
        yield ["PSDCON", len(matrices), *matrices]
    blocks = list(_blocks(cones))
    if blocks:
        rows = sum(int(block.split()[1]) for block in blocks)
        yield ["CON", f"{rows} {len(blocks)}", *blocks]
    used = np.flatnonzero(program.q)
    yield _numbered("OBJACOORD", used[None], program.q[used])
    if program.constant:
        yield ["OBJBCOORD", program.constant]
    yield from _coordinates(program)


def _optimum(program: ConeProgram) -> list[str]:
    return [f"# optimum: {float(program.optimum)!r}"] if math.isfinite(program.optimum) else []


def _blocks(cones: Cones) -> Iterator[str]:
    """Yield the cones of the rows, without the semidefinite ones of an order above 1."""
    if cones.zero:
        yield f"L= {cones.zero}"
    if cones.nonnegative:
        yield f"L+ {cones.nonnegative}"
    yield from (f"Q {size}" for size in cones.second_order)
    yield from ["L+ 1"] * cones.semidefinite.count(1)
    yield from ["EXP 3"] * cones.exponential
    yield from (f"@{i}:POW 3" for i in range(len(cones.power)))


def _coordinates(program: ConeProgram) -> Iterator[list[object]]:
    """Yield the entries of -A and of b."""
    entries = sp.coo_array(program.A)
    right = np.flatnonzero(program.b)
    row_of, places, factor = _places(program.cones)
    for name, matrix_name, rows, columns, values in (
        ("ACOORD", "HCOORD", entries.coords[0], [entries.coords[1]], -entries.data),
        ("BCOORD", "DCOORD", right, [], program.b[right]),
    ):
        square = row_of[rows] < 0
        plain = [row_of[rows[~square]], *(column[~square] for column in columns)]
        yield _numbered(name, np.array(plain), values[~square])
        index, i, j = places[:, rows[square]]
        inner = [index, *(column[square] for column in columns), i, j]
        yield _numbered(matrix_name, np.array(inner), values[square] / factor[rows[square]])


def _places(cones: Cones) -> tuple[Places, Places, Array]:
    """Return the places of rows in the file.

    Returns
    -------
    tuple
        The number of each row among the constraints, shape (m,), -1 for a row of a matrix; the
        number of its matrix, its row and its column, shape (3, m), and its factor, shape (m,),
        which mean nothing for the others.
    """
    parts = cones.parts()
    square = np.zeros(cones.rows, dtype=bool)
    places, factors = np.zeros((3, cones.rows), dtype=np.intp), np.ones(cones.rows)
    start, index = parts["semidefinite"].start, 0
    for k, size in zip(cones.semidefinite, cones.triangles, strict=True):
        if k > 1:
            block = slice(start, start + size)
            square[block] = True
            places[0, block] = index
            places[1, block], places[2, block], factors[block] = triangle(k)
            index += 1
        start += size
    numbers = np.where(square, -1, np.cumsum(~square) - 1)
    triples = numbers[parts["exponential"]].reshape(-1, 3)
    triples[:] = triples[:, ::-1].copy()
    return numbers, places, factors


def _numbered(name: str, places: Places, values: Array) -> list[object]:
    """Return the lines of a section of values with their places, shape (places, values)."""
    if not values.size:
        return []
    lines: Iterable[object] = (
        f"{' '.join(map(str, place))} {value!r}"
        for *place, value in zip(*places.tolist(), values.tolist(), strict=True)
    )
    return [name, values.size, *lines]
