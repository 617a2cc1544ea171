"""Check of the numbers of cones: a program with parameters is that of every bank of its shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cvxpy as cp
import numpy as np
from scipy import sparse

from ...reference.errors import Array, InputError
from ...reference.family_checks import SAME
from ...reference.plural import counted
from .base import Latency
from .check_cones import ConeCase, cone_cases, epigraph
from .cone import ConeParameters, as_parameters, as_written

OTHER_UNIT = 0.7  # of time, in which a bank has other numbers
SERVERS = 3  # largest number of servers, of each of which a bank is made
CHANGE = 1.5  # factor on a number, which must change the program


def numbers(bank: Latency, points: Array) -> str:
    """Check that cones with parameters compile to the programs of other banks of the same shape."""
    details = []
    for case in cone_cases(bank):
        if bank.cone_shape is not None and bank.has_cone(case.function):
            used = [name for alike in _by_shape(bank) for name in _shared(case, alike)]
            details.append(f"{case.name} {', '.join(sorted(set(used)))}")
    return "; ".join(details) or "none: a program is compiled for each bank"


def _by_shape(bank: Latency) -> list[list[Latency]]:
    """Return the bank and similar ones, those of one shape together."""
    n = len(bank)
    servers = np.unique(np.linspace(0, n - 1, SERVERS).astype(int))
    alike: dict[Any, list[Latency]] = {}
    for other in (
        bank,
        bank.in_unit(OTHER_UNIT),
        bank.with_extra_delay(np.ones(n)),
        *(bank.take(np.full(n, i)) for i in servers),
    ):
        alike.setdefault(other.cone_shape, []).append(other)
    alike.pop(None, None)
    return list(alike.values())


def _shared(case: ConeCase, alike: Sequence[Latency]) -> Iterable[str]:
    """Check the program of the first bank with the numbers of all; return the names of these."""
    first = alike[0]
    flow = cp.Variable(len(first), nonneg=True)
    try:
        with as_parameters() as made:
            cone = case.write(first, flow)
    except InputError as error:
        field = f"{case.name}, {error.field}"
        raise InputError(field, error.value, error.problem, error.remedy) from None
    program = epigraph(cone, flow)
    if not _written(case, first).is_dcp():
        return ()  # the check of DCP names it
    for bank in alike:
        _set(case, made, bank)
        if not program.is_dpp():
            raise _not_linear(case, program)
        _same(case, bank, _data(program), _data(_written(case, bank)))
    _set(case, made, first)
    before, used = _data(program), set(program.parameters())
    names = {name: parameter for _, name, parameter in made.parameters if parameter in used}
    for name, parameter in names.items():
        value: Any = parameter.value
        parameter.value = CHANGE * value + (value == 0)
        if all(abs(after - before[block]).max() == 0 for block, after in _data(program).items()):
            problem, remedy = "does not change the program", "leave it out of the cone"
            raise InputError(f"{case.name}, {_field(name)}", value.tolist(), problem, remedy)
        parameter.value = value
    return names


def _field(name: str) -> str:
    return f"cone_numbers[{name!r}]"


def _written(case: ConeCase, bank: Latency) -> cp.Problem:
    """Return the program of a bank with its numbers written in."""
    flow = cp.Variable(len(bank), nonneg=True)
    with as_written():
        return epigraph(case.write(bank, flow), flow)


def _set(case: ConeCase, made: ConeParameters, bank: Latency) -> None:
    """Give the parameters the numbers of a bank; InputError on one that is none, or negative."""
    parts = bank.cone_parts or ()
    for index, name, parameter in made.parameters:
        part, field = parts[index], f"{case.name}, {_field(name)}"
        value = np.asarray((part.cone_numbers() or {}).get(name, np.nan), dtype=np.float64)
        if value.shape != (len(part),) or not np.isfinite(value).all():
            remedy = f"give {counted(len(part), 'number')} to every bank of its cone_structure"
            raise InputError(field, value.tolist(), "is not one finite number a server", remedy)
        for i in np.flatnonzero(value < 0) if parameter.is_nonneg() else ():
            remedy = "name it in signed_cone_numbers"
            raise InputError(f"{field}[{i}]", float(value[i]), "is negative", remedy)
        parameter.value = value


def _data(program: cp.Problem) -> Mapping[str, sparse.csr_array]:
    """Return the matrices and vectors of the cone program that CVXPY compiles, by name."""
    data = program.get_problem_data("CLARABEL")[0]
    vectors = {name: sparse.csr_array(data[name][:, None]) for name in ("b", "c")}
    return {"A": sparse.csr_array(data["A"]), **vectors}


def _same(
    case: ConeCase,
    bank: Latency,
    shared: Mapping[str, sparse.csr_array],
    own: Mapping[str, sparse.csr_array],
) -> None:
    """Raise InputError unless a shared program equals that of the bank itself in every entry."""
    for name, expected in own.items():
        got = shared[name]
        if got.shape != expected.shape:
            problem = "is that of two banks whose programs differ in size"
            remedy = "add all that the cones depend on beside cone_numbers"
            field = f"{case.name}, cone_structure"
            raise InputError(field, str(bank.cone_structure), problem, remedy)
        error = abs(got - expected) - SAME * abs(expected)
        if error.max() > SAME**2 * abs(expected).max():
            row, column = np.unravel_index(error.argmax(), error.shape)
            problem = (
                f"of the program with parameters is not {expected[row, column]:.8g}, "
                "as with the numbers of that bank written in"
            )
            remedy = (
                "take every number from numbers_in_cones(), "
                "and give in cone_structure what else the cones depend on"
            )
            field = f"{case.name}, {name}[{row}, {column}]"
            raise InputError(field, float(got[row, column]), problem, remedy)


def _not_linear(case: ConeCase, program: cp.Problem) -> InputError:
    """Return the error for a program that is not DPP, with the numbers of its first such term."""
    roots = program.objective, *program.constraints
    term = next(found for root in roots if (found := _first_not_dpp(root)) is not None)
    names = sorted({parameter.name() for parameter in term.parameters()})
    problem = "is not DPP: a number of either sign multiplies a convex term"
    remedy = "leave it out of signed_cone_numbers if it cannot be negative"
    if sum(bool(arg.parameters()) for arg in term.args) > 1:
        problem = "is not DPP: two terms with numbers are multiplied"
        remedy = "give the product of both numbers as one number, or rewrite one of the terms"
    return InputError(f"{case.name}, cone_numbers", ", ".join(names), problem, remedy)


def _first_not_dpp(term: Any) -> Any:
    """Return the innermost term of an objective or a constraint that is not DPP, or None."""
    inner = (found for arg in term.args if (found := _first_not_dpp(arg)) is not None)
    return next(inner, None if term.is_dcp(dpp=True) else term)
