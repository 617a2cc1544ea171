"""Banks composed of other banks: several side by side, or one of them with a changed latency.

The values that such a bank does not define itself are made of the values of its parts, by the
kinds in the table `ServerBank._quantities`, so that no property or method of a bank is forgotten.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, wraps
from inspect import signature
from itertools import accumulate, chain, pairwise
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from .bank_fields import whole
from .errors import Array, InputError
from .joined_fields import concatenated, one_a_server
from .server_bank import ArrayLike, ServerBank
from .validation import check_instance, list_or_none

OPERATING = frozenset({"at_latency", "at_marginal", "at_player"})
INVERSES = OPERATING | {"inverse_latency", "inverse_marginal", "difference_error_bound"}
"""Methods whose argument is a price, which a bank with a changed latency must derive anew."""
CARRIED = ("service", "idle_latency", "rate_error")
"""Properties of which a part of the rows is taken along, once they are computed."""
RowIndex = npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice


class Composed(ServerBank):
    """One bank whose values are made of those of other banks, its parts.

    A subclass defines the argument that each part gets (`_each`), how the values of the parts are
    joined (`_join`), and the methods that are not made of the parts.

    Attributes
    ----------
    parts : tuple of ServerBank
    change : tuple
        Further arguments of the constructor, after the parts.
    worked_out : frozenset of str
        Names of methods that are not made of the parts: `ServerBank` derives them from the latency.
    """

    parts: tuple[Any, ...]
    change: tuple[Any, ...] = ()
    worked_out: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, mixin: bool = False, **named: Any) -> None:
        """Add to a class the properties and methods made of the parts; to a `mixin` none."""
        for name, kinds in cls._quantities.items():
            owner = next(c for c in cls.__mro__ if name in vars(c))
            if not mixin and name not in cls.worked_out and not issubclass(owner, Composed):
                setattr(cls, name, _made_of_parts(name, kinds, vars(owner)[name]))
        super().__init_subclass__(**named)

    @cached_property
    def _inexact(self) -> bool:
        """Whether `rate` may have a rounding error: that of a part, or one of the class itself."""
        of_parts = isinstance(type(self).rate_error, OfParts)
        return not of_parts or any(part._inexact for part in self.parts)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean time l(x) from the latencies of the parts; see `ServerBank.latency`."""
        return np.asarray(self._made("latency", self._quantities["latency"], flow, spare_capacity))

    @abstractmethod
    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """Return the argument of each part, from an argument of the whole bank."""

    @abstractmethod
    def _join(self, values: list[Any], kind: str) -> Any:
        """Return the value of the whole bank, from the values of the parts."""

    def _made(self, name: str, kinds: tuple[str, ...], *given: Any) -> Any:
        """Return the value of a property or method, made of the parts."""
        values = self._of_parts(name, kinds, *given)
        return JOINED[kinds[-1]](values) if kinds[-1] in JOINED else self._join(values, kinds[-1])

    def _of_parts(self, name: str, kinds: tuple[str, ...], *given: Any) -> list[Any]:
        """Return the value of a property or method for each part."""
        members = [getattr(part, name) for part in self.parts]
        if len(kinds) == 1:
            return members
        columns = [self._each(value, kind) for value, kind in zip(given, kinds, strict=False)]
        return [method(*arguments) for method, *arguments in zip(members, *columns, strict=True)]

    def _like(self, parts: Sequence[ServerBank]) -> Self:
        """Return other parts composed in the same way."""
        return type(self)(*parts, *self.change)

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the bank of the servers at `index`."""
        change = (c[index] if isinstance(c, np.ndarray) else c for c in self.change)
        return type(self)(*(part.take(index) for part in self.parts), *change)

    def at(self, rows: RowIndex) -> Self:
        """Return the bank of some of the rows; see `ServerBank.at`."""
        parts = [part.at(rows) for part in self.parts]
        same = all(new is part for new, part in zip(parts, self.parts, strict=True))
        return self if same else self._like(parts)

    @classmethod
    def _joined(cls, banks: Sequence[Self]) -> Self | None:
        """Return the servers of several banks as one bank, part by part; see `ServerBank`."""
        columns = list(zip(*(bank.parts for bank in banks), strict=True))
        if any(type(part) is not type(column[0]) for column in columns for part in column):
            return None
        parts = [column[0]._joined(column) for column in columns]
        changes = zip(*(bank.change for bank in banks), strict=True)
        try:
            change = [concatenated(values, len(banks[0])) for values in changes]
        except ValueError:
            return None
        return None if any(part is None for part in parts) else cls(*parts, *change)

    def _mapped(self, function: Callable[[Array], Array]) -> Self:
        n = len(self)
        change = (function(c) if one_a_server(c, n) else c for c in self.change)
        return type(self)(*(part._mapped(function) for part in self.parts), *change)

    def with_extra_delay(self, delay: ArrayLike) -> Self:
        """Return the bank of the parts with delays longer by `delay`, shape (n,)."""
        each = zip(self.parts, self._each(delay, "time"), strict=True)
        return self._like([part.with_extra_delay(extra) for part, extra in each])


JOINED: Mapping[str, Callable[[list[Any]], Any]] = {
    "any": any,
    "all": all,
    "words": lambda values: type(values[0])(chain.from_iterable(values)),
}
"""Functions that join the values of the parts where these are no numbers, by kind."""


class OfParts(cached_property[Any]):
    """A property of a composed bank that is made of those of its parts."""


def _made_of_parts(name: str, kinds: tuple[str, ...], base: Any) -> Any:
    """Return a property or method made of the parts, with the docstring of the base class's."""
    if len(kinds) == 1:
        made = OfParts(lambda self: self._made(name, kinds))
        made.__set_name__(Composed, name)
        made.__doc__ = base.__doc__
        return made
    parameters = signature(base)

    @wraps(base, updated=())
    def method(self: Composed, *given: Any, **named: Any) -> Any:
        if named:
            given = parameters.bind(self, *given, **named).args[1:]
        return self._made(name, kinds, *given)

    return method


class View(Composed):
    """One bank, `bank`, with a changed latency.

    A subclass defines the latency; what depends on it is derived from it.
    """

    worked_out = INVERSES | {"marginal", "marginal_slope", "rate_slope", "marginal_rate_slope"}

    def __init__(self, bank: Any, *change: Any) -> None:
        self.bank, self.parts, self.change = bank, (bank,), change
        self.rate, self.delay = bank.rate, bank.delay

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """Return the argument itself, for the one part."""
        return (value,)

    def _join(self, values: list[Any], kind: str) -> Any:
        """Return the value of the one part."""
        return values[0]


class MixedBank(Composed):
    """Banks of different families in numbers, by NumPy: one bank of their servers, in order.

    `sojourn.models.ParallelServers` composes the banks of `sojourn.models` in the same way, with
    the cones of CVXPY.

    Parameters
    ----------
    banks : sequence of ServerBank
        At least one.

    Raises
    ------
    InputError
        On an empty sequence, or an entry that is not a bank.

    Examples
    --------
    >>> from sojourn.reference import MG1, MM1
    >>> mixed = MixedBank([MM1([100.0, 80.0]), MG1(200.0, cv=3.0)])
    >>> mixed.latency([50.0, 0.0, 100.0])
    array([0.02  , 0.0125, 0.03  ])
    """

    made_of: ClassVar[tuple[type[ServerBank], str, str]] = (
        ServerBank,
        "is not a bank of servers",
        "give MM1, MD1, MG1 or another ServerBank",
    )

    def __init__(self, banks: Sequence[ServerBank]) -> None:
        given = list_or_none(banks)
        if given is None:
            raise InputError("servers", banks, *self.made_of[1:])
        if not given:
            raise InputError("servers", [], "the system has no server", "give at least one bank")
        self._set_parts(
            whole(check_instance(f"servers[{i}]", bank, *self.made_of))
            for i, bank in enumerate(given)
        )

    @classmethod
    def _beside(cls, parts: Iterable[ServerBank]) -> Self:
        """Return checked banks, or rows of banks, side by side."""
        mixed = cls.__new__(cls)
        mixed._set_parts(parts)
        return mixed

    def _set_parts(self, parts: Iterable[ServerBank]) -> None:
        """Store the parts, those of mixed ones instead of these, and their rates and delays."""
        each = ((p.parts if isinstance(p, MixedBank) else (p,)) for p in parts)
        self.parts = tuple(own for part in each for own in part)
        self.edges = tuple(accumulate(map(len, self.parts), initial=0))
        self.rate = np.concatenate([b.rate for b in self.parts], axis=-1)
        self.delay = np.concatenate([b.delay for b in self.parts], axis=-1)

    @property
    def banks(self) -> tuple[Any, ...]:
        """The banks, in order."""
        return self.parts

    @property
    def k(self) -> Array:
        """Variability of each server, shape (n,), where every family has one."""
        return np.concatenate([b.k for b in self.parts], axis=-1)

    @classmethod
    def _joined(cls, banks: Sequence[Self]) -> Self | None:
        """Return None: the servers of one family would not stand side by side."""
        return None

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the servers at `index`, grouped by bank; in a bank in the order of `index`."""
        index = np.arange(len(self))[index] if isinstance(index, slice) else index
        owner = np.searchsorted(self.edges, index, side="right") - 1
        own = [index[owner == j] - self.edges[j] for j in range(len(self.parts))]
        pairs = zip(self.parts, own, strict=True)
        return self._like([bank.take(rows) for bank, rows in pairs if rows.size])

    def _like(self, parts: Sequence[ServerBank]) -> Self:
        """Return other banks side by side."""
        return type(self)._beside(parts)

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """Return the columns of each bank, the last axis of an array being the servers."""
        if value is None or kind in ("plain", "form"):
            return (value,) * len(self.parts)
        value = np.broadcast_to(value, (*np.shape(value)[:-1], len(self)))
        return [value[..., low:high] for low, high in pairwise(self.edges)]

    def _join(self, values: list[Any], kind: str) -> Any:
        """Join the values of the banks along the last axis."""
        if kind in ("point", "late"):
            fields = zip(*values, strict=True)
            return type(values[0])(*(np.concatenate(field, axis=-1) for field in fields))
        return np.concatenate(values, axis=-1)


def same_rows(rows: RowIndex, count: int) -> bool:
    """Return whether an index of rows is that of all `count` rows, in order."""
    if isinstance(rows, slice):
        return range(*rows.indices(count)) == range(count)
    if rows.dtype == bool:
        return bool(rows.all())
    return rows.size == count and bool((rows == np.arange(count)).all())


def computed_rows(bank: Composed, rows: RowIndex) -> dict[str, Array]:
    """Return rows of the properties of a bank that were computed already, by name."""
    known = vars(bank)
    return {name: known[name][rows] for name in CARRIED if name in known}


def as_bank(servers: ServerBank | Sequence[ServerBank]) -> ServerBank:
    """Return one bank: a bank as it is, several banks as their `MixedBank`."""
    return whole(servers) if isinstance(servers, ServerBank) else MixedBank(servers)
