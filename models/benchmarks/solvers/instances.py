"""Instances of the benchmark by their keys, and the keys of chosen axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numpy as np

from ....reference.errors import Array, InputError
from ....reference.validation import (
    LARGEST,
    as_integer,
    check_choice,
    check_list,
    check_within,
)
from ..report import timed
from . import problems as registry
from .problem import (
    NO_ANSWER,
    Accuracy,
    Axes,
    InstanceKey,
    Problem,
    ProblemInstance,
    infeasible_instance,
)
from .programs.cone_program import ConeProgram
from .programs.from_cvxpy import cone_program

LOADS = (0.3, 0.6, 0.9, 0.99, 0.999, 1 - 1e-6)
"""Default parts of the largest load."""
NEAREST = 1e-7
"""Least distance of a load from the largest one; nearer, flows as floats say no delay to 1e-6."""
LEAST_LOAD, LARGEST_LOAD = 1e-9, 1000.0
LEAST_SIZE = 2
LARGEST_SEED = 2**31 - 1
"""The largest number of 32 bits, which files of NetCDF hold."""
KEPT = 8
"""Number of systems that are kept for their next instance."""


def problem_of(name: str, field: str = "problem") -> Problem:
    """Return the problem of a name; InputError on an unknown one."""
    by_name = {problem.name: problem for problem in registry.PROBLEMS}
    return by_name[check_choice(field, name, by_name, "is not a problem of the benchmark")]


def instance_of(key: InstanceKey) -> ProblemInstance:
    """Return the instance of a key.

    Raises
    ------
    InputError
        On a problem or a formulation that does not exist, or a number out of range.
    """
    check_key(key)
    problem, system = problem_of(key.problem), system_of(key)
    if key.infeasible and (write := problem.overload(system, key.formulation)) is not None:
        return infeasible_instance(partial(write, key.load))
    return problem.instance(system, key.formulation, key.load)


def check_key(key: InstanceKey) -> None:
    """Raise InputError unless there is an instance of a key."""
    problem = problem_of(key.problem)
    _check_size("n", key.n, problem.largest)
    _check_spread(("rate_spread", key.rate_spread), ("delay_spread", key.delay_spread))
    _check_load("load", key.load)
    system = system_of(key)
    choices = problem.formulations(system)
    check_choice("formulation", key.formulation, choices, f"is not one of {key.problem} here")
    if key.infeasible and problem.overload(system, key.formulation) is None:
        wrong = f"is above 1: {key.problem}.{key.formulation} has no infeasible instances"
        raise InputError("load", key.load, wrong, "give a number below 1")


def accuracy_at(instance: ProblemInstance, program: ConeProgram, x: Array) -> Accuracy:
    """Return the accuracy of an answer x to the cone program of an instance, shape (n,).

    It is infinite where x, the error or the violation is not finite.
    """
    if not np.isfinite(x).all():
        return NO_ANSWER
    with np.errstate(all="ignore"):
        accuracy = instance.judge(program.values(x))
    return NO_ANSWER if math.isnan(accuracy.error + accuracy.violation) else accuracy


def program_of(key: InstanceKey, instance: ProblemInstance | None = None) -> ConeProgram:
    """Return the cone program of a key, with the times to write and to reduce it.

    Parameters
    ----------
    key : InstanceKey
    instance : ProblemInstance, optional
        That of the key, where it is at hand.

    Raises
    ------
    InputError
        As `instance_of`.
    """
    instance = instance_of(key) if instance is None else instance
    written, seconds = timed(instance.write)
    return cone_program(key.name, written, instance.optimum, seconds)


def system_of(key: InstanceKey) -> Any:
    """Return the system of a key; the last few are kept."""
    return _system(key.problem, key.axes, _check_seed("seed", key.seed))


@lru_cache(KEPT)
def _system(name: str, axes: Axes, seed: int) -> Any:
    return problem_of(name).system(axes, seed)


def keys(
    problems: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    loads: Sequence[float] = LOADS,
    spreads: Sequence[tuple[float, float]] | None = None,
    formulations: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
) -> list[InstanceKey]:
    """Return the keys of all instances on chosen axes.

    Parameters
    ----------
    problems : sequence of str, optional
        Names of problems; by default all.
    sizes : sequence of int, optional
        By default each problem's own. Sizes above the largest of a problem are left out.
    loads : sequence of float
        Parts of the largest load: below 1, or above 1 for infeasible instances, which are left out
        where a formulation takes any load or has no program above the largest one.
    spreads : sequence of (float, float), optional
        Pairs of `Axes.rate_spread` and `Axes.delay_spread`; by default each problem's own.
    formulations : sequence of str, optional
        Names of formulations; by default all. A problem or a size without one of them has no keys
        of it.
    seeds : sequence of int, default (0,)
        Seeds of the random systems.

    Returns
    -------
    list of InstanceKey
        In the order of the problems, sizes, spreads, seeds, formulations and loads.

    Raises
    ------
    InputError
        On an unknown name, on a number out of range, and on one that is given twice, before any
        program is written.

    Examples
    --------
    >>> from sojourn.models.benchmarks.solvers.instances import keys
    >>> [key.name for key in keys(["partition"], sizes=[3], loads=[0.5, 0.9])]
    ['partition.socp.n3.load0.5.r1e+06.d0.s0', 'partition.socp.n3.load0.9.r1e+06.d0.s0']
    """
    given = {
        "problems": problems,
        "sizes": sizes,
        "loads": loads,
        "spreads": spreads,
        "seeds": seeds,
    }
    axes: dict[str, Any] = {f: None if v is None else checked(f, v) for f, v in given.items()}
    found = list(_keys(**axes))
    if formulations is None:
        return found
    offered = dict.fromkeys(key.formulation for key in found)
    for i, name in enumerate(check_list("formulations", formulations)):
        check_choice(f"formulations[{i}]", name, offered, "is not one of these problems")
    return [key for key in found if key.formulation in formulations]


def _keys(
    problems: Sequence[Problem] | None,
    sizes: Sequence[int] | None,
    loads: Sequence[float],
    spreads: Sequence[tuple[float, float]] | None,
    seeds: Sequence[int],
) -> Iterator[InstanceKey]:
    for problem in problems or registry.PROBLEMS:
        for n, spread, seed in product(sizes or problem.sizes, spreads or problem.spreads, seeds):
            if n > problem.largest:
                continue
            system = _system(problem.name, Axes(n, *spread), seed)
            for formulation, load in product(problem.formulations(system), loads):
                key = InstanceKey(problem.name, formulation, n, load, *spread, seed)
                if not key.infeasible or problem.overload(system, formulation) is not None:
                    yield key


def checked(field: str, values: Sequence[Any]) -> list[Any]:
    """Return the checked values of an axis, by the name of its argument of `keys`.

    Raises
    ------
    InputError
        On an empty list, on a value that is unknown or out of range, and on one given twice.
    """
    found = [CHECKS[field](f"{field}[{i}]", v) for i, v in enumerate(check_list(field, values))]
    for i, value in enumerate(found):
        if (before := found.index(value)) < i:
            problem = f"is the same as {field}[{before}]"
            raise InputError(f"{field}[{i}]", values[i], problem, "give each once")
    return found


def _check_pair(field: str, pair: object) -> tuple[float, float]:
    ends = check_list(field, pair)
    if len(ends) != 2:
        remedy = "give the spread of rates and the spread of delays"
        raise InputError(field, pair, "is not a pair", remedy)
    return _check_spread((f"{field}[0]", ends[0]), (f"{field}[1]", ends[1]))


def _check_problem(field: str, name: str) -> Problem:
    return problem_of(name, field)


def _check_seed(field: str, seed: object) -> int:
    return as_integer(field, seed, "a seed", 0, LARGEST_SEED)


def _check_size(field: str, size: object, largest: int = 1_000_000) -> int:
    return as_integer(field, size, "a size of a system", LEAST_SIZE, largest)


def _check_load(field: str, load: object) -> float:
    remedy = (
        f"give a number below 1, or above 1 for an infeasible instance, by at least {NEAREST:g}"
    )
    wrong = f"is not a part of the largest load from {LEAST_LOAD:g} to {LARGEST_LOAD:g}"
    part = check_within(field, load, LEAST_LOAD, LARGEST_LOAD, wrong, remedy)
    if 1.0 - NEAREST < part < 1.0 + NEAREST:
        problem = "is so near to the largest load, 1, that rounding hides the answer"
        raise InputError(field, load, problem, remedy)
    return part


def _check_spread(rates: tuple[str, object], delays: tuple[str, object]) -> tuple[float, float]:
    equal, none = "give 1 for equal rates, or more", "give 0 for no delay, or mean service times"
    return (
        check_within(*rates, 1.0, LARGEST, "is not a ratio of the largest rate", equal),
        check_within(*delays, 0.0, LARGEST, "is not a delay", none),
    )


CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "problems": _check_problem,
    "sizes": _check_size,
    "loads": _check_load,
    "spreads": _check_pair,
    "seeds": _check_seed,
}
"""By the axis, functions from the name of a field and a value to the value, checked."""
