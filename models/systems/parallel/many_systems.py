"""The optimum or the equilibrium of several systems of one shape, as one question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.bank_rows import BankRows
from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.question import Points, SolverOutput
from ...core.stored import Column
from ...core.table import Mask
from .formulations import Model
from .questions import Split, Splits


@dataclass(frozen=True, eq=False)
class ManySystems(Split):
    """Splits of S systems whose banks have one shape; `bank` is that of the first.

    The last column of the points is the index of the system, as a float.

    Attributes
    ----------
    banks : ServerBank
        The bank of each system, one a row; see `sojourn.reference.bank_rows.BankRows`.
    units : ndarray, shape (S,)
        Unit of time of the programs of each system.
    in_units : sequence of mapping
        For each part of a bank, the numbers of its cones by name, shape (S, n), in these units.
    """

    banks: ServerBank = field(kw_only=True)
    units: Array = field(kw_only=True)
    in_units: Sequence[Mapping[str, Array]] = field(kw_only=True)

    @classmethod
    def of(cls, questions: Sequence[Split]) -> ManySystems | None:
        """Return the question of several `Split` questions, or None where they do not fit."""
        first = questions[0]
        if any(type(question) is not Split for question in questions):
            return None
        banks = BankRows.of([question.bank for question in questions])
        if banks is None:
            return None
        numbers = [question._in_unit for question in questions]
        return cls(
            **{f.name: getattr(first, f.name) for f in fields(Split)},
            banks=banks,
            units=np.array([question.unit for question in questions]),
            in_units=[
                {name: np.stack([parts[i][name] for parts in numbers]) for name in part}
                for i, part in enumerate(numbers[0])
            ],
        )

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """Return the formulations that all systems share."""
        of_first = super().formulations(chosen)
        return {form: cones for form, cones in of_first.items() if self.shape(form) is not None}

    def starts(self, points: Points) -> Mask:
        """Return the first point of each system."""
        return np.asarray(np.diff(points[-1], prepend=-1.0) != 0)

    def parameters(self, program: Model, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the loads and the numbers of the servers, in the unit of each system's program."""
        rows = _systems(points)

        def numbers() -> Iterator[tuple[cp.Parameter, Array]]:
            for part, name, parameter in program.numbers:
                yield parameter, self.in_units[part][name][rows]

        return ((program.load, points[0] * self.units[rows]), *numbers())

    def finish(self, program: Model, returned: SolverOutput, points: Points) -> Splits:
        """See `Split.finish`."""
        rows = _systems(points)
        flow = returned.value(program.variable) / self.units[rows, None]
        return self._certified(points[0], flow, self.banks.at(rows))

    def certify_stored(self, points: Points, column: Column) -> Splits:
        """See `Split.certify_stored`."""
        flow = column(f"{self.goal}_flow", len(self.bank))
        as_stored = replace(self, polish=False)
        return as_stored._certified(points[0], flow, self.banks.at(_systems(points)))

    def idle(self, points: Points) -> Splits:
        """See `Split.idle`."""
        return self._idle(len(points[0]), self.banks.at(_systems(points)))


def _systems(points: Points) -> npt.NDArray[np.intp]:
    """Return the index of the system at each point."""
    return points[-1].astype(np.intp)
