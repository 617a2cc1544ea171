"""Several banks of n servers as one bank, so that their systems are computed in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .bank_fields import store, whole
from .composed import Composed, MixedBank, RowIndex, computed_rows, same_rows
from .errors import Array
from .server_bank import ServerBank
from .tails import APPROXIMATION, EXACT, NO_TAIL


class BankRows(Composed):
    """K banks of n servers of one family as one bank, whose numbers have the shape (K, n).

    Row k is bank k. Methods take flows, spare capacities and times of shape (..., K, n), or of a
    shape that broadcasts to it. All servers are in one *flat* bank of K n servers, so that every
    family works as it is.

    Parameters
    ----------
    flat : ServerBank
        K n servers: the n of the first row, then those of the second one, and so on.
    n : int
        Number of servers in a row.

    Attributes
    ----------
    count : int
        Number of rows K.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> rows = BankRows.of([MM1([10.0, 5.0]), MM1([8.0, 4.0])])
    >>> rows.latency([[5.0, 0.0], [4.0, 2.0]])
    array([[0.2 , 0.2 ],
           [0.25, 0.5 ]])
    >>> rows.at(slice(1, 2)).rate
    array([[8., 4.]])
    """

    def __init__(self, flat: ServerBank, n: int) -> None:
        self.flat = whole(flat)
        self.parts, self.change, self.count = (self.flat,), (n,), len(flat) // n
        self._shape = (self.count, n)
        self.rate, self.delay = flat.rate.reshape(self._shape), flat.delay.reshape(self._shape)

    @staticmethod
    def of(
        banks: Sequence[ServerBank], repeats: int | Sequence[int] | npt.NDArray[np.intp] = 1
    ) -> ServerBank | None:
        """Return banks of n servers each as one bank with a row for each.

        Parameters
        ----------
        banks : sequence of ServerBank
            At least one.
        repeats : array_like of int, shape () or (number of banks,), default 1
            Number of neighbouring rows that are the same bank.

        Returns
        -------
        BankRows, MixedBank or None
            Mixed banks are a `MixedBank` of `BankRows`. None where the banks differ in more than
            their numbers: in their families, the order of these or the number of servers, or in
            values that are not one number a server (see ``ServerBank._joined``).
        """
        rows = _rows(banks)
        if rows is None or (isinstance(repeats, int) and repeats == 1):
            return rows
        return rows.at(np.repeat(np.arange(len(banks)), repeats))

    @property
    def _validated(self) -> bool:
        """True: each bank was checked before it became a row."""
        return True

    @property
    def tail_kind(self) -> tuple[str, ...]:
        """Kind of the tail of each server, n words: of all rows, that which is least known."""
        kinds = np.reshape(self.flat.tail_kind, self._shape)
        order = [NO_TAIL, APPROXIMATION, EXACT]
        return tuple(next(k for k in order if k in column) for column in kinds.T)

    def at(self, rows: RowIndex) -> Self:
        """Return the banks of some of the rows.

        Parameters
        ----------
        rows : ndarray of int, ndarray of bool, or slice
            Indices of rows, which may be repeated, or a mask of shape (K,).
        """
        if same_rows(rows, self.count):
            return self
        if isinstance(rows, slice):
            some = self._of_table(lambda table: table[rows], len(range(*rows.indices(self.count))))
        else:
            index = np.flatnonzero(rows) if rows.dtype == bool else rows
            some = self._of_table(lambda table: table.take(index, axis=0), index.size)
        return store(some, **computed_rows(self, rows))

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the rows of the servers at `index`, in that order."""
        return self._of_table(lambda table: table[:, index], self.count)

    def _of_table(self, function: Callable[[Array], Array], count: int) -> Self:
        """Return `count` rows from a function of each stored array as a table, (K, n, ...)."""

        def flat(values: Array) -> Array:
            table = function(values.reshape(*self._shape, *values.shape[1:]))
            return table.reshape(math.prod(table.shape[:2]), *values.shape[1:])

        part = self.flat._mapped(flat)
        return type(self)(part, len(self) if count == 0 else len(part) // count)

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """Return the argument of the flat bank."""
        if value is None or kind == "plain":
            return (value,)
        value = np.asarray(value, dtype=np.float64)
        if value.shape[-2:] != self._shape:
            value = np.broadcast_to(value, np.broadcast_shapes(value.shape, self._shape))
        return (value.reshape(*value.shape[:-2], self.rate.size),)

    def _join(self, values: list[Any], kind: str) -> Any:
        """Return the value of the flat bank, one row for each bank."""
        (value,) = values
        if kind in ("point", "late"):
            return type(value)(*(self._join([field], "rate") for field in value))
        return value.reshape(*value.shape[:-1], *self._shape)


def _rows(banks: Sequence[ServerBank]) -> ServerBank | None:
    """Return one row for each bank; see `BankRows.of`."""
    first = banks[0]
    if any(type(bank) is not type(first) for bank in banks):
        return None
    if isinstance(first, MixedBank):
        try:
            columns = list(zip(*(bank.banks for bank in banks), strict=True))
        except ValueError:  # of different length
            return None
        parts = [part for part in map(_rows, columns) if part is not None]
        return MixedBank._beside(parts) if len(parts) == len(columns) else None
    banks = [whole(bank) for bank in banks]
    same = all(bank.delay.shape == first.delay.shape for bank in banks)
    flat = first._joined(banks) if same else None
    return None if flat is None else BankRows(flat, len(first))
