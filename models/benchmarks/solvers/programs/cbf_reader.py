"""Parser of the Conic Benchmark Format, for programs with free variables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from .....reference.errors import Array
from .cone_program import ConeProgram, Cones, triangle

Places = npt.NDArray[np.intp]
ORDER = ("L=", "L+", "Q", "PSD", "EXP", "POW")
"""Names of the cones in the order of `Cones`."""
COMMENTS = ("# name: ", "# optimum: ")
NEWEST = 3


@dataclass(eq=False)
class _File:
    """What the sections of a file hold.

    Attributes
    ----------
    n : int
        Number of variables.
    maximise : bool
    exponents : list of float
        Exponents of the power cones that blocks refer to.
    blocks : list of (str, number, int)
        Name, order, size or exponent, and number of rows of each cone: first those of the rows.
    orders : list of int
        Orders of the semidefinite cones.
    entries : mapping of str to list of list of str
        Lines of the sections of coordinates, by their names.
    constant : float
    """

    n: int = 0
    maximise: bool = False
    exponents: list[float] = field(default_factory=list)
    blocks: list[tuple[str, float, int]] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    entries: dict[str, list[list[str]]] = field(default_factory=dict)
    constant: float = 0.0


def parse(text: str, name: str) -> ConeProgram:
    """Return the program of a file; a name in a comment of ``cbf.save`` replaces the given one.

    Raises
    ------
    ValueError, LookupError, StopIteration
        On a text that is no such file.
    """
    lines = [line.strip() for line in text.splitlines()]
    comments = {
        word: line.removeprefix(word)
        for line in lines
        for word in COMMENTS
        if line.startswith(word)
    }
    file = _File()
    rest = iter([line for line in lines if line and not line.startswith("#")])
    for keyword in rest:
        _read(file, keyword, rest)
    optimum = float(comments.get(COMMENTS[1], "nan"))
    return _program(file, comments.get(COMMENTS[0], name), optimum)


def _read(file: _File, keyword: str, lines: Iterator[str]) -> None:
    """Read the section of a keyword."""
    if keyword in ("ACOORD", "BCOORD", "HCOORD", "DCOORD", "OBJACOORD"):
        file.entries[keyword] = [next(lines).split() for _ in range(int(next(lines)))]
    elif keyword == "VER":
        if not 1 <= (version := int(next(lines))) <= NEWEST:
            raise ValueError(f"it is of version {version}")
    elif keyword == "OBJSENSE":
        file.maximise = {"MIN": False, "MAX": True}[next(lines)]
    elif keyword == "OBJBCOORD":
        file.constant = float(next(lines))
    elif keyword == "VAR":
        file.n, count = map(int, next(lines).split())
        sizes = [next(lines).split() for _ in range(count)]
        if any(kind != "F" for kind, _ in sizes) or sum(int(n) for _, n in sizes) != file.n:
            raise ValueError("its variables are not all free")
    elif keyword == "POWCONES":
        for _ in range(int(next(lines).split()[0])):
            first, *others = (float(next(lines)) for _ in range(int(next(lines))))
            file.exponents.append(first / (first + _only(others)))
    elif keyword == "PSDCON":
        file.orders = [int(next(lines)) for _ in range(int(next(lines)))]
    elif keyword == "CON":
        rows, count = map(int, next(lines).split())
        file.blocks = [_block(file, *next(lines).split()) for _ in range(count)]
        if sum(size for _, _, size in file.blocks) != rows:
            raise ValueError("its cones have other numbers of rows than CON says")
    else:
        raise ValueError(f"it has {keyword}, which is not read")


def _only(others: list[float]) -> float:
    """Return the second weight of a power cone."""
    if len(others) != 1:
        raise ValueError("it has a power cone that is not of three rows")
    return others[0]


def _block(file: _File, kind: str, size: str) -> tuple[str, float, int]:
    """Return a cone of the rows."""
    rows, number = int(size), float(size)
    if kind.startswith("@"):
        index, kind = kind[1:].split(":")
        number = file.exponents[int(index)]
    if kind not in ORDER or kind == "PSD" or (kind in ("EXP", "POW") and rows != 3):
        raise ValueError(f"it has a cone {kind} {size}, which is not read")
    return kind, number, rows


def _program(file: _File, name: str, optimum: float) -> ConeProgram:
    """Return the program, its cones in the order of `Cones`."""
    blocks = [*file.blocks, *(("PSD", float(k), k * (k + 1) // 2) for k in file.orders)]
    starts = np.cumsum([0, *(rows for _, _, rows in blocks)])
    A, b = _matrix(file, int(starts[-1]), int(starts[len(file.blocks)]))
    order = sorted(range(len(blocks)), key=lambda i: ORDER.index(blocks[i][0]))
    kept = [np.empty(0, dtype=np.intp)]
    for i in order:
        rows = np.arange(starts[i], starts[i + 1])
        kept.append(rows[::-1] if blocks[i][0] == "EXP" else rows)
    places = np.concatenate(kept)
    numbers = {kind: [blocks[i][1] for i in order if blocks[i][0] == kind] for kind in ORDER}
    q = np.zeros(file.n)
    for at, value in file.entries.get("OBJACOORD", []):
        q[_within(at, file.n)] += float(value)
    if not (file.n and np.isfinite([*q, file.constant]).all()):
        raise ValueError("it has no variables, or an objective that is not finite")
    sign = -1.0 if file.maximise else 1.0
    columns = sp.csc_array(A[places])
    columns.sort_indices()
    return ConeProgram(
        name=name,
        P=sp.csc_array((file.n, file.n)),
        q=sign * q,
        A=columns,
        b=b[places],
        cones=Cones(
            zero=round(sum(numbers["L="])),
            nonnegative=round(sum(numbers["L+"])),
            second_order=tuple(map(round, numbers["Q"])),
            semidefinite=tuple(map(round, numbers["PSD"])),
            exponential=len(numbers["EXP"]),
            power=tuple(numbers["POW"]),
        ),
        constant=sign * file.constant,
        optimum=optimum if math.isfinite(optimum) else math.nan,
        maximise=file.maximise,
    )


def _matrix(file: _File, rows: int, plain: int) -> tuple[sp.csr_array, Array]:
    """Return A and b, the rows of the semidefinite cones after the `plain` other ones."""
    starts = plain + np.cumsum([0, *(k * (k + 1) // 2 for k in file.orders)])
    at: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    b = np.zeros(rows)
    for row, column, value in file.entries.get("ACOORD", []):
        at.append(_within(row, plain))
        columns.append(_within(column, file.n))
        values.append(-float(value))
    for row, value in file.entries.get("BCOORD", []):
        b[_within(row, plain)] += float(value)
    for index, column, i, j, value in file.entries.get("HCOORD", []):
        place, factor = _entry(file, starts, int(index), int(i), int(j))
        at.append(place)
        columns.append(_within(column, file.n))
        values.append(-float(value) * factor)
    for index, i, j, value in file.entries.get("DCOORD", []):
        place, factor = _entry(file, starts, int(index), int(i), int(j))
        b[place] += float(value) * factor
    if not all(map(math.isfinite, values)) or not np.isfinite(b).all():
        raise ValueError("it has a number that is not finite")
    return sp.csr_array((values, (at, columns)), shape=(rows, file.n)), b


def _within(number: str, size: int) -> int:
    """Return a place; a negative one would be counted from the end."""
    if not 0 <= (place := int(number)) < size:
        raise ValueError(f"it has a place {place} of {size}")
    return place


def _entry(file: _File, starts: Places, index: int, i: int, j: int) -> tuple[int, float]:
    """Return the row and the factor of an entry of a semidefinite cone."""
    i, j = max(i, j), min(i, j)
    k = file.orders[index]
    if index < 0 or not 0 <= j <= i < k:
        raise ValueError(f"it has an entry {i}, {j} of a matrix of order {k}")
    _, _, factor = triangle(k)
    entry = j * k - j * (j - 1) // 2 + i - j
    return int(starts[index]) + entry, float(factor[entry])
