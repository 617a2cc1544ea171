"""The rows of a run, by problem, by solver and settings, and by cells that several solvers got."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from .....reference.errors import InputError
from .....reference.plural import counted
from ..problem import InstanceKey
from ..row import Row
from .cone_classes import ORDER, cone_class

Group = TypeVar("Group", bound=Hashable)
ALIKE = 0.9
"""Part of the cells of a comparison that make a larger one say the same."""


class Entrant(NamedTuple):
    """A solver under some settings: what the benchmark compares.

    Attributes
    ----------
    solver : str
    settings : str
        Name of the settings, with the tolerance where a name stands for several.
    """

    solver: str
    settings: str


class Comparison(NamedTuple):
    """Cells that each of several entrants got, and their rows.

    Attributes
    ----------
    label : str
        A capital letter.
    cones : str
        Class of its cells; see `sojourn.models.benchmarks.solvers.report.cone_classes.ORDER`.
    cells : list of InstanceKey
    rows : mapping of Entrant to list of Row
        The rows in the order of the cells.
    """

    label: str
    cones: str
    cells: list[InstanceKey]
    rows: Mapping[Entrant, list[Row]]

    @property
    def title(self) -> str:
        """Label, class of cones, and numbers of solvers and of cells."""
        solvers = counted(len({entrant.solver for entrant in self.rows}), "solver")
        return f"{self.label}: {self.cones}, {solvers} on {counted(len(self.cells), 'cell')}"


@dataclass(frozen=True, eq=False)
class Results:
    """Rows of a run, at least one.

    Attributes
    ----------
    rows : sequence of Row
        One row an instance, solver, settings and tolerance.
    limit : float
        Limit of time of a cell, seconds.

    Raises
    ------
    InputError
        On no rows, and on two rows of the same cell and solver.
    """

    rows: Sequence[Row]
    limit: float

    def __post_init__(self) -> None:
        """Check the rows."""
        if not self.rows:
            raise InputError("rows", [], "are no results", "run the benchmark first")
        first: dict[Hashable, int] = {}
        for i, row in enumerate(self.rows):
            # NaN differs from itself
            name = (row.key, row.solver, row.settings, str(row.tolerance))
            if (before := first.setdefault(name, i)) != i:
                problem = f"has the same instance, solver and settings as rows[{before}]"
                raise InputError(f"rows[{i}]", name, problem, "give one of the two")

    @cached_property
    def asked(self) -> list[Row]:
        """Rows of instances that their solver got."""
        return [row for row in self.rows if not row.skipped]

    @cached_property
    def labels(self) -> Mapping[tuple[str, str], str]:
        """Name of the settings by their name and tolerance, from the loosest to the tightest."""
        pairs = {(row.settings, str(row.tolerance)): row.tolerance for row in self.rows}
        per_solver = {(row.solver, row.settings, str(row.tolerance)) for row in self.rows}
        several = Counter((solver, name) for solver, name, _ in per_solver)
        many = {name for (_, name), count in several.items() if count > 1}
        ordered = sorted(pairs, key=lambda pair: _tightness(pairs[pair]))
        return {
            pair: f"{pair[0]} {pairs[pair]:.0e}" if pair[0] in many else pair[0] for pair in ordered
        }

    def entrant(self, row: Row) -> Entrant:
        """Return the solver and the settings of a row."""
        return Entrant(row.solver, self.labels[row.settings, str(row.tolerance)])

    @cached_property
    def settings(self) -> list[str]:
        """Names of the settings, from the loosest to the tightest; first those of no tolerance."""
        return list(dict.fromkeys(self.labels.values()))

    @cached_property
    def tolerances(self) -> Mapping[str, float]:
        """Tolerance by settings, from the loosest to the tightest, of those that name one."""
        found: dict[str, set[float]] = {name: set() for name in self.settings}
        for row in self.rows:
            found[self.entrant(row).settings].add(row.tolerance)
        return {name: max(of) for name, of in found.items() if all(value > 0 for value in of)}

    @cached_property
    def solvers(self) -> list[str]:
        """Names of the solvers in the order of the rows."""
        return list(dict.fromkeys(row.solver for row in self.rows))

    @cached_property
    def problems(self) -> list[str]:
        """Names of the problems in the order of the rows."""
        return list(dict.fromkeys(row.problem for row in self.rows))

    @cached_property
    def by_entrant(self) -> Mapping[Entrant, list[Row]]:
        """All rows of each entrant: solvers in the order of the rows, settings from loose ones."""
        return self.by_entrant_of(self.rows)

    def by_entrant_of(self, rows: Sequence[Row]) -> dict[Entrant, list[Row]]:
        """Return rows by their entrant."""
        places = {name: i for i, name in enumerate(self.settings)}
        order = {name: i for i, name in enumerate(self.solvers)}
        groups = grouped(rows, self.entrant)
        return {
            entrant: groups[entrant]
            for entrant in sorted(groups, key=lambda e: (order[e.solver], places[e.settings]))
        }

    @cached_property
    def main_settings(self) -> str:
        """The settings under which the most answers are right."""
        counts = Counter(dict.fromkeys(self.settings, 0))
        counts.update(self.entrant(row).settings for row in self.asked if row.right)
        return max(self.settings, key=lambda name: counts[name])

    def under(self, settings: str) -> list[Row]:
        """Return the rows under the settings of a name."""
        return self._by_settings.get(settings, [])

    @cached_property
    def _by_settings(self) -> Mapping[str, list[Row]]:
        return grouped(self.rows, lambda row: self.entrant(row).settings)

    def comparisons(self, rows: Sequence[Row]) -> list[Comparison]:
        """Return the sets of entrants that got the same cells of a class, with all of these cells.

        A solver that supports fewer cones gets easier cells, so that its counts over all of its
        cells are no comparison. Classes are in the order of `ORDER`. Within one the largest sets
        are first; one that adds less than a tenth of cells to a larger set with the same entrants
        and more is left out.
        """
        asked = [row for row in rows if not row.skipped]
        classes = grouped(asked, class_of)
        drafts = [
            (name, *draft)
            for name in sorted(classes, key=ORDER.index)
            for draft in self._same_cells(classes[name])
        ]
        return [Comparison(_letters(i), *draft) for i, draft in enumerate(drafts)]

    def _same_cells(
        self, asked: Sequence[Row]
    ) -> list[tuple[list[InstanceKey], dict[Entrant, list[Row]]]]:
        """Return the comparisons of a class, without their names."""
        of_cell = {key: self.by_entrant_of(found) for key, found in grouped(asked, _key).items()}
        sets = dict.fromkeys(frozenset(found) for found in of_cell.values() if len(found) > 1)
        drafts = []
        for entrants in sets:
            cells = [key for key, found in of_cell.items() if entrants <= found.keys()]
            ordered = [entrant for entrant in self.by_entrant if entrant in entrants]
            drafts.append((cells, {e: [of_cell[key][e][0] for key in cells] for e in ordered}))
        drafts.sort(key=lambda draft: -len(draft[0]) * len(draft[1]))
        kept: list[tuple[list[InstanceKey], dict[Entrant, list[Row]]]] = []
        for cells, found in drafts:
            if not any(
                found.keys() <= of.keys() and ALIKE * len(cells) <= len(on) for on, of in kept
            ):
                kept.append((cells, found))
        return kept


def class_of(row: Row) -> str:
    """Return the class of the cones of an instance."""
    return cone_class(row.problem, row.formulation)


def grouped(rows: Sequence[Row], name: Callable[[Row], Group]) -> dict[Group, list[Row]]:
    """Return rows by a name of theirs, in the order of the rows."""
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault(name(row), []).append(row)
    return groups


def limit_of(rows: Sequence[Row], metadata: Mapping[str, Any]) -> float:
    """Return the limit of time of the metadata, or the longest time of a row where that is longer.

    Seconds; a cell that failed counts as this time.
    """
    stated = metadata.get("limit", 0.0)
    stated = stated if isinstance(stated, int | float) and math.isfinite(stated) else 0.0
    return max([float(stated), *(row.solve_seconds for row in rows)])


def _key(row: Row) -> InstanceKey:
    return row.key


def _tightness(tolerance: float) -> float:
    """Return a number that grows as the tolerance tightens; no tolerance is the least."""
    return -math.inf if math.isnan(tolerance) else -tolerance


def _letters(i: int) -> str:
    """Return A, B, ..., Z, AA, AB, ... for 0, 1, ..."""
    return (_letters(i // 26 - 1) if i >= 26 else "") + chr(ord("A") + i % 26)
