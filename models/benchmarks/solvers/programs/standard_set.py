"""The standard set: about 200 instances over all problems, sizes and severities, by one rule.

Run this file as a module to renew the digest after an intended change of the problems:
``python -m sojourn.models.benchmarks.solvers.programs.standard_set``.
"""

from __future__ import annotations

import hashlib
import numbers
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from .. import problems as registry
from ..instances import LOADS as ALL_LOADS
from ..instances import checked, keys, system_of
from ..problem import Axes, InstanceKey

VERSION = "2026.2"
DIGEST = "199808ebfaa83e6e1c903050ae335d455898085f79b87fffaa79d77cef290e00"
"""Digest of the instances of this version."""
TARGET = 200
"""Number of instances that the set comes near to."""
LOADS = (0.6, 0.999, 1 - 1e-6, 0.95, 0.3, 0.9999)
"""Parts of the largest load, in the order in which the set takes them up."""
INFEASIBLE_LOADS = (1.01, 1.001)
"""Loads of the infeasible instances that a run has beside the set, which has none."""
LARGE = 3000
"""Size that the set has beside the default sizes of a problem, unless its largest is below."""
RATE_SPREADS = (10.0, 1e6)
DIGITS = 9
"""Digits of a number in a digest: powers differ in their last digit between processors."""


class StandardSet:
    """Instances that results of different solvers, machines and years have in common.

    In each round every formulation of every problem adds its next instance: systems in turn, loads
    in turn, so that the first instances cover both. The formulations of a problem share systems and
    loads, as far as they have them. Rounds end where the set is nearest to 200.

    Attributes
    ----------
    version : str
        Version of the rule and of the problems.
    pinned : str
        The digest that the instances of this version have.
    """

    version = VERSION
    pinned = DIGEST

    @cached_property
    def keys(self) -> tuple[InstanceKey, ...]:
        """The instances."""
        rows = list(_rows())
        chosen: list[InstanceKey] = []
        for turn in range(max(map(len, rows))):
            added = [row[turn] for row in rows if turn < len(row)]
            if abs(len(chosen) + len(added) - TARGET) >= abs(len(chosen) - TARGET):
                break
            chosen += added
        return tuple(sorted(chosen, key=in_order))

    @cached_property
    def digest(self) -> str:
        """Digest of the keys and of the numbers of the systems as drawn here."""
        return digest_of(self.keys)


def candidates() -> list[InstanceKey]:
    """Return the instances that the set is chosen from.

    They have the default sizes of a problem and a large one, and its largest delays.
    """
    return [
        key
        for problem in registry.PROBLEMS
        for key in keys(
            [problem.name],
            sorted({*problem.sizes, *([LARGE] if problem.largest >= LARGE else [])}),
            LOADS,
            [(rates, max(delays for _, delays in problem.spreads)) for rates in RATE_SPREADS],
        )
    ]


def _rows() -> Iterator[list[InstanceKey]]:
    """Yield the candidates of each formulation of each problem in the order of the rounds."""
    for shift, (_, of_problem) in enumerate(groupby(candidates(), lambda key: key.problem)):
        group = list(of_problem)
        places = list(_places(shift, list(dict.fromkeys(key.axes for key in group))))
        for formulation in dict.fromkeys(key.formulation for key in group):
            found = {(key.axes, key.load): key for key in group if key.formulation == formulation}
            yield [found[place] for place in places if place in found]


def _places(shift: int, systems: Sequence[Axes]) -> Iterator[tuple[Axes, float]]:
    """Yield the systems of a problem with loads so that the first ones differ in both.

    Step t has system t and load t + t // lcm, each counted from the start again at its end. The
    `shift` lets problems begin with different systems, and pairs them with different loads.
    """
    lcm = int(np.lcm(len(systems), len(LOADS)))
    for t in range(len(systems) * len(LOADS)):
        # the largest system first: it is what a set with few rounds needs most
        axes = systems[-1 - (t + shift) % len(systems)]
        yield axes, LOADS[(t + t // lcm + 5 * shift) % len(LOADS)]


def in_order(key: InstanceKey) -> tuple[Any, ...]:
    """Return what instances of a set are sorted by."""
    return (key.problem, key.formulation, key.axes, key.load, key.seed)


def digest_of(chosen: Iterable[InstanceKey]) -> str:
    """Return the SHA-256 digest of keys and of the numbers of their systems, to 9 digits."""
    sha = hashlib.sha256()
    for key in chosen:
        for text in (*_texts(key), _digest_of_system(key._replace(formulation="", load=0.0))):
            sha.update(text.encode() + b"\n")
    return sha.hexdigest()


@lru_cache(1024)
def _digest_of_system(key: InstanceKey) -> str:
    """Return the digest of the system of a key."""
    sha = hashlib.sha256()
    for text in _texts(system_of(key)):
        sha.update(text.encode() + b"\n")
    return sha.hexdigest()


def _texts(value: Any) -> Iterator[str]:
    """Yield the numbers, words and structure of a system as texts.

    Raises
    ------
    TypeError
        On a part without numbers, such as a function.
    """
    if value is None or isinstance(value, str | bool | np.bool_):
        yield repr(value)
    elif isinstance(value, numbers.Real):
        yield f"{float(value):.{DIGITS}g}"
    elif isinstance(value, np.ndarray):
        yield f"array {value.shape}"
        if value.dtype.kind == "f":
            yield " ".join([f"{entry:.{DIGITS}g}" for entry in value.ravel().tolist()])
            return
        for entry in value.ravel().tolist():
            yield from _texts(entry)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}"
        for name, entry in value.items():
            yield from _texts(name)
            yield from _texts(entry)
    elif isinstance(value, list | tuple | range):
        yield f"sequence {len(value)}"
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, set | frozenset):
        yield from _texts(sorted(value))
    elif callable(value):
        raise TypeError(f"{type(value).__name__} has no numbers for a digest")
    else:
        yield type(value).__name__
        yield from _texts(value.__getstate__())


STANDARD_SET = StandardSet()
"""The set of this version."""


def infeasible_keys(seeds: Sequence[int] = (0,)) -> list[InstanceKey]:
    """Return infeasible instances of each formulation that has them, at its smallest size."""
    return [
        key
        for problem in registry.PROBLEMS
        for key in keys(
            [problem.name],
            [min(problem.sizes)],
            INFEASIBLE_LOADS,
            problem.spreads[-1:],
            seeds=seeds,
        )
    ]


def chosen_keys(
    seeds: Sequence[int] = (0,), loads: Sequence[float] | None = None, **axes: Any
) -> list[InstanceKey]:
    """Return the instances on chosen axes; the standard set, of other seeds too, without any.

    Parameters
    ----------
    seeds : sequence of int, default (0,)
        Seeds of the random systems.
    loads : sequence of float, optional
        Parts of the largest load; by default from 30 % to 99.9999 %.
    **axes
        Further arguments of `sojourn.models.benchmarks.solvers.instances.keys`; None is the
        default.
    """
    given = {name: value for name, value in axes.items() if value is not None}
    if not given and loads is None:
        chosen = checked("seeds", seeds)
        return [key._replace(seed=seed) for seed in chosen for key in STANDARD_SET.keys]
    return keys(**given, loads=ALL_LOADS if loads is None else loads, seeds=seeds)


def renew() -> str:
    """Write the digest of the instances as they are drawn now into this file, and return it."""
    file, digest = Path(__file__), STANDARD_SET.digest
    text = file.read_text(encoding="utf-8")
    file.write_text(
        re.sub(r'^DIGEST = ".*"$', f'DIGEST = "{digest}"', text, flags=re.MULTILINE),
        encoding="utf-8",
    )
    return digest


if __name__ == "__main__":
    renew()
